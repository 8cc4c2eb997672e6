"""Business rules on ranked lists, as arrays: given places, counts per group, runs in a row, and what they touched.

Items that may not be listed at all are masked before anything is ranked; what is left is one greedy pass from the
first place to the last over more candidates than a list needs. Each place takes its pin, or else the best candidate
that no cap and no run forbids. A cap counts the pins of a list before any other item. Where no candidate is left, the
next pin moves up; where none may, the list ends.

Greedy selection by values that fall with each item of a group already taken is the loop of MMR (Carbonell and
Goldstein 1998); for such diminishing returns it is within 1 - 1/e of the best list (Nemhauser, Wolsey and Fisher 1978).
"""

from dataclasses import dataclass

import numpy as np

from models.recommender.counters import Counted, Streak

NEAR = 64
"""So many candidates are looked at before all of them are."""


@dataclass(frozen=True)
class Boost:
    """Scores of `items` bool [I] are multiplied by `factor`, above 0."""

    rule: int
    items: np.ndarray
    factor: float


@dataclass(frozen=True)
class Pin:
    """`item` stands at `place`, counted from 1."""

    rule: int
    item: int
    place: int


@dataclass(frozen=True)
class Limit:
    """At most `most` (at least 1) items of a group; `group` int32 [I] counts from 0, and -1 is not counted."""

    rule: int
    group: np.ndarray
    most: int


@dataclass(frozen=True)
class Mix:
    """Each further item of a group counts `keep` (between 0 and 1) of what the one before counted."""

    rule: int
    group: np.ndarray
    keep: float


@dataclass(frozen=True)
class Policy:
    """What holds for lists of one kind. Each part names its rule by a number below `rules`."""

    rules: int
    hidden: np.ndarray  # bool [I], never listed
    boosts: tuple[Boost, ...] = ()
    pins: tuple[Pin, ...] = ()  # in the order of their places
    caps: tuple[Limit, ...] = ()  # in a list
    runs: tuple[Limit, ...] = ()  # in a row
    mixes: tuple[Mix, ...] = ()

    @property
    def factor(self) -> np.ndarray:
        """float32 [I]: what scores are multiplied by."""
        product = np.ones(len(self.hidden), dtype=np.float32)
        for boost in self.boosts:
            product[boost.items] *= np.float32(boost.factor)
        return product

    @property
    def pinned(self) -> np.ndarray:
        """int64 [P]: the items of the pins."""
        return np.array([pin.item for pin in self.pins], dtype=np.int64)

    def candidates(self, k: int) -> int:
        """How many candidates to begin with: where nothing is passed over, as many as can be listed."""
        passes_over = self.caps or self.runs or self.mixes
        return (2 if passes_over else 1) * k + len(self.pins)


@dataclass(frozen=True)
class Candidates:
    """Of B lists, the best C items each: first those with a score, then the filled ones, each by strength, ties by
    item. `complete` bool [B]: nothing that may be listed comes after them.
    """

    items: np.ndarray  # int32 [B, C], -1 pads the end
    strength: np.ndarray  # float64 [B, C], not negative; of filled items, how popular they are
    filled: np.ndarray  # bool [B, C]
    complete: np.ndarray


@dataclass(frozen=True)
class Arranged:
    """B lists of k places."""

    items: np.ndarray  # int32 [B, k], -1 is padding
    source: np.ndarray  # int32 [B, k]: the candidate's column; -1 for pins and padding
    touched: np.ndarray  # bool [B, k, rules]: the item stands there because of the rule
    settled: np.ndarray  # bool [B]: a longer list of candidates would change nothing


def arrange(found: Candidates, k: int, policy: Policy, allowed: np.ndarray, pinnable: np.ndarray) -> Arranged:
    """Lists of k under the policy. `allowed` bool [I]: what candidates come from; `pinnable` bool [B, P]: whether a
    pin's item may be listed there at all.

    A place is touched by a pin that stands there, by the boosts of its item, and by every cap, run or mix because of
    which a better candidate was passed over there for the first time.
    """
    lists = _Lists(found, k, policy, allowed, pinnable)
    for place in range(k):
        lists.fill(place)
    return lists.arranged()


