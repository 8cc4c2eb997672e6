"""Frozen settings of the floors."""

from dataclasses import asdict, dataclass
from typing import Any

EVENT_WEIGHTS = (0.1, 0.3, 1.0)
"""What a view, an add_to_cart and a purchase count. Convention, not tuned: a purchase is the strongest evidence."""


@dataclass(frozen=True)
class Popular:
    days: int = 7


@dataclass(frozen=True)
class FrequentItems:
    pass


@dataclass(frozen=True)
class ItemKnn:
    neighbours: int = 50
    min_users: int = 5  # items of fewer users get no neighbours
    half_life_days: float = 120.0  # of an event's weight
    power: float = 1.0  # 1: twice as many purchases count twice; 0: they count once
    self_weight: float = 20.0  # similarity of an item to itself; matters only where purchases repeat
    max_events: int = 500  # newest events of a user that are read


@dataclass(frozen=True)
class Transition:
    window: int = 20
    distance_power: float = 0.5  # p
    backward: float = 1.0  # beta
    row_power: float = 1.0  # a
    column_power: float = 0.3  # b
    gamma: float = 0.95
    neighbours: int = 200
    max_events: int = 500


@dataclass(frozen=True)
class Ease:
    l2: float = 300.0
    max_items: int = 6000
    max_events: int = 500


Config = Popular | FrequentItems | ItemKnn | Transition | Ease

CONFIGS: dict[str, Config] = {
    "popular_7_days": Popular(),
    "frequent_items": FrequentItems(),
    "item_knn": ItemKnn(),
    "transition": Transition(),
    "ease": Ease(),
}
DEFAULT = "transition"


def as_json(config: Config) -> dict[str, Any]:
    return asdict(config)


def from_json(name: str, values: dict[str, Any]) -> Config:
    """The config of floor `name` from its JSON form; unknown names are a KeyError or TypeError."""
    return type(CONFIGS[name])(**values)
