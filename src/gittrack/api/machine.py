"""Watching the machine while a run is active."""

from __future__ import annotations

from typing import Any

from gittrack import config
from gittrack.api.state import STATE
from gittrack.record.run import ActiveRun


def watch(run: ActiveRun, asked: bool | None, *, resumed: bool) -> None:
    """Watch the machine until a run ends, if that is wanted.

    Args:
        run: Takes the metrics; they are volatile, no two executions share them.
        asked: What `start_run` was told; None for what holds in this process.
        resumed: Whether the run may have such metrics already.

    Raises:
        InvalidValue: psutil is not installed, or a number is out of its range.
    """
    settings = {**config.system_metrics(), **STATE.system}
    if not (settings["enabled"] if asked is None else asked):
        return
    from gittrack.record.system_metrics import SystemMetrics

    run.set_volatile("system/*")
    watcher = SystemMetrics(
        run.log_metrics,
        interval_s=settings["interval_s"],
        samples_before_logging=settings["samples"],
        node_id=settings["node_id"],
        first_step=run.next_step("system/") if resumed else 0,
    )
    watcher.start()
    run.before_end(watcher.finish)


def enable_system_metrics_logging() -> None:
    """Watch the machine while runs that are started from now on are active."""
    STATE.system["enabled"] = True


def disable_system_metrics_logging() -> None:
    """Do not watch the machine while runs that are started from now on are active."""
    STATE.system["enabled"] = False


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Set the seconds between two samples of the machine; None for what the environment says."""
    _choose("interval_s", None if interval is None else float(interval))


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Set how many samples of the machine are averaged into one point; None for what the environment says."""
    _choose("samples", samples)


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Set the name of this machine in the keys of system metrics; None for what the environment says."""
    _choose("node_id", node_id)


def _choose(name: str, value: Any) -> None:
    STATE.system.pop(name, None)
    if value is not None:
        STATE.system[name] = value
