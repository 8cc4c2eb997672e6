"""What monitoring asks, and what it leaves: one row for each number of a night."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from models.monitoring.drift import Tested
from pipelines.contracts import OPS_MONITOR

INPUTS, FEATURES, SCORES, LISTS, MODEL, SPEED = "inputs", "features", "scores", "lists", "model", "speed"


@dataclass(frozen=True)
class Row:
    """`value` against `threshold`, which is null where a number is only kept; `n` is what it was made from."""

    night: date
    area: str
    name: str
    part: str
    value: float | None
    reference: float | None
    threshold: float | None
    alarm: bool
    n: int
    message: str


@dataclass(frozen=True)
class Ask:
    """A test to be made once it is known how many there are: each gets its share of the night's false alarms.

    `test` gives None where too little is known; `said` is what the alarm means to somebody who was asleep.
    """

    area: str
    name: str
    part: str
    test: Callable[[float], Tested | None]
    said: str
    reference: float | None = None

    def row(self, night: date, level: float) -> Row | None:
        found = self.test(level)
        if found is None:
            return None
        subject = f"{self.name} of {self.part}" if self.part else self.name
        message = (
            f"{subject}: {found.value:.3f} over {found.n:,} rows, alarm above {found.threshold:.3f}"
            f" ({found.m:,} rows before)" + (f". {self.said}" if found.alarm else "")
        )
        value, threshold = round(found.value, 6), round(found.threshold, 6)
        return Row(
            night, self.area, self.name, self.part, value, self.reference, threshold, found.alarm, found.n, message
        )


def as_arrow(rows: list[Row]) -> pa.Table:
    """The rows as `ops.monitor` takes them."""
    kinds: dict[str, Any] = {
        "date": pa.date32(), "text": pa.string(), "double precision": pa.float64(), "boolean": pa.bool_(),
        "bigint": pa.int64(),
    }  # fmt: skip
    schema = pa.schema([(name, kinds[kind]) for name, kind in OPS_MONITOR.columns])
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
