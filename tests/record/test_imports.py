"""The distributions that a job imports, and not those that only gittrack does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.entities.record import RunRecord
from tests.conftest import python, write
from tests.record.processes import only_run, script, sealed_runs

SEARCH = "gittrack.search_runs()"  # for which gittrack imports DuckDB, PyArrow and pandas
RESUME = "with gittrack.start_run() as run: pass\ngittrack.start_run(run_id=run.run_id)\n"  # and for it yaml


def imports(repo: Path, code: str, **env: str) -> tuple[str, ...] | None:
    """Run a job, and return what its run says that it imported."""
    done = script(repo, code, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return newest(repo).imports


def newest(repo: Path) -> RunRecord:
    """Return the run there is, as it was sealed last."""
    return max(sealed_runs(repo), key=lambda run: len(run.supersedes))


def test_a_run_names_the_distributions_that_it_imported_and_no_others(repo) -> None:
    assert imports(repo, "import yaml\nwith gittrack.start_run(): import iniconfig") == (
        "iniconfig",
        "pyyaml",
    )


def test_a_run_that_imports_nothing_says_so(repo) -> None:
    assert imports(repo, "gittrack.start_run()") == ()


def test_what_gittrack_imports_for_itself_is_not_the_jobs(repo) -> None:
    assert imports(repo, f"with gittrack.start_run(): {SEARCH}; assert 'duckdb' in sys.modules") == ()


@pytest.mark.parametrize(
    "code",
    [
        "import os, yaml",
        "def settings():\n    from yaml import safe_load",
        "if False: import yaml as y",
        "import importlib; importlib.import_module('yaml.reader')",
        "import importlib; importlib.import_module(\n  'yaml')",
        "import library",
    ],
)
def test_what_gittrack_imported_first_is_the_jobs_when_its_code_imports_it_too(repo, code) -> None:
    write(repo, {".git/library.py": "import \\\n  yaml\n"})  # beside the script
    assert imports(repo, f"{RESUME}assert 'yaml' in sys.modules\n{code}") == ("pyyaml",)


@pytest.mark.parametrize(("needs", "found"), [("PyYAML; extra == 'all'", True), ("six", False)])
def test_what_a_distribution_of_the_job_needs_is_the_jobs_too(repo, tmp_path, needs, found) -> None:
    info = "site-packages/mine-1.0.dist-info"
    files = {
        "site-packages/mine.py": "",
        f"{info}/METADATA": f"Name: mine\nVersion: 1.0\nRequires-Dist: {needs}\n\nIt needs no Requires-Dist: PyYAML",
        f"{info}/RECORD": "mine.py,sha256=abc,1\n",
    }
    write(tmp_path, files)
    names = imports(repo, f"{RESUME}import mine", PYTHONPATH=str(tmp_path / "site-packages"))
    assert names == (("mine", "pyyaml") if found else ("mine",))


def test_code_that_cannot_be_read_may_import_anything(repo) -> None:
    code = f"import gittrack\nwith gittrack.start_run(): {SEARCH}\n"
    done = subprocess.run([sys.executable], input=code, text=True, cwd=repo, check=False)
    assert done.returncode == 0
    assert "duckdb" in (only_run(repo).imports or ())


@pytest.mark.parametrize(
    "code",
    [
        "name = 'yaml'; __import__(name)",
        "name = 'ya'; import importlib; importlib.import_module(f'{name}ml')",
        "import py_compile; py_compile.compile('.git/own.py', '.git/own.pyc'); os.remove('.git/own.py')\n"
        "import own",
    ],
)
def test_code_that_does_not_say_what_it_imports_may_import_anything(repo, code) -> None:
    write(repo, {".git/own.py": ""})
    assert "pyyaml" in (imports(repo, f"{RESUME}{code}") or ())


def test_a_module_that_loads_lazily_is_not_loaded_for_the_record(repo) -> None:
    write(repo, {".git/heavy.py": "import yaml, sys\nsys.exit('loaded')"})
    code = (
        "import importlib.util\n"
        "spec = importlib.util.find_spec('heavy')\n"
        "spec.loader = importlib.util.LazyLoader(spec.loader)\n"
        "heavy = sys.modules['heavy'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(heavy)\n"
    )
    assert imports(repo, f"{RESUME}{code}") == ("pyyaml",)


def test_code_of_the_command_line_is_read(repo) -> None:
    python(repo, f"import gittrack\nwith gittrack.start_run(): {SEARCH}\nimport pyarrow")
    names = only_run(repo).imports
    assert names is not None
    assert "pyarrow" in names
    assert "duckdb" not in names


def test_what_a_killed_run_imported_is_not_known(repo) -> None:
    done = script(repo, "gittrack.start_run(); import iniconfig; os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL
    assert only_run(repo).imports is None


def test_a_run_that_is_resumed_has_the_imports_of_both_parts_if_both_are_known(repo) -> None:
    resume = "import iniconfig\ngittrack.start_run(run_id=sys.argv[1])"
    script(repo, "import yaml\ngittrack.start_run()")
    assert script(repo, resume, only_run(repo).run_id).returncode == 0
    assert newest(repo).imports == ("iniconfig", "pyyaml")


@pytest.mark.parametrize("killed", ["first", "later"])
def test_of_a_resumed_run_one_part_of_which_was_killed_the_imports_are_not_known(repo, killed) -> None:
    dies = {
        part: "os.kill(os.getpid(), signal.SIGKILL)" if part == killed else "" for part in ("first", "later")
    }
    script(repo, f"gittrack.start_run(); {dies['first']}")
    script(repo, f"gittrack.start_run(run_id=sys.argv[1]); {dies['later']}", only_run(repo).run_id)
    assert newest(repo).supersedes
    assert newest(repo).imports is None


def test_what_is_added_to_a_run_after_its_end_leaves_its_imports_as_they_are(repo) -> None:
    script(repo, "import iniconfig\ngittrack.start_run()")
    script(repo, "import yaml\ngittrack.Client().log_metric(sys.argv[1], 'a', 1)", only_run(repo).run_id)
    assert newest(repo).supersedes
    assert newest(repo).imports == ("iniconfig",)


def test_who_only_watches_a_command_does_not_name_its_own_imports(repo) -> None:
    argv = [sys.executable, "-m", "gittrack", "run", "--", "true"]
    assert subprocess.run(argv, cwd=repo, check=False).returncode == 0
    assert only_run(repo).imports is None


def test_a_job_that_joins_the_run_of_a_command_names_its_imports(repo) -> None:
    code = "import gittrack, iniconfig; gittrack.log_metric('x', 1)"
    argv = [sys.executable, "-m", "gittrack", "run", "--", sys.executable, "-c", code]
    assert subprocess.run(argv, cwd=repo, check=False).returncode == 0
    assert only_run(repo).imports == ("iniconfig",)
