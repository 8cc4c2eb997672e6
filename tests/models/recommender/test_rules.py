"""Business rules on lists: by example, against a plain loop, and as laws on random shops and rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommender import rules as module
from models.recommender.rules import Arranged, Boost, Candidates, Limit, Mix, Pin, Policy, arrange

fast = settings(deadline=None, max_examples=100)


@pytest.fixture(scope="module", autouse=True, params=[64, 3])
def near(request: pytest.FixtureRequest) -> Iterator[None]:
    """How many candidates are looked at first must not matter."""
    before, module.NEAR = module.NEAR, request.param
    yield
    module.NEAR = before


def candidates(items: Sequence[int], strength: Sequence[float] | None = None, filled: int = 0) -> Candidates:
    """One list of candidates, best first; the last `filled` of them have no score. It is all there is."""
    count = len(items)
    power = np.array([strength if strength is not None else np.arange(count, 0, -1.0)], dtype=np.float64)
    return Candidates(
        np.array([items], dtype=np.int32).reshape(1, count),
        power.reshape(1, count),
        (np.arange(count) >= count - filled)[None, :],
        np.ones(1, dtype=bool),
    )


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


# ---- against a plain loop ------------------------------------------------------------------------------------


@dataclass
class Draw:
    """A random shop and policy: candidates, groups of two kinds, pins."""

    seed: int

    def make(self) -> tuple[Candidates, int, Policy, np.ndarray]:
        draw = np.random.default_rng(self.seed)
        count, k = int(draw.integers(1, 12)), int(draw.integers(1, 8))
        listed = draw.permutation(count)[: draw.integers(0, count + 1)]
        filled = int(draw.integers(0, len(listed) + 1))
        scored = np.sort(draw.integers(1, 6, len(listed) - filled))[::-1]
        crowd = np.sort(draw.integers(0, 4, filled))[::-1]
        found = candidates(listed.tolist(), [*scored, *crowd], filled)
        groups = [draw.integers(-1, 3, count).astype(np.int32) for _ in range(3)]

        def some(make: Any, most: int) -> tuple:
            return tuple(make(n) for n in range(draw.integers(0, most)))

        pins = some(lambda n: Pin(n, int(draw.integers(count)), int(draw.integers(1, k + 2))), 4)
        rules = Policy(
            12,
            np.zeros(count, dtype=bool),
            boosts=some(lambda n: Boost(10 + n, draw.random(count) < 0.5, 2.0), 2),
            pins=tuple(sorted(pins, key=lambda pin: (pin.place, pin.rule))),
            caps=some(lambda n: Limit(4 + n, groups[n], int(draw.integers(1, 4))), 3),
            runs=some(lambda n: Limit(6 + n, groups[2 - n], int(draw.integers(1, 3))), 3),
            mixes=some(lambda n: Mix(8 + n, groups[n], float(draw.choice([0.25, 0.5]))), 3),
        )
        return found, k, rules, draw.random((1, len(pins))) < 0.8


DRAWS = st.integers(0, 10**9).map(Draw)


def run_with(rule: Limit, before: list[int], item: int, after: list[int | None]) -> int:
    """Length of the run that `item` would stand in, between the items before it and the given places after it."""
    group = rule.group[item]
    if group < 0:
        return 0
    length = 1
    for near in (reversed(before), after):
        for other in near:
            if other is None or rule.group[other] != group:
                break
            length += 1
    return length


def plain(found: Candidates, k: int, rules: Policy, pinnable: np.ndarray) -> list[int]:
    """The same list, written down as the rules are told."""
    order = [i for i in found.items[0].tolist() if i >= 0]
    strength = dict(zip(order, found.strength[0].tolist(), strict=False))
    filled = dict(zip(order, found.filled[0].tolist(), strict=False))
    slot: list[int | None] = [None] * k
    for pin, may in zip(rules.pins, pinnable[0], strict=True):
        place = pin.place - 1
        if not may or place >= k or slot[place] is not None or pin.item in slot:
            continue
        given = [i for i in slot if i is not None]
        full = any(
            c.group[pin.item] >= 0 and sum(c.group[i] == c.group[pin.item] for i in given) >= c.most for c in rules.caps
        )
        before: list[int] = []
        for other in reversed(slot[:place]):
            if other is None:
                break
            before.insert(0, other)
        if not full and all(run_with(r, before, pin.item, []) <= r.most for r in rules.runs):
            slot[place] = pin.item

    done: list[int] = []
    for place in range(k):
        after = slot[place + 1 :]
        if slot[place] is not None:
            done.append(slot[place])
            continue
        counted = done + [i for i in after if i is not None]
        best: tuple | None = None
        for column, item in enumerate(order):
            if item in counted:
                continue
            if any(
                c.group[item] >= 0 and sum(c.group[i] == c.group[item] for i in counted) >= c.most for c in rules.caps
            ):
                continue
            if any(run_with(r, done, item, after) > r.most for r in rules.runs):
                continue
            value = strength[item]
            for mix in rules.mixes:
                value *= mix.keep ** sum(mix.group[i] == mix.group[item] for i in done if mix.group[item] >= 0)
            rank = (filled[item], -value, column) if rules.mixes else (0, 0, column)
            if best is None or rank < best[0]:
                best = (rank, item)
        if best is not None:
            done.append(best[1])
            continue
        for later in range(place + 1, k):
            item = slot[later]
            rest = [*slot[place + 1 : later], None, *slot[later + 1 :]]
            if item is not None and all(run_with(r, done, item, rest) <= r.most for r in rules.runs):
                slot[later] = None
                done.append(item)
                break
        else:
            break
    return done + [-1] * (k - len(done))


@fast
@given(DRAWS)
def test_the_pass_over_all_lists_equals_a_plain_loop_over_one(draw: Draw) -> None:
    found, k, rules, pinnable = draw.make()
    lists = arrange(found, k, rules, np.ones(len(rules.hidden), dtype=bool), pinnable)
    assert lists.items[0].tolist() == plain(found, k, rules, pinnable)


@fast
@given(DRAWS)
def test_no_list_breaks_a_cap_or_a_run_and_none_holds_an_item_twice(draw: Draw) -> None:
    found, k, rules, pinnable = draw.make()
    lists = arrange(found, k, rules, np.ones(len(rules.hidden), dtype=bool), pinnable)
    listed = [i for i in lists.items[0].tolist() if i >= 0]
    assert lists.items[0, len(listed) :].tolist() == [-1] * (k - len(listed))
    assert len(set(listed)) == len(listed)
    for cap in rules.caps:
        counts = np.bincount(cap.group[listed][cap.group[listed] >= 0]) if listed else np.zeros(0)
        assert counts.max(initial=0) <= cap.most
    for run in rules.runs:
        for start in range(len(listed) - run.most):
            window = {int(run.group[i]) for i in listed[start : start + run.most + 1]}
            assert len(window) > 1 or window == {-1}


@fast
@given(DRAWS)
def test_pins_hold_and_the_others_keep_their_order(draw: Draw) -> None:
    found, k, rules, pinnable = draw.make()
    rules = replace(rules, caps=(), runs=(), mixes=())
    lists = arrange(found, k, rules, np.ones(len(rules.hidden), dtype=bool), pinnable)
    listed = [i for i in lists.items[0].tolist() if i >= 0]
    given_to: dict[int, int] = {}
    for pin, may in zip(rules.pins, pinnable[0], strict=True):
        if may and pin.place <= k and pin.place not in given_to.values() and pin.item not in given_to:
            given_to[pin.item] = pin.place
    for item, place in given_to.items():
        assert item in listed
        assert listed.index(item) + 1 <= place
        if len(listed) == k:
            assert listed.index(item) + 1 == place
    free = [i for i in listed if i not in given_to]
    assert free == [i for i in found.items[0].tolist() if i >= 0 and i not in given_to][: len(free)]


@fast
@given(DRAWS, st.integers(0, 12))
def test_what_is_settled_with_few_candidates_is_the_list_of_all_of_them(draw: Draw, few: int) -> None:
    found, k, rules, pinnable = draw.make()
    everything = np.zeros(len(rules.hidden), dtype=bool)
    everything[found.items[0]] = True
    everything[rules.pinned[pinnable[0]]] = True
    short = Candidates(
        found.items[:, :few], found.strength[:, :few], found.filled[:, :few],
        np.array([few >= found.items.shape[1]]),
    )  # fmt: skip
    lists = arrange(short, k, rules, everything, pinnable)
    if lists.settled[0]:
        whole = arrange(found, k, rules, everything, pinnable)
        assert lists.items.tolist() == whole.items.tolist()
        assert lists.touched.tolist() == whole.touched.tolist()


@fast
@given(DRAWS)
def test_a_list_that_keeps_the_rules_is_left_as_it_is(draw: Draw) -> None:
    """Idempotent: caps and runs applied to a list they made change nothing."""
    found, k, rules, pinnable = draw.make()
    rules = replace(rules, pins=(), mixes=())
    first = arrange(found, k, rules, np.ones(len(rules.hidden), dtype=bool), pinnable[:, :0])
    listed = [i for i in first.items[0].tolist() if i >= 0]
    again = arrange(candidates(listed), k, rules, np.ones(len(rules.hidden), dtype=bool), pinnable[:, :0])
    assert again.items.tolist() == first.items.tolist()
    boosts = [boost.rule for boost in rules.boosts]
    assert not np.delete(again.touched, boosts, axis=2).any()


@fast
@given(st.lists(DRAWS, min_size=2, max_size=5))
def test_a_list_does_not_depend_on_the_lists_beside_it(draws: list[Draw]) -> None:
    """Many lists of one policy at once equal one by one."""
    _, k, rules, pinnable = draws[0].make()
    count, width = len(rules.hidden), 8
    rows = []
    for draw in draws:
        order = np.random.default_rng(draw.seed + 1).permutation(count)[:width].tolist()
        rows.append(order + [-1] * (width - len(order)))
    items = np.array(rows, dtype=np.int32)
    strength = np.where(items >= 0, width - np.arange(width, dtype=np.float64), 0)
    whole = Candidates(items, strength, np.zeros(items.shape, dtype=bool), np.ones(len(items), dtype=bool))
    everything = np.ones(count, dtype=bool)
    may = np.repeat(pinnable, len(items), axis=0)
    together = arrange(whole, k, rules, everything, may)
    for row in range(len(items)):
        one = Candidates(*(getattr(whole, name)[[row]] for name in ("items", "strength", "filled", "complete")))
        alone = arrange(one, k, rules, everything, pinnable)
        assert alone.items[0].tolist() == together.items[row].tolist()
        assert alone.touched[0].tolist() == together.touched[row].tolist()
