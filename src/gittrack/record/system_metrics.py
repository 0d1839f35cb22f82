"""How busy the machine is while a run goes on: the metrics `system/…`, with MLflow's names and units."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from gittrack.errors import Conflict, InvalidValue
from gittrack.record import values
from gittrack.record.warning import warn

Source = Callable[[], dict[str, float]]

_PREFIX = "system/"
_SINCE_THE_START = frozenset({"network_receive_megabytes", "network_transmit_megabytes"})
_LONGEST = "system_memory_usage_percentage"
_PATIENCE_S = 1.0


class SystemMetrics:
    """Samples this machine in a thread of its own, and logs the means.

    Args:
        log: Takes the values by metric, and their step; called in that thread.
        interval_s: Seconds before each sample, above 0.
        samples_before_logging: How many samples make one value, at least 1.
        node_id: The machine's name among those that log to the run: `system/<node_id>/…`.
        first_step: Step of the first values; a run that is resumed goes on after its last.

    Raises:
        InvalidValue: A number is out of its range, or `node_id` cannot be part of a metric's key.
    """

    def __init__(
        self,
        log: Callable[[dict[str, float], int], None],
        *,
        interval_s: float = 10.0,
        samples_before_logging: int = 1,
        node_id: str | None = None,
        first_step: int = 0,
    ) -> None:
        self._log = log
        self._interval_s = _interval(interval_s)
        self._samples = _count(samples_before_logging)
        self._prefix = _prefix(node_id)
        self._step = values.as_step(first_step, _PREFIX)
        self._thread: threading.Thread | None = None
        self._process = 0
        self._stop = threading.Event()
        self._warned = False

    def start(self) -> None:
        """Begin to sample; does nothing in a process that has begun already.

        Raises:
            InvalidValue: psutil is not installed.
        """
        if self._thread is not None and self._process == os.getpid():
            return
        require_psutil()
        self._stop, self._process = threading.Event(), os.getpid()
        thread = threading.Thread(
            target=self.watch, args=(self._stop.wait,), name="gittrack-system-metrics", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            warn(f"gittrack records no system metrics: {error}")
        else:
            self._thread = thread

    def finish(self) -> None:
        """Stop at once; samples that make no whole value yet are dropped. Finishing twice does nothing."""
        thread, self._thread = self._thread, None
        if thread is None or self._process != os.getpid():
            return  # a forked child has no such thread, and its copy of the event's lock may be held for ever
        self._stop.set()
        # Not for longer: a signal handler may end the run while this very thread holds what the other waits for.
        thread.join(_PATIENCE_S)

    def watch(self, wait: Callable[[float], bool]) -> None:
        """Sample and log until `wait`, which is given the seconds to the next sample, says that it is over."""
        sources = [_cpu, _memory, _disk, _Network().read, *_gpus()]
        # One for nobody: what the CPU and the network did is measured from one sample to a later one.
        self._sample(sources, defaultdict(list))
        while True:
            samples: defaultdict[str, list[float]] = defaultdict(list)
            for _ in range(self._samples):
                if wait(self._interval_s):
                    return
                self._sample(sources, samples)
            if samples and not self._publish({key: _value(key, seen) for key, seen in samples.items()}):
                return

    def _sample(self, sources: Iterable[Source], samples: defaultdict[str, list[float]]) -> None:
        for source in sources:
            try:
                for key, value in source().items():
                    samples[key].append(value)
            except Exception as error:  # noqa: BLE001 - drivers fail in any way, and a training has other worries
                self._warn_once(f"gittrack skips a sample of the system metrics: {error!r}")

    def _publish(self, found: dict[str, float]) -> bool:
        """Log the values; whether the run can take more."""
        try:
            self._log({self._prefix + key: value for key, value in found.items()}, self._step)
        except Conflict:
            return False  # the run has ended
        except Exception as error:  # noqa: BLE001 - nobody is there to catch it
            self._warn_once(f"gittrack could not record system metrics: {error}")
        self._step += 1
        return True

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warn(message)


def _interval(seconds: float) -> float:
    if not isinstance(seconds, int | float) or not 0 < seconds <= threading.TIMEOUT_MAX:
        raise InvalidValue(
            f"system metrics cannot be sampled every {seconds!r:.80} seconds", hint="10 is the default"
        )
    return seconds


def _count(samples: int) -> int:
    if not isinstance(samples, int) or samples < 1:
        raise InvalidValue(
            f"{samples!r:.80} is no number of samples that a system metric can be the mean of",
            hint="1 is the default",
        )
    return samples


def _prefix(node_id: str | None) -> str:
    if not node_id:
        return _PREFIX
    prefix = f"{_PREFIX}{node_id}/"
    values.check_key(prefix + _LONGEST, "metric")
    return prefix


def _value(key: str, samples: list[float]) -> float:
    """Return what is logged for some samples of a metric, by MLflow's rule."""
    return samples[-1] if key in _SINCE_THE_START else round(sum(samples) / len(samples), 1)


