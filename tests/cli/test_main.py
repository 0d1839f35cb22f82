"""What every command has: help, errors in one sentence, exit codes, quiet ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gittrack import cli as command_line
from gittrack import errors
from gittrack.cli.group import ALIASES, COMMANDS, gittrack

from .conftest import program

CONTEXT = click.Context(gittrack, info_name="gittrack")


def command(name: str) -> click.Command:
    found = gittrack.get_command(CONTEXT, name)
    assert found is not None
    return found


def test_gittrack_alone_shows_the_commands_by_purpose(cli) -> None:
    result = cli()

    assert result.exit_code == 0
    for title in ("Record:", "Query:", "Reproduce:", "Housekeeping:"):
        assert title in result.stdout
    assert all(f"  {name}" in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str) -> None:
    found = command(name)

    assert found.name == name
    assert found.help
    assert f"gittrack {name}" in (found.epilog or "")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_option_says_what_it_is_for(name: str) -> None:
    for parameter in command(name).params:
        assert isinstance(parameter, click.Argument) or parameter.help, parameter.name  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_can_answer_in_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in command(name).params)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_names_of_other_tools_mean_the_same_command(alias: str, name: str) -> None:
    assert gittrack.get_command(CONTEXT, alias) is command(name)


def test_an_unknown_command_is_told_what_was_meant(cli) -> None:
    result = cli("sqk", "select 1")

    assert result.exit_code == 2
    assert result.stderr == (
        "gittrack: there is no command 'sqk', did you mean 'sql'?\nhint: gittrack --help\n"
    )


def test_an_unknown_option_is_wrong_usage(cli) -> None:
    result = cli("ls", "--sorted", "x")

    assert result.exit_code == 2
    assert "gittrack: No such option" in result.stderr
    assert "--sort" in result.stderr
    assert result.stderr.endswith("hint: gittrack ls --help\n")


def test_a_hostile_command_name_is_escaped(cli) -> None:
    result = cli("\x1b]0;x\x07")

    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert "\\x1b]0;x\\x07" in result.stderr


def test_with_json_an_error_is_json_on_stdout_too(cli) -> None:
    result = cli("ls", "--json", "--bogus")

    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "error": "No such option '--bogus'.",
        "hint": "gittrack ls --help",
        "kind": "usage",
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ls", "--json"], True),
        (["ls", "--format", "json"], True),
        (["ls", "-f", "json"], True),
        (["ls", "--format=json"], True),
        (["ls"], False),
        (["run", "--", "tool", "--json"], False),
    ],
)
def test_json_is_seen_before_the_arguments_are_understood(arguments: list[str], expected: bool) -> None:
    assert command_line.wants_json(arguments) is expected


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.GittrackError("x"), 1),
        (errors.InvalidValue("x"), 2),
        (click.UsageError("x"), 2),
        (errors.NotFound("x"), 3),
        (errors.Conflict("x"), 4),
        (errors.Damaged("x"), 5),
        (errors.GitFailed("x"), 6),
        (errors.StorageFailed("x"), 1),
        (PermissionError(13, "Permission denied", "runs.csv"), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 70),
        (KeyError("x"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_category_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert command_line.exit_code(error, as_json=False) == code


def test_an_error_is_one_sentence_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.NotFound("no run starts with 'ab\x1bc'", hint="gittrack ls")
    command_line.exit_code(error, as_json=True)

    streams = capsys.readouterr()
    assert streams.err == "gittrack: no run starts with 'ab\\x1bc'\nhint: gittrack ls\n"
    assert json.loads(streams.out) == {
        "error": "no run starts with 'ab\x1bc'",
        "hint": "gittrack ls",
        "kind": "not_found",
    }


def test_what_the_system_refuses_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    command_line.exit_code(PermissionError(13, "Permission denied", "runs.csv"), as_json=False)

    assert capsys.readouterr().err == "gittrack: 'runs.csv': Permission denied\n"


def test_a_bug_shows_its_traceback_escaped_and_where_to_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError("odd \x1b[2J state")
    except RuntimeError as error:
        command_line.exit_code(error, as_json=False)

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "\x1b" not in err
    assert "hint: report it" in err


def test_the_version_is_printed_by_the_program_and_by_click(cli) -> None:
    assert program("--version").stdout == cli("--version").stdout
    assert cli("--version").stdout.startswith("gittrack 0.")


def test_the_help_imports_none_of_the_heavy_packages() -> None:
    check = (
        "import sys; from gittrack.cli import main; main([]); "
        "print(sorted({'duckdb', 'pandas', 'pyarrow', 'numpy', 'git', 'yaml'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)

    assert done.stderr == "[]\n"


def test_a_pipe_that_nobody_reads_ends_the_program_quietly(work: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = program("completion", "bash", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)

    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = program("completion", "bash", capture_output=False, stdout=full, stderr=subprocess.PIPE)

    assert done.returncode == 1
    assert done.stderr == "gittrack: No space left on device\n"


def test_closed_streams_are_no_crash() -> None:
    done = subprocess.run(
        f"'{sys.executable}' -m gittrack completion bash >&-", shell=True, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr == "gittrack: there is no output to write to, it is closed\n"


def test_a_locale_without_unicode_gets_escapes() -> None:
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = program("show", "ünï", "--bogus", env=surroundings)

    assert done.returncode == 2
    assert done.stderr.isascii()


def test_outside_of_git_the_way_in_is_shown(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    result = cli("init")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"gittrack: not a git repository: '{tmp_path}'")
    assert "hint: git init && gittrack init\n" in result.stderr


def test_another_folder_can_be_named_as_with_git(cli, work: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("-C", "project", "init", "--json")

    assert json.loads(result.stdout) == {"folder": str(work / ".gittrack"), "new": True}
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(cli, shell: str) -> None:
    result = cli("completion", shell)

    assert result.exit_code == 0
    assert "_GITTRACK_COMPLETE" in result.stdout


def test_the_shell_completes_commands() -> None:
    surroundings = {
        **os.environ,
        "_GITTRACK_COMPLETE": "bash_complete",
        "COMP_WORDS": "gittrack re",
        "COMP_CWORD": "1",
    }
    done = program(env=surroundings)

    assert done.stdout.split() == ["plain,restore", "plain,repro"]
