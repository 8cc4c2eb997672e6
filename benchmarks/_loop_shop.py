"""The simulated shop for `benchmarks.closed_loop`: what was delivered by a night, and shoppers who answer a shelf.

Every session of a shopper whom the shop knows opens with a shelf: the list that was published for them the night
before. They look at its places, click, fill carts and buy by the simulator's own formulas (`_shop.sessions.react`).
All else that happens in the shop does not depend on the shelf.

The number behind a decision is a hash of the shop's seed, the day, the session, the item and what is decided. So a
shopper who meets an item in the same place of two policies' shelves does the same: policies are compared in pairs.
"""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.feedback.exploration import uniform
from pipelines.contracts import EVENT_DATE
from pipelines.lake import FIRST_DELIVERED
from pipelines.sources._shop.afterwards import Past, paid
from pipelines.sources._shop.catalogue import products_of
from pipelines.sources._shop.events import EventRows, money
from pipelines.sources._shop.queries import make_queries
from pipelines.sources._shop.sessions import Floor, Reaction, react, sessions_of
from pipelines.sources._shop.settings import ShopSettings
from pipelines.sources._shop.world import item_ids, make_world, user_ids

TAKEN = pa.array(["view", "add_to_cart", "purchase"])
IMPRESSION, VIEW, CART, PURCHASE = KINDS = ("impression", "view", "add_to_cart", "purchase")
SECONDS = {IMPRESSION: 3, VIEW: 13, CART: 43, PURCHASE: 903}
"""From the start of a session to the event; 50 for each place more. No ordinary event of a session falls on these."""
PER_PLACE = 50
PRODUCTS = pa.schema(
    [
        ("item_id", pa.string()), ("title", pa.string()), ("description", pa.string()), ("brand", pa.string()),
        ("category_path", pa.string()), ("price", pa.decimal128(18, 6)), ("available_from", pa.date32()),
        ("available_to", pa.date32()), ("attributes", pa.map_(pa.string(), pa.string())),
        (FIRST_DELIVERED, pa.date32()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Visits:
    """The S sessions of known shoppers of a day, in the order of their beginning."""

    day: int
    user: np.ndarray  # int [S]
    session: np.ndarray  # int [S], the number of each in the day
    second: np.ndarray  # int [S], of the day


@dataclass(frozen=True)
class Shelf:
    """What the visits of a day were shown, [S, places] each, −1 where nothing was, and what came of it.

    `cents` is the price of a piece, after the coupon that a purchase redeemed.
    """

    visits: Visits
    items: np.ndarray
    propensity: np.ndarray
    did: Reaction
    cents: np.ndarray

    @property
    def shown(self) -> np.ndarray:
        return self.items >= 0

    @property
    def revenue(self) -> float:
        return float((self.did.bought * self.did.quantity * self.cents).sum()) / 100


class Shop:
    """A simulated shop of `settings`, and what is known of it night by night."""

    def __init__(self, settings: ShopSettings) -> None:
        self.settings, self.world = settings, make_world(settings)
        self.queries = make_queries(self.world)
        self.users, self.items = pa.array(user_ids(self.world)), pa.array(item_ids(self.world))
        self._rows = EventRows(Past(self.world, self.queries))
        self.floor = cache(lambda day: Floor(self.world, self.queries, day))
        self.ordinary = cache(self._ordinary)
        self.visits = cache(self._visits)

    def day(self, number: int) -> dt.date:
        return self.settings.day(number)

    def _ordinary(self, day: int) -> pa.Table:
        """What known people did with items on a day, the shelf aside: the rows of `lake.interactions`."""
        rows = pa.Table.from_batches(list(self._rows.of_day(day)))
        rows = rows.filter(pc.and_(pc.is_in(rows["event_type"], value_set=TAKEN), pc.is_valid(rows["user_id"])))
        return self._interactions(day, rows)

    def _visits(self, day: int) -> Visits:
        chunks = list(sessions_of(self.world, self.queries, day))
        known = np.concatenate([chunk.known for chunk in chunks])
        session = np.concatenate([chunk.chunk * 1_000_000 + np.arange(len(chunk.user)) for chunk in chunks])
        columns = (np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("user", "second"))
        user, second = columns
        return Visits(day, user[known], session[known], second[known])

    def known_users(self, day: int) -> pa.Array:
        """Everybody who has joined by the end of a day; before they do nobody does anything."""
        return self.users[: self.world.users.joined_by(day)]

    def products(self, day: int) -> pa.Table:
        """As `lake.products` gives them at the end of a day: the newest row of each item, and the day of its first."""
        return pa.Table.from_pylist([self._catalogue[day][name] for name in sorted(self._catalogue[day])], PRODUCTS)

    @cached_property
    def _catalogue(self) -> list[dict[str, dict[str, Any]]]:
        """By day: each item's newest row."""
        now: dict[str, dict[str, Any]] = {}
        days = []
        for day in range(self.settings.days):
            now = {**now, **{row["item_id"]: row for row in self._delivered(day, now)}}
            days.append(now)
        return days

    def _delivered(self, day: int, before: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in products_of(self.world, day):
            name = str(row["item_id"])
            yield {
                **{key: row[key] for key in ("title", "description", "brand", "category_path")},
                "item_id": name,
                "price": Decimal(str(row["price"])),
                "attributes": list(json.loads(str(row["attributes"])).items()),
                **{key: _date(row[key]) for key in ("available_from", "available_to")},
                FIRST_DELIVERED: before[name][FIRST_DELIVERED] if name in before else self.day(day),
            }

    def answered(self, visits: Visits, items: np.ndarray, propensity: np.ndarray) -> Shelf:
        """What the shoppers do with `items` [S, places]. An item that was sold out since is seen and left alone."""
        floor = self.floor(visits.day)
        key = visits.session[:, None] * len(self.items) + items
        asked = count()
        had = np.where((items >= 0) & floor.available[items], items, -1)
        did = react(
            floor,
            visits.user,
            np.ones(len(items), dtype=bool),
            np.full(len(items), -1),
            had,
            lambda: uniform(self.settings.seed * 10_000 + visits.day, key, next(asked)),
        )
        cents = paid(self.world.items.cents_on(visits.day)[items], did.campaign)
        return Shelf(visits, items, propensity, did, cents)

    def events(self, shelf: Shelf) -> pa.Table:
        """The log of a shelf: a row for each impression, view, cart and purchase, in the contract's columns, with the
        propensity of what was shown. `recommendation_id` names night, shopper and place.
        """
        masks = dict(zip(KINDS, (shelf.shown, shelf.did.clicked, shelf.did.carted, shelf.did.bought), strict=True))
        found = [self._events(shelf, kind, *np.nonzero(mask)) for kind, mask in masks.items()]
        return pa.concat_tables(found)

    def _events(self, shelf: Shelf, kind: str, row: np.ndarray, place: np.ndarray) -> pa.Table:
        visits, night = shelf.visits, self.day(shelf.visits.day - 1)
        second = visits.second[row] + SECONDS[kind] + PER_PLACE * (place if kind != IMPRESSION else 0)
        priced = kind in (CART, PURCHASE)
        user, session = self.users.take(pa.array(visits.user[row])), visits.session[row]
        number = pa.array(session * shelf.items.shape[1] + place).cast(pa.string())
        start = np.datetime64(self.day(visits.day), "us")
        return pa.table(
            {
                "event_id": pc.binary_join_element_wise(f"shelf-{visits.day}-{kind}", number, "-"),
                "occurred_at": pa.array(start + second * np.timedelta64(1, "s")).cast(pa.timestamp("us", tz="UTC")),
                "event_type": pa.repeat(kind, len(row)),
                "user_id": user,
                "session_id": pc.binary_join_element_wise(f"s{visits.day:05d}", pa.array(session).cast("string"), "-"),
                "item_id": self.items.take(pa.array(shelf.items[row, place])),
                "quantity": pa.array(shelf.did.quantity[row, place], mask=np.full(len(row), not priced)),
                "unit_price": money(np.where(priced, shelf.cents[row, place], -1)),
                "surface": pa.repeat("shelf", len(row)),
                "position": pa.array(place + 1),
                "recommendation_id": pc.binary_join_element_wise(
                    str(night), user, pa.array(place + 1).cast("string"), "-"
                ),
                "propensity": pa.array(shelf.propensity[row, place]),
            }
        )

    def learned_from(self, events: pa.Table, day: int) -> pa.Table:
        """What the night reads of a shelf's log: the rows of `lake.interactions`."""
        return self._interactions(day, events.filter(pc.is_in(events["event_type"], value_set=TAKEN)))

    def _interactions(self, day: int, rows: pa.Table) -> pa.Table:
        kept = rows.select(["user_id", "item_id", "event_type"])
        at = rows["occurred_at"].cast(pa.timestamp("us", tz="UTC"))
        quantity = rows["quantity"].cast(pa.int64())
        kept = kept.append_column("occurred_at", at).append_column("quantity", quantity)
        return kept.append_column(EVENT_DATE, pa.repeat(pa.scalar(self.day(day)), rows.num_rows))


def _date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def numbers(names: pa.Array) -> np.ndarray:
    """int [n]: the number in each id of an item or a user."""
    return pc.cast(pc.utf8_slice_codeunits(names, 1), pa.int64()).to_numpy()
