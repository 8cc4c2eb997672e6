"""The feeds of a day that are no events: products as they change, users as they join, campaigns, judged queries."""

import json
from collections.abc import Iterator

import numpy as np

from pipelines.sources._shop.events import coupon_id
from pipelines.sources._shop.lexicon import (
    BRANDS,
    CATEGORIES,
    CHINESE_COUNTRIES,
    COLOURS,
    COUNTRIES,
    LANGUAGES,
    PATTERNS,
    USES,
)
from pipelines.sources._shop.queries import Queries, grade
from pipelines.sources._shop.world import ANNOUNCED, NEVER, STOCK, World, item_id, user_id

Row = dict[str, str | None]
JUDGED_EVERY, JUDGED_PARTS = 7, 4  # every week a quarter of the queries is judged, until all are
JUDGED = 8  # of the best places, and as many drawn


def campaign_id(number: int) -> str:
    return f"campaign-{number:03d}"


def products_of(world: World, day: int) -> Iterator[Row]:
    """The assortment on day 0, then only products whose row differs from that of the day before."""
    items = world.items
    in_stock, cents = items.in_stock(day), items.cents_on(day)
    parts = tuple(part for part in (0, 1) if _is_spoken(world, part))
    for number in np.flatnonzero(changed(world, day)).tolist():
        category = CATEGORIES[items.category[number]]
        is_out = not in_stock[number]
        ends = day - 1 if is_out else int(items.last[number])
        yield {
            "item_id": item_id(number),
            "title": _title(world, number, parts),
            "description": " ".join(_description(world, number, part) for part in parts),
            "brand": BRANDS[items.brand[number]],
            "category_path": f"{category.department[0]} > {category.name[0]}",
            "price": f"{cents[number] / 100:.2f}",
            "available_from": world.settings.day(int(items.first[number])).isoformat(),
            "available_to": None if ends == NEVER else world.settings.day(ends).isoformat(),
            "attributes": json.dumps(
                {
                    "colour": COLOURS[items.colour[number]][0],
                    "material": category.materials[items.material[number]][0],
                    **({"pattern": PATTERNS[items.pattern[number]][0]} if items.is_filed[number] else {}),
                    "size": category.sizes[items.size[number]],
                    "stock": str(0 if is_out else STOCK),
                }
            ),
        }


def changed(world: World, day: int) -> np.ndarray:
    """[items] whether a product's row is delivered on a day: announced, or another price or stock than yesterday."""
    items = world.items
    announced = np.maximum(items.first - ANNOUNCED, 0)
    differs = (items.cents_on(day) != items.cents_on(day - 1)) | (items.in_stock(day) != items.in_stock(day - 1))
    found: np.ndarray = (announced == day) | ((announced < day) & (day <= items.last) & differs)
    return found


def _is_spoken(world: World, language: int) -> bool:
    """Whether the shop writes in a language at all."""
    share = world.settings.chinese_share
    return share > 0 if language else share < 1


def _title(world: World, number: int, languages: tuple[int, ...]) -> str:
    """Brand, then pattern where it is named, colour, noun and size in every language of the shop."""
    items, category = world.items, CATEGORIES[world.items.category[number]]
    colour, size = COLOURS[items.colour[number]], category.sizes[items.size[number]]
    pattern = PATTERNS[items.pattern[number]] if items.is_named[number] else ("", "")
    words = {
        0: f"{pattern[0]} {colour[0]} {category.noun[0]}".lstrip(),
        1: f"{pattern[1]}{colour[1]}{category.noun[1]}",
    }
    return " ".join([BRANDS[items.brand[number]], *(words[part] for part in languages), size])


def _description(world: World, number: int, language: int) -> str:
    items, category = world.items, CATEGORIES[world.items.category[number]]
    noun, colour = category.noun[language], COLOURS[items.colour[number]][language]
    material, use = category.materials[items.material[number]][language], USES[number % len(USES)][language]
    if language:
        return f"{material}{noun}，{colour}，适合{use}。"
    return f"{material.capitalize()} {noun} in {colour}, made for {use}."


def users_of(world: World, day: int) -> Iterator[Row]:
    """Users on the day they join."""
    users = world.users
    names = (*COUNTRIES, *CHINESE_COUNTRIES)
    for number in np.flatnonzero(users.joined == day).tolist():
        attributes = {"country": names[users.country[number]], "language": LANGUAGES[users.language[number]]}
        yield {"user_id": user_id(number), "attributes": json.dumps(attributes)}


def campaigns_of(world: World, day: int) -> Iterator[Row]:
    """Whom the campaigns that begin on a day were sent to."""
    for j in np.flatnonzero(world.campaigns.first == day).tolist():
        starts, ends = (
            world.settings.day(int(d[j])).isoformat() for d in (world.campaigns.first, world.campaigns.last)
        )
        for number in np.flatnonzero(world.campaigns.treated[j]).tolist():
            yield {
                "campaign_id": campaign_id(j),
                "user_id": user_id(number),
                "campaign_type": "coupon",
                "starts_on": starts,
                "ends_on": ends,
            }


def coupons_of(world: World, day: int) -> Iterator[Row]:
    for j in np.flatnonzero(world.campaigns.first == day).tolist():
        for number in np.flatnonzero(world.campaigns.in_coupon[j]).tolist():
            yield {"coupon_id": coupon_id(j), "campaign_id": campaign_id(j), "item_id": item_id(number)}


def queries_of(world: World, queries: Queries, day: int) -> Iterator[Row]:
    """The pairs judged on a day: of a query the best places of the shop's search and items drawn from all."""
    part, rest = divmod(day, JUDGED_EVERY)
    if rest or part >= JUDGED_PARTS:
        return
    on_sale = world.items.on_sale(day)
    for query in range(part, len(queries.text), JUDGED_PARTS):
        draw = world.settings.stream("judged", query)
        found = queries.shown[query]
        near = np.flatnonzero(world.items.category == queries.group[query])
        drawn = np.concatenate([draw.choice(near, JUDGED // 2), draw.integers(0, len(world.items), JUDGED // 2)])
        pairs = np.unique(np.concatenate([found[found >= 0][:JUDGED], drawn]))
        pairs = pairs[on_sale[pairs]]
        for item, value in zip(pairs.tolist(), grade(queries, query, world.items, pairs).tolist(), strict=True):
            language = LANGUAGES[queries.language[query]]
            yield {"query": queries.text[query], "item_id": item_id(item), "grade": str(value), "language": language}
