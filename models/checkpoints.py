"""Where a training run stands, kept so that it can go on exactly there.

Checkpoints are artefacts (safetensors and JSON, checked before they are read; see `models.artefact`).
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.distributed import all_gather_object, get_rank, get_world_size, is_initialized

from models.artefact import ArtefactError, load_artefact, save_artefact

if TYPE_CHECKING:
    from models.loop import LoopConfig

LATEST = "latest.json"


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


def save(
    folder: Path,
    config: "LoopConfig",
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


def resume(
    folder: Path,
    config: "LoopConfig",
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


def _identity(config: "LoopConfig") -> dict[str, Any]:
    """What must be the same for a checkpoint to be a point on the way of this run."""
    return {**asdict(config), "processes": get_world_size() if is_initialized() else 1, "torch": torch.__version__}


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
