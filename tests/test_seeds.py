"""One call seeds what there is, and what comes later, and the run says with what."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gittrack
from gittrack.api import state
from gittrack.errors import InvalidValue
from tests.conftest import python, write

STAND_IN = """\
import types
seeds, modes = [], []
def manual_seed(seed): seeds.append(seed)
random = types.SimpleNamespace(set_seed=manual_seed)
def use_deterministic_algorithms(mode): modes.append(mode)
"""


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    before = random.getstate(), np.random.get_state()
    yield
    state.forget()
    random.setstate(before[0])
    np.random.set_state(before[1])


def test_python_and_numpy_give_the_same_numbers_again() -> None:
    rolls = [(gittrack.seed_all(7).random(), random.random(), np.random.rand()) for _ in range(2)]

    assert rolls[0] == rolls[1]
    assert gittrack.seed_all(8).random() != rolls[0][0]


@pytest.mark.parametrize("order", ["import {0}; gittrack.seed_all(1); gittrack.seed_all(7)",
                                   "gittrack.seed_all(1); gittrack.seed_all(7); import {0}"])  # fmt: skip
@pytest.mark.parametrize("name", ["torch", "tensorflow"])
def test_a_framework_is_seeded_now_or_when_it_is_imported(tmp_path: Path, name: str, order: str) -> None:
    write(tmp_path, {f"{name}.py": STAND_IN})
    code = f"import gittrack\n{order.format(name)}\nprint({name}.seeds[-1], {name}.modes)"

    assert python(tmp_path, code).stdout == "7 []\n"


def test_no_framework_is_imported_for_it(tmp_path: Path) -> None:
    write(tmp_path, {"torch.py": STAND_IN})
    code = "import gittrack, sys; gittrack.seed_all(7); print('torch' in sys.modules)"

    assert python(tmp_path, code).stdout == "False\n"


def test_torch_is_made_deterministic_when_that_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"torch.py": STAND_IN})
    code = "import gittrack; gittrack.seed_all(7, deterministic_torch=True); import torch; print(torch.modes)"

    assert python(tmp_path, code).stdout == "[True]\n"


def test_the_seed_is_a_tag_of_the_active_run_and_of_those_that_follow(repo: Path) -> None:
    with gittrack.start_run() as first:
        gittrack.seed_all(7)
    with gittrack.start_run() as second:
        pass
    with gittrack.start_run(tags={"gittrack.seed": "mine"}) as third:
        pass

    tags = [gittrack.get_run(run.info.run_id).data.tags["gittrack.seed"] for run in (first, second, third)]
    assert tags == ["7", "7", "mine"]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "7", None, True])
def test_what_is_no_seed_is_refused_and_nothing_is_seeded(seed: object) -> None:
    random.seed(3)
    expected = random.random()
    random.seed(3)

    with pytest.raises(InvalidValue, match="not a whole number from 0"):
        gittrack.seed_all(seed)  # type: ignore[arg-type]

    assert random.random() == expected


def test_a_number_of_numpys_is_a_seed() -> None:
    assert gittrack.seed_all(np.int64(7)).random() == gittrack.seed_all(7).random()  # type: ignore[arg-type]
    assert "torch" not in sys.modules
