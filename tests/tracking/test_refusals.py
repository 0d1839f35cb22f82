"""What cannot be recorded is refused with MLflow's code and one sentence, and leaves every byte as it was."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.entities import Dataset, Metric, Param, RunTag
from gittrack.errors import GittrackError
from tests.conftest import write
from tests.tracking.conftest import close_borrowed, stored

pytestmark = pytest.mark.usefixtures("fresh")

INVALID, UNKNOWN = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"
EXISTS, STATE = "RESOURCE_ALREADY_EXISTS", "INVALID_STATE"
NOBODY = "0" * 32

BAD_KEYS = [
    "", " /", "/a", "../a", "a/../b", "a//b", "a/", "./a", ".", "..", "a\\b", "a\0b", "a\nb", "a%2eb", "a;b",
    "a'b", "k" * 251, None, 3, b"a",
]  # fmt: skip
CLIMBING = [
    "../x", "a/../../x", "/etc/x", "..", "a/..", "%2e%2e/x", "%2E%2E%2Fx", "%252e%252e/x", "a\\..\\x", "\\x",
    "C:/x", "~/x", "a\0b", "a\nb", "a//b", "", "a#b", ".git/hooks/x", "a/.gittrack/x", "x" * 300, None, 3,
]  # fmt: skip
NO_NUMBERS = ["abc", "", None, [1.0], object(), 1j, "1,5", b"x"]
NO_STEPS = [1.5, 2.0, "3", "x", [1], 1 << 63, -(1 << 63) - 1, float("nan"), object()]
NO_TIMES = [1.5, "soon", -1, 1 << 63, object()]
NO_RUN_IDS = ["", "../" * 11, "A b", "a" * 300, None, 3, b"0" * 32, "0\0" * 16, "%2e%2e", "x;y"]


@dataclass
class Caller:
    """The same call in one of three ways: to the active run, by id to a fluent function, by a client's method."""

    by: str
    run_id: str
    client: gittrack.Client

    def __call__(self, name: str, *args: Any, **options: Any) -> Any:
        if self.by == "client":
            return getattr(self.client, name)(self.run_id, *args, **options)
        of = {"run_id": self.run_id} if self.by == "fluent" else {}
        return getattr(gittrack, name)(*args, **options, **of)


@pytest.fixture(params=["active", "fluent", "client"])
def call(request: pytest.FixtureRequest, client: gittrack.Client) -> Caller:
    """Calls about a run that has a param, a metric, a tag and an artifact."""
    run = gittrack.start_run(run_name="one")
    gittrack.log_param("depth", 3)
    gittrack.log_metric("loss", 0.5, 1)
    gittrack.set_tag("team", "red")
    gittrack.log_text("kept", "deep/kept.txt")
    return Caller(request.param, run.run_id, client)


def refused(call: Callable[..., object], *args: Any, code: str = INVALID, **options: Any) -> GittrackError:
    """Check that a call is refused with a code and a sentence, and that nothing of what is stored has changed."""
    root = Path.cwd()
    before = stored(root)
    with pytest.raises(GittrackError) as caught:
        call(*args, **options)
    error = caught.value
    assert error.error_code == code, error
    assert str(error).strip()
    assert "\n" not in str(error)
    assert len(str(error)) < 700
    assert "Traceback" not in str(error)
    close_borrowed()
    assert stored(root) == before
    return error


def has(call: Caller, *names: str) -> bool:
    """Whether this way of calling knows the name; `set_tag` and the like have no `run_id` in the fluent form."""
    return call.by != "fluent" or names[0] not in (
        "set_tag",
        "delete_tag",
        "log_param",
        "log_image",
        "log_figure",
    )


def test_a_key_that_cannot_be_one_is_refused(call) -> None:
    for key in BAD_KEYS:
        refused(call, "log_metric", key, 1.0)
        if has(call, "log_param"):
            refused(call, "log_param", key, 1)
            refused(call, "set_tag", key, "v")
        if call.by == "client":
            good = [Metric("m", 1.0, 1, 0)], [Param("p", "1")], [RunTag("t", "1")]
            for place, bad in enumerate((Metric(key, 1.0, 1, 0), Param(key, "1"), RunTag(key, "1"))):
                batch = [[*entries, bad] if n == place else entries for n, entries in enumerate(good)]
                refused(call, "log_batch", *batch)
        else:
            refused(call, "log_metrics", {"good": 1.0, key: 1.0})
            refused(call, "log_params", {"good": 1, key: 1})


def test_a_path_that_climbs_is_refused(repo, call) -> None:
    for path in CLIMBING:
        write(repo, {".git/file.txt": "text"})
        refused(call, "log_text", "text", path)
        refused(call, "log_dict", {}, path)
        refused(call, "log_stream", io.BytesIO(b"x"), path)
        if path and isinstance(path, str):
            refused(call, "log_artifact", repo / ".git" / "file.txt", path)


