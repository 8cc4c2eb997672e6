"""Learn to read reviews from the shop's own, where a rating says what the words should: judged on later deliveries.

    ... deliveries up to the cut-off: learn, choose, calibrate | test_days of deliveries: judge

A language with too few rated reviews is left to the lexicon.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines import lake, ops, staging
from pipelines.contracts import OPS_MODEL_METRICS
from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.language.rated import Rated, newest_delivery, split
from pipelines.language.reader import FAMILY
from pipelines.settings import Settings
from pipelines.tracked import tracking
from pipelines.training_run import Report

if TYPE_CHECKING:
    from models.nlp.sentiment import Sentiment
    from models.registry import Promotion

LEAST, LEAST_JUDGED = 50, 50
"""Positive texts, and negative ones, to learn a language from; texts of both kinds to judge it by."""
FLOOR, LEARNED, CHAMPION = "floor", "reader", "champion"


@dataclass(frozen=True)
class Judged:
    """Of a language: the floor and what was learned; of each judged text its outcome, and each model's chance."""

    models: "dict[str, Sentiment]"
    positive: np.ndarray  # bool [n]
    chance: dict[str, np.ndarray]  # float64 [n] each
    cut: dict[str, float]
    note: str


def train_reviews(
    settings: Settings, until: date | None, say: Report, device: str = "auto", encoder: bool = False
) -> dict[str, Any]:
    """Fit and judge a reader for every language with enough rated reviews; nothing is promoted.

    `until`: the last delivery that is judged by, by default the newest one. `encoder`: also tune the transformer that
    an installed package ships, for the texts that the linear reader is unsure about. The same data ends equal.
    """
    from models.registry import champion_as_of

    until = until or newest_delivery(settings)
    cutoff = until - timedelta(settings.test_days)
    before, after = split(settings, cutoff, until)
    staging.require_whole(settings)
    champion = champion_as_of(settings.models, FAMILY, cutoff)
    found = {}
    for language, rated in before.items():
        judged = _judge(settings, language, rated, after.get(language), champion, device, encoder)
        say(f"{language}: {judged.note if judged else _too_few(rated, after.get(language))}")
        if judged is not None:
            found[language] = judged
    if not found:
        raise NightmarketError(
            f"cannot train {FAMILY}: no language has {LEAST} positive and {LEAST} negative rated reviews up to {cutoff}"
            f" and {LEAST_JUDGED} after it; land more days or choose a later --until"
        )
    versions = _save(settings, found, before)
    fault_point("train.saved")
    rows = _record(settings, found, versions, cutoff)
    run_id = _track(settings, found, versions, (cutoff, until), before)
    _register(settings, found, versions, (cutoff, until), champion, run_id)
    return {
        "family": FAMILY, "cutoff": str(cutoff), "until": str(until), "versions": versions, "metrics": rows,
        "languages": {language: judged.note for language, judged in found.items()}, "mlflow_run": run_id,
    }  # fmt: skip


def _judge(
    settings: Settings,
    language: str,
    rated: Rated,
    later: Rated | None,
    champion: "Promotion | None",
    device: str,
    encoder: bool,
) -> Judged | None:
    from models.nlp.learning import learn
    from models.nlp.reader import packaged

    texts, positive = rated.labelled
    unseen, outcome = later.labelled if later is not None else ([], np.zeros(0, dtype=bool))
    if min(positive.sum(), (~positive).sum()) < LEAST:
        return None
    if len(unseen) < LEAST_JUDGED or outcome.all() or not outcome.any():
        return None
    folder = settings.run / "training" / f"{FAMILY}-{language}-{_digest(texts)}"
    source = packaged(language) if encoder else None
    learned = learn(texts, positive, language, str(source) if source else None, device, folder)
    models = {FLOOR: learned.floor, LEARNED: learned.model}
    chance = {name: model.chance(unseen) for name, model in models.items()}
    cut = {name: model.cut for name, model in models.items()}
    if champion is not None and (standing := _standing(settings, champion, language)) is not None:
        chance[CHAMPION], cut[CHAMPION] = standing.chance(unseen), standing.cut
    return Judged(models, outcome, chance, cut, f"{learned.note}; judged on {len(unseen)} later reviews")


def _too_few(rated: Rated, later: Rated | None) -> str:
    _, positive = rated.labelled
    judged = len(later.labelled[0]) if later is not None else 0
    return (
        f"left to the lexicon: {positive.sum()} positive and {(~positive).sum()} negative reviews to learn from,"
        f" {judged} to be judged by"
    )


