"""Writes runs, and owns their format on disk; its one reader too.

A run is *live* while a process logs to it: each process appends to a *journal* of its own. To *seal* a run is
to merge its journals into one immutable folder named by its digest; anybody may do that once no journal is
locked any more, and all who do write the same bytes. A training process imports neither pyarrow nor yaml for
any of this (bench/start.py): small series are written by `parquet`, YAML by `document`.
"""