def test_a_path_that_climbs_is_refused_by_who_reads_too(call) -> None:
    for path in ("../x", "%2e%2e/x", "a\\..\\x", "a\0b", "/etc/x"):
        address = f"runs:/{call.run_id}/{path}"
        refused(gittrack.artifacts.load_text, address)
        refused(gittrack.artifacts.list_artifacts, run_id=call.run_id, artifact_path=path)
        if call.by == "client":
            refused(call, "list_artifacts", path)
            refused(call, "download_artifacts", path)


def test_a_folder_with_one_bad_name_is_refused_whole(repo, call) -> None:
    write(repo, {".git/out/a.txt": "a", ".git/out/b#c.txt": "b", ".git/out/z.txt": "z"})
    refused(call, "log_artifacts", repo / ".git" / "out")


def test_a_file_cannot_become_a_folder_nor_a_folder_a_file(call) -> None:
    refused(call, "log_text", "x", "deep")
    refused(call, "log_text", "x", "deep/kept.txt/more.txt")


def test_what_is_not_there_cannot_be_kept(repo, call) -> None:
    refused(call, "log_artifact", "gone.txt", code=UNKNOWN)
    refused(call, "log_artifacts", "gone", code=UNKNOWN)


@pytest.mark.parametrize("content", [None, 3, b"x", ["x"]], ids=ascii)
def test_what_is_no_text_is_refused(call, content) -> None:
    refused(call, "log_text", content, "a.txt")


def test_what_is_no_dictionary_table_or_stream_is_refused(call) -> None:
    endless: list[Any] = []
    endless.append(endless)
    refused(call, "log_dict", endless, "a.json")
    refused(call, "log_stream", "text", "a.bin")
    refused(call, "log_table", 3, "a.json")
    refused(call, "log_table", {"a": [1]}, "a.csv")


def test_a_value_that_is_no_number_is_refused(call) -> None:
    for value in NO_NUMBERS:
        refused(call, "log_metric", "m", value)
        if call.by == "client":
            refused(call, "log_batch", [Metric("a", 1.0, 1, 0), Metric("m", value, 1, 0)], [Param("p", "1")])
        elif not isinstance(value, list):
            refused(call, "log_metrics", {"a": 1.0, "m": value})
        else:
            refused(call, "log_metrics", {"a": 1.0, "m": [1.0, "x"]})


def test_a_step_that_is_no_integer_of_64_bits_is_refused(call) -> None:
    for step in NO_STEPS:
        refused(call, "log_metric", "m", 1.0, step=step)
        if call.by == "client":
            refused(call, "log_batch", [Metric("a", 1.0, 1, 0), Metric("m", 1.0, 1, step)])
        elif not isinstance(step, list):
            refused(call, "log_metrics", {"a": 1.0, "m": 2.0}, step=step)
        if step == 2.0:
            assert refused(call, "log_metric", "m", 1.0, step=step).hint == "step=2"


def test_a_time_that_is_no_number_of_milliseconds_is_refused(call) -> None:
    for when in NO_TIMES:
        refused(call, "log_metric", "m", 1.0, timestamp=when)
        if call.by == "client":
            refused(call, "log_batch", [Metric("m", 1.0, when, 0)])
        else:
            refused(call, "log_metrics", {"a": 1.0}, timestamp=when)


def test_series_of_different_lengths_are_refused(call) -> None:
    if call.by != "client":
        refused(call, "log_metrics", {"a": [1.0, 2.0], "b": [1.0]}, step=[1, 2])
        refused(call, "log_metrics", {"a": [1.0, 2.0]}, step=[1, 2.5])


def test_a_param_does_not_change(call) -> None:
    if has(call, "log_param"):
        refused(call, "log_param", "depth", 4)
        refused(call, "log_param", "depth", None)
    if call.by == "client":
        refused(call, "log_batch", [Metric("m", 1.0, 1, 0)], [Param("new", "1"), Param("depth", "4")])
        refused(call, "log_batch", [], [Param("new", "1"), Param("new", "2")])
    else:
        refused(call, "log_params", {"new": 1, "depth": 4})


def test_what_is_too_long_is_refused(call) -> None:
    if has(call, "log_param"):
        refused(call, "log_param", "long", "x" * (1 << 20) + "x")
        refused(call, "log_param", "long", 1 << 5000)
        refused(call, "set_tag", "long", "x" * (1 << 20) + "x")


def test_a_tag_that_is_not_there_cannot_be_deleted(call) -> None:
    if has(call, "delete_tag"):
        refused(call, "delete_tag", "gone", code=UNKNOWN)


