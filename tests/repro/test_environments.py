"""A job gets exactly the distributions of its record again, or the report names the one that cannot be had."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.entities.record import RunRecord
from gittrack.errors import Conflict
from gittrack.housekeeping import gc
from gittrack.query.session import Session
from gittrack.record import format as formats
from gittrack.repro import environments, uv
from gittrack.repro.bisect import bisect, prepare
from gittrack.repro.bisection import Bisection
from gittrack.repro.differences import Difference
from gittrack.repro.environments import matters, way
from gittrack.repro.options import Mode, Options
from gittrack.repro.pins import EnvironmentLost, Recipe, recipe, requirements
from gittrack.repro.plan import ConsentNeeded, Plan, agree
from gittrack.repro.reproduce import rehearse, reproduce
from gittrack.store import locking
from gittrack.store.layout import Layout
from tests.conftest import commit_all, git, write
from tests.repro.helpers import again, gittrack, opened, originals, planned, runs

REBUILD = Options(env=Mode.REBUILD)
SOURCE = Path(environments.__file__).parents[2]
JOB = """\
import gittrack, six, sys
with gittrack.start_run():
    gittrack.log_text(six.__version__, "six.txt")
    gittrack.log_text(sys.version, "python.txt")
    gittrack.log_text(str("click" in sys.modules), "click.txt")
"""


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where packages cannot be had."""
    target = tmp_path_factory.mktemp("index")
    try:
        uv.run("pip", "install", "--no-deps", "--target", target, "six==1.16.0")
    except EnvironmentLost as error:
        pytest.skip(f"no package index: {error}")


