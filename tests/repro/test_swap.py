"""One input of a run is exchanged for another's, and the report says what that made of the result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.entities.record import RunRecord
from gittrack.errors import Conflict, InvalidValue, NotFound
from gittrack.repro.attest import statement
from gittrack.repro.options import Mode
from gittrack.repro.plan import ConsentNeeded, Plan, agree
from gittrack.repro.recorded import newest_repetition
from gittrack.repro.report import Report
from gittrack.repro.report_lines import plan_lines
from gittrack.repro.reproduce import rehearse, reproduce
from gittrack.repro.swap import CURRENT, TAG, mode_of, swapped
from tests.conftest import commit_all, git, write
from tests.repro.helpers import commit, gittrack, job, originals, planned, recorded, runs, session_of

TRAIN = """\
import gittrack
from pathlib import Path
from model import FACTOR
with gittrack.start_run():
    gittrack.log_data("in.txt")
    gittrack.log_data("big/in.txt")
    text = Path("in.txt").read_text() + Path("big/in.txt").read_text()
    gittrack.log_metric("size", FACTOR * len(text))
    gittrack.log_metric("steady", 1.0)
    gittrack.log_text(Path("in.txt").read_text(), "copy.txt")
"""


def project(root: Path, *, factor: int, text: str, big: str) -> RunRecord:
    """Record a run of a project whose result is made from its code, data in git, and data outside of git."""
    files = {"model.py": f"FACTOR = {factor}\n", "train.py": TRAIN}
    write(root, {".gitignore": "big/\n__pycache__/\n", "in.txt": text, "big/in.txt": big, **files})
    commit_all(root, f"factor {factor}, {text}")
    job(root, "python", "train.py")
    return originals(root)[-1]


@pytest.fixture
def two(repo: Path) -> tuple[RunRecord, RunRecord]:
    return project(repo, factor=10, text="a", big="bb"), project(repo, factor=100, text="aaaa", big="b")


def elsewhere(root: Path, tmp_path: Path) -> RunRecord:
    """Record a run in an environment that has one distribution more."""
    (tmp_path / "more" / "leftpad-1.0.dist-info").mkdir(parents=True)
    job(root, "python", "train.py", env={"PYTHONPATH": str(tmp_path / "more")})
    return originals(root)[-1]


def exchanged(root: Path, run: RunRecord, **wanted: str) -> Plan:
    return swapped(planned(root, run), wanted)


def size(report: Report) -> float:
    assert report.comparisons[0].repeat is not None, report.lines()
    return report.comparisons[0].repeat.metrics["size"].last


def test_exactly_one_input_is_exchanged_and_all_others_stay(
    repo: Path, two: tuple[RunRecord, RunRecord]
) -> None:
    a, b = two

    code = reproduce(exchanged(repo, a, code=b.run_id))
    data = reproduce(exchanged(repo, a, data=b.run_id))
    both = reproduce(exchanged(repo, a, data=b.run_id, code=b.run_id))

    assert (a.metrics["size"].last, b.metrics["size"].last) == (30, 500)
    assert (size(code), size(data), size(both)) == (300, 50, 500)
    assert [report.verdict for report in (code, data, both)] == ["different"] * 3


def test_the_report_shows_the_record_the_swap_and_the_other_run(
    repo: Path, two: tuple[RunRecord, RunRecord]
) -> None:
    a, b = two

    report = reproduce(exchanged(repo, a, code=b.run_id))

    text = "\n".join(report.lines())
    assert f"with the code of {b.run_id[:8]} ({b.name})" in report.lines()[0]
    assert "size: 30 recorded, 300 (+270) with that code; 500 (+470) in that run" in text
    assert "steady:" not in text
    assert "the job itself" not in text
    found = json.loads(report.to_json())
    assert found["swaps"] == [{"kind": "code", "source": b.run_id, "notes": []}]
    assert {"key": "size", "recorded": 30.0, "swapped": 300.0, "there": 500.0} in found["moves"]


def test_the_new_run_says_what_was_exchanged(repo: Path, two: tuple[RunRecord, RunRecord]) -> None:
    a, b = two
    first = git(repo, "rev-parse", "HEAD~1")

    reproduce(exchanged(repo, b, code="HEAD~1", data=a.run_id))

    (made,) = runs(repo, "repro_of is not null")
    assert made.repro_of == b.run_id
    assert made.tags[TAG] == f"code={first} data={a.run_id}"
    assert TAG not in a.tags


def test_a_swap_that_changes_nothing_is_identical_and_says_so(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    write(repo, {"notes.md": "more\n"})
    commit_all(repo)

    report = reproduce(agree(exchanged(repo, a, code="HEAD")))

    assert (report.verdict, report.exit_code) == ("identical", 0)
    head = git(repo, "rev-parse", "HEAD")[:12]
    assert any(f"the code of commit {head}, which makes no difference" in line for line in report.lines())


def test_data_that_only_one_run_has_is_said(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    lines = TRAIN.replace(' + Path("big/in.txt").read_text()', "").splitlines(keepends=True)
    write(repo, {"in.txt": "xx", "train.py": "".join(line for line in lines if "big" not in line)})
    job(repo, "python", "train.py")
    b = originals(repo)[-1]

    one = reproduce(exchanged(repo, a, data=b.run_id))
    other = reproduce(exchanged(repo, b, data=a.run_id))

    assert size(one) == 40
    assert one.swaps[0].notes == (f"'big/in.txt' stays, run {b.run_id[:8]} has no such data",)
    assert other.swaps[0].notes == (f"'big/in.txt' of run {a.run_id[:8]} is left out",)
    assert any("stays" in line for line in one.lines())


def test_data_in_a_folder_that_git_keeps_comes_from_the_other_commit(repo: Path) -> None:
    train = """\
