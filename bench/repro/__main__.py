"""`python -m bench.repro`: play the jobs, say what came of them; 1 when one is not right."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from bench.harness import JobFailed, workspace
from bench.repro import __doc__ as about
from bench.repro.environments import Built, Maker, Present
from bench.repro.report import page, word
from bench.repro.scene import Outcome, play
from bench.repro.table import JOBS, Job


def main() -> int:
    """Play what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.repro",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-k", dest="names", metavar="NAME", action="append", help="only jobs with NAME in their name"
    )
    parser.add_argument(
        "--markdown", metavar="FILE", type=Path, help="write the page here instead of to stdout"
    )
    parser.add_argument("--list", action="store_true", help="list the jobs and play none")
    parser.add_argument(
        "--here", action="store_true", help="this interpreter's environment for both: no network"
    )
    parser.add_argument("--large", action="store_true", help="the jobs with large packages too")
    parser.add_argument(
        "--pin", action="append", default=[], metavar="REQ", help="this version of a package: six==1.16"
    )
    parser.add_argument("--keep", action="store_true", help="leave the repositories")
    asked = parser.parse_args()
    jobs = [job for job in JOBS if not asked.names or any(name in job.name for name in asked.names)]
    if asked.list:
        for job in jobs:
            print(f"{job.name:<22} {job.what}")
            for question in job.questions:
                print(f"{'':<22}   {question.shown}: {question.answer}")
        return 0
    try:
        outcomes = played(jobs, asked)
    except JobFailed as error:
        print(error, file=sys.stderr)
        return 1
    text = page(outcomes)
    if asked.markdown:
        asked.markdown.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0 if all(outcome.right for outcome in outcomes) else 1


def played(jobs: list[Job], asked: argparse.Namespace) -> list[Outcome]:
    """Play jobs one after another and tell of each as it ends."""
    with contextlib.ExitStack() as held:
        if asked.keep:
            folder = Path(tempfile.mkdtemp(prefix="gittrack-corpus-")).resolve()
            print(f"in {folder}", file=sys.stderr)
        else:
            folder = held.enter_context(workspace())
        maker: Maker = Present() if asked.here else Built(folder, asked.pin)
        outcomes = []
        for job in jobs:
            outcomes.append(play(job, folder / job.name, maker, large=asked.large))
            print(word(outcomes[-1]), file=sys.stderr, flush=True)
        return outcomes


if __name__ == "__main__":
    sys.exit(main())
