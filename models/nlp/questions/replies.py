"""A suggested reply for an open message: an answer that a person gave to a like question, word for word, or none.

Nothing is written anew and nothing is sent: a person sees the suggestion with its confidence, or why there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.calibration import fit_logistic, sigmoid
from models.nlp.questions.intents import WANTED_PRECISION, Guess, Intents, lowest_threshold
from models.nlp.search import bm25
from models.nlp.search.bm25 import Bm25
from models.nlp.search.encoders import Encoder
from models.nlp.search.fusion import fuse
from models.nlp.search.tokens import has_han, words

MESSAGE, BODY, SUBJECT, REPLY = "message_id", "body", "subject", "reply"
SCHEMA = pa.schema(
    [
        (MESSAGE, pa.string()),
        ("intent", pa.string()),  # null: "I don't know"
        ("intent_confidence", pa.float64()),
        ("answered_message_id", pa.string()),  # the question that the reply once answered; null: none suggested
        (REPLY, pa.string()),
        ("confidence", pa.float64()),  # that a person would have answered alike
        ("hand_over", pa.string()),  # why nothing is suggested; null where something is
    ]
)
EMPTY, NOT_KNOWN, NO_ANSWER, UNSURE = "empty message", "intent unknown", "no earlier answer", "low confidence"
LEAST_ANSWERS = 20
"""Earlier answers below which it cannot be said how often the best of them is right."""
SAME_SHARE = 0.6
"""Two replies whose words overlap by so much (Jaccard) are the same answer."""
MOST_JUDGED = 2_000
"""Earlier questions asked again to learn from, at most: the newest."""
BLOCK = 256
_NEVER = 2.0


@dataclass(frozen=True)
class Memory:
    """N answered messages, the oldest first. `weights` float64 [4]: P(alike) from cosine, words matched, and lead."""

    message_id: list[str]
    reply: list[str]
    han: np.ndarray  # bool [N], the language of the reply, as far as it matters
    bm25: Bm25
    vectors: np.ndarray  # float32 [N, d]
    encoder: Encoder
    weights: np.ndarray
    threshold: float


@dataclass(frozen=True)
class Found:
    """The best earlier question for each message: place int [n], −1 for none; evidence float64 [n, 3]."""

    place: np.ndarray
    evidence: np.ndarray


def remember(answered: pa.Table, encoder: Encoder, wanted: float = WANTED_PRECISION) -> Memory:
    """`answered`: message_id, subject?, body, reply, the oldest first; rows without a reply are left out.

    How sure a match is, and from when on it is suggested, is learned by asking every earlier question again without its
    own row: right is a reply that shares 60 % of its words with the one a person gave. The threshold is the lowest at
    which at least `wanted` of those suggestions were right.
    """
    rows = [row for row in answered.to_pylist() if (row[REPLY] or "").strip()]
    texts, replies = [_text(row) for row in rows], [str(row[REPLY]) for row in rows]
    index, vectors = bm25.build({"title": texts}), encoder.encode(texts)
    han = np.array([has_han(reply) for reply in replies], dtype=bool)
    start = Memory([str(r[MESSAGE]) for r in rows], replies, han, index, vectors, encoder, np.zeros(4), _NEVER)
    if len(rows) < LEAST_ANSWERS:
        return start
    asked = np.arange(len(rows))[-MOST_JUDGED:]
    found = _best(start, [texts[n] for n in asked], leave_out=asked)
    cut = [frozenset(words(reply)) for reply in replies]
    right = np.array(
        [p >= 0 and _alike(cut[n], cut[p]) for n, p in zip(asked.tolist(), found.place.tolist(), strict=True)]
    )
    if right.all() or not right.any():
        return start
    fold = np.arange(len(asked)) % 2  # the threshold must not be read off the rows that the weights were fitted to
    sure = np.zeros(len(asked))
    for half in (0, 1):
        fitted = fit_logistic(found.evidence[fold != half], right[fold != half], ridge=1.0)
        sure[fold == half] = sigmoid(found.evidence[fold == half] @ fitted[:-1] + fitted[-1])
    some = found.place >= 0
    weights = fit_logistic(found.evidence, right, ridge=1.0)
    threshold = lowest_threshold(sure[some], right[some], wanted)
    return Memory(start.message_id, replies, han, index, vectors, encoder, weights, threshold)


def suggest(messages: pa.Table, memory: Memory, intents: Intents | None) -> pa.Table:
    """A row of `SCHEMA` for each of `messages` (message_id, subject?, body), in their order.

    Each message is judged by itself: no text, however odd, changes another's row. Without `intents` none is known, and
    only the earlier answers speak. A reply is one of `memory.reply`, byte for byte.
    """
    rows = messages.to_pylist()
    texts = [_text(row) for row in rows]
    guesses: Sequence[Guess] = intents.guess(texts) if intents else [Guess(None, 0.0)] * len(rows)
    found = _best(memory, texts)
    sure = sigmoid(found.evidence @ memory.weights[:-1] + memory.weights[-1])
    made = []
    for row, text, guess, place, chance in zip(rows, texts, guesses, found.place.tolist(), sure.tolist(), strict=True):
        reason = _reason(text, guess if intents else None, place, chance, memory.threshold)
        kept = reason is None
        made.append(
            {
                MESSAGE: str(row[MESSAGE]),
                "intent": guess.intent,
                "intent_confidence": guess.confidence,
                "answered_message_id": memory.message_id[place] if kept else None,
                REPLY: memory.reply[place] if kept else None,
                "confidence": chance if place >= 0 else 0.0,
                "hand_over": reason,
            }
        )
    return pa.Table.from_pylist(made, schema=SCHEMA)


def _reason(text: str, guess: Guess | None, place: int, chance: float, threshold: float) -> str | None:
    if not words(text):
        return EMPTY
    if guess is not None and guess.intent is None:
        return NOT_KNOWN
    if place < 0:
        return NO_ANSWER
    return UNSURE if chance < threshold else None


def _best(memory: Memory, texts: list[str], leave_out: np.ndarray | None = None) -> Found:
    """By fused rank of words and vectors, among replies in the language of the message."""
    place, evidence = np.full(len(texts), -1), np.zeros((len(texts), 3))
    for start in range(0, len(texts) if memory.reply else 0, BLOCK):
        block = texts[start : start + BLOCK]
        matched = memory.bm25.search(memory.bm25.asked(block)).toarray()
        vectors = memory.encoder.encode(block)
        full = np.array([float(memory.bm25.idf[memory.bm25.asked([t]).indices].sum()) for t in block])
        for n, text in enumerate(block):
            allowed = memory.han == has_han(text)
            if leave_out is not None:
                allowed[leave_out[start + n]] = False
            rows = np.flatnonzero(allowed)
            if len(rows) and words(text):
                place[start + n], evidence[start + n] = _one(matched[n], memory.vectors, vectors[n], rows, full[n])
    return Found(place, evidence)


def _one(
    matched: np.ndarray, known: np.ndarray, vector: np.ndarray, rows: np.ndarray, full: float
) -> tuple[int, np.ndarray]:
    """The best row, and: its cosine, BM25 as a share of the query's weight, and its cosine's lead over the mean."""
    cosine = (known[rows] * vector).sum(axis=1)
    fused = fuse([matched[rows], cosine], np.zeros(len(rows), dtype=np.int64))
    best = int(np.lexsort((rows, -cosine, -fused))[0])
    share = float(matched[rows[best]]) / max(full, 1e-9) if full else 0.0
    return int(rows[best]), np.array([cosine[best], share, cosine[best] - cosine.mean()])


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= SAME_SHARE * max(len(one | other), 1)


def _text(row: dict[str, object]) -> str:
    return " ".join(str(row[name]) for name in (SUBJECT, BODY) if row.get(name))
