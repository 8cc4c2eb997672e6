"""Everything that the page of one night says, read in one go."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines import bi
from pipelines.errors import NightmarketError
from pipelines.report import learned, lists, runs, shop
from pipelines.report.book import Book, Row
from pipelines.report.delivered import Delivered, delivered
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse


@dataclass(frozen=True)
class Gathered:
    """Rows as the warehouse has them; `page` says them."""

    night: date
    shown: date | None  # the night BI sees
    outcome: runs.Outcome
    steps: list[Row]
    audits: list[Row]
    audit_pages: list[dict[str, Any]]
    overrides: list[Row]
    delivered: Delivered
    kpis: dict[str, Any]
    lists: list[Row]
    short_lists: list[Row]
    families: list[dict[str, Any]]
    scored_by: list[Row]
    monitor: list[Row]
    rule_effects: list[Row]
    support: dict[str, Any] | None


def gather(settings: Settings, night: date) -> Gathered:
    """Raises NightmarketError where there is no warehouse, Unavailable where another process holds it."""
    with open_warehouse(settings, read_only=True) as connection:
        book = Book(connection, night)
        found = runs.outcome(book)
        return Gathered(
            night=night,
            shown=_shown(settings),
            outcome=found,
            steps=runs.steps(book, found),
            audits=runs.audits(book, found),
            audit_pages=runs.audit_pages(settings, found),
            overrides=runs.overrides(book, found),
            delivered=delivered(settings, book, found),
            kpis=shop.kpis(book),
            lists=lists.lists(settings, book),
            short_lists=shop.short_lists(book),
            families=learned.families(settings, book),
            scored_by=learned.scored_by(book),
            monitor=learned.monitored(book),
            rule_effects=shop.rule_effects(book),
            support=shop.support(book),
        )


def _shown(settings: Settings) -> date | None:
    try:
        return bi.current_night(settings)
    except NightmarketError:  # nothing was ever published
        return None
