"""What is damaged is named, with what can be done; what is whole is not."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.entities.record import Digest, Event, RunId
from gittrack.housekeeping.commit import commit
from gittrack.housekeeping.fsck import Checked, Finding, fsck
from gittrack.record import format as formats
from gittrack.record import live
from gittrack.record.points import Points
from gittrack.record.run import ActiveRun
from gittrack.repro.plan import agree
from gittrack.store import digest as digests
from gittrack.store.layout import Layout
from tests.conftest import commit_all, git
from tests.housekeeping.helpers import begin, flip, opened, record
from tests.record.strategies import to_points
from tests.repro.helpers import planned


def check(root: Path) -> Checked:
    return fsck(*opened(root))


def found(root: Path, code: str) -> Finding:
    (finding,) = [finding for finding in check(root).findings if finding.code == code]
    return finding


def folder(layout: Layout, run: ActiveRun) -> Path:
    return layout.run(Digest(str(run.digest)))


def put_run(layout: Layout, files: dict[str, bytes]) -> Path:
    """Put a run folder of any content under the name that its run.yaml asks for."""
    path = layout.run(digests.of_bytes(files["run.yaml"]))
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def test_a_whole_store_has_no_findings(repo: Path) -> None:
    record(repo)
    commit(*opened(repo))
    record(repo, "second")
    begin(repo, "alive")

    checked = check(repo)

    assert checked.findings == []
    assert (checked.exit_code, checked.runs, checked.files, checked.live) == (0, 2, 1, 1)


@pytest.mark.parametrize("name", ["run.yaml", "metrics.parquet", "code.patch"])
def test_a_flipped_bit_in_a_run_is_named_with_the_copy_that_is_whole(repo: Path, name: str) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    run = record(repo)
    _, layout = opened(repo)
    flip(folder(layout, run) / name)

    unsaved = found(repo, "digest-mismatch")
    shutil.rmtree(layout.unsaved.run(Digest(str(run.digest))))
    alone = found(repo, "digest-mismatch")

    assert unsaved.path == alone.path == str(folder(layout, run) / name)
    assert unsaved.run == run.run_id
    assert (unsaved.severity, alone.severity) == ("damaged", "lost")
    assert unsaved.remedy == f"rm -r '{folder(layout, run)}' && gittrack commit"
    assert check(repo).exit_code == 5


def test_the_remedy_works(repo: Path) -> None:
    run = record(repo)
    _, layout = opened(repo)
    flip(folder(layout, run) / "metrics.parquet")
    shutil.rmtree(folder(layout, run))
    commit(*opened(repo))
    flip(folder(layout, run) / "metrics.parquet")

    remedy = found(repo, "digest-mismatch").remedy

    place = f".gittrack/runs/{str(run.digest)[:2]}/{str(run.digest)[2:]}"
    assert remedy == f"git checkout main -- '{place}'"
    git(repo, "checkout", "main", "--", place)
    assert check(repo).findings == []


def test_a_run_that_is_damaged_on_another_branch_is_named_there(repo: Path) -> None:
    run = record(repo)
    _, layout = opened(repo)
    git(repo, "switch", "-q", "-c", "topic")
    flip(folder(layout, run) / "run.yaml")
    commit_all(repo)
    git(repo, "switch", "-q", "main")

    finding = found(repo, "digest-mismatch")

    assert finding.path.startswith("topic:.gittrack/runs/")
    assert finding.severity == "damaged"


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_a_damaged_artifact_is_named_with_the_runs_that_need_it(repo: Path, damage: str) -> None:
    run = record(repo)
    _, layout = opened(repo)
    path = layout.file(digests.of_bytes(b"weights"))
    path.chmod(0o644)
    {
        "flip": lambda: flip(path),
        "truncate": lambda: path.write_bytes(b"weig"),
        "empty": lambda: path.write_bytes(b""),
        "remove": path.unlink,
    }[damage]()

    finding = found(repo, "missing-object" if damage == "remove" else "digest-mismatch")

    assert (finding.path, finding.run) == (str(path), run.run_id)
    assert "model.txt" in finding.what
    assert f"gittrack repro {run.run_id[:8]}" in finding.remedy


def test_content_that_another_clone_has_is_untidy_and_not_damage(repo: Path, tmp_path: Path) -> None:
    record(repo)
    commit(*opened(repo))
    git(tmp_path, "clone", "-q", str(repo), "fresh")

    checked = check(tmp_path / "fresh")

    assert [(finding.code, finding.severity) for finding in checked.findings] == [
        ("missing-object", "untidy")
    ]
    assert checked.exit_code == 0


def test_content_that_another_clone_has_is_untidy_also_when_its_command_was_agreed_to(
    repo: Path, tmp_path: Path
) -> None:
    run = record(repo)
    commit(*opened(repo))
    git(tmp_path, "clone", "-q", str(repo), "fresh")

    fresh = tmp_path / "fresh"
    agree(planned(fresh, run))

    checked = check(fresh)

    assert [(finding.code, finding.severity) for finding in checked.findings] == [
        ("missing-object", "untidy")
    ]
    assert checked.exit_code == 0


@pytest.mark.parametrize("at", [3, 40, -30, -3])
def test_a_flipped_bit_in_a_journal_is_named(repo: Path, at: int) -> None:
    run = begin(repo, "dead")
    for step in range(20):
        run.log_metric("loss", 0.5, step)
    run._journal.close()
    _, layout = opened(repo)
    (journal,) = layout.live_run(run.run_id).glob("*.journal")
    flip(journal, at)

    finding = found(repo, "bad-journal")

    assert (finding.path, finding.run) == (str(journal), run.run_id)
    assert found(repo, "stale-live").severity == "untidy"


def test_a_live_run_whose_start_is_damaged_is_named(repo: Path) -> None:
    run = begin(repo)
    _, layout = opened(repo)
    (layout.live_run(run.run_id) / "run.yaml").write_bytes(b"{")

    assert found(repo, "bad-journal").path.endswith("run.yaml")
    run._journal.close()


def test_lies_of_a_run_about_its_points_are_named(repo: Path) -> None:
    run = record(repo)
    _, layout = opened(repo)
    files = {file.name: file.read_bytes() for file in folder(layout, run).iterdir()}
    true = formats.load_run(files["run.yaml"])
    assert true.series is not None
    other = to_points([("loss", 1, 1, 2.0)]).sort().to_parquet()
    lies = {
        "summary-mismatch": (replace(true, metrics={"loss": replace(true.metrics["loss"], max=9.0)}), None),
        "series-mismatch": (replace(true, series=replace(true.series, file=digests.of_bytes(other))), other),
        "bad-parquet": (replace(true, series=replace(true.series, file=digests.of_bytes(b"PAR1"))), b"PAR1"),
    }
    for lie, metrics in lies.values():
        put_run(
            layout,
            {"run.yaml": formats.dump_run(lie), "metrics.parquet": metrics or files["metrics.parquet"]},
        )

    assert {finding.code for finding in check(repo).findings} == set(lies)


def test_files_that_cannot_be_read_are_named_by_what_is_wrong(repo: Path) -> None:
    record(repo)
    _, layout = opened(repo)
    for content in (b"a: [", b"format: gittrack/run/9\n", b"format: gittrack/run/1\nrun_id: x\n"):
        put_run(layout, {"run.yaml": content})

    codes = sorted(finding.code for finding in check(repo).findings)

    assert codes == ["bad-field", "bad-yaml", "unknown-format"]


def test_links_special_files_and_strangers_in_the_store_are_named_and_never_followed(
    repo: Path, tmp_path: Path
) -> None:
    run = record(repo)
    _, layout = opened(repo)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (layout.runs / "aa").mkdir(exist_ok=True)
    (layout.runs / "aa" / ("b" * 62)).symlink_to(tmp_path)
    (layout.runs / "zz").symlink_to(tmp_path)
    (layout.events).mkdir()
    (layout.events / "note.txt").write_text("x")
    (layout.committed / "live").mkdir()
    os.mkfifo(folder(layout, run) / "pipe")
    extra = layout.unsaved.run(Digest(str(run.digest))) / "extra.bin"
    extra.write_bytes(b"")

    findings = {(finding.code, Path(finding.path).name) for finding in check(repo).findings}

    assert findings == {
        ("symlink-in-store", "b" * 62),
        ("symlink-in-store", "zz"),
        ("unexpected-file", "note.txt"),
        ("tracked-private-file", "live"),
        ("not-a-regular-file", str(run.digest)[2:]),
        ("unexpected-file", "extra.bin"),
    }


def test_events_and_environments_are_checked(repo: Path) -> None:
    run = record(repo)
    _, layout = opened(repo)
    event = Event(run.run_id, "set_tag", "k", "v", 4_000_000_000_000, 0, (), "ada")
    for content in (formats.dump_event(event), b"format: gittrack/event/1\n"):
        path = layout.event(digests.of_bytes(content))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for store in (layout, layout.unsaved):
        for file in store.environments.glob("*/*"):
            flip(file)

    codes = sorted(finding.code for finding in check(repo).findings)

    assert codes == ["bad-field", "digest-mismatch", "digest-mismatch", "future-event", "missing-object"]


def test_runs_that_contradict_each_other_are_suspicious(repo: Path) -> None:
    run, other = record(repo), record(repo, "other")
    _, layout = opened(repo)
    true = formats.load_run((folder(layout, run) / "run.yaml").read_bytes())
    empty = replace(true, series=None, metrics={})
    assert not len(Points().sort())
    put_run(layout, {"run.yaml": formats.dump_run(replace(empty, start_time=5))})
    wrong = replace(empty, run_id=RunId("1" * 32), supersedes=(Digest(str(other.digest)),))
    put_run(layout, {"run.yaml": formats.dump_run(wrong)})
    loop = replace(empty, run_id=RunId("2" * 32), parent_run_id=RunId("2" * 32))
    put_run(layout, {"run.yaml": formats.dump_run(loop)})

    checked = check(repo)

    assert {finding.code for finding in checked.findings} == {
        "bad-supersedes",
        "duplicate-run",
        "parent-cycle",
    }
    assert checked.exit_code == 0


def test_code_that_no_ref_holds_and_code_that_is_gone_are_named(repo: Path) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    record(repo)
    commit(*opened(repo))
    refs = git(repo, "for-each-ref", "--format=%(refname)", "refs/gittrack").split()
    for ref in refs:
        git(repo, "update-ref", "-d", ref)

    finding = found(repo, "missing-keep-ref")
    git(repo, *finding.remedy.split()[1:])

    assert check(repo).findings == []


def test_leftovers_are_untidy_after_a_day(repo: Path) -> None:
    record(repo)
    _, layout = opened(repo)
    old = layout.tmp / "draft"
    old.mkdir(parents=True)
    os.utime(old, (1, 1))

    assert found(repo, "orphan-tmp").severity == "untidy"
    assert not live.folders(layout)
