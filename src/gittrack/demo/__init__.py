"""A tour on real data: a repository, a sweep of eight trials, a commit, a query, a reproduction.

Every step is a command that the reader could type; it is shown before it is run.
"""
