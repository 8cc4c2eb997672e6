"""What people search for, how well an item truly answers it, and what the shop's own search shows."""

from dataclasses import dataclass

import numpy as np

from pipelines.sources._shop.lexicon import BRANDS, BRANDS_PER_DEPARTMENT, CATEGORIES, COLOURS, DEPARTMENT_OF, USES
from pipelines.sources._shop.personal import fake
from pipelines.sources._shop.world import DEPARTMENT, Items, World

SHOWN_MOST = 30  # items that the shop's own search keeps for a query
CANDIDATES = 3_000
SIBLINGS, OTHERS = 400, 100
ANY = -1  # the query does not ask for a category, brand or colour
PERSONAL = 24  # texts with personal data that somebody typed into the search box


@dataclass(frozen=True)
class Queries:
    """Arrays over queries; what a query asks for is a number of the lexicon or ANY."""

    text: list[str]
    language: np.ndarray
    group: np.ndarray  # the category a shopper has in mind, also where the query names none
    category: np.ndarray
    brand: np.ndarray
    colour: np.ndarray
    weight: np.ndarray  # how often it is asked, within category and language
    shown: np.ndarray  # [queries, SHOWN_MOST] items in the order of the shop's search, -1 where there are no more
    grades: np.ndarray  # [queries, SHOWN_MOST] of the items shown
    personal: list[tuple[str, str]]  # (kind, text) of what should not stand in a search box


def grade(queries: Queries, query: int | np.ndarray, items: Items, item: np.ndarray) -> np.ndarray:
    """How well items answer a query, 0 to 3.

    In the asked category (or where none is asked): 3, less one for another brand than asked and one for another
    colour. Another category of the same department: 1, if the brand is not another one. All else: 0.
    """
    category, brand, colour = queries.category[query], queries.brand[query], queries.colour[query]
    other_brand = (brand != ANY) & (items.brand[item] != brand)
    other_colour = (colour != ANY) & (items.colour[item] != colour)
    inside = (category == ANY) | (items.category[item] == category)
    near = DEPARTMENT[items.category[item]] == DEPARTMENT[category]
    within = 3 - other_brand.astype(np.int64) - other_colour
    found: np.ndarray = np.where(inside, within, (near & ~other_brand).astype(np.int64))
    return found


def make_queries(world: World) -> Queries:
    rows = [row for number in range(len(CATEGORIES)) for row in _of_category(number)]
    text, language, group, category, brand, colour, weight = (list(column) for column in zip(*rows, strict=True))
    draw = world.settings.stream("queries")
    empty = np.zeros((0, 0), np.int64)
    numbers = [np.array(column) for column in (language, group, category, brand, colour, weight)]
    personal = [fake(draw, int(draw.random() < world.settings.chinese_share)) for _ in range(PERSONAL)]
    bare = Queries(text, *numbers, empty, empty, personal)
    shown = np.full((len(text), SHOWN_MOST), -1)
    pools = [_candidates(world.items, number, draw) for number in range(len(CATEGORIES))]
    for query in range(len(text)):
        pool = pools[group[query]]
        score = grade(bare, query, world.items, pool) + 1.3 * draw.normal(0, 1, len(pool))
        score += 0.3 * np.log(world.items.popularity[pool] * len(world.items))
        best = pool[np.argsort(-score, kind="stable")[:SHOWN_MOST]]
        shown[query, : len(best)] = best
    grades = grade(bare, np.arange(len(text))[:, None], world.items, shown)
    return Queries(text, *numbers, shown, np.where(shown < 0, 0, grades), personal)


def _of_category(number: int) -> list[tuple[str, int, int, int, int, int, float]]:
    """(text, language, group, category, brand, colour, weight) of every query about one category."""
    category = CATEGORIES[number]
    first = DEPARTMENT_OF[number] * BRANDS_PER_DEPARTMENT
    rows: list[tuple[str, int, int, int, int, int, float]] = []
    for language in (0, 1):
        noun = category.noun[language]
        gap = " " if language == 0 else ""

        def add(
            text: str, weight: float, asked: int = number, brand: int = ANY, colour: int = ANY, lang: int = language
        ) -> None:
            rows.append((text, lang, number, asked, brand, colour, weight))

        add(noun, 30)
        add(f"cheap {noun}" if language == 0 else f"便宜的{noun}", 6)
        if language == 0:
            add(_mistyped(noun), 3)
        for use in USES:
            add(f"{noun} for {use[0]}" if language == 0 else f"{use[1]}{noun}", 2)
        for colour, word in enumerate(COLOURS):
            add(f"{word[language]}{gap}{noun}", 4 / (1 + colour), colour=colour)
        for brand in range(first, first + BRANDS_PER_DEPARTMENT):
            name, place = BRANDS[brand].lower(), brand - first
            add(f"{name} {noun}", 4 / (1 + place), brand=brand)
            colour = (number + brand) % len(COLOURS)
            add(f"{COLOURS[colour][language]} {name} {noun}", 1 / (1 + place), brand=brand, colour=colour)
        if number == DEPARTMENT_OF.index(DEPARTMENT_OF[number]) and language == 0:
            for brand in range(first, first + BRANDS_PER_DEPARTMENT):
                add(BRANDS[brand].lower(), 2, asked=ANY, brand=brand)
    return rows


def _mistyped(noun: str) -> str:
    """Its second and third letter changed places."""
    return noun[0] + noun[2] + noun[1] + noun[3:]


def _candidates(items: Items, category: int, draw: np.random.Generator) -> np.ndarray:
    """Items that the search looks at for one category: its own, some of the same department, a few of the others."""
    own = items.category == category
    near = (DEPARTMENT[items.category] == DEPARTMENT[category]) & ~own
    parts = ((own, CANDIDATES), (near, SIBLINGS), (~own & ~near, OTHERS))
    return np.concatenate([draw.permutation(np.flatnonzero(part))[:most] for part, most in parts])
