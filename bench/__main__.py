"""Every benchmark, one after another, as one Markdown table: what, bound, measured, met."""

from __future__ import annotations

import argparse
import importlib
import sys

from bench import harness
from bench.harness import Figure, JobFailed

NAMES = (
    "log_metric",
    "start",
    "capture",
    "short_runs",
    "imports",
    "query",
    "search",
    "history",
    "artifact",
    "repro_overhead",
    "environment",
    "repro_all",
)


def main() -> int:
    """Measure what was asked for; 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all without one"
    )
    asked = harness.options_of(parser)
    unknown = set(asked.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark called {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    failed = 0
    for name in asked.names or NAMES:
        print(f"{name} …", file=sys.stderr)
        try:
            figures += harness.carry_out(
                name, importlib.import_module(f"bench.{name}").measure, asked
            ).figures
        except JobFailed as error:
            failed = 1
            print(f"{name} could not be measured: {error}", file=sys.stderr)
    print(harness.table(figures))
    print(f"\n{harness.conditions()}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
