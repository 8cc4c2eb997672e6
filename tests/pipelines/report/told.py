"""A hand-made warehouse of a shop with hostile texts, and a reader that knows what a page must keep to."""

import itertools
import xml.etree.ElementTree as ElementTree
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pipelines.contracts import (
    OPS_AUDIT_RESULTS,
    OPS_GATE,
    OPS_LANDING_FILES,
    OPS_NIGHTS,
    OPS_QUARANTINE,
    OPS_RUNS,
    RAW_TABLES,
    SCORES_RECOMMENDATIONS,
    SCORES_RULE_EFFECTS,
    SCORES_SHORT_LISTS,
    SCORES_VISITORS,
    Table,
)
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, transaction, upsert

NIGHT = date(2024, 5, 8)
BEFORE = NIGHT - timedelta(1)
HOSTILE = (
    "<script>alert(1)</script>",
    "</title><img src=http://evil.example/x onerror=alert(1)>",
    "‮txet \u05d0\u05d1 <b>",
    "x" * 5000,
    "bell \x07, half \ufffe & \"quotes' <!--/nights--> {{ 7 * 7 }}",
)
_NAMES = ("land", "preprocess", "score", "marts", "publish")

MARTS = {
    "marts.daily_kpis": "as_of date, event_date date, revenue decimal(18,2), orders bigint, customers bigint,"
    " new_customers bigint, units bigint, return_amount decimal(18,2), average_order_value double precision,"
    " anonymous_order_share double precision, sessions bigint",
    "marts.funnel": "as_of date, event_date date, sessions_with_view bigint, sessions_with_cart bigint,"
    " sessions_with_purchase bigint, cart_per_view double precision, purchase_per_cart double precision,"
    " purchase_per_session double precision",
    "marts.model_performance": "family text, model_name text, model_version text, evaluated_until date, slice text,"
    " metric text, value double precision, low double precision, high double precision, users bigint",
    "marts.support_queue": "as_of date, message_id text, age_days integer, hand_over text",
    "features.user_features": "user_id text, purchased_lines_365d bigint, first_order_days integer,"
    " sessions_365d bigint",
    "ops.monitor": "night date, area text, name text, part text, value double precision, reference double precision,"
    " threshold double precision, alarm boolean, n bigint, message text",
}
"""What dbt, or another step, makes; here by hand."""


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def write(settings: Settings, table: Table, rows: list[dict[str, Any]]) -> None:
    with open_warehouse(settings) as connection, transaction(connection):
        upsert(connection, table, rows)


def made(settings: Settings, table: str, rows: list[dict[str, Any]]) -> None:
    """Rows of a table that Python does not own, made first where it is not there."""
    with _maker(settings, table) as connection, transaction(connection):
        connection.execute(f"create table if not exists {table} ({MARTS[table]})")
        for row in rows:
            columns, marks = ", ".join(row), ", ".join("?" for _ in row)
            connection.execute(f"insert into {table} ({columns}) values ({marks})", list(row.values()))


def _maker(settings: Settings, table: str) -> Any:
    if not settings.postgres:
        return open_warehouse(settings)
    from pipelines.warehouse.postgres import OWNER, PUBLISHER, TRANSFORMER, connect

    open_warehouse(settings).close()
    return connect(settings, {"marts": PUBLISHER, "features": TRANSFORMER, "ops": OWNER}[table.partition(".")[0]])


def ran(settings: Settings, night: date = NIGHT, seconds: float = 10.0, **failed: str) -> None:
    """The night's steps in order, an hour apart; a step named in `failed` ended with that error, and none followed."""
    rows = []
    for hour, step in enumerate(_NAMES, start=1):
        error = failed.get(step)
        rows.append(
            {
                "night": str(night), "step": step, "status": "failed" if error else "done", "rows": 100, "error": error,
                "started_at": at(night, hour), "finished_at": at(night, hour, 10), "seconds": seconds,
            }
        )  # fmt: skip
        if error:
            break
    write(settings, OPS_RUNS, rows)
    if not failed:
        write(settings, OPS_NIGHTS, [{"night": night, "is_closed": False, "published_at": at(night, 5)}])


