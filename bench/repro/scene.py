"""One job, played: recorded in one clone, asked about in another, compared with the answers that are right."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import JobFailed
from bench.repro.environments import Environment, Maker
from bench.repro.questions import Question, answer_of
from bench.repro.table import Job

HERE = Path(__file__).parent
_PATIENCE_S = 300


@dataclass
class Scene:
    """The folders of one job.

    Attributes:
        folder: All of them are in it.
        recorded: The clone that records.
        fresh: The clone that reproduces.
        upstream: The bare repository between the two.
        wheels: Packages that no index has.
        beside: Data beside the repositories, as on a shared disk.
        temporary: What the programs take for the system's folder for temporary files: the others lie in the real one,
            and nothing there counts as data.
    """

    folder: Path
    recorded: Path = field(init=False)
    fresh: Path = field(init=False)
    upstream: Path = field(init=False)
    wheels: Path = field(init=False)
    beside: Path = field(init=False)
    temporary: Path = field(init=False)

    def __post_init__(self) -> None:
        self.recorded = self.folder / "recorded here"
        self.fresh = self.folder / "fresh – früh"
        self.upstream = self.folder / "upstream.git"
        self.wheels = self.folder / "wheels"
        self.beside = self.folder / "beside"
        self.temporary = self.folder / "temporary"

    @property
    def variables(self) -> dict[str, str]:
        """What a program that is started here has in its environment."""
        return {"TMPDIR": str(self.temporary)}

    def git(self, *words: str, at: Path | None = None) -> str:
        """Run git in the clone that records, or elsewhere."""
        return harness.git(at or self.recorded, "-c", "protocol.file.allow=always", *words)

    def commit(self, message: str, at: Path | None = None) -> None:
        """Commit everything."""
        self.git("add", "-A", at=at)
        self.git("commit", "-q", "-m", message, at=at)


@dataclass(frozen=True)
class Answer:
    """What came of one question.

    Attributes:
        question: As it stands in the table.
        got: The answer, or why there is none.
        document: The JSON that gittrack wrote; empty when it wrote none.
        overhead_s: What a reproduction took longer than the job in it; None for other questions.
        job_s: What the job in it took.
        trouble: All that is not right.
    """

    question: Question
    got: str = "error"
    document: Mapping[str, Any] = field(default_factory=dict)
    overhead_s: float | None = None
    job_s: float | None = None
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of one job.

    Attributes:
        job: As it stands in the table.
        answers: To its questions; empty when it was not played.
        skipped: Why it was not played, or None.
    """

    job: Job
    answers: tuple[Answer, ...] = ()
    skipped: str | None = None

    @property
    def trouble(self) -> tuple[str, ...]:
        """All that is not right."""
        return tuple(text for answer in self.answers for text in answer.trouble)

    @property
    def right(self) -> bool:
        """Whether nothing stands against it."""
        return not self.trouble


def play(job: Job, folder: Path, maker: Maker, *, large: bool = False) -> Outcome:
    """Record a job, ask about it, and say what came of it; never raises for what the job does."""
    reason = why_not(job, maker, large=large)
    if reason is not None:
        return Outcome(job, skipped=reason)
    scene = Scene(folder)
    for made in (scene.temporary, scene.beside):
        made.mkdir(parents=True)
    try:
        environment = _prepare(job, scene, maker)
        lacking = [need for need in job.needs if not _knows(need, environment, scene)]
        if lacking:
            return Outcome(job, skipped=f"this gittrack has no '{lacking[0]}' yet")
        _record(job, scene, environment)
        run = _run_of(job, scene, environment)
        if job.between:
            job.between(scene)
        place = _fresh_clone(job, scene)
        fresh = _fresh_environment(job, scene, maker, environment)
        _hide(job, scene, environment)
    except JobFailed as error:
        return Outcome(job, (Answer(job.questions[0], trouble=(str(error),)),))
    return Outcome(job, tuple(_ask(question, scene, place, run, fresh) for question in job.questions))


def why_not(job: Job, maker: Maker, *, large: bool) -> str | None:
    """Return why a job cannot be played on this machine, None when it can."""
    absent = [program for program in job.programs if shutil.which(program) is None]
    if absent:
        return f"there is no '{absent[0]}' here"
    if job.large and not large:
        return f"downloads much ({', '.join(job.packages)}): --large"
    return maker.lacks(job.packages, apart=job.in_place or job.installs or job.fresh_packages is not None)


def _prepare(job: Job, scene: Scene, maker: Maker) -> Environment:
    """Make the repository, its upstream and the environment to record in."""
    shutil.copytree(HERE / "jobs" / (job.folder or job.name), scene.recorded, dirs_exist_ok=True)
    if job.shared:
        (scene.recorded / "data").mkdir(exist_ok=True)
        for name in job.shared:
            shutil.copy(HERE / "data" / name, scene.recorded / "data" / name)
    scene.git("init", "-q", "-b", "main")
    if job.prepared:
        job.prepared(scene)
    scene.commit("the job")
    scene.git("init", "-q", "--bare", "-b", "main", str(scene.upstream), at=scene.folder)
    scene.git("remote", "add", "origin", scene.upstream.as_uri())
    scene.git("push", "-q", "-u", "origin", "main")
    if job.edited:
        job.edited(scene)
    wheels = scene.wheels if scene.wheels.is_dir() else None
    in_place = scene.recorded if job.in_place else None
    return maker.make(job.packages, role="record", wheels=wheels, in_place=in_place, own=job.installs)