@pytest.mark.parametrize("entries", [[3], ["x"], [{"key": "a"}], [Param("a", "1")]], ids=ascii)
def test_a_batch_of_wrong_types_is_refused(call, entries) -> None:
    if call.by == "client":
        refused(call, "log_batch", metrics=entries)
        if entries != [Param("a", "1")]:
            refused(call, "log_batch", params=entries)
            refused(call, "log_batch", tags=entries)


@pytest.mark.parametrize("used", [[3], ["x"], [Dataset("a", "1", "local", "{}")]], ids=ascii)
def test_datasets_of_wrong_types_are_refused(call, used) -> None:
    if call.by == "client":
        refused(call, "log_inputs", used)
    elif call.by == "active":
        refused(gittrack.log_input, used)
        refused(gittrack.log_input, used[0] if isinstance(used, list) else used)


@pytest.mark.parametrize("status", ["DONE", "finished", "", 3, b"FAILED"], ids=ascii)
def test_a_status_that_there_is_not_is_refused(call, status) -> None:
    if call.by == "client":
        refused(call, "update_run", status)
        if status:
            refused(call, "set_terminated", status)


# Runs and experiments that are not there, or are deleted

OF_A_RUN = [
    ("log_metric", ("m", 1.0)),
    ("log_params", ({"p": 1},)),
    ("log_param", ("p", 1)),
    ("log_batch", ()),
    ("set_tag", ("t", "v")),
    ("delete_tag", ("team",)),
    ("log_text", ("x", "a.txt")),
    ("log_inputs", ([],)),
    ("update_run", ("FAILED",)),
    ("update_run", (None, "renamed")),
    ("set_terminated", ()),
    ("delete_run", ()),
]
READING = [
    ("get_run", ()),
    ("get_metric_history", ("m",)),
    ("list_artifacts", ()),
    ("download_artifacts", ("a",)),
]
FLUENT, BY_ID = ("log_metric", "log_params", "log_text"), ("delete_run", "restore_run", "get_run")
NAMED = [
    (by, name, args)
    for name, args in [*OF_A_RUN, *READING, ("restore_run", ())]
    for by in ("fluent", "client")
    if (name in FLUENT + BY_ID if by == "fluent" else name != "log_params")
]


def named(client: gittrack.Client, by: str, name: str, run_id: Any, args: tuple[Any, ...]) -> Any:
    if by == "client":
        return getattr(client, name)(run_id, *args)
    if name in FLUENT:
        return getattr(gittrack, name)(*args, run_id=run_id)
    return getattr(gittrack, name)(run_id, *args)


def test_a_run_that_nobody_knows_is_not_found(client) -> None:
    gittrack.start_run()
    for by, name, args in NAMED:
        for run_id in (NOBODY, "nobody"):
            error = refused(named, client, by, name, run_id, args, code=UNKNOWN)
            assert f"'{run_id}'" in str(error)


def test_what_could_be_nobodys_run_id_is_refused(client) -> None:
    for run_id in NO_RUN_IDS:
        gittrack.start_run()
        for name, args in [*OF_A_RUN, *READING]:
            if name != "log_params":
                refused(getattr(client, name), run_id, *args)
        gittrack.end_run()
        if run_id is not None:
            refused(gittrack.start_run, run_id=run_id)
            refused(gittrack.start_run, parent_run_id=run_id)


@pytest.mark.parametrize("state", ["open", "ended"])
def test_nothing_is_done_to_a_deleted_run(client, state) -> None:
    run_id = client.create_run("0", tags={"team": "red"}).info.run_id
    if state == "ended":
        client.set_terminated(run_id)
    client.delete_run(run_id)
    for by, name, args in NAMED:
        if name in dict(OF_A_RUN) and name not in ("delete_run", "restore_run"):
            error = refused(named, client, by, name, run_id, args)
            assert "is deleted" in str(error)
            assert error.hint


def test_a_deleted_run_cannot_be_resumed_nor_be_a_parent(client) -> None:
    run_id = client.create_run("0").info.run_id
    client.set_terminated(run_id)
    client.restore_run(run_id)  # nothing to do, as in MLflow
    client.delete_run(run_id)
    client.delete_run(run_id)
    refused(gittrack.start_run, run_id=run_id)
    refused(gittrack.start_run, parent_run_id=run_id)
    assert gittrack.active_run() is None


@pytest.mark.parametrize("name", ["", "  ", None, 3, b"x", "x" * 501], ids=lambda name: ascii(name)[:8])
def test_a_name_that_no_experiment_can_have_is_refused(client, name) -> None:
    one = client.create_experiment("churn")
    refused(client.create_experiment, name)
    refused(gittrack.create_experiment, name)
    refused(client.rename_experiment, one, name)
    refused(gittrack.set_experiment, name)


