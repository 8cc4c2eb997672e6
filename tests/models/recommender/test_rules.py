"""Business rules on lists, by example; `test_rules_laws.py` holds them against a plain loop on random shops."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.recommender.rules import Arranged, Boost, Candidates, Limit, Mix, Pin, Policy, arrange
from tests.models.recommender.ruled_lists import candidates

pytestmark = pytest.mark.usefixtures("near")


def policy(items: int, **parts: Any) -> Policy:
    return Policy(parts.pop("rules", 4), np.zeros(items, dtype=bool), **parts)


def placed(found: Candidates, k: int, rules: Policy, may: Sequence[bool] | None = None) -> Arranged:
    pinnable = np.array([may if may is not None else [True] * len(rules.pins)], dtype=bool)
    return arrange(found, k, rules, np.ones(len(rules.hidden), dtype=bool), pinnable.reshape(1, len(rules.pins)))


def rules_of(lists: Arranged) -> list[list[int]]:
    """Numbers of the rules that touched each place of the first list."""
    return [np.flatnonzero(place).tolist() for place in lists.touched[0]]


BRANDS = np.array([0, 0, 0, 1, 1, -1], dtype=np.int32)
"""Items 0 to 2 are of one brand, 3 and 4 of another, 5 of none."""


def test_without_rules_the_first_candidates_are_the_list() -> None:
    lists = placed(candidates([4, 2, 0, 1]), 3, policy(6))
    assert lists.items.tolist() == [[4, 2, 0]]
    assert rules_of(lists) == [[], [], []]


def test_a_cap_passes_over_what_there_is_enough_of_and_marks_where() -> None:
    lists = placed(candidates([0, 1, 2, 3, 4, 5]), 5, policy(6, caps=(Limit(1, BRANDS, 1),)))
    assert lists.items.tolist() == [[0, 3, 5, -1, -1]]
    # Items 1 and 2 gave way to 3, item 4 to 5; an item without a brand is not counted.
    assert rules_of(lists)[:3] == [[], [1], [1]]


def test_a_run_is_broken_by_the_next_best_of_another_brand_and_goes_on_afterwards() -> None:
    lists = placed(candidates([0, 1, 2, 3, 4]), 5, policy(6, runs=(Limit(0, BRANDS, 2),)))
    assert lists.items.tolist() == [[0, 1, 3, 2, 4]]
    assert rules_of(lists) == [[], [], [0], [], []]


def test_a_run_ends_the_list_where_nothing_else_is_left() -> None:
    lists = placed(candidates([0, 1, 2]), 3, policy(6, runs=(Limit(0, BRANDS, 2),)))
    assert lists.items.tolist() == [[0, 1, -1]]


def test_a_mix_lets_another_group_pass_where_it_is_worth_more() -> None:
    found = candidates([0, 1, 2, 3], [1.0, 0.9, 0.5, 0.45])
    lists = placed(found, 4, policy(6, mixes=(Mix(2, BRANDS, 0.4),)))
    # 0.9 · 0.4 = 0.36 < 0.45; then 0.36 > 0.5 · 0.4
    assert lists.items.tolist() == [[0, 3, 1, 2]]
    assert rules_of(lists) == [[], [2], [], []]


def test_a_mix_never_lets_what_fills_up_pass_what_has_a_score() -> None:
    found = candidates([0, 1, 3, 4], [0.1, 0.1, 90.0, 80.0], filled=2)
    assert placed(found, 4, policy(6, mixes=(Mix(0, BRANDS, 0.01),))).items.tolist() == [[0, 1, 3, 4]]


def test_a_pin_takes_its_place_and_the_others_keep_their_order() -> None:
    lists = placed(candidates([0, 1, 2, 3]), 4, policy(6, pins=(Pin(3, 2, 1), Pin(1, 5, 3))))
    assert lists.items.tolist() == [[2, 0, 5, 1]]
    assert lists.source.tolist() == [[-1, 0, -1, 1]]
    assert rules_of(lists) == [[3], [], [1], []]


def test_a_pin_that_may_not_be_shown_is_left_out() -> None:
    lists = placed(candidates([0, 1]), 2, policy(6, pins=(Pin(3, 2, 1),)), may=[False])
    assert lists.items.tolist() == [[0, 1]]


def test_a_pin_moves_up_where_the_list_is_shorter() -> None:
    lists = placed(candidates([0]), 5, policy(6, pins=(Pin(0, 3, 4),)))
    assert lists.items.tolist() == [[0, 3, -1, -1, -1]]


def test_a_cap_counts_pins_first() -> None:
    rules = policy(6, pins=(Pin(0, 2, 3),), caps=(Limit(1, BRANDS, 1),))
    assert placed(candidates([0, 1, 3, 5]), 4, rules).items.tolist() == [[3, 5, 2, -1]]


def test_a_pin_that_a_cap_forbids_is_not_placed() -> None:
    rules = policy(6, pins=(Pin(0, 0, 1), Pin(0, 1, 2)), caps=(Limit(1, BRANDS, 1),))
    assert placed(candidates([3, 5]), 3, rules).items.tolist() == [[0, 3, 5]]


def test_a_candidate_before_a_pin_leaves_room_for_it_in_the_run() -> None:
    rules = policy(6, pins=(Pin(0, 2, 2),), runs=(Limit(1, BRANDS, 1),))
    assert placed(candidates([0, 3, 1, 4]), 4, rules).items.tolist() == [[3, 2, 4, 0]]


def test_boosts_multiply_and_mark_what_they_raised() -> None:
    first, second = np.array([True, True, False]), np.array([False, True, False])
    rules = Policy(2, np.zeros(3, dtype=bool), boosts=(Boost(0, first, 2.0), Boost(1, second, 1.5)))
    assert rules.factor.tolist() == [2.0, 3.0, 1.0]
    lists = placed(candidates([0, 1, 2], [4, 3, 0]), 3, rules)
    assert rules_of(lists) == [[0], [0, 1], []]


def test_more_candidates_are_asked_for_only_where_they_could_change_the_list() -> None:
    few = replace(candidates([0, 1, 2]), complete=np.zeros(1, dtype=bool))
    capped = policy(6, caps=(Limit(0, BRANDS, 2),))
    assert not placed(few, 3, capped).settled[0]  # items 3 to 5 might follow
    assert placed(few, 2, capped).settled[0]
    brands = np.zeros(6, dtype=np.int32)
    assert placed(few, 3, policy(6, caps=(Limit(0, brands, 2),))).settled[0]  # there is no other brand
    mixed = replace(few, strength=np.array([[1.0, 0.9, 0.8]]))
    assert not placed(mixed, 2, policy(6, mixes=(Mix(0, BRANDS, 0.5),))).settled[0]  # 0.45 < 0.8
