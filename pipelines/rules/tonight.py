"""The rules of a night at work: who gets which policy, their lists, and what each rule did."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from pipelines.rules.facts import Facts, catalogue, facts, members
from pipelines.rules.file import Rule, RuleFile
from pipelines.rules.purchases import NotAgain, days_needed, not_again, purchases
from pipelines.rules.states import standings
from pipelines.settings import Settings
from pipelines.training_run import availability

if TYPE_CHECKING:
    from models.feedback.exploration import Filled
    from models.recommender.explored import Explorer
    from models.recommender.item_to_item import ItemToItem
    from models.recommender.popular import PopularModel
    from models.recommender.ranking import Recommender
    from models.recommender.ruled import Ground, Ruled
    from models.recommender.rules import Policy
    from pipelines.scoring.known import Night

USERS_AT_ONCE = 8_192
"""What single users may not be shown is put together for so many of them at once."""


@dataclass(frozen=True)
class Customers:
    """Lists of B customers as rules make them, and what was drawn into them, where anything may be.

    `room` int [B]: how many items each of them may be shown at all; `held` bool [B, k]: places that pins keep.
    """

    lists: "Ruled"
    room: np.ndarray
    held: np.ndarray
    filled: "Filled | None"


class Tonight:
    """The rules that hold on one night, for its vocabularies. A rule's number is its place in `rules`."""

    def __init__(self, settings: Settings, file: RuleFile, known: "Night") -> None:
        self.settings, self.file, self.known = settings, file, known
        self.standings = standings(file, known.day, known.products, known.people, known.data.items)
        self.rules = tuple(s.rule for s in self.standings if s.state == "applied")
        self.facts = facts(known.products, known.data.items)
        users = known.data.users
        # Both by rule, and only where a rule has one: others are for everybody, or hide nothing.
        self.members = {n: members(r, known.people, users) for n, r in enumerate(self.rules) if r.segment}
        self.hidden = {n: self.facts.hidden(r, file.margin) for n, r in enumerate(self.rules) if r.is_hard}
        self.not_again = self._not_again()
        self.lists: dict[int, int] = defaultdict(int)  # by rule: lists that it touched
        self.places: dict[int, int] = defaultdict(int)

    def _not_again(self) -> list[NotAgain]:
        days = days_needed(self.rules)
        if not days:
            return []
        data = self.known.data
        bought = purchases(self.settings, self.known.day, days, data.users, data.items)
        about, everybody = facts(self.known.products, bought.items), np.ones(len(data.users), dtype=bool)
        return [
            not_again(rule, number, bought, about, self.members.get(number, everybody), len(data.items))
            for number, rule in enumerate(self.rules)
            if rule.kind == "repurchase"
        ]

    def customers(
        self,
        model: "Recommender",
        fill: "PopularModel",
        k: int,
        explorer: "Explorer | None" = None,
        among: np.ndarray | None = None,
    ) -> "Iterator[Customers]":
        """Lists of all users, or of those in `among` bool [U], block by block."""
        from models.recommender.explored import POOL, held_by_pins
        from models.recommender.ruled import rank_by_rules

        known, ground = self.known, self._ground(k)
        for numbers, everybody in self._scopes():
            users = everybody if among is None else everybody[among[everybody]]
            policy = self.policy(numbers)
            allowed = known.available & ~policy.hidden
            for start in range(0, len(users), USERS_AT_ONCE):
                some = users[start : start + USERS_AT_ONCE]
                masked = self._masked(some)
                room = np.full(len(known.data.users), allowed.sum())
                if masked is not None:
                    room -= masked.astype(np.int64) @ allowed
                spare = POOL if explorer is not None else 0
                for block in rank_by_rules(ground, model, fill, some, masked, policy, spare=spare):
                    held, filled = held_by_pins(policy, block.touched), None
                    if explorer is not None and block.spare is not None:
                        filled = explorer.fill(block.users, block.items, held, block.spare)
                        block.touched[filled.drawn] = False
                    self._count(numbers, block.touched)
                    yield Customers(block, room[block.users], held, filled)

    def _scopes(self) -> Iterator[tuple[list[int], np.ndarray]]:
        """Groups of users for whom the same rules hold, with their numbers."""
        count = len(self.known.data.users)
        if not count:
            return
        here = [number for number, rule in enumerate(self.rules) if "customers" in rule.lists]
        some = [self.members[number] for number in here if number in self.members]
        packed = np.packbits(np.array([np.ones(count, dtype=bool), *some]), axis=0)
        kinds, kind = np.unique(packed, axis=1, return_inverse=True)
        for number in range(kinds.shape[1]):
            users = np.flatnonzero(kind.ravel() == number)
            yield [n for n in here if n not in self.members or self.members[n][users[0]]], users

    def _masked(self, users: np.ndarray) -> sparse.csr_array | None:
        """bool [U, I]: what each of `users` may not be shown: bought where purchases do not repeat, or not due."""
        parts = [] if self.known.seen is None else [self.known.seen[users]]
        parts += [rule.masked(users) for rule in self.not_again]
        if not parts:
            return None
        row = np.concatenate([users[part.tocoo().row] for part in parts])
        column = np.concatenate([part.tocoo().col for part in parts])
        shape = (len(self.known.data.users), len(self.known.data.items))
        found = sparse.csr_array((np.ones(len(row), dtype=bool), (row, column)), shape=shape)
        found.sum_duplicates()
        return found

    def crowd(self, segment: str | None, recent: np.ndarray, overall: np.ndarray, tie: np.ndarray, k: int) -> "Ruled":
        """The list of visitors, of everybody or of those with this value of the segment attribute."""
        from models.recommender.ruled import crowd, crowd_list

        numbers = [n for n, rule in enumerate(self.rules) if "visitors" in rule.lists and self._is_for(rule, segment)]
        policy = self.policy(numbers)
        listed = crowd_list(crowd(recent, overall, tie, policy.factor), k, self.known.available, policy)
        self._count(numbers, listed.touched)
        return listed

    def _is_for(self, rule: Rule, segment: str | None) -> bool:
        """Of visitors nothing is known but the value their list is made for."""
        return all(name == self.settings.segment_attribute and segment in values for name, values in rule.segment)

    def _ground(self, k: int) -> "Ground":
        from models.recommender.ruled import Ground

        known = self.known
        new = (known.newcomers, known.wanted, known.alike)
        return Ground(known.data, k, known.available, *new, self.settings.new_item_places)

    def similar(self, matrices: "Sequence[ItemToItem]", items: np.ndarray, k: int) -> "Ruled":
        """What goes with each of `items`."""
        from models.recommender.ruled import similar_by_rules

        numbers = [n for n, rule in enumerate(self.rules) if "similar" in rule.lists]
        listed = similar_by_rules(self._ground(k), matrices, items, self.policy(numbers))
        self._count(numbers, listed.touched)
        return listed

    def policy(self, numbers: Sequence[int]) -> "Policy":
        """What the rules of these numbers come to, for everybody they hold for."""
        from models.recommender.rules import Boost, Limit, Mix, Pin, Policy

        hidden = np.zeros(len(self.known.data.items), dtype=bool)
        found: dict[str, list] = defaultdict(list)
        for number in numbers:
            rule = self.rules[number]
            if rule.is_hard:
                hidden |= self.hidden[number]
            if rule.kind == "boost":
                found["boosts"].append(Boost(number, self.facts.named(rule.where), float(rule.number)))
            elif rule.kind == "pin":
                place = self.known.data.items.index(rule.item).as_py()
                if place >= 0:
                    found["pins"].append(Pin(number, place, rule.place))
            elif rule.kind == "at_most":
                found["caps"].append(Limit(number, self.facts.groups(rule.each, rule.where), rule.count))
            elif rule.kind == "in_a_row":
                found["runs"].append(Limit(number, self.facts.groups(rule.each, rule.where), rule.count))
            elif rule.kind == "diversity":
                found["mixes"].append(Mix(number, self.facts.groups(rule.each, rule.where), float(rule.number)))
        found["pins"].sort(key=lambda pin: (pin.place, pin.rule))
        return Policy(len(self.rules), hidden, **{name: tuple(parts) for name, parts in found.items()})

    def _count(self, numbers: Sequence[int], touched: np.ndarray) -> None:
        """Lists and places that were touched; of a hard rule, the lists it holds for."""
        places = touched.sum(axis=(0, 1))
        lists = touched.any(axis=1).sum(axis=0)
        for number in numbers:
            self.places[number] += int(places[number])
            self.lists[number] += len(touched) if self.rules[number].is_hard else int(lists[number])

    def did(self, number: int) -> tuple[int, int, int]:
        """Of a rule: items on sale that it hides, moves, counts or pins; lists; places."""
        rule, lists, places = self.rules[number], self.lists[number], self.places[number]
        if rule.kind == "repurchase":
            mine = next(part for part in self.not_again if part.rule == number)
            return int((mine.items & self.known.available).sum()), mine.customers, places
        whole, on_sale = self._catalogue
        return int((whole.concerned(rule, self.file.margin) & on_sale).sum()), lists, places

    @cached_property
    def _catalogue(self) -> tuple[Facts, np.ndarray]:
        """All that is known, and what of it is on sale: more than the lists' vocabulary."""
        whole = catalogue(self.known.products, self.known.data.items)
        return whole, availability(self.known.products, whole.items, self.known.day)
