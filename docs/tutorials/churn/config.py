"""What a training can be told."""

import argparse
from dataclasses import dataclass, fields

EXPERIMENT = "churn"


@dataclass(frozen=True)
class Config:
    """One training; every field is a param of its run."""

    data: str = "data/customers.csv"
    validation_share: float = 0.3
    seed: int = 0
    degree: int = 1  # of the polynomial that the features are expanded to
    alpha: float = 0.001  # strength of the regularisation
    churn_weight: float = 1.0  # how much more a customer who left counts in training
    learning_rate: float = 0.002
    epochs: int = 20

    @classmethod
    def from_command_line(cls) -> "Config":
        """Read one option for each field, --churn-weight for churn_weight."""
        parser = argparse.ArgumentParser()
        for field in fields(cls):
            option = "--" + field.name.replace("_", "-")
            parser.add_argument(option, type=type(field.default), default=field.default)
        return cls(**vars(parser.parse_args()))
