"""What is offered for builds is YAML, and its command lines are those of this command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import UsageError

from gittrack.cli.group import gittrack

CONTRIB = Path(__file__).parents[1] / "contrib"
ACTION = CONTRIB / "github-action" / "action.yml"
FILES = sorted(CONTRIB.rglob("*.yml"))
SCRIPTS = ("run", "script", "before_script", "after_script")
EXECUTES = re.compile(r"\bgittrack repro\b")


def steps(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each mapping that has a script, with the script."""
    if isinstance(value, dict):
        for name in SCRIPTS:
            if name in value:
                script = value[name]
                yield value, script if isinstance(script, str) else "\n".join(script)
        for inner in value.values():
            yield from steps(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from steps(inner)


def commands(file: Path) -> Iterator[list[str]]:
    """Yield the arguments of each command line of gittrack, its variables as the file sets them."""
    document = yaml.safe_load(file.read_text())
    inputs = {name: str(one.get("default")) for name, one in document.get("inputs", {}).items()}
    for step, script in steps(document):
        values = {**step.get("env", {}), **step.get("variables", {})}
        for name, value in values.items():
            found = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", str(value))
            values[name] = inputs[found[1]] if found else str(value)
        for line in script.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "gittrack":
                yield [expanded(word, values) for word in words[1:]]


def expanded(word: str, values: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda name: values.get(name[1], "value"), word)


def accepted(words: list[str]) -> bool:
    command = gittrack.get_command(None, words[0])  # type: ignore[arg-type]
    if command is None:
        return False
    try:
        command.make_context(words[0], words[1:])
    except UsageError:
        return False
    return True


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_each_command_line_is_one_that_gittrack_understands(file: Path) -> None:
    found = list(commands(file))

    assert found
    assert [words for words in found if not accepted(words)] == []
    assert not accepted([*found[0], "--no-such-option"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_what_executes_the_code_of_others_is_given_no_token(file: Path) -> None:
    for step, script in steps(yaml.safe_load(file.read_text())):
        if EXECUTES.search(script):
            assert "token" not in yaml.safe_dump(step).lower()


def test_no_input_is_put_into_the_text_of_a_script() -> None:
    document = yaml.safe_load(ACTION.read_text())

    assert [script for _, script in steps(document) if "${{" in script] == []
    assert all("description" in one and "default" in one for one in document["inputs"].values())
    assert all("shell" in step for step in document["runs"]["steps"] if "run" in step)


@pytest.mark.parametrize("folder", sorted({file.parent for file in FILES}), ids=lambda folder: folder.name)
def test_each_has_a_page_that_names_the_danger_and_whose_example_is_yaml(folder: Path) -> None:
    page = (folder / "README.md").read_text()

    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert examples
    assert all(isinstance(yaml.safe_load(example), dict) for example in examples)
    assert "someone else's code" in page
    assert "fork" in page
