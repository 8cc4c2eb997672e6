"""`nightmarket report`: the page that says in the morning how a night went."""

from typing import Annotated

import typer

from pipelines import cli_io
from pipelines.cli_io import day_of, done
from pipelines.settings import load_settings, night


def report(
    day: Annotated[str, typer.Option("--date", help="The night, YYYY-MM-DD (UTC).", metavar="DATE")],
) -> None:
    """Write the page that says how a night went, published or not, and what needs a person."""
    from pipelines.report import REPORT
    from pipelines.steps import run_step

    done(run_step(load_settings(), REPORT, night(day_of(day)), cli_io.report))
