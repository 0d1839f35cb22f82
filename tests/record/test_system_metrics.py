"""System metrics: what is measured, when it is logged, and that a training never notices."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterable
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gittrack
from gittrack.errors import Conflict, InvalidValue, RecordingWarning
from gittrack.record import system_metrics
from gittrack.record.system_metrics import SystemMetrics
from tests.record.processes import layout_at, script, steps_of

psutil = pytest.importorskip("psutil", reason="the extra 'system' brings psutil")

NAMES = {
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/disk_usage_percentage",
    "system/disk_usage_megabytes",
    "system/disk_available_megabytes",
    "system/network_receive_megabytes",
    "system/network_transmit_megabytes",
}
GPU_NAMES = {
    "system/gpu_0_memory_usage_percentage",
    "system/gpu_0_memory_usage_megabytes",
    "system/gpu_0_utilization_percentage",
    "system/gpu_0_power_usage_watts",
    "system/gpu_0_power_usage_percentage",
}
THREAD = "gittrack-system-metrics"


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)


class Unsupported(Exception):
    """What a card answers that cannot tell."""


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """NVIDIA's library for one card, whose answers tests change: no machine of ours has a GPU."""
    nvml: Any = ModuleType("pynvml")
    nvml.NVMLError_NotSupported = Unsupported
    nvml.nvmlInit = lambda: None
    nvml.nvmlDeviceGetCount = lambda: 1
    nvml.nvmlDeviceGetHandleByIndex = lambda index: index
    nvml.nvmlDeviceGetMemoryInfo = lambda device: SimpleNamespace(used=4e9, total=16e9)
    nvml.nvmlDeviceGetUtilizationRates = lambda device: SimpleNamespace(gpu=90)
    nvml.nvmlDeviceGetPowerUsage = lambda device: 150_000
    nvml.nvmlDeviceGetEnforcedPowerLimit = lambda device: 300_000
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    return nvml


def waits(times: int) -> Callable[[float], bool]:
    """Return a clock on which that many intervals pass at once before the run is over."""
    left = iter([False] * times)
    return lambda seconds: next(left, True)


def logged(waited: int, **options: Any) -> list[tuple[dict[str, float], int]]:
    """Return what is logged in that many intervals."""
    found: list[tuple[dict[str, float], int]] = []
    SystemMetrics(lambda values, step: found.append((values, step)), **options).watch(waits(waited))
    return found


def answers(values: Iterable[float]) -> Callable[[object], SimpleNamespace]:
    rest = iter(values)
    return lambda device: SimpleNamespace(gpu=next(rest))


def is_watching() -> bool:
    return THREAD in {thread.name for thread in threading.enumerate()}


def test_the_metrics_have_mlflows_names() -> None:
    [(values, _)] = logged(1)

    assert set(values) == NAMES


def test_megabytes_are_millions_of_bytes_and_percentages_go_to_a_hundred() -> None:
    [(values, _)] = logged(1)

    assert 0 < values["system/system_memory_usage_megabytes"] < psutil.virtual_memory().total / 1e6
    disk = values["system/disk_usage_megabytes"] + values["system/disk_available_megabytes"]
    assert 0 < disk <= psutil.disk_usage("/").total / 1e6 + 0.1
    assert all(0 <= value <= 100 for key, value in values.items() if key.endswith("percentage"))


def test_the_network_is_counted_from_the_start_and_never_falls() -> None:
    megabytes = [values["system/network_receive_megabytes"] for values, _ in logged(3)]

    assert megabytes[0] >= 0
    assert all(before <= after for before, after in pairwise(megabytes))
    assert megabytes[-1] < psutil.net_io_counters().bytes_recv / 1e6 + 1


def test_a_machine_without_network_interfaces_has_no_network_metrics(monkeypatch) -> None:
    monkeypatch.setattr(psutil, "net_io_counters", lambda nowrap: None)

    [(values, _)] = logged(1)

    assert set(values) == {name for name in NAMES if "network" not in name}


