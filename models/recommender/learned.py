"""Learn the transformer from one split: its weights on the training days, when to stop on the test days."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.loop import Fitted, LoopConfig, Observer, device_of, fit, process_group
from models.recommender.configs import Transformer
from models.recommender.evaluation import evaluate
from models.recommender.sequences import codes_of, moments, vocabulary
from models.recommender.transformer import Net, SequenceTask, TransformerModel
from models.split import Split

SEED = 20_180_101
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
) -> Learned:
    """Train on `validation.train`, stop early by NDCG@10 on its test days; resumes from checkpoints in `folder`.

    `available` bool [I] of `validation.train`. Under torchrun every process calls this with equal arguments and all
    return equal weights. Raises `TooLittle`.
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
        torch.manual_seed(seed)
        net = Net(config, len(items))
        net.start_from(np.bincount(found.item, minlength=len(items)))
        task = SequenceTask(found, items, config, seed, target, judge, share)
        loop = LoopConfig(config.epochs, config.patience, config.learning_rate, config.weight_decay, seed=seed)
        fitted = fit(net, task, loop, folder, target, observe)
    return Learned(TransformerModel(net.eval(), items, config), fitted)


def _judge(split: Split, available: np.ndarray) -> Callable[[TransformerModel], float]:
    return lambda model: float(evaluate(model, split, available).values["all"]["ndcg"].mean())
