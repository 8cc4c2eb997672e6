"""Recall by hand, and neighbours."""

import numpy as np

from models.multimodal.retrieval import found_at, nearest


def test_recall_of_three_queries_by_hand() -> None:
    targets = np.eye(4, dtype=np.float32)
    queries = np.array(
        [
            [0.9, 0.1, 0.2, 0.3],  # its own is best
            [0.9, 0.1, 0.2, 0.3],  # three are better than its own
            [0.5, 0.1, 0.5, 0.5],  # three are best, its own among them
            [0.0, 0.0, 0.9, 0.5],  # one is better
        ],
        dtype=np.float32,
    )
    found = found_at(queries, targets, (1, 2, 4))
    np.testing.assert_allclose(found[1], [1, 0, 1 / 3, 0])
    np.testing.assert_allclose(found[2], [1, 0, 2 / 3, 1])
    np.testing.assert_allclose(found[4], [1, 1, 1, 1])
    assert found[1].mean() == (1 + 0 + 1 / 3 + 0) / 4


def test_blocks_change_nothing() -> None:
    draw = np.random.default_rng(0)
    queries, targets = draw.integers(0, 3, (2, 37, 4)).astype(np.float32)
    whole, pieces = found_at(queries, targets, (1, 5)), found_at(queries, targets, (1, 5), block=5)
    assert all((whole[k] == pieces[k]).all() for k in whole)


def test_the_nearest_come_first_and_the_lower_row_at_ties() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 0], [0.5, 0.5]], dtype=np.float32)
    assert nearest(np.array([[1, 0]], dtype=np.float32), targets, 9).tolist() == [[0, 2, 3, 1]]
