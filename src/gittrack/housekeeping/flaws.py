"""What is wrong with one sealed object, from its bytes alone."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gittrack.entities.record import Digest, MetricSummary, RunId, RunRecord
from gittrack.errors import Damaged
from gittrack.record import document
from gittrack.record import format as formats
from gittrack.record.points import SortedPoints, read_parquet
from gittrack.store import digest as digests
from gittrack.store.layout import METRICS_FILE, PATCH_FILE, RUN_FILE

_FUTURE_MS = 86_400_000
_KNOWN_FILES = {RUN_FILE, METRICS_FILE, PATCH_FILE}


@dataclass(frozen=True)
class Flaw:
    """One thing that is wrong with an object.

    Attributes:
        code: A stable word.
        what: In words.
        file: Which of a run's files, None for the object as a whole.
        severity: `damaged`, `suspicious` or `untidy`.
        run: The run, where it is known.
    """

    code: str
    what: str
    file: str | None = None
    severity: str = "damaged"
    run: RunId | None = None


def inspect_run(digest: Digest, files: dict[str, bytes]) -> tuple[RunRecord | None, list[Flaw]]:
    """Return a run, None when it cannot be believed, and what is wrong with it and its files."""
    content = files.get(RUN_FILE)
    if content is None:
        return None, [Flaw("missing-object", "the run has no run.yaml", RUN_FILE)]
    if digests.of_bytes(content) != digest:
        return None, [Flaw("digest-mismatch", "its bytes are not those of the folder's name", RUN_FILE)]
    try:
        run = formats.load_run(content, what=RUN_FILE)
    except Damaged as error:
        return None, [Flaw(_why_unreadable(content, formats.RUN_FORMAT), str(error), RUN_FILE)]
    flaws = [*_metrics(run, files.get(METRICS_FILE)), *_patch(run, files.get(PATCH_FILE))]
    flaws += [
        Flaw("unexpected-file", "is nothing that gittrack wrote", name, "untidy")
        for name in sorted(set(files) - _KNOWN_FILES)
    ]
    return run, flaws


def _why_unreadable(content: bytes, expected: str) -> str:
    try:
        found = document.load(content, what="").get("format")
    except Damaged:
        return "bad-yaml"
    return "bad-field" if found == expected else "unknown-format"


def _metrics(run: RunRecord, content: bytes | None) -> list[Flaw]:
    if run.series is None:
        if content is not None:
            return [Flaw("unexpected-file", "the run says that it has no points", METRICS_FILE, "suspicious")]
        return (
            [] if not run.metrics else [Flaw("summary-mismatch", "it sums up points that it lacks", RUN_FILE)]
        )
    if content is None:
        return [Flaw("missing-object", f"the {run.series.rows} points of the run are gone", METRICS_FILE)]
    if digests.of_bytes(content) != run.series.file:
        return [Flaw("digest-mismatch", "its bytes are not those that were sealed", METRICS_FILE)]
    try:
        points = read_parquet(content).sort()
    except Damaged as error:
        code = "bad-schema" if "columns" in str(error) else "bad-parquet"
        return [Flaw(code, str(error), METRICS_FILE)]
    if len(points) != run.series.rows or points.digest() != run.series.digest:
        return [Flaw("series-mismatch", "the points are not those that the run names", METRICS_FILE)]
    return _summaries(run, points)


def _summaries(run: RunRecord, points: SortedPoints) -> list[Flaw]:
    """Compare what the run says of each metric with its points, bit for bit."""
    true = points.summaries()
    wrong = [
        key
        for key in sorted({*true, *run.metrics})
        if key not in true or key not in run.metrics or _exact(true[key]) != _exact(run.metrics[key])
    ]
    if not wrong:
        return []
    return [
        Flaw("summary-mismatch", f"the summary of {', '.join(wrong[:5])} is not that of the points", RUN_FILE)
    ]


def _exact(summary: MetricSummary) -> list[str]:
    return [repr(getattr(summary, part.name)) for part in fields(summary)]


def _patch(run: RunRecord, content: bytes | None) -> list[Flaw]:
    expected = run.code.patch_digest if run.code else None
    if expected is None:
        if content is None:
            return []
        return [Flaw("unexpected-file", "the run says that it has no patch", PATCH_FILE, "suspicious")]
    if content is None:
        return [Flaw("missing-object", "the patch of the run is gone", PATCH_FILE)]
    if digests.of_bytes(content) != expected:
        return [Flaw("digest-mismatch", "its bytes are not those that the run names", PATCH_FILE)]
    return []


def inspect_event(digest: Digest, content: bytes, *, now_ms: int) -> list[Flaw]:
    """Return what is wrong with an event."""
    if digests.of_bytes(content) != digest:
        return [Flaw("digest-mismatch", "its bytes are not those of its name")]
    try:
        event = formats.load_event(content)
    except Damaged as error:
        return [Flaw(_why_unreadable(content, formats.EVENT_FORMAT), str(error))]
    if event.time > now_ms + _FUTURE_MS:
        what = "it is dated more than a day ahead of this clock"
        return [Flaw("future-event", what, severity="suspicious", run=event.run_id)]
    return []


def inspect_environment(digest: Digest, content: bytes) -> list[Flaw]:
    """Return what is wrong with an environment."""
    if digests.of_bytes(content) != digest:
        return [Flaw("digest-mismatch", "its bytes are not those of its name")]
    try:
        formats.load_environment(content)
    except Damaged as error:
        return [Flaw(_why_unreadable(content, formats.ENVIRONMENT_FORMAT), str(error))]
    return []
