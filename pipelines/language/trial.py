"""What a training run of a family of text models leaves: metrics in `ops`, a line in the registry, the run in MLflow.

Every such run compares two versions, the floor and what was learned, text by text or query by query, and beside them
the champion where it was no part of what is compared.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines import lake, ops
from pipelines.contracts import OPS_MODEL_METRICS
from pipelines.errors import UsageError
from pipelines.faults import fault_point
from pipelines.settings import Settings
from pipelines.tracked import tracking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from models.registry import Promotion

FLOOR, LEARNED, CHAMPION = "floor", "learned", "champion"
LOG_LOSS, NDCG = "log_loss", "ndcg@10"
SIGN = {LOG_LOSS: -1, NDCG: 1}
"""What the gate compares by; -1 where less is better."""
SAID = {LOG_LOSS: "log loss", NDCG: "NDCG@10"}
Metric = tuple[float, float | None, float | None]
"""A value and its 95 % interval."""


@dataclass(frozen=True)
class Trial:
    """`judged`: {model: {slice: of each text or query what `measure` gives it}}; the same ones, in the same order, for
    every model of a slice. `metrics`: {(model, slice): {metric: value and interval}}. `card`: Markdown.
    """

    family: str
    cutoff: date
    until: date
    measure: str
    versions: dict[str, str]
    judged: dict[str, dict[str, np.ndarray]]
    metrics: dict[tuple[str, str], dict[str, Metric]]
    card: str
    source: str  # the lake table that was learned from
    digest: str  # of what was learned from
    rows: int
    params: dict[str, Any] = field(default_factory=dict)
    figures: "dict[str, Figure]" = field(default_factory=dict)  # by file name, for MLflow


def standing(settings: Settings, family: str, cutoff: date) -> "Promotion | None":
    """The champion of today. Raises UsageError where it was learned from what it would be judged by."""
    from models.registry import champion_as_of

    champion = champion_as_of(settings.models, family)
    if champion is not None and date.fromisoformat(champion.cutoff) > cutoff:
        raise UsageError(
            f"the champion {champion.version} of {family} was learned from what was delivered up to {champion.cutoff},"
            f" and this run judges by what came after {cutoff}: choose a later --until"
        )
    return champion


def digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def keep(settings: Settings, trial: Trial, champion: "Promotion | None") -> dict[str, Any]:
    """Record the run everywhere; nothing is promoted by it. Returns what `train` answers."""
    fault_point("train.saved")
    rows = _record(settings, trial)
    run_id = _track(settings, trial)
    _register(settings, trial, champion, run_id)
    return {
        "family": trial.family, "cutoff": str(trial.cutoff), "until": str(trial.until), "versions": trial.versions,
        "metrics": rows, "mlflow_run": run_id,
    }  # fmt: skip


def _record(settings: Settings, trial: Trial) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    rows = [
        {
            "family": trial.family, "model_name": name, "model_version": trial.versions.get(name, ""),
            "cutoff": trial.cutoff, "test_days": settings.test_days, "slice": part, "metric": metric, "value": value,
            "low": low, "high": high, "users": len(trial.judged[name][part]), "trained_at": now,
        }
        for (name, part), found in trial.metrics.items()
        for metric, (value, low, high) in found.items()
    ]  # fmt: skip
    ops.record(settings, OPS_MODEL_METRICS, rows, f"train-{trial.family}")
    return [{n: str(v) if isinstance(v, date) else v for n, v in row.items()} for row in rows]


def _track(settings: Settings, trial: Trial) -> str:
    """The run in MLflow: metrics, the model card, the learned version as challenger. Returns its id."""
    from models.tracking import CHALLENGER, DataSet

    family, version = trial.family, trial.versions[LEARNED]
    data = DataSet(f"lake.{trial.source}", str(lake.version(settings)), trial.digest, "", str(trial.cutoff), trial.rows)
    params = {"until": str(trial.until), "cutoff": str(trial.cutoff), **trial.params}
    with (
        tracking(settings, family) as tracked,
        tracked.run(f"{family}-{trial.digest}-{trial.until}", f"{family} {trial.cutoff}", params, data) as run_id,
    ):
        tracked.metrics(
            {
                f"{part}/{name}/{metric}".replace("@", "_at_"): value
                for (name, part), found in trial.metrics.items()
                for metric, (value, _, _) in found.items()
            }
        )
        tracked.text(trial.card, "model_card.md")
        for name, figure in trial.figures.items():
            tracked.figure(figure, name)
        tags = {"model_name": LEARNED, "cutoff": str(trial.cutoff), "known_until": str(trial.until)}
        tracked.register(settings.models / family / version, run_id, tags, trial.card)
        tracked.alias(CHALLENGER, version)
    return run_id


def _register(settings: Settings, trial: Trial, champion: "Promotion | None", run_id: str) -> None:
    from models.artefact import save_artefact
    from models.registry import Training, record_training

    flat = {f"{name}/{part}": values for name, parts in trial.judged.items() for part, values in parts.items()}
    meta = {"metric": trial.measure, "cutoff": str(trial.cutoff), "until": str(trial.until)}
    results = save_artefact(settings.models / trial.family / "evaluations", flat, meta)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    standing = champion.version if champion is not None else ""
    record_training(
        settings.models,
        Training(
            trial.family, str(trial.cutoff), str(trial.until), False, trial.versions, results, now, standing, run_id
        ),
    )


def interval(values: np.ndarray) -> Metric:
    """The mean with its bootstrap interval over texts or queries."""
    from models.gate import SEED
    from models.metrics import bootstrap_interval

    return float(values.mean()), *bootstrap_interval(values, SEED)
