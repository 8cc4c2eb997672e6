"""The one training loop: seeds, mixed precision, clipping, early stopping, and checkpoints that resume exactly.

A run that was killed and started again ends with the same weights, bit for bit on one machine, as one that was not:
every step draws its randomness from (seed, step) alone, and a checkpoint (`models.checkpoints`) holds all else that a
step reads.
"""

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from torch.distributed import all_reduce, broadcast_object_list, get_rank, get_world_size, is_initialized
from torch.nn.parallel import DistributedDataParallel

from models.checkpoints import Kept, Progress, resume, save
from models.devices import autocast, deterministic

BatchT = TypeVar("BatchT")
WARM = 3
"""Steps left out of the throughput: the first ones allocate memory and compile kernels."""


@dataclass(frozen=True)
class LoopConfig:
    """`patience`: validations without a new best before stopping; `checkpoint_steps`: steps between checkpoints.

    The learning rate rises over `warmup_steps` and falls from epoch to epoch along half a cosine (Loshchilov and Hutter
    2017). `average`: decay of the running mean of the weights, which is what is validated and kept (Polyak and Juditsky
    1992); 0 keeps the weights as they are.
    """

    epochs: int
    patience: int = 3
    learning_rate: float = 1e-3
    average: float = 0.0
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup_steps: int = 20
    checkpoint_steps: int = 100
    seed: int = 20_180_101


class Task(Protocol, Generic[BatchT]):
    """What is learned. All three are pure: the same arguments give the same values."""

    def epoch(self, number: int) -> Iterator[BatchT]:
        """The batches of one epoch, in order; of the share of this process where several train together."""

    def loss(self, net: nn.Module, batch: BatchT) -> tuple[torch.Tensor, int]:
        """A scalar to minimise, and the number of tokens read for it."""

    def validate(self, net: nn.Module) -> float | None:
        """What early stopping goes by, larger is better; None where there is nothing to validate on."""


@dataclass(frozen=True)
class Fitted:
    """The weights of the best epoch (of the last one where nothing was validated) are in the net."""

    best_epoch: int  # counted from 1
    best: float | None
    curve: list[dict[str, float]]
    steps: int
    tokens_per_second: float  # of the steps this process ran itself, validation left out


Observer = Callable[[dict[str, float]], None]


def fit(
    net: nn.Module, task: Task[BatchT], config: LoopConfig, folder: Path, device: torch.device, observe: Observer
) -> Fitted:
    """Train `net` on `device`, from the newest checkpoint in `folder` where there is one.

    `observe` gets each row of the curve as it is made. With `torch.distributed` initialised gradients are averaged over
    the processes; the first one keeps the checkpoints. Raises FloatingPointError where the loss is not finite.
    """
    deterministic()
    net.to(device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    kept = Kept(best=_copy(net), mean=_copy(net))
    progress = resume(folder, config, net, optimiser, kept)
    trained = DistributedDataParallel(net) if is_initialized() else net
    clock = _Clock()
    while progress.epoch < config.epochs and progress.epoch - progress.best_epoch <= max(1, config.patience):
        _run_epoch(trained, net, task, config, folder, device, optimiser, kept, progress, clock)
        _finish_epoch(net, task, kept, progress, observe)
        save(folder, config, net, optimiser, kept, progress)
    net.load_state_dict(kept.best)
    value = progress.best if progress.best >= 0 else None
    return Fitted(progress.best_epoch + 1, value, progress.curve, progress.step, clock.rate())


def _run_epoch(
    trained: nn.Module,
    net: nn.Module,
    task: Task[BatchT],
    config: LoopConfig,
    folder: Path,
    device: torch.device,
    optimiser: torch.optim.Optimizer,
    kept: Kept,
    progress: Progress,
    clock: "_Clock",
) -> None:
    """The steps of one epoch that are still to do."""
    done = progress.step - sum(int(row["steps"]) for row in progress.curve)
    cooled = 0.5 * (1 + math.cos(math.pi * progress.epoch / config.epochs))
    net.train()
    batches = itertools.islice(task.epoch(progress.epoch), done, None)
    for batch in ahead(batches) if device.type == "cuda" else batches:
        started = time.perf_counter()
        seed_step(config.seed, progress.step)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * cooled * min(1.0, (progress.step + 1) / max(1, config.warmup_steps))
        with autocast(device):
            loss, tokens = task.loss(trained, batch)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {progress.step}: lower the learning rate")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), config.clip)
        optimiser.step()
        progress.step += 1
        kept.follow(net, config.average, progress.step)
        progress.loss_sum += float(loss.detach()) * tokens
        progress.tokens += tokens
        clock.add(tokens, time.perf_counter() - started)
        if progress.step % config.checkpoint_steps == 0:
            save(folder, config, net, optimiser, kept, progress)


def _finish_epoch(net: nn.Module, task: Task[BatchT], kept: Kept, progress: Progress, observe: Observer) -> None:
    """Validate the mean, keep it where it is the best so far, and write down the row of the curve."""
    net.eval()
    present = _copy(net)
    net.load_state_dict(kept.mean)
    value = _validated(net, task)
    net.load_state_dict(present)
    before = sum(int(row["steps"]) for row in progress.curve)
    row: dict[str, float] = {
        "epoch": progress.epoch + 1,
        "steps": progress.step - before,
        "loss": _mean_over_processes(progress.loss_sum, progress.tokens),
    }
    if value is not None:
        row["validation"] = value
    if value is None or value > progress.best:
        progress.best, progress.best_epoch = -1.0 if value is None else value, progress.epoch
        for name, tensor in kept.mean.items():
            kept.best[name].copy_(tensor)
    progress.curve.append(row)
    progress.epoch, progress.loss_sum, progress.tokens = progress.epoch + 1, 0.0, 0
    observe(row)


def ahead(batches: Iterator[BatchT], depth: int = 3) -> Iterator[BatchT]:
    """The same batches in the same order, the next few of them made while this one is on the device."""

    def one() -> list[BatchT]:
        """The next batch, or none."""
        return list(itertools.islice(batches, 1))

    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(one) for _ in range(depth))
        while found := coming.popleft().result():
            coming.append(pool.submit(one))
            yield found[0]


def seed_step(seed: int, step: int) -> None:
    """Dropout and whatever else draws from torch's own generators, from (seed, step) alone."""
    rank = get_rank() if is_initialized() else 0
    torch.manual_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1))


def _validated(net: nn.Module, task: Task[BatchT]) -> float | None:
    """The first process judges for all: they stop together, and go by one number."""
    value = None
    if not is_initialized() or get_rank() == 0:
        with torch.no_grad():
            value = task.validate(net)
    if is_initialized():
        shared = [value]
        broadcast_object_list(shared, src=0)
        value = shared[0]
    return value


def _mean_over_processes(total: float, tokens: int) -> float:
    pair = torch.tensor([total, float(tokens)], dtype=torch.float64)
    if is_initialized() and get_world_size() > 1:
        if torch.cuda.is_available():
            pair = pair.cuda()
        all_reduce(pair)
    return float(pair[0] / pair[1].clamp(min=1))


def _copy(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


class _Clock:
    """Tokens per second of the steps after the first few."""

    def __init__(self) -> None:
        self.steps, self.tokens, self.seconds = 0, 0, 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.steps += 1
        if self.steps > WARM:
            self.tokens, self.seconds = self.tokens + tokens, self.seconds + seconds

    def rate(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0
