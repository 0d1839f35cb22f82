from __future__ import annotations

from pathlib import Path

from gittrack.git.history import changed_files, commits, diff_text
from gittrack.git.refs import Ref, tips
from gittrack.git.repo import Repository
from tests.conftest import commit_all, git, write


def test_tips_are_branches_remote_branches_git_tags_and_a_detached_head(repo: Path, tmp_path: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "light")
    git(repo, "tag", "-a", "-m", "v1", "heavy")
    git(repo, "tag", "file", git(repo, "rev-parse", "HEAD:train.py"))
    git(repo, "branch", "feature")
    git(tmp_path, "clone", "-q", str(repo), "clone")
    clone = tmp_path / "clone"
    git(clone, "checkout", "-q", "--detach")
    second = commit_all(clone, "second")
    assert {ref.name: ref.commit for ref in tips(Repository.find(clone))} == {
        "refs/heads/main": first,
        "refs/remotes/origin/main": first,
        "refs/remotes/origin/feature": first,
        "refs/tags/light": first,
        "refs/tags/heavy": first,
        "HEAD": second,
    }


def test_a_new_repository_has_no_tips_and_no_commits(empty_repo: Path) -> None:
    found = Repository.find(empty_repo)
    assert tips(found) == []
    assert list(commits(found, [])) == []


def test_commits_come_children_first_and_name_the_branches_that_contain_them(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "-b", "side")
    side = commit_all(repo, "on the side\n\nwith a body")
    git(repo, "checkout", "-q", "main")
    main = commit_all(repo, "on main")
    found = Repository.find(repo)
    rows = {row.commit: row for row in commits(found, tips(found))}
    assert set(rows) == {first, side, main}
    assert rows[first].branches == ("refs/heads/main", "refs/heads/side")
    assert rows[side].branches == ("refs/heads/side",)
    assert (rows[side].subject, rows[side].author, rows[side].parents) == ("on the side", "Ada", (first,))
    assert rows[side].time == 1_767_323_045_000
    assert list(rows)[-1] == first


def test_commits_stop_at_the_limit_and_when_nobody_reads_on(repo: Path) -> None:
    for number in range(5):
        commit_all(repo, f"number {number}")
    found = Repository.find(repo)
    here = [Ref("HEAD", found.resolve("HEAD"))]
    assert len(list(commits(found, here, limit=3))) == 3
    rows = commits(found, here)
    assert next(rows).subject == "number 4"
    rows.close()


def test_changed_files_leave_gittracks_own_out(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    write(repo, {".gittrack/runs/ab/run.yaml": "x", "src/model.py": "depth = 4\n", "new\nfile": "1"})
    (repo / "train.py").unlink()
    second = commit_all(repo)
    found = Repository.find(repo)
    assert changed_files(found, first, second) == [
        ("A", "new\nfile"),
        ("M", "src/model.py"),
        ("D", "train.py"),
    ]
    assert "-depth = 3\n+depth = 4" in diff_text(found, first, second)
    assert ".gittrack" not in diff_text(found, first, second)
    assert "cut off after 50 bytes" in diff_text(found, first, second, max_bytes=50)
