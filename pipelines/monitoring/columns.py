"""Columns of features and scores against those of an earlier night.

Features stand for the newest night only, so each night keeps a profile of them: cells of equal frequency and the rows
in each. Tonight's values are counted into the cells of the earlier night, and neighbours joined to bins that are about
equally full. Scores of earlier nights are kept as they are.

The same users and items stand on both sides, which makes chance go less far than the thresholds allow for.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial

import numpy as np
import pyarrow as pa

from models.monitoring import drift
from models.monitoring.drift import Tested, Units
from pipelines.contracts import OPS_MONITOR_PROFILES, SCORES_PROPENSITY, SCORES_RECOMMENDATIONS
from pipelines.monitoring.rows import FEATURES, SCORES, Ask
from pipelines.warehouse import Warehouse

TABLES = ("user_features", "item_features")
CELLS = 100
APART, REACH = 7, 28
"""The reference is the newest night at least a week back, and at most four."""

Profile = dict[str, object]


def profiles(connection: Warehouse, day: date) -> list[Profile]:
    """Rows for `ops.monitor_profiles`: of each numeric feature its cells, JSON, tonight."""
    rows: list[Profile] = []
    for table in TABLES:
        for name, values in _numbers(connection, table).items():
            edges = _edges(values)
            counts = _counts(values, edges)
            rows.append({
                "night": day, "table_name": table, "column_name": name, "edges": json.dumps(edges.tolist()),
                "counts": json.dumps(counts.tolist()),
            })  # fmt: skip
    return rows


def features(connection: Warehouse, day: date) -> Iterator[Ask]:
    """Each numeric feature of users and items against the profile of an earlier night."""
    kept = connection.execute(
        f"select table_name, column_name, edges, counts from {OPS_MONITOR_PROFILES.name} where night ="
        f" (select max(night) from {OPS_MONITOR_PROFILES.name} where night <= ? and night >= ?)",
        [day - timedelta(APART), day - timedelta(REACH)],
    ).fetchall()
    found = {(table, column): (json.loads(edges), json.loads(counts)) for table, column, edges, counts in kept}
    for table in TABLES:
        for name, values in _numbers(connection, table).items():
            if (table, name) in found:
                edges, counts = map(np.array, found[table, name])
                said = f"{table}.{name} is spread differently than {APART} or more nights ago: compare its inputs first"
                yield Ask(FEATURES, f"PSI {name}", table, partial(_cells, _counts(values, edges), counts), said)


def scores(connection: Warehouse, day: date) -> Iterator[Ask]:
    """First scores of the lists and both chances against those of an earlier night by a model of the same name."""
    lists, likely = SCORES_RECOMMENDATIONS.name, SCORES_PROPENSITY.name
    first = "select cast(score as double precision) as value from {} where rank = 1 and scored_for = ? {}"
    same = f"and model_name in (select model_name from {lists} where scored_for = ?)"
    before = _earlier(connection, lists, day)
    if before is not None:
        tonight, earlier = (_column(connection, first.format(lists, same), [night, day]) for night in (day, before))
        said = f"First scores of the lists have moved since {before} under the same kind of model"
        yield Ask(SCORES, "PSI score", "recommendations", partial(_values, tonight, earlier), said)
    before = _earlier(connection, likely, day)
    if before is None:
        return
    for (horizon,) in connection.execute(
        f"select distinct horizon_days from {likely} where scored_for = ? order by 1", [day]
    ).fetchall():
        sql = f"select buy_probability as value from {likely} where scored_for = ? and horizon_days = ?"
        tonight, earlier = (_column(connection, sql, [night, horizon]) for night in (day, before))
        said = f"Chances to buy have moved since {before}: a season, or a fault in what they are made from"
        yield Ask(SCORES, f"PSI buy_probability {horizon}d", "propensity", partial(_values, tonight, earlier), said)


def _earlier(connection: Warehouse, table: str, day: date) -> date | None:
    row = connection.execute(
        f"select max(scored_for) from {table} where scored_for <= ? and scored_for >= ?",
        [day - timedelta(APART), day - timedelta(REACH)],
    ).fetchone()
    found: date | None = row[0] if row else None
    return found


def _numbers(connection: Warehouse, table: str) -> dict[str, np.ndarray]:
    """The numeric columns of a feature table, float64, NaN for null; dates and texts are left out."""
    kinds = ("bigint", "integer", "hugeint", "double precision", "double", "numeric", "real")
    columns = connection.execute(
        "select column_name, lower(data_type) from information_schema.columns"
        " where table_schema = 'features' and table_name = ? order by ordinal_position",
        [table],
    ).fetchall()
    names = [name for name, kind in columns if kind in kinds or kind.startswith("decimal")]
    if not names:
        return {}
    values = ", ".join(f'cast("{name}" as double precision) as "{name}"' for name in names)
    read = connection.reader(f"select {values} from features.{table}").read_all()
    return {name: _floats(read[name]) for name in names}


def _column(connection: Warehouse, sql: str, values: list[object]) -> np.ndarray:
    return _floats(connection.reader(sql, values).read_all()["value"])


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _edges(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    if not len(known):
        return known
    places = np.arange(1, CELLS) * len(known) // CELLS
    return np.unique(np.partition(known, places)[places])


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Rows of each cell, int64 [edges + 2]; the last is of what is missing."""
    cell = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
    return np.bincount(cell, minlength=len(edges) + 2)


def _cells(now: np.ndarray, then: np.ndarray, level: float) -> Tested | None:
    units = Units(int(now.sum()), int(then.sum()))
    bins = drift.bins_for(units)
    return drift.compared(*drift.joined(now, then, bins), level, units) if bins > 1 else None


def _values(now: np.ndarray, then: np.ndarray, level: float) -> Tested | None:
    return drift.numbers(now, then, level)
