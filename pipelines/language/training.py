"""Learn to read reviews from the shop's own, where a rating says what the words should: judged on later deliveries.

    ... deliveries up to the cut-off: learn, choose, calibrate | test_days of deliveries: judge

A language with too few rated reviews is left to the lexicon.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines import staging
from pipelines.errors import NightmarketError, TooLittle, UsageError
from pipelines.language.rated import Rated, newest_delivery, split
from pipelines.language.reader import FAMILY
from pipelines.language.trial import CHAMPION, FLOOR, LEARNED, LOG_LOSS, Metric, Trial, digest, interval, keep, standing
from pipelines.settings import Settings
from pipelines.training_run import ENCODER, Choices, Report

if TYPE_CHECKING:
    from models.nlp.reviews import Readers
    from models.nlp.sentiment import Sentiment
    from models.registry import Promotion

LEAST, LEAST_JUDGED = 50, 50
"""Positive texts, and negative ones, to learn a language from; texts of both kinds to judge it by."""


@dataclass(frozen=True)
class Judged:
    """Of a language: the floor and what was learned; of each judged text its outcome, and each model's chance."""

    models: "dict[str, Sentiment]"
    positive: np.ndarray  # bool [n]
    chance: dict[str, np.ndarray]  # float64 [n] each
    cut: dict[str, float]
    note: str


def train_reviews(settings: Settings, until: date | None, say: Report, choices: Choices) -> dict[str, Any]:
    """Fit and judge a reader for every language with enough rated reviews; nothing is promoted.

    `until`: the last delivery that is judged by, by default the newest one. With the config `encoder` the transformer
    that an installed package ships is tuned as well, on about `choices.tokens` tokens, for the texts that the linear
    reader is unsure about; `choices.language` learns no other one. What the champion reads and is not learned now is
    taken over from it. The same data ends equal.
    """
    from models.nlp.text import LANGUAGES

    if choices.language is not None and choices.language not in LANGUAGES:
        raise UsageError(f"unknown language {choices.language!r}; known: {', '.join(LANGUAGES)}")
    until = until or newest_delivery(settings)
    cutoff = until - timedelta(settings.test_days)
    before, after = split(settings, cutoff, until)
    staging.require_whole(settings)
    champion = standing(settings, FAMILY, cutoff)
    readers = _readers(settings, champion) if champion is not None else None
    found = {}
    for language, rated in before.items():
        if choices.language not in (None, language):
            continue
        judged = _judge(settings, language, rated, after.get(language), readers, choices)
        say(f"{language}: {judged.note if judged else _too_few(rated, after.get(language))}")
        if judged is not None:
            found[language] = judged
    if not found:
        which = "no language has" if choices.language is None else f"{choices.language} has not"
        raise TooLittle(
            f"cannot train {FAMILY}: {which} {LEAST} positive and {LEAST} negative rated reviews up to {cutoff}"
            f" and {LEAST_JUDGED} after it; land more days or choose a later --until"
        )
    trial = _trial(_save(settings, found, before, readers), found, before, (cutoff, until))
    answer = keep(settings, trial, champion)
    for folder in (settings.run / "training").glob(f"{FAMILY}-*"):
        shutil.rmtree(folder, ignore_errors=True)  # checkpoints, for a run that is killed before it is kept
    return {**answer, "languages": {language: judged.note for language, judged in found.items()}}