def test_a_name_that_is_taken_is_refused(client) -> None:
    client.create_experiment("churn")
    other = client.create_experiment("other")
    refused(client.create_experiment, "churn", code=EXISTS)
    refused(gittrack.create_experiment, "Default", code=EXISTS)
    refused(client.rename_experiment, other, "churn", code=EXISTS)


@pytest.mark.parametrize("one", ["12345", "nobody", "../x", "1.5", "-1"])
def test_an_experiment_that_nobody_knows_is_not_found(client, one) -> None:
    gittrack.start_run()
    gittrack.end_run()
    for call in (
        lambda: client.get_experiment(one),
        lambda: client.create_run(one),
        lambda: client.rename_experiment(one, "x"),
        lambda: client.set_experiment_tag(one, "k", "v"),
        lambda: client.delete_experiment(one),
        lambda: client.restore_experiment(one),
        lambda: gittrack.set_experiment(experiment_id=one),
        lambda: gittrack.start_run(experiment_id=one),
    ):
        refused(call, code=UNKNOWN if one.lstrip("-").isdigit() else INVALID)
    assert gittrack.active_run() is None


def test_nothing_is_done_to_a_deleted_experiment(client) -> None:
    one = client.create_experiment("churn", tags={"team": "red"})
    client.delete_experiment(one)
    for call in (
        lambda: client.create_run(one),
        lambda: client.rename_experiment(one, "x"),
        lambda: client.set_experiment_tag(one, "k", "v"),
        lambda: client.delete_experiment_tag(one, "team"),
        lambda: gittrack.set_experiment(experiment_id=one),
        lambda: gittrack.start_run(experiment_id=one),
    ):
        assert "is deleted" in str(refused(call))
    refused(client.delete_experiment, one, code=UNKNOWN)
    refused(client.delete_experiment, "0")
    refused(client.restore_experiment, "0", code=UNKNOWN)


def test_a_tag_of_an_experiment_needs_a_key_too(client) -> None:
    for key in BAD_KEYS:
        gittrack.set_experiment("churn")
        refused(client.set_experiment_tag, "0", key, "v")
        refused(gittrack.set_experiment_tag, key, "v")
        refused(client.create_experiment, "new", tags={"good": 1, key: "v"})


# Starting and ending


def test_a_second_active_run_is_refused(client) -> None:
    run = gittrack.start_run()
    refused(gittrack.start_run, code=STATE)
    refused(gittrack.start_run, run_id=run.run_id, nested=True, code=STATE)


def test_a_handle_of_a_run_that_has_ended_takes_nothing_more(client) -> None:
    with gittrack.start_run() as run:
        gittrack.log_metric("loss", 0.5)
    for call in (
        lambda: run.log_metric("loss", 1.0),
        lambda: run.log_metrics({"loss": 1.0}),
        lambda: run.log_param("p", 1),
        lambda: run.set_tag("t", "v"),
        lambda: run.delete_tag("t"),
        lambda: run.log_text("x", "a.txt"),
        lambda: run.log_dict({}, "a.json"),
        lambda: run.log_batch([], {"p": 1}, {}),
    ):
        assert "has ended" in str(refused(call, code=STATE))


@pytest.mark.parametrize(
    "options",
    [
        {"tags": {"a;b": 1}},
        {"tags": {"": 1}},
        {"tags": {None: 1}},
        {"description": "a", "tags": {"mlflow.note.content": "b"}},
        {"experiment_name": "x" * 501},
    ],
    ids=ascii,
)
def test_a_run_that_cannot_start_leaves_nothing(client, options) -> None:
    gittrack.start_run()
    gittrack.end_run()
    refused(gittrack.start_run, **options)
    assert gittrack.active_run() is None
    if not options.keys() & {"description", "experiment_name"}:
        refused(client.create_run, "0", **options)


@pytest.mark.parametrize("limit", [0, -1, 50_001, "3", 1.5, None, True], ids=ascii)
def test_a_page_of_no_size_is_refused(client, limit) -> None:
    gittrack.start_run()
    refused(client.search_runs, ["0"], max_results=limit)
    refused(client.search_experiments, max_results=limit)


@pytest.mark.parametrize("token", ["x", "e30=", "LTE=", "eyJvZmZzZXQiOi0xfQ==", 3], ids=ascii)
def test_a_token_that_is_none_is_refused(client, token) -> None:
    gittrack.start_run()
    refused(client.search_runs, ["0"], page_token=token)
    refused(client.search_experiments, page_token=token)


@pytest.mark.parametrize("view", [0, 4, "ACTIVE_ONLY", None], ids=ascii)
def test_a_view_that_there_is_not_is_refused(client, view) -> None:
    gittrack.start_run()
    refused(client.search_runs, ["0"], run_view_type=view)
    refused(gittrack.search_runs, run_view_type=view)
    refused(client.search_experiments, view_type=view)
