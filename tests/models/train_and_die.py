"""Train a small transformer in a process of its own; with --die-at it kills itself, -9, before that step."""

import argparse
import hashlib
import json
import os
import signal
from pathlib import Path

import torch
from torch import nn

from models.loop import first_process, fit, process_group
from tests.models.learners import loop, ordered_rows, ordered_split, task_and_net


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--die-at", type=int, default=-1)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    split = ordered_split(ordered_rows(users=60))
    with process_group() as share:
        task, net, _ = task_and_net(split, share=share)
        steps = 0
        ask = task.loss

        def loss(network: nn.Module, batch: object) -> tuple[torch.Tensor, int]:
            nonlocal steps
            if steps == given.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1
            return ask(network, batch)

        task.loss = loss  # type: ignore[method-assign]
        fitted = fit(
            net, task, loop(given.epochs, checkpoint_steps=4), given.folder, torch.device("cpu"), lambda _: None
        )
    digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in net.state_dict().values())).hexdigest()
    said = {"digest": digest, "first": first_process(), "losses": [row["loss"] for row in fitted.curve]}
    (given.folder / f"said-{os.environ.get('RANK', '0')}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
