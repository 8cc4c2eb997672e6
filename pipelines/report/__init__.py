"""`nightmarket report`: one page that says in the morning how the night went."""

from datetime import date
from typing import Any

from pipelines import ops
from pipelines.settings import Settings


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
