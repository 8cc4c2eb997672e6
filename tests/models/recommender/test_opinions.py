"""What reviews make of an item, by hand."""

import numpy as np

from models.recommender.opinions import NAMES, opinions


def test_few_reviews_are_drawn_towards_the_shops() -> None:
    # item 0: 5, 4 and one without a rating; item 2: 1; the shop's mean is 10 / 3, and 2 of 3 are good
    found = opinions(np.array([0, 0, 0, 2]), np.array([5.0, 4.0, np.nan, 1.0]), 4)
    assert found is not None
    assert NAMES == ("item_reviews", "item_rating", "item_positive")
    rating, good = 10 * (10 / 3), 10 * (2 / 3)
    assert np.allclose(found[0], [3, (9 + rating) / 12, (2 + good) / 12])
    assert np.allclose(found[2], [1, (1 + rating) / 11, (0 + good) / 11])
    for item in (1, 3):
        assert found[item, 0] == 0
        assert np.isnan(found[item, 1:]).all()


def test_reviews_without_a_rating_say_only_how_many_they_are() -> None:
    found = opinions(np.array([1]), np.array([np.nan]), 2)
    assert found is not None
    assert found[:, 0].tolist() == [0, 1]
    assert np.isnan(found[:, 1:]).all()


def test_without_reviews_there_are_no_columns() -> None:
    assert opinions(np.empty(0, np.int64), np.empty(0), 3) is None
