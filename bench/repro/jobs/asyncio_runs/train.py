"""Two runs at once in one loop of asyncio, each with what it is told in its own task."""

from __future__ import annotations

import asyncio

import gittrack


async def follow(name: str, rate: float) -> None:
    """Log a decay, a step at a time."""
    with gittrack.start_run(run_name=name):
        value = 1.0
        for step in range(30):
            value *= 1.0 - rate
            gittrack.log_metric("value", value, step=step)
            await asyncio.sleep(0)


async def main() -> None:
    """Follow a slow decay and a fast one."""
    await asyncio.gather(follow("slow", 0.01), follow("fast", 0.2))


asyncio.run(main())
