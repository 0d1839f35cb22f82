"""Reads: SQL over every run that this clone knows, from an index that can be deleted at any time.

A *place* is where sealed objects lie: the working tree, the second copies of what no commit holds, the trees of
git. A *seal* is one sealed object of a run; a run that was resumed has several. A *segment* is an immutable
DuckDB file with the columns of some seals; the index is a folder of them. A *view* says which seals of which
segments an answer is made from: it depends on branches and checkouts, the segments do not. The *overlay* holds,
in memory, what changes too often to be indexed: live runs, and runs whose seals had to be merged.
"""
