"""A night of `benchmarks.closed_loop`: what `nightmarket score` does, on tables in memory instead of a lake.

Every function that knows, fits, ranks and places is the night's own; only the reading differs
(`tests/benchmarks/test_closed_loop_night.py` holds the lists against those of the real scoring path).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks._loop_shop import Shop, numbers
from models.feedback.exploration import Exploration, Filled, explore, keys_of
from models.interactions import Interactions, encode
from models.recommender import floors, popular
from models.recommender.blend import BlendModel, learn_weights
from models.recommender.configs import CONFIGS, TRANSFORMER, TRANSFORMERS, Blend, Config, Popular
from models.recommender.learned import learn
from models.recommender.newcomers import Newcomers, Wanted, newcomers, placed
from models.recommender.ranking import Ranked, Recommender, rank_users
from models.recommender.saved import refit
from models.split import time_split
from pipelines.catalogue import described, fresh
from pipelines.contracts import EVENT_DATE
from pipelines.scoring import wanted as lessons
from pipelines.settings import Settings
from pipelines.training_run import availability

SETTINGS = Settings(home=Path())
"""The defaults of every shop: lists of 20, two places for new items, 28 test days."""
NEXT = 20
"""Items of the ranking below the list, and of the popular list, that exploration may draw beside new items."""


@dataclass(frozen=True)
class Known:
    """What is known at the end of a night; see `pipelines.scoring.known.Night`."""

    day: date
    data: Interactions
    available: np.ndarray  # bool [I]
    newcomers: Newcomers
    wanted: Wanted  # the same, placed by the rule or by what a Sunday taught


@dataclass(frozen=True)
class Lists:
    """What a night publishes, in the numbers of the shop: row u is the list of shopper u.

    `ranked` int [U, k] is the model's own order, `filled` what is shown of it; `pool` int [U, C] what may be drawn.
    `scores` float32 [U, I] are the model's, 0 for items that the night does not know.
    """

    ranked: np.ndarray
    filled: Filled
    pool: np.ndarray
    scores: np.ndarray
    popular: np.ndarray  # int [k]: the most popular of the night


def known_by(products: pa.Table, events: pa.Table, users: pa.Array, day: date, settings: Settings = SETTINGS) -> Known:
    """`events` as `lake.sequences` would give them, `products` as `lake.products`, `users` everybody so far."""
    unsold = products.filter(pc.invert(pc.is_in(products["item_id"], value_set=pc.unique(events["item_id"]))))
    unsold = unsold["item_id"].combine_chunks()
    unsold = unsold.filter(pa.array(availability(products, unsold, day)))
    new = unsold.filter(pa.array(fresh(products, unsold, day, settings.new_item_days)))
    spare = unsold.take(pc.sort_indices(unsold))[: settings.top_k]
    data = described(encode(events, day, extra_users=users, extra_items=pa.concat_arrays([spare, new])), products)
    young = newcomers(data, fresh(products, data.items, day, settings.new_item_days))
    return Known(day, data, availability(products, data.items, day), young, young)


def sunday_of(shop: Shop, day: int) -> int:
    """The last Sunday up to a day."""
    return day - (shop.day(day).weekday() + 1) % 7


def taught_on(shop: Shop, days: list[pa.Table], sunday: int) -> lessons.Week | None:
    """What a Sunday teaches of new items, `days` being what was done on every day up to it; see `scoring.wanted`."""
    moments = lessons.moments_of(shop.day(sunday), [shop.day(0)])
    if sunday < 0 or not moments:
        return None
    numbered = {day: (day - shop.day(0)).days for day in (*moments, shop.day(sunday))}
    past = {day: window(days[: n + 1] if n >= 0 else [days[0][:0]], day) for day, n in numbered.items()}
    products = shop.products(sunday)
    return lessons.taught(past, products, lessons.letters(products))[0]


def with_lesson(known: Known, products: pa.Table, week: lessons.Week | None) -> Known:
    """The night with its new items as the lists of people are given them; see `scoring.wanted.with_wanted`."""
    items = known.newcomers.items
    if week is None or week.buyers < lessons.LEAST_BUYERS or not len(items):
        return known
    return replace(known, wanted=lessons.matched(known.data, items, week, lessons.letters(products)))


def ranked(known: Known, model: Recommender, wide: int, settings: Settings = SETTINGS) -> tuple[Ranked, np.ndarray]:
    """The lists of everybody as the night publishes them, and int32 [U, wide]: the model's order before new items."""
    data, k = known.data, settings.top_k
    fill, users = popular.fit(data, Popular()).order, np.arange(len(data.users))
    blocks = list(rank_users(model, data, users, max(k, wide), fill, known.available))
    order, scores = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("items", "scores"))
    none = np.full((len(users), k), -1, dtype=np.int32)
    block = Ranked(users, order[:, :k], scores[:, :k], none)
    return placed(block, data, known.wanted, known.available, None, settings.new_item_places)[0], order


