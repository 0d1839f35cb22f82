"""`gittrack doctor`: what may go wrong here, before it does. Nothing is changed."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gittrack.data.dvc.remotes import lacking_package
from gittrack.entities.record import RunRecord
from gittrack.errors import Conflict
from gittrack.git.repo import Repository
from gittrack.housekeeping import dvc as dvc_data
from gittrack.housekeeping.findings import Finding
from gittrack.record import dvc
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore


@dataclass(frozen=True)
class Diagnosis:
    """What may go wrong.

    Attributes:
        findings: What was found: `lost` for what has gone wrong, `suspicious` for what may, `untidy` for a tool that
            some command would want.
        runs: How many runs were asked.
    """

    findings: tuple[Finding, ...]
    runs: int

    @property
    def exit_code(self) -> int:
        """What the command line exits with: 4 when data is at risk, else 0."""
        return Conflict.exit_code if any(found.severity != "untidy" for found in self.findings) else 0


def examine(repo: Repository, layout: Layout, runs: Sequence[RunRecord]) -> Diagnosis:
    """Return what may go wrong with runs.

    Args:
        repo: A repository with a working tree.
        layout: Where the store is.
        runs: Those to ask.

    Raises:
        GitFailed: git cannot be asked.
    """
    findings = [*_data_at_risk(repo, layout, runs), *_tools(repo, layout)]
    return Diagnosis(tuple(findings), len(runs))


def _data_at_risk(repo: Repository, layout: Layout, runs: Iterable[RunRecord]) -> list[Finding]:
    named = dvc_data.named_by(runs)
    safe = dvc_data.named_at_head(repo, layout) if named else set()
    files = FileStore(layout)
    findings: dict[tuple[str, str], Finding] = {}  # one for a folder of which runs have read various parts
    for one in named:
        entry = one.entry
        if dvc_data.is_here(entry, files):
            continue
        project = dvc.project_of(repo.top, entry.path, layout)
        users = f"run {one.runs[0][:8]}" + (f" and {len(one.runs) - 1} more" if one.runs[1:] else "")
        if project is None or not dvc_data.is_in_cache(one, project, files):
            code, remedy = "dvc-data-gone", "dvc fetch --all-commits"
            what = f"DVC's {one.md5}, which {users} read, is neither in DVC's cache nor in gittrack's store"
        elif one.md5 not in safe:
            code, remedy = "dvc-gc-would-delete", f"gittrack keep {shlex.quote(entry.path)}"
            what = f"'dvc gc' would delete {one.md5}, which {users} read and nothing of DVC's at HEAD names"
        else:
            continue
        found = Finding(code, entry.path, one.runs[0], "suspicious", what, remedy)
        findings.setdefault((entry.path, one.md5), found)
    return list(findings.values())


def _tools(repo: Repository, layout: Layout) -> list[Finding]:
    findings = []
    if shutil.which("uv") is None and importlib.util.find_spec("uv") is None:
        what = "uv is not installed: no environment can be built again"
        findings.append(Finding("no-uv", "uv", None, "untidy", what, "pip install uv"))
    project = dvc.project_of(repo.top, "dvc.yaml", layout)
    for remote in () if project is None else project.settings.remotes.values():
        package = lacking_package(remote)
        if package is not None:
            what = f"DVC's remote '{remote.name}' needs a package that is not installed: {package}"
            remedy = f"pip install {package}"
            findings.append(Finding("no-remote-package", remote.shown, None, "untidy", what, remedy))
    return findings
