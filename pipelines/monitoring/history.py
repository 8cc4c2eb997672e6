"""Numbers that a night has one of, against those of the four weeks before."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from models.monitoring.past import unlike
from pipelines.contracts import OPS_MONITOR, OPS_RUNS
from pipelines.monitoring.rows import SPEED, Row
from pipelines.warehouse import Warehouse

NIGHTS = 28
FLOOR = 0.2
"""Less than a fifth of the usual value is no change worth a person's time."""
COUNT_REACH = 5.0
"""Roots of a usual count that chance alone goes: where most nights have none or one, their deviation is 0."""
SLOW_SECONDS = 10.0
"""What takes less is starting, not work, and says nothing of rows a second."""


@dataclass(frozen=True)
class Number:
    """`low_only`: more than usual is no alarm. `past`: a value a night; None: those that `ops.monitor` keeps."""

    area: str
    name: str
    part: str
    value: float
    said: str
    low_only: bool = False
    past: np.ndarray | None = None
    count: bool = False


def judged(connection: Warehouse, day: date, numbers: list[Number], level: float) -> Iterator[Row]:
    """A row for each, with a threshold once there are enough nights."""
    kept: dict[tuple[str, str, str], list[float]] = {}
    for area, name, part, value in connection.execute(
        f"select area, name, part, value from {OPS_MONITOR.name} where night < ? and night >= ? and value is not null"
        " order by night",
        [day, day - timedelta(NIGHTS)],
    ).fetchall():
        kept.setdefault((area, name, part), []).append(value)
    for number in numbers:
        if np.isnan(number.value):
            continue
        past = np.array(kept.get((number.area, number.name, number.part), [])) if number.past is None else number.past
        yield _row(day, number, past, level)


def _row(day: date, number: Number, past: np.ndarray, level: float) -> Row:
    usual = float(np.median(past)) if len(past) else None
    floor = FLOOR * abs(usual or 0.0)
    if number.count:
        floor = max(floor, COUNT_REACH * math.sqrt((usual or 0.0) + 1))
    found = unlike(number.value, past, level, floor)
    subject = f"{number.name} of {number.part}" if number.part else number.name
    said = f"{subject}: {number.value:,.4g}"
    value = round(number.value, 6)
    if found is None:
        said += f"; {len(past)} nights before it, too few to judge by"
        return Row(day, number.area, number.name, number.part, value, usual, None, False, len(past), said)
    alarm = found.alarm and not (number.low_only and found.value > found.usual)
    said += f", usually {found.usual:,.4g}, alarm beyond ± {found.threshold:,.4g} ({found.nights} nights)"
    if alarm:
        said += f". {number.said}"
    threshold = round(found.threshold, 6)
    return Row(day, number.area, number.name, number.part, value, found.usual, threshold, alarm, found.nights, said)


def speeds(connection: Warehouse, day: date) -> Iterator[Number]:
    """Rows a second of each step of the night that did work for a while."""
    steps: dict[str, dict[str, float]] = {}
    for night, step, rows, seconds in connection.execute(
        f"select night, step, rows, seconds from {OPS_RUNS.name}"
        " where status = 'done' and rows > 0 and seconds >= ? and night <= ? and night >= ?",
        [SLOW_SECONDS, str(day), str(day - timedelta(NIGHTS))],
    ).fetchall():
        if len(night) == len(str(day)):  # a stretch of history has its own pace
            steps.setdefault(step, {})[night] = rows / seconds
    for step, found in sorted(steps.items()):
        tonight = found.pop(str(day), None)
        if tonight is not None:
            said = f"{step} was slower than usual: another process on the machine, or a change of code or data"
            past = np.array(list(found.values()))
            yield Number(SPEED, "rows per second", step, tonight, said, low_only=True, past=past)
