"""New items: joined to what they are like, silent where nothing is known, weighed by what sold before, put in lists."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import Interactions, encode
from models.multimodal.lookalike import unit_rows
from models.recommender.cold import CROWD, WORDS, ColdItems, Modality, cold_items, recent_people, sales_alike
from models.recommender.cold_blend import EQUAL, Cohort, ColdBlend, learn
from models.recommender.cold_places import LearnedNewcomers
from models.recommender.cold_window import DAYS, first_seen, window
from models.recommender.configs import FrequentItems, Popular
from models.recommender.floors import fit
from models.recommender.newcomers import placed
from models.recommender.ranking import rank_users
from tests.models.shop import MONDAY, said, table

DAY = MONDAY + timedelta(27)
fast = settings(deadline=None, max_examples=20)


def two_tastes(new: int = 2, seed: int = 1) -> tuple[Interactions, np.ndarray]:
    """Forty users of two tastes, ten items of each, and `new` items that nobody had; vectors of all by taste."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(40):
        for item in draw.choice(10, 4, replace=False):
            rows.append((f"u{user:02d}", f"{'ab'[user % 2]}{item}", int(draw.integers(20))))
    extra = pa.array([f"{'ab'[n % 2]}x{n}" for n in range(new)])
    data = encode(table(rows), DAY, extra_items=extra)
    names = data.items.to_pylist()
    centre = {"a": np.array([1.0, 0, 0, 0.2]), "b": np.array([0, 1.0, 0, 0.2])}
    vectors = np.stack([centre[name[0]] + 0.1 * draw.standard_normal(4) for name in names])
    return data, unit_rows(vectors)


def cold_of(data: Interactions) -> np.ndarray:
    return np.array([at for at, name in enumerate(data.items.to_pylist()) if "x" in name])


def test_a_new_item_goes_to_those_who_had_what_it_is_like_by_every_signal() -> None:
    data, vectors = two_tastes()
    found = cold_items(data, [Modality("text", vectors)], cold_of(data))
    assert found.names == ("text_near", "text_graph", "text_map", CROWD)
    values = found.signals(data, np.arange(40))
    taste = np.arange(40) % 2
    for signal in range(3):
        own, other = values[np.arange(40), taste, signal], values[np.arange(40), 1 - taste, signal]
        assert (own > other).all()
    assert not values[:, :, 3].any()


def test_an_item_with_the_vector_of_an_older_one_gets_near_the_same_scores() -> None:
    data, vectors = two_tastes(new=6)
    names = data.items.to_pylist()
    twin, other = names.index("ax0"), names.index("ax2")
    vectors[twin] = vectors[other]
    found = cold_items(data, [Modality("text", vectors)], cold_of(data))
    values = found.signals(data, np.arange(40))
    place = found.items.tolist()
    np.testing.assert_allclose(values[:, place.index(twin)], values[:, place.index(other)], atol=1e-4)
    sharp = unit_rows(vectors + 0)  # a copy of an older item stands nearest to it in the graph
    sharp[twin] = vectors[names.index("a1")]
    joined = cold_items(data, [Modality("text", sharp)], cold_of(data)).likeness[0]
    assert joined.attention[place.index(twin)].toarray().argmax() == names.index("a1")


def test_attention_is_a_softmax_of_cosines_in_their_deviations() -> None:
    data, _ = two_tastes(new=1)
    names = data.items.to_pylist()
    vectors = np.zeros((len(names), 2), np.float32)
    vectors[names.index("ax0")] = [1, 0]
    vectors[names.index("a0")] = [1, 0]
    vectors[names.index("a1")] = [0.6, 0.8]
    found = cold_items(data, [Modality("text", vectors)], cold_of(data)).likeness[0]
    row = found.attention.toarray()[0]
    deviation = np.std([1, 0.6])
    expected = 1 / (1 + np.exp(-0.4 / deviation))
    assert row[names.index("a0")] == pytest.approx(expected, abs=1e-4)
    assert row[names.index("a1")] == pytest.approx(1 - expected, abs=1e-4)
    assert np.count_nonzero(row) == 2  # of what nothing is known, nothing is like it


def test_a_space_that_does_not_know_an_item_is_silent_about_it_and_the_others_speak() -> None:
    data, vectors = two_tastes(new=4)
    picture = vectors.copy()
    missing = cold_of(data)[0]
    picture[missing] = 0
    found = cold_items(data, [Modality("text", vectors), Modality("image", picture)], cold_of(data))
    values = found.signals(data, np.arange(40))
    assert found.names[3:6] == ("image_near", "image_graph", "image_map")
    assert not values[:, 0, 3:6].any() and values[:, 0, :3].any() and values[:, 1, 3:6].any()
    nothing = cold_items(data, [Modality("audio", np.zeros_like(vectors))], cold_of(data))
    assert not nothing.signals(data, np.arange(40)).any()


