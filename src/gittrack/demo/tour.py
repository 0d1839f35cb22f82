"""Plays the tour, command by command."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, Any

from gittrack.errors import Conflict, GittrackError, NotFound
from gittrack.repro.verify import EXIT_CODES

BEST = """\
SELECT run_id, name, metrics['val_auc'] AS val_auc, metrics['val_brier'] AS val_brier
FROM runs
WHERE metrics['val_brier'] < 0.037
ORDER BY val_auc DESC, val_brier
LIMIT 1"""
SWEEP = """\
SELECT name, params['learning_rate'] AS learning_rate, params['max_depth'] AS max_depth,
       params['l2_regularization'] AS l2, metrics['val_auc'] AS val_auc, metrics['val_brier'] AS val_brier
FROM runs
WHERE experiment = 'breast-cancer' AND parent_run_id IS NOT NULL
ORDER BY val_auc DESC"""
_NEEDED = ("sklearn", "matplotlib")
_IDENTITY = ("-c", "user.name=gittrack demo", "-c", "user.email=demo@example.org")


class TourFailed(GittrackError):
    """A command of the tour ended with an error."""


@dataclass(frozen=True)
class Outcome:
    """What the tour found.

    Attributes:
        runs: Number of runs that the sweep made.
        best: The id of the best run under the ceiling.
        val_auc: Its area under the ROC curve, 0 to 1.
        verdict: Of its reproduction.
        seconds: How long all took.
    """

    runs: int
    best: str
    val_auc: float
    verdict: str
    seconds: float


def play(
    folder: Path, say: Callable[[str], None], show: Callable[[str], None], out: IO[Any] | None = None
) -> Outcome:
    """Play the whole tour in a new folder.

    Args:
        folder: Made; it must not exist, or be empty.
        say: Takes a remark.
        show: Takes a command before it is run.
        out: Where the commands print to; the standard output of this process when None.

    Raises:
        NotFound: scikit-learn or matplotlib is not installed.
        Conflict: There is something in `folder`.
        TourFailed: A command ended with an error.
    """
    start = time.monotonic()
    tour = _Tour(folder, show, out)
    say(f"A repository with a table of 569 tumours and two scripts, in {folder}.")
    _write_files(folder)
    tour.git("init", "--quiet", "--initial-branch=main")
    tour.git("add", "--all")
    tour.git("commit", "--quiet", "--message", "Classify tumours", identity=True)
    say("Record: a sweep of eight trials, each a run nested in the run of the sweep.")
    tour.run("python", "sweep.py")
    tour.gittrack("ls")
    say("Commit the runs beside the code that made them.")
    tour.gittrack("commit", "-m", "Sweep over learning rate, depth and regularization")
    tour.git("log", "--oneline", "--stat", "--stat-count=3", "-1")
    say("Query: SQL over every run there is. The best AUC under a Brier ceiling:")
    tour.gittrack("sql", SWEEP)
    tour.gittrack("sql", BEST)
    [best] = tour.answer("sql", "--json", BEST)
    [count] = tour.answer("sql", "--json", "SELECT count(*) AS runs FROM runs")
    say(
        "Reproduce: code, data and environment of that run are restored, the job runs again, every point is compared."
    )
    verdict = tour.reproduce(best["run_id"][:12])
    seconds = round(time.monotonic() - start, 1)
    return Outcome(int(count["runs"]), best["run_id"], float(best["val_auc"]), verdict, seconds)


def _write_files(folder: Path) -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise NotFound(
            f"the demo trains with {missing[0]}, which is not installed", hint="pip install 'gittrack[demo]'"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"'{folder}' exists already", hint="gittrack demo another-folder")
    (folder / "data").mkdir(parents=True)
    for file in resources.files(__package__).joinpath("files").iterdir():
        if file.name.endswith(".py"):
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / ".gitignore").write_text("__pycache__/\n")
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.assign(malignant=1 - bunch.target)
    table.to_csv(folder / "data" / "breast_cancer.csv", index=False, lineterminator="\n")


class _Tour:
    def __init__(self, folder: Path, show: Callable[[str], None], out: IO[Any] | None) -> None:
        self._folder = folder
        self._show = show
        self._out = out
        scripts = str(Path(sys.executable).parent)
        elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GITTRACK_", "MLFLOW_")
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
        self._env["PATH"] = scripts + os.pathsep + self._env.get("PATH", "")

    def git(self, *arguments: str, identity: bool = False) -> None:
        self._show(shlex.join(["git", *arguments]))
        given = _IDENTITY if identity and not self._has_identity() else ()
        self._execute(["git", *given, *arguments])

    def run(self, *command: str) -> None:
        self._show(shlex.join(command))
        self._execute([sys.executable, *command[1:]])

    def gittrack(self, *arguments: str) -> None:
        self._show("gittrack " + " ".join(map(_shown, arguments)))
        self._execute([sys.executable, "-m", "gittrack", *arguments])

    def answer(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "gittrack", *arguments],
            cwd=self._folder,
            env=self._env,
            stdout=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            raise _failed(["gittrack", *arguments], done.returncode)
        return json.loads(done.stdout)

    def reproduce(self, run: str) -> str:
        """Run `gittrack repro`; return its verdict, which the exit code tells where no tolerance is asked for."""
        self._show(f"gittrack repro {run}")
        code = self._call([sys.executable, "-m", "gittrack", "repro", run])
        try:
            return next(verdict for verdict, meant in EXIT_CODES.items() if meant == code)
        except StopIteration:
            raise _failed(["gittrack", "repro", run], code) from None

    def _execute(self, argv: Sequence[str]) -> None:
        code = self._call(argv)
        if code != 0:
            raise _failed(argv, code)

    def _call(self, argv: Sequence[str]) -> int:
        return subprocess.run(argv, cwd=self._folder, env=self._env, stdout=self._out, check=False).returncode

    def _has_identity(self) -> bool:
        asked = subprocess.run(
            ["git", "var", "GIT_AUTHOR_IDENT"],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0


def _shown(argument: str) -> str:
    """Return an argument as a person would type it: SQL of several lines stays as it is, in double quotes."""
    if "\n" in argument:
        return f'"{argument}"'
    return argument if argument.replace("-", "").isalnum() else shlex.quote(argument)


def _failed(argv: Sequence[str], code: int) -> TourFailed:
    return TourFailed(f"'{shlex.join(argv)[:80]}' ended with {code}; its own words are above")
