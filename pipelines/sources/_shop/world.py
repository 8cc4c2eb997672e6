"""What does not change from day to day: the items, the users, and what is true of them."""

from dataclasses import dataclass

import numpy as np

from pipelines.sources._shop.lexicon import (
    ASPECTS,
    BRANDS_PER_DEPARTMENT,
    CATEGORIES,
    CHINESE_COUNTRIES,
    COLOURS,
    COUNTRIES,
    DEPARTMENT_OF,
    PATTERNS,
)
from pipelines.sources._shop.settings import ShopSettings

TASTES = 6  # dimensions of a taste
PATTERN_SHARES = (0.4, 0.2, 0.2, 0.2)  # plain first, as in PATTERNS
ANNOUNCED = 3  # days that the products feed names an item before it can be bought
STOCK = 120
NEVER = 1 << 30  # a day number after every other

DEPARTMENT = np.array(DEPARTMENT_OF)
HAS_ASPECT = np.array([[aspect in c.aspects for aspect in ASPECTS] for c in CATEGORIES])


@dataclass(frozen=True)
class Items:
    """Arrays over items. `quality` is [items, aspects], 0 the usual, one standard deviation 1."""

    category: np.ndarray
    brand: np.ndarray
    colour: np.ndarray
    pattern: np.ndarray  # 0 is plain
    is_named: np.ndarray  # whether the title names the pattern; a picture shows it
    is_filed: np.ndarray  # whether it stands among the attributes
    material: np.ndarray
    size: np.ndarray
    cents: np.ndarray  # the usual price
    popularity: np.ndarray  # weight, sums to 1
    vector: np.ndarray  # [items, TASTES]
    quality: np.ndarray
    first: np.ndarray  # day number of the first day on sale
    last: np.ndarray  # of the last one, NEVER for most
    sale: np.ndarray  # [items, 2]: period in days and phase of price cuts
    outage: np.ndarray  # [items, 3]: period, phase and length in days of being sold out

    def __len__(self) -> int:
        return len(self.category)

    @property
    def overall(self) -> np.ndarray:
        """Mean quality over the aspects that the item's category has, [items]."""
        has = HAS_ASPECT[self.category]
        mean: np.ndarray = (self.quality * has).sum(1) / has.sum(1)
        return mean

    def on_sale(self, day: int) -> np.ndarray:
        """Whether an item is part of the assortment on a day, [items]."""
        return (self.first <= day) & (day <= self.last)

    def in_stock(self, day: int) -> np.ndarray:
        """Whether a day's delivery of stock, or an earlier one, still lasts; never sold out in the first ten days."""
        period, phase, length = self.outage.T
        return ((day + phase) % period >= length) | (day < self.first + 10)

    def cents_on(self, day: int) -> np.ndarray:
        """Price of a day in cents: a week of 20 % less in every period."""
        cut = (day + self.sale[:, 1]) % self.sale[:, 0] < 7
        return np.where(cut, self.cents * 80 // 100, self.cents)


@dataclass(frozen=True)
class Users:
    """Arrays over users, in the order in which they joined."""

    taste: np.ndarray  # [users, TASTES]
    language: np.ndarray  # 0 English, 1 Chinese
    country: np.ndarray
    thrift: np.ndarray  # how much a price matters, 0 to 1
    mood: np.ndarray  # stars that a user gives above the usual
    activity: np.ndarray  # cumulative weight: a session of day d is one of the first `joined_by(d)` users
    joined: np.ndarray  # day number, ascending

    def __len__(self) -> int:
        return len(self.taste)

    def joined_by(self, day: int) -> int:
        return int(np.searchsorted(self.joined, day, side="right"))


@dataclass(frozen=True)
class Campaigns:
    """Campaign j runs from day `first[j]` to `last[j]`; a coin decided who of those who had joined was written to."""

    category: np.ndarray
    first: np.ndarray
    last: np.ndarray
    in_coupon: np.ndarray  # [campaigns, items]
    treated: np.ndarray  # [campaigns, users]
    uplift: np.ndarray  # [campaigns, users]: log-odds that it adds to putting a coupon's item into the cart

    def __len__(self) -> int:
        return len(self.category)

    def running(self, day: int) -> np.ndarray:
        return np.flatnonzero((self.first <= day) & (day <= self.last))


@dataclass(frozen=True)
class World:
    settings: ShopSettings
    items: Items
    users: Users
    campaigns: Campaigns
    centres: np.ndarray  # [categories, TASTES]


def make_world(settings: ShopSettings) -> World:
    centres = settings.stream("centres").normal(0, 1, (len(CATEGORIES), TASTES))
    items = _items(settings, centres)
    users = _users(settings)
    return World(settings, items, users, _campaigns(settings, items, users), centres)


def _items(settings: ShopSettings, centres: np.ndarray) -> Items:
    draw, n = settings.stream("items"), settings.products
    category = np.arange(n) % len(CATEGORIES)
    low, high = (np.array([getattr(c, name) for c in CATEGORIES])[category] for name in ("low", "high"))
    popularity = draw.permutation(1 / (np.arange(n) + 10.0) ** 0.8)
    fresh = draw.random(n) < 0.25
    colour, (pattern, is_named, is_filed) = draw.integers(0, len(COLOURS), n), _patterns(settings)
    first = np.where(fresh, draw.integers(1, max(2, settings.days), n), 0)
    last = np.where(draw.random(n) < 0.04, first + draw.integers(20, 200, n), NEVER)
    return Items(
        category=category,
        brand=DEPARTMENT[category] * BRANDS_PER_DEPARTMENT + draw.integers(0, BRANDS_PER_DEPARTMENT, n),
        colour=colour,
        pattern=pattern,
        is_named=is_named,
        is_filed=is_filed,
        material=draw.integers(0, 3, n),
        size=(np.array([len(c.sizes) for c in CATEGORIES])[category] * draw.random(n)).astype(np.int64),
        cents=np.round(low * (high / low) ** draw.random(n)).astype(np.int64) * 100 - 1,
        popularity=popularity / popularity.sum(),
        vector=centres[category] + _looks(settings, colour, pattern) + 0.4 * draw.normal(0, 1, (n, TASTES)),
        quality=0.8 * draw.normal(0, 1, (n, 1)) + 0.6 * draw.normal(0, 1, (n, len(ASPECTS))),
        first=first,
        last=last,
        sale=np.stack([draw.integers(28, 70, n), draw.integers(0, 70, n)], 1),
        outage=np.stack([draw.integers(25, 90, n), draw.integers(0, 90, n), draw.integers(1, 7, n)], 1),
    )


def _patterns(settings: ShopSettings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pattern of each item; whether its title names it: one in three of those that are not plain; and whether its
    attributes do: two in five, whatever it is. Somebody fills those in, and not for everything.
    """
    draw, n = settings.stream("patterns"), settings.products
    pattern = draw.choice(len(PATTERNS), n, p=PATTERN_SHARES)
    return pattern, (pattern > 0) & (draw.random(n) < 1 / 3), draw.random(n) < 0.4


def _looks(settings: ShopSettings, colour: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """[items, TASTES]: where pattern and colour put an item among tastes, in every category alike.

    Together they count about as much as a category does. Who likes stripes likes them on mugs as on dresses: a picture
    tells more of that than a title.
    """
    draw = settings.stream("looks")
    patterns = 1.0 * draw.normal(0, 1, (len(PATTERNS), TASTES))
    colours = 0.7 * draw.normal(0, 1, (len(COLOURS), TASTES))
    found: np.ndarray = patterns[pattern] + colours[colour]
    return found


def _users(settings: ShopSettings) -> Users:
    draw, n = settings.stream("users"), settings.users
    language = (draw.random(n) < settings.chinese_share).astype(np.int64)
    country = draw.integers(0, len(COUNTRIES), n)
    chinese = len(COUNTRIES) + draw.integers(0, len(CHINESE_COUNTRIES), n)
    joined = np.sort(np.where(draw.random(n) < 0.6, 0, draw.integers(0, settings.days, n)))
    joined[0] = 0  # somebody shops from the first day on
    return Users(
        taste=0.8 * draw.normal(0, 1, (n, TASTES)),
        language=language,
        country=np.where(language == 1, chinese, country),
        thrift=draw.random(n),
        mood=draw.normal(0, 0.4, n),
        activity=np.cumsum(draw.lognormal(0, 1, n)),
        joined=joined,
    )


def _campaigns(settings: ShopSettings, items: Items, users: Users) -> Campaigns:
    """One every 14 days from day 7 on, for 10 days, with one coupon for the 40 best known items of a category."""
    draw = settings.stream("campaigns")
    first = np.arange(7, settings.days, 14)
    category = draw.integers(0, len(CATEGORIES), len(first))
    in_coupon = np.zeros((len(first), len(items)), bool)
    treated = draw.random((len(first), len(users))) < 0.5
    uplift = np.zeros((len(first), len(users)), np.float32)
    for j, (day, chosen) in enumerate(zip(first.tolist(), category.tolist(), strict=True)):
        known = np.flatnonzero((items.category == chosen) & items.on_sale(day))
        in_coupon[j, known[np.argsort(-items.popularity[known], kind="stable")[:40]]] = True
        treated[j] &= users.joined <= day
        uplift[j] = 0.2 + 1.6 * users.thrift
        uplift[j, draw.random(len(users)) < 0.1] = -0.5  # some are put off by being written to
    return Campaigns(category, first, first + 9, in_coupon, treated, uplift)


def user_id(number: int) -> str:
    return f"u{number:07d}"


def item_id(number: int) -> str:
    return f"p{number:06d}"


def user_ids(world: World) -> list[str]:
    return [user_id(number) for number in range(len(world.users))]


def item_ids(world: World) -> list[str]:
    return [item_id(number) for number in range(len(world.items))]
