"""A shop that only a sequence model understands, and a small transformer for it."""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from models.loop import LoopConfig
from models.recommender.configs import Transformer
from models.recommender.learned import begin
from models.recommender.sequences import codes_of, moments, vocabulary
from models.recommender.transformer import SequenceTask
from models.split import Split, time_split
from tests.models.shop import MONDAY, table

ITEMS = 11
SMALL = Transformer(width=32, dropout=0.05, length=64, horizon_days=1.0, rows=8)


def ordered_rows(users: int = 100, days: int = 50, seed: int = 3) -> list[tuple]:
    """One purchase a day. Each follows from the two before it; counting pairs of items tells nothing."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        before, last = (int(n) for n in draw.integers(ITEMS, size=2))
        for day in range(days):
            before, last = last, (before + last + 1) % ITEMS if draw.random() < 0.9 else int(draw.integers(ITEMS))
            rows.append((f"u{user:03d}", f"i{last:02d}", day))
    return rows


def ordered_split(rows: list[tuple], test_days: int = 2, cut: int = 47) -> Split:
    events: pa.Table = table(rows)
    return time_split(events, events, MONDAY + timedelta(cut), test_days, 90, repeat=True)


def task_and_net(split: Split, config: Transformer = SMALL, seed: int = 1, share: tuple[int, int] = (0, 1)):
    """What `learned.learn` builds before it trains."""
    import torch

    data = split.train
    items = vocabulary(data, config.min_users)
    found = moments(data, codes_of(data, items), np.arange(len(data.users)))
    net = begin(data, found, items, config, seed)
    return SequenceTask(found, items, config, seed, torch.device("cpu"), share=share), net, items


def loop(epochs: int, checkpoint_steps: int = 100) -> LoopConfig:
    return LoopConfig(epochs, learning_rate=1e-2, checkpoint_steps=checkpoint_steps, seed=1)
