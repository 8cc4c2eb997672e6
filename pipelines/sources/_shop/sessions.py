"""What shoppers see and do on one day, in chunks of sessions, as numbers; `events` makes the rows of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.sources._shop.lexicon import CATEGORIES
from pipelines.sources._shop.queries import Queries, grade
from pipelines.sources._shop.world import World

CHUNK = 20_000  # sessions that are made at once: it bounds memory
SHOWN = 10  # places of a list
DRAWN = 20  # items drawn for a list, of which the first SHOWN different ones in stock are shown
SURFACES = ("search", "category", "home")
SEARCH, CATEGORY, HOME = range(3)
SECONDS = 24 * 3600
SESSIONS_PER_USER = 0.25  # and day
LAST_START = SECONDS - 2_000  # so that a session ends on its day
UNKNOWN = 0.12  # share of sessions without a user id
WEEK = (0.9, 0.9, 0.95, 1.0, 1.05, 1.2, 1.15)  # Monday first
REDEEMED = 0.7  # share of purchases of a coupon's item, by those who have it, that redeem it


def examined(places: int) -> np.ndarray:
    """Probability that a shopper looks at a place at all, from the first on; a click needs a look."""
    looks: np.ndarray = 1 / (1 + np.arange(places)) ** 0.7
    return looks


EXAMINED = examined(SHOWN)


@dataclass(frozen=True)
class Sessions:
    """A chunk of S sessions of one day. [S, SHOWN] arrays speak of the item in a place; -1 is an empty place."""

    day: int
    chunk: int
    user: np.ndarray  # who it is, also where the shop does not know
    known: np.ndarray
    second: np.ndarray  # of the day, ascending
    surface: np.ndarray
    query: np.ndarray  # -1 where nothing was searched
    items: np.ndarray
    clicked: np.ndarray
    carted: np.ndarray
    removed: np.ndarray
    bought: np.ndarray
    quantity: np.ndarray
    campaign: np.ndarray  # whose coupon a purchase redeems, -1 for none


@dataclass(frozen=True)
class Reaction:
    """What S shoppers did with what they were shown, [S, places] each; see `Sessions`."""

    clicked: np.ndarray
    carted: np.ndarray
    removed: np.ndarray
    bought: np.ndarray
    quantity: np.ndarray
    campaign: np.ndarray


class Floor:
    """The shop as it stands on one day: what is in stock, and where to draw items and queries from."""

    def __init__(self, world: World, queries: Queries, day: int) -> None:
        self.world, self.queries, self.day = world, queries, day
        self.available = world.items.on_sale(day) & world.items.in_stock(day)
        self.order = np.argsort(world.items.category, kind="stable")
        weights = np.where(self.available, world.items.popularity, 0)[self.order]
        self.cumulative = np.concatenate([[0.0], np.cumsum(weights)])
        self.bounds = np.searchsorted(world.items.category[self.order], np.arange(len(CATEGORIES) + 1))
        groups = queries.group * 2 + queries.language
        self.query_order = np.argsort(groups, kind="stable")
        self.query_bounds = np.searchsorted(groups[self.query_order], np.arange(2 * len(CATEGORIES) + 1))
        self.query_weights = np.concatenate([[0.0], np.cumsum(queries.weight[self.query_order])])

    def draw_items(self, category: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Items of the given categories, by popularity; -1 where nothing of it is in stock."""
        item = _weighted(self.cumulative, self.bounds, category, uniform, self.order)
        return np.where(self.available[item], item, -1)

    def draw_queries(self, category: np.ndarray, language: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        return _weighted(self.query_weights, self.query_bounds, category * 2 + language, uniform, self.query_order)


def _weighted(
    cumulative: np.ndarray, bounds: np.ndarray, group: np.ndarray, uniform: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """A member of each group with a chance proportional to its weight."""
    low, high = cumulative[bounds[group]], cumulative[bounds[group + 1]]
    place = np.searchsorted(cumulative, low + uniform * (high - low), side="right") - 1
    member: np.ndarray = order[np.minimum(place, len(order) - 1)]
    return member


def sessions_of(world: World, queries: Queries, day: int) -> Iterator[Sessions]:
    """The day's sessions in the order of their beginning."""
    draw = world.settings.stream("day", day)
    users = world.users.joined_by(day)
    mean = users * SESSIONS_PER_USER * WEEK[world.settings.day(day).weekday()]
    number = max(1, int(draw.poisson(mean)))
    second = np.sort((draw.beta(2.5, 2.0, number) * LAST_START).astype(np.int64))
    floor = Floor(world, queries, day)
    for chunk, start in enumerate(range(0, number, CHUNK)):
        yield _chunk(floor, chunk, second[start : start + CHUNK])


def _chunk(floor: Floor, chunk: int, second: np.ndarray) -> Sessions:
    world, day, n = floor.world, floor.day, len(second)
    draw = world.settings.stream("sessions", day, chunk)
    joined = world.users.joined_by(day)
    activity = world.users.activity[:joined]
    user = np.searchsorted(activity, draw.random(n) * activity[-1], side="right").clip(max=joined - 1)
    known = draw.random(n) >= UNKNOWN
    surface = np.searchsorted([0.45, 0.8], draw.random(n), side="right")
    wish = 0.6 * world.users.taste[user] @ world.centres.T
    chances = np.cumsum(np.exp(wish - wish.max(1, keepdims=True)), 1)
    category = (chances < draw.random((n, 1)) * chances[:, -1:]).sum(1)
    query = np.where(surface == SEARCH, floor.draw_queries(category, world.users.language[user], draw.random(n)), -1)
    items = _lists(floor, draw, surface, category, query, chances)
    did = react(floor, user, known, query, items, lambda: draw.random(items.shape))
    return Sessions(
        day=day,
        chunk=chunk,
        user=user,
        known=known,
        second=second,
        surface=surface,
        query=query,
        items=items,
        **vars(did),
    )


def react(
    floor: Floor,
    user: np.ndarray,
    known: np.ndarray,
    query: np.ndarray,
    items: np.ndarray,
    uniform: Callable[[], np.ndarray],
) -> Reaction:
    """What shoppers [S] do with lists of items [S, places], whoever made the lists; -1 is an empty place.

    `uniform` gives other numbers of [0, 1), [S, places], each time it is asked.
    """
    world = floor.world
    pull = _pull(floor, user, query, items)
    clicked = (items >= 0) & (uniform() < examined(items.shape[1]) * _tempted(pull))
    campaign, uplift = _coupons(world, floor.day, user, known, items)
    liking = 0.8 * pull + 0.3 * world.items.overall[items] + uplift
    carted = clicked & (uniform() < _sigmoid(liking - 1.8))
    bought = carted & (uniform() < 0.6)
    return Reaction(
        clicked=clicked,
        carted=carted,
        bought=bought,
        removed=carted & ~bought & (uniform() < 0.3),
        quantity=1 + (uniform() < 0.15) + 2 * (uniform() < 0.02),
        campaign=np.where(bought & (uniform() < REDEEMED), campaign, -1),
    )


def appeal(floor: Floor, user: np.ndarray, query: np.ndarray, items: np.ndarray) -> np.ndarray:
    """[S, places] probability that a shopper who looks at an item clicks it."""
    return _tempted(_pull(floor, user, query, items))


def _tempted(pull: np.ndarray) -> np.ndarray:
    return _sigmoid(pull - 2.0)


def _lists(
    floor: Floor,
    draw: np.random.Generator,
    surface: np.ndarray,
    category: np.ndarray,
    query: np.ndarray,
    chances: np.ndarray,
) -> np.ndarray:
    """[S, SHOWN]: the search's items a little shuffled (so that no place decides alone), or popular ones."""
    n = len(surface)
    items = np.full((n, SHOWN), -1)
    searched, browsed = np.flatnonzero(query >= 0), np.flatnonzero(query < 0)
    found = floor.queries.shown[query[searched]]
    usable = (found >= 0) & floor.available[found]
    place = np.arange(found.shape[1]) + draw.normal(0, 1.5, found.shape)
    first = np.argsort(np.where(usable, place, np.inf), 1, kind="stable")[:, :SHOWN]
    items[searched] = np.where(np.take_along_axis(usable, first, 1), np.take_along_axis(found, first, 1), -1)
    # On the home page every place has a category of its own, after the shopper's taste.
    mixed = chances[browsed][:, None, :] < draw.random((len(browsed), DRAWN, 1)) * chances[browsed][:, None, -1:]
    wanted = np.where((surface[browsed] == HOME)[:, None], mixed.sum(2), category[browsed][:, None])
    items[browsed] = _first_different(floor.draw_items(wanted, draw.random((len(browsed), DRAWN))))
    return items


def _first_different(drawn: np.ndarray) -> np.ndarray:
    """The first SHOWN different items of each row, in order, then -1."""
    order = np.argsort(drawn, 1, kind="stable")
    ordered = np.take_along_axis(drawn, order, 1)
    repeats = np.zeros(drawn.shape, bool)
    np.put_along_axis(repeats, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], 1)
    kept = (drawn >= 0) & ~repeats
    first = np.argsort(~kept, 1, kind="stable")[:, :SHOWN]
    return np.where(np.take_along_axis(kept, first, 1), np.take_along_axis(drawn, first, 1), -1)


def _pull(floor: Floor, user: np.ndarray, query: np.ndarray, items: np.ndarray) -> np.ndarray:
    """[S, SHOWN] log-odds that an item attracts a shopper who looks at it, up to a constant."""
    world, queries = floor.world, floor.queries
    liked = np.einsum("sd,sld->sl", world.users.taste[user], world.items.vector[items])
    usual = np.log(np.maximum(world.items.cents, 1)).mean()
    dear = np.log(world.items.cents_on(floor.day)[items]) - usual
    look = 0.2 * world.items.quality[items, 4]
    return 0.35 * liked - 0.5 * world.users.thrift[user][:, None] * dear + look + _answers(queries, query, world, items)


def _answers(queries: Queries, query: np.ndarray, world: World, items: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(query >= 0)
    found = np.zeros(items.shape)
    found[rows] = 0.9 * (grade(queries, query[rows][:, None], world.items, items[rows]) - 2)
    return found


def _coupons(
    world: World, day: int, user: np.ndarray, known: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """([S, SHOWN] campaign whose coupon fits user and item or -1, the log-odds it adds)."""
    campaign, uplift = np.full(items.shape, -1), np.zeros(items.shape)
    for j in world.campaigns.running(day):
        fits = (world.campaigns.treated[j, user] & known)[:, None] & world.campaigns.in_coupon[j, items] & (items >= 0)
        campaign[fits] = j
        uplift += fits * world.campaigns.uplift[j, user][:, None]
    return campaign, uplift


def _sigmoid(x: np.ndarray) -> np.ndarray:
    value: np.ndarray = 1 / (1 + np.exp(-x))
    return value
