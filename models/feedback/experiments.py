"""Read-out of an A/B test: rates of each variant with intervals, the split of users, what could be detected.

The unit is the user: whoever was assigned counts, and all rows of a user stay together. A metric is a ratio of two
sums over users, Σ top / Σ bottom: clicks by impressions (CTR), converted by users (conversion), revenue by users
(revenue per user). Its variance is that of the linearised ratio, the delta method (Deng, Knoblich and Lu 2018):

    R = Σ top / Σ bottom,   se² = n / (n − 1) · Σ (top − R bottom)² / (Σ bottom)²
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MISMATCH = 0.0005
"""Sample-ratio mismatch is called below this p: one false alarm in 2,000 sound tests (Fabijan et al. 2019)."""
Z_INTERVAL = 1.959964
Z_POWER = 0.841621
"""Of a power of 80 %."""


@dataclass(frozen=True)
class Rate:
    """A variant's metric; `error` is its standard error, `low` and `high` the 95 % interval."""

    users: int
    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Read:
    """One metric of a variant against the control. Intervals are 95 %; NaN where nothing can be said.

    `ratio` is variant / control, its interval that of the logarithm. `detectable`: the least difference, in the
    metric's unit, that so many users would have shown with a power of 80 %.
    """

    control: Rate
    variant: Rate
    difference: float
    difference_low: float
    difference_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    detectable: float


@dataclass(frozen=True)
class Split:
    """Users by variant against the shares that were meant; `sound` is False where p is below `MISMATCH`."""

    users: dict[str, int]
    meant: dict[str, float]
    chi_square: float
    p: float
    sound: bool


def rate(top: np.ndarray, bottom: np.ndarray) -> Rate:
    """The ratio of two sums over users; both float [U]. Zero users, or a `bottom` of 0 throughout, give NaN."""
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    users, below = len(top), float(bottom.sum())
    if not users or not below:
        return Rate(users, *[math.nan] * 4)
    value = float(top.sum()) / below
    error = math.nan
    if users > 1:
        error = math.sqrt(users / (users - 1) * float(((top - value * bottom) ** 2).sum())) / below
    return Rate(users, value, error, value - Z_INTERVAL * error, value + Z_INTERVAL * error)


def read(control: tuple[np.ndarray, np.ndarray], variant: tuple[np.ndarray, np.ndarray]) -> Read:
    """`control` and `variant`: (top, bottom) of each user. The two hold different users, so variances add up."""
    own, other = rate(*variant), rate(*control)
    difference, error = own.value - other.value, math.hypot(own.error, other.error)
    ratio = ratio_low = ratio_high = math.nan
    if own.value > 0 and other.value > 0:
        ratio = own.value / other.value
        spread = Z_INTERVAL * math.hypot(own.error / own.value, other.error / other.value)
        ratio_low, ratio_high = ratio * math.exp(-spread), ratio * math.exp(spread)
    return Read(
        control=other,
        variant=own,
        difference=difference,
        difference_low=difference - Z_INTERVAL * error,
        difference_high=difference + Z_INTERVAL * error,
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        detectable=(Z_INTERVAL + Z_POWER) * error,
    )


def split(users: Mapping[str, int], meant: Mapping[str, float]) -> Split:
    """Pearson's chi-square of users by variant against their shares, which sum to 1.

    A test whose split is off says nothing, whatever its metrics show: whoever is missing is not missing at random.
    Raises ValueError where names differ, a share is not above 0, or shares do not sum to 1.
    """
    from scipy.special import chdtrc

    if set(users) != set(meant):
        raise ValueError(f"users of {sorted(users)}, shares of {sorted(meant)}")
    if min(meant.values()) <= 0 or not math.isclose(sum(meant.values()), 1, abs_tol=1e-9):
        raise ValueError(f"shares must be above 0 and sum to 1: {dict(meant)}")
    total = sum(users.values())
    expected = {name: total * share for name, share in meant.items()}
    found = sum((users[name] - wanted) ** 2 / wanted for name, wanted in expected.items()) if total else 0.0
    p = float(chdtrc(len(meant) - 1, found))
    return Split(dict(users), dict(meant), found, p, p >= MISMATCH)


def by_user(user: np.ndarray, **columns: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of `columns` [n] over the rows of each user [n], and `users`: sorted ids [U], `ones`: 1 for each."""
    users, code = np.unique(user, return_inverse=True)
    sums = {name: np.bincount(code, np.asarray(values, np.float64), len(users)) for name, values in columns.items()}
    return {"users": users, "ones": np.ones(len(users)), **sums}


def read_out(assigned: np.ndarray, values: Mapping[str, np.ndarray], control: str) -> dict[str, dict[str, Read]]:
    """{variant: {ctr, conversion, revenue_per_user}} against `control`, of users in any order.

    `assigned` [U]: each user's variant, for all who were assigned, shown or not. `values`: impressions, clicks,
    purchases, revenue, each [U], sums of the user. Raises ValueError where nobody was assigned to `control`.
    """
    if not (assigned == control).any():
        raise ValueError(f"nobody was assigned to {control}")
    ones = np.ones(len(assigned))
    metrics = {
        "ctr": (values["clicks"], values["impressions"]),
        "conversion": (np.asarray(values["purchases"]) > 0, ones),
        "revenue_per_user": (values["revenue"], ones),
    }
    base = assigned == control
    return {
        str(name): {
            metric: read((top[base], bottom[base]), (top[assigned == name], bottom[assigned == name]))
            for metric, (top, bottom) in metrics.items()
        }
        for name in np.unique(assigned[~base])
    }
