"""What a search for the commit that moved a metric asks, and what it found, in words and as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gittrack.entities.record import RunId, RunRecord
from gittrack.git.revision import Described, FileChange
from gittrack.repro.options import Mode, Options
from gittrack.repro.phrases import change_in_words, plain
from gittrack.repro.plan import Plan
from gittrack.repro.report_lines import plan_lines
from gittrack.repro.swap import is_familiar

SHORT = 12  # digits of a commit that a person reads


@dataclass(frozen=True, slots=True)
class End:
    """One end of the history that is searched.

    Attributes:
        commit: Where it is.
        run: The run that names it, None when it was named as a commit.
        value: The recorded value of the metric, None without a run.
    """

    commit: str
    run: RunRecord | None
    value: float | None

    @property
    def words(self) -> str:
        """How a person calls it."""
        return f"run {self.run.run_id[:8]}" if self.run else f"commit {self.commit[:SHORT]}"


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of the job with the code of one commit.

    Attributes:
        commit: Whose code it was.
        value: The metric's last value; the median of several; None when it could not be had.
        good: Which side that is; None when the commit is skipped.
        how: `run`, `known` from a run that was made before, or `same code` as another commit.
        run_id: The run that has the value, None where there is none.
        why: Why it was skipped, in words.
        hint: What would help then.
    """

    commit: str
    value: float | None
    good: bool | None
    how: str
    run_id: RunId | None = None
    why: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Search:
    """What is searched, and what would be executed for it.

    Attributes:
        metric: The metric that moved.
        plan: The run whose command, data and environment are used.
        good: The end where the metric was as it should be.
        bad: The end where it is not.
        start: The commit to begin from: that of `good`, or where the two histories part.
        between: How many commits may have done it.
        threshold: What lies on the same side of it as the good end is good. Without it, what lies within the
            tolerance of the good end; and where none was asked for, what is nearer to the good end.
        options: How each commit is run: the environment is that of one run, or the present one, at all of them; of
            several times the median counts.
        first_parent: Follow only the first parent of a merge.
        agreed: Whether the user agreed to all that would be executed.
    """

    metric: str
    plan: Plan
    good: End
    bad: End
    start: str
    between: int
    threshold: float | None
    options: Options
    first_parent: bool
    agreed: bool = False

    @property
    def trusted(self) -> bool:
        """Whether all that would be executed leads to what was run in this clone before, or was agreed to."""
        return self.agreed or (self.plan.trusted and is_familiar(self.plan, self.bad.commit))

    def lines(self) -> list[str]:
        """Return what would be executed, for a person who is asked to agree."""
        code = f"  with the code of {self.between} commits between {self.start} and {self.bad.commit}"
        return [f"bisecting {self.metric} would execute:", *plan_lines(self.plan)[1:], code]


@dataclass(frozen=True)
class Bisection:
    """What a search found.

    Attributes:
        search: What was asked.
        first_bad: The commit that moved the metric; None when skipped commits hide it.
        candidates: The commits of which one did it: more than one where some had to be skipped.
        before: The value before it.
        since: The value with it.
        tested: What was tested, in that order.
        files: What the commit changed.
    """

    search: Search
    first_bad: Described | None
    candidates: tuple[str, ...]
    before: float | None
    since: float | None
    tested: tuple[Tested, ...]
    files: tuple[FileChange, ...] = ()

    @property
    def exit_code(self) -> int:
        """What the command line exits with: 10 where skipped commits leave it open."""
        return 0 if self.first_bad is not None else 10

    def lines(self) -> list[str]:
        """Return the answer for a person."""
        if self.first_bad is None:
            return [
                "There are only skipped commits left to test. The first bad commit could be any of:",
                *(f"  {commit}" for commit in self.candidates),
            ]
        found = self.first_bad
        facts = {
            self.search.metric: f"{self.before!r} before, {self.since!r} since",
            "subject": found.subject,
            "author": found.author,
            "date": found.date,
        }
        width = max(map(len, facts)) + 2
        lines = [f"{found.commit} is the first bad commit"]
        lines += [f"  {label:<{width}}{text}" for label, text in facts.items()]
        lines += [f"    {change_in_words(change)}" for change in self.files]
        return [*lines, f"  {self._tally()}", *self._doubt()]

    @property
    def drift(self) -> tuple[float, float] | None:
        """The recorded value of the run whose command it is and what its own code gives now, where they differ."""
        run = self.search.plan.run
        ends = [
            end for end in (self.search.bad, self.search.good) if end.run and end.run.run_id == run.run_id
        ]
        recorded = run.metrics[self.search.metric].last
        now = [one.value for end in ends for one in self.tested if one.commit == end.commit]
        if not now or now[0] is None or repr(now[0]) == repr(recorded):
            return None
        return recorded, now[0]

    def _doubt(self) -> list[str]:
        if self.drift is None:
            return []
        recorded, now = self.drift
        run_id = self.search.plan.run.run_id[:8]
        return [
            f"  run {run_id} has {recorded!r} on record, and its own code gives {now!r} here: "
            "chance or the environment moves it too (--times 3, --env rebuild)"
        ]

    def _tally(self) -> str:
        ran = sum(found.how == "run" for found in self.tested)
        known = sum(found.how == "known" for found in self.tested)
        skipped = sum(found.good is None for found in self.tested)
        words = [f"{ran} run now", f"{known} known from before", f"{skipped} skipped"]
        tally = f"commits tested: {', '.join(word for word in words if not word.startswith('0'))}"
        if self.search.options.env is Mode.REBUILD:
            tally += f"; in the environment of run {self.search.plan.run.run_id[:8]}, rebuilt"
        return tally

    def document(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        found = self.first_bad
        return {
            "metric": self.search.metric,
            "run_id": self.search.plan.run.run_id,
            "good": self.search.good.commit,
            "bad": self.search.bad.commit,
            "environment": self.search.options.env.value,
            "first_bad": found
            and {
                "commit": found.commit,
                "subject": found.subject,
                "author": found.author,
                "date": found.date,
            },
            "candidates": list(self.candidates),
            "before": plain(self.before),
            "since": plain(self.since),
            "drift": self.drift and {"recorded": plain(self.drift[0]), "present": plain(self.drift[1])},
            "tested": [
                {
                    "commit": one.commit,
                    "value": plain(one.value),
                    "outcome": "skipped" if one.good is None else "good" if one.good else "bad",
                    "how": one.how,
                    "run_id": one.run_id,
                    "why": one.why,
                }
                for one in self.tested
            ],
        }
