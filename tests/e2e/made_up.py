"""Rows for marts that a tiny shop leaves empty, so that every chart has something to draw."""

from datetime import date, timedelta
from typing import Any

from tests.e2e.published import Rows

SEGMENTS = {"loyal": 3, "new": 1, "visitor": 2}
"""With how many parts of the impressions."""


def made_up(night: date) -> dict[str, Rows]:
    """Lists that came back, judged models, a rule, a check that fails, an alarm; of a week up to the night."""
    days = [night - timedelta(back) for back in range(7)]
    rule = {"scored_for": night, "rule": "no gifts", "line": 2, "kind": "deny", "state": "applied", "items": 3}
    failed = {"as_of": night, "check_date": night, "check_kind": "audit", "subject": "by hand", "check_name": "fails",
              "is_passed": False, "rows_checked": 10, "rows_failed": 2}  # fmt: skip
    return {
        "recommendation_performance": [row for day in days for row in _came_back(night, day)],
        "model_performance": _judged(night),
        "rule_effects": [{**rule, "lists": 4, "places": 0}],
        "data_quality": [failed],
        "night_monitor": [row for day in days for row in _measured(night, day)],
    }


def _came_back(night: date, day: date) -> Rows:
    found = []
    for place in range(1, 11):
        parts = {
            segment: _counts(parts * (60 + 7 * (day.toordinal() % 5)), place) for segment, parts in SEGMENTS.items()
        }
        parts["all"] = {name: sum(counts[name] for counts in parts.values()) for name in parts["new"]}
        for segment, counts in parts.items():
            found.append({
                "as_of": night, "scored_for": day, "model_name": "ranker", "model_version": "v1", "segment": segment,
                "position": place, **counts, "revenue": f"{counts['purchases'] * 7.5:.2f}",
                "return_amount": f"{counts['returns'] * 7.5:.2f}",
            })  # fmt: skip
    return found


def _counts(shown: int, place: int) -> dict[str, int]:
    impressions = shown * 10 // (9 + place)
    clicks = impressions // (3 + place)
    return {"impressions": impressions, "clicks": clicks, "carts": clicks // 2, "purchases": clicks // 4,
            "returns": clicks // 40}  # fmt: skip


def _judged(night: date) -> Rows:
    metrics = {
        "recommender": ("ndcg@10", "coverage@10"), "next_basket": ("f1@10",),
        "propensity": ("calibration_error_7d", "calibration_error_28d", "log_loss_saved_28d"),
    }  # fmt: skip
    return [
        {"as_of": night, "family": family, "model_name": model, "model_version": "v1", "cutoff": cutoff,
         "slice": "all", "metric": metric, "value": 0.25, "low": 0.2, "high": 0.3, "users": 90,
         "is_latest": cutoff == night}
        for family, names in metrics.items() for metric in names for model in ("trees", "by hand")
        for cutoff in (night, night - timedelta(7))
    ]  # fmt: skip


def _measured(night: date, day: date) -> list[dict[str, Any]]:
    wobble = (day.toordinal() % 5) / 100
    return [
        {"as_of": night, "night": day, "area": "lists", "name": name, "part": "by hand", "value": value + wobble,
         "threshold": 0.1, "is_alarm": day == night and name == "APLT", "n": 90, "message": "made up"}
        for name, value in {"coverage@20": 0.5, "Gini of exposure": 0.7, "APLT": 0.3}.items()
    ]  # fmt: skip
