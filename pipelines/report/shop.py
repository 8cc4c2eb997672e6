"""How the shop did: the day against the same day of last week and the four weeks before, rules, customer questions."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.contracts import SCORES_RULE_EFFECTS, SCORES_SHORT_LISTS
from pipelines.report.book import Book, Row

WEEK, FOUR_WEEKS = 7, 28
DAILY, FUNNEL = "marts.daily_kpis", "marts.funnel"


@dataclass(frozen=True)
class Measure:
    table: str
    column: str
    label: str
    kind: str  # see words.number


MEASURES = (
    Measure(DAILY, "revenue", "Revenue", "money"),
    Measure(DAILY, "orders", "Orders", "count"),
    Measure(DAILY, "customers", "Customers", "count"),
    Measure(DAILY, "new_customers", "New customers", "count"),
    Measure(DAILY, "average_order_value", "Average order", "money"),
    Measure(DAILY, "units", "Units sold", "count"),
    Measure(DAILY, "return_amount", "Money returned", "money"),
    Measure(DAILY, "sessions", "Sessions", "count"),
    Measure(DAILY, "anonymous_order_share", "Orders of nobody known", "share"),
    Measure(FUNNEL, "sessions_with_view", "Sessions with a view", "count"),
    Measure(FUNNEL, "sessions_with_cart", "Sessions with a cart", "count"),
    Measure(FUNNEL, "sessions_with_purchase", "Sessions with a purchase", "count"),
    Measure(FUNNEL, "cart_per_view", "Carts per view", "share"),
    Measure(FUNNEL, "purchase_per_cart", "Purchases per cart", "share"),
    Measure(FUNNEL, "purchase_per_session", "Purchases per session", "share"),
)
DRAWN = ("revenue", "orders", "sessions", "purchase_per_session")


def kpis(book: Book) -> dict[str, Any]:
    """`rows`: of each measure the day, a week before, the mean of the four weeks before. `charts`: those four weeks.

    A day without a row was closed, or is not built: it is no zero. `as_of` is the night that the marts stand for.
    """
    known: dict[tuple[str, date], Row] = {}
    for table in (DAILY, FUNNEL):
        columns = ("as_of", "event_date", *(m.column for m in MEASURES if m.table == table))
        rest = "where event_date between ? and ? order by event_date"
        for row in book.rows(table, columns, rest, [book.days_back(FOUR_WEEKS), book.night]):
            known[table, row["event_date"]] = row
    if not known:
        return {"rows": [], "charts": [], "as_of": None, "has_day": False}
    days = [book.days_back(n) for n in range(FOUR_WEEKS, -1, -1)]
    told, drawn = [], []
    for measure in MEASURES:
        values = [known.get((measure.table, day), {}).get(measure.column) for day in days]
        if all(value is None for value in values):
            continue  # a step that the shop does not log
        past = [float(value) for value in values[:-1] if value is not None]
        told.append(
            {
                "label": measure.label, "kind": measure.kind, "now": values[-1], "week": values[-1 - WEEK],
                "mean": sum(past) / len(past) if past else None, "days": len(past),
            }
        )  # fmt: skip
        if measure.column in DRAWN:
            drawn.append({"measure": measure, "days": days, "values": values})
    return {
        "rows": told, "charts": drawn, "as_of": next(iter(known.values()))["as_of"],
        "has_day": (DAILY, book.night) in known,
    }  # fmt: skip


def rule_effects(book: Book) -> list[Row]:
    columns = ("rule", "kind", "state", "note", "valid_from", "valid_until", "items", "lists", "places")
    return book.rows(SCORES_RULE_EFFECTS.name, columns, "where scored_for = ? order by line, rule", [book.night])


def short_lists(book: Book) -> list[Row]:
    columns = ("reason", "users", "missing_rows")
    return book.rows(SCORES_SHORT_LISTS.name, columns, "where scored_for = ? order by reason", [book.night])


def support(book: Book) -> dict[str, Any] | None:
    """The queue as BI sees it: how many wait, how long, and how many of them for a person. None without a queue."""
    table, names = "marts.support_queue", ("as_of", "hand_over", "messages", "oldest")
    sql = (
        f"select as_of, hand_over, cast(count(*) as bigint), max(age_days) from {table}"
        " group by as_of, hand_over order by as_of, hand_over"
    )
    rows = book.ask((table,), names, sql)
    if not rows:
        return None
    waiting = sum(row["messages"] for row in rows)
    handed = sum(row["messages"] for row in rows if row["hand_over"] is not None)
    oldest = max(row["oldest"] for row in rows)
    return {
        "as_of": rows[0]["as_of"], "waiting": waiting, "handed": handed, "oldest": oldest,
        "since": rows[0]["as_of"] - timedelta(oldest),
        "by_reason": [{**row, "hand_over": row["hand_over"] or "a reply is suggested"} for row in rows],
    }  # fmt: skip
