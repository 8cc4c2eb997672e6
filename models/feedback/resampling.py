"""Sums resampled by cluster: the rows of one user or session stay together, for they are not independent."""

import numpy as np

SEED = 20_180_101
RESAMPLES = 2000
MOST = 20_000
"""More clusters than these are first put into so many groups at random: sums over groups are as independent, ratios of
them vary as much, and the resamples of a million users take no longer than those of twenty thousand."""
_CELLS = 4_000_000


def sums(columns: np.ndarray, cluster: np.ndarray, seed: int = SEED) -> np.ndarray:
    """float64 [C, K]: `columns` float [n, K] summed over the rows of each cluster; `cluster` [n], any sortable ids.

    At most `MOST` rows; which clusters share one is drawn from `seed`.
    """
    names, code = np.unique(cluster, return_inverse=True)
    groups = len(names)
    if groups > MOST:
        code = (np.random.default_rng(seed).permutation(groups) % MOST)[code]
        groups = MOST
    return np.column_stack([np.bincount(code, column, groups) for column in np.asarray(columns, np.float64).T])


def resampled(by_cluster: np.ndarray, seed: int = SEED, n: int = RESAMPLES) -> np.ndarray:
    """float64 [n, K]: totals of `by_cluster` [C, K] in n Poisson bootstrap resamples of its rows.

    Each row enters Poisson(1) times (Hanley and MacGibbon 2006; Chamandy et al. 2012), so the number of rows varies
    too: a mean has to be taken as a ratio of two totals.
    """
    generator = np.random.default_rng(seed)
    rows = max(1, _CELLS // max(len(by_cluster), 1))
    found = np.empty((n, by_cluster.shape[1]))
    for done in range(0, n, rows):
        times = generator.poisson(1.0, (min(rows, n - done), len(by_cluster)))
        found[done : done + rows] = times @ by_cluster
    return found


def ends(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of resampled `values` [n]; NaN where one of them is no number."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
