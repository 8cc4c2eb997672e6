"""The second stage: what it proposes, how it orders, that it learns, and that it comes back from disk."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from models.artefact import load_artefact
from models.interactions import Interactions
from models.recommender import floors, opinions
from models.recommender.blend import BlendModel
from models.recommender.configs import CONFIGS, NEW, RANKER, REGULAR, Blend, Ranker, as_json, from_json
from models.recommender.evaluation import evaluate
from models.recommender.learned import TooLittle
from models.recommender.ranker import CALIBRATED_BY, RankerModel, column_names, parts_of, probability, propose
from models.recommender.ranker_learning import LEAST_LEARNERS, Learned, learn_ranker
from models.recommender.saved import load, refit, save
from models.split import Split, time_split
from models.trees import Trees
from tests.models.shop import MONDAY, table

PARTS = ("frequent_items", "item_knn", "popular_7_days", "transition")
WEIGHTS = dict.fromkeys(PARTS, 0.25)


def rhythm_rows(users: int = 160, items: int = 50, days: int = 90, seed: int = 5) -> list[tuple]:
    """Everybody buys each of their items again after its own number of days: what is due tells more than counts."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for item in draw.choice(items, 8, replace=False):
            period = int(7 + item % 20)
            rows += [(f"u{user:03d}", f"i{item:02d}", day) for day in range(int(draw.integers(period)), days, period)]
    return rows


@pytest.fixture(scope="module")
def split() -> Split:
    events = table(rhythm_rows())
    return time_split(events, events, MONDAY + timedelta(79), 5, 80, repeat=True)


def blend_on(data: Interactions) -> tuple[Blend, BlendModel]:
    kinds = {name: CONFIGS[name] for name in PARTS}
    weights = {REGULAR: WEIGHTS, NEW: WEIGHTS}
    return Blend(kinds, weights), BlendModel({n: floors.fit(data, kind) for n, kind in kinds.items()}, weights)


@pytest.fixture(scope="module")
def learned(split: Split) -> Learned:
    return learn_ranker(*blend_on(split.train), split)


@pytest.fixture(scope="module")
def ranker(split: Split, learned: Learned) -> RankerModel:
    return RankerModel(blend_on(split.train)[1], learned.trees, learned.config)


def config(**given: object) -> Ranker:
    names = ("score", *CALIBRATED_BY, "intercept")
    return Ranker(**{
        "blend": Blend({}, {}), "parts": PARTS, "repeat": True, "lift": 0.0,
        "calibration": dict.fromkeys(names, 1.0), "candidates": 5, **given,
    })  # fmt: skip


def test_candidates_are_the_best_of_any_part(split: Split) -> None:
    _, blend = blend_on(split.train)
    users = np.arange(7)
    found, total = propose(blend, split.train, users, config())
    assert np.array_equal(total, blend.scores(split.train, users))
    scores = blend.parts["item_knn"].scores(split.train, users)
    for row in range(7):
        own = set(found.item[found.row == row].tolist())
        assert {int(i) for i in np.argsort(-scores[row], kind="stable")[:5]} <= own
        assert len(own) <= 5 * (len(PARTS) + 1)
    best = found.ranks[:, PARTS.index("item_knn")]
    assert set(best.tolist()) == {1, 2, 3, 4, 5, 6}  # 6: not among its five
    assert column_names(PARTS)[found.scores.shape[1]] == "rank_frequent_items"


def test_what_was_bought_is_no_candidate_where_nothing_repeats(split: Split) -> None:
    _, blend = blend_on(split.train)
    users = np.arange(20)
    found, _ = propose(blend, split.train, users, config(repeat=False))
    data = split.train
    bought = {(int(u), int(i)) for u, i in zip(data.user, data.item, strict=True)}
    assert len(found.item)
    assert not bought & set(zip(found.row.tolist(), found.item.tolist(), strict=True))


