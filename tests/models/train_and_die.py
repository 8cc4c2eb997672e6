"""Train a small transformer in a process of its own; with --die-at it kills itself, -9, before that step."""

import argparse
import hashlib
import json
import os
import signal
from pathlib import Path

import torch
from torch import nn

from models.devices import first_process, process_group
from models.loop import fit
from models.recommender.transformer import Batch, SequenceTask
from tests.models.learners import loop, ordered_rows, ordered_split, task_and_net


class Mortal:
    """A task that kills its process, -9, before one of its steps."""

    def __init__(self, task: SequenceTask, die_at: int) -> None:
        self.task, self.left = task, die_at
        self.epoch, self.validate = task.epoch, task.validate

    def loss(self, net: nn.Module, batch: Batch) -> tuple[torch.Tensor, int]:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return self.task.loss(net, batch)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--die-at", type=int, default=-1)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    split = ordered_split(ordered_rows(users=60))
    with process_group() as share:
        task, net, _ = task_and_net(split, share=share)
        config = loop(given.epochs, checkpoint_steps=4)
        fitted = fit(net, Mortal(task, given.die_at), config, given.folder, torch.device("cpu"), lambda _: None)
    digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in net.state_dict().values())).hexdigest()
    said = {"digest": digest, "first": first_process(), "losses": [row["loss"] for row in fitted.curve]}
    (given.folder / f"said-{os.environ.get('RANK', '0')}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
