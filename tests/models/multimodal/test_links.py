"""What points at items: by hand, and that what somebody searched for counts."""

import numpy as np
import pyarrow as pa

from models.interactions import encode
from models.multimodal.graph import GraphConfig, fit
from models.multimodal.links import category_rows, links
from tests.models.shop import MONDAY, table


def test_a_category_holds_its_items_and_those_below_it() -> None:
    rows = category_rows(pa.array(["Home > Light", "Home/Kitchen", None, "Home"]))
    assert rows is not None
    assert rows.toarray().tolist() == [[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]  # Home, Home > Kitchen, Home > Light
    assert category_rows(pa.array([None, " "], pa.string())) is None


def test_queries_point_at_what_was_taken_and_users_at_queries() -> None:
    data = encode(table([("ann", "lamp", 0), ("bob", "mug", 0), ("cid", "pot", 0)]), MONDAY)
    searches = pa.Table.from_pylist(
        [
            {"user_id": "bob", "query": "Red  MUG", "item_id": "mug"},
            {"user_id": None, "query": "red mug", "item_id": "mug"},
            {"user_id": "ann", "query": "red mug", "item_id": None},
            {"user_id": "ann", "query": None, "item_id": "lamp"},
            {"user_id": "cid", "query": "nothing found", "item_id": None},
            {"user_id": "dan", "query": "pot", "item_id": "gone"},
        ],
        schema=pa.schema([(name, pa.string()) for name in ("user_id", "query", "item_id")]),
    )
    found = links(data, pa.array([None] * 3, pa.string()), searches)
    assert found.categories is None and found.queries is not None and found.asked is not None
    assert found.queries.toarray().tolist() == [[0, 2, 0]]
    assert found.asked.toarray().tolist() == [[1], [1], [0]]
    graph = fit(data, GraphConfig(width=3), found)
    scores = graph.users(data, np.arange(3), found) @ graph.items.T
    assert scores[0, 1] > 0.1 and abs(scores[2, 1]) < 1e-4
    assert links(data, pa.array(["a", "a", "b"])).queries is None
    assert links(data, pa.array(["a"] * 3), searches.slice(4, 1)).asked is None


def test_the_order_of_searches_does_not_matter() -> None:
    data = encode(table([("ann", "lamp", 0), ("bob", "mug", 0)]), MONDAY)
    rows = [{"user_id": u, "query": q, "item_id": i} for u in ("ann", "bob") for q in "xyz" for i in ("lamp", "mug")]
    one, other = (links(data, pa.array(["a", "b"]), pa.Table.from_pylist(some)) for some in (rows, rows[::-1]))
    assert (one.queries != other.queries).nnz == 0 and (one.asked != other.asked).nnz == 0
