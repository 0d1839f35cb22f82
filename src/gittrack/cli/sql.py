"""`gittrack sql`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from gittrack.cli import output, tables
from gittrack.cli.formats import Answer, Form
from gittrack.cli.options import form_options, pairs, scope_options
from gittrack.cli.reading import Scope, reading


@click.command(
    "sql",
    epilog="""\b
Relations:
  runs          run_id, digest, experiment, experiment_id, name, status,
                start_time, end_time, duration_s, commit, code_tree, branch,
                dirty, user, host, parent_run_id, repro_of, command, environment,
                data_digest, deleted, here, params, metrics, tags (these are maps)
  params        run_id, key, value, number
  metrics       run_id, key, last, step, min, max, count
  points        run_id, key, step, timestamp, value
  tags          run_id, key, value
  artifacts     run_id, path, digest, size
  data          run_id, path, digest, size, files, kept_by, how
  datasets      run_id, name, digest, source_type, source, schema, profile,
                context, tags
  models        run_id, model_id, role, step
  experiments   experiment_id, name, lifecycle_stage, creation_time,
                last_update_time, tags
  environments  digest, python, platform, distributions
  events        run_id, experiment_id, op, key, value, time, user, digest
  commits       commit, parents, author, time, subject, branches

\b
Examples:
  gittrack sql "select name, metrics['val_auc'] as auc from runs order by auc desc limit 5"
  gittrack sql "select * from metrics where key = $key and last > $least" -p key=val_auc -p least=0.9
  gittrack sql "select * from points" -o points.parquet
  gittrack sql - < report.sql
""",
)
@click.argument("query")
@click.option(
    "-p",
    "--param",
    "params",
    metavar="NAME=VALUE",
    multiple=True,
    callback=pairs,
    help="Give $NAME a value: text that becomes what it is compared with; elsewhere cast it: $NAME::double.",
)
@form_options
@scope_options
def sql_command(query: str, params: Mapping[str, str], form: Form, scope: Scope) -> None:
    """Ask SQL of every run there is: all branches, the working tree, live runs.

    QUERY is DuckDB's SQL over the relations below; - reads it from stdin. Nothing outside of them can be
    read, nothing can be written. In JSON and CSV, numbers that are none are the words NaN, Infinity and
    -Infinity.
    """
    text = sys.stdin.read() if query == "-" else query
    with reading(scope) as session:
        result = session.sql(text, params)
        answer = Answer(result.columns, result, arrow=result.arrow)
        if not form.is_table:
            form.write(answer)
            return
        with form.opened():
            style = tables.Style(output.width(), {"status": output.STATUS_COLOURS.get})
            left_out = tables.draw(answer.columns, answer.rows, style)
    tables.tell_left_out(left_out)
