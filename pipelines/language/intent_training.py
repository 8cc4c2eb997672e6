"""Learn what messages are about from those that people filed; judged on messages that were filed later.

    ... filed up to the cut-off: learn, choose, set the threshold | test_days: judge

The floor reads words and letters; what is learned may read a sentence encoder's vector too, if that is better on folds.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from pipelines import lake, staging
from pipelines.contracts import SUPPORT_MESSAGES
from pipelines.errors import NightmarketError, TooLittle
from pipelines.language.items import newest
from pipelines.language.trial import CHAMPION, FLOOR, LEARNED, LOG_LOSS, Metric, Trial, digest, interval, keep, standing
from pipelines.settings import Settings
from pipelines.training_run import INTENTS, Report

if TYPE_CHECKING:
    from models.nlp.questions.intents import Intents
    from models.registry import Promotion

LEAST_JUDGED = 30
MOST = 20_000
"""Messages that are learned from, or judged by, at most: the newest."""
OUT_OF_SCOPE = ("other", "none")
"""Intents by which a shop says that a message is about nothing it has a name for."""
ALL = "all"


@dataclass(frozen=True)
class Filed:
    """Messages that a person filed under an intent, or under none of them (None), the newest first."""

    texts: list[str]
    intents: list[str | None]


def train_intents(settings: Settings, until: date | None, say: Report, device: str = "auto") -> dict[str, Any]:
    """Fit and judge what messages are about; nothing is promoted. The same data ends equal.

    `until`: the last delivery that is judged by, by default the newest one. Raises TooLittle where too few
    messages were filed before or after the cut-off.
    """
    from models.nlp.questions.intents import TooFew, learn
    from models.nlp.search.encoders import encoder_for

    days = lake.active_files(settings, SUPPORT_MESSAGES.name)
    if not days:
        raise TooLittle("the lake holds no customer messages to train on; land some first")
    until = until or max(days)
    cutoff = until - timedelta(settings.test_days)
    before, after = filed(settings, cutoff, until)
    staging.require_whole(settings)
    champion = standing(settings, INTENTS, cutoff)
    if len(after.texts) < LEAST_JUDGED:
        raise TooLittle(
            f"cannot train {INTENTS}: {len(after.texts)} messages were filed after {cutoff} and {LEAST_JUDGED} are"
            " needed to judge by; land more days or choose a later --until"
        )
    encoder = encoder_for(before.texts, device)
    try:
        models = {
            FLOOR: learn(before.texts, before.intents, None),
            LEARNED: learn(before.texts, before.intents, encoder),
        }
    except TooFew as error:
        raise TooLittle(f"cannot train {INTENTS} up to {cutoff}: {error}; choose a later --until") from error
    note = f"learned from {len(before.texts):,} messages, judged on {len(after.texts):,} later ones"
    note += ", with the encoder's vector" if models[LEARNED].encoder else ", the encoder brought nothing beyond doubt"
    say(note)
    trial = _trial(settings, models, _champion(settings, champion), before, after, (cutoff, until), note)
    return {**keep(settings, trial, champion), "note": note}


def filed(settings: Settings, cutoff: date, until: date) -> tuple[Filed, Filed]:
    """What was filed as known at the cut-off, and what was filed first after it, as known on `until`."""
    columns = "message_id, concat_ws(' ', subject, body) as text, intent"
    order = "order by created_at desc, message_id limit ?"
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("early", lake.dataset(settings, SUPPORT_MESSAGES.name, lambda day: day <= cutoff))
        connection.register("known", lake.dataset(settings, SUPPORT_MESSAGES.name, lambda day: day <= until))
        with_intent = "select {} from ({}) where trim(intent) <> ''"
        learned = connection.execute(
            f"{with_intent.format(columns, newest('early', 'message_id'))} {order}", [MOST]
        ).fetchall()
        judged = connection.execute(
            f"{with_intent.format(columns, newest('known', 'message_id'))}"
            f" and message_id not in (select message_id from early where trim(intent) <> '') {order}",
            [MOST],
        ).fetchall()
    return _filed(learned), _filed(judged)


def _filed(rows: list[tuple[Any, ...]]) -> Filed:
    said = [row[2].strip() for row in rows]
    return Filed([row[1] for row in rows], [None if name.lower() in OUT_OF_SCOPE else name for name in said])


def _champion(settings: Settings, champion: "Promotion | None") -> "Intents | None":
    from models.artefact import ArtefactError
    from models.nlp.questions.saved import load

    if champion is None:
        return None
    try:
        return load(settings.models / INTENTS / champion.version)
    except ArtefactError as error:
        raise NightmarketError(f"champion of {INTENTS}: {error}") from error


def _trial(
    settings: Settings,
    models: "dict[str, Intents]",
    champion: "Intents | None",
    before: Filed,
    after: Filed,
    dates: tuple[date, date],
    note: str,
) -> Trial:
    from models.nlp.questions.card import card
    from models.nlp.questions.saved import save

    versions = {name: save(settings.models / INTENTS, model) for name, model in models.items()}
    judged = {**models, **({CHAMPION: champion} if champion is not None else {})}
    losses: dict[str, dict[str, np.ndarray]] = {}
    metrics: dict[tuple[str, str], dict[str, Metric]] = {}
    for name, model in judged.items():
        losses[name] = {ALL: _loss(model, after)}
        metrics[name, ALL] = {LOG_LOSS: interval(losses[name][ALL]), **_measured(model, after)}
    text = card(versions[LEARNED], dates, note, metrics, models[LEARNED].classes)
    said = [f"{intent}\t{text}" for text, intent in zip(before.texts, before.intents, strict=True)]
    return Trial(
        INTENTS, *dates, LOG_LOSS, versions, losses, metrics, text, "support_messages", digest(said), len(before.texts),
        {"intents": len(models[LEARNED].classes)},
    )  # fmt: skip


def _loss(model: "Intents", after: Filed) -> np.ndarray:
    """−log of the probability given to what a person filed it under; of an intent nobody knew then, a millionth."""
    from models.calibration import log_loss
    from models.nlp.questions.intents import UNKNOWN

    place = {name: n for n, name in enumerate(model.classes)}
    chances = model.chances(after.texts)
    true = [place.get(intent or UNKNOWN, -1) for intent in after.intents]
    given = np.array([chances[n, k] if k >= 0 else 0.0 for n, k in enumerate(true)])
    return log_loss(given, np.ones(len(given), dtype=bool))


def _measured(model: "Intents", after: Filed) -> dict[str, Metric]:
    """`coverage`: share that is answered at all; `precision`: of these, the share that is right."""
    guesses = model.guess(after.texts)
    answered = np.array([guess.intent is not None for guess in guesses])
    right = np.array([guess.intent == intent for guess, intent in zip(guesses, after.intents, strict=True)])
    found = {"coverage": interval(answered.astype(float))}
    return found | ({"precision": interval(right[answered].astype(float))} if answered.any() else {})
