"""What people said, and showed by clicking, that answers a query: what the order of search results is learned from."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from pipelines import lake
from pipelines.contracts import EVENTS, IS_DUPLICATE, LANDING_DATE, QUERIES
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

CLICK_DAYS, DEEPEST, MOST_SHOWN = 28, 20, 500_000
"""Days of impressions that are read, how far down a list they are, and how many at most: the newest."""
MOST_PAIRS = 200_000
"""Pairs that are learned from at most, of judged ones and of clicks each."""


@dataclass(frozen=True)
class Pairs:
    """P pairs by query and item: `query` (in small letters) and `item_id` of each, `grade` float64 [P] from 0 up."""

    query: list[str]
    item_id: list[str]
    grade: np.ndarray

    def __len__(self) -> int:
        return len(self.query)


def judged_pairs(settings: Settings, until: date) -> tuple[Pairs, dict[str, date]]:
    """Judged pairs as of `until`, each as it was delivered last; and the day each query was first judged."""
    rows = lake.dataset(settings, QUERIES.name, lambda day: day <= until)
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("judged", rows)
        found = connection.execute(
            "select lower(trim(query)) as asked, item_id, cast(grade as double) as grade from judged"
            f" where not {IS_DUPLICATE} and grade >= 0 and trim(query) <> ''"
            f" qualify row_number() over (partition by asked, item_id order by {LANDING_DATE} desc, query) = 1"
            " order by asked, item_id limit ?",
            [MOST_PAIRS],
        ).to_arrow_table()
        first = connection.execute(
            f"select lower(trim(query)) as asked, min({LANDING_DATE}) from judged"
            f" where not {IS_DUPLICATE} group by asked"
        ).fetchall()
    return _pairs(found), dict(first)


def clicked_pairs(settings: Settings, until: date) -> Pairs:
    """Pairs graded 0 to 4 by clicks on the shop's own results of the last 28 days, position bias taken out.

    No pair where the log does not say at which place a product was shown for which query, or no product changed places.
    """
    from models.nlp.search.clicks import NoInterventions, judged

    log = click_log(settings, until)
    if not log.num_rows:
        return Pairs([], [], np.zeros(0))
    try:
        return _pairs(judged(log).slice(0, MOST_PAIRS))
    except NoInterventions:
        return Pairs([], [], np.zeros(0))


def click_log(settings: Settings, until: date) -> "pa.Table":
    """Of each product shown in a session for a query: query, item_id, place (from 1), clicked; in a fixed order.

    A view, a cart or a purchase of it in the same session for the same query is the click.
    """
    days = lake.dataset(settings, EVENTS.name, lambda day: until - timedelta(CLICK_DAYS) < day <= until)
    known = f"{LANDING_DATE} <= ? and not {IS_DUPLICATE} and trim(query) <> '' and session_id is not null"
    known += " and item_id is not null"
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("events", days)
        return connection.execute(
            "with shown as ("
            "  select lower(trim(query)) as query, item_id, session_id, min(position) as place,"
            "  max(occurred_at) as seen"
            f"  from events where {known} and event_type = 'impression' and position between 1 and ?"
            "  group by all order by seen desc, session_id, query, item_id limit ?"
            "), looked as ("
            "  select distinct lower(trim(query)) as query, item_id, session_id from events"
            f"  where {known} and event_type in ('view', 'add_to_cart', 'purchase')"
            ") select query, item_id, place, looked.session_id is not null as clicked"
            " from shown left join looked using (query, item_id, session_id)"
            " order by query, item_id, place, session_id",
            [until, DEEPEST, MOST_SHOWN, until],
        ).to_arrow_table()


def _pairs(table: "pa.Table") -> Pairs:
    query, item, grade = (table.column(n) for n in range(3))
    return Pairs(query.to_pylist(), item.to_pylist(), np.asarray(grade.to_numpy(), dtype=np.float64))
