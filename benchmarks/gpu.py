"""Train the transformer on made-up events and score a large catalogue, in bfloat16, on one or several GPUs.

    python -m benchmarks.gpu --events 100000000 --items 1000000
    torchrun --nproc-per-node 4 -m benchmarks.gpu --events 100000000 --items 1000000

Needs torch, numpy and pyarrow alone: what the models import beyond them is not used here, and where it is missing an
empty name stands in. Run from the project's folder; nothing is read or written. On a machine without a GPU the same
happens on its CPU (`--events 50000 --items 20000 --rows 8 --steps 3 --width 64` takes a minute).

Events follow a Zipf law over items, each person within a tenth of the catalogue. Windows, packing, targets and
negatives are those of training (`SequenceTask`). `tokens_per_second` counts real moments over the wall clock, the
making of batches included; `device_tokens_per_second` leaves that out. `utilisation` (MFU) is model operations over
what the device does at its best: per moment 6 operations for each weight of the blocks and 12 · length · width for
attention (Chowdhery et al. 2022, appendix B), per state 6 · candidates · width for the loss, against a large product in
the same type measured in the same run. Several processes are summed. `busy_percent` is what NVML says meanwhile.

`users_per_second` are exact lists of 20 by `models.recommender.engine` with the trained item embeddings; `same_on_cpu`
says whether those of the first users are, bit for bit, what the CPU gives.
"""

import argparse
import itertools
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.distributed import all_gather_object
from torch.nn.parallel import DistributedDataParallel

from benchmarks._bare import STOOD_IN_FOR
from models.devices import autocast, deterministic, device_of, lowered, process_group
from models.loop import ahead, seed_step
from models.recommender.configs import EVENT_WEIGHTS, Transformer
from models.recommender.engine.engine import Engine
from models.recommender.net import Net
from models.recommender.sequences import Moments
from models.recommender.transformer import Batch, SequenceTask

