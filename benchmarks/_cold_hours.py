"""Views of a single day for `benchmarks.cold_start`: people who have just come, judged by what they look at next.

The last half hour, in which nearly all events of the sample lie, is cut every 5 minutes. At each cut everything before
it is known, and everybody known is new: most have looked at two or three things. What they look at, put into the cart
or buy after the cut is relevant: all of it for NDCG@10, for Recall@20 only what they had not looked at before. The
weights of the blend, and of one without `alike`, are learned at the first cut, the others are reported. Intervals are
95 %, by bootstrap over users, of whom each counts with the mean over the cuts.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from models import metrics
from models.interactions import Interactions, encode
from models.recommender import floors, popular
from models.recommender.blend import BlendModel, learn_weights
from models.recommender.configs import BLEND, CONFIGS, STARTER, Popular
from models.recommender.ranking import Recommender, rank_users
from models.recommender.saved import starter
from models.split import Split
from pipelines import lake
from pipelines.catalogue import described
from pipelines.settings import Settings

Values = dict[str, tuple[np.ndarray, np.ndarray]]
"""By metric, names of users and their values."""
STEP, STEPS = timedelta(minutes=5), 6
SEED = 20_191_001
POPULAR, ALIKE, WITHOUT = "popular_7_days", "alike", "blend_without_alike"


def measure(settings: Settings, day: date) -> dict[str, Any]:
    events, products = lake.interactions(settings, day), lake.products(settings, day)
    end = pc.max(events["occurred_at"]).as_py()
    cuts = [end - n * STEP for n in range(STEPS, 0, -1)]
    learned = split_at(events, products, cuts[0], day)
    then = fitted(learned.train)
    weights = learn_weights(then, learned)
    others = learn_weights({name: part for name, part in then.items() if name != ALIKE}, learned)
    found: dict[str, list[Values]] = defaultdict(list)
    for cut in cuts[1:]:
        split = split_at(events, products, cut, day)
        parts = fitted(split.train)
        rest = {name: part for name, part in parts.items() if name != ALIKE}
        models = {**parts, BLEND: BlendModel(parts, weights), WITHOUT: BlendModel(rest, others)}
        models[STARTER] = starter(split.train)[1]
        for name, model in models.items():
            found[name].append(judged(model, split))
    values = {name: mean_by_user(parts) for name, parts in found.items()}
    return {
        "cuts": len(cuts) - 1, "new_users": len(values[POPULAR]["ndcg@10"]), "weights": weights,
        "models": {name: summary(one, values[POPULAR]) for name, one in values.items()},
        "alike_in_the_blend": summary(values[BLEND], values[WITHOUT]),
    }  # fmt: skip


def mean_by_user(cuts: "list[Values]") -> dict[str, np.ndarray]:
    """By metric, the mean over the cuts of every user, in the order of their ids."""
    result = {}
    for metric in cuts[0]:
        names = np.concatenate([cut[metric][0] for cut in cuts])
        value = np.concatenate([cut[metric][1] for cut in cuts])
        _, place = np.unique(names, return_inverse=True)
        result[metric] = np.bincount(place, value) / np.bincount(place)
    return result


def split_at(events: pa.Table, products: pa.Table, cut: datetime, day: date) -> Split:
    """Everything before the cut, moved so that the day ends with it; what the same people did after it."""
    midnight = datetime.combine(day + timedelta(1), datetime.min.time(), UTC)
    before = events.filter(pc.less(events["occurred_at"], pa.scalar(cut)))
    moved = pc.add(before["occurred_at"], pa.scalar(midnight - cut - timedelta(microseconds=1)))
    column = before.schema.get_field_index("occurred_at")
    train = described(encode(before.set_column(column, "occurred_at", moved), day), products)
    after = events.filter(pc.greater_equal(events["occurred_at"], pa.scalar(cut)))
    user = pc.fill_null(pc.index_in(after["user_id"], value_set=train.users), -1).to_numpy()
    item = pc.fill_null(pc.index_in(after["item_id"], value_set=train.items), -1).to_numpy()
    users, row = np.unique(user[user >= 0], return_inverse=True)
    item = item[user >= 0]
    names = pc.index_in(after["item_id"], value_set=after["item_id"].unique()).to_numpy()[user >= 0]
    unknown = np.unique(np.stack([row, names])[:, item < 0], axis=1)[0]
    pairs = (np.ones((item >= 0).sum(), dtype=bool), (row[item >= 0], item[item >= 0]))
    relevant = sparse.csr_array(pairs, shape=(len(users), len(train.items)))
    relevant.sum_duplicates()
    return Split(train, users.astype(np.int32), relevant, np.bincount(unknown, minlength=len(users)), None)


def fitted(train: Interactions) -> dict[str, Recommender]:
    found = {name: one.model for name, one in floors.fit_all(train, CONFIGS).items()}
    return {name: model for name, model in found.items() if not isinstance(model, floors.NotApplicable)}


def judged(model: Recommender, split: Split) -> Values:
    """NDCG@10 of each user, and Recall@20 of the items they had not looked at, of those who have such."""
    data, users = split.train, split.test_users
    fill = popular.fit(data, Popular()).order
    blocks = rank_users(model, data, users, 20, fill, np.ones(len(data.items), dtype=bool))
    listed = np.concatenate([block.items for block in blocks])
    row = np.repeat(np.arange(len(users)), 20).reshape(listed.shape)
    hits = np.asarray(split.relevant[row.ravel(), np.maximum(listed, 0).ravel()]).reshape(listed.shape) & (listed >= 0)
    had = sparse.csr_array((np.ones(len(data.item), bool), (data.user, data.item)), (len(data.users), len(data.items)))
    known = np.asarray(had[users[row.ravel()], np.maximum(listed, 0).ravel()]).reshape(listed.shape)
    unseen = np.diff(split.relevant.indptr) + split.unknown - split.relevant.multiply(had[users]).sum(axis=1)
    names = np.array(data.users.take(pa.array(users)).to_pylist())
    return {
        "ndcg@10": (names, metrics.ndcg(hits[:, :10], np.diff(split.relevant.indptr) + split.unknown)),
        "recall@20_of_unseen": (
            names[unseen > 0],
            metrics.recall((hits & ~known)[unseen > 0], unseen[unseen > 0]),
        ),
    }


def summary(values: dict[str, np.ndarray], base: dict[str, np.ndarray]) -> dict[str, Any]:
    result = {}
    for name, one in values.items():
        low, high = metrics.paired_interval(one, base[name], SEED)
        named = {"value": one.mean(), "difference": (one - base[name]).mean(), "low": low, "high": high}
        result[name] = {key: round(float(value), 4) for key, value in named.items()}
    return result