def _judge(
    settings: Settings,
    language: str,
    rated: Rated,
    later: Rated | None,
    readers: "Readers | None",
    choices: Choices,
) -> Judged | None:
    from models.nlp.learning import learn
    from models.nlp.reader import packaged

    texts, positive = rated.labelled
    unseen, outcome = later.labelled if later is not None else ([], np.zeros(0, dtype=bool))
    if min(positive.sum(), (~positive).sum()) < LEAST:
        return None
    if len(unseen) < LEAST_JUDGED or outcome.all() or not outcome.any():
        return None
    plan = "plan" if choices.tokens is None else str(choices.tokens)
    folder = settings.run / "training" / f"{FAMILY}-{language}-{plan}-{digest(texts)}"
    source = packaged(language) if choices.config == ENCODER else None
    encoder = str(source) if source else None
    learned = learn(texts, positive, language, encoder, choices.device, folder, tokens=choices.tokens)
    models = {FLOOR: learned.floor, LEARNED: learned.model}
    chance = {name: model.chance(unseen) for name, model in models.items()}
    cut = {name: model.cut for name, model in models.items()}
    if readers is not None and language in readers.sentiment:
        reader = readers.sentiment[language]
        chance[CHAMPION], cut[CHAMPION] = reader.chance(unseen), reader.cut
    return Judged(models, outcome, chance, cut, f"{learned.note}; judged on {len(unseen)} later reviews")


def _too_few(rated: Rated, later: Rated | None) -> str:
    _, positive = rated.labelled
    judged = len(later.labelled[0]) if later is not None else 0
    return (
        f"left to the lexicon: {positive.sum()} positive and {(~positive).sum()} negative reviews to learn from,"
        f" {judged} to be judged by"
    )


def _readers(settings: Settings, champion: "Promotion") -> "Readers":
    from models.artefact import ArtefactError
    from models.nlp import lexicon
    from models.nlp.saved import load

    try:
        return load(settings.models / FAMILY / champion.version, lexicon.shipped())
    except ArtefactError as error:
        raise NightmarketError(f"champion of {FAMILY}: {error}") from error


def _save(
    settings: Settings, found: Mapping[str, Judged], before: Mapping[str, Rated], readers: "Readers | None"
) -> dict[str, str]:
    """Two versions that differ in their sentiment: learned, and the floor of every language."""
    from models.nlp import keywords, saved

    kept = dict(readers.sentiment) if readers is not None else {}
    phrases = dict(readers.phrases) if readers is not None else {}
    phrases |= {language: keywords.learn(rated.texts, language) for language, rated in before.items()}
    return {
        name: saved.save(
            settings.models / FAMILY,
            kept | {language: judged.models[name] for language, judged in found.items()},
            phrases,
        )
        for name in (FLOOR, LEARNED)
    }


def _trial(
    versions: dict[str, str], found: Mapping[str, Judged], before: Mapping[str, Rated], dates: tuple[date, date]
) -> Trial:
    """Judged by log loss; accuracy, F1, balanced accuracy and calibration beside it."""
    from models.calibration import log_loss
    from models.nlp.card import card

    losses: dict[str, dict[str, np.ndarray]] = {}
    metrics: dict[tuple[str, str], dict[str, Metric]] = {}
    for language, judged in found.items():
        for name, chance in judged.chance.items():
            losses.setdefault(name, {})[language] = log_loss(chance, judged.positive)
            metrics[name, language] = _measured(judged, name) | {LOG_LOSS: interval(losses[name][language])}
    results = {lang: (j.positive, j.chance, j.cut, j.note) for lang, j in found.items()}
    return Trial(
        FAMILY, *dates, LOG_LOSS, versions, losses, metrics, card(versions[LEARNED], dates, results), "reviews",
        digest(text for language in sorted(before) for text in before[language].texts),
        sum(len(rated.texts) for rated in before.values()), {"languages": ", ".join(sorted(found))},
    )  # fmt: skip


def _measured(judged: Judged, name: str) -> dict[str, Metric]:
    from models.calibration import calibration_error
    from models.nlp.decision import MEASURES, intervals

    said = judged.chance[name] >= judged.cut[name]
    ends = intervals(judged.positive, said)
    found: dict[str, Metric] = {key: (measure(judged.positive, said), *ends[key]) for key, measure in MEASURES.items()}
    return {**found, "ece": (calibration_error(judged.chance[name], judged.positive), None, None)}
