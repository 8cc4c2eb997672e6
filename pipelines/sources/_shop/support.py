"""Support messages of a day, and the answers that came on it to those of the day before."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.sources._shop.afterwards import Past, Purchases
from pipelines.sources._shop.events import moment
from pipelines.sources._shop.lexicon import CATEGORIES
from pipelines.sources._shop.personal import Span, Text, fake, pick
from pipelines.sources._shop.words_support import (
    CHANNELS,
    CLOSINGS,
    INTENTS,
    OPENINGS,
    PERSONAL,
    REPEATED,
    SUBJECTS,
    Intent,
)
from pipelines.sources._shop.world import World

ANSWERED, LABELLED = 0.7, 0.6  # shares: of messages; of answers that also name the intent
PERSONAL_SHARE = 0.2  # of messages, in the text
PERSONAL_SUBJECTS, PERSONAL_REPLIES = 0.05, 0.1  # of subjects and of answers
_SALT = 100  # keeps the moments of messages apart from those of returns and ratings
_OPENS, _CLOSES = 8 * 3600, 18 * 3600  # of the people who answer

_CHANCES = np.cumsum([intent.weight for intent in INTENTS])


@dataclass(frozen=True)
class Message:
    """A support message as delivered on one day, and what is true of it."""

    message_id: str
    item: int
    user: int  # -1 where the shop does not know
    created: int  # day number
    second: int
    channel: str
    language: int
    subject: str | None
    body: str
    intent: str
    spans: tuple[Span, ...]
    reply: str | None = None
    replied_second: int = 0  # of the day after `created`
    is_labelled: bool = False


def messages_of(past: Past, day: int) -> Iterator[Message]:
    """New messages of the day, then answers to those of the day before; each by day and number of the purchase."""
    for asked, is_answer in ((day, False), (day - 1, True)):
        for bought in past.around(day):
            for number in np.flatnonzero(bought.asked == asked).tolist():
                message = _message(past.world, bought, number, is_answer)
                if message:
                    yield message


def _message(world: World, bought: Purchases, number: int, is_answer: bool) -> Message | None:
    """The message that follows a purchase; as an answer None where nobody answers."""
    draw = world.settings.stream("message", bought.day, number)
    is_answered, is_labelled = draw.random() < ANSWERED, draw.random() < LABELLED
    if is_answer and not is_answered:
        return None
    item, user = int(bought.item[number]), int(bought.user[number])
    language = int(world.users.language[user])
    intent = INTENTS[int(np.searchsorted(_CHANCES, draw.random() * _CHANCES[-1], side="right"))]
    noun = CATEGORIES[world.items.category[item]].noun[language]
    subject = _subject(draw, language, noun) if draw.random() < 0.5 else None
    body = _body(draw, intent, language, noun, f"NM-{draw.integers(10**5, 10**6)}")
    reply = _reply(draw, intent, language)
    shown = [text for text in (subject, body, reply if is_answer else None) if text]
    return Message(
        message_id=f"m{bought.day:05d}-{number}",
        item=item,
        user=user if bought.known[number] else -1,
        created=int(bought.asked[number]),
        second=int(moment(bought.day, np.array(number), _SALT)),
        channel=pick(draw, CHANNELS),
        language=language,
        subject=subject.text if subject else None,
        body=body.text,
        intent=intent.name,
        spans=tuple(span for text in shown for span in text.spans),
        reply=reply.text if is_answer else None,
        replied_second=int(draw.integers(_OPENS, _CLOSES)),
        is_labelled=is_answer and bool(is_labelled),
    )


def _subject(draw: np.random.Generator, language: int, noun: str) -> Text:
    text = Text(language, "subject")
    text.add(pick(draw, SUBJECTS)[language].format(n=noun))
    if draw.random() < PERSONAL_SUBJECTS:
        text.add_personal("(", *fake(draw, language), ")")
    return text


def _reply(draw: np.random.Generator, intent: Intent, language: int) -> Text:
    text = Text(language, "reply")
    text.add(intent.reply[language])
    if draw.random() < PERSONAL_REPLIES:
        before, after = REPEATED[language]
        text.add_personal(before, *fake(draw, language), after)
    return text


def _body(draw: np.random.Generator, intent: Intent, language: int, noun: str, order: str) -> Text:
    text = Text(language, "body")
    if draw.random() < 0.5:
        text.add(pick(draw, OPENINGS)[language])
    text.add(pick(draw, intent.asks)[language].format(n=noun, order=order))
    if draw.random() < PERSONAL_SHARE:
        before, after = pick(draw, PERSONAL)
        kind, value = fake(draw, language)
        text.add_personal(before[language], kind, value, after[language])
    if draw.random() < 0.4:
        text.add(pick(draw, CLOSINGS)[language])
    return text
