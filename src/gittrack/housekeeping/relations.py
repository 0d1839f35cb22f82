"""What sealed runs say of each other, of their environments and of git, compared with what is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gittrack.entities.record import Digest, RunId
from gittrack.git import command, objects
from gittrack.git.repo import Repository
from gittrack.housekeeping.findings import Collector, Sealed
from gittrack.store.layout import FOLDER, Layout


def check_relations(
    found: Collector, runs: Mapping[Digest, Sealed], environments: Collection[Digest], layout: Layout
) -> None:
    """Name circles of parents, seals that contradict each other, and environments that are not here.

    Args:
        found: Takes the findings.
        runs: All runs that could be read, by digest.
        environments: Those that could be read.
        layout: Where the store is.
    """
    parents = {sealed.run.run_id: sealed.run.parent_run_id for sealed in runs.values()}
    by_id: dict[RunId, list[Sealed]] = {}
    for sealed in runs.values():
        by_id.setdefault(sealed.run.run_id, []).append(sealed)
        _check_superseded(found, sealed, runs)
        digest = sealed.run.environment
        if digest is not None and digest not in environments:
            remedy = f"git log --all -- '{FOLDER}/envs/{digest[:2]}/{digest[2:]}.yaml'"
            what = "the environment of the run is not here"
            path = str(layout.environment(digest))
            found.add("missing-object", path, "damaged", what, remedy, sealed.run.run_id)
        if _is_in_circle(sealed.run.run_id, parents):
            found.doubt("parent-cycle", sealed, "is its own ancestor, by parent_run_id")
    for run_id, seals in by_id.items():
        if len({(sealed.run.start_time, sealed.run.process.id) for sealed in seals}) > 1:
            what = f"{len(seals)} seals claim the id {run_id}, and they are not of one run"
            found.doubt("duplicate-run", seals[-1], what)


def _check_superseded(found: Collector, sealed: Sealed, runs: Mapping[Digest, Sealed]) -> None:
    for digest in sealed.run.supersedes:
        other = runs.get(digest)
        if other is not None and other.run.run_id != sealed.run.run_id:
            what = f"says that it supersedes {digest[:12]}…, which is a seal of another run"
            found.doubt("bad-supersedes", sealed, what)


def _is_in_circle(run_id: RunId, parents: dict[RunId, RunId | None]) -> bool:
    seen = {run_id}
    at = parents.get(run_id)
    while at is not None and at not in seen:
        seen.add(at)
        at = parents.get(at)
    return at == run_id


def check_code(found: Collector, runs: Collection[Sealed], repo: Repository) -> None:
    """Name commits that hold the code of runs and are not here, or are held by no ref; each once."""
    codes = {sealed.run.code.captured: (sealed, sealed.run.code) for sealed in runs if sealed.run.code}
    wanted = sorted({oid for _, code in codes.values() for oid in (code.captured, code.base) if oid})
    there = {
        oid
        for oid, commit in zip(wanted, objects.read(repo, wanted, max_bytes=0), strict=True)
        if commit is not None and commit.kind == "commit"
    }
    held = _reachable(repo) if codes else set()
    for sealed, code in codes.values():
        name, run_id = f"the code of the run, commit {code.captured[:12]}", sealed.run.run_id
        can_be_rebuilt = code.base in there or (code.base is None and code.patch_digest is not None)
        if code.captured in there and code.captured not in held:
            remedy = f"git branch keep-{code.captured[:8]} {code.captured}"
            what = f"{name}, is held by no ref: git gc may remove it"
            found.add("missing-keep-ref", sealed.path, "suspicious", what, remedy, run_id)
        elif code.captured not in there and not can_be_rebuilt:
            remedy = f"git fetch origin {code.commit or code.captured}"
            what = f"neither {name}, nor its base is here"
            found.add("missing-commit", sealed.path, "suspicious", what, remedy, run_id)


def _reachable(repo: Repository) -> set[str]:
    try:
        return set(repo.git("rev-list", "--all", "HEAD").decode().split())
    except command.CommandFailed:  # there is no HEAD yet
        return set(repo.git("rev-list", "--all").decode().split())
