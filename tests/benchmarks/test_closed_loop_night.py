"""The closed loop's night in memory publishes what the real scoring path publishes."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks._loop import steps
from benchmarks._loop_night import POPULAR, Champion, known_by, ranked, sunday_of, taught_on, window, with_lesson
from benchmarks._loop_shop import Shop
from models.feedback.exploration import Exploration
from models.recommender import popular
from models.recommender.configs import Popular
from models.recommender.saved import starter
from pipelines.scoring import wanted
from pipelines.scoring.champion import fitted
from pipelines.scoring.known import known_by as known_by_lake
from pipelines.scoring.lists import recommendations
from pipelines.scoring.rows import Stamp
from pipelines.settings import Settings
from pipelines.sources._shop.settings import ShopSettings
from tests.pipelines.learning import commit


def fill(settings: Settings, shop: Shop, days: list[pa.Table]) -> None:
    """The lake with all that is known by the end of the last of `days`."""
    more = {"file": "f", "is_duplicate": False}
    rows = [row for day in days for row in day.to_pylist()]
    commit(
        settings,
        "events",
        [
            {**row, **more, "event_id": f"e{n}", "line": n, "landing_date": row["event_date"]}
            for n, row in enumerate(rows)
        ],
    )
    products, before = [], None
    for number in range(len(days)):
        found = {row["item_id"]: row for row in shop.products(number).to_pylist()}
        changed = [row for name, row in found.items() if before is None or before.get(name) != row]
        products += [{**row, **more, "line": n, "landing_date": shop.day(number)} for n, row in enumerate(changed)]
        before = found
    commit(settings, "products", products)
    people = shop.known_users(len(days) - 1).to_pylist()
    joined = shop.world.users.joined[: len(people)].tolist()
    commit(
        settings,
        "users",
        [
            {"user_id": user, "attributes": [], **more, "line": n, "landing_date": shop.day(day)}
            for n, (user, day) in enumerate(zip(people, joined, strict=True))
        ],
    )


@pytest.mark.parametrize("taught", [False, True])
def test_the_night_in_memory_publishes_what_the_real_scoring_path_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taught: bool
) -> None:
    """On the first nights of a shop, with a shelf in the log; and on one that learned from earlier new items."""
    monkeypatch.setattr(wanted, "LEAST_BUYERS", 1)
    settings = Settings(home=tmp_path)
    if taught:
        shop = Shop(ShopSettings(users=400, products=96, days=66, seed=5))
        days = [shop.ordinary(day) for day in range(65)]
    else:
        shop = Shop(ShopSettings(users=120, products=60, days=18, seed=5))
        *_, last_step = steps(shop, POPULAR, Exploration(0.3), opens=16, nights=2)
        days = last_step.learned
    last, night = len(days) - 1, shop.day(len(days) - 1)
    fill(settings, shop, days)
    theirs, by = wanted.with_wanted(settings, known_by_lake(settings, night))
    assert by.startswith("by what" if taught else "by rule")
    ours = known_by(shop.products(last), window(days, night), shop.known_users(last), night)
    ours = with_lesson(ours, shop.products(last), taught_on(shop, days, sunday_of(shop, last)))
    assert ours.data.digest() == theirs.data.digest()
    assert len(ours.newcomers.items) and np.array_equal(ours.newcomers.items, theirs.newcomers.items)
    model = Champion(*starter(ours.data)).tonight(ours)
    stamp = Stamp("", "", "", datetime.now(UTC))
    loaded, name, _, _ = fitted(settings, theirs)
    fallback = popular.fit(theirs.data, Popular())
    for mine, real in ((model, loaded), (POPULAR.tonight(ours), fallback)):
        table, _ = recommendations(settings, theirs, real, fallback, stamp)
        lists, _ = ranked(ours, mine, 40)
        row, place = np.nonzero(lists.items >= 0)
        assert (place.max(), name) == (19, "starter")
        assert table["user_id"].to_pylist() == ours.data.users.take(pa.array(row)).to_pylist()
        assert table["rank"].to_pylist() == (place + 1).tolist()
        assert table["item_id"].to_pylist() == ours.data.items.take(pa.array(lists.items[row, place])).to_pylist()
        assert table["score"].to_pylist() == lists.scores[row, place].astype(float).tolist()
        assert np.isin(lists.items[:, 10:12], ours.newcomers.items).any()  # the places of new items
