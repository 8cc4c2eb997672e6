"""What a forecast of a night leaves: rows of its score table, and how well the same was said a horizon ago."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from pipelines.contracts import OPS_MODEL_METRICS
from pipelines.scoring.rows import Stamp
from pipelines.warehouse import Warehouse, upsert

DIGITS = 6
"""Decimals of a probability."""


@dataclass(frozen=True)
class Foretold:
    """`judged`, by days of horizon: rows of model_name, metric, value, low, high, users. `note`: which model, why."""

    family: str
    rows: pa.Table
    judged: dict[int, list[dict[str, Any]]]
    version: str
    note: str


def keep_judgements(connection: Warehouse, found: Foretold, night: date, stamp: Stamp) -> None:
    """Rows of `ops.model_metrics`, in place of those that the night left before.

    Judged are models made as of a horizon before the night, on the days since; the version is the one that the night
    itself is scored by, made in the same way of newer days.
    """
    for days, rows in found.judged.items():
        key = {"family": found.family, "cutoff": night - timedelta(days), "test_days": days}
        where = " and ".join(f'"{name}" = ?' for name in key)
        connection.execute(f"delete from {OPS_MODEL_METRICS.name} where {where}", list(key.values()))
        same = {**key, "model_version": found.version, "slice": "all", "trained_at": stamp.scored_at}
        upsert(connection, OPS_MODEL_METRICS, [{**same, **row} for row in rows])
