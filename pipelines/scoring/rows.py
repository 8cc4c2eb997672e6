"""Arrow rows of the tables that hold lists."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from pipelines.contracts import Table
from pipelines.reasons import reason_columns
from pipelines.scoring.known import Night


@dataclass(frozen=True)
class Stamp:
    """What every scored row says about its origin."""

    model_name: str
    model_version: str
    run_id: str
    scored_at: datetime

    def of(self, name: str, version: str) -> "Stamp":
        """The same for rows that another model made."""
        return replace(self, model_name=name, model_version=version)


def stamped(columns: Mapping[str, pa.Array], stamp: Stamp) -> pa.Table:
    """The columns of P rows and, beside them, where they come from."""
    count = len(next(iter(columns.values())))
    origin = {
        "model_name": pa.repeat(stamp.model_name, count),
        "model_version": pa.repeat(stamp.model_version, count),
        "run_id": pa.repeat(stamp.run_id, count),
        "scored_at": pa.repeat(pa.scalar(stamp.scored_at, pa.timestamp("us", tz="UTC")), count),
    }
    return pa.table({**columns, **origin})


def rows_of(
    known: Night,
    table: Table,
    stamp: Stamp,
    owner: pa.Array,
    rank: np.ndarray,
    item: np.ndarray,
    scores: np.ndarray,
    code: np.ndarray,
    source: np.ndarray,
) -> pa.Table:
    """Arrow rows of one of the three list tables; all arrays [P], `code` into REASONS, `source` an item or -1."""
    count = len(owner)
    owner_name, item_name = table.key[1], table.names[3]
    columns = {
        table.key[0]: pa.repeat(pa.scalar(known.day), count),
        owner_name: owner,
        "rank": pa.array(rank.astype(np.int32)),
        item_name: known.data.items.take(pa.array(item)),
        "score": pa.array(scores.astype(np.float64)),
        **reason_columns(code, source, known.data.items, known.titles),
        "rule": pa.nulls(count, pa.string()),
    }
    return stamped(columns, stamp)