def test_steps_count_what_was_logged() -> None:
    assert [step for _, step in logged(3)] == [0, 1, 2]


def test_a_resumed_run_goes_on_after_its_last_step() -> None:
    assert [step for _, step in logged(2, first_step=17)] == [17, 18]


def test_a_node_has_its_name_in_every_metric() -> None:
    [(values, _)] = logged(1, node_id="worker-1")

    assert set(values) == {name.replace("system/", "system/worker-1/", 1) for name in NAMES}


def test_several_samples_make_one_value_and_a_rest_of_them_none() -> None:
    assert [step for _, step in logged(8, samples_before_logging=3)] == [0, 1]


def test_a_value_is_the_mean_of_its_samples(gpu) -> None:
    gpu.nvmlDeviceGetUtilizationRates = answers([99, 10, 20, 61, 40, 50, 60])  # the first is nobody's

    found = logged(6, samples_before_logging=3)

    assert [values["system/gpu_0_utilization_percentage"] for values, _ in found] == [30.3, 50.0]


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_a_mean_lies_between_the_samples_and_counters_keep_the_last(samples) -> None:
    mean = system_metrics._value("disk_usage_megabytes", samples)

    assert min(samples) - 0.1 <= mean <= max(samples) + 0.1
    assert system_metrics._value("network_receive_megabytes", samples) == samples[-1]


def test_each_gpu_has_its_memory_utilization_and_power(gpu) -> None:
    [(values, _)] = logged(1)

    assert set(values) == NAMES | GPU_NAMES
    assert {key: values[key] for key in GPU_NAMES} == {
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_memory_usage_megabytes": 4000.0,
        "system/gpu_0_utilization_percentage": 90.0,
        "system/gpu_0_power_usage_watts": 150.0,
        "system/gpu_0_power_usage_percentage": 50.0,
    }


def test_a_card_that_does_not_tell_its_power_is_no_reason_to_warn(gpu) -> None:
    def power(device: object) -> int:
        raise Unsupported

    gpu.nvmlDeviceGetPowerUsage = power

    [(values, _)] = logged(1)

    assert set(values) == NAMES | {name for name in GPU_NAMES if "power" not in name}


def test_a_driver_that_does_not_start_is_no_gpu(gpu) -> None:
    def init() -> None:
        raise RuntimeError("driver/library version mismatch")

    gpu.nvmlInit = init

    [(values, _)] = logged(1)

    assert set(values) == NAMES


def test_a_sample_that_fails_is_skipped_and_told_of_once(gpu) -> None:
    def lost(device: object) -> None:
        raise RuntimeError("GPU is lost")

    gpu.nvmlDeviceGetMemoryInfo = lost

    with pytest.warns(RecordingWarning, match="GPU is lost") as told:
        found = logged(3)

    assert len(told) == 1
    assert [step for _, step in found] == [0, 1, 2]
    assert all(
        set(values) == (NAMES | GPU_NAMES) - {n for n in GPU_NAMES if "memory" in n} for values, _ in found
    )


def test_a_recording_that_fails_is_told_of_once_and_goes_on() -> None:
    steps = []

    def log(values: dict[str, float], step: int) -> None:
        steps.append(step)
        raise OSError("the disk is full")

    with pytest.warns(RecordingWarning, match="the disk is full") as told:
        SystemMetrics(log).watch(waits(3))

    assert (len(told), steps) == (1, [0, 1, 2])


def test_warnings_that_are_errors_do_not_stop_it() -> None:
    def log(values: dict[str, float], step: int) -> None:
        raise OSError("the disk is full")

    SystemMetrics(log).watch(waits(2))


def test_a_run_that_has_ended_ends_it_without_a_word() -> None:
    steps = []

    def log(values: dict[str, float], step: int) -> None:
        steps.append(step)
        raise Conflict("the run has ended")

    SystemMetrics(log).watch(waits(3))

    assert steps == [0]


