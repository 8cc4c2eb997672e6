"""The fast selection equals a plain sort, ties included, and does not depend on how users are blocked."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import encode
from models.recommender.configs import CONFIGS
from models.recommender.floors import FLOORS, fit
from models.recommender.frequent import FrequentItemsModel
from models.recommender.ranking import rank_users, top_k
from tests.models.shop import MONDAY, described, random_rows, table


def plain_top_k(row: np.ndarray, k: int) -> list[int]:
    best = sorted((-value, column) for column, value in enumerate(row) if value > -np.inf)[:k]
    return [column for _, column in best] + [-1] * (k - len(best))


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 9))
def test_top_k_equals_a_plain_sort(seed: int, columns: int, k: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.integers(-2, 3, (5, columns)).astype(np.float32)  # few values, many ties
    scores[draw.random(scores.shape) < 0.2] = -np.inf
    items, values = top_k(scores, k)
    assert items.tolist() == [plain_top_k(row, k) for row in scores]
    taken = np.take_along_axis(scores, np.maximum(items, 0), 1)
    assert np.array_equal(values, np.where(items >= 0, taken, -np.inf))


def test_a_tie_at_the_last_place_goes_to_the_smaller_item() -> None:
    items, _ = top_k(np.array([[1, 3, 1, 1, 2]], dtype=np.float32), 3)
    assert items.tolist() == [[1, 4, 0]]


def test_no_columns_and_no_rows_give_padding() -> None:
    assert top_k(np.empty((2, 0), np.float32), 2)[0].tolist() == [[-1, -1], [-1, -1]]
    assert top_k(np.empty((0, 3), np.float32), 2)[0].shape == (0, 2)


ROWS = [("a", "x", 0), ("a", "x", 1), ("a", "y", 2), ("b", "z", 1), ("b", "w", 1)]


def lists(available: list[bool], seen: sparse.csr_array | None = None, k: int = 4) -> tuple[list, list]:
    data = encode(table(ROWS), MONDAY + timedelta(3))  # items w x y z; users a b
    fill = np.array([3, 2, 1, 0])
    blocks = list(rank_users(FrequentItemsModel(), data, np.arange(2), k, fill, np.array(available), seen))
    names = [*data.items.to_pylist(), "-"]
    rows = np.concatenate([b.items for b in blocks])
    return ["".join(names[i] for i in row) for row in rows], np.concatenate([b.filled for b in blocks]).tolist()


def test_own_items_come_first_then_the_fill_in_its_order() -> None:
    found, filled = lists([True] * 4)
    assert found == ["xyzw", "wzyx"]
    assert filled == [[False, False, True, True]] * 2


def test_what_is_not_available_is_never_listed() -> None:
    assert lists([True, False, True, True])[0] == ["yzw-", "wzy-"]


def test_what_was_seen_is_never_listed_not_even_as_fill() -> None:
    seen = sparse.csr_array(np.array([[False, True, True, False], [True, False, False, True]]))
    assert lists([True] * 4, seen)[0] == ["zw--", "yx--"]


@pytest.mark.parametrize("name", FLOORS)
def test_blocks_of_one_user_equal_one_block_of_all(name: str) -> None:
    data = described(encode(table(random_rows(5, users=9, items=8, events=90)), MONDAY + timedelta(30)))
    model = fit(data, CONFIGS[name])
    available, fill = np.ones(len(data.items), dtype=bool), np.arange(len(data.items))

    def flat(cells: int) -> tuple[bytes, bytes]:
        blocks = list(rank_users(model, data, np.arange(len(data.users)), 5, fill, available, block_cells=cells))
        return (
            np.concatenate([b.items for b in blocks]).tobytes(),
            np.concatenate([b.scores for b in blocks]).tobytes(),
        )

    assert flat(1) == flat(10_000)