def require_psutil() -> None:
    """Check that the machine can be watched.

    Raises:
        InvalidValue: psutil is not installed.
    """
    try:
        import psutil  # noqa: F401
    except ImportError as error:
        raise InvalidValue(
            "system metrics need psutil, which is not installed", hint="pip install 'gittrack[system]'"
        ) from error


def _cpu() -> dict[str, float]:
    import psutil

    return {"cpu_utilization_percentage": psutil.cpu_percent()}  # since this thread's last call


def _memory() -> dict[str, float]:
    import psutil

    memory = psutil.virtual_memory()
    return {
        "system_memory_usage_megabytes": memory.used / 1e6,
        "system_memory_usage_percentage": memory.used / memory.total * 100,
    }


def _disk() -> dict[str, float]:
    import psutil

    disk = psutil.disk_usage(os.sep)
    return {
        "disk_usage_percentage": disk.percent,
        "disk_usage_megabytes": disk.used / 1e6,
        "disk_available_megabytes": disk.free / 1e6,
    }


class _Network:
    """What went over all network interfaces since the first sample."""

    def __init__(self) -> None:
        self._first: Any = None

    def read(self) -> dict[str, float]:
        import psutil

        # To correct counters that wrap psutil takes a lock, which a fork would leave locked in the child for good.
        now = psutil.net_io_counters(nowrap=False)
        if now is None:
            return {}  # a sandbox without any interface
        self._first = self._first or now
        return {
            "network_receive_megabytes": (now.bytes_recv - self._first.bytes_recv) / 1e6,
            "network_transmit_megabytes": (now.bytes_sent - self._first.bytes_sent) / 1e6,
        }


def _gpus() -> list[Source]:
    """Return the sources of NVIDIA's GPUs; none where there is no GPU, no driver or no nvidia-ml-py."""
    try:
        import pynvml

        pynvml.nvmlInit()
        devices = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # noqa: BLE001 - a stub of the package and a driver half installed are no GPU either
        return []
    return [
        partial(_gpu, pynvml, number, device, read)
        for number, device in enumerate(devices)
        for read in (_gpu_memory, _gpu_utilization, _gpu_power)
    ]


def _gpu(
    nvml: Any, number: int, device: Any, read: Callable[[Any, Any], dict[str, float]]
) -> dict[str, float]:
    try:
        found = read(nvml, device)
    except nvml.NVMLError_NotSupported:
        return {}  # many cards do not tell their power
    return {f"gpu_{number}_{key}": value for key, value in found.items()}


def _gpu_memory(nvml: Any, device: Any) -> dict[str, float]:
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    return {
        "memory_usage_percentage": memory.used / memory.total * 100,
        "memory_usage_megabytes": memory.used / 1e6,
    }


def _gpu_utilization(nvml: Any, device: Any) -> dict[str, float]:
    return {"utilization_percentage": nvml.nvmlDeviceGetUtilizationRates(device).gpu}


def _gpu_power(nvml: Any, device: Any) -> dict[str, float]:
    milliwatts = nvml.nvmlDeviceGetPowerUsage(device)
    return {
        "power_usage_watts": milliwatts / 1000,
        "power_usage_percentage": milliwatts / nvml.nvmlDeviceGetEnforcedPowerLimit(device) * 100,
    }
