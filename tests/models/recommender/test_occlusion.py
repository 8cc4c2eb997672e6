"""What each past item carries: by hand for each kind of model, and against scoring again without it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interactions import Interactions, encode
from models.recommender import floors, occlusion
from models.recommender.blend import BlendModel
from models.recommender.configs import CONFIGS, NEW, REGULAR, Ease, FrequentItems, ItemKnn, Popular, Transition
from models.recommender.history import purchase_counts
from models.recommender.ranking import Recommender
from tests.models.recommender.test_transformer_formulas import model_of
from tests.models.shop import MONDAY, described, random_rows, table

DAY = MONDAY + timedelta(20)
SEEDS = st.integers(0, 100_000)
fast = settings(deadline=None, max_examples=15)


def shop(seed: int) -> Interactions:
    """A random shop whose products say something, with a user who never came."""
    return described(encode(table(random_rows(seed)), DAY, pa.array(["newcomer"])))


def models_of(data: Interactions) -> dict[str, Recommender]:
    configs = {**CONFIGS, "item_knn": ItemKnn(min_users=1)}
    made = {name: floors.fit(data, config) for name, config in configs.items()}
    made["transformer"] = model_of(data.items.to_pylist())
    weights = dict.fromkeys(made, 1 / len(made))
    return {**made, "blend": BlendModel(made, {REGULAR: weights, NEW: weights})}


def everything(data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Everybody, and all items for each of them."""
    users = np.arange(len(data.users))
    return users, np.tile(np.arange(len(data.items)), (len(users), 1))


class Follows:
    """score(u, j) = how often u had the item before j; it says nothing about what carries it."""

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        return np.roll(purchase_counts(data, users).toarray(), 1, axis=1).astype(np.float32)

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return occlusion.evidence(self, data, users, items)

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


def test_a_history_without_an_item_is_all_the_rest_of_it() -> None:
    data = encode(table([("a", "x", 1), ("a", "y", 2), ("a", "x", 3), ("b", "x", 1)]), DAY)
    short = occlusion.without(data, np.array([0, 0, 1]), np.array([0, 1, 0]))
    people = [short.items.take(pa.array(part)).to_pylist() for part in np.split(short.item, short.offsets[1:-1])]
    assert people == [["y"], ["x", "x"], []]
    assert short.time.tolist() == [data.time[1], data.time[0], data.time[2]]


def test_of_a_model_that_says_nothing_the_item_it_cannot_do_without_is_found_by_taking_it_out() -> None:
    data = encode(table([("a", "x", 1), ("a", "x", 2), ("a", "y", 3)]), DAY, extra_items=pa.array(["z"]))
    assert Follows().scores(data, np.array([0])).tolist() == [[0, 2, 1]]  # x y z
    assert Follows().evidence(data, np.array([0]), np.array([[2, -1]])).tolist() == [[1, -1]]


def test_only_the_newest_items_are_taken_out_in_turn() -> None:
    rows = [("a", f"i{n:02d}", n) for n in range(occlusion.RESCORED + 1)]
    data = encode(table(rows), DAY, extra_items=pa.array([f"i{n:02d}x" for n in range(occlusion.RESCORED + 1)]))
    listed = np.array([[data.items.index(f"i{n:02d}x").as_py() for n in (0, 1)]])
    found = Follows().evidence(data, np.array([0]), listed)
    assert found.tolist() == [[-1, data.items.index("i01").as_py()]]


def test_where_the_crowd_carries_an_item_nothing_is_named() -> None:
    rows = [("ann", "a", 1), *((f"u{n}", "b", 19) for n in range(9)), ("bob", "a", 1), ("bob", "c", 2)]
    data = encode(table(rows), DAY)
    parts = {"popular": floors.fit(data, Popular()), "transition": floors.fit(data, Transition())}
    ann, listed = np.array([data.users.index("ann").as_py()]), np.array([[1, 2]])  # b sells, c follows a
    assert parts["popular"].evidence(data, ann, listed).tolist() == [[-1, -1]]
    weights = {"popular": 0.5, "transition": 0.5}
    assert BlendModel(parts, {REGULAR: weights, NEW: weights}).evidence(data, ann, listed).tolist() == [[-1, 0]]


