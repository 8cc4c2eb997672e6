"""Is tonight's number unlike those of the nights before?

For what a night has one of: a count, a share, a speed. The distance from the median of the past nights is measured in
their median absolute deviation (MAD). How far chance goes in that is drawn, for as many past nights as there are, from
normal numbers (seeded), so that a number alarms with probability `level` where nights are alike, and independent, and
normal; where their tails are heavier, more often. A weekly pattern widens the MAD and is not taken for a change.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.monitoring.drift import SEED

LEAST_NIGHTS = 14
DRAWS = 200_000


@dataclass(frozen=True)
class Unlike:
    """`value` against `usual`, the median; the alarm is a distance above `threshold`."""

    value: float
    usual: float
    threshold: float
    nights: int
    alarm: bool


def unlike(value: float, past: np.ndarray, level: float, floor: float) -> Unlike | None:
    """`past` float [N], one value a night, NaN where there was none; `floor`, the least distance worth an alarm.

    None with fewer than `LEAST_NIGHTS` nights.
    """
    known = past[~np.isnan(past)]
    if len(known) < LEAST_NIGHTS or np.isnan(value):
        return None
    usual = float(np.median(known))
    deviation = float(np.median(np.abs(known - usual)))
    threshold = max(floor, reach(len(known), level) * deviation)
    return Unlike(value, usual, threshold, len(known), abs(value - usual) > threshold)


@lru_cache(maxsize=64)
def reach(nights: int, level: float) -> float:
    """Distance from the median, in MADs of `nights` normal numbers, that one more exceeds with probability `level`."""
    drawn = np.random.default_rng(SEED).normal(size=(DRAWS, nights + 1))
    past = drawn[:, 1:]
    usual = np.median(past, axis=1)
    deviation = np.median(np.abs(past - usual[:, None]), axis=1)
    return float(np.quantile(np.abs(drawn[:, 0] - usual) / deviation, 1 - level))
