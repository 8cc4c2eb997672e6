"""The benchmark of look-alikes: its measure by hand, and users of one taste among users of another."""

from datetime import timedelta

import numpy as np
import pytest
from scipy import sparse

from benchmarks._lightgcn import learn
from benchmarks.graph import GRAPH, by_size, compared, lists, reduced, shared, vectors
from models.interactions import encode
from models.multimodal.lookalike import nearest
from tests.models.shop import MONDAY, table


def test_what_look_alikes_share_by_hand() -> None:
    """ann afterwards 1 2, bob 2 3, cid 3. ann had 2 before: of what is new to her bob buys nothing of hers."""
    then = sparse.csr_array(np.array([[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]], np.float32))
    had = sparse.csr_array(np.array([[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]], np.float32))
    who = np.array([[1, 2], [0, 2], [0, 1]])
    assert shared(then, None, who).tolist() == pytest.approx([(1 / 3 + 0) / 2, (1 / 3 + 1 / 2) / 2, (0 + 1 / 2) / 2])
    new = shared(then, had, who)
    assert new[:2].tolist() == pytest.approx([0, (1 / 3 + 1 / 2) / 2]) and np.isnan(new[2])
    assert shared(then, None, np.array([[1, -1]] * 3))[0] == pytest.approx(1 / 6)


def test_users_of_as_many_items_and_anybody_are_never_oneself() -> None:
    size = np.repeat([1, 5, 9], 30)
    found = by_size(size)
    assert all((rows != np.arange(90)[:, None]).all() and rows.shape == (90, 20) for rows in found.values())
    assert np.array_equal(size[found["same_size"]], np.tile(size[:, None], (1, 20)))


def test_rows_of_fewer_columns_have_the_same_cosines() -> None:
    rows = sparse.csr_array(np.random.default_rng(0).random((6, 40)))
    found = reduced(rows)
    np.testing.assert_allclose(found @ found.T, (rows @ rows.T).toarray(), atol=1e-4)


def test_those_of_one_taste_are_found_by_every_way_of_learning() -> None:
    draw = np.random.default_rng(4)
    rows = [
        (f"u{user:02d}", f"{'ab'[user % 2]}{draw.integers(12)}", int(draw.integers(20)))
        for user in range(60) for _ in range(6)
    ]  # fmt: skip
    data = encode(table(rows), MONDAY + timedelta(20))
    users = np.arange(60)
    seconds: dict[str, float] = {}
    alike, scores = vectors(data, users, None, 10, seconds)
    for name, found in alike.items():
        near = nearest(found, users, 20).index
        assert ((near % 2) == (users % 2)[:, None]).mean() > 0.9, name
    then = sparse.csr_array(
        np.array([[item.startswith("ab"[u % 2]) for item in data.items.to_pylist()] for u in users]).astype(np.float32)
    )
    assert set(seconds) == {GRAPH, "lightgcn"}
    assert lists(scores, then)[GRAPH]["recall@20"][0] > 0.99
    values = {name: {"shared": shared(then, None, nearest(found, users, 20).index)} for name, found in alike.items()}
    assert compared(values)[GRAPH]["shared"]["graph_minus"] == [0, 0, 0]


def test_lightgcn_learns_the_same_twice() -> None:
    edges = sparse.csr_array(np.random.default_rng(1).random((20, 10)) < 0.3)
    one, other = learn(edges, 2), learn(edges, 2)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