def test_words_are_a_space_and_the_crowd_a_signal() -> None:
    data, _ = two_tastes()
    data = replace(data, content=said([f"{name[0] * 6} thing" for name in data.items.to_pylist()]))
    found = cold_items(data, [], cold_of(data))
    assert found.names == (f"{WORDS}_near", CROWD)
    values = found.signals(data, np.arange(40), np.array([0.0, 3.0]))
    assert values[0, :, 1].tolist() == pytest.approx([-1, 1])
    assert values[0, 0, 0] > values[0, 1, 0] and values[1, 0, 0] < values[1, 1, 0]


@fast
@given(st.integers(0, 1000))
def test_events_of_the_new_items_themselves_teach_the_spaces_nothing(seed: int) -> None:
    """What is learned of likeness leaves the new items out, even where somebody has had one already."""
    draw = np.random.default_rng(seed)
    data, vectors = two_tastes(new=2, seed=seed)
    found = cold_items(data, [Modality("text", vectors)], cold_of(data), None)
    changed = vectors.copy()
    changed[cold_of(data)[1]] = unit_rows(draw.standard_normal((1, 4)))[0]
    again = cold_items(data, [Modality("text", changed)], cold_of(data), found.graph)
    columns = [at for at, name in enumerate(data.items.to_pylist()) if "x" in name]
    assert not found.likeness[0].attention[:, columns].toarray().any()
    one, other = (one.likeness[0].placed[1][0] for one in (found, again))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_sales_of_what_an_item_is_like_and_of_the_last_days() -> None:
    rows = [("ann", "a0", 26), ("bob", "a0", 26), ("cid", "b0", 26), ("cid", "b0", 26, "purchase", 13)]
    data = encode(table(rows), DAY, extra_items=pa.array(["ax0", "bx0"]))
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    found = cold_items(data, [Modality("text", vectors)], cold_of(data))
    both = np.array([2, 2]) / 28  # two events of either, whatever the weights
    np.testing.assert_allclose(sales_alike(data, found, "text"), both)
    assert recent_people(data, np.array([0, 2])).tolist() == [2, 1]


# ---- learning ----------------------------------------------------------------------------------------------------


def test_the_weight_of_what_tells_buyers_apart_grows_and_of_what_does_not_falls() -> None:
    draw = np.random.default_rng(3)
    signals = draw.standard_normal((400, 20, 3)).astype(np.float32)
    noise = draw.gumbel(size=(400, 20))
    bought = np.zeros((400, 20), bool)
    bought[np.arange(400), (1.5 * signals[:, :, 0] - signals[:, :, 2] + noise).argmax(axis=1)] = True
    found = learn([Cohort(signals, bought)], ["told", "nothing", "against"])
    assert found.weights["told"] > 3 * EQUAL
    assert found.weights["nothing"] == pytest.approx(0, abs=0.12)
    assert found.weights["against"] == 0


def test_one_user_and_two_items_by_hand() -> None:
    """loss = log(1 + e^−2w) + 15 (w − .3)²: its slope, −2 / (1 + e^2w) + 30 (w − .3), is 0 at the weight."""
    cohort = Cohort(np.array([[[1.0], [-1.0]]], np.float32), np.array([[True, False]]))
    weight = learn([cohort], ["only"]).weights["only"]
    assert -2 / (1 + np.exp(2 * weight)) + 30 * (weight - 0.3) == pytest.approx(0, abs=1e-4)


def test_without_earlier_new_items_all_signals_count_the_same() -> None:
    found = learn([], ["one", "two"])
    assert found.weights == {"one": EQUAL, "two": EQUAL}
    signals = np.ones((1, 2, 3), np.float32)
    assert found.scores(["one", "two", "later"], signals)[0].tolist() == pytest.approx([3 * EQUAL] * 2)
    assert learn([], []).weights == {}  # a shop without openings has no signals to name either


# ---- a moment in the past ----------------------------------------------------------------------------------------


def nothing(data: Interactions) -> Interactions:
    return data


def vectors_of(data: Interactions) -> list[Modality]:
    return [Modality("text", unit_rows(np.random.default_rng(5).standard_normal((len(data.items), 4))))]