import gittrack
from pathlib import Path
with gittrack.start_run():
    gittrack.log_data("data")
    gittrack.log_metric("files", len(list(Path("data").iterdir())))
"""
    write(repo, {"train.py": train, "data/a": "1", "data/b": "2", "data/c": "3"})
    commit_all(repo)
    job(repo, "python", "train.py")
    (repo / "data" / "c").unlink()
    write(repo, {"data/a": "other"})
    commit_all(repo)
    job(repo, "python", "train.py")
    a, b = originals(repo)

    report = reproduce(exchanged(repo, a, data=b.run_id))

    assert report.comparisons[0].repeat is not None
    assert report.comparisons[0].repeat.metrics["files"].last == 2
    assert report.comparisons[0].repeat.data[0].digest == b.data[0].digest
    assert reproduce(planned(repo, a)).verdict == "identical"


def test_the_present_environment_is_the_one_that_there_is(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")

    report = reproduce(exchanged(repo, a, env=CURRENT))

    assert report.verdict == "identical"
    assert report.restored.environment is not None
    assert runs(repo, "repro_of is not null")[0].tags[TAG] == "env=current"


def test_the_environment_of_a_run_that_was_made_here_can_be_taken(
    repo: Path, two: tuple[RunRecord, RunRecord]
) -> None:
    a, b = two

    assert reproduce(exchanged(repo, a, env=b.run_id)).verdict == "identical"


def test_an_environment_that_is_not_the_present_one_is_not_pretended(repo: Path, tmp_path: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    b = elsewhere(repo, tmp_path)

    plan = exchanged(repo, a, env=b.run_id)

    assert mode_of(plan, Mode.CURRENT) is Mode.REBUILD
    assert mode_of(exchanged(repo, a, env=a.run_id), Mode.CURRENT) is Mode.CURRENT


def test_data_of_a_run_that_nobody_here_agreed_to_is_asked_about(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    b = project(repo, factor=10, text="b", big="cc")
    assert exchanged(repo, a, data=b.run_id).trusted
    plan = planned(repo, b)
    for digest in plan.inputs:
        plan.layout.trusted(digest).unlink()

    assert not exchanged(repo, a, data=b.run_id).trusted


def test_a_dirty_run_lends_its_uncommitted_code(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    write(repo, {"model.py": "FACTOR = 7\n"})
    job(repo, "python", "train.py")
    b = originals(repo)[-1]
    git(repo, "checkout", "-q", "--", "model.py")

    assert size(reproduce(exchanged(repo, a, code=b.run_id))) == 21


def test_a_commit_that_no_run_here_was_made_from_is_asked_about(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    write(repo, {"model.py": "FACTOR = 3\n"})
    commit_all(repo)

    plan = exchanged(repo, a, code="HEAD")

    assert not plan.trusted
    with pytest.raises(ConsentNeeded, match="nothing that this clone has run"):
        reproduce(plan)
    assert f"with the code of commit {git(repo, 'rev-parse', 'HEAD')[:12]} would" in plan_lines(plan)[0]
    assert rehearse(plan).verdict is None
    assert size(reproduce(agree(plan))) == 9
    assert exchanged(repo, a, code="HEAD").trusted
    assert exchanged(repo, a, code="HEAD~1").trusted


def test_a_part_of_a_run_from_another_clone_is_asked_about(repo: Path, tmp_path: Path) -> None:
    project(repo, factor=10, text="a", big="bb")
    elsewhere(repo, tmp_path)
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")
    fresh = tmp_path / "fresh"
    theirs = originals(fresh)[-1]
    write(fresh, {"big/in.txt": "bb", "model.py": "FACTOR = 4\n"})
    job(fresh, "python", "train.py", "mine")
    mine = originals(fresh)[-1]

    assert not exchanged(fresh, mine, code=theirs.run_id).trusted
    assert not exchanged(fresh, theirs, code=mine.run_id).trusted
    assert not exchanged(fresh, mine, env=theirs.run_id).trusted
    assert not exchanged(fresh, mine, data=theirs.run_id).trusted


def test_a_rehearsal_that_nobody_agreed_to_starts_no_filter_for_the_data_of_another(
    repo: Path, tmp_path: Path
) -> None:
    write(repo, {".gitattributes": "in.txt filter=own\n"})
    a = project(repo, factor=10, text="a", big="bb")
    b = project(repo, factor=10, text="b", big="bb")
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")
    mark = tmp_path / "started"
    git(tmp_path / "fresh", "config", "filter.own.smudge", f"touch {mark}; cat")

    report = rehearse(exchanged(tmp_path / "fresh", a, data=b.run_id))

    assert report.restored.unfiltered == ("own",)
    assert not mark.exists()


def test_a_run_with_an_input_of_another_is_no_proof_of_the_record(
    repo: Path, two: tuple[RunRecord, RunRecord]
) -> None:
    a, b = two
    made = reproduce(exchanged(repo, a, code=b.run_id)).repro_run_id

    session = session_of(repo)
    assert newest_repetition(session, a.run_id) is None
    with pytest.raises(Conflict, match="does not repeat"):
        statement(session, a.run_id, made)


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ({"seed": "1"}, InvalidValue, "'seed' is no input that can be exchanged"),
        ({"code": "nowhere"}, NotFound, "no run is called 'nowhere', and no commit is"),
        ({"data": "HEAD"}, NotFound, "no run is called 'HEAD'"),
        ({"env": "HEAD"}, NotFound, "no run is called 'HEAD'"),
    ],
)
def test_what_cannot_be_exchanged_is_named(
    repo: Path, wanted: dict[str, str], error: type[Exception], says: str
) -> None:
    run = recorded(repo)

    with pytest.raises(error, match=says):
        swapped(planned(repo, run), wanted)


def test_a_name_of_both_a_run_and_a_branch_is_refused(repo: Path) -> None:
    run = recorded(repo)
    git(repo, "branch", run.name)

    with pytest.raises(Conflict, match="is the name of run"):
        exchanged(repo, run, code=run.name)


def test_runs_without_common_data_have_none_to_exchange(repo: Path) -> None:
    run = recorded(repo)

    with pytest.raises(Conflict, match="no input data of the same path"):
        exchanged(repo, run, data=run.run_id)


def test_a_run_that_cannot_be_repeated_stays_so(repo: Path) -> None:
    plan = planned(repo, recorded(repo))
    from gittrack.repro.plan import Problem

    assert swapped(replace(plan, problem=Problem("no code")), {"code": "HEAD"}).problem is not None


def test_a_job_under_gittrack_run_is_exchanged_too(repo: Path) -> None:
    write(repo, {"job.sh": "cat in.txt > out.txt; wc -c in.txt\n", "in.txt": "one"})
    commit_all(repo)
    gittrack(repo, "run", "--data", "in.txt", "--", "sh", "job.sh")
    write(repo, {"in.txt": "three"})
    gittrack(repo, "run", "--data", "in.txt", "--", "sh", "job.sh")
    a, b = originals(repo)

    report = reproduce(exchanged(repo, a, data=b.run_id))

    assert report.verdict == "different"
    (made,) = runs(repo, "repro_of is not null")
    assert made.tags[TAG] == f"data={b.run_id}"
    assert made.data[0].digest == b.data[0].digest


def test_data_that_git_holds_stays_with_other_code_in_a_fresh_clone(repo: Path, tmp_path: Path) -> None:
    train = TRAIN.replace('    gittrack.log_data("big/in.txt")\n', "").replace("big/in.txt", "in.txt")
    for factor, text in ((10, "a"), (100, "aaaa")):
        write(repo, {"train.py": train, "model.py": f"FACTOR = {factor}\n", "in.txt": text})
        commit_all(repo)
        gittrack(repo, "run", "--", "python", "train.py")
    commit(repo)
    git(repo, "clone", "-q", str(repo), str(tmp_path / "fresh"))
    a, b = originals(tmp_path / "fresh")

    report = reproduce(agree(exchanged(tmp_path / "fresh", a, code=b.run_id)))

    assert size(report) == 200.0
    assert report.comparisons[0].repeat is not None
    assert report.comparisons[0].repeat.data == a.data


def test_a_commit_brings_its_submodules(repo: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    write(inner, {"factor.py": "FACTOR = 2\n"})
    git(inner, "init", "-q", "-b", "main")
    commit_all(inner)
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "inner")
    train = """\
