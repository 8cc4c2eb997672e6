"""Training beside the peers: seconds an epoch, and NDCG@10 at equal wall-clock, on a file of the S3-Rec form.

    .venv/bin/python -m benchmarks.training --data Beauty.txt

The same sequences (all but the last two items), length, width, blocks, heads, threads and machine; each library with a
loss of its own, as its documentation offers them: ours the whole softmax, RecTools 0.19 and RePlay 0.22 the whole and
the sampled one (256 negatives), the faster of which counts. First each trains for a short while, one after the other,
and the seconds of an epoch follow from its batches. Then each trains for the same `--seconds` (ours ends earlier
where its schedule does) and lists ten unseen items for the test item. Our dropout is the one frozen in
`SEQUENTIAL`, the peers' the .2 that they publish with.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._leave_one_out import Histories, read, split_before
from benchmarks._peers import ask, pins
from models import metrics
from models.devices import device_of
from models.interactions import Interactions
from models.loop import LoopConfig, fit
from models.recommender.configs import SEQUENTIAL
from models.recommender.evaluation import SEED
from models.recommender.learned import begin, learn
from models.recommender.ranking import top_k
from models.recommender.sequences import codes_of, moments, vocabulary
from models.recommender.transformer import SequenceTask, TransformerModel
from models.split import Split

K = 10
PEERS = {
    "rectools_softmax": ("rectools", "sasrec_rectools.py", {"loss": "softmax", "negatives": 1}),
    "rectools_sampled": ("rectools", "sasrec_rectools.py", {"loss": "sampled_softmax", "negatives": 256}),
    "replay_softmax": ("replay", "sasrec_replay.py", {"loss": "CE", "negatives": None}),
    "replay_sampled": ("replay", "sasrec_replay.py", {"loss": "CE", "negatives": 256}),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="one user a line: an id, then item ids in time order")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--look", type=int, default=60, help="seconds in which an epoch is timed")
    parser.add_argument("--seconds", type=int, default=300, help="seconds of training at equal wall-clock")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    histories = read(asked.data)
    with shared(histories) as files:
        epochs = {"nightmarket": our_epoch(histories, asked.width, asked.look)}
        for name in PEERS:
            epochs[name] = trained_peer(name, files, asked, asked.look)["seconds_per_epoch"]
            print(f"{name}: {epochs[name]:.1f} s an epoch, ours {epochs['nightmarket']:.1f} s", flush=True)
        reached = {"nightmarket": ours(histories, asked.width, asked.seconds)}
        for library in ("rectools", "replay"):
            fastest = min((n for n in PEERS if n.startswith(library)), key=lambda name: epochs[name])
            found = trained_peer(fastest, files, asked, asked.seconds)
            reached[fastest] = {**quality(np.load(files["lists"]), histories), **found}
    fastest = {lib: min(s for n, s in epochs.items() if n.startswith(lib)) for lib in ("rectools", "replay")}
    answer = {
        "benchmark": "training", "data": asked.data.name, "width": asked.width, "threads": asked.threads,
        "seconds_per_epoch": {name: round(value, 2) for name, value in epochs.items()},
        "times_faster": {lib: round(value / epochs["nightmarket"], 1) for lib, value in fastest.items()},
        "equal_seconds": asked.seconds, "reached": reached,
        "versions": {"rectools": pins("rectools")["rectools"], "replay": pins("replay")["replay-rec"]},
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


@contextmanager
def shared(histories: Histories) -> "Iterator[dict[str, str]]":
    """What the peers read: rows of both stages in time order, and the users in the order of their lists."""
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        files = {name: str(Path(folder) / f"{name}.npz") for name in ("train", "input")}
        for name, held_out in (("train", 2), ("input", 1)):
            save_rows(Path(files[name]), histories.before(held_out))
        files |= {name: str(Path(folder) / f"{name}.npy") for name in ("users", "lists")}
        np.save(files["users"], np.arange(len(histories.users)))
        yield files


def save_rows(path: Path, data: Interactions) -> None:
    np.savez(path, user=data.user, item=data.item)


def trained_peer(name: str, files: dict[str, str], asked: argparse.Namespace, seconds: int) -> dict[str, Any]:
    library, script, loss = PEERS[name]
    config = SEQUENTIAL.transformers[0]
    question = {
        **files, **loss, "seconds": seconds, "epochs": 200, "width": asked.width, "blocks": config.blocks,
        "heads": config.heads, "length": config.length, "dropout": 0.2, "learning_rate": 1e-3, "batch": 128, "k": K,
        "filter_viewed": True, "items": None, "seed": 1, "threads": asked.threads,
        "catalogue": int(np.load(files["input"])["item"].max()) + 1,
    }  # fmt: skip
    result = ask(library, script, question, asked.threads).result
    return {key: round(float(value), 2) for key, value in result.items()}


def our_epoch(histories: Histories, width: int, look: int) -> float:
    """Seconds of one epoch, from the batches done in `look` seconds, with all that belongs to a step."""
    config = replace(SEQUENTIAL.transformers[0], width=width)
    data = histories.before(2)
    items = vocabulary(data, config.min_users)
    found = moments(data, codes_of(data, items), np.arange(len(data.users)))
    net = begin(data, found, items, config, SEED, SEQUENTIAL.start)
    task = SequenceTask(found, items, config, SEED, device_of("auto"))
    whole = sum(1 for _ in task.epoch(0))
    timed = _Timed(task, look)
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        loop = LoopConfig(1_000, average=config.average, checkpoint_steps=10**9)
        with suppress(_Enough):
            fit(net, timed, loop, Path(folder), device_of("auto"), lambda row: None)
    return timed.seconds / timed.batches * whole


class _Enough(Exception):
    """The time to look is over."""


class _Timed:
    """A task that counts its batches, from the second on, and the seconds until the next one is asked for."""

    def __init__(self, task: SequenceTask, look: int) -> None:
        self.task, self.look, self.batches, self.seconds = task, look, 0, 0.0

    def epoch(self, number: int) -> "Iterator[Any]":
        batches = self.task.epoch(number)
        next(batches, None)
        begun = time.monotonic()
        for batch in batches:
            yield batch
            self.batches, self.seconds = self.batches + 1, self.seconds + time.monotonic() - begun
            begun = time.monotonic()
            if self.seconds > self.look:
                raise _Enough

    def loss(self, net: torch.nn.Module, batch: Any) -> tuple[torch.Tensor, int]:
        return self.task.loss(net, batch)

    def validate(self, net: torch.nn.Module) -> None:
        return None


def ours(histories: Histories, width: int, seconds: int) -> dict[str, float]:
    """Train as `sequential` does, stopping by the validation items; what it took, and what the test items say."""
    config = replace(SEQUENTIAL.transformers[0], width=width)
    validation: Split = split_before(histories, 2)
    available = np.ones(len(histories.items), dtype=bool)
    started = time.monotonic()

    def observe(row: dict[str, float]) -> None:
        print(f"ours: epoch {row['epoch']:.0f}, validation NDCG@10 {row['validation']:.4f}", flush=True)
        if time.monotonic() - started > seconds:
            raise SystemExit(f"our training took more than the {seconds} seconds that the peers get: raise --seconds")

    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        learned = learn(validation, available, config, Path(folder), "auto", observe, start=SEQUENTIAL.start)
    took = time.monotonic() - started
    return {
        **quality(lists_of(learned.model, split_before(histories, 1)), histories),
        "seconds": round(took, 1), "epochs": len(learned.fitted.curve),
    }  # fmt: skip


def lists_of(model: TransformerModel, split: Split) -> np.ndarray:
    parts = []
    for start in range(0, len(split.test_users), 1000):
        users = split.test_users[start : start + 1000]
        scores = model.scores(split.train, users)
        assert split.seen is not None
        seen = split.seen[users].tocoo()
        scores[seen.row, seen.col] = -np.inf
        parts.append(top_k(scores, K)[0])
    return np.concatenate(parts)


def quality(lists: np.ndarray, histories: Histories) -> dict[str, float]:
    hits = lists == histories.target(1)[:, None]
    one = np.ones(len(hits), dtype=np.int64)
    return {
        f"recall@{K}": round(float(metrics.recall(hits, one).mean()), 5),
        f"ndcg@{K}": round(float(metrics.ndcg(hits, one).mean()), 5),
    }


if __name__ == "__main__":
    main()
