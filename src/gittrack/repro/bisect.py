"""Which commit moved a metric, found in the way of `git bisect`: by running one job with the code of commits between.

Command and data are those of one run all the way, and the environment is one: the present, or that run's, rebuilt. A
commit's own pins are not followed, so that nothing but the code can move the metric.
Each test is a reproduction with another commit's code and stays a run of the store; the next search that comes by the
same commit takes its value from there. Neither the user's checkout nor their own `git bisect` has a part in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING

from gittrack.entities.record import RunId, RunRecord
from gittrack.errors import Conflict, InvalidValue, NotFound
from gittrack.git import recover, revision
from gittrack.git.recover import CodeLost
from gittrack.git.repo import Repository
from gittrack.repro.bisection import SHORT, Bisection, End, Search, Tested
from gittrack.repro.differences import Difference, compare_environment
from gittrack.repro.environments import can_be_rebuilt, settled
from gittrack.repro.exchange import Swap
from gittrack.repro.options import AS_RECORDED, Mode, Options
from gittrack.repro.phrases import plural
from gittrack.repro.plan import ConsentNeeded, agree
from gittrack.repro.plan import plan as plan_of
from gittrack.repro.report import Report
from gittrack.repro.reproduce import reproduce
from gittrack.repro.swap import named, swapped, tags
from gittrack.repro.tolerance import EXACT, Tolerance
from gittrack.store.layout import Layout

if TYPE_CHECKING:
    from gittrack.query.session import Session

Tell = Callable[[str], None]

_KNOWN = """
    select tags.run_id from tags join runs using (run_id)
    where tags.key = $key and tags.value = $value and runs.repro_of = $of
    and runs.status = 'FINISHED' and not runs.deleted
