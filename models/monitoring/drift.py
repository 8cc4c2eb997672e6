"""Has a column changed? The population stability index, with a threshold that knows how far chance alone goes.

    PSI = Σ over bins of (p − q) · ln(p / q)

`p` are the shares of the bins tonight, `q` those of the reference. Without any drift PSI · 1 / (1/n + 1/m) is about
chi-square with bins − 1 degrees of freedom (Yurdakul and Naranjo 2020), so that the customary "alarm above 0.1" is
wrong on more than a third of the days with 200 rows, and never with 100,000. Here a column alarms where its PSI lies
above both

* `FLOOR`, the least change worth a person's time, however sure; and
* the value that chance exceeds with probability `level`: that of chi-square. Where a bin is expected to hold fewer
  rows than nearly `ROWS_A_BIN`, which chi-square is not made for, it is drawn: bins are made from both samples
  together, so without drift tonight's rows are a random choice of all rows, and tables with the same margins say
  exactly what such choices give (seeded; empty bins and all).

`LEVEL` is the stated rate of a night divided by the `TESTS` that it may hold (Bonferroni), which holds however much
columns depend on each other.

Rows of one person or basket go together, and count for less than rows that do not: `units` says how many independent
ones stand behind the rows, and chance is reckoned from those.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

FLOOR = 0.1
NIGHT_LEVEL, TESTS = 0.01, 200
"""False alarms: at most on this share of nights without any drift, with at most so many tests a night."""
LEVEL = NIGHT_LEVEL / TESTS
BINS, ROWS_A_BIN = 10, 40
"""At most so many bins of equal frequency, and no more than leave each so many rows of the smaller sample."""
NEARLY = 0.9
"""Bins that are cut to hold a number of rows hold nearly as many: cells differ, and values repeat."""
LEAST = 2 * ROWS_A_BIN
"""With fewer independent rows on either side nothing is said."""
DRAWS_BEYOND = 10
"""Draws that are expected beyond the threshold: its own noise is then a third of the level, to either side."""
MOST_DRAWS = 200_000
SEED = 20_180_101
NEW_FLOOR = 0.01
"""Rows of unknown categories, as a share beyond the expected, that are worth an alarm."""
SHARE_FLOOR = 0.02


@dataclass(frozen=True)
class Tested:
    """`value` against `threshold`; the alarm is `value` above it. `n`, `m`: rows tonight and in the reference."""

    value: float
    threshold: float
    n: int
    m: int
    bins: int
    alarm: bool


@dataclass(frozen=True)
class Units:
    """Independent ones behind the rows, such as baskets: at most as many as rows."""

    now: int
    then: int


def level_of(tests: int) -> float:
    """The level of each of so many tests in a night; the same for up to `TESTS`, so that no test moves another's."""
    return NIGHT_LEVEL / max(tests, TESTS)


def numbers(now: np.ndarray, then: np.ndarray, level: float = LEVEL, units: Units | None = None) -> Tested | None:
    """PSI of a numeric column; `now` float [n], `then` float [m], NaN is missing and a bin of its own.

    Bins of equal frequency in both samples together; where values repeat, as zeros do, there are fewer. None with too
    few rows.
    """
    units = units or Units(len(now), len(then))
    tables = binned(now, then, units)
    return None if tables is None else compared(*tables, level, units)


def binned(now: np.ndarray, then: np.ndarray, units: Units) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of each bin tonight and before, int64 [B] each; the last bin is of what is missing. None with too few."""
    bins = bins_for(units)
    if bins < 2:
        return None
    pooled = np.concatenate([now, then])
    missing = np.isnan(pooled)
    known = pooled[~missing]
    places = np.arange(1, bins) * len(known) // bins
    edges = np.unique(np.partition(known, places)[places]) if len(known) else known
    cell = np.where(missing, len(edges) + 1, np.searchsorted(edges, pooled, side="right"))
    tonight, before = (np.bincount(part, minlength=len(edges) + 2) for part in np.split(cell, [len(now)]))
    return joined(tonight, before, bins)


def bins_for(units: Units) -> int:
    return min(BINS, min(units.now, units.then) // ROWS_A_BIN)


def joined(now: np.ndarray, then: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring cells joined until each holds about a `bins`-th of the known rows of both; int64 [B] each.

    `now`, `then` int [C + 1] are rows of C cells in order and of what is missing, which stays a bin of its own. Cells
    of equal frequency differ by a row, so that nine tenths are enough.
    """
    total = (now + then).astype(np.int64)
    known = grouped(total[:-1], NEARLY * total[:-1].sum() / bins)
    group_of = np.append(known, known.max(initial=0) + 1)
    tonight, before = (np.bincount(group_of, side).astype(np.int64) for side in (now, then))
    return tonight, before


