"""Threads that work beside the caller's, where there can be any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor


@contextmanager
def beside(count: int, name: str) -> Iterator[Executor | None]:
    """Give a pool of threads, or None where no thread begins any more: runs end while the interpreter shuts down."""
    pool = _begun(count, name)
    if pool is None:
        yield None
        return
    with pool:
        yield pool


def _begun(count: int, name: str) -> Executor | None:
    try:
        from concurrent.futures import ThreadPoolExecutor  # 12 ms, which small files do not pay

        pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        pool.submit(int).result()
    except RuntimeError:
        return None
    return pool
