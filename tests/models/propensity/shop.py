"""A shop of people with a rhythm: each buys every so many days, and some stop."""

import numpy as np
import pyarrow as pa

from models.propensity.visits import Visits

TODAY = 20_000


def visits(rows: list[tuple[int, int]], users: int, today: int = TODAY, late: int = 0) -> Visits:
    """`rows`: (user, day) of purchases of two lines for 10; each known `late` days after."""
    user, day = (np.array(part, dtype=np.int64) for part in zip(*sorted(rows), strict=True))
    count = len(user)
    names = pa.array([f"u{n:04d}" for n in range(users)])
    return Visits(names, today, user, day, day + late, np.full(count, 2.0), np.full(count, 10.0), np.zeros(count))


def rhythm(users: int = 400, days: int = 330, today: int = TODAY, seed: int = 3) -> list[tuple[int, int]]:
    """Every user buys each `period` days, give or take two, until they lapse for good; a third of them do."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        period, day = int(draw.integers(5, 45)), today - days + int(draw.integers(0, 45))
        end = today - int(draw.integers(0, days)) if draw.random() < 0.33 else today
        while day <= end:
            rows.append((user, day))
            day += max(1, period + int(draw.integers(-2, 3)))
    return rows
