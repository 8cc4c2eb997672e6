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

    In the asked category: 3, less one for another brand than asked and one for another colour. In another category of
    the same department: 1, if the brand is not another one. Where only a brand is asked: 3 for its items, 1 for other
    brands of its department. All else: 0.
    """
    category, brand, colour = queries.category[query], queries.brand[query], queries.colour[query]
    other_brand = (brand != ANY) & (items.brand[item] != brand)
    other_colour = (colour != ANY) & (items.colour[item] != colour)
    department = np.where(category == ANY, brand // BRANDS_PER_DEPARTMENT, DEPARTMENT[category])
    near = DEPARTMENT[items.category[item]] == department
    inside = np.where(category == ANY, ~other_brand, items.category[item] == category)
    outside = near & ((category == ANY) | ~other_brand)
    found: np.ndarray = np.where(inside, 3 - other_brand.astype(np.int64) - other_colour, outside.astype(np.int64))
    return found


@dataclass(frozen=True)
class _Asked:
    """One query of a category's shoppers."""

    text: str
    language: int
    group: int
    category: int
    brand: int
    colour: int
    weight: float


def make_queries(world: World) -> Queries:
    asked = [query for number in range(len(CATEGORIES)) for query in _of_category(number)]
    draw = world.settings.stream("queries")
    bare = Queries(
        text=[query.text for query in asked],
        language=np.array([query.language for query in asked]),
        group=np.array([query.group for query in asked]),
        category=np.array([query.category for query in asked]),
        brand=np.array([query.brand for query in asked]),
        colour=np.array([query.colour for query in asked]),
        weight=np.array([query.weight for query in asked]),
        shown=np.full((len(asked), SHOWN_MOST), -1),
        grades=np.zeros((len(asked), SHOWN_MOST), np.int64),
        personal=[fake(draw, int(draw.random() < world.settings.chinese_share)) for _ in range(PERSONAL)],
    )
    pools = [_candidates(world.items, number, draw) for number in range(len(CATEGORIES))]
    for query, group in enumerate(bare.group.tolist()):
        pool = pools[group]
        found = grade(bare, query, world.items, pool)
        score = found + 1.3 * draw.normal(0, 1, len(pool))
        score += 0.3 * np.log(world.items.popularity[pool] * len(world.items))
        best = np.argsort(-score, kind="stable")[:SHOWN_MOST]
        bare.shown[query, : len(best)] = pool[best]
        bare.grades[query, : len(best)] = found[best]
    return bare


def _of_category(number: int) -> list[_Asked]:
    """Every query about one category, in both languages; the bare noun most often."""
    department = DEPARTMENT_OF[number]
    brands = list(enumerate(range(department * BRANDS_PER_DEPARTMENT, (department + 1) * BRANDS_PER_DEPARTMENT)))
    english, chinese = CATEGORIES[number].noun
    asked = []
    for language, noun, gap in ((0, english, " "), (1, chinese, "")):
        plain = {noun: 30.0, f"cheap {noun}" if language == 0 else f"便宜的{noun}": 6.0}
        plain |= {f"{noun} for {use[0]}" if language == 0 else f"{use[1]}{noun}": 2.0 for use in USES}
        if language == 0:
            plain[_mistyped(noun)] = 3.0
        asked += [_Asked(text, language, number, number, ANY, ANY, weight) for text, weight in plain.items()]
        for colour, word in enumerate(COLOURS):
            asked.append(
                _Asked(f"{word[language]}{gap}{noun}", language, number, number, ANY, colour, 4 / (1 + colour))
            )
        for place, brand in brands:
            text, colour = f"{BRANDS[brand].lower()} {noun}", (number + brand) % len(COLOURS)
            asked.append(_Asked(text, language, number, number, brand, ANY, 4 / (1 + place)))
            text = f"{COLOURS[colour][language]} {text}"
            asked.append(_Asked(text, language, number, number, brand, colour, 1 / (1 + place)))
    if number == DEPARTMENT_OF.index(department):
        asked += [_Asked(BRANDS[brand].lower(), 0, number, ANY, brand, ANY, 2.0) for _, brand in brands]
    return asked


def _mistyped(noun: str) -> str:
    """Its second and third letter changed places."""
    return noun[0] + noun[2] + noun[1] + noun[3:]


def _candidates(items: Items, category: int, draw: np.random.Generator) -> np.ndarray:
    """Items that the search looks at for one category: its own, some of the same department, a few of the others."""
    own = items.category == category
    near = (DEPARTMENT[items.category] == DEPARTMENT[category]) & ~own
    parts = ((own, CANDIDATES), (near, SIBLINGS), (~own & ~near, OTHERS))
    return np.concatenate([draw.permutation(np.flatnonzero(part))[:most] for part, most in parts])
