"""Pictures and sounds of the simulated shop: they tell what the shop says of an item, and the truth what is spoiled."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_shop import START, Rows, write

from pipelines import land
from pipelines.contracts import PRODUCT_AUDIO, PRODUCT_IMAGES
from pipelines.errors import UsageError
from pipelines.media import store
from pipelines.media.faulty import MediaError
from pipelines.media.kinds import KINDS
from pipelines.media.pictures import picture
from pipelines.media.sounds import RATE, sound
from pipelines.settings import Settings
from pipelines.sources._shop import media, pictures
from pipelines.sources._shop.settings import ShopSettings
from pipelines.sources._shop.world import World, make_world

MEDIA = (PRODUCT_IMAGES.name, PRODUCT_AUDIO.name)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(ShopSettings(products=180, media=True))


@pytest.fixture(scope="module")
def shown(world: World) -> np.ndarray:
    """float32 [items, 24, 24, 3]: the first picture of every item that is not spoiled, others white."""
    made = np.full((len(world.items), 24, 24, 3), 255, np.float32)
    for n in range(len(made)):
        form = ("jpg", "jpg", "png", "webp")[(n + 1) % 4]
        if n % 160 != 37:
            made[n] = picture(media.content(world, f"p{n:06d}-1.{form}"), 24)
    return made


def neighbours_agree(features: np.ndarray, label: np.ndarray) -> float:
    """Share of items whose nearest other one has the same label."""
    distance = ((features[:, None] - features[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    return float((label[distance.argmin(1)] == label).mean())


def test_every_product_has_a_picture_and_a_fifth_a_sound(shop_rows: Rows) -> None:
    items = {row["item_id"] for row in shop_rows("products")}
    pictured = {row["item_id"] for row in shop_rows(MEDIA[0])}
    heard = {row["item_id"] for row in shop_rows(MEDIA[1])}
    assert pictured == items
    assert heard < items and 0.15 < len(heard) / len(items) < 0.25
    second = {row["item_id"] for row in shop_rows(MEDIA[0]) if row["position"] == "2"}
    assert 0.25 < len(second) / len(items) < 0.4


def test_the_truth_names_every_spoiled_file_and_no_other(
    small_home: Settings, shop_rows: Rows, shop_truth: Rows
) -> None:
    hostile = {(row["entity"], row["uri"]): row["hostile"] for row in shop_truth("media")}
    folder = small_home.landing / "shop" / store.FOLDER
    seen = set()
    for entity in MEDIA:
        for row in shop_rows(entity):
            content = store.get(folder, row["content_hash"], KINDS[entity].most_bytes)
            try:
                KINDS[entity].check(content, row["uri"])
                refused = False
            except MediaError:
                refused = True
            assert refused == (hostile[entity, row["uri"]] is not None), row["uri"]
            seen.add((entity, row["uri"]))
    assert seen == set(hostile)
    assert {entity for (entity, _), kind in hostile.items() if kind} == set(MEDIA)


@pytest.mark.parametrize(("entity", "kinds"), [(MEDIA[0], media.IMAGES), (MEDIA[1], media.SOUNDS)])
def test_every_kind_of_spoiled_file_is_refused(world: World, entity: str, kinds: dict) -> None:
    name = "p000002-1.png" if entity == MEDIA[0] else "p000003-1.wav"
    reasons = set()
    for kind, spoil in kinds.items():
        good = media.content(world, name if kind == "bomb" or entity != MEDIA[0] else "p000000-1.jpg")
        with pytest.raises(MediaError) as refused:
            KINDS[entity].check(spoil(good), f"a.{'png' if kind == 'bomb' else name[-3:].replace('png', 'jpg')}")
        reasons.add(refused.value.reason)
    assert len(reasons) >= len(kinds) - 2  # a page and an animation are both no picture


def test_a_picture_taken_again_is_another_one_of_the_same_item(shop_rows: Rows) -> None:
    again = [row for row in shop_rows(MEDIA[0]) if "-v1" in row["uri"]]
    assert again
    for row in again:
        (before,) = [
            r for r in shop_rows(MEDIA[0])
            if (r["item_id"], r["position"]) == (row["item_id"], row["position"]) and "-v1" not in r["uri"]
        ]  # fmt: skip
        assert before["content_hash"] != row["content_hash"]
        assert (row["day"] - before["day"]).days == media.RETAKEN_AFTER


def test_the_outline_tells_the_category_and_no_pixel_does(world: World, shown: np.ndarray) -> None:
    category = world.items.category
    # What differs from the corners' colour, without its colour.
    edge = shown[:, [0, 0, 23, 23], [0, 23, 0, 23]].mean(1)[:, None, None]
    outline = np.minimum(np.abs(shown - edge).sum(-1) / 150, 1).reshape(len(shown), -1)
    assert neighbours_agree(outline, category) > 0.7  # 1/12 by chance
    single = [neighbours_agree(shown[:, y, x], category) for y in range(2, 24, 4) for x in range(2, 24, 4)]
    assert max(single) < 0.4


def test_the_colour_is_seen_and_other_things_too(world: World, shown: np.ndarray) -> None:
    middle = np.median(shown[:, 8:17, 8:17].reshape(len(shown), -1, 3), 1)
    assert 0.5 < neighbours_agree(middle, world.items.colour) < 0.95  # 1/8 by chance


def test_a_pattern_is_seen_and_few_titles_name_it(world: World) -> None:
    """Across the stripes a picture changes more than along them, and what is plain changes least."""
    changes = []
    for number in np.flatnonzero(world.items.size == world.items.size.min())[:60]:
        grey = np.asarray(pictures.picture(world, int(number), 1, 0).convert("L"), np.float32)[40:88, 40:88]
        grey -= grey.mean()
        changes.append([np.abs(np.diff(grey.mean(axis))).max() for axis in (0, 1)])
    pattern = world.items.pattern[np.flatnonzero(world.items.size == world.items.size.min())[:60]]
    across = np.array(changes)[:, 1]
    assert np.median(across[pattern == 1]) > 2 * np.median(across[pattern == 0])
    named = world.items.is_named[world.items.pattern > 0]
    assert 0.2 < named.mean() < 0.5 and not world.items.is_named[world.items.pattern == 0].any()


def test_pictures_of_one_item_are_more_alike_than_those_of_others(world: World) -> None:
    """In colour, as far as the first and the second picture of 20 items go."""
    numbers = [n for n in range(0, 90, 3) if n % 160 != 37][:20]
    means = []
    for place in (1, 2):
        forms = [("jpg", "jpg", "png", "webp")[(n + place) % 4] for n in numbers]
        files = [media.content(world, f"p{n:06d}-{place}.{f}") for n, f in zip(numbers, forms, strict=True)]
        means.append(np.array([np.median(picture(c, 24)[8:17, 8:17], (0, 1)) for c in files]))
    distance = ((means[0][:, None] - means[1][None]) ** 2).sum(-1)
    assert (distance.argmin(1) == np.arange(20)).mean() > 0.3  # 1/20 by chance


def test_a_sound_tells_the_department() -> None:
    """By loudness over time and the share of each octave; 1/4 by chance."""
    world = make_world(ShopSettings(products=600, media=True))
    numbers = [n for n in range(3, 600, 5) if n % 800 != 38]
    features = []
    for n in numbers:
        heard = sound(media.content(world, f"p{n:06d}-1.wav"), 0.7)[: int(0.6 * RATE)]
        spectrum = np.abs(np.fft.rfft(heard)) ** 2
        octaves = np.log([spectrum[2**k : 2 ** (k + 1)].sum() for k in range(4, 13)])
        loud = np.log([np.abs(part).mean() + 1e-6 for part in np.array_split(heard, 6)])
        features.append([*(octaves - octaves.mean()), *(loud - loud.mean())])
    department = np.array([n % 12 // 3 for n in numbers])
    assert neighbours_agree(np.array(features), department) > 0.6


def test_a_shop_draws_nothing_unless_it_is_asked_to(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, shop="shop")
    counts = land.land(settings, "simulated_shop", write(tmp_path, media=False), START, START)["rows"]
    assert not set(MEDIA) & set(counts)
    assert not list(settings.landing.rglob(store.FOLDER)) and not (tmp_path / "truth" / "media").exists()
    with pytest.raises(UsageError, match="media must be true or false"):
        land.land(settings, "simulated_shop", write(tmp_path, media="yes"), START, START)
    assert json.loads((tmp_path / "shop.json").read_text())["media"] == "yes"


def test_a_name_that_is_no_file_of_the_shop_is_refused(world: World) -> None:
    with pytest.raises(MediaError):
        media.content(world, "../p000001-1.jpg")
