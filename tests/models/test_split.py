from datetime import timedelta

import numpy as np

from models.split import tail_items, time_split
from tests.models.shop import MONDAY, table

CUT = MONDAY + timedelta(10)


def split_of(rows: list[tuple], repeat: bool = True, training_days: int = 100):
    return time_split(table(rows), table(rows), CUT, test_days=5, training_days=training_days, repeat=repeat)


def relevant_items(split, user: str) -> set[str]:
    row = split.test_users.tolist().index(split.train.users.to_pylist().index(user))
    return {split.train.items[int(i)].as_py() for i in split.relevant[[row]].indices}


def test_training_ends_with_the_cut_and_the_test_days_follow() -> None:
    split = split_of([("a", "x", 10), ("a", "y", 11), ("a", "x", 15), ("a", "y", 16), ("b", "y", 10)])
    assert len(split.train.item) == 2
    assert relevant_items(split, "a") == {"x", "y"}  # day 15 is the last test day; day 16 is out
    assert len(split.test_users) == 1


def test_only_purchases_are_relevant() -> None:
    split = split_of([("a", "x", 1), ("a", "x", 11, "view"), ("b", "x", 12)])
    assert split.train.users.take(split.test_users.tolist()).to_pylist() == ["b"]


def test_the_training_window_starts_where_it_should() -> None:
    split = split_of([("a", "x", 5), ("a", "y", 6), ("a", "x", 12)], training_days=5)
    assert split.train.items.to_pylist() == ["y"]


def test_an_item_unknown_to_training_stays_a_miss() -> None:
    split = split_of([("a", "x", 1), ("a", "new", 11)])
    assert (split.relevant.nnz, split.unknown.tolist()) == (0, [1])


def test_users_with_few_or_no_purchases_are_new_but_still_judged() -> None:
    loyal = [("loyal", "x", day) for day in range(5)]
    split = split_of([*loyal, ("few", "x", 1), ("loyal", "x", 11), ("few", "x", 11), ("nobody", "x", 11)])
    new, _ = split.masks()
    users = split.train.users.take(split.test_users.tolist()).to_pylist()
    assert dict(zip(users, new.tolist(), strict=True)) == {"few": True, "loyal": False, "nobody": True}


def test_without_repeats_what_was_bought_is_masked_and_no_longer_relevant() -> None:
    rows = [("a", "x", 1), ("a", "x", 11), ("a", "y", 12), ("b", "y", 2), ("b", "y", 12)]
    split = split_of(rows, repeat=False)
    assert relevant_items(split, "a") == {"y"}
    assert len(split.test_users) == 1  # b only bought y again
    assert split.seen is not None
    assert split.seen.toarray().tolist() == [[True, False], [False, True]]
    assert split_of(rows).seen is None


def test_what_was_bought_before_the_window_is_still_bought() -> None:
    rows = [("a", "old", 0), ("b", "old", 9), ("a", "old", 11), ("a", "gone", 0), ("a", "gone", 11), ("a", "n", 12)]
    split = split_of(rows, repeat=False, training_days=5)
    assert (split.relevant.nnz, split.unknown.tolist()) == (0, [1])  # only n is left, and training never saw it
    assert split.seen is not None
    assert split.seen.nnz == 2


def test_the_head_is_the_fewest_items_that_hold_four_fifths() -> None:
    rows = [(f"u{n}", "head", 1) for n in range(8)] + [("u0", "t1", 1), ("u0", "t2", 1)]
    split = split_of(rows)
    assert tail_items(split.train).tolist() == [False, True, True]
    wider = split_of(rows[1:])  # 7 of 9 is less than 80 %: the head needs one more
    assert tail_items(wider.train).tolist() == [False, False, True]


def test_later_events_change_no_byte_of_training() -> None:
    rows = [("a", "x", 1), ("b", "y", 3), ("a", "z", 12)]
    one = split_of(rows)
    other = split_of([*rows[:2], ("a", "x", 11), ("b", "new", 13), ("a", "z", 400)])
    for field in ("item", "event", "time", "offsets"):
        assert np.array_equal(getattr(one.train, field), getattr(other.train, field))
    assert one.train.items == other.train.items


def test_a_sample_keeps_each_user_with_what_is_relevant_to_them() -> None:
    rows = [(f"u{n}", f"i{n}", day) for n in range(9) for day in (1, 11)]
    whole = split_of(rows)
    few = whole.sample(4, seed=1)
    assert len(few.test_users) == 4 == few.relevant.shape[0] == len(few.unknown)
    for user in few.train.users.take(few.test_users.tolist()).to_pylist():
        assert relevant_items(few, user) == {f"i{user[1:]}"}
    assert (few.test_users == whole.sample(4, seed=1).test_users).all()
    assert whole.sample(9, seed=1) is whole
