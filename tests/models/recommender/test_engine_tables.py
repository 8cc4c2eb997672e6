"""Lists over Arrow tables, and the law of `update`: scoring what changed gives what scoring everything gives."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommender.engine import tables
from models.recommender.engine.tables import LISTS, TableEngine

Row = dict[str, object]


def vectors(rows: list[list[float]]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.float32(rows).ravel(), pa.float32()), 2)


def items(**columns: list) -> pa.Table:
    """Four items, not in the order of their ids."""
    table = {"item_id": ["d", "a", "c", "b"], "vector": vectors([[2, 0], [1, 0], [1, 1], [0, 1]])}
    return pa.table({**table, **columns})


def users(**columns: list) -> pa.Table:
    """Anna's scores of a, b, c, d are 1, 2, 3, 2; Ben's are 1, 0, 1, 2."""
    return pa.table({"user_id": ["anna", "ben"], "vector": vectors([[1, 2], [1, 0]]), **columns})


def lists(shop: pa.Table, people: pa.Table, k: int = 3) -> dict[str, str]:
    found = pa.Table.from_batches(TableEngine(shop).lists(people, k), LISTS).to_pylist()
    words: dict[str, str] = {}
    for row in found:
        words[row["user_id"]] = words.get(row["user_id"], "") + row["item_id"]
        assert row["rank"] == len(words[row["user_id"]])
    return words


def test_equal_scores_go_to_the_smaller_id() -> None:
    assert lists(items(), users()) == {"anna": "cbd", "ben": "dac"}


def test_what_is_seen_or_denied_is_not_listed() -> None:
    people = users(seen=[["c", "nobody knows it"], None], denied=[["b"], []])
    assert lists(items(), people) == {"anna": "da", "ben": "dac"}


def test_allowed_limits_those_who_have_such_a_list() -> None:
    assert lists(items(), users(allowed=[None, ["b", "a"]])) == {"anna": "cbd", "ben": "ab"}
    assert lists(items(), users(allowed=[[], None], seen=[[], ["d"]])) == {"ben": "acb"}


def test_bias_and_availability_are_columns_of_the_items() -> None:
    assert lists(items(bias=[0.0, 5.0, 0.0, 0.0]), users()) == {"anna": "acb", "ben": "adc"}
    assert lists(items(available=[True, False, False, True]), users()) == {"anna": "bd", "ben": "db"}


def test_sliced_and_chunked_tables_and_small_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    people = users(seen=[["c"], ["d"]])
    people = pa.concat_tables([people.slice(1), people.slice(0, 1)])
    shop = pa.concat_tables([items().slice(2), items().slice(0, 2)])
    monkeypatch.setattr(tables, "BATCH", 1)
    assert lists(shop, people) == {"ben": "acb", "anna": "bda"}


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="once for each item"):
        TableEngine(pa.concat_tables([items(), items()]))
    with pytest.raises(ValueError, match="fixed_size_list"):
        TableEngine(pa.table({"item_id": ["a"], "vector": [[1.0]]}))
    with pytest.raises(ValueError, match="1 rows have no vector"):
        list(
            TableEngine(items()).lists(
                pa.table({"user_id": ["x"], "vector": pa.nulls(1, pa.list_(pa.float32(), 2))}), 1
            )
        )
    with pytest.raises(ValueError, match="1 rows have no bias"):
        TableEngine(items(bias=[1.0, None, 0.0, 0.0]))


# ---- update ------------------------------------------------------------------------------------------------------

NAMES = [f"i{number:02d}" for number in range(40)]
PEOPLE = [f"u{number}" for number in range(12)]


def some_item(draw: np.random.Generator) -> Row:
    """Few values, so that many scores are equal."""
    return {
        "vector": draw.integers(-2, 3, 2).tolist(),
        "bias": float(draw.integers(-1, 2)),
        "available": draw.random() < 0.8,
    }


def some_user(draw: np.random.Generator) -> Row:
    def names(share: float) -> list[str]:
        return [name for name in NAMES if draw.random() < share]

    allowed = names(0.4) if draw.random() < 0.3 else None
    return {"vector": draw.integers(-2, 3, 2).tolist(), "seen": names(0.2), "denied": names(0.1), "allowed": allowed}


def as_table(rows: dict[str, Row], key: str) -> pa.Table:
    words = pa.list_(pa.string())
    types = {"vector": pa.list_(pa.float32(), 2), "seen": words, "denied": words, "allowed": words}
    types |= {"bias": pa.float32(), "available": pa.bool_()}
    names = ("vector", "bias", "available") if key == "item_id" else ("vector", "seen", "denied", "allowed")
    columns = {name: pa.array([row[name] for row in rows.values()], types[name]) for name in names}
    return pa.table({key: pa.array(list(rows), pa.string()), **columns})


def changed(
    rows: dict[str, Row], names: list[str], make: Callable[[np.random.Generator], Row], share: float,
    draw: np.random.Generator,
) -> dict[str, Row]:  # fmt: skip
    """Some rows made anew, some gone, some that were not there; the rest as it was."""
    result = {}
    for name in draw.permutation(names).tolist():
        chance = draw.random()
        if chance < share / 2 and name in rows:
            continue
        if chance < share:
            result[name] = make(draw)
        elif name in rows:
            result[name] = rows[name]
    return result


def differing(before: dict[str, Row], now: dict[str, Row]) -> pa.Array:
    return pa.array([n for n in {**before, **now} if before.get(n) != now.get(n)], pa.string())


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.05, 0.3, 1.0]), st.integers(1, 9), st.integers(1, 9))
def test_update_equals_a_full_run(seed: int, share: float, k_before: int, k: int) -> None:
    draw = np.random.default_rng(seed)
    old_items = {name: some_item(draw) for name in NAMES if draw.random() < 0.8}
    old_users = {name: some_user(draw) for name in PEOPLE if draw.random() < 0.8}
    new_items = changed(old_items, NAMES, some_item, share * draw.random(), draw)
    new_users = changed(old_users, PEOPLE, some_user, share * draw.random(), draw)
    before = TableEngine(as_table(old_items, "item_id")).lists(as_table(old_users, "user_id"), k_before)
    today = TableEngine(as_table(new_items, "item_id"))
    people = as_table(new_users, "user_id")
    previous = pa.Table.from_batches(before, LISTS)
    previous = previous.take(draw.permutation(len(previous)))  # however it was stored
    args = (differing(old_users, new_users), differing(old_items, new_items))
    found = pa.Table.from_batches(today.update(previous, people, k, *args), LISTS)
    assert found.equals(pa.Table.from_batches(today.lists(people, k), LISTS))


def test_update_scores_all_only_for_whom_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Item c rises: both lists are sure. Item d falls out of Ben's: what is below its old end was never listed."""
    previous = pa.Table.from_batches(TableEngine(items()).lists(users(), 2), LISTS)
    scored: list[int] = []

    def ask(shop: pa.Table, name: str) -> list[tuple[str, str]]:
        today = TableEngine(shop)
        full = today.engine.rank
        monkeypatch.setattr(
            today.engine, "rank", lambda vectors, *rest: scored.append(len(vectors)) or full(vectors, *rest)
        )
        nobody, changed_items = pa.array([], pa.string()), pa.array([name])
        rows = pa.Table.from_batches(today.update(previous, users(), 2, nobody, changed_items), LISTS).to_pylist()
        return [(row["user_id"], row["item_id"]) for row in rows]

    better = items(vector=vectors([[2, 0], [1, 0], [4, 1], [0, 1]]))
    assert ask(better, "c") == [("anna", "c"), ("anna", "b"), ("ben", "c"), ("ben", "d")]
    worse = items(vector=vectors([[-9, 0], [1, 0], [1, 1], [0, 1]]))
    assert ask(worse, "d") == [("anna", "c"), ("anna", "b"), ("ben", "a"), ("ben", "c")]
    assert scored == [0, 1]
