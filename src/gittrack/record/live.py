"""Runs that have not ended: their folder, who writes to it, and what it comes to.

A live folder holds `run.yaml` (the run as it was at its start), `code.patch`, the points of an earlier seal when
the run was resumed, `worktree` (where it shall be sealed), and one journal for each process that logs to it.
What a folder comes to is a pure function of these files, so it does not matter who seals it, or how often.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from gittrack.entities.record import (
    Artifact,
    DataFile,
    Digest,
    RunId,
    RunRecord,
    Series,
    Status,
    UsedDataset,
    UsedModel,
    parse_run_id,
)
from gittrack.errors import AlreadyExists, Damaged, InvalidValue, NotFound
from gittrack.record import format as formats
from gittrack.record import frames, identity, journal_reader
from gittrack.record.journal import LOCK_FILE, Journal
from gittrack.record.journal_reader import Contents
from gittrack.record.points import Points, SortedPoints, read_parquet
from gittrack.record.system_tags import CONTEXT
from gittrack.store import digest as digests
from gittrack.store import durable, locking
from gittrack.store.layout import METRICS_FILE, PATCH_FILE, RUN_FILE, Layout

WORKTREE_FILE = "worktree"
_WHOLE = b"\0"  # ends what may be torn by a power cut: another working tree takes the run then
LOGS_FOLDER = "logs"  # what a command prints, until the run is sealed


class LiveRun(NamedTuple):
    """A run that has not been sealed.

    Attributes:
        run: What its folder comes to now; `RUNNING` while a process is alive that writes to it.
        points: Its metric points.
        alive: Whether a process still writes to it.
    """

    run: RunRecord
    points: SortedPoints
    alive: bool


def create(
    layout: Layout,
    run: RunRecord,
    journal: Journal | None,
    *,
    patch: bytes | None,
    worktree: Path,
    base: bytes | None = None,
) -> None:
    """Make the folder of a new run appear, whole and with its journal locked.

    Args:
        layout: Where the store is.
        run: The run at its start.
        journal: This process's journal of it, not yet open; None when it is opened afterwards.
        patch: Content of `code.patch`, or None.
        worktree: The working tree it shall be sealed into.
        base: `metrics.parquet` of the seal that is resumed, or None.

    Raises:
        AlreadyExists: The run is live; another process has just gone on with it.
        OSError: The disk does not take it; nothing is left.
    """
    durable.make_folder(layout.tmp)
    draft = layout.tmp / digests.random_hex()
    draft.mkdir()
    try:
        durable.hook("start.write")
        durable.write_file(draft / WORKTREE_FILE, os.fsencode(worktree) + _WHOLE, synced=False)
        (draft / LOCK_FILE).touch()  # empty: the folder's sync below is all it needs
        if journal is not None:
            journal.open(draft)
        # Last what is synced: most filesystems bring all names to disk with it, and the folder's own sync is cheap.
        for name, content in ((PATCH_FILE, patch), (METRICS_FILE, base), (RUN_FILE, formats.dump_run(run))):
            if content is not None:
                durable.write_file(draft / name, content)
        durable.sync_folder(draft)
        durable.make_folder(layout.live)
        durable.hook("start.rename")
        _appear(draft, layout.live_run(run.run_id))
        durable.hook("start.sync")
        durable.sync_folder(layout.live)
    except BaseException:
        durable.free_folder(draft)
        raise


def _appear(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise AlreadyExists(f"run {folder.name[:8]} has just been opened by another process") from error


@contextlib.contextmanager
def attached(layout: Layout, run_id: RunId) -> Iterator[Path]:
    """Yield a live run's folder, which nobody seals for the length of the block.

    Raises:
        NotFound: The run has been sealed, or there is none.
    """
    folder = layout.live_run(run_id)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(FileNotFoundError):  # the folder has gone: sealed
            stack.enter_context(locking.locked(folder / LOCK_FILE, shared=True))
        if not (folder / RUN_FILE).is_file():
            raise NotFound(f"run {run_id[:8]} is not live")
        yield folder


def folders(layout: Layout) -> list[Path]:
    """Return the folders of all live runs."""
    try:
        found = sorted(layout.live.iterdir())
    except OSError:
        return []
    return [folder for folder in found if _is_run_id(folder.name) and not folder.is_symlink()]


def _is_run_id(name: str) -> bool:
    try:
        parse_run_id(name)
    except InvalidValue:
        return False
    return True


def read_all(layout: Layout) -> list[LiveRun]:
    """Return every live run that can be read; a folder that is damaged or just going is passed over."""
    runs = []
    for folder in folders(layout):
        with contextlib.suppress(Damaged, OSError):
            runs.append(read(folder))
    return runs


def state(layout: Layout) -> str:
    """Return a text that changes with every record of a live run, and when its last process dies."""
    told = []
    for folder in folders(layout):
        with contextlib.suppress(OSError):
            sizes = sorted(
                (entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in os.scandir(folder)
            )
            told.append((folder.name, sizes, is_written(folder)))
    return repr(told) if told else ""


def read(folder: Path) -> LiveRun:
    """Return what a live folder comes to now.

    Raises:
        Damaged: The start of the run cannot be read.
        OSError: The folder is gone.
    """
    alive = is_written(folder)  # looked at first: what is read of a run that has ended is then all of it
    start = start_of(folder)
    journals = read_journals(folder)
    run, points = assemble(start, journals, base_points(folder))
    if alive and start.end_time is None:
        run = replace(run, status=_status_alive(journals), end_time=None)
    return LiveRun(run, points, alive)


def _status_alive(contents: list[Contents]) -> Status:
    said: list[Status] = [fact["status"] for fact, _ in _in_order(contents) if "status" in fact]
    return said[-1] if said else "RUNNING"


def worktree_of(folder: Path) -> Path | None:
    """Return the working tree that the run was started in, None when nothing tells it any more."""
    with contextlib.suppress(OSError):
        content = (folder / WORKTREE_FILE).read_bytes()
        if content.endswith(_WHOLE):
            return Path(os.fsdecode(content.removesuffix(_WHOLE)))
    return None


def start_of(folder: Path) -> RunRecord:
    """Return the run as it was at its start.

    Raises:
        Damaged: It cannot be read.
    """
    return formats.load_run((folder / RUN_FILE).read_bytes(), what=f"live/{folder.name}/{RUN_FILE}")


def base_points(folder: Path) -> Points | None:
    """Return the points of the seal that the run resumes, or None.

    Raises:
        Damaged: They cannot be read.
    """
    base = folder / METRICS_FILE
    return read_parquet(base.read_bytes()) if base.is_file() else None


def is_written(folder: Path, *, besides: str = "") -> bool:
    """Whether a living process has a journal in a live folder; `besides` names one that does not count."""
    for name in journal_names(folder):
        file = folder / name
        if name != besides and not file.is_symlink():
            with file.open("rb") as stream:
                head = stream.read(1 << 12)
            introduction = journal_reader.read(file.name, head[: frames.first_size(head)]).introduction
            if identity.is_alive(file, introduction):
                return True
    return False


def journal_names(folder: Path) -> list[str]:
    """Return the names of the journals in a live folder, in order."""
    names = os.listdir(folder)  # noqa: PTH208 - a tenth of what a glob takes
    return sorted(name for name in names if name.endswith(frames.SUFFIX))


def read_journals(folder: Path) -> list[Contents]:
    """Return what each journal in a live folder holds, by name."""
    files = {
        name: (folder / name).read_bytes()
        for name in journal_names(folder)
        if not (folder / name).is_symlink()
    }
    if len(files) == 1:  # nothing replaces any of it
        return [journal_reader.read(name, content) for name, content in files.items()]
    first = {
        name: journal_reader.read(name, content[: frames.first_size(content)])
        for name, content in files.items()
    }
    upto: dict[str, int] = {}
    for found in first.values():
        continued = found.introduction.get("continues") or {}
        if isinstance(continued.get("offset"), int):
            name = str(continued.get("journal"))
            upto[name] = min(continued["offset"], upto.get(name, continued["offset"]))
    return [journal_reader.read(name, content, upto=upto.get(name)) for name, content in files.items()]


def adds_nothing(start: RunRecord, contents: list[Contents]) -> bool:
    """Whether a run that had ended was opened to be added to, and nothing was."""
    return start.end_time is not None and not any(
        found.facts or len(found.points) or found.damaged or found.torn for found in contents
    )


def assemble(
    start: RunRecord, contents: list[Contents], base: Points | None
) -> tuple[RunRecord, SortedPoints]:
    """Return the run and the points that a start and its journals come to; the same for whoever asks.

    The status is the word of the process that owns the run; without one, the run was killed, and ended with its
    last record. A run that had ended when it was opened again, to add to its record, stays as it ended. Of two
    values of one key the later counts.

    Raises:
        Damaged: A record says what this gittrack does not understand.
    """
    try:
        return _assemble(start, contents, base)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"the journals of run {start.run_id[:8]} cannot be understood: {error}") from error


def _assemble(
    start: RunRecord, contents: list[Contents], base: Points | None
) -> tuple[RunRecord, SortedPoints]:
    points = Points() if base is None else base
    for found in contents:
        points.extend(found.points)
    facts = _in_order(contents)
    ends = [fact for fact, owner in facts if "end" in fact and owner]
    last = max([start.start_time, *(found.last_time for found in contents)])
    unended: dict[str, Any] = {"end": "KILLED", "t": last}
    if start.end_time is not None:
        unended = {"end": start.status, "t": start.end_time, "error": start.error}
    end = ends[-1] if ends else unended
    errors = [fact["error"] for fact in (unended, *(fact for fact, _ in facts)) if fact.get("error")]
    status: Status = end["end"]
    run = replace(
        start,
        status=status,
        end_time=max(start.start_time, int(end.get("at", end["t"]))),
        error=errors[-1] if errors and status != "FINISHED" else None,
        lost=(*start.lost, *_lost(facts, contents)),
        imports=_imports(start, [fact["imports"] for fact, _ in facts if "imports" in fact]),
    )
    run = _apply(run, [fact for fact, _ in facts])
    if "exit_code" in end and run.command is not None:
        run = replace(run, command=replace(run.command, exit_code=end["exit_code"]))
    ordered = points.sort()
    return replace(run, metrics=ordered.summaries()), ordered


def _in_order(contents: list[Contents]) -> list[tuple[dict[str, Any], bool]]:
    """Return all facts with whether the run's owner wrote them, by time, then journal, then place.

    Within a journal the place decides: a clock that is set back does not make an old value the later one.
    """
    keyed = []
    for found in contents:
        owner = bool(found.introduction.get("owner"))
        times = accumulate((int(fact.get("t", 0)) for fact in found.facts), max)
        for place, (when, fact) in enumerate(zip(times, found.facts, strict=True)):
            keyed.append(((when, found.name, place), fact, owner))
    return [(fact, owner) for _, fact, owner in sorted(keyed, key=lambda entry: entry[0])]


def _lost(facts: list[tuple[dict[str, Any], bool]], contents: list[Contents]) -> list[str]:
    told = [fact["lost"] for fact, _ in facts if "lost" in fact]
    damaged = [
        f"{found.damaged} damaged bytes of the journal {found.name}" for found in contents if found.damaged
    ]
    torn = [
        f"{found.torn} bytes of a torn record of the journal {found.name}" for found in contents if found.torn
    ]
    return told + damaged + torn


def _imports(start: RunRecord, told: list[list[str]]) -> tuple[str, ...] | None:
    """Return the imports of all parts of a run, None when they are not known of each."""
    if start.end_time is not None:  # it is only added to
        return start.imports
    if not told or (start.supersedes and start.imports is None):
        return None
    return tuple(sorted({*(start.imports or ()), *(name for names in told for name in names)}))


def _apply(run: RunRecord, facts: list[dict[str, Any]]) -> RunRecord:
    params, tags = dict(run.params), dict(run.tags)
    artifacts = {artifact.path: artifact for artifact in run.artifacts}
    data = {entry.path: entry for entry in run.data}
    datasets = {use(dataset): dataset for dataset in run.datasets}
    models = dict.fromkeys(run.models)
    volatile = dict.fromkeys(run.volatile)
    name = run.name
    told = [digests.parse(fact["environment"]) for fact in facts if "environment" in fact]
    for fact in facts:
        params.update(fact.get("params", {}))
        tags.update(fact.get("tags", {}))
        name = fact.get("name", name)
        volatile.update(dict.fromkeys(fact.get("volatile", ())))
        if "untag" in fact:
            tags.pop(fact["untag"], None)
        if "artifact" in fact:
            artifact = Artifact(**fact["artifact"])
            artifacts[artifact.path] = artifact
        if "data" in fact:
            entry = DataFile(**fact["data"])
            if (
                entry.how is None or data.get(entry.path, entry).how is not None
            ):  # what is declared counts more
                data[entry.path] = entry
        if "dataset" in fact:
            dataset = UsedDataset(**fact["dataset"])
            datasets[use(dataset)] = dataset
        if "model" in fact:
            models[UsedModel(**fact["model"])] = None
    return replace(
        run,
        name=name,
        params=params,
        tags=tags,
        volatile=tuple(volatile),
        environment=told[0] if told else run.environment,
        datasets=tuple(datasets.values()),
        models=tuple(models),
        artifacts=tuple(artifacts[path] for path in sorted(artifacts)),
        data=tuple(data[path] for path in sorted(data) if not _is_covered(data[path], data)),
    )


def _is_covered(entry: DataFile, data: Mapping[str, DataFile]) -> bool:
    """Whether an input that was found by itself lies in a folder that was declared."""
    above = (str(folder) for folder in PurePosixPath(entry.path).parents)
    return entry.how is not None and any(path in data and data[path].how is None for path in above)


def use(dataset: UsedDataset) -> tuple[str, str, str | None]:
    """Return what makes two uses of a dataset one: name, digest and context."""
    return dataset.name, dataset.digest, dataset.tags.get(CONTEXT)


def sealed_files(
    run: RunRecord, points: SortedPoints, patch: bytes | None
) -> tuple[Digest, dict[str, bytes]]:
    """Return a sealed run's digest and the content of its files."""
    files: dict[str, bytes] = {}
    if len(points):
        metrics = points.to_parquet()
        run = replace(run, series=Series(len(points), points.digest(), digests.of_bytes(metrics)))
        files[METRICS_FILE] = metrics
    if patch is not None:
        files[PATCH_FILE] = patch
    files[RUN_FILE] = formats.dump_run(run)
    return digests.of_bytes(files[RUN_FILE]), files