import gittrack
from inner.factor import FACTOR
with gittrack.start_run():
    gittrack.log_metric("factor", FACTOR)
"""
    write(repo, {"train.py": train, ".gitignore": "__pycache__/\n"})
    commit_all(repo)
    write(repo / "inner", {"factor.py": "FACTOR = 30\n"})
    commit_all(repo / "inner")
    commit_all(repo)
    job(repo, "python", "train.py")
    (run,) = originals(repo)

    report = reproduce(exchanged(repo, run, code="HEAD~1"))

    assert run.metrics["factor"].last == 30
    assert report.comparisons[0].repeat is not None, report.lines()
    assert report.comparisons[0].repeat.metrics["factor"].last == 2


def test_the_command_line_exchanges_and_answers_as_always(
    repo: Path, two: tuple[RunRecord, RunRecord]
) -> None:
    a, b = two

    text = gittrack(repo, "repro", a.run_id[:8], "--swap", f"code={b.run_id[:8]}", check=False)
    refused = gittrack(repo, "repro", a.run_id[:8], "--swap", "code", check=False)

    assert text.startswith(f"different: run {a.run_id[:8]}")
    assert "size: 30 recorded, 300 (+270) with that code; 500 (+470) in that run" in text
    assert "'code' is not KIND=RUN_OR_COMMIT" in refused