def test_candidates_stand_above_all_others_and_these_in_the_blends_order(ranker: RankerModel, split: Split) -> None:
    users = np.arange(30)
    scores, blended = ranker.scores(split.train, users), ranker.blend.scores(split.train, users)
    found, _ = propose(ranker.blend, split.train, users, ranker.config)
    inside = np.zeros(scores.shape, dtype=bool)
    inside[found.row, found.item] = True
    assert ((scores > 0) == ((blended > 0) | inside)).all()
    for row in range(30):
        assert scores[row, inside[row]].min() > scores[row, ~inside[row]].max(initial=0)
        rest = np.flatnonzero(~inside[row] & (blended[row] > 0))
        assert np.array_equal(
            np.argsort(scores[row, rest], kind="stable"), np.argsort(blended[row, rest], kind="stable")
        )
    assert scores.max() < 1


def test_scores_do_not_depend_on_how_users_are_blocked(ranker: RankerModel, split: Split) -> None:
    whole = ranker.scores(split.train, np.arange(12))
    alone = [ranker.scores(split.train, np.array([user]))[0] for user in range(12)]
    assert np.allclose(whole, alone, atol=1e-6)


def test_reasons_are_the_blends(ranker: RankerModel, split: Split) -> None:
    users, listed = np.arange(4), np.tile(np.arange(10), (4, 1))
    fresh = blend_on(split.train)[1].evidence(split.train, users, listed)
    ranker.scores(split.train, users)
    assert np.array_equal(ranker.evidence(split.train, users, listed), fresh)


def test_it_learns_what_the_blend_cannot_say(ranker: RankerModel, split: Split, learned: Learned) -> None:
    """On the days after, which nothing was learned from."""
    events = table(rhythm_rows())
    later = time_split(events, events, MONDAY + timedelta(84), 5, 80, repeat=True)
    available = np.ones(len(later.train.items), dtype=bool)
    blend = blend_on(later.train)[1]
    judged = evaluate(RankerModel(blend, learned.trees, learned.config), later, available, probabilities=True)
    own, other = judged.values["all"]["ndcg"], evaluate(blend, later, available).values["all"]["ndcg"]
    assert own.mean() > other.mean() + 0.05
    assert judged.calibration["all"] < 0.15
    assert learned.facts["validation_ndcg"] > learned.facts["validation_ndcg_of_the_blend"]


def test_learning_again_gives_the_same_trees(split: Split, learned: Learned) -> None:
    again = learn_ranker(*blend_on(split.train), split)
    assert again.trees.texts == learned.trees.texts
    assert again.config == learned.config


def test_it_comes_back_from_disk_and_is_brought_up_to_date(
    ranker: RankerModel, split: Split, learned: Learned, tmp_path: Path
) -> None:
    kept = learned.config
    version = save(tmp_path, RANKER, kept, MONDAY, split.train.items, ranker)
    again = load(tmp_path / version)
    assert again.config == kept
    users = np.arange(10)
    assert np.array_equal(again.model.scores(split.train, users), ranker.scores(split.train, users))
    assert save(tmp_path, RANKER, again.config, MONDAY, split.train.items, again.model) == version
    arrays, _ = load_artefact(tmp_path / version)
    assert arrays["trees.0"].tobytes().startswith(b"tree\nversion=")  # LightGBM's own text
    events = table(rhythm_rows(seed=6))
    later = time_split(events, events, MONDAY + timedelta(84), 5, 80, repeat=True).train
    renewed_config, renewed = refit(again.config, again.model, later)
    assert isinstance(renewed, RankerModel)
    assert renewed.trees is again.model.trees  # type: ignore[attr-defined]
    assert renewed_config == kept
    fitted = RankerModel(blend_on(later)[1], learned.trees, kept)
    assert np.array_equal(renewed.scores(later, users), fitted.scores(later, users))


