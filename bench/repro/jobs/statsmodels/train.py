"""Regress the yield on measurements with statsmodels, robustly too."""

from __future__ import annotations

import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

import gittrack

with gittrack.start_run(run_name="regression"):
    gittrack.log_data("data/measurements.csv")
    table = pd.read_csv("data/measurements.csv").rename(columns={"yield": "result"})
    formula = "result ~ length + width + height + C(kind)"
    plain = smf.ols(formula, table).fit()
    robust = smf.rlm(formula, table, M=sm.robust.norms.HuberT()).fit()
    gittrack.log_metrics({"r2": plain.rsquared, "aic": plain.aic})
    for step, (value, other) in enumerate(zip(plain.params, robust.params, strict=True)):
        gittrack.log_metrics({"ols": value, "robust": other}, step=step)
    gittrack.log_text(plain.params.to_json(), "params.json")