def test_a_blend_names_what_carries_most_over_all_its_parts() -> None:
    """Item z: one part has it from x alone, two have it from y and as much from x."""
    data = encode(table([("a", "x", 1), ("a", "y", 2)]), DAY, extra_items=pa.array(["z"]))

    class Says(Follows):
        def __init__(self, x: float, y: float) -> None:
            self.x, self.y = x, y

        def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
            return np.tile(np.array([0, 0, 1], dtype=np.float32), (len(users), 1))

        def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: object) -> np.ndarray:
            return np.tile(np.array([[self.x], [self.y]], dtype=np.float32), (len(users), 1))

    parts = {"one": Says(1.0, 0.0), "two": Says(0.5, 0.6), "three": Says(0.5, 0.6)}
    weights = {"one": 0.2, "two": 0.4, "three": 0.4}
    blend = BlendModel(parts, {REGULAR: weights, NEW: weights})
    gone = blend.lost(data, np.array([0]), np.array([[2]]), occlusion.sources_of(data, np.array([0])))
    # a root keeps √(1 − lost): x costs .2 · 1 + .8 · (1 − √.5), y costs .8 · (1 − √.4)
    assert gone[:, 0] == pytest.approx([0.2 + 0.8 * (1 - 0.5**0.5), 0.8 * (1 - 0.4**0.5)])
    assert blend.evidence(data, np.array([0]), np.array([[2]])).tolist() == [[0]]


@fast
@given(SEEDS)
def test_a_named_item_is_in_the_history_whatever_the_model(seed: int) -> None:
    data = shop(seed)
    users, items = everything(data)
    for name, model in models_of(data).items():
        found = model.evidence(data, users, items)
        for user in users:
            had = set(data.item[data.offsets[user] : data.offsets[user + 1]].tolist())
            assert set(found[user].tolist()) <= had | {-1}, name


@fast
@given(SEEDS)
def test_the_closed_form_equals_scoring_again(seed: int) -> None:
    """Of models that weigh an event by its own date alone: elsewhere what is left moves up when an item leaves."""
    data = shop(seed)
    users, items = everything(data)
    sources = occlusion.sources_of(data, users)
    whole = np.ones(len(sources.row), dtype=bool)
    for config in (ItemKnn(min_users=1), Ease(), replace(CONFIGS["alike"], gamma=1.0)):
        model = floors.fit(data, config)
        before = np.maximum(model.scores(data, users), 0)  # of all items, in their order
        again = occlusion.rescored(model, data, users, items, sources, whole, before)
        scored = before[sources.row] > 1e-3
        closed = np.minimum(occlusion.lost(model, data, users, items, sources), 1)  # a score is not counted below 0
        assert np.allclose(closed[scored], again[scored], atol=2e-3)


@fast
@given(SEEDS)
def test_blocks_of_users_change_nothing(seed: int) -> None:
    data = shop(seed)
    users, items = everything(data)
    blend = models_of(data)["blend"]
    found = blend.evidence(data, users, items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occlusion, "CELLS", 1)
        assert np.array_equal(blend.evidence(data, users, items), found)


def test_what_was_had_and_is_listed_carries_itself() -> None:
    data = encode(table([("a", "x", 1), ("a", "y", 2)]), DAY)
    frequent = floors.fit(data, FrequentItems())
    assert frequent.evidence(data, np.array([0]), np.array([[0, 1]])).tolist() == [[0, 1]]
    assert model_of(["x", "y"]).evidence(data, np.array([0]), np.array([[0, 1]])).tolist() == [[0, 1]]