SEED = 20_180_101
K = 20
COMPARED = 64


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--rows", type=int, default=512, help="rows of 128 moments in a batch, over all processes")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warm", type=int, default=10, help="steps before the clock starts")
    parser.add_argument("--users", type=int, default=65_536, help="users that lists are made for, in each process")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic products, as in training
    with process_group() as (rank, world):
        device = device_of(asked.device)
        config = Transformer(width=asked.width, blocks=asked.blocks, heads=max(1, asked.width // 64), rows=asked.rows)
        task = SequenceTask(
            made_up(asked.events, asked.items), pa.array(range(asked.items)), config, SEED, device, share=(rank, world)
        )
        torch.manual_seed(SEED)
        net = Net(config, asked.items).to(device)
        found = gathered(
            {**train(net, task, config, asked.steps, asked.warm, device), **score(net, asked.users, device)}
        )
        if rank == 0:
            print(
                json.dumps(
                    {
                        **vars(asked),
                        "device": name_of(device),
                        "processes": world,
                        "stood_in_for": STOOD_IN_FOR,
                        **summed(found),
                    }
                ),
                flush=True,
            )


# ---- data --------------------------------------------------------------------------------------------------------


def made_up(events: int, items: int, per_user: int = 100) -> Moments:
    """Events that are moments of their own, some thousand a person at most, 100 on average, over a year."""
    draw = np.random.default_rng(SEED)
    size = np.minimum(draw.geometric(1 / per_user, max(1, events // per_user)), 2000)
    offsets = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    count, people = int(offsets[-1]), len(size)
    rank = np.floor(np.exp(draw.random(count, dtype=np.float32) * np.log(max(2, items // 10)))).astype(np.int64) - 1
    home = np.repeat(draw.integers(0, 10, people), size)
    kind = draw.choice(len(EVENT_WEIGHTS), count, p=(0.9, 0.07, 0.03)).astype(np.int64)
    day = np.sort(np.repeat(np.arange(people, dtype=np.float64), size) + draw.random(count)) % 1 * 365
    return Moments(
        item=np.minimum(home * (items // 10) + rank, items - 1),
        event=kind,
        weight=np.asarray(EVENT_WEIGHTS, np.float32)[kind],
        first=np.arange(count + 1, dtype=np.int64),
        day=day.astype(np.float32),
        offsets=offsets,
    )


# ---- training ----------------------------------------------------------------------------------------------------


@dataclass
class Count:
    tokens: int = 0
    operations: float = 0.0
    steps: float = 0.0  # seconds in steps


def train(
    net: Net, task: SequenceTask, config: Transformer, steps: int, warm: int, device: torch.device
) -> dict[str, float]:
    """Steps as `models.loop` takes them, without its checkpoints and its mean of the weights."""
    deterministic()
    trained: nn.Module = DistributedDataParallel(net) if torch.distributed.is_initialized() else net
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    count, began, loss = Count(), time.perf_counter(), torch.zeros(())
    batches = itertools.islice(itertools.chain.from_iterable(map(task.epoch, itertools.count())), warm + steps)
    net.train()
    with busy(device) as said:
        for number, batch in enumerate(ahead(batches) if device.type == "cuda" else batches):
            if number == warm:
                finish(device)
                count, began = Count(), time.perf_counter()
            started = time.perf_counter()
            seed_step(SEED, number)
            with autocast(device):
                loss, tokens = task.loss(trained, batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            finish(device)
            count.steps += time.perf_counter() - started
            count.tokens += tokens
            count.operations += operations(net, config, batch, tokens)
        wall = time.perf_counter() - began
    return {
        "tokens_per_second": count.tokens / wall, "device_tokens_per_second": count.tokens / count.steps,
        "operations_per_second": count.operations / wall, "best_operations_per_second": best_product(device),
        "busy": statistics.mean(said) if said else float("nan"), "loss": float(loss.detach()),
        "peak_gib": torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else float("nan"),
    }  # fmt: skip


def operations(net: Net, config: Transformer, batch: Batch, tokens: int) -> float:
    """Of one step, forward and backward."""
    weights = sum(weight.numel() for weight in net.blocks.parameters())
    attention = 12 * config.blocks * config.length * config.width
    head = 6 * len(batch.targets.cell) * len(batch.chosen) * config.width
    return float(tokens) * (6 * weights + attention) + head


def best_product(device: torch.device) -> float:
    """Operations a second of the largest products, in the type that training multiplies in."""
    size = 8192 if device.type == "cuda" else 1024
    left, right = (torch.randn(size, size, device=device).to(lowered(device) or torch.float32) for _ in range(2))
    took = []
    for _ in range(10):
        finish(device)
        started = time.perf_counter()
        torch.mm(left, right)
        finish(device)
        took.append(time.perf_counter() - started)
    return 2.0 * size**3 / min(took)


# ---- scoring -----------------------------------------------------------------------------------------------------


def score(net: Net, users: int, device: torch.device) -> dict[str, float]:
    """Lists from the embeddings and the bias, for states drawn as long as the network's are (a norm of √width)."""
    items = net.item.weight.detach().float().cpu().numpy()
    bias = net.item_bias.detach().float().cpu().numpy()
    vectors = np.random.default_rng(SEED).standard_normal((users, items.shape[1]), dtype=np.float32)
    engine = Engine(items, bias, device=str(device))
    took = []
    for _ in range(3):
        started = time.perf_counter()
        found = engine.rank(vectors, K)
        took.append(time.perf_counter() - started)
    plain = Engine(items, bias).rank(vectors[:COMPARED], K)
    same = found.items[:COMPARED].tobytes() == plain.items.tobytes()
    same &= found.scores[:COMPARED].tobytes() == plain.scores.tobytes()
    return {"users_per_second": users / min(took), "same_on_cpu": float(same)}


# ---- around it ---------------------------------------------------------------------------------------------------


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def busy(device: torch.device) -> Iterator[list[float]]:
    """Meanwhile, what NVML says of the device's use in per cent, every fifth of a second; empty where nothing does."""
    said: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            try:
                said.append(float(torch.cuda.utilization(device)))
            except (ModuleNotFoundError, RuntimeError, AssertionError):  # its Python package is not there
                return

    thread = threading.Thread(target=watch, daemon=True)
    if device.type == "cuda":
        thread.start()
    try:
        yield said
    finally:
        stop.set()


def name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def gathered(mine: dict[str, float]) -> list[dict[str, float]]:
    if not torch.distributed.is_initialized():
        return [mine]
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    all_gather_object(everyone, mine)
    return everyone


def summed(found: list[dict[str, float]]) -> dict[str, Any]:
    total = {name: sum(one[name] for one in found) for name in found[0]}
    count = len(found)
    return {
        **{name: round(total[name]) for name in ("tokens_per_second", "device_tokens_per_second", "users_per_second")},
        "utilisation": round(total["operations_per_second"] / total["best_operations_per_second"], 4),
        "best_tera_operations": round(total["best_operations_per_second"] / 1e12, 2),
        "busy_percent": None if np.isnan(total["busy"]) else round(total["busy"] / count),
        "peak_gib": None if np.isnan(total["peak_gib"]) else round(max(one["peak_gib"] for one in found), 2),
        "loss": round(total["loss"] / count, 4),
        "same_on_cpu": total["same_on_cpu"] == count,
    }


if __name__ == "__main__":
    main()