def test_a_part_that_is_gone_says_nothing(ranker: RankerModel, split: Split, learned: Learned) -> None:
    left = {name: part for name, part in ranker.blend.parts.items() if name != "transition"}
    weights = {part: {n: w for n, w in given.items() if n in left} for part, given in ranker.blend.weights.items()}
    smaller = RankerModel(BlendModel(left, weights), learned.trees, learned.config)
    found, _ = propose(smaller.blend, split.train, np.arange(3), smaller.config)
    place = smaller.config.parts.index("transition")
    assert set(found.scores[:, place]) == {0}
    assert set(found.ranks[:, place]) == {smaller.config.candidates + 1}
    assert (smaller.scores(split.train, np.arange(3)) > 0).any()


def test_a_probability_by_hand() -> None:
    names = ("score", *CALIBRATED_BY, "intercept")
    given = dict(zip(names, (2.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0), strict=True))
    user = np.full((2, 9), np.nan, dtype=np.float32)
    user[0, 0] = np.e - 1  # days bought on; its logarithm is 1
    found = probability(np.array([0.5, 0.5]), user, given)
    assert found == pytest.approx([1 / (1 + np.exp(-1.0)), 0.5])


def test_a_shop_without_reviews_has_the_model_it_always_had(split: Split, learned: Learned) -> None:
    said = as_json(learned.config)
    assert set(said) == {"blend", "parts", "repeat", "lift", "calibration", "candidates"}
    assert from_json(RANKER, said) == learned.config
    assert learned.trees.gain().shape == (len(column_names(learned.config.parts)),)
    rated = replace(split.train, opinions=np.ones((len(split.train.items), 3), np.float32))
    ranker = RankerModel(blend_on(split.train)[1], learned.trees, learned.config)
    users = np.arange(5)  # nor does it begin to read them when they come
    assert np.array_equal(ranker.scores(rated, users), ranker.scores(split.train, users))


def test_what_reviews_say_is_learned_from_and_its_absence_is_a_case_of_its_own(
    split: Split, learned: Learned, tmp_path: Path
) -> None:
    bought = np.asarray(split.relevant.sum(axis=0)).ravel()  # ratings that give away what will be bought
    rating = np.stack([bought * 0 + 3, bought, bought * 0 + 1], axis=1).astype(np.float32)
    rated = replace(split, train=replace(split.train, opinions=rating))
    found = learn_ranker(*blend_on(split.train), rated)
    assert found.config.reviews
    assert found.facts["gain"]["item_rating"] > 0
    assert column_names(found.config.parts, reviews=True)[-3:] == list(opinions.NAMES)
    model = RankerModel(blend_on(split.train)[1], found.trees, found.config)
    version = save(tmp_path, RANKER, found.config, MONDAY, split.train.items, model)
    again, users = load(tmp_path / version), np.arange(10)
    assert again.config == found.config
    scores = again.model.scores(rated.train, users)
    assert np.array_equal(scores, model.scores(rated.train, users))
    without = again.model.scores(split.train, users)  # the reviews are gone
    assert np.isfinite(without).all()
    assert not np.array_equal(without, scores)


def test_too_few_buyers_have_no_second_stage() -> None:
    events = table(rhythm_rows(users=LEAST_LEARNERS - 10))
    split = time_split(events, events, MONDAY + timedelta(79), 5, 80, repeat=True)
    with pytest.raises(TooLittle, match="50 people bought on the validation days; 60 are needed"):
        learn_ranker(*blend_on(split.train), split)


def test_parts_that_are_never_used_are_not_asked() -> None:
    blend = BlendModel({}, {REGULAR: {"a": 0.0, "b": 1.0}, NEW: {"a": 0.0, "b": 0.0}})
    blend.parts = {"a": floors.fit, "b": floors.fit}  # type: ignore[dict-item]
    assert parts_of(blend) == ["b"]


def test_no_rows_give_no_scores(learned: Learned) -> None:
    assert Trees(learned.trees.texts).predict(np.empty((0, 4), np.float32)).shape == (0,)
