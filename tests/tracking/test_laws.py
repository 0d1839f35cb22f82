"""Whatever is logged, by whom and in which order: what is read afterwards is what a plain model in memory has."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

import gittrack
from gittrack import artifacts
from gittrack.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from gittrack.errors import AlreadyExists, InvalidValue
from gittrack.git.repo import Repository
from gittrack.housekeeping.commit import commit
from gittrack.query import engine
from gittrack.record import exits
from gittrack.record.experiments import id_of
from gittrack.store.layout import Layout
from tests.conftest import commit_all, git
from tests.record.processes import layout_at
from tests.record.strategies import KEYS, STEPS, VALUES
from tests.tracking.conftest import close_borrowed, forget

Row = tuple[int, int, bytes]  # timestamp, step, the bits of the value

SOON = settings(
    max_examples=6,  # each takes one to two seconds: every look is a new view of the store
    stateful_step_count=18,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
WHICH = st.integers(0, 5)
BY = st.sampled_from(["active", "fluent", "client"])
NAMES = st.sampled_from(["p", "q/r", "größe", "a b"])
TEXTS = st.sampled_from(["", "1", "0.10", "é\n", "x" * 300])
PARAMS = st.one_of(TEXTS, st.integers(-(2**70), 2**70), st.booleans(), st.none(), VALUES)
FILES = st.sampled_from(["a.txt", "deep/b.txt", "deep/er/c.txt", "ü d.txt"])
TIMES = st.integers(1_700_000_000_000, 1_700_000_000_003)
POINTS = st.tuples(KEYS, VALUES, STEPS, TIMES)
ENDS = st.sampled_from(["FINISHED", "FAILED", "KILLED"])


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


def own(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("mlflow.")}


@dataclass
class Model:
    """A run as it should be."""

    experiment: str
    name: str
    status: str = "RUNNING"
    is_open: bool = True
    end: int | None = None  # None too when the clock gave it, until it is seen first
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: dict[str, Counter[Row]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    datasets: dict[tuple[str, str | None], None] = field(default_factory=dict)
    deleted: bool = False

    def add(self, key: str, value: float, step: int, timestamp: int) -> None:
        self.points.setdefault(key, Counter())[timestamp, step, bits(value)] += 1

    def set_tags(self, tags: dict[str, str]) -> None:
        others = {key: value for key, value in tags.items() if key != "mlflow.runName"}
        self.name = tags.get("mlflow.runName", self.name)
        self.tags.update(others)

    def ended(self, status: str, end: int | None = None) -> None:
        self.status, self.is_open, self.end = status, False, end

    def resumed(self) -> None:
        self.status, self.is_open, self.end = "RUNNING", True, None

    def last(self, key: str) -> set[bytes]:
        """Return the bits that the last value can have: the greatest by step, timestamp, value; NaN is the least."""
        step, timestamp = max((step, timestamp) for timestamp, step, _ in self.points[key])
        found = {value for when, at, value in self.points[key] if (at, when) == (step, timestamp)}
        numbers = [struct.unpack("<d", value)[0] for value in found - {b"nan"}]
        return {bits(number) for number in numbers if number == max(numbers)} or {b"nan"}


@dataclass
class Group:
    """An experiment as it should be."""

    name: str
    deleted: bool = False
    tags: dict[str, str] = field(default_factory=dict)


def bring_files(there: Layout, here: Layout) -> None:
    """Copy the content of artifacts from one clone to the other; git brings what names it."""
    for source in there.files.glob("*/*"):
        target = here.files / source.relative_to(there.files)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copyfile(source, target)


class Tracking(RuleBasedStateMachine):
    """Calls of users, and the model that says what must come of them."""

    folder: ClassVar[Path]
    numbers: ClassVar[Any] = itertools.count()

    @initialize()
    def begin(self) -> None:
        forget()
        self.root = self.folder / f"repo-{next(self.numbers)}"
        self.root.mkdir()
        os.chdir(self.root)
        git(self.root, "init", "-q", "-b", "main")
        (self.root / "train.py").write_text("print('training')\n")
        commit_all(self.root)
        self.client = gittrack.Client()
        self.runs: dict[str, Model] = {}
        self.groups = {"0": Group("Default")}
        self.active: str | None = None
        self.made = 0
        self.create_run(which=0, fluent=True, tags={})

    def teardown(self) -> None:
        if hasattr(self, "root"):
            try:
                self.look()
                self.another_process()
                self.look()
            finally:
                forget()
                engine.forget(layout_at(self.root))
                os.chdir(self.folder)
                shutil.rmtree(self.root)

    # Finding what a call is about

    def some(self, which: int) -> str:
        return list(self.runs)[which % len(self.runs)]

    def group(self, which: int) -> str:
        return list(self.groups)[which % len(self.groups)]

    def is_deleted(self, run_id: str) -> bool:
        return self.runs[run_id].deleted or self.groups[self.runs[run_id].experiment].deleted

    def log(
        self,
        which: int,
        by: str,
        fluent: Callable[..., Any],
        client: Callable[[str], Any],
    ) -> Model | None:
        """Log to a run in one of three ways; return its model, None when the run is deleted and the call refused."""
        run_id = self.some(which)
        if by == "active" and self.active is not None and not self.is_deleted(self.active):
            run_id = self.active
            call: Callable[[], Any] = lambda: fluent()  # noqa: E731
        elif by == "fluent":
            call = lambda: fluent(run_id=run_id)  # noqa: E731
        else:
            call = lambda: client(run_id)  # noqa: E731
        if self.is_deleted(run_id):
            with pytest.raises(InvalidValue, match="is deleted"):
                call()
            return None
        call()
        return self.runs[run_id]

    # Logging

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, by=BY, point=POINTS)
    def log_metric(self, which: int, by: str, point: tuple[str, float, int, int]) -> None:
        key, value, step, when = point
        run = self.log(
            which,
            by,
            lambda **of: gittrack.log_metric(key, value, step, timestamp=when, **of),
            lambda run_id: self.client.log_metric(run_id, key, value, when, step),
        )
        if run:
            run.add(key, value, step, when)

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, by=BY, values=st.dictionaries(KEYS, VALUES, max_size=3), step=STEPS, when=TIMES)
    def log_metrics(self, which: int, by: str, values: dict[str, float], step: int, when: int) -> None:
        run = self.log(
            which,
            by,
            lambda **of: gittrack.log_metrics(values, step, timestamp=when, **of),
            lambda run_id: gittrack.log_metrics(values, step, timestamp=when, run_id=run_id),
        )
        for key, value in values.items() if run else ():
            run.add(key, value, step, when)

    @precondition(lambda self: self.runs)
    @rule(
        which=WHICH,
        by=BY,
        key=KEYS,
        values=st.lists(VALUES, max_size=70),
        first=st.integers(-3, 9),
        when=TIMES,
    )
    def log_a_series(self, which: int, by: str, key: str, values: list[float], first: int, when: int) -> None:
        run = self.log(
            which,
            by,
            lambda **of: gittrack.log_metrics({key: values}, first, timestamp=when, **of),
            lambda run_id: gittrack.log_metrics({key: values}, first, timestamp=when, run_id=run_id),
        )
        for step, value in enumerate(values, first) if run else ():
            run.add(key, value, step, when)

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, by=BY, params=st.dictionaries(NAMES, PARAMS, min_size=1, max_size=2))
    def log_params(self, which: int, by: str, params: dict[str, Any]) -> None:
        run_id = self.active if by == "active" and self.active else self.some(which)
        known = self.runs[run_id].params
        params = {key: known.get(key, value) for key, value in params.items()}
        run = self.log(
            list(self.runs).index(run_id),
            by,
            lambda **of: gittrack.log_params(params, **of),
            lambda one: [self.client.log_param(one, key, value) for key, value in params.items()],
        )
        if run:
            run.params.update({key: str(value) for key, value in params.items()})

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, points=st.lists(POINTS, max_size=4), tags=st.dictionaries(NAMES, TEXTS, max_size=2))
    def log_batch(self, which: int, points: list[tuple[str, float, int, int]], tags: dict[str, str]) -> None:
        self.made += 1
        param = Param(f"batch/{self.made}", "0.10")
        metrics = [Metric(key, value, when, step) for key, value, step, when in points]
        said = [RunTag(key, value) for key, value in tags.items()]
        run = self.log(
            which, "client", print, lambda run_id: self.client.log_batch(run_id, metrics, [param], said)
        )
        if run:
            run.params[param.key] = param.value
            run.set_tags(tags)
            for key, value, step, when in points:
                run.add(key, value, step, when)

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, by=BY, key=st.one_of(NAMES, st.just("mlflow.runName")), value=TEXTS)
    def set_tag(self, which: int, by: str, key: str, value: str) -> None:
        by = "active" if by == "fluent" and self.active else by
        run = self.log(
            which,
            "active" if by == "active" else "client",
            lambda: gittrack.set_tag(key, value),
            lambda run_id: self.client.set_tag(run_id, key, value),
        )
        if run:
            run.set_tags({key: value})

    @precondition(lambda self: any(run.tags for run in self.runs.values()))
    @rule(which=WHICH, by=BY)
    def delete_tag(self, which: int, by: str) -> None:
        tagged = [run_id for run_id, run in self.runs.items() if run.tags and not self.is_deleted(run_id)]
        if not tagged:
            return
        run_id = tagged[which % len(tagged)]
        key = min(self.runs[run_id].tags)
        if by == "active" and run_id == self.active:
            gittrack.delete_tag(key)
        else:
            self.client.delete_tag(run_id, key)
        del self.runs[run_id].tags[key]

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, by=BY, path=FILES, text=st.text(max_size=5))
    def log_text(self, which: int, by: str, path: str, text: str) -> None:
        run = self.log(
            which,
            by,
            lambda **of: gittrack.log_text(text, path, **of),
            lambda run_id: self.client.log_text(run_id, text, path),
        )
        if run:
            run.files[path] = text.encode("utf-8", "replace").decode()

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, digest=st.sampled_from("ab"), context=st.sampled_from([None, "training"]))
    def log_inputs(self, which: int, digest: str, context: str | None) -> None:
        tags = [InputTag("mlflow.data.context", context)] if context else []
        used = DatasetInput(Dataset("churn", digest, "local", "{}"), tags)
        run = self.log(which, "client", print, lambda run_id: self.client.log_inputs(run_id, [used]))
        if run:
            run.datasets[digest, context] = None

    # The life of a run

    @precondition(lambda self: len(self.runs) < 4)
    @rule(which=WHICH, fluent=st.booleans(), tags=st.dictionaries(NAMES, TEXTS, max_size=1))
    def create_run(self, which: int, fluent: bool, tags: dict[str, str]) -> None:
        experiment = self.group(which)
        name = f"run-{len(self.runs)}"
        if fluent and self.active is None:
            start: Callable[[], Any] = lambda: gittrack.start_run(None, experiment, name, tags=tags)  # noqa: E731
        else:
            start = lambda: self.client.create_run(experiment, tags=tags, run_name=name)  # noqa: E731
        if self.groups[experiment].deleted:
            with pytest.raises(InvalidValue, match="is deleted"):
                start()
            return
        before, run_id = self.active, start().info.run_id
        self.active = run_id if fluent and before is None else before
        self.runs[run_id] = Model(experiment, name, tags=dict(tags))

    @precondition(lambda self: self.active)
    @rule(status=ENDS)
    def end_run(self, status: str) -> None:
        gittrack.end_run(status)
        self.runs[self.active or ""].ended(status)
        self.active = None

    @precondition(lambda self: self.runs and self.active is None)
    @rule(which=WHICH, name=st.one_of(st.none(), st.just("again")))
    def resume(self, which: int, name: str | None) -> None:
        run_id = self.some(which)
        if self.is_deleted(run_id):
            if not self.runs[run_id].is_open:
                with pytest.raises(InvalidValue, match="is deleted"):
                    gittrack.start_run(run_id)
            return
        if self.runs[run_id].is_open:
            return
        gittrack.start_run(run_id, run_name=name)
        self.active = run_id
        self.runs[run_id].resumed()
        self.runs[run_id].name = name or self.runs[run_id].name

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, status=ENDS, end=st.one_of(st.none(), st.integers(2**41, 2**42)))
    def set_terminated(self, which: int, status: str, end: int | None) -> None:
        run_id = self.some(which)
        if self.log(which, "client", print, lambda one: self.client.set_terminated(one, status, end)):
            self.runs[run_id].ended(status, end)
            self.active = None if self.active == run_id else self.active

    @precondition(lambda self: self.runs)
    @rule(which=WHICH, status=st.sampled_from([None, "RUNNING", "SCHEDULED", "FAILED"]), name=NAMES)
    def update_run(self, which: int, status: str | None, name: str) -> None:
        run_id = self.some(which)
        run = self.log(which, "client", print, lambda one: self.client.update_run(one, status, name))
        if run is None:
            return
        run.name = name
        if status == "FAILED":
            run.ended(status)
            self.active = None if self.active == run_id else self.active
        elif status is not None:
            run.resumed()
            run.status = status

    @precondition(lambda self: self.runs)
    @rule(which=WHICH)
    def delete_or_restore_run(self, which: int) -> None:
        run_id = self.some(which)
        if not self.groups[self.runs[run_id].experiment].deleted:
            (self.client.restore_run if self.runs[run_id].deleted else self.client.delete_run)(run_id)
            self.runs[run_id].deleted = not self.runs[run_id].deleted

    # Experiments

    @rule(name=st.sampled_from(["churn", "größe", "a b"]))
    def create_experiment(self, name: str) -> None:
        if any(group.name == name and not group.deleted for group in self.groups.values()):
            with pytest.raises(AlreadyExists):
                self.client.create_experiment(name)
            return
        made = self.client.create_experiment(name, tags={"team": "red"})
        assert made == next(
            one for one in (id_of(name, n) for n in itertools.count()) if one not in self.groups
        )
        self.groups[made] = Group(name, tags={"team": "red"})

    @rule(which=WHICH, name=st.sampled_from(["churn", "moved"]))
    def rename_experiment(self, which: int, name: str) -> None:
        one = self.group(which)
        if self.groups[one].deleted:
            return
        if any(group.name == name and not group.deleted for key, group in self.groups.items() if key != one):
            with pytest.raises(AlreadyExists):
                self.client.rename_experiment(one, name)
            return
        self.client.rename_experiment(one, name)
        self.groups[one].name = name

    @rule(which=WHICH, key=NAMES, value=TEXTS)
    def tag_experiment(self, which: int, key: str, value: str) -> None:
        one = self.group(which)
        if self.groups[one].deleted:
            with pytest.raises(InvalidValue, match="is deleted"):
                self.client.set_experiment_tag(one, key, value)
        else:
            self.client.set_experiment_tag(one, key, value)
            self.groups[one].tags[key] = value

    @rule(which=WHICH)
    def delete_or_restore_experiment(self, which: int) -> None:
        one = self.group(which)
        group = self.groups[one]
        if one == "0" or any(run.is_open for run in self.runs.values() if run.experiment == one):
            return
        if not group.deleted:
            close_borrowed()
            self.client.delete_experiment(one)
        elif any(other.name == group.name and not other.deleted for other in self.groups.values()):
            with pytest.raises(AlreadyExists):
                self.client.restore_experiment(one)
            return
        else:
            self.client.restore_experiment(one)
        group.deleted = not group.deleted

    # What happens around it

    @rule()
    def close(self) -> None:
        close_borrowed()

    @rule()
    def another_process(self) -> None:
        """What follows is done by another process: this one ends, and with it what it has open."""
        forget()
        self.active = None
        for run in self.runs.values():
            if run.is_open:
                run.ended("FINISHED")

    @rule()
    def commit(self) -> None:
        commit(Repository.find(self.root), layout_at(self.root))

    @rule()
    def delete_the_index(self) -> None:
        engine.forget(layout_at(self.root))
        shutil.rmtree(layout_at(self.root).index, ignore_errors=True)

    @rule()
    def switch_to_another_branch(self) -> None:
        self.commit()
        git(self.root, "switch", "-q", "-c", f"branch-{next(self.numbers)}", "main")

    @rule()
    def merge(self) -> None:
        self.commit()
        branch = git(self.root, "branch", "--show-current")
        git(self.root, "switch", "-q", "main")
        git(self.root, "merge", "-q", "--no-edit", branch)

    @precondition(lambda self: any(not run.is_open for run in self.runs.values()))
    @rule(which=WHICH, status=ENDS)
    def resume_in_another_clone_and_here_and_merge(self, which: int, status: str) -> None:
        ended = [one for one, run in self.runs.items() if not run.is_open and not self.is_deleted(one)]
        if not ended:
            return
        run_id = ended[which % len(ended)]
        self.another_process()
        self.commit()
        self.made += 1
        other = self.folder / f"clone-{next(self.numbers)}"
        git(self.folder, "clone", "-q", self.root, other)
        self.resume_at(other, run_id, "FINISHED", first=True)
        self.resume_at(self.root, run_id, status, first=False)
        branch = git(other, "branch", "--show-current")
        git(self.root, "pull", "-q", "--no-rebase", "--no-edit", other, branch)
        bring_files(layout_at(other), layout_at(self.root))
        engine.forget(layout_at(other))
        shutil.rmtree(other)

    def resume_at(self, root: Path, run_id: str, status: str, *, first: bool) -> None:
        """Resume a run in a clone; both clones log one point that is the same, and one of their own."""
        os.chdir(root)
        side, step = f"{self.made}/{'there' if first else 'here'}", 1000 * self.made
        model = self.runs[run_id]
        with gittrack.start_run(run_id):
            gittrack.log_metrics({"loss": [0.5, math.nan]}, step, timestamp=1)
            gittrack.log_metric("loss", 2.0, step + first, timestamp=2)
            gittrack.log_params({side: 1, f"both/{self.made}": side})
            gittrack.set_tags({side: "1", "side": side, "mlflow.runName": side})
            gittrack.log_text(side, f"{side}.txt")
            gittrack.end_run(status)
        forget()
        commit(Repository.find(root), layout_at(root))
        time.sleep(0.002)  # of two ends within a millisecond the digest tells which is the later
        model.add("loss", 2.0, step + first, 2)
        if first:
            model.add("loss", 0.5, step, 1)
            model.add("loss", math.nan, step + 1, 1)
        model.params |= {side: "1", f"both/{self.made}": side}
        model.set_tags({side: "1", "side": side, "mlflow.runName": side})
        model.files[f"{side}.txt"] = side
        model.ended(status)

    # Reading

    @rule()
    def look(self) -> None:
        for run_id, model in self.runs.items():
            self.look_at(run_id, model)
        everything = list(self.groups)
        for view, deleted in ((ViewType.ACTIVE_ONLY, False), (ViewType.DELETED_ONLY, True)):
            found = self.client.search_runs(everything, run_view_type=view)
            assert {run.info.run_id for run in found} == {
                run_id for run_id in self.runs if self.is_deleted(run_id) is deleted
            }
            for run in found:
                self.same(run, self.runs[run.info.run_id])
            starts = [(-run.info.start_time, run.info.run_id) for run in found]
            assert starts == sorted(starts)
            groups = {one.experiment_id: one for one in self.client.search_experiments(view)}
            assert set(groups) == {one for one, group in self.groups.items() if group.deleted is deleted}
            for one, group in groups.items():
                expected = self.groups[one]
                assert (group.name, group.tags) == (expected.name, expected.tags)
                assert self.client.get_experiment(one) == group

    def look_at(self, run_id: str, model: Model) -> None:
        run = self.client.get_run(run_id)
        assert run.info.lifecycle_stage == ("deleted" if self.is_deleted(run_id) else "active")
        self.same(run, model)
        handle = exits.open_here(run_id)
        if model.is_open:
            assert handle is not None
            assert handle.data.params == model.params
            assert own(handle.data.tags) == model.tags
        for key in [*model.points, "nothing"]:
            history = self.client.get_metric_history(run_id, key)
            assert Counter((one.timestamp, one.step, bits(one.value)) for one in history) == model.points.get(
                key, Counter()
            )
            order = [
                (one.timestamp, one.step, math.isnan(one.value), 0 if math.isnan(one.value) else one.value)
                for one in history
            ]
            assert order == sorted(order)
        assert self.walk(run_id) == set(model.files)
        for path, text in model.files.items():
            assert artifacts.load_text(f"runs:/{run_id}/{path}") == text

    def walk(self, run_id: str, folder: str | None = None) -> set[str]:
        found = self.client.list_artifacts(run_id, folder)
        deeper = [self.walk(run_id, one.path) for one in found if one.is_dir]
        return {one.path for one in found if not one.is_dir}.union(*deeper)

    def same(self, run: gittrack.entities.Run, model: Model) -> None:
        info = run.info
        assert (info.experiment_id, info.run_name, info.status) == (
            model.experiment,
            model.name,
            model.status,
        )
        assert (info.end_time is None) is model.is_open
        if model.end is None:
            model.end = info.end_time  # by the clock; from now on it stays
        assert info.end_time == model.end
        assert run.data.params == model.params
        assert own(run.data.tags) == model.tags
        assert run.data.tags["mlflow.runName"] == model.name
        assert run.data.metrics.keys() == model.points.keys()
        for key, value in run.data.metrics.items():
            assert bits(value) in model.last(key), key
        used = {
            (one.dataset.digest, one.tags[0].value if one.tags else None): None
            for one in run.inputs.dataset_inputs
        }
        assert used.keys() == model.datasets.keys()
        assert len(run.inputs.dataset_inputs) == len(model.datasets)


def test_what_is_read_is_what_a_model_in_memory_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Tracking, "folder", tmp_path, raising=False)
    run_state_machine_as_test(Tracking, settings=SOON)
