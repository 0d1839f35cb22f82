"""The fluent functions: MLflow's names and meaning, for the run that is active where they are called.

Each is one call of a method of the run, the client or the session; `gittrack` re-exports them.
"""
