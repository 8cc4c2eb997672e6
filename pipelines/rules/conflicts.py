"""Rules that contradict each other, and rules that time has passed by. Both can be told without the catalogue."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import combinations

from pipelines.rules.fields import Selection
from pipelines.rules.file import Rule
from pipelines.rules.nodes import Problem

_NOTHING = Selection()


def conflicts(rules: Sequence[Rule], night: date) -> list[Problem]:
    """Contradictions that hold on `night` or later, and warnings about rules that ended before it."""
    found = [
        Problem(
            rule.line,
            rule.name,
            f"ended on {rule.until} and does nothing; take it out, or give a later until",
            "warning",
        )
        for rule in rules
        if rule.until is not None and rule.until < night
    ]
    for one, other in combinations(rules, 2):
        if _meet(one, other, night):
            found += _between(one, other)
            found += _between(other, one)
    return sorted(found, key=lambda problem: problem.line)


def _between(one: Rule, other: Rule) -> Iterator[Problem]:
    """What `other` contradicts; told at the later of the two lines, once."""
    later, earlier = (one, other) if one.line > other.line else (other, one)

    def problem(says: str) -> Problem:
        return Problem(later.line, later.name, f"{says}; see rule {earlier.name!r} in line {earlier.line}")

    if other.kind in ("deny", "allow") and _covers(other, one):
        where = other.where or _NOTHING
        if one.kind == "pin" and other.kind == "deny" and one.item in where.items:
            yield problem(f"item {one.item!r} is both pinned and denied; keep one of the two")
        if (
            one.kind == "pin"
            and other.kind == "allow"
            and where == Selection(where.items)
            and one.item not in where.items
        ):
            yield problem(
                f"item {one.item!r} is pinned but not among the only items allowed; allow it, or do not pin it"
            )
        if one.kind == "allow" and other.kind == "deny":
            for what, both in _named_by_both(one.where or _NOTHING, where):
                yield problem(f"{what} {both!r} is both allowed and denied; keep one of the two")
    if one.kind == "pin" and other.kind == "pin" and one.line > other.line:
        if one.place == other.place:
            yield problem(f"two items are pinned to place {one.place}; give one of them another place")
        elif one.item == other.item:
            yield problem(f"item {one.item!r} is pinned to two places; keep one of them")


def _named_by_both(one: Selection, other: Selection) -> Iterator[tuple[str, str]]:
    for what, ours, theirs in (
        ("item", one.items, other.items),
        ("category", one.categories, other.categories),
        ("brand", one.brands, other.brands),
    ):
        for both in sorted(set(ours) & set(theirs)):
            yield what, both


def _meet(one: Rule, other: Rule, night: date) -> bool:
    """Whether both can hold for one list on a day that is not over on `night`."""
    begin = max(one.first or night, other.first or night, night)
    end = min(one.until or date.max, other.until or date.max)
    return begin <= end and bool(set(one.lists) & set(other.lists)) and _segments_meet(one, other)


def _covers(rule: Rule, other: Rule) -> bool:
    """Whether the rule holds in all lists and for all customers of the other one: for some it may well say otherwise.

    Days do not count: a contradiction that begins next week is better told today than in that night.
    """
    theirs = dict(other.segment)
    return set(rule.lists) >= set(other.lists) and all(
        name in theirs and set(theirs[name]) <= set(values) for name, values in rule.segment
    )


def _segments_meet(one: Rule, other: Rule) -> bool:
    theirs = dict(other.segment)
    return all(set(values) & set(theirs[name]) for name, values in one.segment if name in theirs)
