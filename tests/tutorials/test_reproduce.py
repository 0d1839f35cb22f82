"""The page about reproducing says what happens."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.tutorials.test_churn import play, same, shown

PAGE = Path(__file__).parents[2] / "docs" / "reproduce.md"
DIFFERENT = 7  # how a swap ends that moves something


def test_each_command_of_the_page_answers_what_the_page_says(tmp_path: Path) -> None:
    folder, true = tmp_path / "houses", tmp_path / "reproduce.md"
    shutil.copytree(PAGE.with_suffix(""), folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = PAGE.read_text(encoding="utf-8")

    for line in shown(text):
        done = play(folder, line.command)
        expected = DIFFERENT if line.answer.startswith("different:") else 0
        assert done.returncode == expected, f"$ {line.command}\n{done.stdout}"
        if not same(line.answer, done.stdout):
            text = text.replace(f"$ {line.command}\n{line.answer}", f"$ {line.command}\n{done.stdout}", 1)
            true.write_text(text, encoding="utf-8")

    assert not true.exists(), f"the page is not true any more; {true} is"
