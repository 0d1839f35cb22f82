"""One seed for all generators of random numbers that a training has."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from gittrack.api.active import active_run
from gittrack.api.state import STATE
from gittrack.errors import InvalidValue
from gittrack.record.site._gittrack_imports import after_import
from gittrack.record.site._gittrack_torch import settle
from gittrack.record.system_tags import SEED

if TYPE_CHECKING:
    import numpy as np

_MOST = 2**32  # NumPy's global generator takes no larger seed


def seed_all(seed: int, *, deterministic_torch: bool = False) -> np.random.Generator:
    """Seed `random`, NumPy's global generator, PyTorch on all devices and TensorFlow; record the seed with the run.

    PyTorch and TensorFlow are not imported for it: they are seeded at once if they are there, else when they are
    imported. The seed is the tag `gittrack.seed` of the active run and of those that this process starts from now on.
    Not seeded: JAX, whose keys are passed by hand (`jax.random.key(seed)`); generators that exist already, such as
    those of `numpy.random.default_rng()`; other processes; and hashing, which is fixed when Python starts
    (`PYTHONHASHSEED`, or `gittrack run --deterministic`).

    Args:
        seed: At least 0, below 2**32.
        deterministic_torch: Make PyTorch use deterministic algorithms; an operation that has none raises. On a GPU
            PyTorch then asks for `CUBLAS_WORKSPACE_CONFIG=:4096:8`.

    Returns:
        A NumPy generator of its own with this seed.

    Raises:
        InvalidValue: The seed is not such a number.
    """
    number = _checked(seed)
    import random

    import numpy as np

    random.seed(number)
    np.random.seed(number)
    STATE.seed = number
    after_import("torch", _seed_torch)
    after_import("tensorflow", _seed_tensorflow)
    if deterministic_torch:
        after_import("torch", settle)
    run = active_run()
    if run is not None:
        run.set_tag(SEED, number)
    return np.random.default_rng(number)


def _checked(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, bool) or not 0 <= number < _MOST:
        raise InvalidValue(
            f"the seed {seed!r:.80} is not a whole number from 0 to {_MOST - 1}", hint="gittrack.seed_all(7)"
        )
    return number


def _seed_torch(torch: Any) -> None:
    torch.manual_seed(STATE.seed)  # of all its devices, also those that it finds later


def _seed_tensorflow(tensorflow: Any) -> None:
    tensorflow.random.set_seed(STATE.seed)
