"""The loop of `benchmarks.closed_loop`: a night learns from the log, shoppers meet its lists, the log grows."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks._loop_estimates import Estimates
from benchmarks._loop_measures import Books, Truth
from benchmarks._loop_night import (
    POPULAR,
    SETTINGS,
    Champion,
    Lists,
    known_by,
    published,
    sunday_of,
    taught_on,
    trained,
    window,
    with_lesson,
)
from benchmarks._loop_shop import Shelf, Shop
from models.feedback.exploration import Exploration
from pipelines.sources._shop.settings import ShopSettings

OPENS = 3 * SETTINGS.test_days
"""The first day with a shelf: 28 days to learn from, 28 for the weights, 28 that a gate would look at."""
POLICIES = ("popular", "blend", "blend_explore")


@dataclass(frozen=True)
class Step:
    """A night and the day after it. `log`: every row of the shelf; `learned`: all days as the next night reads them."""

    day: int
    lists: Lists
    shelf: Shelf
    log: pa.Table
    learned: list[pa.Table]


def steps(shop: Shop, champion: Champion, how: Exploration, opens: int, nights: int) -> Iterator[Step]:
    """Night by night from the evening before day `opens`; the model learns from all logs up to that evening."""
    days = [shop.ordinary(day) for day in range(opens)]
    sunday, week = opens, None
    for day in range(opens, opens + nights):
        night = shop.day(day - 1)
        products = shop.products(day - 1)
        if sunday_of(shop, day - 1) != sunday:
            sunday = sunday_of(shop, day - 1)
            week = taught_on(shop, days, sunday)
        known = known_by(products, window(days, night), shop.known_users(day - 1), night)
        known = with_lesson(known, products, week)
        lists = published(shop, known, champion.tonight(known), how)
        visits = shop.visits(day)
        shelf = shop.answered(visits, lists.filled.items[visits.user], lists.filled.propensity[visits.user])
        log = shop.events(shelf)
        days = [*days, pa.concat_tables([shop.ordinary(day), shop.learned_from(log, day)])]
        yield Step(day, lists, shelf, log, days)


@dataclass(frozen=True)
class Asked:
    """One shop: everything that its result depends on."""

    seed: int
    users: int
    items: int
    nights: int
    share: float
    config: str

    def path(self, work: Path) -> Path:
        return work / f"loop-{hashlib.sha256(repr(self).encode()).hexdigest()[:16]}.json"

    def shop(self) -> Shop:
        return Shop(ShopSettings(self.users, self.items, OPENS + self.nights, self.seed))


def measured(asked: Asked) -> dict[str, Any]:
    """Every policy on the same shop: the numbers of each night, what became of new items, off-policy estimates."""
    shop = asked.shop()
    with tempfile.TemporaryDirectory(prefix="closed-loop-") as folder:
        blend = trained(shop, OPENS, asked.config, Path(folder))
    plans = {
        "popular": (POPULAR, Exploration(0.0)),
        "blend": (blend, Exploration(0.0)),
        "blend_explore": (blend, Exploration(asked.share)),
    }
    truths: dict[int, Truth] = {}
    found: dict[str, Any] = {"seed": asked.seed, "weights": getattr(blend.config, "weights", {}), "policies": {}}
    for name, (champion, how) in plans.items():
        books, estimates, rows = Books(shop, OPENS), Estimates(how), []
        for step in steps(shop, champion, how, OPENS, asked.nights):
            if step.day not in truths:
                truths[step.day] = Truth.of(shop, step.day)
            truth = truths[step.day]
            rows.append(books.night(step.day, step.lists, step.shelf, truth, step.learned[-1]))
            if how.share:
                estimates.see(step.lists, step.shelf, truth)
        found["policies"][name] = {
            "nights": rows, "start": books.start(), "newcomers": books.newcomers(step.learned),
            **({"estimates": estimates.summary()} if how.share else {}),
        }  # fmt: skip
    return found
