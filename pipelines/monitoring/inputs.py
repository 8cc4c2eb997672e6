"""What was delivered for the night against the same weekday of the four weeks before."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa

from models.monitoring import drift
from models.monitoring.drift import Units
from pipelines.contracts import OPS_LANDING_FILES, OPS_NIGHTS
from pipelines.monitoring.rows import INPUTS, Ask, Row
from pipelines.warehouse import Warehouse

WEEKS = 4
MOST_ROWS = 100_000
"""Rows of a side that are compared, at most: a choice by the digest of their id."""
NULLABLE = ("user_id", "session_id", "item_id", "quantity", "unit_price")
NUMBERS = {"quantity": "quantity", "unit_price": "unit_price", "amount": "quantity * unit_price"}
OF_FEATURES = ("PSI category", "new categories")
_UNIT = "coalesce(session_id, user_id, event_id)"
_CHECK = "look at the delivery: what the shop sends has changed, or part of it is missing"


def asked(connection: Warehouse, day: date, newest: bool) -> Iterator[Ask]:
    """Tests of the events of `day`; none on a day without events, which freshness speaks of.

    The categories of items are those of the newest night, so only that one is asked about them (`OF_FEATURES`).
    """
    before = [day - timedelta(7 * week) for week in range(1, WEEKS + 1)]
    counts = _counts(connection, day, before)
    if not counts[0] or not counts[1]:
        return
    kinds = sorted({kind for side in counts for kind in side})
    now, then = (np.array([side.get(kind, _NOTHING)[0] for kind in kinds]) for side in counts)
    units = Units(*(sum(row[1] for row in side.values()) for side in counts))
    test = partial(_counted, now, then, units)
    yield Ask(INPUTS, "event types", "", test, f"The mix of event types is another one; {_CHECK}")
    for kind in kinds:
        sides = [side.get(kind, _NOTHING) for side in counts]
        for place, column in enumerate(NULLABLE, 2):
            tonight, earlier = ((row[place], row[0]) for row in sides)
            rate = earlier[0] / earlier[1] if earlier[1] else None
            behind = Units(sides[0][1], sides[1][1])
            said = f"The share of rows without {column} has changed; {_CHECK}"
            yield Ask(INPUTS, f"null {column}", kind, partial(_share, tonight, earlier, behind), said, rate)
    yield from _values(connection, day, before, newest)


def _values(connection: Warehouse, day: date, before: list[date], newest: bool) -> Iterator[Ask]:
    """Distributions of purchased lines: numbers, hours, categories of items and those never seen."""
    now, then = _lines(connection, [day]), _lines(connection, before)
    units = Units(*(len(set(side["unit"].to_pylist())) for side in (now, then)))
    for name in NUMBERS:
        tonight, earlier = (side[name].to_numpy().astype(np.float64) for side in (now, then))
        said = f"The {name} of purchased lines is spread differently; {_CHECK} (a unit, a currency?)"
        yield Ask(INPUTS, f"PSI {name}", "purchase", partial(_numbers, tonight, earlier, units), said)
    for name in ("hour", "category") if newest else ("hour",):
        kinds, before_kinds = (side[name].to_pylist() for side in (now, then))
        said = f"Purchases fall on other {name} values than before; {_CHECK} (a time zone, a catalogue?)"
        yield Ask(INPUTS, f"PSI {name}", "purchase", partial(_categories, kinds, before_kinds, units), said)
    if not newest:
        return
    known, known_before = (side["category"].drop_null().to_pylist() for side in (now, then))
    said = "Categories are sold that were not there before: see whether the products feed renamed them"
    yield Ask(INPUTS, "new categories", "purchase", partial(_unknown, known, known_before, units), said, 0.0)


_NOTHING = (0,) * (len(NULLABLE) + 2)


def _counts(connection: Warehouse, day: date, before: list[date]) -> list[dict[str, tuple[int, ...]]]:
    """By event type, tonight and before: rows, independent units, rows without each nullable column."""
    nulls = ", ".join(f"count(*) - count({column})" for column in NULLABLE)
    sql = (
        f"select event_type, count(*), count(distinct {_UNIT}), {nulls} from raw.events"
        " where event_date = any(?) and landing_date <= ? group by event_type"
    )
    sides = [connection.execute(sql, [days, day]).fetchall() for days in ([day], before)]
    return [{row[0]: tuple(int(value) for value in row[1:]) for row in side} for side in sides]


def _lines(connection: Warehouse, days: list[date]) -> pa.Table:
    numbers = ", ".join(f"cast({sql} as double precision) as {name}" for name, sql in NUMBERS.items())
    return connection.reader(
        f"select {_UNIT} as unit, {numbers}, cast(extract(hour from occurred_at) as integer) as hour, items.category"
        " from raw.events left join features.item_features as items using (item_id)"
        " where event_type = 'purchase' and item_id is not null and event_date = any(?) and landing_date <= ?"
        f" order by md5(event_id), event_id limit {MOST_ROWS}",
        [days, max(days)],
    ).read_all()


def freshness(connection: Warehouse, day: date) -> Iterator[Row]:
    """Days since each entity was last delivered, against twice its longest wait of the 90 days before."""
    rows = connection.execute(
        f"select distinct entity, landing_date from {OPS_LANDING_FILES.name}"
        " where landing_date <= ? and landing_date > ? order by entity, landing_date",
        [day, day - timedelta(90)],
    ).fetchall()
    delivered: dict[str, list[date]] = {}
    for entity, landed in rows:
        delivered.setdefault(entity, []).append(landed)
    for entity, days in delivered.items():
        gaps = [(after - first).days for first, after in pairwise(days)]
        age = (day - days[-1]).days
        limit = 2 * max(gaps) if len(gaps) >= 3 else None
        alarm = limit is not None and age > limit
        message = f"{entity}: last delivered {age} days before this night, longest wait so far {max(gaps, default=0)}"
        if alarm:
            message += f". Ask the shop whether {entity} still come"
        reference = float(max(gaps)) if gaps else None
        yield Row(day, INPUTS, "days since delivery", entity, age, reference, limit, alarm, len(days), message)


def totals(connection: Warehouse, day: date) -> dict[tuple[str, str], float]:
    """Rows of the day, and users and items that were not there on the 28 days before it; nothing of a closed day."""
    if connection.execute(f"select 1 from {OPS_NIGHTS.name} where night = ? and is_closed", [day]).fetchone():
        return {}
    first = day - timedelta(28)
    found = {("rows", "events"): connection.execute(
        "select count(*) from raw.events where event_date = ? and landing_date <= ?", [day, day]
    ).fetchall()[0][0]}  # fmt: skip
    for column, name in (("user_id", "users"), ("item_id", "items")):
        found["new", name] = connection.execute(
            f"select count(*) from (select distinct {column} from raw.events where event_date = ? and landing_date <= ?"
            f" and {column} is not null) as today where not exists (select 1 from raw.events as old"
            f" where old.event_date >= ? and old.event_date < ? and old.{column} = today.{column})",
            [day, day, first, day],
        ).fetchall()[0][0]
    return {key: float(value) for key, value in found.items()}


def _counted(now: np.ndarray, then: np.ndarray, units: Units, level: float) -> drift.Tested | None:
    return drift.counted(now, then, level, units)


def _numbers(now: np.ndarray, then: np.ndarray, units: Units, level: float) -> drift.Tested | None:
    return drift.numbers(now, then, level, units)


def _categories(now: list[str], then: list[str], units: Units, level: float) -> drift.Tested | None:
    return drift.categories(now, then, level, units)


def _unknown(now: list[str], then: list[str], units: Units, level: float) -> drift.Tested | None:
    return drift.unknown(now, then, level, units) if now and then else None


def _share(now: tuple[int, int], then: tuple[int, int], units: Units, level: float) -> drift.Tested | None:
    return drift.share(now, then, level, units)