def categories(
    now: Sequence[Hashable], then: Sequence[Hashable], level: float = LEVEL, units: Units | None = None
) -> Tested | None:
    """PSI of a column of categories; None among the values is a category of its own.

    Rare categories share bins, those of like frequency together, so that each bin is expected to hold `ROWS_A_BIN`
    rows of the smaller sample. Only both samples together say who shares one, so chance is reckoned as for any bins.
    What one category of a bin lost and another won stays unseen.
    """
    return counted(*_tables(now, then), level, units)


def counted(now: np.ndarray, then: np.ndarray, level: float = LEVEL, units: Units | None = None) -> Tested | None:
    """The same from counts: `now`, `then` int [C], rows of each category, in one order of categories."""
    units = units or Units(int(now.sum()), int(then.sum()))
    smaller = min(units.now, units.then)
    if smaller < LEAST:
        return None
    total = now + then
    order = np.argsort(-total, kind="stable")
    group_of = grouped(total[order] / total.sum() * smaller, ROWS_A_BIN)
    tonight, before = (np.bincount(group_of, part[order]).astype(np.int64) for part in (now, then))
    return compared(tonight, before, level, units)


def grouped(rows: np.ndarray, least: float) -> np.ndarray:
    """The bin of each cell, int [C], when neighbours are joined until each bin holds `least` of `rows` [C]."""
    group_of, group, held = np.empty(len(rows), dtype=np.int64), 0, 0.0
    for cell, more in enumerate(rows.tolist()):
        group_of[cell] = group
        held += more
        if held >= least:
            group, held = group + 1, 0.0
    if held and group:  # the rest is too thin to stand alone
        group_of[group_of == group] = group - 1
    return group_of


def compared(now: np.ndarray, then: np.ndarray, level: float, units: Units) -> Tested | None:
    """PSI of two rows of counts, int [B], and its threshold; None with too few rows."""
    n, m = int(now.sum()), int(then.sum())
    if min(units.now, units.then, n, m) < LEAST:
        return None
    filled = now + then > 0
    now, then = now[filled], then[filled]
    value = float(psi(now, then))
    threshold = max(FLOOR, _by_chance(now + then, Units(min(units.now, n), min(units.then, m)), level))
    return Tested(value, threshold, n, m, len(now), value > threshold)


def psi(now: np.ndarray, then: np.ndarray) -> np.ndarray:
    """PSI of counts, int [..., B], over the last axis; half a row is added to each bin, so that none is empty."""
    bins = now.shape[-1]
    p = (now + 0.5) / (now.sum(axis=-1, keepdims=True) + bins / 2)
    q = (then + 0.5) / (then.sum(axis=-1, keepdims=True) + bins / 2)
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1))


def unknown(
    now: Sequence[Hashable], then: Sequence[Hashable], level: float = LEVEL, units: Units | None = None
) -> Tested | None:
    """The share of tonight's rows whose category the reference has not got.

    Some are new by chance: of a category with c rows in both samples together, all c lie in tonight's with probability
    Π (n − i) / (n + m − i), i < c. The threshold is what such chances exceed with probability `level`, and at least
    `NEW_FLOOR` above what is expected.
    """
    units = units or Units(len(now), len(then))
    if min(units.now, units.then) < LEAST:
        return None
    tonight, before = _tables(now, then)
    rows, times = np.unique(tonight + before, return_counts=True)
    n, m = len(now), len(then)
    chance = np.array([_all_tonight(int(size), n, m) for size in rows])
    possible = chance > 1e-12
    drawn = np.random.default_rng(SEED).binomial(times[possible], chance[possible], (_draws(level), possible.sum()))
    shares = drawn @ rows[possible] / n
    expected = float(times @ (rows * chance)) / n
    beyond = max(_upper(shares, level) - expected, 0.0) * math.sqrt(n / min(units.now, n))
    value = float(tonight[before == 0].sum()) / n
    threshold = expected + max(NEW_FLOOR, beyond)
    return Tested(value, threshold, n, m, len(tonight), value > threshold)


