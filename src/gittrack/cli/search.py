"""`gittrack search`."""

from __future__ import annotations

import click

from gittrack.cli.formats import Form
from gittrack.cli.listing import Listing
from gittrack.cli.ls import show
from gittrack.cli.options import form_options, scope_options
from gittrack.cli.reading import Scope


@click.command(
    "search",
    epilog="""\b
Examples:
  gittrack search "metrics.auc > 0.9 and params.depth = '6'"
  gittrack search "min(metrics.loss) < 0.1 or tags.reviewed is not null"
  gittrack search "params.lr between 0.01 and 0.1" --order-by "metrics.auc desc" -n 5
  gittrack search "git.branch = 'main' and not status = 'FAILED'" --json
""",
)
@click.argument("filter_string", metavar="FILTER")
@click.option("--experiment", metavar="E", help="Only the runs of this experiment.")
@click.option(
    "--order-by",
    metavar="COL [ASC|DESC]",
    multiple=True,
    help="Sort by this, for instance 'metrics.auc desc'; can be given again. By default the newest run is first.",
)
@click.option("-n", "limit", type=click.IntRange(min=1), metavar="N", help="At most N runs; 50 in a table.")
@click.option("-a", "--all", "everything", is_flag=True, help="Deleted runs and reproductions too.")
@form_options
@scope_options
def search_command(
    filter_string: str,
    experiment: str | None,
    order_by: tuple[str, ...],
    limit: int | None,
    everything: bool,
    form: Form,
    scope: Scope,
) -> None:
    """List the runs that FILTER lets through.

    FILTER compares metrics.KEY, params.KEY, tags.KEY, datasets.name and columns of a run such as status, with =, !=,
    <, <=, >, >=, LIKE, ILIKE, IN, BETWEEN and IS NULL, and joins comparisons with AND, OR, NOT and parentheses.
    Reproductions are left out unless FILTER says something about repro_of or run_id.
    Text stands in quotes; a KEY with other characters than letters, digits, _ and . stands in backticks.
    """
    show(Listing(experiment, everything, None, limit, filter_string, order_by), form, scope)
