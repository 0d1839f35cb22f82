"""A value of a wrong type is told in one sentence, wherever a script can put it, and leaves nothing behind."""

from __future__ import annotations

import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gittrack
from gittrack import artifacts, data
from gittrack.entities import Dataset, DatasetInput, LoggedModelOutput, Metric, Param, RunTag
from gittrack.errors import GittrackError, InvalidValue
from tests.tracking.conftest import fresh

WRONG: tuple[Any, ...] = (
    None, 5, -1, 1 << 70, float("nan"), "x", "\udc80", "a\0b", b"x", [5], [None], {5: 5}, object(),
)  # fmt: skip
NOT_FOR_SCRIPTS = """attach before_end begin end_with is_of knows_dataset knows_model leave log_batch log_dataset
    log_models mark_deleted next_step resume set_status take_trace"""
MAX_SENTENCE = 300
__all__ = ["fresh"]  # a fixture


class Figure:
    """What `log_figure` takes for one of matplotlib's."""

    def savefig(self, file: Any, **_: Any) -> None:
        file.write(b"picture")


class Place:
    """A repository with runs to call about, and a value that fits each parameter."""

    def __init__(self, root: Path) -> None:
        (root / "out.txt").write_text("result")
        with gittrack.start_run(tags={"x": "y"}) as ended:
            gittrack.log_table({"a": [1]}, "table.json")
            gittrack.log_text("{}", "text.json")
            gittrack.log_metric("loss", 0.5)
        client = gittrack.Client()
        self.root = root
        self.ended = ended.run_id
        self.experiment = client.create_experiment("mine", tags={"x": "y"})
        self.live = client.create_run(self.experiment, tags={"x": "y"}).info.run_id
        self.values: dict[str, Any] = {
            "artifact_file": "a.json", "artifact_uri": f"runs:/{self.ended}/text.json", "data": {"a": [1]},
            "dataset": data.from_numpy(np.zeros(2)), "dictionary": {}, "experiment_id": self.experiment,
            "experiment_ids": [self.experiment], "figure": Figure(), "image": np.zeros((2, 2)), "interval": 1.0,
            "key": "x", "local_dir": root / "src", "local_path": root / "out.txt", "metrics": {"m": 1.0},
            "name": "fresh", "new_name": "fresh", "node_id": "n", "params": {"p": 1}, "path": root / "out.txt",
            "query": "select 1", "run_id": self.live, "models": [LoggedModelOutput("m-1", 0)],
            "samples": 1, "seed": 7, "tags": {"t": 1}, "text": "x", "uri": root,
            "table": {"key": ["a"], "step": [1], "value": [1.0]}, "value": 1,
        }  # fmt: skip
        self.special: dict[str, dict[str, Any]] = {
            "gittrack.set_experiment": {"experiment_name": "mine"},
            "gittrack.load_table": {"artifact_file": "table.json"},
            "gittrack.log_inputs": {"datasets": [self.values["dataset"]]},
            "Client.load_table": {"artifact_file": "table.json", "experiment_id": "0"},
            "Client.download_artifacts": {"run_id": self.ended, "path": ""},
            "Client.list_artifacts": {"run_id": self.ended},
            "Client.points": {"run_id": self.ended, "key": "loss"},
            "Client.get_metric_history": {"run_id": self.ended, "key": "loss"},
            "Client.log_inputs": {"datasets": [DatasetInput(Dataset("d", "0", "local", "{}"))]},
            "Client.log_batch": {
                "metrics": [Metric("a", 1.0, 1, 0)], "params": [Param("b", "1")], "tags": [RunTag("c", "1")],
            },
            "gittrack.log_image": {"key": "cat"},
            "Client.log_image": {"key": "cat"},
            "ActiveRun.log_image": {"key": "cat"},
        }  # fmt: skip

    def fitting(self, owner: str, call: Callable[..., Any]) -> dict[str, Any]:
        """Return arguments that a call takes."""
        stream = {"stream": io.BytesIO(b"x")}
        return {
            **{name: {**self.values, **stream}[name] for name in _needed(call)},
            **self.special.get(f"{owner}.{call.__name__}", {}),
        }

    def written(self) -> dict[str, int]:
        """Return what the store holds of runs and events: each file with its size."""
        tops = (self.root / ".gittrack", self.root / ".git/gittrack/live")
        return {str(file): file.stat().st_size for top in tops for file in top.rglob("*") if file.is_file()}


