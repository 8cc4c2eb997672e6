"""SASRec of RecTools: train for at most some seconds or epochs, then list items. Runs in RecTools' own environment."""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

question = json.loads(Path(sys.argv[1]).read_text())
seed_everything(question["seed"])
torch.set_num_threads(question["threads"])


class Progress(Callback):
    """Batches and seconds spent on them: an epoch may be longer than the time that is given."""

    def __init__(self) -> None:
        self.batches, self.seconds, self.whole, self.started = 0, 0.0, 0, 0.0

    def on_train_batch_start(self, *_: object) -> None:
        self.started = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        self.batches += 1
        self.seconds += time.monotonic() - self.started
        self.whole = trainer.num_training_batches


def dataset(name: str) -> Dataset:
    """Rows in time order; times are one second apart, so that their order is kept."""
    table = np.load(question[name])
    rows = pd.DataFrame({Columns.User: table["user"], Columns.Item: table["item"]})
    rows[Columns.Weight] = 1.0
    rows[Columns.Datetime] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(rows)), unit="s")
    return Dataset.construct(rows)


def trainer() -> Trainer:
    return Trainer(
        accelerator="cpu", max_epochs=question["epochs"], max_time=timedelta(seconds=question["seconds"]),
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[Progress()],
    )  # fmt: skip


started = time.monotonic()
model = SASRecModel(
    n_blocks=question["blocks"], n_heads=question["heads"], n_factors=question["width"],
    dropout_rate=question["dropout"], session_max_len=question["length"], loss=question["loss"],
    n_negatives=question["negatives"], lr=question["learning_rate"], batch_size=question["batch"],
    get_trainer_func=trainer, recommend_torch_device="cpu",
)  # fmt: skip
train = dataset("train")
model.fit(train)
seconds = time.monotonic() - started
progress = next(called for called in model.fit_trainer.callbacks if isinstance(called, Progress))  # a copy of ours
known = dataset("input") if question["input"] != question["train"] else train
users = np.load(question["users"])
asked = users[np.isin(users, known.user_id_map.external_ids)]
items = np.load(question["items"]) if question["items"] else None
if items is not None:
    items = items[np.isin(items, train.item_id_map.external_ids)]
found = model.recommend(
    users=asked, dataset=known, k=question["k"], filter_viewed=question["filter_viewed"], items_to_recommend=items,
    on_unsupported_targets="ignore",
)  # fmt: skip
lists = np.full((len(users), question["k"]), -1, dtype=np.int32)
row = pd.Series(np.arange(len(users)), index=users)
lists[row[found[Columns.User]].to_numpy(), found[Columns.Rank].to_numpy() - 1] = found[Columns.Item].to_numpy()
np.save(question["lists"], lists)
answer = {
    "seconds": seconds, "epochs": progress.batches / max(progress.whole, 1),
    "seconds_per_epoch": progress.seconds / max(progress.batches, 1) * progress.whole,
}  # fmt: skip
Path(sys.argv[2]).write_text(json.dumps(answer))
