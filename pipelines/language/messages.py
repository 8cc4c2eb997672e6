"""Open customer messages of the newest night: what each is about, and the answer that was given to a like one."""

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb

from pipelines import lake
from pipelines.contracts import SUPPORT_MESSAGES
from pipelines.language.items import newest
from pipelines.scoring.foretold import DIGITS
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from models.nlp.questions.intents import Intents
    from models.nlp.search.encoders import Encoder

MOST_ANSWERED, MOST_OPEN, OPEN_DAYS = 2_000, 5_000, 30
"""Answered messages that are learned from, the newest; open ones that are read, and how old they may be in days."""
OUT_OF_SCOPE = ("other", "none")
"""Intents by which a shop says that a message is about nothing it has a name for."""
NAME = "earlier_answers"


def suggestions(settings: Settings, night: date, stamp: Stamp) -> "pa.Table | None":
    """Rows of `scores.reply_suggestions`, in order of their ids; None where the shop has no messages at all.

    What is suggested is learned anew from the messages known by then: the same ones give the same rows.
    """
    if not lake.active_files(settings, SUPPORT_MESSAGES.name):
        return None
    import pyarrow.compute as pc

    from models.nlp.questions.replies import remember, suggest
    from models.nlp.search.encoders import encoder_for

    answered, waiting = _messages(settings, night)
    encoder = encoder_for([*answered["body"].to_pylist(), *waiting["body"].to_pylist()])
    intents = _intents(answered, encoder)
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
    said = "\n".join([encoder.name, *answered["message_id"].to_pylist()])
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


def _intents(answered: "pa.Table", encoder: "Encoder") -> "Intents | None":
    """Learned from what people said messages were about; None where they said too little."""
    from models.nlp.questions.intents import TooFew, learn

    rows = [row for row in answered.to_pylist() if row["intent"]]
    texts = [" ".join(part for part in (row["subject"], row["body"]) if part) for row in rows]
    labels: Sequence[str | None] = [None if row["intent"].lower() in OUT_OF_SCOPE else row["intent"] for row in rows]
    try:
        return learn(texts, labels, encoder)
    except TooFew:
        return None
