"""Personas: planted groups are found and counted, no order matters, names stay, and what is said of them is true."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interactions import encode
from models.multimodal.lookalike import Model
from models.multimodal.persona_tables import PERSONA_TRAITS, PERSONAS, USER_PERSONAS, Goods, tables
from models.multimodal.personas import PersonaConfig, Personas, adjusted_rand, group, named
from tests.models.shop import MONDAY, table

QUICK = PersonaConfig(most=6, restarts=6, resamples=2)
BY = Model("graph", "abc")


def planted(sizes: tuple[int, ...], seed: int = 0, spread: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    centres = np.linalg.qr(draw.standard_normal((8, len(sizes))))[0].T
    of = np.repeat(np.arange(len(sizes)), sizes)
    rows = centres[of] + spread * draw.standard_normal((len(of), 8))
    return (rows * draw.uniform(0.5, 5, (len(of), 1))).astype(np.float32), of


@pytest.mark.parametrize("sizes", [(60, 40), (50, 40, 30, 20)])
def test_as_many_groups_as_there_are_and_each_user_in_their_own(sizes: tuple[int, ...]) -> None:
    rows, of = planted(sizes)
    found = group(rows, QUICK)
    assert len(found.centroids) == len(sizes) and adjusted_rand(found.of, of) == 1
    assert np.bincount(found.of).tolist() == sorted(sizes, reverse=True)
    assert found.stability[len(sizes)] == pytest.approx(1)
    assert all((np.diff(found.cosine[users]) <= 0).all() for users in found.typical)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_the_order_of_users_does_not_matter(seed: int) -> None:
    rows, _ = planted((30, 20, 10), seed=3, spread=0.4)
    order = np.random.default_rng(seed).permutation(len(rows))
    one, other = group(rows, QUICK), group(rows[order], QUICK)
    assert np.array_equal(other.of, one.of[order])
    np.testing.assert_allclose(other.centroids, one.centroids, atol=1e-6)


def test_who_has_no_vector_has_no_persona_and_a_shop_of_nobody_has_none() -> None:
    rows, _ = planted((30, 20))
    rows[7] = 0
    found = group(rows, QUICK)
    assert found.of[7] == -1 and found.cosine[7] == 0 and (np.delete(found.of, 7) >= 0).all()
    assert len(group(np.zeros((3, 4), np.float32), QUICK).centroids) == 0
    assert len(group(np.eye(2, dtype=np.float32), QUICK).centroids) == 1


def test_from_yesterdays_centres_the_number_of_groups_is_kept() -> None:
    rows, of = planted((60, 40, 20))
    first = group(rows[:-5], QUICK)
    found = group(rows, QUICK, before=first)
    assert len(found.centroids) == 3 and adjusted_rand(found.of, of) == 1 and found.stability == {}


def personas(of: list[int]) -> Personas:
    count = max(of) + 1
    return Personas(
        np.zeros(3), np.eye(count, 3, dtype=np.float32), np.array(of, np.int32), np.ones(len(of), np.float32), {}
    )


def test_a_group_keeps_the_name_that_most_of_its_members_had() -> None:
    users = list("abcdef")
    yesterday = {
        "a": "persona 2",
        "b": "persona 2",
        "c": "persona 1",
        "d": "persona 1",
        "e": "persona 1",
        "z": "persona 4",
    }
    assert named(personas([0, 0, 0, 1, 1, 2]), users, yesterday) == ["persona 2", "persona 1", "persona 5"]
    assert named(personas([0, 0, 1, 1, 1, -1]), users, {}) == ["persona 1", "persona 2"]


def test_adjusted_rand_by_hand() -> None:
    """Table [[2, 0], [1, 1]]: pairs together in both 1; by rows 2, by columns 3, of 6; expected 1; (1 − 1) / 1.5."""
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])) == pytest.approx(0)
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 1


def test_what_is_said_of_a_persona_is_what_its_members_did() -> None:
    rows = [
        ("ann", "mug", 0), ("ann", "mug", 6), ("ann", "pot", 6), ("bob", "mug", 2),
        ("cid", "lamp", 0), ("cid", "lamp", 3), ("cid", "mug", 9), ("dan", "lamp", 1, "view"),
    ]  # fmt: skip
    data = encode(table(rows), MONDAY + timedelta(20))
    assert data.items.to_pylist() == ["lamp", "mug", "pot"]
    goods = Goods(
        pa.array(["Desk lamp 40 W", "The enamel mug", None]),
        pa.array(["All > Light", "All > Kitchen", "All > Kitchen"]),
        np.array([40.0, 5.0, np.nan]),
    )
    found = tables(personas([0, 0, 1, 1]), ["persona 1", "persona 2"], data, goods, BY)
    assert [t.schema for t in (found.personas, found.traits, found.users)] == [PERSONAS, PERSONA_TRAITS, USER_PERSONAS]
    first, second = found.personas.to_pylist()
    assert (first["users"], first["share"], first["purchases_per_user"]) == (2, 0.5, 2.0)
    assert first["days_between_visits"] == 6 and second["days_between_visits"] == 4.5
    assert first["median_price"] == 5 and second["median_price"] == 40
    assert first["price_level"] == 5 / 5 and second["price_level"] == 40 / 5
    traits = {
        (t["persona"], t["kind"], t["value"]): (t["rank"], t["members"], t["lift"]) for t in found.traits.to_pylist()
    }
    assert traits["persona 1", "category", "Kitchen"] == (2, 1.0, pytest.approx(4 / 3))
    assert traits["persona 1", "category", "All"] == (1, 1.0, pytest.approx(4 / 3))  # dan's view is no purchase
    assert traits["persona 2", "category", "Light"] == (1, 0.5, pytest.approx(2))
    assert traits["persona 2", "word", "desk"] == (1, 0.5, pytest.approx(2))
    assert not {"the", "40", "w"} & {word for _, _, word in traits}
    assert traits["persona 1", "item", "mug"][1:] == (1.0, pytest.approx(4 / 3))
    assert "kitchen" in first["description"] and "usual prices" in first["description"]
    assert "dearer" in second["description"]
    assert found.users["user_id"].to_pylist() == ["ann", "bob", "cid", "dan"]
