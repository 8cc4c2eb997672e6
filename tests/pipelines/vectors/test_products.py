"""Products in one space: learned from the shop, judged on later purchases, used by nights after that."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.multimodal import configs
from models.recommender.newcomers import LEAST
from models.registry import champion_as_of
from pipelines import lake
from pipelines.errors import NightmarketError, TooLittle, UsageError
from pipelines.fence import take
from pipelines.language.trial import FLOOR, LEARNED
from pipelines.media import step, store
from pipelines.promotion import promote
from pipelines.settings import Settings
from pipelines.training import train
from pipelines.training_run import Choices
from pipelines.vectors import read_vectors
from pipelines.vectors.lookup import look_up_pictures
from pipelines.vectors.training import bought_together, catalogue
from pipelines.warehouse import open_warehouse
from tests.models.multimodal.shapes import COLOURS, SHAPES, SMALL, drawn, epochs
from tests.models.shop import MONDAY
from tests.pipelines.learning import commit, fill_lake, fill_products
from tests.pipelines.media.malformed import encoded
from tests.pipelines.scored import run

pytestmark = pytest.mark.xdist_group("space-of-products")  # one worker makes what the tests of this file share

LAST = MONDAY + timedelta(30)
NAMES = [(colour, shape) for colour in COLOURS for shape in SHAPES for _ in range(3)]
ITEMS = [f"i{n:02d}" for n in range(len(NAMES))]


def deliver(settings: Settings, items: list[str], day: date, seed: int = 5) -> None:
    """Products with a picture; only every second one says its colour in its title, none its shape."""
    draw = np.random.default_rng(seed)
    place = dict(zip(ITEMS, NAMES, strict=True))
    rows = [
        {
            "item_id": item, "title": f"{place[item][0]} thing {item}" if n % 2 else f"a thing {item}",
            "category_path": f"things > {place[item][1]}", "brand": ("Ox", "Elk")[n % 2],
        }
        for n, item in enumerate(items)
    ]  # fmt: skip
    fill_products(settings, rows, day)
    folder = settings.landing / "shop" / store.FOLDER
    pictures = [
        {
            "item_id": item, "position": 1, "uri": f"{item}.png", "landing_date": day, "file": f"p{day}", "line": n,
            "content_hash": store.put(folder, encoded(Image.fromarray(drawn(*place[item], draw)), "PNG")),
            "is_duplicate": False,
        }
        for n, item in enumerate(items, start=1)
    ]  # fmt: skip
    commit(settings, "product_images", pictures)


def purchases(seed: int = 2) -> list[tuple]:
    """Everybody likes one shape, whatever its colour."""
    draw = np.random.default_rng(seed)
    rows = []
    for person in range(60):
        liked = [item for item, (_, shape) in zip(ITEMS, NAMES, strict=True) if shape == SHAPES[person % len(SHAPES)]]
        for day in draw.choice(31, 8, replace=False).tolist():
            rows += [(f"u{person}", item, int(day)) for item in draw.choice(liked, 2, replace=False)]
    return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("home"), test_days=10)
    deliver(settings, ITEMS, MONDAY)
    fill_lake(settings, purchases())
    return settings


@pytest.fixture(scope="module")
def trained(shop: Settings) -> dict[str, Any]:
    kept = dict(configs.CONFIGS)
    configs.CONFIGS["small"] = epochs(40, SMALL)
    try:
        return train(shop, "multimodal", LAST, None, Choices(config="small"))
    finally:
        configs.CONFIGS.clear()
        configs.CONFIGS.update(kept)


def promoted(settings: Settings) -> None:
    if champion_as_of(settings.models, "multimodal") is None:
        promote(settings, "multimodal")


def read(settings: Settings, night: date) -> dict[str, Any]:
    return read_vectors(settings, night, take(settings, "vectors", "warehouse"))


def query(settings: Settings, sql: str) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_what_is_learned_is_what_was_known_at_the_cut_off(shop: Settings) -> None:
    found = catalogue(shop, LAST - timedelta(10), 24, 1.0)
    assert len(found.items) == len(ITEMS) and (found.media.picture >= 0).all()
    assert set(found.labels) == {"category", "brand"}
    assert not len(catalogue(shop, MONDAY - timedelta(1), 24, 1.0).items)
    pairs = bought_together(shop, LAST - timedelta(10), found.items)
    shape = np.array([shape for _, shape in NAMES])
    assert len(pairs) and (shape[pairs[:, 0]] == shape[pairs[:, 1]]).all()


def test_the_space_is_judged_by_what_was_bought_beside_a_product(shop: Settings, trained: dict[str, Any]) -> None:
    found = {row["model_name"]: row for row in trained["metrics"] if row["slice"] == "all"}
    assert found[LEARNED]["users"] > 100
    assert found[LEARNED]["value"] > found[FLOOR]["high"]  # titles say no shape, pictures do
    kept = {path.name for path in (shop.mlflow / "artifacts").rglob("*") if path.is_file()}
    assert {"model_card.md", "products.png", "nearest.png"} <= kept


def test_the_champion_gives_products_their_vectors_from_the_next_night_on(
    shop: Settings, trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert promote(shop, "multimodal")["promoted"]
    assert "no champion" in read(shop, LAST)["note"]
    said = read(shop, LAST + timedelta(1))
    assert said["note"] == f"champion {trained['versions'][LEARNED]}"
    assert said["media"]["image"]["embedded"] == len(ITEMS)
    rows = query(shop, "select item_id, rank, lookalike_item_id from scores.lookalike_products where rank <= 2")
    shape = {item: name[1] for item, name in zip(ITEMS, NAMES, strict=True)}
    assert np.mean([shape[item] == shape[other] for item, _, other in rows]) > 0.5  # by chance one in five
    assert query(shop, "select count(*), min(dimension) from scores.item_vectors where space = 'products'") == [
        (len(ITEMS), SMALL.dimension)
    ]
    everything = "select * exclude (run_id, scored_at) from scores.item_vectors order by all"
    before = query(shop, everything)
    monkeypatch.setattr(step, "picture", lambda *_, **__: pytest.fail("nothing is new"))
    assert read(shop, LAST + timedelta(2))["media"]["image"]["embedded"] == 0
    assert query(shop, everything) == before


def test_a_new_product_has_look_alikes_the_night_it_comes(shop: Settings, trained: dict[str, Any]) -> None:
    promoted(shop)
    night = LAST + timedelta(3)
    fill_products(shop, [{"item_id": "new", "title": "a thing", "category_path": "things > cross"}], night)
    folder = shop.landing / "shop" / store.FOLDER
    picture = encoded(Image.fromarray(drawn("blue", "cross", np.random.default_rng(99))), "PNG")
    commit(shop, "product_images", [{
        "item_id": "new", "position": 1, "uri": "new.png", "landing_date": night, "file": "n", "line": 1,
        "content_hash": store.put(folder, picture), "is_duplicate": False,
    }])  # fmt: skip
    assert read(shop, night)["media"]["image"]["embedded"] == 1
    alike = query(shop, "select lookalike_item_id from scores.lookalike_products where item_id = 'new' and rank <= 3")
    shape = {item: name[1] for item, name in zip(ITEMS, NAMES, strict=True)}
    assert [shape[item] for (item,) in alike].count("cross") >= 1


def test_words_find_pictures_whose_titles_do_not_say_them(shop: Settings, trained: dict[str, Any]) -> None:
    promoted(shop)
    night = LAST + timedelta(2)
    read(shop, night)
    place = dict(zip(ITEMS, NAMES, strict=True))
    place["new"] = ("blue", "cross")
    found = [look_up_pictures(shop, f"{colour} thing", night, 6)["rows"] for colour in COLOURS]
    hits = [place[row["item_id"]][0] == colour for rows, colour in zip(found, COLOURS, strict=True) for row in rows]
    assert np.mean(hits) > 2 / len(COLOURS)
    unsaid = [row for rows, colour in zip(found, COLOURS, strict=True) for row in rows if colour not in row["title"]]
    assert unsaid and all(rows[0]["score"] >= rows[-1]["score"] for rows in found)
    with pytest.raises(UsageError, match="no word"):
        look_up_pictures(shop, " ", night, 6)
    with pytest.raises(NightmarketError, match="no champion of multimodal"):
        look_up_pictures(shop, "red", LAST, 6)


def test_a_product_delivered_under_two_ids_is_suspected(shop: Settings, trained: dict[str, Any]) -> None:
    promoted(shop)
    night = LAST + timedelta(4)
    rows = lake.media(shop, "product_images", night).to_pylist()
    digest = next(row["content_hash"] for row in rows if row["item_id"] == ITEMS[1])
    title = f"{NAMES[1][0]} thing {ITEMS[1]}"
    fill_products(shop, [{"item_id": "again", "title": title, "category_path": "things > other"}], night)
    commit(shop, "product_images", [{
        "item_id": "again", "position": 1, "uri": "again.png", "landing_date": night, "file": "a", "line": 1,
        "content_hash": digest, "is_duplicate": False,
    }])  # fmt: skip
    assert read(shop, night)["duplicate_products"] >= 1
    pairs = query(shop, "select item_id, duplicate_item_id, similarity from scores.duplicate_products")
    assert [row[2] for row in pairs if row[:2] == ("again", ITEMS[1])] == [pytest.approx(1)]


def test_lists_of_what_few_people_had_are_filled_with_what_it_is_like(shop: Settings, trained: dict[str, Any]) -> None:
    promoted(shop)
    night = LAST + timedelta(5)
    read(shop, night)
    run(shop, night)
    listed: dict[str, set[str]] = {}
    for one, two in query(shop, "select item_id, similar_item_id from scores.similar_items"):
        listed.setdefault(one, set()).add(two)
    held = dict(query(shop, "select item_id, vector from scores.item_vectors where space = 'products'"))
    bought = {item for _, item, _ in purchases()}
    assert max(map(len, listed.values())) == shop.top_k
    for item, found in listed.items():  # a list is short only where nothing else is like its product
        like = {o for o in held if o in bought and o != item and np.dot(held[o], held[item]) >= LEAST + 1e-6}
        assert len(found) == shop.top_k or like <= found
    together = "select item_id, similar_item_id, reason from scores.similar_items where reason_type = 'similar_to'"
    rows = query(shop, together)
    had = {(user, item) for user, item, _ in purchases()}
    people = {item: {user for user, other in had if other == item} for item in ITEMS}
    assert rows and not any(people.get(one, set()) & people.get(two, set()) for one, two, _ in rows)
    assert all(reason.startswith("similar to ") for *_, reason in rows)


def test_what_is_missing_is_said(tmp_path: Any) -> None:
    settings = Settings(home=tmp_path, test_days=10)
    with pytest.raises(UsageError, match="unknown config 'huge' of multimodal; known: base, quick"):
        train(settings, "multimodal", LAST, None, Choices(config="huge"))
    fill_lake(settings, purchases()[:20])
    with pytest.raises(TooLittle, match="0 products have a title, a picture or a sound"):
        train(settings, "multimodal", LAST)


def test_where_titles_say_it_all_they_are_the_vectors(tmp_path: Any) -> None:
    settings = Settings(home=tmp_path, test_days=10)
    place = dict(zip(ITEMS, NAMES, strict=True))
    fill_products(settings, [{"item_id": item, "title": f"{place[item][1]} {item}"} for item in ITEMS])
    fill_lake(settings, purchases())
    configs.CONFIGS["small"] = epochs(1, SMALL)  # too little to beat anything
    try:
        train(settings, "multimodal", LAST, None, Choices(config="small"))
        assert promote(settings, "multimodal")["model_name"] == FLOOR
        again = train(settings, "multimodal", LAST + timedelta(0), None, Choices(config="small"))
    finally:
        del configs.CONFIGS["small"]
    assert "it is the champion already" in promote(settings, "multimodal")["verdict"]
    assert {row["model_name"] for row in again["metrics"]} >= {FLOOR, LEARNED}
    said = read(settings, LAST + timedelta(1))
    assert said["item_vectors"] == len(ITEMS) and "image" not in said["media"]
    rows = query(settings, "select item_id, lookalike_item_id from scores.lookalike_products where rank = 1")
    assert np.mean([place[item][1] == place[other][1] for item, other in rows]) > 0.8
