"""Reviews and support messages as rows of the contract."""

import datetime as dt
from collections.abc import Iterable, Iterator

from pipelines.sources._shop.catalogue import Row
from pipelines.sources._shop.lexicon import LANGUAGES
from pipelines.sources._shop.reviews import Review
from pipelines.sources._shop.settings import ShopSettings
from pipelines.sources._shop.support import Message
from pipelines.sources._shop.world import item_id, user_id


def moment_text(settings: ShopSettings, day: int, second: int) -> str:
    """UTC, to the second."""
    return (dt.datetime.combine(settings.day(day), dt.time()) + dt.timedelta(seconds=second)).isoformat() + "Z"


def review_rows(settings: ShopSettings, reviews: Iterable[Review]) -> Iterator[Row]:
    for review in reviews:
        yield {
            "review_id": review.review_id,
            "item_id": item_id(review.item),
            "user_id": user_id(review.user),
            "created_at": moment_text(settings, review.created, review.second),
            "rating": str(review.rating),
            "title": review.title,
            "body": review.body,
            "language": LANGUAGES[review.language] if review.names_language else None,
        }


def message_rows(settings: ShopSettings, messages: Iterable[Message]) -> Iterator[Row]:
    for message in messages:
        replied = moment_text(settings, message.created + 1, message.replied_second) if message.reply else None
        yield {
            "message_id": message.message_id,
            "user_id": None if message.user < 0 else user_id(message.user),
            "item_id": item_id(message.item),
            "created_at": moment_text(settings, message.created, message.second),
            "channel": message.channel,
            "language": LANGUAGES[message.language],
            "subject": message.subject,
            "body": message.body,
            "intent": message.intent if message.is_labelled else None,
            "reply": message.reply,
            "replied_at": replied,
        }
