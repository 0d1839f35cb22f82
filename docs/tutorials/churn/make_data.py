"""Write data/customers.csv: two thousand customers of a phone company, invented, the same at every call.

python make_data.py
"""

from pathlib import Path

import numpy as np
import pandas as pd

CUSTOMERS = 2000


def customers(seed: int = 9) -> pd.DataFrame:
    """Return a table with a row for each customer; `left` is 1 where the customer left within the year."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "tenure_months": 1 + np.floor(71 * rng.random(CUSTOMERS) ** 1.5).astype(int),
            "monthly_fee": (15 + 60 * rng.random(CUSTOMERS)).round(2),
            "gigabytes": (40 * rng.random(CUSTOMERS) ** 2).round(1),
            "support_calls": np.floor(7 * rng.random(CUSTOMERS) ** 2).astype(int),
            "yearly_contract": (rng.random(CUSTOMERS) < 0.4).astype(int),
            "autopay": (rng.random(CUSTOMERS) < 0.6).astype(int),
        }
    )
    monthly = 1 - table["yearly_contract"]
    price_per_gigabyte = table["monthly_fee"] / (table["gigabytes"] + 5)
    leaning = (
        -3.6
        + 0.55 * table["support_calls"] * monthly  # a contract holds the angry ones
        + 1.8 * np.exp(-table["tenure_months"] / 9)  # the first months decide
        + 0.22 * price_per_gigabyte
        - 0.6 * table["autopay"]
    )
    table["left"] = (rng.random(CUSTOMERS) < 1 / (1 + np.exp(-leaning))).astype(int)
    return table


if __name__ == "__main__":
    path = Path("data/customers.csv")
    path.parent.mkdir(exist_ok=True)
    customers().to_csv(path, index=False, lineterminator="\n")