def test_without_psutil_the_error_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)

    with pytest.raises(InvalidValue, match="need psutil") as caught:
        SystemMetrics(lambda values, step: None).start()

    assert caught.value.hint == "pip install 'gittrack[system]'"
    assert not is_watching()


@pytest.mark.parametrize(
    "options",
    [
        {"interval_s": 0},
        {"interval_s": -1.0},
        {"interval_s": math.nan},
        {"interval_s": math.inf},
        {"interval_s": "often"},
        {"samples_before_logging": 0},
        {"samples_before_logging": 1.5},
        {"node_id": "../up"},
        {"node_id": "n" * 250},
        {"first_step": 0.5},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_starts(options) -> None:
    with pytest.raises(InvalidValue):
        SystemMetrics(lambda values, step: None, **options)


def test_it_logs_from_a_thread_of_its_own_until_it_is_finished() -> None:
    came = threading.Event()
    steps: list[int] = []

    def log(values: dict[str, float], step: int) -> None:
        steps.append(step)
        if len(steps) == 3:
            came.set()

    metrics = SystemMetrics(log, interval_s=0.001)
    metrics.start()
    metrics.start()
    assert came.wait(60)
    metrics.finish()
    seen = list(steps)
    metrics.finish()

    assert seen == steps == list(range(len(steps)))
    assert not is_watching()


def test_it_does_not_wait_for_the_interval_to_finish() -> None:
    metrics = SystemMetrics(lambda values, step: None, interval_s=1e6)
    metrics.start()
    assert is_watching()
    metrics.finish()

    assert not is_watching()


def test_it_can_be_started_again_and_goes_on_counting() -> None:
    steps: list[int] = []
    came = threading.Semaphore(0)

    def log(values: dict[str, float], step: int) -> None:
        steps.append(step)
        came.release()

    metrics = SystemMetrics(log, interval_s=0.001)
    for _ in range(2):
        metrics.start()
        assert came.acquire(timeout=60)
        metrics.finish()

    assert steps == list(range(len(steps)))


def test_finishing_comes_back_even_where_the_one_who_finishes_holds_what_the_thread_waits_for(
    monkeypatch,
) -> None:
    monkeypatch.setattr(system_metrics, "_PATIENCE_S", 0.01)
    held, reached, left = threading.Lock(), threading.Event(), threading.Event()

    def log(values: dict[str, float], step: int) -> None:
        reached.set()
        with held:
            left.set()

    metrics = SystemMetrics(log, interval_s=0.001)
    with held:
        metrics.start()
        assert reached.wait(60)
        metrics.finish()

    assert left.wait(60)


def test_a_forked_child_has_no_thread_finishes_at_once_and_can_start_its_own(repo) -> None:
    done = script(
        repo,
        """
from gittrack.record.system_metrics import SystemMetrics

def watching():
    return "gittrack-system-metrics" in {t.name for t in threading.enumerate()}

began = threading.Event()
metrics = SystemMetrics(lambda values, step: began.set(), interval_s=0.001)
metrics.start()
began.wait(30)  # the library for GPUs is loaded under a lock that a child would inherit
for _ in range(20):  # at any moment of a sample
    pid = os.fork()
    if pid == 0:
        alone = not watching()
        metrics.finish()
        came = threading.Event()
        own = SystemMetrics(lambda values, step: came.set(), interval_s=0.001)
        own.start()
        own_came = came.wait(30)
        own.finish()
        os._exit(0 if alone and own_came else 1)
    _, status = os.waitpid(pid, 0)
    assert status == 0
assert watching()
metrics.finish()
assert not watching()
""",
    )
    assert done.returncode == 0, done.stderr


def test_what_it_logs_to_a_run_is_there_after_the_run(repo) -> None:
    with gittrack.start_run() as run:
        SystemMetrics(run.log_metrics, node_id="a").watch(waits(3))

    assert run.digest is not None
    assert list(layout_at(repo).live.iterdir()) == []
    assert steps_of(repo, "system/a/cpu_utilization_percentage") == [0, 1, 2]
