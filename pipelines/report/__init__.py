"""`nightmarket report`: one page that says in the morning how the night went."""

from collections.abc import Callable
from datetime import date
from typing import Any

from pipelines import ops
from pipelines.errors import NightmarketError, UsageError
from pipelines.fence import Attempt
from pipelines.settings import Batch, Settings, night
from pipelines.steps import Report, Step, run_step


def write_report(settings: Settings, night: date) -> dict[str, Any]:
    """Write the page of a night and the list of all; equal for an equal warehouse. Returns the path and the headline.

    What steps left in the outbox is taken in first, so that the last of them is on the page. Raises NightmarketError
    where there is no warehouse, Unavailable where another process holds it.
    """
    from pipelines.report.attention import attention, headline
    from pipelines.report.gather import gather
    from pipelines.report.kept import keep
    from pipelines.report.page import page, summary

    ops.flush(settings)
    found = gather(settings, night)
    items = attention(found)
    path = keep(settings, night, page(found))
    return {
        "report": str(path), "headline": headline(found), "summary": summary(items),
        "needs_a_person": [f"{item.level}: {item.text}" for item in items],
    }  # fmt: skip


def _report(settings: Settings, batch: Batch, attempt: Attempt) -> dict[str, Any]:
    told = write_report(settings, batch.last)
    return {**told, "rows": 0, "lines": [f"{told['headline']} {told['summary']} {told['report']}"]}


REPORT = Step("report", _report, scope="report")


def with_report(settings: Settings, day: date, say: Report, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `run`, a whole night, returns, with the path of its report. A night that fails has a report, too."""
    try:
        result = run()
    except UsageError:  # there was no night
        raise
    except NightmarketError:
        _after(settings, day, say)
        raise
    return {**result, "report": _after(settings, day, say)}


def _after(settings: Settings, day: date, say: Report) -> str | None:
    """The report's path, or None where it cannot be had: `run_step` said why, and how the night ended matters more."""
    try:
        return str(run_step(settings, REPORT, night(day), say)["report"])
    except Exception:  # a full disk or a lost database, too: BI has its night, or the night has its own failure to tell
        return None
