"""Blends: the sum by hand, reasons from the part that leads, and weights that are learned without harm."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from models.artefact import ArtefactError
from models.interactions import Interactions, encode
from models.recommender import floors
from models.recommender.blend import BlendModel, learn_weights, scaled
from models.recommender.configs import CONFIGS, NEW, REGULAR, Blend, Ease, FrequentItems
from models.recommender.evaluation import evaluate
from models.recommender.floors import NotApplicable
from models.recommender.occlusion import Sources
from models.recommender.saved import load, refit, save
from models.split import time_split
from tests.models.shop import MONDAY, seasonal_rows, table


class Fixed:
    """Scores and reasons as given."""

    def __init__(self, scores: list[list[float]], reason: int) -> None:
        self.given, self.reason = np.array(scores, dtype=np.float32), reason

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        return self.given[users]

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.full(items.shape, self.reason, dtype=np.int32)

    def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
        return np.repeat((sources.item == self.reason)[:, None], items.shape[1], axis=1).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


def people() -> Interactions:
    """A regular user with five purchases, and a new one with one."""
    rows = [("ann", "abc"[day % 3], day) for day in range(5)]
    return encode(table([*rows, ("new", "a", 0)]), MONDAY + timedelta(9))


def test_scores_are_the_weighted_roots_and_new_users_have_weights_of_their_own() -> None:
    parts = {"x": Fixed([[4, 1, 0], [4, 1, 0]], 0), "y": Fixed([[0, 9, 1], [0, 9, 1]], 1)}
    blend = BlendModel(parts, {REGULAR: {"x": 0.75, "y": 0.25}, NEW: {"x": 0.0, "y": 1.0}})
    scores = blend.scores(people(), np.array([0, 1]))
    assert scores[0] == pytest.approx([0.75, 0.75 / 2 + 0.25, 0.25 / 3])
    assert scores[1] == pytest.approx([0, 1, 1 / 3])
    reasons = blend.evidence(people(), np.array([0, 1]), np.array([[0, 1, 2], [1, 2, -1]]))
    assert reasons.tolist() == [[0, 0, 1], [-1, -1, -1]]  # "new" never had what y names


def test_a_row_without_evidence_stays_without() -> None:
    assert scaled(np.array([[0.0, -1.0], [0.25, 1.0]])).tolist() == [[0, 0], [0.5, 1]]


def test_learned_weights_are_never_below_the_best_part_where_they_were_learned() -> None:
    rows = seasonal_rows(users=80, items=30, days=40)
    split = time_split(table(rows), table(rows), MONDAY + timedelta(29), 10, 30, repeat=True)
    parts = {name: floors.fit(split.train, config) for name, config in CONFIGS.items() if name != "alike"}
    weights = learn_weights(parts, split)
    assert all(sum(w.values()) == pytest.approx(1) and min(w.values()) >= 0 for w in weights.values())
    available = np.ones(len(split.train.items), dtype=bool)
    level = {n: evaluate(m, split, available).values["all"]["ndcg"].mean() for n, m in parts.items()}
    blended = evaluate(BlendModel(parts, weights), split, available).values["all"]["ndcg"].mean()
    assert blended >= max(level.values()) - 1e-6
    assert learn_weights(parts, split) == weights


def blend_of_floors(data: Interactions) -> tuple[Blend, BlendModel]:
    configs = {"ease": Ease(max_items=3), "frequent_items": FrequentItems()}
    weights = {"ease": 0.4, "frequent_items": 0.6}
    both = {REGULAR: weights, NEW: weights}
    return Blend(configs, both), BlendModel({n: floors.fit(data, c) for n, c in configs.items()}, both)


def test_a_saved_blend_gives_the_same_scores_and_a_changed_byte_is_refused(tmp_path: Path) -> None:
    data = people()
    config, model = blend_of_floors(data)
    version = save(tmp_path, "blend", config, MONDAY, data.items, model)
    users = np.arange(2)
    assert np.array_equal(load(tmp_path / version).model.scores(data, users), model.scores(data, users))
    path = tmp_path / version / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ArtefactError, match="was changed after it was written"):
        load(tmp_path / version)


def test_a_part_that_cannot_be_fitted_tonight_is_left_out() -> None:
    config, model = blend_of_floors(people())
    wider = encode(table([("ann", f"i{n}", n) for n in range(6)]), MONDAY + timedelta(9))
    kept, refitted = refit(config, model, wider)
    assert isinstance(kept, Blend)
    assert list(kept.parts) == ["frequent_items"]
    assert (refitted.scores(wider, np.array([0])) > 0).sum() == 6
    only = Blend({"ease": Ease(max_items=3)}, {REGULAR: {"ease": 1.0}, NEW: {"ease": 1.0}})
    with pytest.raises(NotApplicable, match="no part of the blend"):
        refit(only, BlendModel({"ease": model.parts["ease"]}, only.weights), wider)
