"""Sample lists of the night: what four kinds of people are shown, and why; with pictures where the shop has any."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

from pipelines.contracts import (
    LANDING_DATE,
    PRODUCT_IMAGES,
    RAW_TABLES,
    SCORES_RECOMMENDATIONS,
    SCORES_VISITORS,
)
from pipelines.errors import NightmarketError
from pipelines.report.book import Book, Row
from pipelines.report.words import said
from pipelines.settings import Settings

PLACES, BOUGHT, SIDE, YEAR = 10, 5, 72, 365
_COLUMNS = ("rank", "item_id", "score", "reason_type", "reason", "rule", "model_name", "model_version")
_ITEMS, _EVENTS, _IMAGES = (RAW_TABLES[name].name for name in ("products", "events", PRODUCT_IMAGES.name))
_FEATURES = "features.user_features"

# Each takes the first by these orders of those who have a list tonight; the last settles ties.
_KINDS = {
    "A heavy customer": ("purchased_lines_365d > 0", "purchased_lines_365d desc"),
    "A light customer": ("purchased_lines_365d > 0 and first_order_days >= 28", "purchased_lines_365d"),
    "A new customer": ("first_order_days < 28", "first_order_days"),
    "Somebody who has not bought yet": ("purchased_lines_365d = 0", "sessions_365d desc"),
}


def lists(settings: Settings, book: Book) -> list[Row]:
    """Each with who, rows (rank, item, title, picture, reason, rule) and what they bought last."""
    found: list[Row] = [
        {"who": who, "name": user, "rows": _of_user(book, user), "bought": _bought(book, user)}
        for who, user in _people(book).items()
    ]
    visitors = book.rows(
        SCORES_VISITORS.name, _COLUMNS, "where scored_for = ? and segment = 'all' and rank <= ? order by rank",
        [book.night, PLACES],
    )  # fmt: skip
    if visitors:
        found.append({"who": "A visitor", "name": "everybody", "rows": visitors, "bought": []})
    items = {row["item_id"] for one in found for row in (*one["rows"], *one["bought"])}
    titles = _titles(book, sorted(items))
    pictures = _pictures(settings, book, sorted({row["item_id"] for one in found for row in one["rows"]}))
    for one in found:
        for row in (*one["rows"], *one["bought"]):
            row["title"] = titles.get(row["item_id"]) or row["item_id"]
            row["picture"] = pictures.get(row["item_id"])
        one["has_pictures"] = any(row["picture"] for row in one["rows"])
        one["has_rules"] = any(row["rule"] for row in one["rows"])
    return found


def _people(book: Book) -> dict[str, str]:
    table = SCORES_RECOMMENDATIONS.name
    people: dict[str, str] = {}
    for who, (condition, order) in _KINDS.items():
        sql = (
            f"select user_id from {_FEATURES} where {condition}"
            f" and user_id in (select user_id from {table} where scored_for = ? and rank = 1)"
            f" order by {order}, user_id limit 1"
        )
        for row in book.ask((_FEATURES, table), ("user_id",), sql, [book.night]):
            people[who] = row["user_id"]
    return people


def _of_user(book: Book, user: str) -> list[Row]:
    rest = "where scored_for = ? and user_id = ? and rank <= ? order by rank"
    return book.rows(SCORES_RECOMMENDATIONS.name, _COLUMNS, rest, [book.night, user, PLACES])


def _bought(book: Book, user: str) -> list[Row]:
    """The items of the newest purchases, each once."""
    sql = (
        f"select item_id, max(occurred_at) as last_at from {_EVENTS} where user_id = ? and event_type = 'purchase'"
        f" and item_id is not null and event_date between ? and ? and {LANDING_DATE} <= ?"
        f" group by item_id order by last_at desc, item_id limit {BOUGHT}"
    )
    values = [user, book.days_back(YEAR), book.night, book.night]
    return book.ask((_EVENTS,), ("item_id", "last_at"), sql, values)


def _titles(book: Book, items: list[str]) -> dict[str, str]:
    """As they were delivered last, up to the night."""
    if not items:
        return {}
    rest = f"where item_id in ({_marks(items)}) and {LANDING_DATE} <= ? order by {LANDING_DATE}"
    rows = book.rows(_ITEMS, ("item_id", "title"), rest, [*items, book.night])
    return {row["item_id"]: row["title"] for row in rows if row["title"]}


def _marks(values: Iterable[str]) -> str:
    return ", ".join("?" for _ in values)


def _pictures(settings: Settings, book: Book, items: list[str]) -> dict[str, str]:
    """{item: its main picture, small, as a data URI}; nothing of a picture that cannot be had."""
    if not items:
        return {}
    rest = f"where item_id in ({_marks(items)}) and {LANDING_DATE} <= ? order by {LANDING_DATE}, position desc"
    rows = book.rows(_IMAGES, ("item_id", "content_hash"), rest, [*items, book.night])
    hashes = {row["item_id"]: row["content_hash"] for row in rows}  # the newest delivery's first picture is the last
    if not hashes:
        return {}
    from pipelines.media import store

    try:
        folder = store.folder_of(settings)
    except NightmarketError:  # nothing has landed in this home
        return {}
    small = {item: _small(folder, digest) for item, digest in hashes.items()}
    return {item: uri for item, uri in small.items() if uri}


def _small(folder: Path, digest: str) -> str | None:
    from PIL import Image

    from pipelines.media import pictures, store
    from pipelines.media.faulty import MediaError

    try:
        pixels = pictures.picture(store.get(folder, digest, pictures.MAX_BYTES), SIDE)
    except (MediaError, ValueError):  # ValueError: no hash
        return None
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def alt(title: str) -> str:
    """What a picture shows to somebody who cannot see it."""
    return f"Picture of {said(title, 120)}"
