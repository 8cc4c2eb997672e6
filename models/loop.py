"""The one training loop: seeds, mixed precision, clipping, early stopping, and checkpoints that resume exactly.

A run that was killed and started again ends with the same weights, bit for bit on one machine, as one that was not:
every step draws its randomness from (seed, step) alone, and a checkpoint holds all else that a step reads. Checkpoints
are artefacts (safetensors and JSON, checked before they are read; see `models.artefact`).
"""

import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from torch.distributed import (
    all_gather_object,
    all_reduce,
    broadcast_object_list,
    destroy_process_group,
    get_rank,
    get_world_size,
    init_process_group,
    is_initialized,
)
from torch.nn.parallel import DistributedDataParallel

from models.artefact import ArtefactError, load_artefact, save_artefact

BatchT = TypeVar("BatchT")
LATEST = "latest.json"
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


@dataclass
class Progress:
    """Where a run stands: all of it is in each checkpoint. `curve` has a row per epoch."""

    step: int = 0
    epoch: int = 0
    best: float = -1.0
    best_epoch: int = -1
    curve: list[dict[str, float]] = field(default_factory=list)
    loss_sum: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Kept:
    """Weights beside those being trained: of the best epoch so far, and their running mean."""

    best: dict[str, torch.Tensor]
    mean: dict[str, torch.Tensor]

    def follow(self, net: nn.Module, decay: float, step: int) -> None:
        """mean ← decay · mean + (1 − decay) · weights; over the first steps the decay is smaller, so that the mean
        forgets where training began.
        """
        now = net.state_dict()
        share = 1 - min(decay, (step + 1) / (step + 10)) if decay else 1.0
        torch._foreach_lerp_([self.mean[name] for name in now], list(now.values()), share)


@dataclass(frozen=True)
class Fitted:
    """The weights of the best epoch (of the last one where nothing was validated) are in the net."""

    best_epoch: int  # counted from 1
    best: float | None
    curve: list[dict[str, float]]
    steps: int
    tokens_per_second: float  # of the steps this process ran itself, validation left out


Observer = Callable[[dict[str, float]], None]


def first_process() -> bool:
    """Whether this process is the one that reads, writes and reports where torchrun started several."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def process_group() -> Iterator[tuple[int, int]]:
    """(rank, processes) of this process; joins the others that torchrun started, and leaves them at the end."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield 0, 1
        return
    init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield get_rank(), world
    finally:
        destroy_process_group()


def device_of(name: str) -> torch.device:
    """`auto`: the GPU of this process where there is one, else the CPU; anything else is torch's own name."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def lowered(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the hardware multiplies it natively (GPUs since Ampere, CPUs with AVX-512 BF16 or AMX), else None.

    On two cores of a CPU with AVX-512 BF16 products ran 2.5 to 4.5 times as fast as in float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else None


def autocast(device: torch.device) -> torch.autocast:
    """Mixed precision in what `lowered` says, or none."""
    low = lowered(device)
    return torch.autocast(device.type, low, enabled=low is not None)


def fit(
    net: nn.Module, task: Task[BatchT], config: LoopConfig, folder: Path, device: torch.device, observe: Observer
) -> Fitted:
    """Train `net` on `device`, from the newest checkpoint in `folder` where there is one.

    `observe` gets each row of the curve as it is made. With `torch.distributed` initialised gradients are averaged over
    the processes; the first one keeps the checkpoints. Raises FloatingPointError where the loss is not finite.
    """
    torch.use_deterministic_algorithms(True)
    # Deterministic mode also fills all new memory, in case somebody reads it before writing. Every tensor here comes
    # from an operation that writes all of it, so the filling changes no result; it took 16 % of a step when profiled.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch's stubs lack it
    net.to(device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    kept = Kept(best=_copy(net), mean=_copy(net))
    progress = _resume(folder, config, net, optimiser, kept)
    trained = DistributedDataParallel(net) if is_initialized() else net
    clock = _Clock()
    while progress.epoch < config.epochs and progress.epoch - progress.best_epoch <= max(1, config.patience):
        _run_epoch(trained, net, task, config, folder, device, optimiser, kept, progress, clock)
        _finish_epoch(net, task, kept, progress, observe)
        _save(folder, config, net, optimiser, kept, progress)
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
    for batch in itertools.islice(task.epoch(progress.epoch), done, None):
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
            _save(folder, config, net, optimiser, kept, progress)


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


# ---- checkpoints ---------------------------------------------------------------------------------------------


def _save(
    folder: Path,
    config: LoopConfig,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    kept: Kept,
    progress: Progress,
) -> None:
    shares = [(progress.loss_sum, progress.tokens)]  # of each process; all else is the same in all of them
    if is_initialized():
        shares = [(0.0, 0)] * get_world_size()
        all_gather_object(shares, (progress.loss_sum, progress.tokens))
        if get_rank() > 0:
            return
    arrays = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    arrays |= {f"best.{name}": tensor for name, tensor in kept.best.items()}
    arrays |= {f"mean.{name}": tensor for name, tensor in kept.mean.items()}
    for index, state in optimiser.state_dict()["state"].items():
        arrays |= {f"adam.{index}.{name}": value for name, value in state.items()}
    meta = {"progress": asdict(progress), "shares": shares, "run": _identity(config)}
    version = save_artefact(folder, {name: value.detach().cpu().numpy() for name, value in arrays.items()}, meta)
    fresh = folder / f"{LATEST}.new"
    fresh.write_text(json.dumps({"version": version}))
    fresh.replace(folder / LATEST)
    for old in folder.iterdir():
        if old.is_dir() and old.name != version:
            shutil.rmtree(old, ignore_errors=True)


def _resume(
    folder: Path,
    config: LoopConfig,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    kept: Kept,
) -> Progress:
    """Load the newest checkpoint into net, optimiser and what is kept. One that fails its check is left alone."""
    try:
        version = str(json.loads((folder / LATEST).read_text())["version"])
        arrays, meta = load_artefact(folder / Path(version).name)
    except (OSError, ValueError, KeyError, TypeError, ArtefactError):
        return Progress()
    if meta["run"] != _identity(config):
        return Progress()
    tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
    net.load_state_dict(_part(tensors, "net."))
    for held, prefix in ((kept.best, "best."), (kept.mean, "mean.")):
        for name, tensor in _part(tensors, prefix).items():
            held[name].copy_(tensor)
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in _part(tensors, "adam.").items():
        index, field_name = name.split(".", 1)
        state.setdefault(int(index), {})[field_name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    loss_sum, read = meta["shares"][get_rank() if is_initialized() else 0]
    return Progress(**{**meta["progress"], "loss_sum": loss_sum, "tokens": read})


def _identity(config: LoopConfig) -> dict[str, Any]:
    """What must be the same for a checkpoint to be a point on the way of this run."""
    return {**asdict(config), "processes": get_world_size() if is_initialized() else 1, "torch": torch.__version__}


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
