"""ALS and item-kNN of implicit, several settings of each: lists for the users asked. Runs in implicit's environment."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy import sparse

question = json.loads(Path(sys.argv[1]).read_text())
THREADS = int(os.environ["OMP_NUM_THREADS"])
KNN = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}


def model(setting: dict) -> object:
    if setting["kind"] == "als":
        return AlternatingLeastSquares(
            factors=setting["factors"], regularization=setting["regularization"], alpha=setting["alpha"],
            iterations=setting["iterations"], num_threads=THREADS, random_state=question["seed"],
        )  # fmt: skip
    return KNN[setting["kind"]](K=setting["neighbours"], num_threads=THREADS)


table = np.load(question["train"])
shape = (question["people"], question["catalogue"])
counts = sparse.csr_matrix((table["weight"], (table["user"], table["item"])), shape=shape, dtype=np.float32)
counts.sum_duplicates()
users, items = np.load(question["users"]), np.load(question["items"])
k, seconds = question["k"], []
lists = np.full((len(question["settings"]), len(users), k), -1, dtype=np.int32)
for number, setting in enumerate(question["settings"]):
    started = time.monotonic()
    fitted = model(setting)
    fitted.fit(counts, show_progress=False)
    seconds.append(time.monotonic() - started)
    some = np.flatnonzero(np.diff(counts.indptr)[users] > 0)  # a user without a history gets the popular list
    found, score = fitted.recommend(
        users[some], counts[users[some]], N=k, filter_already_liked_items=question["filter_viewed"], items=items
    )
    found = np.where((found >= 0) & np.isfinite(score) & (score > -1e30), found, -1)
    lists[number, some, : found.shape[1]] = found
np.save(question["lists"], lists)
Path(sys.argv[2]).write_text(json.dumps({"seconds": seconds}))
