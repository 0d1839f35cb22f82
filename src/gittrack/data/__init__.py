"""Files and folders as inputs and outputs of runs.

A folder's digest is that of its *manifest*: a text of lines `DIGEST  PATH`, sorted by path, which `sha256sum -c`
understands and which is itself kept as content.
"""
