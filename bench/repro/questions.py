"""What gittrack is asked about the runs of a job, and which answer is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from gittrack.repro.verify import EXIT_CODES, Verdict

if TYPE_CHECKING:
    from bench.repro.scene import Scene

Names = tuple[str, ...]
Document = Mapping[str, Any]

_VERIFIED = {0: "verified", 1: "unproven", 5: "differs"}


@dataclass(frozen=True)
class Question:
    """One command about the runs of a job.

    Attributes:
        asks: The command; `{run}` stands for the job's run, `{beside}` for the folder beside the repositories.
        answer: What it must answer, in the words of `answer_of`.
        exit_code: What it must end with.
        names: What its JSON must name.
        before: Done before it is asked.
        left: Looks at what the command left, and says what is wrong with it.
    """

    asks: str
    answer: str
    exit_code: int = 0
    names: Names = ()
    before: Callable[[Scene], None] | None = None
    left: Callable[[Scene], list[str]] | None = None

    @property
    def shown(self) -> str:
        """The command as a person would type it."""
        words = self.asks.format(run="RUN", beside="..").split()
        return " ".join(word for word in words if word != "--yes")


def repro(
    answer: Verdict = "identical", options: str = "", *, of: str = "{run}", names: Names = ()
) -> Question:
    """Ask for a run to be reproduced; the answer is the verdict."""
    return Question(f"repro {of} {options} --yes", answer, EXIT_CODES[answer], names)


def repro_all(
    answer: str,
    options: str = "",
    *,
    worst: Verdict,
    names: Names = (),
    left: Callable[[Scene], list[str]] | None = None,
) -> Question:
    """Ask for all runs to be reproduced; the answer is how many there are of each verdict, in the alphabet's order."""
    return Question(f"repro --all {options} --yes", answer, EXIT_CODES[worst], names, left=left)


def why(answer: str, *, a: str, b: str, names: Names = ()) -> Question:
    """Ask why two runs differ; the answer is which inputs do, or `nothing`."""
    return Question(f"why {a} {b}", answer, 0, names)


def bisect(answer: str, options: str, *, exit_code: int = 0, names: Names = ()) -> Question:
    """Ask which commit moved a metric; the answer is its subject, how many are left, or the kind of an error."""
    return Question(f"bisect {options} --yes", answer, exit_code, names)


def attest(answer: Verdict, options: str, *, names: Names = ()) -> Question:
    """Ask for a certificate of a run; the answer is the verdict that it tells of."""
    return Question(f"attest {{run}} {options} --yes", answer, 0, names)


def verify(
    answer: Literal["verified", "unproven", "differs"],
    file: str,
    *,
    names: Names = (),
    before: Callable[[Scene], None] | None = None,
) -> Question:
    """Ask whether a certificate holds."""
    (exit_code,) = (code for code, word in _VERIFIED.items() if word == answer)
    return Question(f"verify {file}", answer, exit_code, names, before)


def moved(recorded: float, swapped: float, there: float) -> str:
    """Return how JSON says what a swap made of a metric: on record, with the swap, and in the run it came from."""
    return f'"recorded": {recorded:.1f}, "swapped": {swapped:.1f}, "there": {there:.1f}'


def answer_of(question: Question, document: Document) -> str:
    """Return what a document of gittrack's answers, in a word or a few."""
    if "error" in document:
        return str(document["kind"])
    return _READERS[question.asks.split()[0]](document)


def _of_repro(document: Document) -> str:
    if "summary" in document:
        states = document["summary"]["states"]
        return ", ".join(
            f"{count} {state}" for state, count in sorted(states.items(), key=lambda one: one[0])
        )
    return str(document["verdict"])


def _of_bisect(document: Document) -> str:
    found = document["first_bad"]
    return str(found["subject"]) if found else f"one of {len(document['candidates'])} commits"


def _of_why(document: Document) -> str:
    return ", ".join(part["kind"] for part in document["inputs"]) or "nothing"


_READERS: Mapping[str, Callable[[Document], str]] = {
    "repro": _of_repro,
    "bisect": _of_bisect,
    "why": _of_why,
    "attest": lambda document: str(document["verdict"]),
    "verify": lambda document: _VERIFIED[document["exit_code"]],
}


def junit_says(name: str, **wanted: str | None) -> Callable[[Scene], list[str]]:
    """Return what looks into a file of JUnit XML beside the repositories.

    Args:
        name: Of the file.
        wanted: For each run's name, the element that its test case must have; None for a test that passed.
    """

    def look(scene: Scene) -> list[str]:
        (suite,) = ElementTree.parse(scene.beside / name).getroot()
        found = {case.attrib["name"].split()[0]: [one.tag for one in case] for case in suite}
        right = {run: [] if element is None else [element] for run, element in wanted.items()}
        if found == right and suite.attrib["tests"] == str(len(right)):
            return []
        return [f"'{name}' says {found} of {suite.attrib['tests']} tests, {right} is right"]

    return look
