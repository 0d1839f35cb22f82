"""How fast gittrack is, against the bounds it was built to.

    python -m bench [NAME ...] [--quick] [--record]    every benchmark, one Markdown table
    python -m bench.start [--quick] [--record]         one of them

Each module measures one subject in fresh processes: the programs in `jobs/`, which look like what a user would
write. Where a bound is a share of something, both are measured side by side, turn by turn, so that a machine which
others use too slows both. `--record` makes each execution a run of the experiment `bench` in this project's store.

`repro/` measures something else: whether reproductions of many kinds of jobs get the verdict that is right.
"""
