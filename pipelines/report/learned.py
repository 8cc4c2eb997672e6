"""What was learned: the champion against its floors and over time, what the gate said, and what the monitor saw."""

from datetime import date
from typing import Any

from models.registry import Promotion, champion_as_of
from pipelines.contracts import OPS_GATE, OPS_MONITOR, SCORES_RECOMMENDATIONS
from pipelines.report.book import Book, Row
from pipelines.settings import Settings

PERFORMANCE, MONITOR = "marts.model_performance", OPS_MONITOR.name

# What a family is judged by, the first that it has.
_MAIN = ("ndcg@10", "log_loss", "log_loss_28d", "recall@20")
_LOWER_IS_BETTER = ("log_loss", "brier", "ece", "calibration_error", "basket_size_error")
_COLUMNS = (
    "family", "model_name", "model_version", "evaluated_until", "slice", "metric", "value", "low", "high", "users",
)  # fmt: skip


def is_lower_better(metric: str) -> bool:
    return metric.startswith(_LOWER_IS_BETTER) and not metric.startswith("log_loss_saved")


def families(settings: Settings, book: Book) -> list[dict[str, Any]]:
    """Of each family: its champion of the night, the newest evaluation, the course of its main metric, the gate."""
    rest = "where evaluated_until <= ? order by family, evaluated_until, slice, metric, model_name"
    rows = book.rows(PERFORMANCE, _COLUMNS, rest, [book.night])
    gates = _gates(book)
    promoted = {path.parent.name for path in settings.models.glob("*/promotions.jsonl")}
    told = []
    for name in sorted({row["family"] for row in rows} | {row["family"] for row in gates} | promoted):
        own = [row for row in rows if row["family"] == name]
        champion = champion_as_of(settings.models, name, book.night)
        told.append(
            {
                "family": name, "champion": _champion(champion, book.night), **_evaluation(own, champion),
                "gate": [row for row in gates if row["family"] == name],
            }
        )  # fmt: skip
    return told


def _champion(found: Promotion | None, night: date) -> Row | None:
    if found is None:
        return None
    until = date.fromisoformat(found.known_until)
    return {
        "model_name": found.model_name, "version": found.version, "cutoff": found.cutoff, "known_until": until,
        "promoted_at": found.promoted_at[:10], "reason": found.reason, "age": (night - until).days,
    }  # fmt: skip


def _evaluation(rows: list[Row], champion: Promotion | None) -> dict[str, Any]:
    if not rows:
        return {"metric": None, "latest": [], "others": [], "course": {}, "until": None}
    here = {row["metric"] for row in rows}
    metric = next((name for name in _MAIN if name in here), min(here))
    until = max(row["evaluated_until"] for row in rows if row["metric"] == metric)
    newest = [row for row in rows if row["evaluated_until"] == until]
    slices = sorted({row["slice"] for row in newest if row["metric"] == metric}, key=lambda s: (s != "all", s))
    for row in rows:
        row["is_champion"] = champion is not None and row["model_version"] == champion.version
    main = [row for row in newest if row["metric"] == metric and row["slice"] == slices[0]]
    main.sort(key=lambda row: (row["value"] if is_lower_better(metric) else -row["value"], row["model_name"]))
    past = [row for row in rows if row["metric"] == metric and row["slice"] == slices[0]]
    course: dict[str, dict[date, float]] = {}
    for row in past:
        course.setdefault(row["model_name"], {})[row["evaluated_until"]] = row["value"]
    others = [row for row in newest if row not in main]
    return {"metric": metric, "slice": slices[0], "latest": main, "others": others, "course": course, "until": until}


def _gates(book: Book) -> list[Row]:
    """The comparisons of each family's newest judgement, by the day its training data ended."""
    columns = (
        "family", "model_name", "model_version", "cutoff", "slice", "against", "rule", "users", "challenger",
        "reference", "low", "high", "passed", "verdict", "promoted",
    )  # fmt: skip
    rows = book.rows(OPS_GATE.name, columns, "where cutoff <= ? order by family, slice, against", [book.night])
    newest: dict[str, date] = {}
    for row in rows:
        newest[row["family"]] = max(row["cutoff"], newest.get(row["family"], row["cutoff"]))
    return [row for row in rows if row["cutoff"] == newest[row["family"]]]


def scored_by(book: Book) -> list[Row]:
    """The models that the night's lists are from."""
    table, names = SCORES_RECOMMENDATIONS.name, ("model_name", "model_version", "users", "rows")
    sql = (
        "select model_name, model_version, cast(count(distinct user_id) as bigint), cast(count(*) as bigint)"
        f" from {table} where scored_for = ? group by model_name, model_version order by model_name, model_version"
    )
    return book.ask((table,), names, sql, [book.night])


def monitored(book: Book) -> list[Row]:
    """What was measured of the night, alarms first; empty where nothing was."""
    columns = ("area", "name", "part", "value", "reference", "threshold", "alarm", "n", "message")
    rest = "where cast(night as text) = ? order by area, name, part"
    return sorted(book.rows(MONITOR, columns, rest, [str(book.night)]), key=lambda row: not row["alarm"])