def share(
    now: tuple[int, int], then: tuple[int, int], level: float = LEVEL, units: Units | None = None
) -> Tested | None:
    """|share tonight − share before|, such as of nulls; `now`, `then`: how many, of how many.

    The threshold is what chance exceeds with probability `level`, and at least `SHARE_FLOOR`.
    """
    n, m = now[1], then[1]
    units = units or Units(n, m)
    sizes = Units(min(units.now, n), min(units.then, m))
    if min(sizes.now, sizes.then) < LEAST:
        return None
    value = abs(now[0] / n - then[0] / m)
    together = _scaled(np.array([now[0] + then[0], n + m - now[0] - then[0]]), sizes)
    threshold = max(SHARE_FLOOR, _apart(together, sizes, level))
    return Tested(value, threshold, n, m, 2, value > threshold)


# ---- what chance gives -----------------------------------------------------------------------------------------


def _by_chance(together: np.ndarray, sizes: Units, level: float) -> float:
    """The PSI that tables with these margins exceed with probability `level`; `together` int [B], of both samples."""
    if len(together) < 2:
        return 0.0
    together = _scaled(together, sizes)
    if together.min() * min(sizes.now, sizes.then) >= NEARLY * ROWS_A_BIN * together.sum():
        from scipy.special import chdtri

        return float(chdtri(len(together) - 1, level)) * (1 / sizes.now + 1 / sizes.then)
    return _drawn(tuple(together.tolist()), sizes, level)


def _apart(together: np.ndarray, sizes: Units, level: float) -> float:
    """The distance of two shares that chance exceeds with probability `level`, of rows with these margins, int [2]."""
    if not together.min():
        return 0.0
    if together.min() * min(sizes.now, sizes.then) >= NEARLY * ROWS_A_BIN * together.sum():
        from scipy.special import ndtri

        mean = together[0] / together.sum()
        return float(ndtri(1 - level / 2)) * math.sqrt(mean * (1 - mean) * (1 / sizes.now + 1 / sizes.then))
    drawn = _choices(together, sizes.now, level)[:, 0]
    return _upper(np.abs(drawn / sizes.now - (together[0] - drawn) / sizes.then), level)


@lru_cache(maxsize=512)
def _drawn(together: tuple[int, ...], sizes: Units, level: float) -> float:
    margin = np.array(together)
    now = _choices(margin, sizes.now, level)
    return _upper(psi(now, margin - now), level)


def _choices(together: np.ndarray, n: int, level: float) -> np.ndarray:
    """Tables of n rows, chosen at random from all rows: int [draws, B]."""
    generator = np.random.default_rng(SEED)
    return generator.multivariate_hypergeometric(together, n, size=_draws(level), method="marginals")


def _draws(level: float) -> int:
    return min(MOST_DRAWS, math.ceil(DRAWS_BEYOND / level))


def _upper(drawn: np.ndarray, level: float) -> float:
    """The k-th largest of R values with k = level · (R + 1): one more of their kind lies above with probability below
    `level`, exactly (Davison and Hinkley 1997, 4.2).
    """
    k = max(1, math.floor(level * (len(drawn) + 1)))
    return float(np.partition(drawn, len(drawn) - k)[len(drawn) - k])


def _scaled(together: np.ndarray, sizes: Units) -> np.ndarray:
    """Margins that sum to the independent rows; what rounding leaves over goes to the largest."""
    total = sizes.now + sizes.then
    scaled = np.floor(together * (total / together.sum())).astype(np.int64)
    scaled[np.argmax(together)] += total - scaled.sum()
    return scaled


def _all_tonight(rows: int, n: int, m: int) -> float:
    """Chance that all rows of a category lie in tonight's n, of n + m."""
    if rows > n:
        return 0.0
    steps = np.arange(min(rows, 60))  # the factors of a larger one have made it nothing long before
    return float(np.prod((n - steps) / (n + m - steps))) * (n / (n + m)) ** max(rows - 60, 0)


def _tables(now: Sequence[Hashable], then: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each category tonight and before, int64 [C] each, in the order of their names."""
    counts = Counter(now), Counter(then)
    names = sorted(counts[0].keys() | counts[1].keys(), key=lambda value: (value is None, str(value)))
    tonight, before = (np.array([count[name] for name in names], dtype=np.int64) for count in counts)
    return tonight, before
