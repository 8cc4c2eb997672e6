"""New items in lists by what earlier new items taught: the same night, and whatever was run or came before."""

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.scoring import wanted
from pipelines.scoring.known import known_by
from pipelines.scoring.wanted import LEAST_BUYERS, week_of, with_wanted
from pipelines.settings import Settings
from tests.models.shop import MONDAY
from tests.pipelines.learning import fill_lake, fill_products
from tests.pipelines.scored import rows, run

pytestmark = pytest.mark.xdist_group("wanted")  # one worker makes what the tests of this file share

KINDS = ("copper kettle", "paper lamp")
OLD, EACH, PEOPLE = 8, 6, 60
OPENED = (30, 58, 86)
"""Days on which so many items of each kind are new; nobody has had the last ones."""
NIGHT = MONDAY + timedelta(OPENED[-1])  # a Thursday; its Sunday is day 83
NIGHTS = [MONDAY + timedelta(89 + n) for n in range(3)]
COLOURS = ("red", "blue", "green", "white", "black", "grey")


def products(kind: int, name: str, count: int) -> list[dict[str, str]]:
    return [
        {"item_id": f"{name}{kind}{n}", "title": f"{COLOURS[n % 6]} {KINDS[kind]} {name} {n}"} for n in range(count)
    ]


def purchases(seed: int = 4) -> list[tuple]:
    """Half of the people buy kettles, half lamps, old ones all the time and new ones in the weeks after they came."""
    draw = np.random.default_rng(seed)
    found = []
    for person in range(PEOPLE):
        kind = person % 2
        for day in range(0, OPENED[-1], 6):
            found.append((f"u{person:02d}", f"old{kind}{draw.integers(OLD)}", day + int(draw.integers(5))))
        for number, day in enumerate(OPENED[:-1]):
            for item in draw.choice(EACH, 2, replace=False):
                found.append((f"u{person:02d}", f"new{number}-{kind}{item}", day + 1 + int(draw.integers(20))))
    return found


def open_shop(home: Path) -> Settings:
    settings = Settings(home=home, training_days=90, top_k=6)
    for kind in (0, 1):
        fill_products(settings, products(kind, "old", OLD), MONDAY)
        for number, day in enumerate(OPENED):
            fill_products(settings, products(kind, f"new{number}-", EACH), MONDAY + timedelta(day))
    fill_lake(settings, purchases())
    return settings


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return open_shop(tmp_path_factory.mktemp("shop"))


def forget(settings: Settings) -> None:
    shutil.rmtree(settings.models / wanted.FOLDER, ignore_errors=True)


def wishes(settings: Settings, night: date) -> tuple[str, list, bytes]:
    """By what newcomers are placed on a night, what they are, and how much everybody wishes for each."""
    known, by = with_wanted(settings, known_by(settings, night))
    wish = known.wanted.wishes(known.data, np.arange(len(known.data.users))).toarray()
    return by, known.data.items.take(known.wanted.items).to_pylist(), wish.tobytes()


def placed_on(settings: Settings, night: date) -> list[tuple]:
    return rows(
        settings,
        f"select user_id, item_id, reason_type, reason_item_id from {SCORES_RECOMMENDATIONS.name}"
        f" where scored_for = date '{night}' and reason_type = 'new_and_similar' order by all",
    )


def test_new_items_go_the_same_night_to_those_who_bought_earlier_ones_of_their_kind(shop: Settings) -> None:
    said = run(shop, NIGHT)["newcomers"]
    assert "buyers of earlier ones taught" in said
    placed = placed_on(shop, NIGHT)
    assert len(placed) == 2 * PEOPLE
    for user, item, _, source in placed:
        assert item.startswith(f"new2-{int(user[1:]) % 2}"), "of the kind that this person buys"
        assert source[-2] == item[-2], "the reason is something of that kind they had"
    week = week_of(shop, NIGHT)
    assert week is not None and week.buyers >= LEAST_BUYERS
    assert sum(weight for name, weight in week.blend.weights.items() if name.startswith("text")) > 0.3


def test_a_shop_with_too_few_openings_keeps_the_rule(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    early = MONDAY + timedelta(OPENED[0])
    assert week_of(shop, early) is None
    assert "by rule" in wishes(shop, early)[0]
    monkeypatch.setattr(wanted, "LEAST_BUYERS", 10_000)
    known = known_by(shop, NIGHT)
    assert with_wanted(shop, known)[0] is known
    assert with_wanted(replace(shop, new_item_places=0), known)[1] == "no newcomers"


@pytest.fixture(scope="module")
def in_order(shop: Settings) -> list[tuple]:
    """Nights around a Sunday, each on its own: those before it go by the Sunday before."""
    found = []
    for night in NIGHTS:
        forget(shop)
        found.append(wishes(shop, night))
    return found


@given(st.permutations(range(len(NIGHTS))), st.booleans())
@hypothesis_settings(deadline=None, max_examples=3)
def test_any_order_of_nights_gives_equal_wishes(
    shop: Settings, in_order: list[tuple], order: list[int], forgotten: bool
) -> None:
    if forgotten:
        forget(shop)
    assert {n: wishes(shop, NIGHTS[n]) for n in order} == dict(enumerate(in_order))
    assert in_order[0][2] != in_order[-1][2]


def test_nothing_of_later_days_and_nothing_that_came_later_changes_a_night(tmp_path: Path) -> None:
    settings = open_shop(tmp_path)
    before = wishes(settings, NIGHT)
    folder = settings.models / wanted.FOLDER
    taught = {path.name for path in folder.iterdir() if path.is_dir()}
    later = NIGHT + timedelta(1)
    fill_lake(settings, [(f"u{n:02d}", f"new1-{1 - n % 2}{n % EACH}", 70) for n in range(PEOPLE)], landed=later)
    fill_lake(settings, [(f"u{n:02d}", f"new2-{1 - n % 2}{n % EACH}", OPENED[-1] + 1) for n in range(PEOPLE)])
    fill_products(settings, [{"item_id": "new1-00", "title": "wooden lamp"}], later)
    assert wishes(settings, NIGHT) == before
    assert {path.name for path in folder.iterdir() if path.is_dir()} == taught
    forget(settings)
    assert wishes(settings, NIGHT) == before
    assert {path.name for path in folder.iterdir() if path.is_dir()} == taught
    assert wishes(settings, later) != before


def test_a_week_is_learned_once_and_read_afterwards(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    week = week_of(shop, NIGHT)
    monkeypatch.setattr(wanted, "_made", lambda *_: pytest.fail("the Sunday is known"))
    again = week_of(shop, NIGHT + timedelta(1))
    assert week is not None and again is not None and again.blend == week.blend


def test_what_cannot_be_read_is_learned_anew(shop: Settings) -> None:
    week = week_of(shop, NIGHT)
    for path in (shop.models / wanted.FOLDER).glob("*/*"):
        path.write_bytes(b"")
    again = week_of(shop, NIGHT)
    assert week is not None and again is not None and again.blend == week.blend
