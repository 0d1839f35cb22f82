"""Watching the machine while a run is active."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from gittrack import config
from gittrack.api.state import STATE
from gittrack.record.run import ActiveRun
from gittrack.record.values import as_number

if TYPE_CHECKING:
    from gittrack.record.system_metrics import SystemMetrics


def prepared(asked: bool | None) -> Callable[..., SystemMetrics] | None:
    """Return what makes a watcher of the machine, None where none is wanted; before a run is opened for it.

    Args:
        asked: What `start_run` was told; None for what holds in this process.

    Raises:
        InvalidValue: psutil is not installed, or a number is out of its range.
    """
    settings = {**config.system_metrics(), **STATE.system}
    if not (settings["enabled"] if asked is None else asked):
        return None
    from gittrack.record.system_metrics import SystemMetrics, require_psutil

    require_psutil()
    make = partial(
        SystemMetrics,
        interval_s=settings["interval_s"],
        samples_before_logging=settings["samples"],
        node_id=settings["node_id"],
    )
    make(lambda values, step: None)  # checks the numbers
    return make


def watch(run: ActiveRun, make: Callable[..., SystemMetrics], *, resumed: bool) -> None:
    """Watch the machine until a run ends; the metrics are volatile, no two executions share them.

    Args:
        run: Takes the metrics.
        make: From `prepared`.
        resumed: Whether the run may have such metrics already.
    """
    run.set_volatile("system/*")
    watcher = make(run.log_metrics, first_step=run.next_step("system/") if resumed else 0)
    watcher.start()
    run.before_end(watcher.finish)


def enable_system_metrics_logging() -> None:
    """Watch the machine while runs that are started from now on are active."""
    STATE.system["enabled"] = True


def disable_system_metrics_logging() -> None:
    """Do not watch the machine while runs that are started from now on are active."""
    STATE.system["enabled"] = False


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Set the seconds between two samples of the machine; None for what the environment says.

    Raises:
        InvalidValue: It is no number; one that is not positive is told when a run starts.
    """
    _choose("interval_s", None if interval is None else as_number(interval, "the sampling interval"))


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
