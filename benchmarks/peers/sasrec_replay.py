"""SASRec of RePlay: train for at most some seconds or epochs, then list items. Runs in RePlay's own environment."""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import PandasSequentialDataset, TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.models.nn.sequential import SasRec
from replay.models.nn.sequential.sasrec import SasRecPredictionDataset, SasRecTrainingDataset
from torch.utils.data import DataLoader

question = json.loads(Path(sys.argv[1]).read_text())
lightning.seed_everything(question["seed"])
torch.set_num_threads(question["threads"])
ITEMS = question["catalogue"]


class Progress(lightning.Callback):
    """Batches and seconds spent on them: an epoch may be longer than the time that is given."""

    def __init__(self) -> None:
        self.batches, self.seconds, self.whole, self.started = 0, 0.0, 0, 0.0

    def on_train_batch_start(self, *_: object) -> None:
        self.started = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        self.batches += 1
        self.seconds += time.monotonic() - self.started
        self.whole = trainer.num_training_batches


feature = TensorFeatureInfo(
    "item_id", FeatureType.CATEGORICAL, is_seq=True, feature_hint=FeatureHint.ITEM_ID, cardinality=ITEMS,
    padding_value=ITEMS, embedding_dim=question["width"],
    feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
)  # fmt: skip
schema = TensorSchema(feature)


def sequences(name: str) -> PandasSequentialDataset:
    table = np.load(question[name])
    rows = pd.DataFrame({"user_id": table["user"], "item_id": table["item"]})
    grouped = rows.groupby("user_id")["item_id"].apply(lambda items: items.to_numpy()).reset_index()
    return PandasSequentialDataset(schema, "user_id", "item_id", grouped)


progress = Progress()
started = time.monotonic()
train = SasRecTrainingDataset(sequences("train"), question["length"], padding_value=ITEMS)
loader = DataLoader(train, batch_size=question["batch"], shuffle=True)
model = SasRec(
    schema, block_count=question["blocks"], head_count=question["heads"], hidden_size=question["width"],
    max_seq_len=question["length"], dropout_rate=question["dropout"], loss_type=question["loss"],
    loss_sample_count=question["negatives"],
)  # fmt: skip
trainer = lightning.Trainer(
    accelerator="cpu", max_epochs=question["epochs"], max_time=timedelta(seconds=question["seconds"]), logger=False,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[progress],
)  # fmt: skip
trainer.fit(model, loader)
seconds = time.monotonic() - started
known = sequences("input")
users = np.load(question["users"])
place = pd.Series(np.arange(len(users)), index=users)
lists = np.full((len(users), question["k"]), -1, dtype=np.int32)
model.eval()
with torch.no_grad():
    asked = DataLoader(SasRecPredictionDataset(known, question["length"], padding_value=ITEMS), batch_size=256)
    for batch in asked:
        scores = model.predict(batch)[:, :ITEMS]
        people = batch["query_id"].flatten().numpy()
        for number, person in enumerate(people):
            if question["filter_viewed"]:
                scores[number, known.get_sequence_by_query_id(person, "item_id")] = -torch.inf
        lists[place[people].to_numpy()] = torch.topk(scores, question["k"], dim=1).indices.numpy()
np.save(question["lists"], lists)
answer = {
    "seconds": seconds, "epochs": progress.batches / max(progress.whole, 1),
    "seconds_per_epoch": progress.seconds / max(progress.batches, 1) * progress.whole,
}  # fmt: skip
Path(sys.argv[2]).write_text(json.dumps(answer))
