"""`ls`, `show`, `sql`, `log`, `diff`, and the events of `tag`, `delete`, `restore`, on real runs."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import commit_all, python

from .conftest import HOSTILE_NAME, program

SCRIPT = f"""
import gittrack
for place, name in enumerate(["first", "second", {HOSTILE_NAME!r}]):
    with gittrack.start_run(run_name=name, experiment_name="churn" if place else "other"):
        gittrack.log_param("lr", 0.1 * (place + 1))
        gittrack.log_param("depth", 6)
        for step in range(3):
            gittrack.log_metric("auc", 0.5 + 0.1 * place + 0.01 * step, step=step)
        gittrack.log_metric("odd", [float("nan"), float("inf"), -0.0][place], step=2**53 + 1)
        gittrack.set_tag("note", {HOSTILE_NAME!r})
        gittrack.log_text("kept", "notes.txt")
"""
QUERIES = [["ls"], ["show", "second"], ["sql", "select * from runs"], ["log"], ["diff", "first", "second"]]
DANGEROUS = set(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x200B])) - {"\n"}


@pytest.fixture
def recorded(work: Path) -> Path:
    """The current folder: a repository with three runs, the last with a hostile name."""
    python(work, SCRIPT)
    return work


def found(cli, *arguments: str):
    result = cli(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("arguments", [["ls"], ["sql", "select run_id from runs"], ["log"]])
def test_where_nothing_is_recorded_queries_say_so_and_how_to_begin(cli, work: Path, arguments) -> None:
    result = cli(*arguments, "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == []
    assert result.stderr.startswith("nothing recorded here yet\nhint: gittrack run -- ")
    assert not (work / ".gittrack").exists()


def test_a_run_cannot_be_shown_where_nothing_is_recorded(cli, work: Path) -> None:
    result = cli("show", "first")

    assert result.exit_code == 3
    assert "hint: gittrack run -- python train.py" in result.stderr


def test_ls_lists_the_newest_first_with_what_differs(cli, recorded: Path) -> None:
    head, *rows = cli("ls").stdout.splitlines()

    assert head.split() == ["run", "status", "name", "started", "experiment", "auc", "odd", "lr", "took"]
    assert len(rows) == 3
    assert rows[1].split()[1:3] == ["FINISHED", "second"]
    assert rows[2].split()[-5:-2] == ["0.52", "NaN", "0.1"]


def test_ls_sorts_by_column_metric_and_param(cli, recorded: Path) -> None:
    def names(*options: str) -> list[str]:
        return [row["name"] for row in found(cli, "ls", *options)]

    assert names("--sort", "auc") == ["first", "second", HOSTILE_NAME]
    assert names("--sort", "-metrics.auc", "-n", "1") == [HOSTILE_NAME]
    assert names("--sort", "-lr") == [HOSTILE_NAME, "second", "first"]
    assert names("--sort", "name")[1:] == ["first", "second"]
    assert names("--experiment", "other") == ["first"]


def test_ls_names_a_column_that_no_run_has(cli, recorded: Path) -> None:
    result = cli("ls", "--sort", "loss'; drop")

    assert result.exit_code == 3
    assert "no run has a column, metric, param or tag 'loss'; drop' to sort by" in result.stderr


def test_ls_says_when_there_is_more(cli, recorded: Path) -> None:
    assert cli("ls", "-n", "2").stderr == "2 of 3 runs; -n 3 lists every one\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["search", "metrics.acu > 0.5"], "the filter lets no run through\n"),
        (["ls", "--experiment", "chrun"], "no run to list\n"),
    ],
)
def test_a_question_that_no_run_answers_says_so(cli, recorded: Path, arguments, sentence: str) -> None:
    result = cli(*arguments, "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert result.stderr.startswith(sentence)
    assert cli(*arguments).stdout == ""


def test_numbers_that_json_lacks_are_words_and_large_steps_exact(cli, recorded: Path) -> None:
    rows = found(cli, "sql", "select value, step from points where key = 'odd'")

    assert {str(row["value"]) for row in rows} == {"NaN", "Infinity", "-0.0"}
    assert {row["step"] for row in rows} == {2**53 + 1}


def test_sql_takes_parameters(cli, recorded: Path) -> None:
    query = (
        "select name from runs where metrics['auc'] > $least and params['depth'] = $depth order by name desc"
    )
    rows = found(cli, "sql", query, "-p", "least=0.55", "-p", "depth=6")

    assert [row["name"] for row in rows] == ["second", HOSTILE_NAME]


def test_sql_is_read_from_stdin(cli, recorded: Path) -> None:
    assert json.loads(cli("sql", "-", "--json", input="select 1 as one").stdout) == [{"one": 1}]


@pytest.mark.parametrize(
    "query", ["selec 1", "select nothing from runs", "select 1; select 2", "drop table runs", ""]
)
def test_a_bad_query_is_one_sentence(cli, recorded: Path, query: str) -> None:
    result = cli("sql", query)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("gittrack: ")
    assert "Traceback" not in result.stderr


def test_sql_to_parquet_keeps_types(cli, recorded: Path) -> None:
    result = cli("sql", "select step, value from points", "-o", "points.parquet")

    assert result.exit_code == 0
    table = pq.read_table(recorded / "points.parquet")
    assert [str(field.type) for field in table.schema] == ["int64", "double"]
    assert table.num_rows == 12


def test_csv_of_runs_has_a_column_for_each_param_and_metric(cli, recorded: Path) -> None:
    assert cli("ls", "-o", "runs.csv").exit_code == 0

    with (recorded / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["params.lr"] for row in rows][-1] == "0.1"
    assert rows[0]["name"] == "'" + HOSTILE_NAME
    assert [row["metrics.odd"] for row in rows][1:] == ["Infinity", "NaN"]


@pytest.mark.parametrize("arguments", QUERIES, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("form", ["table", "csv", "markdown", "json"])
def test_a_hostile_name_is_harmless_in_every_command_and_form(cli, recorded: Path, arguments, form) -> None:
    result = cli(*arguments, "--format", form)

    assert result.exit_code == 0
    assert not DANGEROUS & set(result.output)


def test_show_has_all_of_a_run(cli, recorded: Path) -> None:
    text = cli("show", "second").stdout

    for words in (
        "name        second",
        "status      FINISHED",
        "lr          0.2",
        "step 2, 3 points",
        "notes.txt",
    ):
        assert words in text


def test_show_is_found_by_the_first_digits_of_the_id(cli, recorded: Path) -> None:
    run_id = found(cli, "ls", "-n", "1")[0]["run_id"]

    assert found(cli, "show", run_id[:8])["run_id"] == run_id


def test_show_in_json_has_the_fields_of_the_record(cli, recorded: Path) -> None:
    document = found(cli, "show", "first")

    assert document["params"] == {"lr": 0.1, "depth": 6}
    assert document["metrics"]["odd"]["last"] == "NaN"
    assert document["start_time"].endswith("Z")
    assert document["code"]["branch"] == "main"


def test_diff_shows_what_is_not_alike(cli, recorded: Path) -> None:
    document = found(cli, "diff", "first", "second")

    assert document["params"] == {"lr": {"a": 0.1, "b": 0.2}}
    assert document["facts"]["experiment"] == {"a": "other", "b": "churn"}
    assert document["code"]["same"] is True
    assert "code: the same" in cli("diff", "first", "second").stdout


def test_diff_shows_the_lines_of_code(cli, recorded: Path) -> None:
    (recorded / "train.py").write_text("print('better')\n")
    commit_all(recorded, "better")
    python(recorded, "import gittrack; gittrack.start_run(run_name='third'); gittrack.end_run()")

    assert "  changed  train.py\n" in cli("diff", "first", "third").stdout
    assert "\n+print('better')\n" in cli("diff", "first", "third", "--patch").stdout


def test_log_shows_commits_with_the_runs_made_from_them(cli, recorded: Path) -> None:
    [entry] = found(cli, "log")

    assert entry["subject"] == "first"
    assert [run["name"] for run in entry["made"]] == ["first", "second", HOSTILE_NAME]
    assert "made from it" in cli("log").stdout


def test_here_and_at_narrow_every_query(cli, recorded: Path) -> None:
    assert len(found(cli, "ls", "--here")) == 3
    result = cli("ls", "--at", "HEAD", "--json")
    assert json.loads(result.stdout) == []
    assert result.stderr.startswith("no run is in what --here or --at looks at\n")
    assert cli("ls", "--at", "v9.9").exit_code == 3
    assert cli("ls", "--at", "--output=x").exit_code == 3
    assert cli("ls", "--at", "HEAD", "--here").exit_code == 2


def test_tags_are_set_and_removed_after_the_run_has_ended(cli, recorded: Path) -> None:
    assert found(cli, "tag", "first", "reviewed=yes", "by=a=b", "--remove", "note")["events"]
    assert found(cli, "show", "first")["tags"] == {"reviewed": "yes", "by": "a=b"}


def test_a_tag_command_without_tags_is_wrong_usage(cli, recorded: Path) -> None:
    before = sorted((recorded / ".gittrack" / "events").rglob("*"))
    assert cli("tag", "first").exit_code == 2
    result = cli("tag", "first", "novalue")
    assert (result.exit_code, "'novalue' is not K=V.\n" in result.stderr) == (2, True)
    assert cli("tag", "first", "\x1b[2J=x").exit_code == 2
    assert sorted((recorded / ".gittrack" / "events").rglob("*")) == before


def test_deleted_runs_are_out_of_the_list_until_they_are_restored(cli, recorded: Path) -> None:
    assert cli("delete", "first", "second").exit_code == 0
    assert len(found(cli, "ls")) == 1
    assert len(found(cli, "ls", "--all")) == 3

    assert cli("restore", "first").exit_code == 0
    assert len(found(cli, "ls")) == 2


def test_a_deleted_run_is_shown_as_deleted(cli, recorded: Path) -> None:
    assert found(cli, "show", "first")["deleted"] is False
    cli("delete", "first")
    assert found(cli, "show", "first")["deleted"] is True
    assert "  deleted  " in cli("show", "first").stdout
    assert ["run", "deleted", "yes"] in list(
        csv.reader(cli("show", "first", "--format", "csv").stdout.splitlines())
    )


def test_nothing_is_deleted_when_one_of_the_names_is_wrong(cli, recorded: Path) -> None:
    assert cli("delete", "first", "no-such-run").exit_code == 3
    assert len(found(cli, "ls")) == 3


def test_a_damaged_run_is_left_out_and_said_to_be(cli, recorded: Path) -> None:
    file = next((recorded / ".gittrack" / "runs").glob("*/*/run.yaml"))
    for copy in recorded.rglob(f"runs/{file.parent.parent.name}/{file.parent.name}/run.yaml"):
        copy.chmod(0o644)
        copy.write_bytes(copy.read_bytes().replace(b"churn", b"chuRn").replace(b"other", b"otHer"))

    result = cli("ls", "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 2
    assert "left out, damaged: gittrack fsck names them\n" in result.stderr
    assert cli("fsck").exit_code == 5


def test_a_listing_imports_no_package_that_it_does_not_need(recorded: Path) -> None:
    check = (
        "import sys; from gittrack.cli import main; main(['ls']); "
        "print(sorted({'pandas', 'pyarrow', 'numpy', 'git'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)

    assert done.stderr == "[]\n"


def test_the_shell_completes_runs_whose_names_are_plain(recorded: Path, monkeypatch) -> None:
    monkeypatch.setenv("_GITTRACK_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "gittrack show ")
    monkeypatch.setenv("COMP_CWORD", "2")

    assert sorted(program().stdout.split()) == ["plain,first", "plain,second"]


def on_a_terminal(*arguments: str, columns: int) -> str:
    """Run gittrack on a terminal of its own and return what is seen there."""
    import pty

    child, descriptor = pty.fork()
    if child == 0:
        os.environ |= {"COLUMNS": str(columns), "TERM": "xterm"}
        os.execv(sys.executable, [sys.executable, "-m", "gittrack", *arguments])
    seen = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the program is
        while chunk := os.read(descriptor, 4096):
            seen += chunk
    os.close(descriptor)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return seen.decode().replace("\r\n", "\n")


@pytest.mark.filterwarnings("ignore:.*use of forkpty:DeprecationWarning")
def test_on_a_terminal_a_table_has_colours_and_fits(recorded: Path) -> None:
    assert program("ls").returncode == 0  # the index stands: no progress is told, however slow the machine
    seen = on_a_terminal("ls", columns=70)

    assert "\x1b[32mFINISHED\x1b[0m" in seen
    assert " ago" in seen
    plain = seen.replace("\x1b[32m", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
    table, _, note = plain.partition("no room for ")
    assert all(len(line) <= 70 for line in table.splitlines())
    assert note
    assert not DANGEROUS & set(plain)
