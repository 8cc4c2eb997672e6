"""The leave-one-out protocol of the S3-Rec files: the last item of each user is the test, the one before validation.

A file has one user a line: an id, then item ids in time order. Models are fitted on all but the last two items and
nothing else; the input is everything before the item asked for; every item of the file is ranked but those of the
input; Recall@10 is 1 where the item stands among the first ten, NDCG@10 then is 1 / log2(rank + 1); items of equal
score share their mean rank.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.interactions import MICROSECONDS_PER_DAY, PURCHASE, Interactions
from models.recommender.ranking import Recommender
from models.split import Split

AS_OF = date(2020, 1, 1)  # the files have an order and no times; each user's last item is laid on this day
K = 10
BLOCK = 1000


@dataclass(frozen=True)
class Histories:
    """The file, and what each stage may see of it. Users and items are numbered in the order of their ids."""

    sequences: list[np.ndarray]
    users: pa.Array
    items: pa.Array

    def before(self, held_out: int) -> Interactions:
        """All but the last `held_out` items of each user, a day apart."""
        kept = [sequence[: len(sequence) - held_out] for sequence in self.sequences]
        size = np.array([len(sequence) for sequence in kept])
        offsets = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        age = np.repeat(offsets[1:], size) - 1 - np.arange(offsets[-1])
        empty = Interactions(AS_OF, self.users, self.items, *(np.empty(0),) * 3, offsets)
        time = empty.end - MICROSECONDS_PER_DAY // 2 - age * MICROSECONDS_PER_DAY
        item = np.concatenate(kept).astype(np.int32)
        return Interactions(AS_OF, self.users, self.items, item, np.full(len(item), PURCHASE, np.int8), time, offsets)

    def target(self, held_out: int) -> np.ndarray:
        """int64 [U]: the item that follows what `before(held_out)` holds."""
        return np.array([sequence[len(sequence) - held_out] for sequence in self.sequences])


def read(path: Path) -> Histories:
    """Raises SystemExit where a line has fewer than three items: it has nothing to learn from."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    short = next((number for number, line in enumerate(lines, 1) if len(line) < 4), None)
    if short is not None:
        raise SystemExit(f"{path}, line {short}: a user id and at least three items are needed")
    words = np.unique(np.concatenate([np.array(line[1:], dtype=str) for line in lines]))
    place = {word: number for number, word in enumerate(words.tolist())}
    order = np.argsort(np.array([line[0] for line in lines], dtype=str), kind="stable")
    sequences = [np.array([place[word] for word in lines[row][1:]]) for row in order]
    return Histories(sequences, pa.array([lines[row][0] for row in order]), pa.array(words.tolist()))


def split_before(histories: Histories, held_out: int) -> Split:
    """What is before `held_out` items, and the item that follows, as the split that models are judged on."""
    train = histories.before(held_out)
    users = len(histories.users)
    target = histories.target(held_out)
    shape = (users, len(histories.items))
    relevant = sparse.csr_array((np.ones(users, dtype=bool), (np.arange(users), target)), shape=shape)
    return Split(train, np.arange(users, dtype=np.int32), relevant, np.zeros(users, np.int64), seen_in(train))


def seen_in(data: Interactions) -> sparse.csr_array:
    """bool [U, I]: the items of each history."""
    matrix = sparse.csr_array(
        (np.ones(len(data.item), dtype=bool), (data.user, data.item)), shape=(len(data.users), len(data.items))
    )
    matrix.sum_duplicates()
    return matrix


def ranks(model: Recommender, data: Interactions, target: np.ndarray) -> np.ndarray:
    """float64 [U], from 1: the rank of each user's target by the model's scores, masked items left out.

    A target that the history holds already cannot be recommended: its rank is infinite.
    """
    seen = seen_in(data)
    found = np.empty(len(target))
    for start in range(0, len(target), BLOCK):
        users = np.arange(start, min(start + BLOCK, len(target)))
        scores = model.scores(data, users).astype(np.float32, copy=True)
        masked = seen[users].tocoo()
        scores[masked.row, masked.col] = -np.inf
        own = scores[np.arange(len(users)), target[users]][:, None]
        better, equal = (scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1
        found[users] = np.where(np.isneginf(own[:, 0]), np.inf, 1 + better + equal / 2)
    return found


def per_user(rank: np.ndarray) -> dict[str, np.ndarray]:
    """Recall@10 and NDCG@10 of each user, [U]."""
    hit = rank <= K
    return {f"recall@{K}": hit.astype(np.float64), f"ndcg@{K}": np.where(hit, 1 / np.log2(rank + 1), 0.0)}
