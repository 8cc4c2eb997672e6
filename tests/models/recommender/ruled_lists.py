"""Lists of candidates, as the tests of business rules write them down."""

from collections.abc import Sequence

import numpy as np

from models.recommender.rules import Candidates


def candidates(items: Sequence[int], strength: Sequence[float] | None = None, filled: int = 0) -> Candidates:
    """One list of candidates, best first; the last `filled` of them have no score. It is all there is."""
    count = len(items)
    power = np.array([strength if strength is not None else np.arange(count, 0, -1.0)], dtype=np.float64)
    return Candidates(
        np.array([items], dtype=np.int32).reshape(1, count),
        power.reshape(1, count),
        (np.arange(count) >= count - filled)[None, :],
        np.ones(1, dtype=bool),
    )
