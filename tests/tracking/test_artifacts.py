from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gittrack
from gittrack import artifacts as addresses
from gittrack import config
from gittrack.entities.record import Artifact, Digest
from gittrack.errors import Conflict, Damaged, InvalidValue, NotFound, RecordingNotice
from gittrack.record import origin
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store.objects import FileStore
from gittrack.tracking import artifacts, projects
from tests.conftest import write

ID = "0123456789abcdef" * 2
FILES = {"a.txt": "a", "deep/b.txt": "bb", "deep/er/c.txt": "ccc", "deep/er/d/e.txt": ""}


@pytest.fixture(autouse=True)
def new_process() -> None:
    """Make each test a process that has started no run yet."""
    origin._forget()


@pytest.fixture
def project(repo: Path) -> Project:
    return Project.find(repo)


@pytest.fixture
def run(project: Project) -> ActiveRun:
    """A run that has ended, with four artifacts."""
    with begin(project) as run:
        for name, text in FILES.items():
            run.log_text(text, name)
    return run


@pytest.fixture
def files(project: Project) -> FileStore:
    return FileStore(project.layout)


def begin(project: Project) -> ActiveRun:
    return ActiveRun.begin(project, project.config(), config.surroundings())


def of(project: Project, run: ActiveRun) -> tuple[Artifact, ...]:
    """Return what a new look at the clone says that a run has."""
    return projects.session(project).run(run.run_id).artifacts


def below(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def listed(found) -> list[tuple[str, bool, int | None]]:
    return [(info.path, info.is_dir, info.file_size) for info in found]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (None, [("a.txt", False, 1), ("deep", True, None)]),
        ("", [("a.txt", False, 1), ("deep", True, None)]),
        (".", [("a.txt", False, 1), ("deep", True, None)]),
        ("deep", [("deep/b.txt", False, 2), ("deep/er", True, None)]),
        ("./deep/", [("deep/b.txt", False, 2), ("deep/er", True, None)]),
        ("deep/er/d", [("deep/er/d/e.txt", False, 0)]),
        ("a.txt", []),
        ("dee", []),
        ("gone", []),
    ],
)
def test_a_listing_has_what_is_directly_in_a_folder(project, run, path, found) -> None:
    assert listed(artifacts.list_artifacts(of(project, run), path)) == found
    assert listed(addresses.list_artifacts(run_id=run.run_id, artifact_path=path)) == found