def fill(settings: Settings) -> None:
    """A published night with something in every section, hostile texts where the data may hold any."""
    for back in range(3, -1, -1):
        ran(settings, NIGHT - timedelta(back), seconds=100.0 if back == 0 else 10.0 + back)
    _delivered(settings)
    _shown(settings)
    _learned(settings)
    kpis = [(n, 150 if n == 0 else 100 if n == 7 else 80) for n in range(9) if n != 3]
    days = {back: {"as_of": NIGHT, "event_date": NIGHT - timedelta(back)} for back, _ in kpis}
    figures = [{**days[back], "revenue": revenue, "orders": 10, "sessions": 40 + back} for back, revenue in kpis]
    made(settings, "marts.daily_kpis", figures)
    made(settings, "marts.funnel", [{**days[n], "purchase_per_session": 0.25 if n else 0.26} for n in days])
    queue = [("m1", 3, None), ("m2", 9, HOSTILE[0]), ("m3", 1, HOSTILE[0])]
    made(
        settings, "marts.support_queue",
        [{"as_of": NIGHT, "message_id": m, "age_days": age, "hand_over": why} for m, age, why in queue],
    )  # fmt: skip
    monitor = {"night": NIGHT, "area": "scores", "part": HOSTILE[1], "value": 0.3, "threshold": 0.1, "n": 1000}
    made(
        settings, "ops.monitor",
        [
            {**monitor, "name": "psi", "alarm": True, "message": HOSTILE[0]},
            {**monitor, "name": "nulls", "alarm": False, "message": "as usual"},
        ],
    )  # fmt: skip


def _delivered(settings: Settings) -> None:
    file = {"rows_in": 1000, "rows_published": 1000, "rows_deduplicated": 0, "rows_quarantined": 0, "bytes": 1}
    rows = [
        {**file, "landing_date": NIGHT - timedelta(back), "entity": entity, "file": f"{entity}{back}"}
        for back in range(8)
        for entity in ("events", "users")
        if (entity, back) != ("users", 0)
    ]
    rows[0] |= {"rows_published": 950, "rows_quarantined": 50}
    write(settings, OPS_LANDING_FILES, rows)
    refused = {"landing_date": NIGHT, "entity": "events", "reason": HOSTILE[0], "rows": 50}
    write(settings, OPS_QUARANTINE, [refused])
    audit = {"night": str(NIGHT), "suite": "events", "unexpected_count": 1, "rows": 10}
    write(
        settings, OPS_AUDIT_RESULTS,
        [
            {**audit, "expectation": "a is given", "severity": "critical", "success": True, "observed": "fine"},
            {**audit, "expectation": HOSTILE[1], "severity": "warning", "success": False, "observed": HOSTILE[0]},
        ],
    )  # fmt: skip


def _shown(settings: Settings) -> None:
    items = [f"i{n}" for n in range(len(HOSTILE))]
    titles = [{"item_id": item, "title": title} for item, title in zip(items, HOSTILE, strict=True)]
    write(settings, RAW_TABLES["products"], [{**row, "landing_date": BEFORE, "file": "f", "line": 1} for row in titles])
    stamp = {"scored_for": NIGHT, "score": 1.0, "model_name": HOSTILE[0], "model_version": "v1", "run_id": "r"}
    for user in ("heavy", HOSTILE[0], "newcomer"):
        rows = [
            {**stamp, "user_id": user, "rank": rank, "item_id": item, "reason": HOSTILE[rank - 1], "rule": None}
            for rank, item in enumerate(items, start=1)
        ]
        write(settings, SCORES_RECOMMENDATIONS, rows)
    visitor = {**stamp, "segment": "all", "rank": 1, "item_id": "i0", "reason": "popular", "rule": HOSTILE[0]}
    write(settings, SCORES_VISITORS, [visitor])
    people = [("heavy", 90, 300), ("unlisted", 99, 300), (HOSTILE[0], 1, 200), ("newcomer", 2, 3)]
    made(
        settings, "features.user_features",
        [{"user_id": u, "purchased_lines_365d": n, "first_order_days": d, "sessions_365d": 1} for u, n, d in people],
    )  # fmt: skip
    effect = {"scored_for": NIGHT, "rule": HOSTILE[0], "line": 1, "kind": "pin", "state": "skipped", "note": HOSTILE[1]}
    write(settings, SCORES_RULE_EFFECTS, [effect])
    write(settings, SCORES_SHORT_LISTS, [{"scored_for": NIGHT, "reason": HOSTILE[2], "users": 2, "missing_rows": 5}])