ROWS = [
    *((f"u{n}", f"old{n % 3}", n) for n in range(8)),
    *((f"u{n}", f"new{n % 5}", 30 + n) for n in range(8)),
    ("u0", "new4", 32), ("u0", "old0", 33), ("late", "new0", 31), ("u1", "new1", 29 + DAYS + 5),
]  # fmt: skip
CUT = MONDAY + timedelta(DAYS)


def test_a_window_holds_the_users_with_a_past_and_what_they_bought_of_what_was_new() -> None:
    day, events = CUT, table(ROWS)
    past = events.slice(0, 8)
    found = window(past, events, day, first_seen(events), nothing, vectors_of)
    names = found.data.users.take(pa.array(found.users)).to_pylist()
    assert names == [f"u{n}" for n in range(8)]  # `late` has no past
    assert found.data.items.take(pa.array(found.cold.items)).to_pylist() == [f"new{n}" for n in range(5)]
    assert found.bought[0].tolist() == [True, False, False, False, True]
    assert found.asked[:2].tolist() == [1, 2]
    assert found.crowd(DAYS)[0].tolist() == [0, 0, 0, 0, 0]  # on the first day nobody has had any yet
    assert found.crowd(DAYS)[1].tolist() == [1, 0, 0, 0, 0]  # the evening before the next: u0
    assert found.crowd(1)[3].tolist() == [0, 0, 1, 0, 1]  # u2, and u0 again, of what it had not had
    assert found.crowd(DAYS)[3].tolist() == [2, 1, 1, 0, 1]  # who has no past is a crowd, too


def test_nothing_of_the_window_is_in_what_is_learned_from() -> None:
    day, events = CUT, table(ROWS)
    one = window(events.slice(0, 8), events, day, first_seen(events), nothing, vectors_of)
    early = table([*ROWS, ("u5", "new3", 3), ("u1", "new5", 32)])  # new3 is known to have been there before
    other = window(early, early, day, first_seen(early), nothing, vectors_of)
    cold = other.data.items.take(pa.array(other.cold.items)).to_pylist()
    assert cold == ["new0", "new1", "new2", "new4", "new5"] and "new3" in other.data.items.to_pylist()
    assert not np.isin(one.data.item, one.cold.items).any()
    assert window(events.slice(0, 2), events.slice(0, 4), day, first_seen(events), nothing, vectors_of) is None
    assert window(events.slice(0, 8), events, day - timedelta(1), first_seen(events), nothing, vectors_of) is None


# ---- places in lists ---------------------------------------------------------------------------------------------


def test_newcomers_are_placed_by_what_was_learned_with_a_reason_from_the_history() -> None:
    data, vectors = two_tastes(new=4)
    cold: ColdItems = cold_items(data, [Modality("text", vectors)], cold_of(data))
    found = LearnedNewcomers(cold, ColdBlend({}), np.zeros(4))
    everything = np.ones(len(data.items), bool)
    model = fit(data, FrequentItems())
    fill = fit(data, Popular()).order
    before = next(rank_users(model, data, np.arange(40), 8, fill, everything, with_evidence=True))
    after, new = placed(before, data, found, everything, None, 2)
    names = np.array(data.items.to_pylist())
    assert (new.sum(axis=1) == 2).all() and np.array_equal(after.items[:, :4], before.items[:, :4])
    for user in range(40):
        assert {name[0] for name in names[after.items[user][new[user]]]} == {"ab"[user % 2]}
        had = data.item[data.offsets[user] : data.offsets[user + 1]]
        assert np.isin(after.evidence[user][new[user]], had).all()


def test_who_had_a_newcomer_already_and_who_had_nothing_like_it_do_not_wish_for_it() -> None:
    rows = [("ann", "a0", 1), ("ann", "ax0", 2), ("bob", "a0", 1), ("cid", "b0", 1)]
    data = encode(table(rows), DAY)
    names = data.items.to_pylist()
    vectors = np.zeros((len(names), 2), np.float32)
    vectors[names.index("a0")] = vectors[names.index("ax0")] = [1, 0]
    found = LearnedNewcomers(cold_items(data, [Modality("text", vectors)], cold_of(data)), ColdBlend({}), np.zeros(1))
    wishes = found.wishes(data, np.arange(3)).toarray()[:, 0]
    assert wishes[0] == 0 and wishes[1] > 0 and wishes[2] == 0
    empty = LearnedNewcomers(cold_items(data, [], np.empty(0, np.int64)), ColdBlend({}), np.zeros(0))
    assert empty.wishes(data, np.arange(3)).shape == (3, 0)
    assert sparse.issparse(empty.wishes(data, np.arange(3)))
