"""One training run: what was asked for, the split it is judged on, and the models and results as they come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipelines import lake, staging
from pipelines.catalogue import described, reviewed
from pipelines.errors import NightmarketError, UsageError
from pipelines.faults import fault_point
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.recommender.configs import Config, Transformer
    from models.recommender.evaluation import Result
    from models.recommender.ranking import Recommender
    from models.split import Split

RECOMMENDER, REVIEWS, SEARCH, INTENTS = "recommender", "reviews", "search", "intents"
MULTIMODAL = "multimodal"
TEXT_FAMILIES = (REVIEWS, SEARCH, INTENTS)
FAMILIES = (RECOMMENDER, *TEXT_FAMILIES, MULTIMODAL)
GATE_METRIC = "ndcg"
ENCODER = "encoder"
"""The config of `reviews` that tunes a transformer as well."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Choices:
    """What a person may choose for one training run; None leaves the settings or the frozen config as they are."""

    config: str = "base"
    epochs: int | None = None
    days: int | None = None
    device: str = "auto"
    language: str | None = None  # of reviews: learn no other one
    tokens: int | None = None  # of reviews: what a transformer is tuned on


@dataclass
class Run:
    """One training run as it goes: every model that could be fitted, what it reached, and what was left out, why."""

    settings: Settings
    family: str
    cutoff: date
    until: date
    split: "Split"
    available: np.ndarray  # bool [I], on the cut-off day
    say: Report
    models: "dict[str, tuple[Config, Recommender]]" = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    results: "dict[str, Result]" = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    learning: dict[str, Any] = field(default_factory=dict)
    champion: str = ""

    def add(self, name: str, config: "Config", model: "Recommender", started: float) -> None:
        """Judge a fitted model and save it under its digest."""
        from models.recommender.configs import Ranker
        from models.recommender.evaluation import evaluate
        from models.recommender.saved import save

        folder = self.settings.models / self.family
        self.models[name] = config, model
        self.versions[name] = save(folder, name, config, self.cutoff, self.split.train.items, model)
        fault_point("train.saved")
        self.results[name] = evaluate(model, self.split, self.available, probabilities=isinstance(config, Ranker))
        self.seconds[name] = round(time.monotonic() - started, 2)

    def skip(self, name: str, reason: str) -> None:
        self.skipped[name] = reason
        self.say(f"{name}: not applicable, {reason}")

    def values(self) -> dict[str, dict[str, np.ndarray]]:
        """Per-user NDCG@10 of every model and slice."""
        return {n: {part: v[GATE_METRIC] for part, v in r.values.items()} for n, r in self.results.items()}


def check_family(family: str) -> None:
    """Raises UsageError for a family nobody has written."""
    if family not in FAMILIES:
        raise UsageError(f"unknown model family {family!r}; known: {', '.join(FAMILIES)}")


def begin(settings: Settings, family: str, until: date | None, progress: Report | None, chosen: Choices) -> Run:
    check_family(family)
    transformer_of(chosen)
    if chosen.days is not None:
        settings = replace(settings, training_days=chosen.days)
    until = until or lake.newest_day(settings)
    cutoff = until - timedelta(settings.test_days)
    split = split_at(settings, cutoff, until)
    available = availability(lake.products(settings, cutoff), split.train.items, cutoff)
    staging.require_whole(settings)  # after the reading, so that a `publish-lake` killed during it is seen too
    return Run(settings, family, cutoff, until, split, available, progress or (lambda _: None))


def transformer_of(chosen: Choices) -> "Transformer":
    from models.recommender.configs import TRANSFORMERS

    if chosen.config not in TRANSFORMERS:
        raise UsageError(f"unknown config {chosen.config!r}; known: {', '.join(TRANSFORMERS)}")
    config = TRANSFORMERS[chosen.config]
    return config if chosen.epochs is None else replace(config, epochs=chosen.epochs)


def split_at(settings: Settings, cutoff: date, until: date) -> "Split":
    from models.split import time_split

    # Where repeats are masked, what counts is everything a user ever bought, not only the window. Both dates of a row
    # are held to the cut-off: one delivered later was not known then, whenever it happened.
    past = lake.interactions(settings, cutoff, settings.training_days if settings.repeat_purchases else None)
    future = lake.interactions(settings, until, settings.test_days)
    split = time_split(past, future, cutoff, settings.test_days, settings.training_days, settings.repeat_purchases)
    split = replace(split, train=reviewed(settings, described(split.train, lake.products(settings, cutoff))))
    if not len(split.train.item) or not len(split.test_users):
        raise NightmarketError(
            f"cannot train: {len(split.train.item)} events in the {settings.training_days} days up to {cutoff} and"
            f" {len(split.test_users)} test users after it; choose a later --until or land more days"
        )
    return split


def availability(products: pa.Table, items: pa.Array, day: date) -> np.ndarray:
    """bool [I]: items that may be recommended on `day`. An item no product row speaks of is available."""
    import pyarrow.compute as pc

    row = pc.index_in(items, value_set=products["item_id"].combine_chunks())
    begins, ends = products["available_from"].take(row), products["available_to"].take(row)
    begun = pc.fill_null(pc.less_equal(begins, pa.scalar(day)), True)
    left = pc.fill_null(pc.greater_equal(ends, pa.scalar(day)), True)
    return pc.and_(begun, left).to_numpy(zero_copy_only=False)