def _learned(settings: Settings) -> None:
    figures = {"family": "recommender", "slice": "all", "metric": "ndcg@10", "users": 900}
    rows = [
        {
            **figures, "model_name": name, "model_version": version, "evaluated_until": NIGHT - timedelta(back),
            "value": value - back / 1000, "low": value - 0.02, "high": value + 0.02,
        }
        for back in (9, 2)
        for name, version, value in (("blend", "b1", 0.3), ("popular", "p1", 0.1), (HOSTILE[0], "h1", 0.2))
    ]  # fmt: skip
    made(settings, "marts.model_performance", [*rows, {**rows[0], "slice": "new_users"}])
    gate = {
        "family": "recommender", "model_name": "blend", "model_version": "b1", "cutoff": BEFORE, "slice": "all",
        "against": HOSTILE[0], "rule": "better", "users": 900, "challenger": 0.3, "reference": 0.1, "low": 0.1,
        "high": 0.3, "passed": True, "verdict": HOSTILE[1], "promoted": True,
    }  # fmt: skip
    write(settings, OPS_GATE, [gate])


def contrast(one: str, other: str) -> float:
    """Of two colours, '#rrggbb' or 'rgb(r, g, b)', by WCAG 2: (lighter + .05) / (darker + .05) of their luminances."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    if colour.startswith("#"):
        parts = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    else:
        parts = [int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    shares = [part / 255 for part in parts]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in shares]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


class Read(HTMLParser):
    """What is in a page; `check` says whether it is whole, self-contained and accessible."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert len(given) == len(attrs), f"an attribute is given twice in {tag}"
        self.tags.append((tag, given))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, *names: str) -> list[dict[str, str]]:
        return [given for tag, given in self.tags if tag in names]

    def links(self) -> list[str]:
        return [given["href"] for given in self.all("a")]

    def check(self, place: Path | None = None) -> None:
        """`place`: the folder that relative links are looked for in."""
        assert not self.open
        ids = [given["id"] for _, given in self.tags if "id" in given]
        assert len(ids) == len(set(ids))
        for tag, given in self.tags:
            assert tag not in ("script", "iframe", "object", "embed", "form", "base"), tag
            assert not [name for name in given if name.startswith("on")], tag
            for name in ("src", "href", "srcset", "xlink:href"):
                assert not given.get(name, "").startswith(("http", "//", "javascript", "file")), given
        for href in self.links():
            if href.startswith("#"):
                assert href[1:] in ids, href
            elif place is not None:
                assert (place / href).is_file(), href
        levels = [int(tag[1]) for tag, _ in self.tags if tag in ("h1", "h2", "h3")]
        assert levels[:1] == [1] and levels.count(1) == 1
        assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
        assert all(given.get("scope") in ("col", "row") for given in self.all("th"))
        assert all(given["src"].startswith("data:image/") and given["alt"] for given in self.all("img"))
        assert all(given.get("aria-hidden") or given.get("aria-labelledby") for given in self.all("svg"))
        for start in self.text.split("<svg")[1:]:
            ElementTree.fromstring("<svg" + start.partition("</svg>")[0] + "</svg>")
        assert self.all("html")[0]["lang"] == "en"
