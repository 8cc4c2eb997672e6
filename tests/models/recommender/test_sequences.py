"""Histories as moments, their futures, and windows packed into rows."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interactions import MICROSECONDS_PER_DAY, Interactions, encode
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


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 100_000))
def test_moments_are_what_a_loop_over_users_and_times_finds(seed: int) -> None:
    data, draw = shop(random_rows(seed)), np.random.default_rng(seed)
    users = draw.permutation(len(data.users))[: draw.integers(1, len(data.users) + 1)]
    code = np.where(draw.random(len(data.items)) < 0.8, draw.permutation(len(data.items)), -1)
    found = moments(data, code, users)
    read = np.isin(data.user, users) & (code[data.item] >= 0)
    rows, days, counts = [], [], []
    for user in users:
        times = np.unique(data.time[read & (data.user == user)])
        days += ((times - data.time[read].min(initial=2**62)) / MICROSECONDS_PER_DAY).tolist()
        counts.append(len(times))
        rows += [np.flatnonzero(read & (data.user == user) & (data.time == time)) for time in times]
    assert found.day == pytest.approx(days)
    assert np.diff(found.offsets).tolist() == counts
    assert np.diff(found.first).tolist() == [len(row) for row in rows]
    events = np.concatenate([*rows, np.empty(0, np.int64)])
    assert found.item.tolist() == code[data.item[events]].tolist()
    assert found.event.tolist() == data.event[events].tolist()


def test_the_future_reaches_the_horizon_itself_and_never_another_user() -> None:
    days = {"ann": [0, 3, 7, 40], "bob": [5], "eve": [0, 7]}
    found = of_all(shop([(user, "a", day) for user, mine in days.items() for day in mine]))
    # ann's day 7 sees her next moment, however far; last moments see nothing
    assert future(found, 7).tolist() == [3, 3, 4, 4, 5, 7, 7]


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


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 100_000), st.integers(1, 9))
def test_windows_of_any_shifts_cover_each_user_once(seed: int, length: int) -> None:
    found = of_all(shop(random_rows(seed)))
    shift = np.random.default_rng(seed).integers(0, length, len(found.offsets) - 1)
    ranges = windows(found, length, shift)
    assert np.concatenate([np.arange(*window) for window in ranges]).tolist() == list(range(len(found.day)))
    assert ((np.diff(ranges) > 0) & (np.diff(ranges) <= length)).all()
    first, last = (np.searchsorted(found.offsets, moment, side="right") for moment in (ranges[:, 0], ranges[:, 1] - 1))
    assert (first == last).all()  # one user's


def test_a_shift_shortens_the_first_window() -> None:
    found = of_all(shop([*(("ann", "a", day) for day in range(7)), ("bob", "a", 0), ("bob", "a", 1)]))
    assert windows(found, 3, np.array([0, 0])).tolist() == [[0, 3], [3, 6], [6, 7], [7, 9]]
    assert windows(found, 3, np.array([2, 2])).tolist() == [[0, 1], [1, 4], [4, 7], [7, 8], [8, 9]]


def test_windows_share_a_row_until_one_does_not_fit() -> None:
    packed = pack(np.array([[4, 6], [0, 3], [6, 7], [9, 12]]), 5)
    assert packed.moment.tolist() == [[4, 5, 0, 1, 2], [6, 9, 10, 11, -1]]
    assert packed.segment.tolist() == [[1, 1, 2, 2, 2], [3, 4, 4, 4, 0]]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 6), max_size=20), st.integers(6, 9))
def test_packing_keeps_the_order_and_pads_only_the_ends_of_rows(sizes: list[int], length: int) -> None:
    end = np.cumsum(sizes, dtype=np.int64)
    ranges = np.stack([end - np.array(sizes, np.int64), end], axis=1)[::-1]
    packed = pack(ranges, length)
    real = packed.moment >= 0
    assert packed.moment.shape == packed.segment.shape == (len(real), length)
    assert packed.moment[real].tolist() == [moment for window in ranges for moment in range(*window)]
    assert packed.segment[real].tolist() == [n + 1 for n, window in enumerate(ranges) for _ in range(*window)]
    assert (packed.segment[~real] == 0).all()
    assert all((np.diff(row.astype(int)) <= 0).all() for row in real)


def test_of_a_long_history_the_newest_moments_are_read() -> None:
    found = of_all(shop([("ann", "a", day) for day in range(9)]))
    assert newest(found, 4).tolist() == [[5, 9]]
    assert newest(found, 20).tolist() == [[0, 9]]


def test_people_without_a_moment_have_empty_ranges() -> None:
    data = encode(table([("ann", "a", 0), ("ann", "a", 1)]), MONDAY + timedelta(60), pa.array(["aaron", "zoe"]))
    found = of_all(data)
    assert newest(found, 4).tolist() == [[0, 0], [0, 2], [2, 2]]
    assert windows(found, 4, np.array([3, 0, 3])).tolist() == [[0, 2]]
    assert future(found, 5).tolist() == [2, 2]
