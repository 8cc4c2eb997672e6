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
_MADE = "event_id", "occurred_at", "event_type", "user_id", "session_id", "item_id", "quantity", "unit_price"
COLUMNS = (*_MADE, "query", "surface", "position", "promotion_id")


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
        found = place >= 0
        column = place.clip(min=0)
        item = np.where(found, chunk.items[row, column], -1)
        campaign = np.where((kind == PURCHASE) | (kind == REDEEM), chunk.campaign[row, column], -1)
        priced = (kind == CART) | (kind == PURCHASE)
        cents = np.where(priced, paid(self.world.items.cents_on(chunk.day)[item], campaign), -1)
        delay = np.array([_DELAYS.get(k, 0) for k in range(len(KINDS))])[kind]
        spread = np.where(kind == IMPRESSION, 0, _PER_PLACE * column)
        query = chunk.query[row]
        query = np.where(kind == SEARCH, _personal(self.world, chunk, len(self.queries.text))[row], query)
        return self._batch(
            day=chunk.day,
            prefix=f"e{chunk.day:05d}-{chunk.chunk:04d}-",
            number=np.arange(len(kind)),
            kind=kind,
            second=chunk.second[row] + delay + spread,
            user=np.where(chunk.known[row], chunk.user[row], -1),
            session=chunk.chunk * 1_000_000 + row,
            item=np.where(kind == REDEEM, -1, item),
            quantity=np.where(priced, chunk.quantity[row, column], -1),
            cents=cents,
            query=np.where(kind <= VIEW, query, np.where(kind == SEARCH, query, -1)),
            surface=np.where((kind <= VIEW) | (kind == SEARCH), chunk.surface[row], -1),
            position=np.where(kind <= VIEW, place + 1, -1),
            campaign=campaign,
            line=line,
        )

    def _after(self, day: int, line: int) -> pa.RecordBatch:
        """Returns and ratings of what was bought on earlier days."""
        parts = []
        for bought in self.past.around(day):
            for kind, when in ((RETURN, bought.returned), (RATING, bought.rated)):
                n = np.flatnonzero(when == day)
                user = np.where(bought.known[n], bought.user[n], -1)
                one = np.full(len(n), -1)
                quantity, cents = (bought.quantity[n], bought.cents[n]) if kind == RETURN else (one, one)
                second = moment(bought.day, n, kind)
                parts.append((one * 0 + kind, second, user, bought.item[n], quantity, cents))
        kind, second, user, item, quantity, cents = (np.concatenate(c) for c in zip(*parts, strict=True))
        none = np.full(len(kind), -1)
        return self._batch(
            day=day, prefix=f"e{day:05d}-after-", number=np.arange(len(kind)), kind=kind, second=second, user=user,
            session=none, item=item, quantity=quantity, cents=cents, query=none, surface=none, position=none,
            campaign=none, line=line,
        )  # fmt: skip

    def _batch(
        self,
        day: int,
        prefix: str,
        number: np.ndarray,
        kind: np.ndarray,
        second: np.ndarray,
        user: np.ndarray,
        session: np.ndarray,
        item: np.ndarray,
        quantity: np.ndarray,
        cents: np.ndarray,
        query: np.ndarray,
        surface: np.ndarray,
        position: np.ndarray,
        campaign: np.ndarray,
        line: int,
    ) -> pa.RecordBatch:
        """Rows in the order given; -1 is a missing value everywhere."""
        times = pa.array(times_of(self.world, day))
        columns = {
            "event_id": _joined(prefix, number),
            "occurred_at": _take(times, second),
            "event_type": _take(self._kinds, kind),
            "user_id": _take(self._users, user),
            "session_id": _joined(f"s{day:05d}-", session),
            "item_id": _take(self._items, item),
            "quantity": _take(self._small, quantity),
            "unit_price": money(cents),
            "query": _take(self._queries, query),
            "surface": _take(self._surfaces, surface),
            "position": _take(self._small, position),
            "promotion_id": _take(self._coupons, campaign),
            LINE: pa.array(np.arange(line, line + len(kind))),
        }
        return pa.RecordBatch.from_pydict(columns)


def _kinds(chunk: Sessions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(kind, session, place) of every event, session by session; place is -1 for a search."""
    masks = (
        (IMPRESSION, chunk.items >= 0), (VIEW, chunk.clicked), (CART, chunk.carted), (REMOVE, chunk.removed),
        (PURCHASE, chunk.bought), (REDEEM, chunk.campaign >= 0),
    )  # fmt: skip
    searched = np.flatnonzero(chunk.query >= 0)
    kinds, rows, places = [np.full(len(searched), SEARCH)], [searched], [np.full(len(searched), -1)]
    for kind, mask in masks:
        row, place = np.nonzero(mask)
        kinds.append(np.full(len(row), kind))
        rows.append(row)
        places.append(place)
    kind, row, place = np.concatenate(kinds), np.concatenate(rows), np.concatenate(places)
    step = np.where(kind == SEARCH, -1, kind)
    order = np.argsort((row * len(KINDS) + step) * SHOWN + place, kind="stable")
    return kind[order], row[order], place[order]


def _personal(world: World, chunk: Sessions, known: int) -> np.ndarray:
    """The query of each session as typed: seldom something personal, numbered after the `known` queries."""
    draw = world.settings.stream("typed", chunk.day, chunk.chunk)
    typed = draw.random(len(chunk.query)) < PERSONAL_SEARCHES
    slip = known + draw.integers(0, PERSONAL, len(chunk.query))
    return np.where(typed & (chunk.query >= 0), slip, chunk.query)


def moment(day: int, number: np.ndarray, salt: int) -> np.ndarray:
    """A second of the day for what follows purchase `number` of `day`: spread evenly, the same every time."""
    spread: np.ndarray = (number * 48_271 + day * 7_919 + salt * 104_729) % SECONDS
    return spread


def times_of(world: World, day: int) -> list[str]:
    """The text of every second of a day, UTC."""
    date = world.settings.day(day).isoformat()
    return [f"{date}T{h:02d}:{m:02d}:{s:02d}Z" for h in range(24) for m in range(60) for s in range(60)]


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
