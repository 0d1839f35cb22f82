"""Walk down Rosenbrock's valley with three methods of SciPy and keep each one's path."""

from __future__ import annotations

import numpy as np
from scipy.optimize import differential_evolution, minimize, rosen, rosen_der

import gittrack

START = np.array([-1.2, 1.0, -0.5, 0.8])

with gittrack.start_run(run_name="rosenbrock"):
    for method in ("Nelder-Mead", "BFGS"):
        path: list[float] = []
        minimize(
            rosen,
            START,
            method=method,
            jac=rosen_der if method == "BFGS" else None,
            callback=lambda x, path=path: path.append(float(rosen(x))),
        )
        for step, value in enumerate(path):
            gittrack.log_metric(f"{method}/value", value, step=step)
    found = differential_evolution(rosen, [(-2, 2)] * 4, seed=8, maxiter=60, polish=False)
    gittrack.log_metrics({"evolution/value": found.fun, "evolution/calls": found.nfev})