def _standing(settings: Settings, champion: "Promotion", language: str) -> "Sentiment | None":
    from models.nlp import lexicon
    from models.nlp.saved import load

    return dict(load(settings.models / FAMILY / champion.version, lexicon.shipped()).sentiment).get(language)


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _save(settings: Settings, found: Mapping[str, Judged], before: Mapping[str, Rated]) -> dict[str, str]:
    """Two versions that differ in their sentiment: learned, and the floor of every language."""
    from models.nlp import keywords, saved

    phrases = {language: keywords.learn(rated.texts, language) for language, rated in before.items()}
    return {
        name: saved.save(settings.models / FAMILY, {lang: j.models[name] for lang, j in found.items()}, phrases)
        for name in (FLOOR, LEARNED)
    }


def _record(
    settings: Settings, found: Mapping[str, Judged], versions: Mapping[str, str], cutoff: date
) -> list[dict[str, Any]]:
    """Accuracy, F1, balanced accuracy and log loss of each model and language, in `ops.model_metrics`."""
    from models.calibration import calibration_error, log_loss
    from models.metrics import bootstrap_interval
    from models.nlp.decision import MEASURES, SEED, intervals

    now, rows = datetime.now(UTC), []
    for language, judged in found.items():
        for name, chance in judged.chance.items():
            said = chance >= judged.cut[name]
            ends = intervals(judged.positive, said)
            measured = {key: (measure(judged.positive, said), *ends[key]) for key, measure in MEASURES.items()}
            losses = log_loss(chance, judged.positive)
            measured["log_loss"] = (float(losses.mean()), *bootstrap_interval(losses, SEED))
            error = calibration_error(chance, judged.positive)
            values: dict[str, tuple[float, float | None, float | None]] = {**measured, "ece": (error, None, None)}
            rows += [
                {
                    "family": FAMILY, "model_name": name, "model_version": versions.get(name, ""), "cutoff": cutoff,
                    "test_days": settings.test_days, "slice": language, "metric": metric, "value": value, "low": low,
                    "high": high, "users": len(said), "trained_at": now,
                }
                for metric, (value, low, high) in values.items()
            ]  # fmt: skip
    ops.record(settings, OPS_MODEL_METRICS, rows, f"train-{FAMILY}")
    return [{n: str(v) if isinstance(v, date) else v for n, v in row.items()} for row in rows]


def _register(
    settings: Settings,
    found: Mapping[str, Judged],
    versions: dict[str, str],
    dates: tuple[date, date],
    champion: "Promotion | None",
    run_id: str,
) -> None:
    from models.artefact import save_artefact
    from models.calibration import log_loss
    from models.registry import Training, record_training

    losses = {
        f"{name}/{language}": log_loss(chance, judged.positive)
        for language, judged in found.items()
        for name, chance in judged.chance.items()
    }
    meta = {"metric": "log_loss", "cutoff": str(dates[0]), "until": str(dates[1])}
    results = save_artefact(settings.models / FAMILY / "evaluations", losses, meta)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    standing = champion.version if champion is not None else ""
    record_training(
        settings.models,
        Training(FAMILY, str(dates[0]), str(dates[1]), False, versions, results, now, standing, run_id),
    )


def _track(
    settings: Settings,
    found: Mapping[str, Judged],
    versions: Mapping[str, str],
    dates: tuple[date, date],
    before: Mapping[str, Rated],
) -> str:
    """The run in MLflow: metrics, the model card, the learned version as challenger. Returns its id."""
    from models.nlp.card import card
    from models.nlp.decision import f1
    from models.tracking import CHALLENGER, DataSet

    digest = _digest([text for language in sorted(before) for text in before[language].texts])
    version, count = str(lake.version(settings)), sum(len(rated.texts) for rated in before.values())
    data = DataSet("lake.reviews", version, digest, "", str(dates[0]), count)
    params = {"until": str(dates[1]), "cutoff": str(dates[0]), "languages": ", ".join(sorted(found))}
    text = card(versions[LEARNED], dates, {lang: (j.positive, j.chance, j.cut, j.note) for lang, j in found.items()})
    with (
        tracking(settings, FAMILY) as tracked,
        tracked.run(f"{FAMILY}-{digest}-{dates[1]}", f"{FAMILY} {dates[0]}", params, data) as run_id,
    ):
        from models.nlp.decision import f1

        tracked.metrics(
            {
                f"{lang}/{name}/f1": f1(judged.positive, chance >= judged.cut[name])
                for lang, judged in found.items()
                for name, chance in judged.chance.items()
            }
        )
        tracked.text(text, "model_card.md")
        tags = {"model_name": LEARNED, "cutoff": str(dates[0]), "known_until": str(dates[1])}
        tracked.register(settings.models / FAMILY / versions[LEARNED], run_id, tags, text)
        tracked.alias(CHALLENGER, versions[LEARNED])
    return run_id