def _fresh_environment(job: Job, scene: Scene, maker: Maker, recorded: Environment) -> Environment:
    """Return another environment: the same packages in the same versions, unless the job says otherwise."""
    packages = maker.pins(recorded) if job.fresh_packages is None else job.fresh_packages
    wheels = scene.wheels if scene.wheels.is_dir() else None
    return maker.make(packages, role="fresh", wheels=wheels, in_place=scene.fresh if job.in_place else None)


def _knows(need: str, environment: Environment, scene: Scene) -> bool:
    """Whether gittrack has a command, or an option of one: `keep`, `repro --env`."""
    command, _, option = need.partition(" ")
    try:
        said = _call(["gittrack", command, "--help"], scene.folder, environment).stdout
    except JobFailed:
        return False
    return not option or option in said.split()


def _record(job: Job, scene: Scene, environment: Environment) -> None:
    folder = (scene.recorded / job.place).resolve()
    for part in job.record:
        if not isinstance(part, str):
            part(scene)
            continue
        words = _words(part, scene)
        _call(
            words,
            folder,
            environment,
            {**scene.variables, **job.variables},
            codes=(job.exit_code,),
            standard_input=job.standard_input,
        )
    _call(["gittrack", "commit"], folder, environment)
    scene.git("push", "-q", "origin", "HEAD", at=folder)


def _run_of(job: Job, scene: Scene, environment: Environment) -> str:
    query = f"select run_id from runs where {job.run} order by start_time desc, run_id limit 1"
    rows = json.loads(_call(["gittrack", "sql", query, "--json"], scene.recorded, environment).stdout)
    if not rows:
        raise JobFailed(f"no run was recorded ({job.run})")
    return str(rows[0]["run_id"])


def _fresh_clone(job: Job, scene: Scene) -> Path:
    """Return where the job is reproduced: a fresh clone, without what is kept in the first one's `.git`."""
    if job.same_clone:
        return scene.recorded
    options = (option.format(beside=scene.beside) for option in job.clone)
    scene.git("clone", "-q", *options, scene.upstream.as_uri(), str(scene.fresh), at=scene.folder)
    return scene.fresh


def _hide(job: Job, scene: Scene, environment: Environment) -> None:
    """Take away what the record may name by its full path: nothing of it may be used by mistake."""
    if job.same_clone:
        return
    for folder in {scene.recorded, (scene.recorded / job.place).resolve()}:
        folder.rename(folder.with_name(f"hidden {folder.name}"))
    if job.in_place:
        shutil.rmtree(environment.programs.parent)


def _ask(question: Question, scene: Scene, place: Path, run: str, environment: Environment) -> Answer:
    words = ["gittrack", *_words(question.asks, scene, run=run), "--json"]
    try:
        if question.before:
            question.before(scene)
        before = _foreign_changes(scene, place)
        begun = time.perf_counter()
        done = _call(words, place, environment, scene.variables, codes=None)
        wall = time.perf_counter() - begun
    except JobFailed as error:
        return Answer(question, trouble=(str(error),))
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return Answer(question, trouble=(f"no answer: {done.stdout}{done.stderr}",))
    trouble = _against(question, document, done.returncode)
    if _foreign_changes(scene, place) != before:
        trouble.append("the working tree is not as it was")
    if question.left and not trouble:
        trouble += question.left(scene)
    job_s = document.get("job_seconds")
    overhead = None if job_s is None else wall - job_s
    return Answer(question, answer_of(question, document), document, overhead, job_s, tuple(trouble))


def _words(line: str, scene: Scene, *, run: str = "") -> list[str]:
    return [word.format(run=run, beside=scene.beside) for word in shlex.split(line)]


def _foreign_changes(scene: Scene, place: Path) -> str:
    return scene.git("status", "--porcelain", "--ignored", "--", ":!.gittrack", at=place)


def _against(question: Question, document: Mapping[str, Any], exit_code: int) -> list[str]:
    """Return what is not as expected."""
    got = answer_of(question, document)
    found = []
    if got != question.answer:
        found.append(f"{question.shown}: the answer is {got}, {question.answer} is right")
    if exit_code != question.exit_code:
        found.append(f"{question.shown}: the exit code is {exit_code}, {question.exit_code} is right")
    text = json.dumps(document, ensure_ascii=False)
    found += [
        f"{question.shown}: the answer does not name '{name}'" for name in question.names if name not in text
    ]
    if found:
        found.append(text)
    return found


def _call(
    words: list[str],
    folder: Path,
    environment: Environment,
    variables: Mapping[str, str] | None = None,
    *,
    codes: tuple[int, ...] | None = (0,),
    standard_input: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program as a user in an activated environment would.

    Raises:
        JobFailed: It does not end, or ended with another exit code than `codes`, if any are given.
    """
    program = environment.gittrack if words[0] == "gittrack" else (words[0],)
    given = (folder / standard_input).read_text() if standard_input else ""
    try:
        done = subprocess.run(
            [*program, *words[1:]],
            cwd=folder,
            env=harness.environment({**environment.variables, **(variables or {})}),
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JobFailed(f"{shlex.join(words)}: {error}") from error
    if codes is not None and done.returncode not in codes:
        said = f"{done.stdout[-1000:]}{done.stderr[-2000:]}".strip()
        raise JobFailed(f"{shlex.join(words)} ended with {done.returncode}: {said}")
    return done
