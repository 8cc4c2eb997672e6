"""New items in lists: by hand who gets which and why; by property how few, and that nothing else is touched."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import Interactions, encode
from models.recommender import newcomers as module
from models.recommender.configs import FrequentItems, Popular
from models.recommender.floors import fit
from models.recommender.newcomers import Newcomers, beside, filled, newcomers, placed
from models.recommender.ranking import Ranked, rank_users
from tests.models.shop import MONDAY, random_rows, said, table

DAY = MONDAY + timedelta(20)
TITLES = {
    "bell": "bicycle bell brass", "mug1": "red enamel mug", "mug2": "blue enamel mug", "new mug": "green enamel mug",
    "new pot": "red enamel pot", "rope": "skipping rope",
}  # fmt: skip
fast = settings(deadline=None, max_examples=30)


def shop(rows: list[tuple]) -> tuple[Interactions, np.ndarray]:
    """The shop above, and which of its items are new."""
    data = encode(table(rows), DAY, pa.array(["nobody"]), pa.array(sorted(TITLES)))
    names = data.items.to_pylist()
    return replace(data, content=said([TITLES[name] for name in names])), np.array(["new" in name for name in names])


ROWS = [("ann", "mug1", 1), ("ann", "mug2", 2), ("bob", "bell", 1), ("bob", "mug1", 2), ("cid", "rope", 3)]


def lists(
    data: Interactions, found: Newcomers, k: int = 4, places: int = 1, **more: np.ndarray | sparse.csr_array
) -> tuple[dict[str, list[str]], Ranked, np.ndarray]:
    fill = fit(data, Popular()).order
    available = more.get("available", np.ones(len(data.items), dtype=bool))
    seen = more.get("seen")
    blocks = rank_users(
        fit(data, FrequentItems()), data, np.arange(len(data.users)), k, fill, available, seen, with_evidence=True
    )
    ranked, new = placed(next(blocks), data, found, available, seen, places)
    names = np.array([*data.items.to_pylist(), "-"])
    by_user = dict(zip(data.users.to_pylist(), names[ranked.items].tolist(), strict=True))
    return by_user, ranked, new


def test_a_new_item_goes_to_those_who_had_something_like_it() -> None:
    data, _ = shop(ROWS)
    fresh = np.array([name == "new mug" for name in data.items.to_pylist()])
    by_user, _, new = lists(data, newcomers(data, fresh), k=3)
    assert by_user == {
        "ann": ["mug2", "new mug", "mug1"],
        "bob": ["mug1", "new mug", "bell"],
        "cid": ["rope", "mug1", "bell"],
        "nobody": ["mug1", "bell", "mug2"],
    }
    assert new.sum(axis=1).tolist() == [1, 1, 0, 0]


def test_of_two_new_items_the_one_that_sells_already_comes_first() -> None:
    data, fresh = shop([*ROWS, ("dan", "new pot", 4), ("eve", "new pot", 4), ("eve", "rope", 5)])
    found = newcomers(data, fresh)
    assert found.people.tolist() == [0, 2]
    assert lists(data, found, k=2)[0]["bob"] == ["mug1", "new pot"]
    assert not lists(data, found, k=2)[2][data.users.index("dan").as_py()].any()  # had it: the models know better


def test_what_many_had_is_no_newcomer_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    data, fresh = shop([*ROWS, ("dan", "new mug", 4), ("eve", "new mug", 4)])
    assert len(newcomers(data, fresh).items) == 2
    monkeypatch.setattr(module, "FEW", 2)
    assert data.items.take(pa.array(newcomers(data, fresh).items)).to_pylist() == ["new pot"]


def test_what_is_gone_or_had_before_is_not_put_into_a_list() -> None:
    data, fresh = shop(ROWS)
    found, names = newcomers(data, fresh), data.items.to_pylist()
    available = np.array([name != "new mug" for name in names])
    assert lists(data, found, k=3, available=available)[0]["ann"][1] == "new pot"
    seen = sparse.csr_array(np.tile(np.array(["new" in name for name in names]), (len(data.users), 1)))
    assert not lists(data, found, k=3, seen=seen)[2].any()


def test_without_words_about_products_there_are_no_newcomers() -> None:
    data, fresh = shop(ROWS)
    found = newcomers(replace(data, content=None), fresh)
    assert len(found.items) == 0
    assert not lists(data, found)[2].any()


def test_beside_an_item_stands_what_is_new_and_like_it_and_a_new_item_has_a_list() -> None:
    data, fresh = shop(ROWS)
    found, names = newcomers(data, fresh), data.items.to_pylist()
    owners = np.array([names.index("mug2"), names.index("new mug")])
    items = np.array([[names.index("bell"), names.index("mug1"), -1], [-1, -1, -1]], dtype=np.int32)
    scores = np.array([[0.5, 0.4, -np.inf], [-np.inf] * 3], dtype=np.float32)
    everything = np.ones(len(names), dtype=bool)
    items, scores, new = beside(items, scores, found, owners, everything, 1)
    items, scores, alike = filled(items, scores, found, owners, everything)
    assert [[names[i] for i in row if i >= 0] for row in items] == [["bell", "new mug", "mug1"], ["mug1", "mug2"]]
    assert scores[0].tolist() == pytest.approx([0.5, 0.4, 0.4])
    assert (np.diff(scores[1, :2]) <= 0).all() and scores[1, 0] < 1
    assert new.tolist() == [[False, True, False], [False] * 3]
    assert alike.tolist() == [[False] * 3, [True, True, False]]


@fast
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 4))
def test_places_are_few_the_first_half_is_as_it_was_and_the_rest_keeps_its_order(
    seed: int, k: int, places: int
) -> None:
    draw = np.random.default_rng(seed)
    rows = random_rows(seed)
    extra = pa.array([f"new{n}" for n in range(draw.integers(1, 6))])
    data = encode(table(rows), DAY, extra_items=extra)
    words = ["red", "mug", "blue", "pot"]
    titles = [" ".join(draw.choice(words, 2)) for _ in range(len(data.items))]
    data = replace(data, content=said(titles))
    fresh = draw.random(len(data.items)) < 0.5
    found, available = newcomers(data, fresh), draw.random(len(data.items)) < 0.8
    fill = fit(data, Popular()).order[: draw.integers(0, len(data.items))]
    model, users = fit(data, FrequentItems()), np.arange(len(data.users))
    before = next(rank_users(model, data, users, k, fill, available, with_evidence=True))
    after, new = placed(before, data, found, available, None, places)
    assert new.sum(axis=1).max(initial=0) <= places
    assert not new[:, : k // 2].any() or (before.items[:, : k // 2] < 0).any()
    for user in users:
        kept = after.items[user][~new[user]]
        assert [i for i in kept if i >= 0] == [i for i in before.items[user] if i >= 0][: (kept >= 0).sum()]
        listed = after.items[user][after.items[user] >= 0]
        assert len(set(listed.tolist())) == len(listed) and available[listed].all()
        assert (np.diff(after.scores[user][: len(listed)]) <= 0).all()
        had = set(data.item[data.offsets[user] : data.offsets[user + 1]].tolist())
        for item, reason in zip(after.items[user][new[user]], after.evidence[user][new[user]], strict=True):
            assert fresh[item] and item not in had and reason in had and not fresh[reason]


def test_the_reason_of_a_new_item_is_the_most_similar_item_of_the_history() -> None:
    data, fresh = shop([("ann", "mug1", 1), ("ann", "rope", 2), ("ann", "bell", 3)])
    _, ranked, new = lists(data, newcomers(data, fresh), k=3)
    assert data.items.take(pa.array(ranked.evidence[new])).to_pylist() == ["mug1"]


def test_what_few_people_had_is_like_older_items_by_its_vectors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = shop(ROWS)
    names = data.items.to_pylist()
    monkeypatch.setattr(module, "FEW", 2)  # two people had mug1
    vectors = np.zeros((len(names), 2), np.float32)
    for name, vector in {"bell": (1, 0), "mug1": (0.8, 0.6), "mug2": (0, 1), "new mug": (0.6, 0.8)}.items():
        vectors[names.index(name)] = vector
    found = module.alike(data, vectors, np.array([names.index("new mug")]))
    assert [names[item] for item in found.items] == [name for name in names if name != "mug1"]
    like = {names[item]: found.like.toarray()[:, place] for place, item in enumerate(found.items.tolist())}
    assert [names[at] for at in np.flatnonzero(like["bell"])] == ["mug1"]  # mug2 is no nearer than a right angle
    assert like["new mug"][[names.index(name) for name in ("bell", "mug1", "mug2")]] == pytest.approx([0.6, 0.96, 0.8])
    assert not like["rope"].any() and not any(column[names.index("new mug")] for column in like.values())
