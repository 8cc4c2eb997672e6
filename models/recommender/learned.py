"""Learn the transformer from one split: its weights on the training days, when to stop on the test days."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from scipy import sparse

from models.devices import device_of, process_group
from models.interactions import Interactions
from models.loop import Fitted, LoopConfig, Observer, fit
from models.recommender import transition
from models.recommender.configs import TRANSITION, Transformer, Transition
from models.recommender.evaluation import evaluate
from models.recommender.net import Net
from models.recommender.sequences import Moments, codes_of, moments, vocabulary
from models.recommender.transformer import SequenceTask, TransformerModel
from models.split import Split

SEED = 20_180_101
JUDGED = 5_000
"""Test users that early stopping looks at, at most: more would cost more than the epoch they judge."""
LEAST_USERS, LEAST_ITEMS = 8, 8
"""Below either there is nothing for a transformer to learn that the floors do not count already."""


class TooLittle(Exception):
    """There is not enough data to learn from; the text says how much there is."""


@dataclass(frozen=True)
class Learned:
    model: TransformerModel
    fitted: Fitted


def learn(
    validation: Split,
    available: np.ndarray,
    config: Transformer,
    folder: Path,
    device: str,
    observe: Observer,
    seed: int = SEED,
    start: Transition = TRANSITION,
) -> Learned:
    """Train on `validation.train`, stop early by NDCG@10 on its test days; resumes from checkpoints in `folder`.

    `available` bool [I] of `validation.train`; `start`: the transitions whose factors the embeddings begin with. Under
    torchrun every process calls this with equal arguments and all return equal weights. Raises `TooLittle`.
    """
    data = validation.train
    items = vocabulary(data, config.min_users)
    active = int((np.diff(data.offsets) > 0).sum())
    if active < LEAST_USERS or len(items) < LEAST_ITEMS:
        raise TooLittle(f"{active} people and {len(items)} items with {config.min_users} people each")
    found = moments(data, codes_of(data, items), np.arange(len(data.users)))
    judge = _judge(validation, available)
    with process_group() as share:
        target = device_of(device)
        net = begin(data, found, items, config, seed, start)
        task = SequenceTask(found, items, config, seed, target, judge, share)
        loop = LoopConfig(
            config.epochs, config.patience, config.learning_rate, config.average, config.weight_decay, seed=seed
        )
        fitted = fit(net, task, loop, folder, target, observe)
    return Learned(TransformerModel(net.eval(), items, config), fitted)


def begin(
    data: Interactions, found: Moments, items: pa.Array, config: Transformer, seed: int, start: Transition = TRANSITION
) -> Net:
    """The network before its first step; `found` are the moments of `data` in the vocabulary `items`."""
    torch.manual_seed(seed)
    net = Net(config, len(items))
    known = pc.index_in(items, value_set=data.items).to_numpy()
    follows = cast(sparse.csr_array, transition.fit(data, start).matrix)[known][:, known]
    net.start_from(np.bincount(found.item, minlength=len(items)), follows, seed)
    return net


def _judge(split: Split, available: np.ndarray) -> Callable[[TransformerModel], float]:
    """NDCG@10 of a drawn sample of the test users."""
    few = split.sample(JUDGED, SEED)
    return lambda model: float(evaluate(model, few, available).values["all"]["ndcg"].mean())
