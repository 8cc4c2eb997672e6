"""Which of several models forecasts: the simplest one that no later one beats beyond doubt."""

from collections.abc import Mapping

import numpy as np

from models.metrics import paired_interval

SEED = 20_180_101


def simplest_unbeaten(losses: Mapping[str, np.ndarray]) -> str:
    """`losses`: each model's loss of every user [n], the same users in the same order, from the simplest model on.

    A model takes over only where the 95 % bootstrap interval of what it saves against the one that leads lies above 0.
    """
    names = list(losses)
    leads = names[0]
    for name in names[1:]:
        if paired_interval(losses[leads], losses[name], SEED)[0] > 0:
            leads = name
    return leads
