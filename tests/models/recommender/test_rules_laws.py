"""Business rules on lists, against a plain loop over one list, and as laws on random shops and rules."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommender.rules import Boost, Candidates, Limit, Mix, Pin, Policy, arrange
from tests.models.recommender.ruled_lists import candidates

pytestmark = pytest.mark.usefixtures("near")
fast = settings(deadline=None, max_examples=100)


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
