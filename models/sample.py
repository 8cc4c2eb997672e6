"""Fewer rows where all would cost too much: drawn, since the order of ids may have a meaning (shops count upwards)."""

import numpy as np

SEED = 20_180_101


def drawn(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of `rows` [n], the same ones every time, in the order they came in."""
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(SEED).permutation(len(rows))[:most])]