def _needed(call: Callable[..., Any]) -> list[str]:
    kinds = inspect.Parameter
    return [
        name
        for name, one in inspect.signature(call).parameters.items()
        if one.default is kinds.empty
        and one.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
        and name != "self"
    ]


@pytest.fixture
def place(fresh: None, repo: Path) -> Iterator[Place]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Place(repo)


def _calls(owner: str) -> list[Callable[..., Any]]:
    """Return every function of a module, or method of a class, that a script may call with something."""
    if owner in ("Client", "ActiveRun"):
        members = inspect.getmembers(getattr(gittrack, owner), inspect.isfunction)
        found = [one for name, one in members if name not in NOT_FOR_SCRIPTS.split() and name[0] != "_"]
    else:
        module = gittrack if owner == "gittrack" else artifacts
        found = [getattr(module, name) for name in module.__all__]
    return [one for one in found if inspect.isfunction(one) and _parameters(one)]


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    return [one for name, one in inspect.signature(call).parameters.items() if name != "self"]


@pytest.mark.parametrize("owner", ["gittrack", "artifacts", "Client", "ActiveRun"])
def test_a_value_of_a_wrong_type_is_told_in_one_sentence_and_leaves_nothing(place: Place, owner: str) -> None:
    faults = []
    for call in _calls(owner):
        for parameter in _parameters(call):
            for wrong in WRONG:
                first = _first(owner, call)
                given = place.fitting(owner, call)
                before = place.written()
                try:
                    _call(call, first, given, parameter, wrong)
                except GittrackError as error:
                    if "\n" in str(error) or len(str(error)) > MAX_SENTENCE or place.written() != before:
                        faults.append((call.__name__, parameter.name, wrong, error))
                except Exception as error:  # noqa: BLE001 - all others are what is looked for
                    faults.append((call.__name__, parameter.name, wrong, error))
    assert not faults, "\n".join(map(repr, faults))


def _first(owner: str, call: Callable[..., Any]) -> list[Any]:
    """Return what a method is called on; a run is active but for a call that starts one."""
    if owner == "Client":
        return [gittrack.Client()]
    if call.__name__ == "start_run":
        gittrack.end_run()
        return []
    active = gittrack.active_run() or gittrack.start_run()
    return [active] if owner == "ActiveRun" else []


def _call(
    call: Callable[..., Any],
    first: list[Any],
    given: dict[str, Any],
    parameter: inspect.Parameter,
    wrong: Any,
) -> None:
    if parameter.kind is parameter.VAR_POSITIONAL:
        call(*first, wrong)
    elif parameter.kind is parameter.VAR_KEYWORD:
        for name in ("experiment", "deleted", "limit") if call.__name__ == "runs" else ("x",):
            call(*first, **given, **{name: wrong})
    else:
        call(*first, **{**given, parameter.name: wrong})


@pytest.mark.parametrize(
    "call",
    [
        lambda run_id: gittrack.sql(5),
        lambda run_id: gittrack.search_runs(order_by=5),
        lambda run_id: gittrack.search_runs(max_results=-1),
        lambda run_id: gittrack.search_experiments(max_results=-1),
        lambda run_id: gittrack.load_table("table.json", run_ids=5),
        lambda run_id: gittrack.log_inputs([], contexts=5),
        lambda run_id: gittrack.set_system_metrics_sampling_interval("x"),
        lambda run_id: gittrack.runs(limit="x"),
        lambda run_id: gittrack.log_data(5),
        lambda run_id: gittrack.artifacts.download_artifacts(run_id=run_id, dst_path=5),
        lambda run_id: gittrack.artifacts.download_artifacts(run_id=run_id, dst_path="a\0b"),
    ],
)
def test_a_wrong_type_that_python_would_tell_in_its_own_words_is_an_invalid_value(place: Place, call) -> None:
    with pytest.raises(InvalidValue):
        call(place.ended)


def test_a_variable_that_is_no_number_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITTRACK_REPRO_DEPTH", "deep")
    with pytest.raises(InvalidValue, match="GITTRACK_REPRO_DEPTH is 'deep', not a number"):
        gittrack.search_runs()


def test_text_that_utf8_cannot_hold_leaves_the_runs_readable(place: Place) -> None:
    half = "\udc80"
    with gittrack.start_run():
        gittrack.log_input(data.from_numpy(np.zeros(2), name=half), context=half, tags={half: half})
        assert gittrack.sql("select name, context from datasets").values.tolist() == [["?", "?"]]
        with pytest.raises(InvalidValue, match="text that UTF-8 cannot hold"):
            gittrack.log_table({half: [1]}, "table.json")
