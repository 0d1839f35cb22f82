"""The table of docs/mlflow.md: each row is exercised, and each difference that a test permits has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs" / "mlflow.md"
ROW = re.compile(r"^\| `([a-z-]+)` \|", re.MULTILINE)


def permitted() -> set[str]:
    """Return the slugs that tests name when they permit a difference."""
    calls = [
        node
        for file in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    ]
    names = {
        node.args[0].value
        for node in calls
        if getattr(node.func, "attr", getattr(node.func, "id", "")) in ("differs", "row")
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    return {*names, "errors"}  # `refused` names this one itself


def test_each_permitted_difference_is_a_row_of_the_table_and_each_row_is_exercised() -> None:
    rows = ROW.findall(GUIDE.read_text())
    assert sorted(rows) == sorted(permitted())


def test_each_row_has_its_four_cells_and_a_reason() -> None:
    for line in GUIDE.read_text().splitlines():
        if ROW.match(line):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            assert len(cells) == 5, line
            assert all(cells), line
