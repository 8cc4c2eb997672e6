"""The day's sessions, returns and ratings as rows of the contract's events."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import LINE
from pipelines.sources._shop.afterwards import Past, paid
from pipelines.sources._shop.queries import PERSONAL
from pipelines.sources._shop.sessions import SECONDS, SHOWN, SURFACES, Sessions, sessions_of
from pipelines.sources._shop.world import World, item_ids, user_ids

KINDS = ("impression", "view", "add_to_cart", "remove_from_cart", "purchase", "coupon_redeem", "search", "return",
         "rating")  # fmt: skip
IMPRESSION, VIEW, CART, REMOVE, PURCHASE, REDEEM, SEARCH, RETURN, RATING = range(len(KINDS))
_DELAYS = {IMPRESSION: 1, VIEW: 10, CART: 40, REMOVE: 700, PURCHASE: 900, REDEEM: 901}
_PER_PLACE = 50  # seconds between two places of a list
PERSONAL_SEARCHES = 0.002  # share of searches that hold an e-mail address, a number or an address instead
_CLOCK = pa.array([f"{h:02d}:{m:02d}:{s:02d}Z" for h in range(24) for m in range(60) for s in range(60)])


class EventRows:
    """Makes record batches of one shop; the texts that repeat are kept as Arrow arrays to take from."""

    def __init__(self, past: Past) -> None:
        self.past, self.world, self.queries = past, past.world, past.queries
        self._users, self._items = pa.array(user_ids(self.world)), pa.array(item_ids(self.world))
        self._kinds, self._surfaces = pa.array(KINDS), pa.array(SURFACES)
        self._queries = pa.array([*self.queries.text, *(text for _, text in self.queries.personal)])
        self._coupons = pa.array([coupon_id(j) for j in range(len(self.world.campaigns))], pa.string())
        self._small = pa.array([str(n) for n in range(100)])

    def of_day(self, day: int) -> Iterator[pa.RecordBatch]:
        line = 1
        for chunk in sessions_of(self.world, self.queries, day):
            batch = self._sessions(chunk, line)
            line += len(batch)
            yield batch
        batch = self._after(day, line)
        if len(batch):
            yield batch

    def _sessions(self, chunk: Sessions, line: int) -> pa.RecordBatch:
        kind, row, place = _kinds(chunk)
        column = place.clip(min=0)
        item = np.where(place >= 0, chunk.items[row, column], -1)
        campaign = np.where((kind == PURCHASE) | (kind == REDEEM), chunk.campaign[row, column], -1)
        priced, seen = (kind == CART) | (kind == PURCHASE), kind <= VIEW
        typed = _typed(self.world, chunk, len(self.queries.text))
        delay = np.array([_DELAYS.get(k, 0) for k in range(len(KINDS))])[kind]
        return self._batch(
            chunk.day,
            f"{chunk.chunk:04d}-",
            line,
            {
                "kind": kind,
                "second": chunk.second[row] + delay + np.where(kind == IMPRESSION, 0, _PER_PLACE * column),
                "user": np.where(chunk.known[row], chunk.user[row], -1),
                "session": chunk.chunk * 1_000_000 + row,
                "item": np.where(kind == REDEEM, -1, item),
                "quantity": np.where(priced, chunk.quantity[row, column], -1),
                "cents": np.where(priced, paid(self.world.items.cents_on(chunk.day)[item], campaign), -1),
                "query": np.where(kind == SEARCH, typed[row], np.where(seen, chunk.query[row], -1)),
                "surface": np.where(seen | (kind == SEARCH), chunk.surface[row], -1),
                "position": np.where(seen, place + 1, -1),
                "campaign": campaign,
            },
        )

    def _after(self, day: int, line: int) -> pa.RecordBatch:
        """Returns and ratings of what was bought on earlier days."""
        parts = []
        for bought in self.past.around(day):
            for kind, when in ((RETURN, bought.returned), (RATING, bought.rated)):
                n = np.flatnonzero(when == day)
                none = np.full(len(n), -1)
                parts.append(
                    {
                        "kind": np.full(len(n), kind),
                        "second": moment(bought.day, n, kind),
                        "user": np.where(bought.known[n], bought.user[n], -1),
                        "item": bought.item[n],
                        "quantity": bought.quantity[n] if kind == RETURN else none,
                        "cents": bought.cents[n] if kind == RETURN else none,
                    }
                )
        return self._batch(
            day, "after-", line, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )

    def _batch(self, day: int, prefix: str, line: int, codes: dict[str, np.ndarray]) -> pa.RecordBatch:
        """Rows in the order given; -1, or no such code at all, is a missing value."""
        rows = len(codes["kind"])
        none = np.full(rows, -1)
        columns = {
            "event_id": _joined(f"e{day:05d}-{prefix}", np.arange(rows)),
            "session_id": _joined(f"s{day:05d}-", codes.get("session", none)),
            "unit_price": money(codes["cents"]),
            LINE: pa.array(np.arange(line, line + rows)),
        }
        pools = (
            ("occurred_at", "second", self._times(day)), ("event_type", "kind", self._kinds),
            ("user_id", "user", self._users), ("item_id", "item", self._items), ("quantity", "quantity", self._small),
            ("query", "query", self._queries), ("surface", "surface", self._surfaces),
            ("position", "position", self._small), ("promotion_id", "campaign", self._coupons),
        )  # fmt: skip
        columns |= {name: _take(pool, codes.get(code, none)) for name, code, pool in pools}
        return pa.RecordBatch.from_pydict(columns)

    def _times(self, day: int) -> pa.Array:
        """The text of every second of a day, UTC."""
        date = pa.scalar(self.world.settings.day(day).isoformat())
        return pc.binary_join_element_wise(date, _CLOCK, "T")


def _kinds(chunk: Sessions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(kind, session, place) of every event, session by session; place is -1 for a search."""
    masks = (
        (IMPRESSION, chunk.items >= 0), (VIEW, chunk.clicked), (CART, chunk.carted), (REMOVE, chunk.removed),
        (PURCHASE, chunk.bought), (REDEEM, chunk.campaign >= 0),
    )  # fmt: skip
    searched = np.flatnonzero(chunk.query >= 0)
    kinds, rows, places = [np.full(len(searched), SEARCH)], [searched], [np.full(len(searched), -1)]
    for number, mask in masks:
        row, place = np.nonzero(mask)
        kinds.append(np.full(len(row), number))
        rows.append(row)
        places.append(place)
    kind, row, place = np.concatenate(kinds), np.concatenate(rows), np.concatenate(places)
    step = np.where(kind == SEARCH, -1, kind)
    order = np.argsort((row * len(KINDS) + step) * SHOWN + place, kind="stable")
    return kind[order], row[order], place[order]


