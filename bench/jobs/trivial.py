"""A trivial job: start, five params, a hundred points, end."""

import gittrack

with gittrack.start_run():
    gittrack.log_params(
        {"learning_rate": 0.1, "max_depth": 6, "seed": 0, "optimizer": "adam", "shuffle": True}
    )
    for step in range(100):
        gittrack.log_metric("loss", 1 / (step + 1), step=step)
