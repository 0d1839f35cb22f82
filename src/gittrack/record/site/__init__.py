"""A folder that goes before all others on the path of a Python process, and knows nothing else of gittrack.

Its files run in any Python 3 that a job starts, also in one where gittrack is not installed.
"""
