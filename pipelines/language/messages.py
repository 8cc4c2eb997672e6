"""Open customer messages of the newest night: what each is about, and the answer that was given to a like one."""

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb

from pipelines import lake
from pipelines.contracts import SUPPORT_MESSAGES
from pipelines.errors import NightmarketError
from pipelines.language.items import newest
from pipelines.scoring.foretold import DIGITS
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings
from pipelines.training_run import INTENTS

if TYPE_CHECKING:
    import pyarrow as pa

    from models.nlp.questions.intents import Intents

MOST_ANSWERED, MOST_OPEN, OPEN_DAYS = 2_000, 5_000, 30
"""Answered messages that are learned from, the newest; open ones that are read, and how old they may be in days."""
NAME = "earlier_answers"


def suggestions(settings: Settings, night: date, stamp: Stamp) -> "pa.Table | None":
    """Rows of `scores.reply_suggestions`, in order of their ids; None where the shop has no messages at all.

    Earlier answers are those known by then: the same ones give the same rows. Until a first promotion no intent is
    known, and the earlier answers alone speak.
    """
    if not lake.active_files(settings, SUPPORT_MESSAGES.name):
        return None
    import pyarrow.compute as pc

    from models.nlp.questions.replies import remember, suggest
    from models.nlp.search.encoders import encoder_for

    answered, waiting = _messages(settings, night)
    # By what was answered alone: no open message, however odd, decides how the others are read.
    encoder = encoder_for(answered["body"].to_pylist())
    intents, version = _intents(settings, night)
    found = suggest(waiting, remember(answered, encoder), intents)
    columns = {
        "message_id": found["message_id"].combine_chunks(),
        "intent": found["intent"].combine_chunks(),
        "intent_confidence": pc.round(found["intent_confidence"], DIGITS).combine_chunks(),
        "answered_message_id": found["answered_message_id"].combine_chunks(),
        "suggested_reply": found["reply"].combine_chunks(),
        "confidence": pc.round(found["confidence"], DIGITS).combine_chunks(),
        "hand_over": found["hand_over"].combine_chunks(),
    }
    said = "\n".join([version, encoder.name, *answered["message_id"].to_pylist()])
    return stamped(columns, stamp.of(NAME, hashlib.sha256(said.encode()).hexdigest()[:12]))


def _messages(settings: Settings, night: date) -> "tuple[pa.Table, pa.Table]":
    """Answered messages, the oldest first, and open ones, by id; each as it was delivered last."""
    rows = lake.dataset(settings, SUPPORT_MESSAGES.name, lambda day: day <= night)
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("messages", rows)
        known = newest("messages", "message_id")
        answered = connection.execute(
            f"select * from (select message_id, created_at, subject, body, intent, reply from ({known})"
            " where reply is not null order by created_at desc, message_id limit ?) order by created_at, message_id",
            [MOST_ANSWERED],
        ).to_arrow_table()
        waiting = connection.execute(
            f"select * from (select message_id, created_at, subject, body from ({known})"
            " where reply is null and cast(created_at as date) > ? order by created_at desc, message_id limit ?)"
            " order by message_id",
            [night - timedelta(OPEN_DAYS), MOST_OPEN],
        ).to_arrow_table()
    return answered, waiting


def _intents(settings: Settings, night: date) -> "tuple[Intents | None, str]":
    """Of the latest champion whose data ends before `night` (law 4), and its version; None without one."""
    from models.artefact import ArtefactError
    from models.nlp.questions.saved import load
    from models.registry import champion_as_of

    champion = champion_as_of(settings.models, INTENTS, night)
    if champion is None:
        return None, ""
    try:
        return load(settings.models / INTENTS / champion.version), champion.version
    except ArtefactError as error:
        raise NightmarketError(f"night {night}: {error}") from error