class _Lists:
    """The lists while they are filled, place by place (counted from 0), all B at once."""

    def __init__(self, found: Candidates, k: int, policy: Policy, allowed: np.ndarray, pinnable: np.ndarray) -> None:
        rows, columns = found.items.shape
        self.found, self.k, self.policy, self.allowed, self.pins = found, k, policy, allowed, policy.pinned
        self.items = np.full((rows, k), -1, dtype=np.int32)
        self.source = np.full((rows, k), -1, dtype=np.int32)
        self.touched = np.zeros((rows, k, policy.rules), dtype=bool)
        self.open = np.ones(rows, dtype=bool)
        self.unsettled = np.zeros(rows, dtype=bool)
        self.passed = np.zeros((rows, columns), dtype=bool)
        self.caps = [(cap, Counted(cap.group, found.items)) for cap in policy.caps]
        self.runs = [(run, Streak(run.group, found.items)) for run in policy.runs]
        self.mixes = [(mix, Counted(mix.group, found.items)) for mix in policy.mixes]
        self.slot = np.full((rows, k), -1, dtype=np.int32)  # number of the pin at each place
        self.taken = found.items < 0
        for number, pin in enumerate(policy.pins):
            given = self._give(number, pin, pinnable[:, number])
            self.taken |= given[:, None] & (found.items == pin.item)

    def _give(self, number: int, pin: Pin, may: np.ndarray) -> np.ndarray:
        """Keep the pin's place, unless the pins before it leave no room for it. bool [B]: where it was kept."""
        if pin.place > self.k:
            return np.zeros_like(may)
        place = pin.place - 1
        may = may & (self.slot[:, place] < 0)
        same = np.flatnonzero(self.pins[:number] == pin.item)
        may &= ~np.isin(self.slot, same).any(axis=1)
        for cap, counted in self.caps:
            may &= counted.of(pin.item) < cap.most
        for run, streak in self.runs:
            may &= streak.before(self.slot, self.pins, pin.item, place) < run.most
        self.slot[may, place] = number
        for _, counted in self.caps:
            counted.add(np.flatnonzero(may), np.full(may.sum(), pin.item))
        return may

    def fill(self, place: int) -> None:
        pinned = self.open & (self.slot[:, place] >= 0)
        for number in np.unique(self.slot[pinned, place]):
            self._pin(np.flatnonzero(pinned & (self.slot[:, place] == number)), place, number)
        rows, columns = np.flatnonzero(self.open & ~pinned), self.taken.shape[1]
        for width in (min(NEAR, columns), columns):  # the best is nearly always among the first
            if not len(rows) or not width:
                break
            blocked = self._blocked(rows, place, width)
            permitted = ~self.taken[rows, :width]
            for _, mask in blocked:
                permitted &= ~mask
            column, sure = self._best(rows, permitted)
            chosen = rows[sure]
            self._note(chosen, place, column[sure], permitted[sure], [(rule, mask[sure]) for rule, mask in blocked])
            self._take(chosen, place, column[sure])
            rows = rows[~sure]
        for row in rows.tolist():
            self._move_up(row, place)

    def _blocked(self, rows: np.ndarray, place: int, width: int) -> list[tuple[int, np.ndarray]]:
        """Each cap and run with the candidates of these lists that it forbids now, bool [rows, width]."""
        caps = [(cap.rule, counted.at(rows, width) >= cap.most) for cap, counted in self.caps]
        runs = [
            (run.rule, streak.would_be(rows, streak.groups[rows, :width], self.slot, self.pins, place) > run.most)
            for run, streak in self.runs
        ]
        return caps + runs

    def _best(self, rows: np.ndarray, permitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of permitted candidates, bool [rows, width], the column of each list's best, and whether it is sure, [rows]:
        there is one, and none beyond the width can be better.
        """
        has, width = np.asarray(permitted.any(axis=1)), permitted.shape[1]
        if not self.mixes:
            return np.argmax(permitted, axis=1), has
        strength, filled = self.found.strength[rows, :width], self.found.filled[rows, :width]
        scored = permitted & ~filled
        equals = np.where(scored.any(axis=1)[:, None], scored, permitted)
        kept = np.ones(permitted.shape)
        for mix, counted in self.mixes:
            kept *= mix.keep ** counted.at(rows, width)
        value = np.where(equals, strength * kept, -np.inf)
        column = np.argmax(value, axis=1)
        chosen = np.arange(len(rows)), column
        # What comes later counts at most as much as the last one here, if it is not of another sort.
        weaker = (value[chosen] < strength[:, -1]) & (filled[chosen] == filled[:, -1])
        if width < self.taken.shape[1]:
            return column, has & ~weaker
        self.unsettled[rows] |= weaker & has
        return column, has

    def _note(
        self,
        rows: np.ndarray,
        place: int,
        column: np.ndarray,
        permitted: np.ndarray,
        blocked: list[tuple[int, np.ndarray]],
    ) -> None:
        """Which rules passed over a better candidate for the first time, and which boosts brought this one up."""
        width = permitted.shape[1]
        newly = (np.arange(width) < column[:, None]) & ~self.taken[rows, :width] & ~self.passed[rows, :width]
        self.passed[rows, :width] |= newly
        for rule, mask in blocked:
            self.touched[rows, place, rule] |= (mask & newly).any(axis=1)
        for mix, counted in self.mixes:
            self.touched[rows, place, mix.rule] |= (permitted & newly & (counted.at(rows, width) > 0)).any(axis=1)
        item, strength = self.found.items[rows, column], self.found.strength[rows, column]
        for boost in self.policy.boosts:
            self.touched[rows, place, boost.rule] |= boost.items[item] & (strength > 0)

    def _take(self, rows: np.ndarray, place: int, column: np.ndarray) -> None:
        self.taken[rows, column] = True
        self.source[rows, place] = column
        item = self.found.items[rows, column]
        for _, counted in self.caps:  # pins were counted when they were given their places
            counted.add(rows, item)
        self._stand(rows, place, item)

    def _pin(self, rows: np.ndarray, place: int, number: int) -> None:
        self.touched[rows, place, self.policy.pins[number].rule] = True
        self._stand(rows, place, np.full(len(rows), self.pins[number]))

    def _stand(self, rows: np.ndarray, place: int, item: np.ndarray) -> None:
        self.items[rows, place] = item
        for _, counted in self.mixes:
            counted.add(rows, item)
        for _, streak in self.runs:
            streak.stand(rows, item)

    def _move_up(self, row: int, place: int) -> None:
        """No candidate may stand here: the next pin that may does, or the list ends."""
        self.unsettled[row] |= self._is_more_allowed(row, place)
        rows = np.array([row])
        for later in range(place + 1, self.k):
            number = self.slot[row, later]
            if number < 0:
                continue
            self.slot[row, later] = -1
            if all(self._run(run, streak, row, self.pins[number], place) <= run.most for run, streak in self.runs):
                self._pin(rows, place, number)
                return
            self.slot[row, later] = number
        self.open[row] = False

    def _run(self, run: Limit, streak: Streak, row: int, item: int, place: int) -> int:
        groups = np.array([[run.group[item]]])
        return int(streak.would_be(np.array([row]), groups, self.slot, self.pins, place)[0, 0])

    def _is_more_allowed(self, row: int, place: int) -> bool:
        """Whether anything of the catalogue, candidate or not, might stand here."""
        may = self.allowed.copy()
        may[self.items[row, :place]] = False
        waiting = self.slot[row, place:]
        may[self.pins[waiting[waiting >= 0]]] = False
        for cap, counted in self.caps:
            may &= (cap.group < 0) | (counted.counts[row, cap.group] < cap.most)
        for run, streak in self.runs:
            groups = run.group[None, :]
            may &= streak.would_be(np.array([row]), groups, self.slot, self.pins, place)[0] <= run.most
        return bool(may.any())

    def arranged(self) -> Arranged:
        return Arranged(self.items, self.source, self.touched, self.found.complete | ~self.unsettled)