def _typed(world: World, chunk: Sessions, known: int) -> np.ndarray:
    """The query of each session as typed: seldom something personal, numbered after the `known` queries."""
    draw = world.settings.stream("typed", chunk.day, chunk.chunk)
    slips = (draw.random(len(chunk.query)) < PERSONAL_SEARCHES) & (chunk.query >= 0)
    return np.where(slips, known + draw.integers(0, PERSONAL, len(chunk.query)), chunk.query)


def moment(day: int, number: np.ndarray, salt: int) -> np.ndarray:
    """A second of the day for what follows purchase `number` of `day`: spread evenly, the same every time."""
    spread: np.ndarray = (number * 48_271 + day * 7_919 + salt * 104_729) % SECONDS
    return spread


def coupon_id(campaign: int) -> str:
    return f"coupon-{campaign:03d}"


def money(cents: np.ndarray) -> pa.Array:
    """Cents as text with two decimals; -1 is null."""
    euros, rest = pa.array(cents // 100, mask=cents < 0), _take(_TWO_DIGITS, cents % 100)
    return pc.binary_join_element_wise(euros.cast(pa.string()), rest, ".")


_TWO_DIGITS = pa.array([f"{n:02d}" for n in range(100)])


def _take(pool: pa.Array, index: np.ndarray) -> pa.Array:
    return pool.take(pa.array(index, mask=index < 0))


def _joined(prefix: str, number: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(number, mask=number < 0).cast(pa.string()), "")
