"""Frozen settings of the floors, and what they are expected to reach.

Chosen on the 28 days before the test days (the real shop under both repeat policies, the simulated one with repeats),
then measured on purchases read straight from the origin's files; the same comparison from the lake is

    nightmarket train recommender --until 2011-09-30    source uci_online_retail (a real shop), 1,193 test users
    nightmarket train recommender --until 2017-12-03    source complete_journey (simulated), 2,025 test users

180 training days, 28 test days, NDCG@10 with its 95 % interval over users:

                     repeat_purchases: true                          repeat_purchases: false
                     uci_online_retail     complete_journey          uci_online_retail     complete_journey
    popular_7_days   .093 [.084, .102]     .193 [.186, .201]         .048 [.042, .054]     .038 [.034, .041]
    frequent_items   .237 [.220, .251]     .394 [.381, .407]         as popular            as popular
    item_knn         .257 [.241, .272]     .396 [.384, .409]         .079 [.071, .086]     .037 [.033, .040]
    transition       .201 [.187, .215]     .270 [.261, .280]         .077 [.070, .085]     .033 [.029, .036]
    ease             .210 [.196, .224]     45,830 items: too many    .088 [.080, .096]     too many
"""

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
    row_power: float = 0.5  # a
    column_power: float = 0.3  # b
    gamma: float = 0.95
    neighbours: int = 200
    max_events: int = 500


@dataclass(frozen=True)
class Ease:
    l2: float = 300.0
    max_items: int = 6000
    max_events: int = 500


@dataclass(frozen=True)
class Alike:
    """Chosen on the UCI shop and the REES46 sample (`docs/cold-start.md`)."""

    gamma: float = 0.9
    max_events: int = 50


@dataclass(frozen=True)
class Transformer:
    """`length`: newest moments (receipts, page views) read of a user. Items of few people are left to the floors.

    Expected of `base`, repeat_purchases true, test NDCG@10 with its 95 % interval, two CPU cores:

        nightmarket train recommender --until 2011-09-30    uci_online_retail   .229 [.213, .243]   15 epochs, 54 s
        nightmarket train recommender --until 2017-12-27    complete_journey    .372 [.360, .385]   10 epochs, 379 s
    """

    width: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.2
    input_dropout: float = 0.2
    length: int = 128
    horizon_days: float = 28.0
    min_users: int = 5
    rows: int = 4  # of `length` tokens, in a batch
    full_softmax_items: int = 50_000  # above it, the normaliser is estimated from `negatives`
    negatives: int = 2048
    targets: int = 16  # events of a state's future that are read in a step, at most
    epochs: int = 12
    patience: int = 3
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    average: float = 0.995  # decay of the running mean of the weights


@dataclass(frozen=True)
class Blend:
    """What a blend is made of, by name, and each part's weight for regular and for new users; they are learned."""

    parts: dict[str, "Floor | Transformer"]
    weights: dict[str, dict[str, float]]  # by REGULAR and NEW, then by part


@dataclass(frozen=True)
class Ranker:
    """The blend that proposes, and what was learned beside the trees; see `ranker`."""

    blend: Blend
    parts: tuple[str, ...]  # of the blend, in the order of the trees' columns
    repeat: bool  # whether items that a user already bought are candidates
    lift: float  # added to the trees' score of a tail item
    calibration: dict[str, float]
    candidates: int = 30  # of each part, and of the blend
    reviews: bool = False  # whether the trees read what reviews say of an item


Floor = Popular | FrequentItems | ItemKnn | Transition | Ease | Alike
Config = Floor | Transformer | Blend | Ranker

TRANSITION = Transition()
CONFIGS: dict[str, Floor] = {
    "popular_7_days": Popular(),
    "frequent_items": FrequentItems(),
    "item_knn": ItemKnn(),
    "transition": TRANSITION,
    "ease": Ease(),
    "alike": Alike(),
}

TRANSFORMER, BLEND, RANKER, STARTER = "transformer", "blend", "ranker", "starter"
REGULAR, NEW = "regular", "new_users"

_UNLEARNED = {"item_knn": 0.6, "transition": 0.2, "popular_7_days": 0.1, "alike": 0.1}
UNLEARNED = Blend({name: CONFIGS[name] for name in _UNLEARNED}, {REGULAR: _UNLEARNED, NEW: _UNLEARNED})
"""What scores a shop's nights until it has a champion: round weights that no shop's days have chosen.

What it reaches beside the floors, on two shops: `docs/cold-start.md`.
"""

TRANSFORMERS: dict[str, Transformer] = {
    "base": Transformer(),
    # For a first look, and what the demo trains: a tenth of the time, most of the validation NDCG@10.
    "quick": Transformer(width=32, blocks=1, rows=16, targets=8, negatives=1024, epochs=4, learning_rate=5e-3),
}


@dataclass(frozen=True)
class Sequential:
    """Settings for sequences that have an order and no times, where nothing is taken twice: `benchmarks.sequential`."""

    start: Transition
    floors: dict[str, Floor]
    transformers: tuple[Transformer, ...]  # the one that reaches most on validation is kept


_NEXT = Transition(window=10, distance_power=1.0, backward=0.3, row_power=0.5, column_power=0.3, gamma=0.6)
SEQUENTIAL = Sequential(
    start=_NEXT,
    floors={
        "popular_7_days": Popular(days=100_000),
        "item_knn": ItemKnn(min_users=1, neighbours=200, half_life_days=3.0, self_weight=0.0),
        "transition": _NEXT,
        "ease": Ease(max_items=20_000),
    },
    transformers=(
        Transformer(
            width=128, blocks=1, heads=1, dropout=0.5, input_dropout=0.5, length=50, horizon_days=0.0, min_users=1,
            rows=16, epochs=10, patience=4,
        ),
    ),
)  # fmt: skip


def as_json(config: Config) -> dict[str, Any]:
    values = asdict(config)
    if isinstance(config, Ranker) and not config.reviews:
        del values["reviews"]  # a shop without reviews has the model that it always had
    return values


def from_json(name: str, values: dict[str, Any]) -> Config:
    """The config of model `name` from its JSON form; unknown names are a KeyError or TypeError."""
    if name in (BLEND, STARTER):
        parts = {part: from_json(part, given) for part, given in values["parts"].items()}
        return Blend({n: p for n, p in parts.items() if not isinstance(p, Blend | Ranker)}, values["weights"])
    if name == RANKER:
        blend = from_json(BLEND, values["blend"])
        return Ranker(**{**values, "blend": blend, "parts": tuple(values["parts"])})
    return Transformer(**values) if name == TRANSFORMER else type(CONFIGS[name])(**values)