@pytest.fixture(autouse=True)
def _cached(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Download each package once."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))


def installed(folder: Path, *packages: str) -> Path:
    """Make an environment with packages, in which gittrack is imported from its sources; return its Python."""
    uv.run("venv", "--clear", "--python", uv.interpreters(_version(), sys.implementation.name)[0], folder)
    program = folder / "bin" / "python"
    if packages:
        uv.run("pip", "install", "--no-deps", "--python", program, *packages)
    (site,) = folder.glob("lib/*/site-packages")
    (site / "gittrack.pth").write_text(str(SOURCE))
    return program


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def recorded(root: Path, program: Path, job: str = JOB) -> RunRecord:
    """Run a job with an interpreter and return its run."""
    write(root, {"train.py": job})
    done = subprocess.run([program, "train.py"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return originals(root)[-1]


def changed(root: Path, run: RunRecord, change: Mapping[str, Any]) -> Any:
    """Return the agreed plan of a run whose environment says something else."""
    plan = planned(root, run)
    assert plan.environment is not None
    return agree(replace(plan, environment={**plan.environment, **change}))


@pytest.mark.usefixtures("index")
def test_a_run_whose_packages_have_changed_since_is_identical_in_a_rebuilt_environment(
    repo: Path, tmp_path: Path
) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))

    first, second = again(repo, run, env=Mode.REBUILD), again(repo, run, env=Mode.REBUILD)

    assert (first.verdict, second.verdict) == ("identical", "identical")
    assert (first.restored.how, second.restored.how) == ("rebuilt", "reused")
    assert second.document()["restored"]["environment"]["how"] == "reused"
    assert any("rebuilt before" in line for line in second.lines())
    assert second.restored.differences == ()
    repeat = next(found for found in runs(repo) if found.repro_of == run.run_id)
    assert repeat.environment == run.environment
    assert repeat.imports == ("six",)


@pytest.mark.usefixtures("index")
def test_a_search_runs_every_commit_in_the_environment_of_one_run_whatever_a_commit_pins(
    repo: Path, tmp_path: Path
) -> None:
    job = "import gittrack, six\nfrom model import DEPTH\nwith gittrack.start_run():\n"
    job += "    gittrack.log_metric('score', DEPTH + float(six.__version__[2:4]) / 100)\n"
    commits, ran = [], []
    for depth, pin in ((1, "1.15.0"), (1, "1.16.0"), (2, "1.16.0"), (2, "1.16.0")):
        number = len(commits)
        write(repo, {"train.py": job, "model.py": "#\n" * number + f"DEPTH = {depth}\n"})
        write(repo, {"requirements.txt": f"six=={pin}\n"})
        commits.append(commit_all(repo, f"model {number}"))
        if number in (0, 3):
            ran.append(recorded(repo, installed(tmp_path / pin, f"six=={pin}"), job))
    a, b = ran

    def search() -> Bisection:
        session = Session.open(*opened(repo))
        return bisect(prepare(session, *opened(repo), "score", good=a.run_id, bad=b.run_id, options=REBUILD))

    first = search()
    made = len(runs(repo, "repro_of is not null"))
    second = search()

    assert first.candidates == second.candidates == (commits[2],)
    assert (first.before, first.since) == (1.16, 2.16)
    assert first.lines()[-1].endswith(f"in the environment of run {b.run_id[:8]}, rebuilt")
    assert len(runs(repo, "repro_of is not null")) == made
    assert {run.metrics["score"].last for run in runs(repo, "repro_of is not null")} <= {1.16, 2.16}


@pytest.mark.usefixtures("index")
def test_a_search_whose_environment_cannot_be_had_says_what_is_missing(repo: Path, tmp_path: Path) -> None:
    job = "import gittrack, six\nfrom model import DEPTH\nwith gittrack.start_run():\n"
    job += "    gittrack.log_metric('score', DEPTH)\n"
    program = installed(tmp_path / "then", "six==1.16.0")
    a, b = _two_depths(repo, program, job)
    plan = changed(repo, b, {"distributions": {"six": "99.9"}})
    search = prepare(
        Session.open(*opened(repo)), *opened(repo), "score", good=a.run_id, bad=b.run_id, options=REBUILD
    )

    with pytest.raises(Conflict, match=r"'six==99\.9' cannot be had") as caught:
        bisect(replace(search, plan=plan))

    assert caught.value.hint == "pip index versions six"


def _two_depths(root: Path, program: Path, job: str) -> Iterator[RunRecord]:
    for depth in (1, 2):
        write(root, {"train.py": job, "model.py": f"DEPTH = {depth}\n"})
        commit_all(root, f"depth {depth}")
        yield recorded(root, program, job)


@pytest.mark.usefixtures("index")
def test_a_pin_that_does_not_exist_is_impossible_and_named(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    plan = changed(repo, run, {"distributions": {"six": "99.9"}})

    report = reproduce(plan, REBUILD)

    assert (report.verdict, report.exit_code) == ("impossible", 9)
    assert report.problem is not None
    assert report.problem.what == "'six==99.9' cannot be had: there is no version of six==99.9"
    assert report.problem.hint == "pip index versions six"
    assert runs(repo, "repro_of is not null") == []


@pytest.mark.usefixtures("index")
def test_a_python_that_cannot_be_had_is_impossible_and_named(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    plan = changed(repo, run, {"python": {"version": "3.11.99", "implementation": "cpython"}})

    report = reproduce(plan, REBUILD)

    assert report.verdict == "impossible"
    assert report.problem is not None
    assert report.problem.what.startswith("Python 3.11.99 (cpython) cannot be had")
    assert report.problem.hint == "uv python install 3.11.99"


@pytest.mark.usefixtures("index")
def test_without_uv_one_sentence_says_what_brings_it(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    monkeypatch.setattr(uv.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(uv.shutil, "which", lambda _name: None)

    report = again(repo, run, env=Mode.REBUILD)

    assert report.verdict == "impossible"
    assert report.problem is not None
    assert report.problem.hint == "pip install 'gittrack[rebuild]'"


@pytest.mark.usefixtures("index")
def test_an_unfinished_or_changed_environment_is_made_anew(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    again(repo, run, env=Mode.REBUILD)
    (place,) = environments.pool(opened(repo)[1])

    (place / "gittrack.json").unlink()
    unfinished = again(repo, run, env=Mode.REBUILD)
    uv.run("pip", "install", "--no-deps", "--python", place / "bin" / "python", "six==1.17.0")
    other = again(repo, run, env=Mode.REBUILD)

    assert [report.restored.how for report in (unfinished, other)] == ["rebuilt", "rebuilt"]
    assert other.verdict == "identical"


@pytest.mark.usefixtures("index")
def test_gc_lists_and_removes_rebuilt_environments_that_are_not_in_use(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    again(repo, run, env=Mode.REBUILD)
    layout = opened(repo)[1]
    (place,) = environments.pool(layout)
    plan = gc.plan(*opened(repo))
    assert [item.path for item in plan.freed if item.kind == "environment"] == [place]

    with locking.locked(place.with_name(f"{place.name}.lock"), shared=True):
        gc.apply(plan)
        assert place.is_dir()
    assert gc.apply(gc.plan(*opened(repo))) > 0
    assert environments.pool(layout) == []


@pytest.mark.usefixtures("index")
def test_the_job_sees_the_recorded_packages_and_the_present_gittrack_alone(
    repo: Path, tmp_path: Path
) -> None:
    job = JOB + "import importlib.util\nassert importlib.util.find_spec('pyarrow') is None\n"
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"), job)
    assert again(repo, run, env=Mode.REBUILD).verdict == "identical"


@pytest.mark.usefixtures("index")
def test_a_command_in_any_language_finds_the_rebuilt_python(repo: Path, tmp_path: Path) -> None:
    program = installed(tmp_path / "then", "six==1.16.0", "click")
    write(repo, {"job.sh": "python -c 'import six; print(six.__version__)'\n"})
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    argv = [program, "-m", "gittrack", "run", "--", "sh", "job.sh"]
    done = subprocess.run(argv, cwd=repo, check=False, capture_output=True, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stderr
    (run,) = originals(repo)

    report = again(repo, run, env=Mode.REBUILD)

    assert report.verdict == "identical"
    repeat = next(found for found in runs(repo) if found.repro_of == run.run_id)
    assert repeat.environment == run.environment


@pytest.mark.usefixtures("index")
def test_projects_from_git_and_in_place_come_back_as_they_were(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_git, beside = tmp_path / "by-git", tmp_path / "beside"
    for folder, name in ((by_git, "one"), (beside, "two")):
        write(folder, {"pyproject.toml": PROJECT.format(name=name), f"src/{name}/__init__.py": "x = 1\n"})
        git(folder, "init", "-q", "-b", "main")
        commit_all(folder)
    settings = tmp_path / "gitconfig"
    settings.write_text(f'[url "file://{by_git}"]\n\tinsteadOf = https://example.org/one\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    write(repo, {"pyproject.toml": PROJECT.format(name="own"), "src/own/__init__.py": "x = 5\n"})
    commit_all(repo)
    packages = ("one @ git+https://example.org/one@main", "-e", str(beside), "-e", str(repo))
    program = installed(tmp_path / "then", *packages)
    write(beside, {"src/two/__init__.py": "x = 2\n"})
    job = "import gittrack, one, two, own\ngittrack.start_run()\n"
    job += "gittrack.log_metric('x', one.x + two.x + own.x)\n"
    run = recorded(repo, program, job)
    for folder, name in ((by_git, "one"), (beside, "two"), (repo, "own")):
        write(folder, {f"src/{name}/__init__.py": "x = 7\n"})
        commit_all(folder)

    report = again(repo, run, env=Mode.REBUILD)

    assert run.imports == ("one", "own", "two")
    assert report.verdict == "identical", report.lines()
    gone = tmp_path / "moved"
    beside.rename(gone)
    gc.apply(gc.plan(*opened(repo)))
    lost = again(repo, run, env=Mode.REBUILD)
    assert lost.verdict == "impossible"
    assert lost.problem is not None
    assert lost.problem.what == f"'two' was installed from '{beside}', which is not here"


PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "0.1"
[tool.hatch.build.targets.wheel]
packages = ["src/{name}"]
"""


@pytest.mark.usefixtures("index")
def test_auto_rebuilds_only_what_the_job_imported(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0", "iniconfig==2.0.0"))
    plan = agree(planned(repo, run))
    unseen = replace(plan, differences=(Difference("environment", "iniconfig", "2.0.0", "2.1.0"),))
    seen = replace(plan, differences=(Difference("environment", "six", "1.16.0", None),))
    patch = replace(plan, differences=(Difference("environment", "python version", "3.11.1", "3.11.2"),))
    minor = replace(plan, differences=(Difference("environment", "python version", "3.11.1", "3.12.1"),))
    unknown = replace(unseen, originals=(replace(run, imports=None),))
    nothing = replace(seen, originals=(replace(run, imports=()),))

    assert [bool(matters(one)) for one in (unseen, seen, patch, minor, unknown, nothing)] == [
        False,
        True,
        False,
        True,
        True,
        False,
    ]
    with way(unseen, Mode.AUTO).hold(unseen, None) as interpreter:
        assert (interpreter.how, interpreter.program) == ("current", Path(sys.executable))
    assert reproduce(seen, Options(env=Mode.AUTO)).restored.how == "rebuilt"


@pytest.mark.usefixtures("index")
def test_a_record_of_before_is_rebuilt_from_its_versions(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    plan = planned(repo, run)
    assert plan.environment is not None
    old = {"python": {"version": _version(), "implementation": "cpython"}, "platform": {}}
    content = formats.dump_environment({**old, "distributions": {"six": "1.16.0"}})
    before = agree(replace(plan, environment=formats.load_environment(content)))
    assert reproduce(before, REBUILD).verdict == "identical"


@pytest.mark.usefixtures("index")
def test_nothing_is_built_before_consent_nor_in_a_dry_run(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    monkeypatch.setattr(uv, "run", lambda *args: pytest.fail(f"uv was started: {args}"))
    plan = planned(repo, run)
    with pytest.raises(ConsentNeeded):
        reproduce(replace(plan, trusted=False), REBUILD)
    assert rehearse(plan, REBUILD).verdict is None
    hostile = replace(plan, environment={**(plan.environment or {}), "distributions": {"--index-url": "1"}})
    assert rehearse(hostile, REBUILD).verdict == "impossible"


PYTHON = {"python": {"version": "3.11.7", "implementation": "cpython"}, "platform": {}}


def built(distributions: Mapping[str, str], origins: Mapping[str, Any] | None = None) -> Recipe:
    """Return what a record asks for."""
    document = {**PYTHON, "distributions": distributions, "origins": origins or {}}
    return recipe(document, own={"click": "8.1"}, inside={})


GIT = {"kind": "git", "url": "https://example.org/a", "commit": "c" * 40}
HEX = "ab" * 32


def test_a_requirement_is_exact_whatever_it_comes_from() -> None:
    origins = {
        "a": {**GIT, "subdirectory": "python/a"},
        "b": {"kind": "archive", "url": "https://example.org/b.whl", "sha256": HEX},
        "own": {"kind": "editable", "inside": "src"},
    }
    found = built({"a": "1", "b": "2", "c.d": "1.0+cpu", "own": "0", "gittrack": "0.1.0"}, origins)
    assert requirements(found.pins).splitlines() == [
        f"a @ git+https://example.org/a@{'c' * 40}#subdirectory=python/a",
        f"b @ https://example.org/b.whl --hash=sha256:{HEX}",
        "c-d==1.0+cpu",
        "click==8.1",
    ]
    assert (found.inside, found.added) == (("src",), {"click": "8.1"})


@pytest.mark.parametrize(
    ("distributions", "origin"),
    [
        ({"--index-url=https://evil": "1"}, None),
        ({"-r": "1"}, None),
        ({"a b": "1"}, None),
        ({"a\n-r /etc/passwd": "1"}, None),
        ({"../a": "1"}, None),
        ({"a": "1 --no-deps"}, None),
        ({"a": "1; python_version > '3'"}, None),
        ({"a": "*"}, None),
        ({"a": "1,<2"}, None),
        ({"a": ""}, None),
        ({"a": "1"}, {**GIT, "url": "file:///etc"}),
        ({"a": "1"}, {**GIT, "url": "ext::sh -c id"}),
        ({"a": "1"}, {**GIT, "url": "https://example.org/a --upgrade"}),
        ({"a": "1"}, {**GIT, "url": "https://-oProxyCommand=id/x"}),
        ({"a": "1"}, {**GIT, "commit": "main"}),
        ({"a": "1"}, {**GIT, "commit": "--upload-pack=id"}),
        ({"a": "1"}, {**GIT, "subdirectory": "../.."}),
        ({"a": "1"}, {"kind": "archive", "url": "https://example.org/a.whl"}),
        ({"a": "1"}, {"kind": "archive", "url": "file:///etc/passwd", "sha256": HEX}),
        ({"a": "1"}, {"kind": "editable", "path": "/somewhere"}),
        ({"a": "1"}, {"kind": "editable", "path": "/somewhere", "commit": "c" * 40, "patch": "../x"}),
        ({"a": "1"}, {"kind": "hg", "url": "https://example.org/a", "commit": "c" * 40}),
    ],
)
def test_a_record_puts_no_word_into_an_installers_mouth(distributions: dict[str, str], origin: Any) -> None:
    with pytest.raises(EnvironmentLost):
        built(distributions, {"a": origin} if origin else None)


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_record_says_a_requirement_is_one_word_and_no_option(name: str, version: str) -> None:
    try:
        (pin,) = recipe({**PYTHON, "distributions": {name: version}}, own={}, inside={}).pins
    except (EnvironmentLost, ValueError):
        return  # refused, or it is the recorder
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*", pin.requirement)


@pytest.mark.parametrize("python", ["3", "3.11", "/bin/sh", "3.11.7 --x", "../../python"])
def test_a_record_names_no_program_as_its_python(python: str) -> None:
    with pytest.raises(EnvironmentLost):
        recipe({"python": {"version": python}, "distributions": {}}, own={}, inside={})


def test_the_same_pins_are_the_same_environment_in_whatever_order_they_are_told() -> None:
    assert built({"a": "1", "b": "2"}).digest == built({"b": "2", "a": "1"}).digest
    assert built({"a": "1", "b": "2"}).digest != built({"a": "2", "b": "2"}).digest


def test_pips_indexes_are_uvs_where_it_has_none_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://a.example/simple\n[install]\nfind-links = /b /c\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://d.example/simple https://e.example/simple")
    monkeypatch.setenv("UV_PYTHON", "elsewhere")
    monkeypatch.setenv("UV_CONSTRAINT", "pins.txt")

    env = uv._environment()

    assert env["UV_DEFAULT_INDEX"] == "https://a.example/simple"
    assert env["UV_INDEX"] == "https://d.example/simple https://e.example/simple"
    assert env["UV_FIND_LINKS"] == "/b,/c"
    assert not {"UV_PYTHON", "UV_CONSTRAINT"} & set(env)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example/simple")
    assert "UV_INDEX" not in uv._environment()


@pytest.mark.usefixtures("index")
def test_the_settings_of_uv_in_the_repository_do_not_count(repo: Path, tmp_path: Path) -> None:
    program = installed(tmp_path / "then", "six==1.16.0")
    write(repo, {"uv.toml": "no-index = true\n", "pyproject.toml": "[tool.uv]\nno-index = true\n"})
    assert again(repo, recorded(repo, program), env=Mode.REBUILD).verdict == "identical"


@pytest.mark.usefixtures("index")
def test_no_address_of_an_index_gets_into_the_store(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = installed(tmp_path / "then", "six==1.16.0")
    monkeypatch.setenv("UV_INDEX", "https://ada:s3cret@index.example/simple")
    monkeypatch.setenv("UV_OFFLINE", "1")
    again(repo, recorded(repo, program), env=Mode.REBUILD)
    layout: Layout = opened(repo)[1]
    files = [*layout.committed.rglob("*"), *layout.unsaved.committed.rglob("*"), *layout.index.rglob("*")]
    files += [*layout.tmp.rglob("*"), *layout.rebuilt_environments.glob("*/*")]
    assert [file for file in files if file.is_file() and b"s3cret" in file.read_bytes()] == []


@pytest.mark.usefixtures("index")
def test_the_command_line_rebuilds_and_says_so(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo, installed(tmp_path / "then", "six==1.16.0"))
    found = json.loads(gittrack(repo, "repro", run.run_id, "--env", "rebuild", "--json"))
    assert (found["verdict"], found["restored"]["environment"]["how"]) == ("identical", "rebuilt")


def _other_python() -> tuple[str, Path] | None:
    """Return another Python that pyenv has here, of a version that gittrack runs on."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [(path.name, path) for path in versions.glob("3.1[2-9].*") if path.name != _version()]
    return found[0] if found else None


OTHER = _other_python()


@pytest.mark.skipif(OTHER is None, reason="pyenv has no other Python here")
@pytest.mark.usefixtures("index")
def test_the_job_gets_the_recorded_version_of_python(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OTHER is not None
    version, home = OTHER
    monkeypatch.setenv("PYENV_ROOT", str(home.parents[1]))
    then = tmp_path / "then"
    uv.run("venv", "--python", home / "bin" / "python", then)
    uv.run("pip", "install", "--no-deps", "--python", then / "bin" / "python", "six==1.16.0")
    (site,) = then.glob("lib/*/site-packages")
    (site / "gittrack.pth").write_text(str(SOURCE))
    run = recorded(repo, then / "bin" / "python")

    here, rebuilt = again(repo, run), again(repo, run, env=Mode.AUTO)

    assert here.verdict != "identical"
    assert any("--env rebuild" in line for line in here.lines())
    assert ("python version", version) in [(one.name, one.recorded) for one in here.suspects]
    assert (rebuilt.verdict, rebuilt.restored.how) == ("identical", "rebuilt")


@pytest.mark.usefixtures("index")
def test_two_reproductions_at_once_share_one_environment(repo: Path, tmp_path: Path) -> None:
    program = installed(tmp_path / "then", "six==1.16.0")
    plans = [agree(planned(repo, recorded(repo, program))) for _ in range(2)]
    both_in = threading.Barrier(2)

    def hold(plan: Plan) -> str:
        with way(plan, Mode.REBUILD).hold(plan, None) as interpreter:
            both_in.wait(timeout=60)
            return interpreter.how

    with ThreadPoolExecutor(2) as pool:
        hows = sorted(pool.map(hold, plans))

    assert hows == ["rebuilt", "reused"]
    assert len(environments.pool(opened(repo)[1])) == 1