def published(shop: Shop, known: Known, model: Recommender, how: Exploration) -> Lists:
    """The lists of a night under a policy. Who has not joined has none."""
    data, k = known.data, SETTINGS.top_k
    lists, order = ranked(known, model, k + NEXT)
    best = popular.fit(data, Popular()).order
    best = best[known.available[best]][:NEXT]
    young = known.newcomers.items[known.available[known.newcomers.items]]
    pool = once([order, best, young])
    scores = np.ascontiguousarray(model.scores(data, np.arange(len(data.users))))
    drawn_by = np.where(pool >= 0, np.take_along_axis(scores, np.maximum(pool, 0), 1), 0)
    keys = keys_of(data.users.to_pylist())
    filled = explore(lists.items, pool, drawn_by, keys, how, int(f"{known.day:%Y%m%d}"))
    item, user = numbers(data.items), numbers(data.users)

    def by_number(values: np.ndarray) -> np.ndarray:
        """int [U, …] of items in the vocabulary of the data, for every shopper and in the numbers of the shop."""
        found = np.full((len(shop.users), values.shape[1]), -1)
        found[user] = np.where(values >= 0, item[values], -1)
        return found

    shares = np.zeros((len(shop.users), k))
    shares[user] = filled.propensity
    drawn = np.zeros((len(shop.users), k), dtype=bool)
    drawn[user] = filled.drawn
    dense = np.zeros((len(shop.users), len(shop.items)), dtype=np.float32)
    dense[np.ix_(user, item)] = scores
    shown = Filled(by_number(filled.items), shares, drawn)
    return Lists(by_number(lists.items), shown, by_number(pool), dense, item[best][:k])


def once(parts: Sequence[np.ndarray]) -> np.ndarray:
    """int [U, C]: the parts side by side, of an item that is there twice only the first; −1 for the others.

    A part is int [U, C_part], or [C_part] for everybody alike.
    """
    rows = max(len(part) for part in parts if part.ndim == 2)
    wide = np.concatenate([np.broadcast_to(part, (rows, part.shape[-1])) for part in parts], axis=1)
    order = np.argsort(wide, axis=1, kind="stable")
    sorted_ = np.take_along_axis(wide, order, 1)
    again = np.zeros(wide.shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], sorted_[:, 1:] == sorted_[:, :-1], 1)
    return np.where(again, -1, wide)


# ---- what is learned before the loop ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Champion:
    """A model that nights bring up to date; None as model: a floor, which is nothing but its config."""

    config: Config
    model: Recommender | None

    def tonight(self, known: Known) -> Recommender:
        if self.model is None:
            return popular.fit(known.data, Popular())
        return refit(self.config, self.model, known.data)[1]


POPULAR = Champion(Popular(), None)


def trained(shop: Shop, opens: int, config: str, folder: Path) -> Champion:
    """The blend as `nightmarket train recommender` makes it on the evening before day `opens`.

    The days end with 28 test days, which only a gate would look at; on the 28 before them the transformer is stopped
    and the weights are learned, of parts fitted up to the first of those.
    """
    cutoff = opens - 1 - SETTINGS.test_days
    learned_until = cutoff - SETTINGS.test_days
    past, future = (pa.concat_tables([shop.ordinary(day) for day in range(end + 1)]) for end in (learned_until, cutoff))
    day, days = shop.day(learned_until), SETTINGS.training_days
    split = time_split(past, future, day, SETTINGS.test_days, days, SETTINGS.repeat_purchases)
    products = shop.products(learned_until)
    split = replace(split, train=described(split.train, products))
    open_then = availability(products, split.train.items, day)
    transformer = learn(split, open_then, TRANSFORMERS[config], folder, "cpu", lambda row: None).model
    fitted = {name: found.model for name, found in floors.fit_all(split.train, CONFIGS).items()}
    parts = {name: model for name, model in fitted.items() if not isinstance(model, floors.NotApplicable)}
    parts[TRANSFORMER] = transformer
    kinds = {name: CONFIGS[name] for name in parts if name != TRANSFORMER} | {TRANSFORMER: TRANSFORMERS[config]}
    weights = learn_weights(parts, split)
    return Champion(Blend(kinds, weights), BlendModel(parts, weights))


def window(days: list[pa.Table], day: date) -> pa.Table:
    """The rows of the training days that end with `day`, of the tables of all days so far."""
    rows = pa.concat_tables(days)
    first = pa.scalar(day - timedelta(SETTINGS.training_days - 1))
    return rows.filter(pc.greater_equal(rows[EVENT_DATE], first))