PATHS = st.lists(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(PATHS)
def test_who_follows_the_folders_of_listings_finds_each_file_once(paths) -> None:
    files = [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]
    given_ = [Artifact(path, Digest("0" * 64), 1) for path in files]
    found, folders = [], [""]
    while folders:
        for info in artifacts.list_artifacts(given_, folders.pop()):
            (folders if info.is_dir else found).append(info.path)
    assert sorted(found) == sorted(files)


def test_a_live_run_has_its_artifacts_already(project) -> None:
    with begin(project) as run:
        run.log_text("now", "a/b.txt")
        assert listed(addresses.list_artifacts(run_id=run.run_id)) == [("a", True, None)]
        assert addresses.load_text(f"runs:/{run.run_id}/a/b.txt") == "now"


@pytest.mark.parametrize(
    ("path", "place", "found"),
    [
        ("a.txt", "a.txt", {"a.txt": "a"}),
        ("deep/er/c.txt", "c.txt", {"c.txt": "ccc"}),
        ("deep", "deep", {"deep/b.txt": "bb", "deep/er/c.txt": "ccc", "deep/er/d/e.txt": ""}),
        ("deep/er", "er", {"er/c.txt": "ccc", "er/d/e.txt": ""}),
        ("deep/er/", "", {"c.txt": "ccc", "d/e.txt": ""}),
        ("", "", FILES),
        (None, "", FILES),
    ],
)
def test_a_download_lies_under_its_own_name(project, run, files, tmp_path, path, place, found) -> None:
    target = tmp_path / "new" / "here"
    assert artifacts.download(of(project, run), files, path, target) == target / place
    assert below(target) == found
    assert addresses.download_artifacts(run_id=run.run_id, artifact_path=path, dst_path=str(target)) == str(
        target / place
    )
    assert below(target) == found


def test_a_download_is_a_file_that_its_owner_may_change_and_replaces_what_was_there(
    project, run, files, tmp_path
) -> None:
    write(tmp_path, {"deep/b.txt": "old", "deep/mine.txt": "mine"})
    artifacts.download(of(project, run), files, "deep", tmp_path)
    (tmp_path / "deep" / "b.txt").write_text("changed")
    assert below(tmp_path / "deep")["mine.txt"] == "mine"
    assert files.read(of(project, run)[1].digest) == b"bb"


def test_without_a_folder_a_new_one_takes_the_download(run) -> None:
    first, second = (addresses.download_artifacts(f"runs:/{run.run_id}/deep/b.txt") for _ in range(2))
    assert Path(first).name == "b.txt"
    assert Path(first).read_text() == "bb"
    assert first != second


def test_what_a_run_has_not_cannot_be_downloaded(project, run, files, tmp_path) -> None:
    for path in ("gone.txt", "dee", "a.txt/b", "a.txt/"):
        with pytest.raises(NotFound, match="no artifact 'gone.txt'" if path == "gone.txt" else "no artifact"):
            artifacts.download(of(project, run), files, path, tmp_path / "out")
    with begin(project) as empty:
        pass
    assert artifacts.download(of(project, empty), files, "", tmp_path / "out") == tmp_path / "out"


def test_content_that_is_missing_is_named_and_nothing_is_put_anywhere(project, run, files, tmp_path) -> None:
    gone = next(artifact for artifact in of(project, run) if artifact.path == "deep/er/c.txt")
    files.path(gone.digest).unlink()
    with pytest.raises(NotFound, match=f"'deep/er/c.txt' \\({gone.digest[:12]}…\\) is not in this clone"):
        artifacts.download(of(project, run), files, "deep", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(NotFound, match=r"'deep/er/c\.txt'"):
        addresses.load_text(f"runs:/{run.run_id}/deep/er/c.txt")


def test_content_that_is_damaged_is_never_handed_out(project, run, files, tmp_path) -> None:
    bad = files.path(of(project, run)[0].digest)
    bad.chmod(0o644)
    bad.write_text("b")
    with pytest.raises(Damaged, match="is damaged"):
        artifacts.download(of(project, run), files, "a.txt", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(Damaged):
        addresses.load_text(f"runs:/{run.run_id}/a.txt")


CLIMBING = [
    "../x",
    "a/../b",
    "/x",
    "..",
    "a\\b",
    "a\0b",
    "%2e%2e/x",
    "%252e%252e%2fx",
    "a//b",
    "/",
    "//",
    ".git/x",
]


@pytest.mark.parametrize("path", CLIMBING)
def test_a_path_that_climbs_is_refused_by_all_who_read(project, run, files, path, tmp_path) -> None:
    found = of(project, run)
    for ask in (
        lambda: artifacts.list_artifacts(found, path),
        lambda: artifacts.download(found, files, path, tmp_path / "out"),
        lambda: artifacts.read(found, files, path),
        lambda: addresses.load_text(f"runs:/{run.run_id}/{path}"),
        lambda: addresses.download_artifacts(run_id=run.run_id, artifact_path=path),
    ):
        with pytest.raises(InvalidValue):
            ask()
    assert not (tmp_path / "out").exists()


def test_a_record_that_names_a_path_outside_puts_nothing_there(files, tmp_path) -> None:
    digest, size = files.put_bytes(b"evil")
    for path in ("../evil", "deep/../../evil", "/evil"):
        with pytest.raises(InvalidValue):
            artifacts.download([Artifact(path, digest, size)], files, "", tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_a_link_that_leads_out_of_the_folder_is_not_followed(project, run, files, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidValue, match="a link leads"):
        artifacts.download(of(project, run), files, "", tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_named(project, run, files, tmp_path) -> None:
    write(tmp_path, {"out/deep": "a file"})
    with pytest.raises(Conflict, match=r"out/deep/b.txt' cannot be written"):
        artifacts.download(of(project, run), files, "deep", tmp_path / "out")
    write(tmp_path, {"more/a.txt/b": "a folder"})
    with pytest.raises(Conflict, match=r"more/a.txt' cannot be written"):
        artifacts.download(of(project, run), files, "a.txt", tmp_path / "more")
    assert below(tmp_path / "out") == {"deep": "a file"}
    assert below(tmp_path / "more") == {"a.txt/b": "a folder"}


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        (f"runs:/{ID}", (ID, "")),
        (f"runs:/{ID}/", (ID, "")),
        (f"runs:///{ID}/a/b.txt", (ID, "a/b.txt")),
        (f"runs:/{ID}/a b/ü.txt", (ID, "a b/ü.txt")),
    ],
)
def test_an_address_names_a_run_and_a_path(uri, found) -> None:
    assert artifacts.parse_uri(uri) == found


@pytest.mark.parametrize(
    "uri",
    [
        "runs:/", "runs:", f"runs:{ID}/a", f"runs://host/{ID}/a", f"runs:/{ID}/a?x=1", f"runs:/{ID}/a#b", "",
        f"runs:/{ID}/../a", f"runs:/{ID}/%2e%2e/a", f"runs:/{ID}//a", f"runs:/../{ID}", "models:/m/1", "s3://b/a",
        f"RUNS:/{ID}/a", f"runs:/{ID}/a\0", f"runs:/{ID}\n/a",
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_artifact_is_refused(uri) -> None:
    with pytest.raises(InvalidValue):
        artifacts.parse_uri(uri)


@pytest.mark.parametrize(
    "uri", ["s3://b/a", "models:/m/1", "mlflow-artifacts:/a", "http://h/a", "file://host/a"]
)
def test_artifacts_that_are_elsewhere_are_an_error_that_says_so(repo, uri) -> None:
    for ask in (addresses.download_artifacts, addresses.list_artifacts, addresses.load_text):
        with pytest.raises(InvalidValue, match="gittrack has no artifacts at"):
            ask(uri)


def test_a_run_that_nobody_knows_is_not_found(run) -> None:
    for run_id in ("0" * 32, "nobody"):
        with pytest.raises(NotFound, match=f"'{run_id}'"):
            addresses.list_artifacts(run_id=run_id)
        with pytest.raises(NotFound, match=f"'{run_id}'"):
            addresses.download_artifacts(f"runs:/{run_id}/a.txt")


@pytest.mark.parametrize(
    "options", [{}, {"artifact_uri": "a", "run_id": ID}, {"artifact_uri": "a", "artifact_path": "b"}]
)
def test_either_an_address_or_a_run_is_given(repo, options) -> None:
    with pytest.raises(InvalidValue):
        addresses.download_artifacts(**options)
    with pytest.raises(InvalidValue):
        addresses.list_artifacts(**options)


def test_a_listing_by_address_starts_at_the_folder_above_as_in_mlflow(run) -> None:
    address = f"runs:/{run.run_id}"
    assert listed(addresses.list_artifacts(address)) == [("a.txt", False, 1), ("deep", True, None)]
    assert listed(addresses.list_artifacts(f"{address}/deep/er")) == [
        ("er/c.txt", False, 3),
        ("er/d", True, None),
    ]
    assert listed(addresses.list_artifacts(f"{address}/deep/")) == [("b.txt", False, 2), ("er", True, None)]


def test_files_of_this_machine_have_addresses_too(repo) -> None:
    write(repo, {"out/a b.txt": "text", "out/sub/c.json": '{"a": 1}'})
    for uri in ("out/a b.txt", (repo / "out" / "a b.txt").as_uri(), str(repo / "out" / "a b.txt")):
        assert addresses.load_text(uri) == "text"
        assert addresses.download_artifacts(uri) == str(repo / "out" / "a b.txt")
        assert addresses.download_artifacts(uri, dst_path="copy") == str(repo / "copy" / "a b.txt")
    assert addresses.load_dict("out/sub/c.json") == {"a": 1}
    assert addresses.download_artifacts("out", dst_path="copy") == str(repo / "copy" / "out")
    assert below(repo / "copy") == {"a b.txt": "text", "out/a b.txt": "text", "out/sub/c.json": '{"a": 1}'}
    assert addresses.download_artifacts("out/a b.txt", dst_path="out") == str(repo / "out" / "a b.txt")
    assert listed(addresses.list_artifacts("out")) == [("out/a b.txt", False, 4), ("out/sub", True, None)]
    assert addresses.list_artifacts("gone") == []
    for ask in (addresses.load_text, addresses.download_artifacts):
        with pytest.raises(NotFound, match="no file or folder 'gone'"):
            ask("gone")


def test_artifacts_are_loaded_as_what_they_hold(project, run) -> None:
    image = pytest.importorskip("PIL.Image")
    with begin(project) as run:
        run.log_text("ü\r\n", "a.txt")
        run.log_dict({"ü": [1, None]}, "a.json")
        run.log_dict({"ü": [1, None]}, "a.yaml")
        run.log_image(image.new("RGB", (4, 3)), "a.png")
        run.log_stream(io.BytesIO(b"\xff"), "a.bin")
    address = f"runs:/{run.run_id}"
    assert addresses.load_text(f"{address}/a.txt") == "ü\r\n"
    assert (
        addresses.load_dict(f"{address}/a.json")
        == addresses.load_dict(f"{address}/a.yaml")
        == {"ü": [1, None]}
    )
    assert addresses.load_image(f"{address}/a.png").size == (4, 3)
    for load, name in (
        (addresses.load_text, "a.bin"),
        (addresses.load_dict, "a.txt"),
        (addresses.load_image, "a.txt"),
    ):
        with pytest.raises(InvalidValue, match=f"'{address}/{name}' is not"):
            load(f"{address}/{name}")
    with pytest.raises(NotFound):
        addresses.load_text(address)


def test_another_repository_can_be_asked(project, run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"runs:/{run.run_id}/a.txt"
    found = addresses.download_artifacts(address, tracking_uri=str(project.root))
    assert Path(found).read_text() == "a"
    assert len(addresses.list_artifacts(run_id=run.run_id, tracking_uri=project.root.as_uri())) == 2


def test_tables_of_several_runs_come_back_as_one_the_newest_first(project) -> None:
    runs = []
    for number in range(2):
        with begin(project) as run:
            run.log_param("lr", number)
            run.log_metric("auc", 0.5 + number)
            run.log_table({"x": [number, None], "status": ["mine", "mine"]}, "deep/t.json")
        runs.append(run.run_id)
    with begin(project) as without:
        pass
    client = gittrack.tracking.Client()
    columns = ["run_id", "metrics.auc", "params.lr", "tags.none", "start_time"]
    frame = client.load_table("0", "deep/t.json", [*runs, without.run_id], columns)
    assert sorted(frame["run_id"]) == sorted(runs * 2)
    assert frame["start_time"].is_monotonic_decreasing
    assert frame["start_time"].dt.tz is not None
    assert frame.set_index("run_id")["metrics.auc"].to_dict() == {runs[0]: 0.5, runs[1]: 1.5}
    assert frame.set_index("run_id")["params.lr"].to_dict() == {runs[0]: "0", runs[1]: "1"}
    assert len(client.load_table("0", "deep/t.json")) == 4
    with pytest.warns(RecordingNotice, match="the run's is 'status_'"):
        frame = client.load_table("0", "deep/t.json", extra_columns=["status"])
    assert set(frame["status"]) == {"mine"}
    assert set(frame["status_"]) == {"FINISHED"}
    with pytest.raises(InvalidValue, match="no column 'colour'"):
        client.load_table("0", "deep/t.json", extra_columns=["colour"])
    with pytest.raises(NotFound, match=r"no run has the table 'gone\.json'"):
        client.load_table("0", "gone.json")
    with pytest.raises(InvalidValue, match="not the name of a table"):
        client.load_table("0", "gone.csv")


def test_a_table_of_no_rows_has_its_columns(project) -> None:
    with begin(project) as run:
        run.log_table(pd.DataFrame({"a": [], "b": []}), "t.json")
    frame = gittrack.tracking.Client().load_table("0", "t.json")
    assert (list(frame.columns), len(frame)) == (["a", "b"], 0)
    assert json.loads(addresses.load_text(f"runs:/{run.run_id}/t.json")) == {
        "columns": ["a", "b"],
        "data": [],
    }


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_a_download_can_be_written_by_its_owner(project, run, files, tmp_path) -> None:
    found = artifacts.download(of(project, run), files, "a.txt", tmp_path)
    assert found.stat().st_mode & 0o200
