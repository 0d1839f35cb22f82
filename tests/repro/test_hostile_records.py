"""A record of somebody else's runs nothing before it was agreed to, and what is agreed to is all that counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.entities.record import DataFile, Digest, LeftOut, Process, RunRecord
from gittrack.errors import Damaged
from gittrack.record import format as formats
from gittrack.record import trust
from gittrack.repro.plan import ConsentNeeded
from gittrack.repro.report_lines import plan_lines
from gittrack.repro.reproduce import rehearse, reproduce
from gittrack.store import digest as digests
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, git, write
from tests.repro.forgery import digest_of, forged
from tests.repro.helpers import (
    again,
    commit,
    gittrack,
    job,
    opened,
    originals,
    planned,
    recorded,
)

READS = """\
import gittrack, pathlib
with gittrack.start_run():
    gittrack.log_data("in.csv")
    gittrack.log_metric("x", len(pathlib.Path("in.csv").read_text()))
"""


def refuses(root: Path, run: RunRecord) -> bool:
    """Whether nothing of a run is executed, nor written, before somebody agrees."""
    with pytest.raises(ConsentNeeded):
        reproduce(planned(root, run))
    return not opened(root)[1].private.joinpath("worktrees").exists()


def changed(run: RunRecord, **changes: object) -> RunRecord:
    assert run.command is not None
    return replace(run, command=replace(run.command, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"argv": ("sh", "-c", "touch ~/owned")},
        {"cwd": "src"},
        {"env": {"PYTHONPATH": "/tmp/evil"}},
    ],
    ids=["another command", "another folder", "another variable"],
)
def test_a_record_that_supersedes_a_trusted_one_asks_again(repo: Path, changes: dict[str, object]) -> None:
    run = recorded(repo)
    assert planned(repo, run).trusted
    evil = changed(run, **changes)

    later = forged(
        repo,
        run,
        run_id=run.run_id,
        process=run.process,
        supersedes=(digest_of(repo, run),),
        command=evil.command,
    )

    assert planned(repo, later).executed.command == evil.command
    assert refuses(repo, later)


def test_who_a_record_says_that_it_is_from_counts_for_nothing(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo)
    assert run.command is not None
    evil = forged(repo, run, command=replace(run.command, argv=("sh", "-c", "touch ~/owned")))
    assert (evil.user, evil.host) == (run.user, run.host)
    git(repo, "-c", "user.name=Ada", "commit", "-q", "--allow-empty", "-m", "gittrack: by Ada")

    assert refuses(repo, evil)
    assert not (tmp_path / "home" / "owned").exists()


def test_nothing_that_is_committed_grants_trust(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo)
    plan = planned(repo, run)
    assert plan.consent is not None
    place = opened(repo)[1].trusted(plan.consent).relative_to(repo / ".git" / "gittrack")
    write(repo, {f".gittrack/{place}": "", ".gittrack/config.local.yaml": f"trusted: [{plan.consent}]\n"})
    commit(repo)
    commit_all(repo, "granted")
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")

    assert refuses(tmp_path / "fresh", run)


def test_data_that_the_user_did_not_read_is_not_put_beside_trusted_code(repo: Path) -> None:
    run = recorded(repo)  # train.py imports model, json is nobody's file yet
    digest, size = FileStore(opened(repo)[1]).put_bytes(b"import os; os.system('touch ~/owned')\n")
    evil = forged(repo, run, data=(DataFile("json.py", digest, size, "cache"),))
    plan = planned(repo, evil)

    assert plan.consent == planned(repo, run).consent
    assert refuses(repo, evil)
    assert "json.py" in "\n".join(plan_lines(plan))
    assert planned(repo, run).trusted


def test_what_a_capture_left_out_is_not_put_beside_trusted_code_either(repo: Path) -> None:
    run = recorded(repo)
    assert run.code is not None
    left = LeftOut("json.py", 5, "larger than 10 MB", digests.of_bytes(b"evil\n"))
    evil = forged(repo, run, code=replace(run.code, left_out=(left,)))

    assert refuses(repo, evil)


def test_a_path_that_is_named_twice_hides_nothing(repo: Path) -> None:
    write(repo, {"in.csv": "1\n"})
    run = recorded(repo, {"train.py": READS})
    assert run.code is not None
    (own,) = run.data
    evil = replace(own, digest=digests.of_bytes(b"evil\n"))
    left = LeftOut(own.path, own.size, "larger than 10 MB", own.digest)

    assert refuses(repo, forged(repo, run, data=(evil, own)))
    assert refuses(repo, forged(repo, run, data=(evil,), code=replace(run.code, left_out=(left,))))


def test_another_run_of_a_trusted_process_brings_no_data_along(repo: Path) -> None:
    run = recorded(repo)
    digest, size = FileStore(opened(repo)[1]).put_bytes(b"evil\n")
    later = Process(run.process.id, 2)
    forged(repo, run, process=later, data=(DataFile("json.py", digest, size, "cache"),))

    assert refuses(repo, run)


def test_data_that_the_user_read_needs_no_consent_and_the_agreement_is_remembered(
    repo: Path, tmp_path: Path
) -> None:
    write(repo, {"in.csv": "1\n", ".gitignore": "in.csv\n"})
    run = recorded(repo, {"train.py": READS})
    assert planned(repo, run).trusted
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")
    write(tmp_path / "fresh", {"in.csv": "1\n"})

    assert refuses(tmp_path / "fresh", run)
    assert again(tmp_path / "fresh", run).verdict == "identical"
    assert planned(tmp_path / "fresh", run).trusted


def test_adding_to_somebody_elses_run_is_no_consent_to_its_data(repo: Path, tmp_path: Path) -> None:
    write(repo, {"in.csv": "1\n"})
    run = recorded(repo, {"train.py": READS})
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")
    fresh = tmp_path / "fresh"
    assert run.code is not None
    assert run.command is not None
    trust.trust(opened(fresh)[1], trust.consent_digest(run.code, run.command, run.environment))
    code = f"import gittrack; gittrack.start_run('{run.run_id}'); gittrack.log_metric('y', 2)"
    job(fresh, "python", "-c", code)

    assert refuses(fresh, run)


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "~/.ssh/authorized_keys",
        "a/../../x",
        ".git/hooks/post-checkout",
        ".gittrack/config.yaml",
        "a\\b",
        "",
        "C:/x",
    ],
)
def test_a_record_whose_data_climbs_is_damaged(repo: Path, path: str) -> None:
    run = recorded(repo)
    evil = replace(run, data=(DataFile(path, Digest("a" * 64), 1, "cache"),))

    with pytest.raises(Damaged):
        formats.load_run(formats.dump_run(evil))


def test_data_behind_a_link_of_the_code_is_refused(repo: Path, tmp_path: Path) -> None:
    (repo / "out").symlink_to(tmp_path / "home")
    run = recorded(repo)
    digest, size = FileStore(opened(repo)[1]).put_bytes(b"evil\n")
    evil = forged(repo, run, data=(DataFile("out/.profile", digest, size, "cache"),))

    report = again(repo, evil)

    assert report.verdict == "impossible"
    assert "link" in report.lines()[1]
    assert not (tmp_path / "home" / ".profile").exists()


@pytest.mark.parametrize("cwd", ["../x", "/tmp", "a/../..", ".git"])
def test_a_record_that_runs_elsewhere_is_damaged(repo: Path, cwd: str) -> None:
    evil = changed(recorded(repo), cwd=cwd)

    with pytest.raises(Damaged):
        formats.load_run(formats.dump_run(evil))


def test_a_folder_that_is_a_link_is_not_run_in(repo: Path, tmp_path: Path) -> None:
    (repo / "out").symlink_to(tmp_path / "home")
    evil = changed(recorded(repo), cwd="out")
    made = forged(repo, originals(repo)[0], command=evil.command)

    report = again(repo, made)

    assert report.verdict == "impossible"
    assert "behind a link" in report.lines()[1]


def test_shell_signs_in_arguments_are_arguments(repo: Path) -> None:
    write(repo, {"say.py": "import sys; print(sys.argv[1:])\n"})
    gittrack(repo, "run", "--", "python", "say.py", "a; touch x", "$(touch x)", "`touch x`", "| touch x", "*")
    (run,) = originals(repo)

    report = again(repo, run)

    assert report.verdict == "identical", report.lines()
    assert not list((repo / ".git" / "gittrack" / "worktrees").rglob("x"))


@pytest.mark.parametrize("where", ["argv", "env", "experiment"])
def test_a_character_that_no_program_can_be_given_is_said(repo: Path, where: str) -> None:
    run = recorded(repo)
    evil = {
        "argv": lambda: changed(run, argv=("python", "a\0b")),
        "env": lambda: changed(run, env={"TZ": "a\0b"}),
        "experiment": lambda: replace(run, experiment="a\0b"),
    }[where]()
    made = forged(repo, run, command=evil.command, experiment=evil.experiment)

    report = again(repo, made)

    assert report.verdict == "impossible"
    assert "NUL" in report.lines()[1]


def test_a_command_that_reproduces_itself_comes_to_an_end(repo: Path) -> None:
    run = recorded(repo)
    assert run.command is not None
    name = "f" * 32
    argv = ("python", "-m", "gittrack", "repro", name, "--yes")
    evil = forged(repo, run, run_id=name, command=replace(run.command, argv=argv))
    commit_all(repo)  # a job sees what is committed

    report = again(repo, evil)

    assert report.verdict == "failed"
    assert "is being reproduced by another process" in report.tail[-1]


def test_a_dry_run_reads_nothing_outside_before_somebody_agrees(repo: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("1\n")
    entry = DataFile(str(secret), digests.of_bytes(b"1\n"), 2, "outside")
    endless = DataFile("/proc", Digest("a" * 64), 1, "outside", 1)
    run = recorded(repo)
    assert run.command is not None
    evil = forged(repo, run, command=replace(run.command, argv=("true",)), data=(entry, endless))

    report = rehearse(planned(repo, evil))

    assert {found.how for found in report.restored.data} == {"outside, not read before you agree"}
    assert report.verdict is None


def test_without_a_terminal_nothing_starts_and_the_exit_code_says_so(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo)
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")

    said = gittrack(tmp_path / "fresh", "repro", run.run_id[:8], check=False)

    assert "nothing was started" in said
    assert "--yes" in said
    assert not (tmp_path / "fresh/.git/gittrack/worktrees").exists()