"""


def prepare(
    session: Session,
    repo: Repository,
    layout: Layout,
    metric: str,
    *,
    good: str,
    bad: str,
    run: str | None = None,
    threshold: float | None = None,
    options: Options = AS_RECORDED,
    first_parent: bool = False,
) -> Search:
    """Return what would be searched; nothing is executed.

    Args:
        session: What this clone knows.
        repo: The repository.
        layout: Where the store is.
        metric: The metric that moved.
        good: A run or a commit where it was as it should be.
        bad: A run or a commit where it is not.
        run: The run whose command, data and environment are used; `bad` when that is a run.
        threshold: What lies on the same side of it as the good end is good; see `Search`.
        options: How each commit is run.
        first_parent: Follow only the first parent of a merge.

    Raises:
        NotFound: There is no such run, commit or metric.
        InvalidValue: A threshold and a tolerance are given, the threshold does not part the two ends, or `run` is
            needed.
        Conflict: The metric is the same at both ends; the two histories have nothing in common; the run cannot
            be repeated.
        CodeLost: The code of a run cannot be restored exactly.
    """
    if threshold is not None and options.tolerance.asked:
        raise InvalidValue(
            f"both the threshold {threshold!r} and a tolerance say which values are good",
            hint="give one of them",
        )
    first, last = (_end_named(session, repo, layout, text, metric) for text in (good, bad))
    if run is None and last.run is None:
        raise InvalidValue(
            f"'{bad}' is a commit, which does not say what to run",
            hint="name a run whose command it is: --run RUN",
        )
    run_id = session.find(run) if run is not None else last.run.run_id if last.run else RunId("")
    plan = plan_of(session, repo, layout, run_id)
    if plan.problem is not None:
        raise Conflict(f"run {run_id[:8]} cannot be repeated: {plan.problem.what}", hint=plan.problem.hint)
    if metric not in plan.run.metrics:
        raise _no_metric(plan.run, metric)
    start = revision.merge_base(repo, first.commit, last.commit)
    if start is None:
        raise Conflict(
            f"{first.words} and {last.words} have no commit in common", hint="git log --graph --all"
        )
    between = len(revision.halves(repo, last.commit, [start], first_parent=first_parent))
    if between == 0:
        raise Conflict(
            f"the code of {last.words} is not newer than that of {first.words}",
            hint="exchange --good and --bad",
        )
    # Settled once: what `auto` takes must not be another environment at another commit.
    options = replace(options, env=settled(plan, options.env))
    return Search(metric, plan, first, last, start, between, threshold, options, first_parent)


def bisect(search: Search, tell: Tell | None = None) -> Bisection:
    """Find the first commit with which the metric is bad.

    Args:
        search: What to search; the user has agreed to it.
        tell: Called with a sentence for each step.

    Raises:
        ConsentNeeded: Some of it is someone else's, and nobody here has agreed to run it.
        Conflict: With the code of the good end the metric is bad, or with that of the bad end it is good: it was
            not the code that moved it; or the job fails there.
    """
    if not search.trusted:
        raise ConsentNeeded(swapped(search.plan, {"code": search.bad.commit}))
    return _Bisecting(search, tell or (lambda _: None)).answer()


def _end_named(session: Session, repo: Repository, layout: Layout, text: str, metric: str) -> End:
    run_id, commit = named(session, repo, text)
    if run_id is None:
        assert commit is not None
        return End(commit, None, None)
    found = plan_of(session, repo, layout, run_id)
    if found.executed.code is None:
        raise Conflict(f"run {run_id[:8]} has no code on record", hint=f"gittrack show {run_id[:8]}")
    if metric not in found.run.metrics:
        raise _no_metric(found.run, metric)
    where = recover.find_code(repo, found.executed.code, found.patch)
    return End(where.commit, found.run, found.run.metrics[metric].last)


def _no_metric(run: RunRecord, metric: str) -> NotFound:
    some = ", ".join(list(run.metrics)[:5]) or "no metric"
    return NotFound(
        f"run {run.run_id[:8]} has no metric '{metric}', it has {some}",
        hint=f"gittrack show {run.run_id[:8]}",
    )


@dataclass
class _Bisecting:
    """One search under way."""

    search: Search
    tell: Tell
    tested: list[Tested] = field(default_factory=list)
    by_tree: dict[str, Tested] = field(
        default_factory=dict
    )  # most commits of a history of runs have the same code
    ends: tuple[float, float] | None = None

    @property
    def tolerance(self) -> Tolerance:
        return self.search.options.tolerance.for_name(self.search.metric)

    def answer(self) -> Bisection:
        search, repo = self.search, self.search.plan.repo
        self._test_ends()
        good, bad, skipped = [search.start], search.bad.commit, set[str]()
        while True:
            halves = dict(revision.halves(repo, bad, good, first_parent=search.first_parent))
            open_ = [commit for commit in halves if commit not in skipped and commit != bad]
            if not open_:
                return self._conclude(bad, list(halves))
            self._announce(open_[0], halves[open_[0]], len(halves))
            tested = self._test(open_[0])
            self._say_result(tested)
            if tested.good is None:
                skipped.add(tested.commit)
            elif tested.good:
                good.append(tested.commit)
            else:
                bad = tested.commit

    def _announce(self, commit: str, ruled_out: int, count: int) -> None:
        left = count - ruled_out - 1
        steps = _steps(count)
        self.tell(
            f"Bisecting: {plural(left, 'revision')} left to test after this (roughly {plural(steps, 'step')})"
        )
        self.tell(f"[{commit}] {revision.describe(self.search.plan.repo, commit).subject}")

    def _say_result(self, tested: Tested) -> None:
        if tested.good is None:
            self.tell(f"  skipped: {tested.why}")
            return
        side = "good" if tested.good else "bad"
        how = "" if tested.how == "run" else f", {tested.how}"
        self.tell(f"  {self.search.metric} {tested.value!r}: {side}{how}")

    def _test_ends(self) -> None:
        """Have the metric at both ends under the same command, data and environment, and see that it moved."""
        search, metric = self.search, self.search.metric
        bad = self._value_at(search.bad.commit, search.bad.words)
        good = self._value_at(search.start, self._start_in_words())
        claimed = search.good.value, search.bad.value
        moved = good != bad and not (math.isnan(good) and math.isnan(bad))
        if search.threshold is None and claimed[0] is not None and claimed[1] is not None:
            moved = moved and _is_good(good, claimed[0], claimed[1], None, EXACT)
        if not moved or (search.threshold is None and _is_good(bad, good, bad, None, self.tolerance)):
            raise self._not_the_code(good, bad)
        if search.threshold is not None and _is_good(bad, good, bad, search.threshold, EXACT):
            raise InvalidValue(
                f"{search.threshold!r} does not part {metric} of the good end, {good!r}, from that of the bad, {bad!r}",
                hint=f"--threshold {(good + bad) / 2!r}",
            )
        self.ends = (good, bad)
        self.tested = [replace(one, good=self._side(one.value)) for one in self.tested]

    def _start_in_words(self) -> str:
        search = self.search
        if search.start == search.good.commit:
            return search.good.words
        return f"commit {search.start[:SHORT]}, where the two histories part"

    def _side(self, value: float | None) -> bool | None:
        if value is None or self.ends is None:
            return None
        return _is_good(value, *self.ends, self.search.threshold, self.tolerance)

    def _not_the_code(self, good: float, bad: float) -> Conflict:
        search = self.search
        a, b = search.good.run, search.bad.run
        hint = f"gittrack why {a.run_id[:8]} {b.run_id[:8]}" if a and b else "gittrack diff RUN RUN"
        alike, cause = "", "the code is not what moved it"
        if good != bad and self.tolerance.asked:
            alike = ", within the tolerance"
        elif good != bad and search.good.value is not None:
            cause += f" from the {search.good.value!r} on record, or not most of the way"
            hint += f", or --threshold {(good + bad) / 2!r} for the rest of it"
        return Conflict(
            f"{search.metric} is {good!r} with the code of {self._start_in_words()}, and {bad!r} with that of "
            f"{search.bad.words}{alike}, all else alike: {cause}",
            hint=hint,
        )

    def _value_at(self, commit: str, words: str) -> float:
        self.tell(f"[{commit}] the code of {words}")
        tested = self._test(commit)
        if tested.value is None:
            raise Conflict(
                f"with the code of {words} there is no {self.search.metric}: {tested.why}",
                hint=tested.hint or "choose another --good or --bad",
            )
        self.tell(f"  {self.search.metric} {tested.value!r}")
        return tested.value

    def _test(self, commit: str) -> Tested:
        """Have the value of the metric with the code of a commit, in the cheapest way there is."""
        plan = self.search.plan
        tree = revision.code_tree_of(plan.repo, commit)
        found = self.by_tree.get(tree)
        if found is not None:
            found = replace(found, commit=commit, how="same code")
        elif self.search.options.times == 1 and tree == plan.code.code_tree and self._is_as_recorded():
            value = plan.run.metrics[self.search.metric].last
            found = Tested(commit, value, None, "known", plan.run.run_id)
        else:
            found = self._known(commit) or self._run(commit)
        found = replace(found, good=self._side(found.value))
        self.by_tree.setdefault(tree, found)
        self.tested.append(found)
        return found

    def _known(self, commit: str) -> Tested | None:
        """Take the value from runs made before with this code in the environment of this search, if they agree."""
        plan, metric = self.search.plan, self.search.metric
        if self.search.options.times > 1:
            return None
        wanted = tags([Swap("code", commit)])
        ((key, value),) = wanted.items()
        ids = plan.session.rows(_KNOWN, key=key, value=value, of=plan.run.run_id)
        found = [plan.session.run(RunId(run_id)) for (run_id,) in ids]
        found = [run for run in found if metric in run.metrics and self._is_comparable(run)]
        if len({repr(run.metrics[metric].last) for run in found}) != 1:
            return None  # none, or a job that is random
        return Tested(commit, found[0].metrics[metric].last, None, "known", found[0].run_id)

    def _is_as_recorded(self) -> bool:
        """Whether the environment of this search and the machine are those of the run whose command it is."""
        left, mode = self.search.plan.differences, self.search.options.env
        if mode is not Mode.CURRENT:
            left = tuple(one for one in left if one.kind != "environment" or _stays(one, mode))
        return not left

    def _is_comparable(self, run: RunRecord) -> bool:
        """Whether a run was made in the environment of this search, as far as that can be chosen, on such a system."""
        plan = self.search.plan
        environment = None if run.environment is None else plan.session.environment(run.environment)
        if environment is None:
            return False
        here = compare_environment(environment)
        if self.search.options.env is Mode.CURRENT:
            return not here
        apart = compare_environment(plan.environment, present=environment)
        return not any(map(_is_given, here)) and all(map(_is_given, apart))

    def _run(self, commit: str) -> Tested:
        values, run_id = [], None
        once = replace(self.search.options, times=1, accept_spread=False, keep=False)
        for _ in range(self.search.options.times):
            try:
                report = reproduce(agree(swapped(self.search.plan, {"code": commit})), once)
            except CodeLost as lost:
                return Tested(commit, None, None, "run", why=str(lost))
            value, why = _value(report, self.search.metric)
            run_id = report.repro_run_id or run_id
            if value is None:
                hint = None if report.problem is None else report.problem.hint
                return Tested(commit, None, None, "run", run_id, why, hint)
            values.append(value)
        return Tested(commit, _median(values), None, "run", run_id)

    def _conclude(self, bad: str, left: list[str]) -> Bisection:
        repo = self.search.plan.repo
        if len(left) > 1:
            return Bisection(self.search, None, tuple(left), None, None, tuple(self.tested))
        parents = repo.git("rev-list", "--parents", "--max-count=1", bad).decode().split()[1:]
        before = [self.by_tree.get(revision.code_tree_of(repo, parent)) for parent in parents]
        good = [one.value for one in before if one is not None and one.value is not None]
        since = next(one.value for one in reversed(self.tested) if one.commit == bad)
        files = revision.changed_lines(repo, parents[0] if parents else repo.empty_tree, bad)
        return Bisection(
            search=self.search,
            first_bad=revision.describe(repo, bad),
            candidates=(bad,),
            before=good[0] if good else self.ends and self.ends[0],
            since=since,
            tested=tuple(self.tested),
            files=tuple(files),
        )


def _is_good(value: float, good: float, bad: float, threshold: float | None, tolerance: Tolerance) -> bool:
    """Whether a value is on the good side; NaN is bad, unless it is the good end that has it."""
    if math.isnan(value) or math.isnan(good) or math.isnan(bad):
        return math.isnan(value) == math.isnan(good)
    if threshold is not None:
        return (value > threshold) == (good > threshold)
    if tolerance.asked:
        return bool(tolerance.close(good, value))
    if value in (good, bad):
        return value == good
    return abs(value - good) < abs(value - bad)


def _median(values: list[float]) -> float:
    """Return the median; NaN, which has no place among numbers, where it is at least half of the values."""
    numbers = [value for value in values if not math.isnan(value)]
    return median(numbers) if 2 * len(numbers) > len(values) else math.nan


def _is_given(difference: Difference) -> bool:
    """Whether it is of the system, which stays what it is where an environment is rebuilt."""
    return difference.name.startswith("platform ") or difference.name in ("python build", "python cache_tag")


def _stays(difference: Difference, mode: Mode) -> bool:
    """Whether it is as it is here in an environment of that kind, too."""
    return _is_given(difference) or (mode is Mode.REBUILD and not can_be_rebuilt(difference))


def _value(report: Report, metric: str) -> tuple[float | None, str]:
    """Return the metric of a reproduction, or why it has none."""
    if report.problem is not None:
        return None, report.problem.what
    repeat = report.comparisons[0].repeat
    if report.verdict == "failed" or repeat is None:
        code = report.exit_code_of_command
        return None, f"the command ended with exit code {code}" if code else report.reason or "it failed"
    if metric not in repeat.metrics:
        return None, f"the job did not log '{metric}'"
    return repeat.metrics[metric].last, ""


def _steps(count: int) -> int:
    """Return roughly how many tests `count` commits take.

    Source: git, `estimate_bisect_steps` in bisect.c.
    """
    if count < 3:
        return 0
    steps = count.bit_length() - 1
    rest = count - (1 << steps)
    return steps if (1 << steps) < 3 * rest else steps - 1
