"""The options of a reproduction, on the command line and handed to a process of its own."""

from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from gittrack.cli.reproducing import reproduction_options
from gittrack.repro.options import Mode, Options
from gittrack.repro.tolerance import Tolerance

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name != "*"
)
sizes = st.floats(0, allow_infinity=False, allow_nan=False)
given_sizes = st.dictionaries(st.just("*") | names, sizes, max_size=3)


@given(
    st.builds(
        Options,
        tolerance=st.builds(Tolerance.of, given_sizes, given_sizes),
        times=st.integers(2, 9),
        accept_spread=st.booleans(),
        env=st.sampled_from(Mode),
        pass_env=st.lists(names.filter(lambda name: not name.startswith("-"))).map(tuple),
    )
)
def test_a_process_of_its_own_is_given_the_options_as_they_are(options: Options) -> None:
    seen = []

    @click.command()
    @reproduction_options
    def command(options: Options) -> None:
        seen.append(options)

    command.main(options.arguments(), standalone_mode=False)

    assert seen == [options]
