"""Bytes, digests and paths: the ground that everything stands on.

A *digest* is the SHA-256 of content and its name in the store. `layout` spells every path, `durable` makes
every write that must survive a crash, `objects` keeps the content of artifacts and data, `locking` tells
whether the process that holds a file is alive. This room has never heard of runs or of git.
"""
