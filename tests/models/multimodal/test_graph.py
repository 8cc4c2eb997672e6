"""The user graph: by hand on three users and three items; by property that no order and no name matters."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import encode
from models.multimodal.graph import Graph, GraphConfig, Links, fit, leading, restore
from tests.models.shop import MONDAY, random_rows, table

PLAIN = GraphConfig(width=3, half_life_days=float("inf"), power=0.0)
TODAY = MONDAY
ROWS = [("ann", "a", 0), ("ann", "b", 0), ("bob", "b", 0), ("cid", "b", 0), ("cid", "c", 0)]
fast = settings(deadline=None, max_examples=25)


def test_one_and_two_steps_along_the_edges_of_three_users_and_three_items() -> None:
    """Edges: ann–a, ann–b, bob–b, cid–b, cid–c. Degrees: ann 2, bob 1, cid 2; a 1, b 3, c 1. An entry of the
    normalised matrix is 1 / √(degree · degree).
    """
    data = encode(table(ROWS), TODAY)
    graph = fit(data, PLAIN)
    normal = np.array([[1 / 2**0.5, 1 / 6**0.5, 0], [0, 1 / 3**0.5, 0], [0, 1 / 6**0.5, 1 / 2**0.5]])
    users = graph.users(data, np.arange(3))
    np.testing.assert_allclose(users @ graph.directions.T, normal, atol=1e-5)
    np.testing.assert_allclose((users * graph.values**2) @ graph.directions.T, normal @ normal.T @ normal, atol=1e-5)
    assert graph.degree.tolist() == [1, 3, 1]
    assert graph.values[0] == pytest.approx(1, abs=1e-5)  # the graph hangs together
    np.testing.assert_allclose(users @ graph.items.T, normal * np.sqrt([1, 3, 1]), atol=1e-5)


def test_users_are_alike_as_what_the_graph_foresees_for_them() -> None:
    data = encode(table(random_rows(3)), TODAY.replace(day=31))
    graph = fit(data, GraphConfig(width=7))
    users = graph.users(data, np.arange(len(data.users)))
    foreseen = (users * (1 + graph.values**2) / 2) @ graph.items.T
    np.testing.assert_allclose(graph.alike(users) @ graph.alike(users).T, foreseen @ foreseen.T, atol=1e-3)


@fast
@given(st.integers(0, 10_000))
def test_other_names_of_users_permute_their_vectors(seed: int) -> None:
    rows = random_rows(seed)
    names = sorted({row[0] for row in rows})
    other = dict(zip(names, np.random.default_rng(seed).permutation(names).tolist(), strict=True))
    day = TODAY.replace(day=31)
    data, renamed = encode(table(rows), day), encode(table([(other[u], *rest) for u, *rest in rows]), day)
    one, two = fit(data, GraphConfig(width=4)), fit(renamed, GraphConfig(width=4))
    place = [renamed.users.index(other[name]).as_py() for name in data.users.to_pylist()]
    np.testing.assert_allclose(two.values, one.values, atol=1e-4)
    joined = one.users(data, np.arange(len(place))) @ one.items.T
    np.testing.assert_allclose((two.users(renamed, np.arange(len(place))) @ two.items.T)[place], joined, atol=1e-3)


def test_the_same_shop_gives_the_same_bytes_and_they_come_back_from_disk() -> None:
    data = encode(table(random_rows(1)), TODAY.replace(day=31))
    one, two = (fit(data, GraphConfig(width=5)).arrays() for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    again = restore(GraphConfig(width=5), one)
    everybody = np.arange(len(data.users))
    assert np.array_equal(again.users(data, everybody), fit(data, GraphConfig(width=5)).users(data, everybody))


def test_leading_directions_are_the_singular_ones_and_what_is_beyond_the_rank_is_zero() -> None:
    draw = np.random.default_rng(4)
    dense = draw.random((30, 5)) @ draw.random((5, 12))
    values, vectors = leading(sparse.csr_array(dense), 8)
    exact = np.linalg.svd(dense, compute_uv=False)
    np.testing.assert_allclose(values[:5], exact[:5], rtol=1e-4)
    assert not values[5:].any() and not vectors[:, 5:].any() and vectors.shape == (12, 8)
    np.testing.assert_allclose(np.linalg.norm(dense @ vectors, axis=0), values, atol=1e-4)


def test_nobody_and_nothing_have_vectors_of_zeros() -> None:
    data = encode(table(ROWS), TODAY, pa.array(["new"]), pa.array(["unsold"]))
    graph = fit(data, PLAIN)
    assert not graph.users(data, np.array([data.users.index("new").as_py()])).any()
    assert not graph.items[data.items.index("unsold").as_py()].any()
    empty = fit(encode(table([]), TODAY, pa.array(["new"]), pa.array(["unsold"])), PLAIN)
    assert empty.items.shape == (1, 3) and not empty.items.any()


def test_what_lies_in_one_category_is_joined_and_who_searches_leans_to_what_others_took() -> None:
    rows = [("ann", "a", 0), ("bob", "b", 0), ("cid", "c", 0)]
    data = encode(table(rows), TODAY)
    alone, joined = fit(data, PLAIN), fit(data, PLAIN, Links(categories=sparse.csr_array(np.array([[1.0, 1, 0]]))))
    assert score(alone, data, "ann", "b") == pytest.approx(0, abs=1e-5)
    assert twice(joined, data, "ann", "b") > 0.1 > abs(twice(joined, data, "ann", "c"))
    links = Links(
        queries=sparse.csr_array(np.array([[0.0, 0, 1]])), asked=sparse.csr_array(np.array([[1.0], [0], [0]]))
    )
    asked = fit(data, PLAIN, links)
    assert (asked.users(data, np.array([0]), links) @ asked.items.T)[0, 2] > 0.1
    assert score(asked, data, "ann", "c") == pytest.approx(0, abs=1e-5)  # without the words it is only what ann had


def score(graph: Graph, data, user: str, item: str) -> float:
    vector = graph.users(data, np.array([data.users.index(user).as_py()]))
    return float((vector @ graph.items.T)[0, data.items.index(item).as_py()])


def twice(graph: Graph, data, user: str, item: str) -> float:
    """After two more steps."""
    vector = graph.users(data, np.array([data.users.index(user).as_py()])) * graph.values**2
    return float((vector @ graph.items.T)[0, data.items.index(item).as_py()])


def test_a_sample_of_users_is_enough_to_give_all_of_them_vectors() -> None:
    rows = [(f"u{n:03d}", f"i{(n % 2) * 5 + m}", 0) for n in range(200) for m in range(1 + n % 5)]
    data = encode(table(rows), TODAY)
    graph = fit(data, GraphConfig(width=4, learners=60))
    scores = graph.users(data, np.arange(200)) @ graph.items.T
    odd = np.arange(200) % 2 == 1
    assert (scores[odd][:, 5:].sum(axis=1) > 10 * np.abs(scores[odd][:, :5]).sum(axis=1)).all()


def test_the_next_night_has_other_items_and_the_same_directions() -> None:
    rows = random_rows(5)
    before = encode(table(rows), TODAY.replace(day=31))
    graph = fit(before, GraphConfig(width=5))
    after = encode(table([*rows, ("u9", "h", 1), ("u9", "i3", 1)]), TODAY.replace(day=31))
    place = np.array([before.items.index(name).as_py() for name in after.items.to_pylist()])
    assert place[0] == -1
    moved = graph.of_items(place)
    users = [before.users.index(name).as_py() for name in after.users.to_pylist() if name != "u9"]
    kept = np.array([at for at, name in enumerate(after.users.to_pylist()) if name != "u9"])
    np.testing.assert_allclose(moved.users(after, kept), graph.users(before, np.array(users)), atol=1e-6)
    one, other = (g.alike(graph.users(before, np.array(users))) for g in (graph, graph.of_items(place[1:])))
    np.testing.assert_allclose(one, other, atol=1e-5)
    fewer = graph.of_items(np.arange(len(before.items) - 1)).alike(graph.users(before, np.array(users)))
    assert ((fewer * one).sum(axis=1) > 0.8 * np.linalg.norm(fewer, axis=1) * np.linalg.norm(one, axis=1)).all()
    assert not moved.items[0].any() and moved.users(after, np.array([after.users.index("u9").as_py()])).any()
