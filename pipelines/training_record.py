"""What a training run leaves: metrics in `ops`, a line in the registry, and the run with its pictures in MLflow."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines import lake, ops
from pipelines.contracts import OPS_MODEL_METRICS
from pipelines.faults import fault_point
from pipelines.second_stage import contender
from pipelines.training_run import GATE_METRIC, Run

if TYPE_CHECKING:
    from models.gate import Values
    from models.recommender.configs import Transformer as TransformerConfig
    from models.tracking import DataSet, Tracking


def key(run: Run, config: "TransformerConfig") -> str:
    """Equal for runs that must end equal: the same data, dates, policy, config and seed."""
    from models.recommender.learned import SEED

    facts = [
        run.family, run.split.train.digest(), str(run.cutoff), str(run.until), run.settings.repeat_purchases,
        run.settings.training_days, asdict(config), SEED,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def dataset(run: Run) -> "DataSet":
    from models.tracking import DataSet

    data = run.split.train
    first = run.cutoff - timedelta(run.settings.training_days - 1)
    version = str(lake.version(run.settings))
    return DataSet("lake.events", version, data.digest(), str(first), str(run.cutoff), len(data.item))


def record(run: Run) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    rows = [
        {
            "family": run.family, "model_name": name, "model_version": run.versions.get(name, run.champion),
            "cutoff": run.cutoff, "test_days": run.settings.test_days, **row, "trained_at": now,
        }
        for name, result in run.results.items()
        for row in result.rows()
    ]  # fmt: skip
    ops.record(run.settings, OPS_MODEL_METRICS, rows, f"train-{run.family}")
    return [{n: str(v) if isinstance(v, date) else v for n, v in row.items()} for row in rows]


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """One line per model and slice, aligned: NDCG@10 with its interval, recall@10, and coverage@10 where it exists."""
    parts: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault((row["model_name"], row["slice"]), {})[row["metric"]] = row
    lines = []
    for (name, part), found in parts.items():
        if f"{GATE_METRIC}@10" not in found:  # nobody is in this slice
            continue
        gate, recall, coverage = found[f"{GATE_METRIC}@10"], found["recall@10"], found.get("coverage@10")
        line = f"{name:<15} {part:<10} {gate['users']:>7,} users  {GATE_METRIC}@10 {gate['value']:.4f}"
        line += f" [{gate['low']:.4f}, {gate['high']:.4f}]  recall@10 {recall['value']:.4f}"
        lines.append(line + (f"  coverage@10 {coverage['value']:.4f}" if coverage else ""))
    return lines


def against_floors(run: Run) -> list[str]:
    """The learned models minus the best floor, the second stage minus the blend: is the difference beyond doubt?"""
    from models.gate import best_of
    from models.recommender.configs import BLEND, CONFIGS, RANKER, TRANSFORMER

    values = run.values()
    best = best_of({name: values[name] for name in values if name in CONFIGS})
    lines = [_minus(values, name, best, f"the best floor {best}") for name in (TRANSFORMER, BLEND) if name in values]
    if RANKER in values:
        lines.append(_minus(values, RANKER, BLEND, f"the {BLEND}"))
    return lines


def _minus(values: "Mapping[str, Values]", name: str, other: str, said: str) -> str:
    from models.gate import SEED
    from models.metrics import paired_interval

    own, reference = values[name]["all"], values[other]["all"]
    low, high = paired_interval(own, reference, SEED)
    word = "includes zero" if low <= 0 <= high else "lies above zero" if low > 0 else "lies below zero"
    return f"{name} minus {said}: {(own - reference).mean():+.4f} [{low:+.4f}, {high:+.4f}]: {word}"


def track(run: Run, tracking: "Tracking", run_id: str) -> None:
    """Metrics, pictures and the model card; the candidate is registered and becomes `challenger`."""
    from models import card
    from models.tracking import CHALLENGER

    values = run.values()
    tracking.metrics(
        {f"{part}/{name}": float(v.mean()) for name, r in values.items() for part, v in r.items() if len(v)}
    )
    if "tokens_per_second" in run.learning:
        tracking.metrics({"tokens_per_second": run.learning["tokens_per_second"]})
        tracking.figure(card.curves(run.learning["curve"]), "plots/curves.png")
    tracking.figure(card.comparison(values), "plots/models.png")
    from models.gate import best_of

    name = contender(values) or best_of({n: v for n, v in values.items() if n in run.versions})
    data = run.split.train
    facts = {
        "model_name": name, "version": run.versions[name], "cutoff": run.cutoff, "until": run.until,
        "learned_until": run.learning.get("learned_until", run.cutoff), "lake_version": lake.version(run.settings),
        "digest": data.digest(), "events": len(data.item), "users": len(data.users), "items": len(data.items),
        "training_days": run.settings.training_days, "repeat_purchases": run.settings.repeat_purchases,
        "weights": run.learning.get("weights"), "best_epoch": run.learning.get("best_epoch"),
        "second_stage": run.learning.get("second_stage"),
    }  # fmt: skip
    text = card.card(facts, values, run.learning.get("curve", []))
    tracking.text(text, "model_card.md")
    folder = run.settings.models / run.family / run.versions[name]
    tags = {"model_name": name, "cutoff": str(run.cutoff), "known_until": str(run.until)}
    tracking.register(folder, run_id, tags, text)
    tracking.alias(CHALLENGER, run.versions[name])
    fault_point("train.tracked")


def register(run: Run, run_id: str) -> None:
    from models.artefact import save_artefact
    from models.registry import Training, record_training

    per_user = {f"{name}/{part}": v for name, parts in run.values().items() for part, v in parts.items()}
    meta = {"metric": GATE_METRIC, "cutoff": str(run.cutoff), "until": str(run.until), "models": list(run.results)}
    digest = save_artefact(run.settings.models / run.family / "evaluations", per_user, meta)
    fault_point("train.evaluated")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    training = Training(
        run.family, str(run.cutoff), str(run.until), run.settings.repeat_purchases, run.versions, digest, now,
        run.champion, run_id,
    )  # fmt: skip
    record_training(run.settings.models, training)
