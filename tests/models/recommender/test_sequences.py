"""Histories as moments, their futures, and windows packed into rows."""

from datetime import timedelta

import numpy as np
import pytest

from models.interactions import Interactions, encode
from models.recommender.sequences import Moments, codes_of, future, moments, newest, pack, vocabulary, windows
from tests.models.shop import MONDAY, random_rows, table


def shop(rows: list[tuple]) -> Interactions:
    return encode(table(rows), MONDAY + timedelta(60))


def of_all(data: Interactions, min_users: int = 1) -> Moments:
    return moments(data, codes_of(data, vocabulary(data, min_users)), np.arange(len(data.users)))


def test_a_receipt_is_one_moment_and_a_later_one_another() -> None:
    found = of_all(shop([("ann", "b", 0), ("ann", "a", 0), ("ann", "a", 3), ("bob", "c", 1, "view")]))
    assert found.item.tolist() == [0, 1, 0, 2]
    assert found.first.tolist() == [0, 2, 3, 4]
    assert found.day.tolist() == [0, 3, 1]
    assert found.offsets.tolist() == [0, 2, 3]
    assert found.weight.tolist() == pytest.approx([1, 1, 1, 0.1])


def test_items_of_too_few_people_are_left_out() -> None:
    data = shop([("ann", "a", 0), ("bob", "a", 1), ("bob", "rare", 2)])
    assert vocabulary(data, 2).to_pylist() == ["a"]
    assert of_all(data, 2).item.tolist() == [0, 0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("horizon", [0.0, 3.0, 100.0])
def test_the_future_is_what_a_loop_finds(seed: int, horizon: float) -> None:
    found = of_all(shop(random_rows(seed)))
    expected = []
    for user in range(len(found.offsets) - 1):
        begin, end = found.offsets[user], found.offsets[user + 1]
        for moment in range(begin, end):
            inside = [m for m in range(moment + 1, end) if found.day[m] <= found.day[moment] + horizon]
            expected.append(max([*inside, min(moment + 1, end - 1)]) + 1)
    assert future(found, horizon).tolist() == expected


@pytest.mark.parametrize("shift", range(4))
def test_windows_cover_every_moment_once_and_packing_loses_none(shift: int) -> None:
    found = of_all(shop(random_rows(2)))
    users = len(found.offsets) - 1
    ranges = windows(found, 4, np.full(users, shift))
    assert (ranges[:, 1] - ranges[:, 0] <= 4).all()
    packed = pack(ranges, 4)
    assert sorted(packed.moment[packed.moment >= 0].tolist()) == list(range(len(found.day)))
    for row in range(len(packed.moment)):
        for number in np.unique(packed.segment[row]):
            members = packed.moment[row][packed.segment[row] == number]
            assert number == 0 or (np.diff(members) == 1).all()  # a window stays in one piece and in order


def test_of_a_long_history_the_newest_moments_are_read() -> None:
    found = of_all(shop([("ann", "a", day) for day in range(9)]))
    assert newest(found, 4).tolist() == [[5, 9]]
    assert newest(found, 20).tolist() == [[0, 9]]
