"""Train the floors on one global time split, judge them on the days held out, promote the best on its interval."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipelines import lake, ops, staging
from pipelines.contracts import OPS_MODEL_METRICS
from pipelines.errors import NightmarketError, UsageError
from pipelines.faults import fault_point
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.recommender.configs import Config
    from models.recommender.evaluation import Result
    from models.recommender.ranking import Recommender
    from models.registry import Promotion, Training
    from models.split import Split

RECOMMENDER = "recommender"
FAMILIES = (RECOMMENDER,)
GATE_METRIC = "ndcg"
SEED = 20_180_101

Report = Callable[[str], None]


def train(settings: Settings, family: str, until: date | None = None, progress: Report | None = None) -> dict[str, Any]:
    """Fit every floor on data up to `until` − test_days, judge all on the test days, save them and their metrics.

    `until` defaults to the newest event date in the lake. Nothing of the test days reaches a fit. The metrics go to
    `ops.model_metrics`, the models to the registry; nothing is promoted. Returns the table and what was skipped.
    """
    from models.recommender import floors
    from models.recommender.configs import CONFIGS
    from models.recommender.evaluation import evaluate

    _check_family(family)
    say = progress or (lambda _: None)
    until = until or _newest_day(settings)
    cutoff = until - timedelta(settings.test_days)
    split = _split(settings, cutoff, until)
    available = availability(lake.products(settings, cutoff), split.train.items, cutoff)
    staging.require_whole(settings)  # after the reading, so that a `publish-lake` killed during it is seen too
    versions, results, skipped, seconds = {}, {}, {}, {}
    for name, config in CONFIGS.items():
        started = time.monotonic()
        say(f"{name}: fitting on {len(split.train.item)} events up to {cutoff}")
        try:
            model = floors.fit(split.train, config)
        except floors.NotApplicable as reason:
            skipped[name] = str(reason)
            say(f"{name}: not applicable, {reason}")
            continue
        versions[name] = save_model(settings.models / family, name, config, cutoff, split.train.items, model)
        fault_point("train.saved")
        results[name] = evaluate(model, split, available)
        seconds[name] = round(time.monotonic() - started, 2)
    rows = _record(settings, family, cutoff, versions, results)
    fault_point("train.recorded")
    for line in _summary(rows):
        say(line)
    _register(settings, family, cutoff, until, versions, results)
    fault_point("train.registered")
    return {
        "family": family, "cutoff": str(cutoff), "until": str(until), "test_users": len(split.test_users),
        "versions": versions, "not_applicable": skipped, "seconds": seconds, "metrics": rows,
    }  # fmt: skip


def _check_family(family: str) -> None:
    if family not in FAMILIES:
        raise UsageError(f"unknown model family {family!r}; known: {', '.join(FAMILIES)}")


def _newest_day(settings: Settings) -> date:
    days = lake.landed_days(settings)
    if not days:
        raise NightmarketError("the lake holds no events to train on; run `nightmarket history` first")
    return days[-1]


def _split(settings: Settings, cutoff: date, until: date) -> "Split":
    from models.split import time_split

    # Where repeats are masked, what counts is everything a user ever bought, not only the window. Both dates of a row
    # are held to the cut-off: one delivered later was not known then, whenever it happened.
    past = lake.interactions(settings, cutoff, settings.training_days if settings.repeat_purchases else None)
    future = lake.interactions(settings, until, settings.test_days)
    split = time_split(past, future, cutoff, settings.test_days, settings.training_days, settings.repeat_purchases)
    if not len(split.train.item) or not len(split.test_users):
        raise NightmarketError(
            f"cannot train: {len(split.train.item)} events in the {settings.training_days} days up to {cutoff} and"
            f" {len(split.test_users)} test users after it; choose a later --until or land more days"
        )
    return split


def availability(products: pa.Table, items: pa.Array, day: date) -> np.ndarray:
    """bool [I]: items that may be recommended on `day`. An item no product row speaks of is available."""
    import pyarrow.compute as pc

    row = pc.index_in(items, value_set=products["item_id"].combine_chunks())
    begins, ends = products["available_from"].take(row), products["available_to"].take(row)
    begun = pc.fill_null(pc.less_equal(begins, pa.scalar(day)), True)
    left = pc.fill_null(pc.greater_equal(ends, pa.scalar(day)), True)
    return pc.and_(begun, left).to_numpy(zero_copy_only=False)


def save_model(parent: Path, name: str, config: "Config", cutoff: date, items: pa.Array, model: "Recommender") -> str:
    """Save a fitted floor under its digest; returns the version."""
    from models.artefact import save_artefact
    from models.recommender.configs import as_json

    meta = {"model_name": name, "config": as_json(config), "cutoff": str(cutoff), "items": items.to_pylist()}
    return save_artefact(parent, model.arrays(), meta)


def _record(
    settings: Settings, family: str, cutoff: date, versions: dict[str, str], results: "dict[str, Result]"
) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    rows = [
        {
            "family": family,
            "model_name": name,
            "model_version": versions[name],
            "cutoff": cutoff,
            "test_days": settings.test_days,
            **row,
            "trained_at": now,
        }
        for name, result in results.items()
        for row in result.rows()
    ]
    ops.record(settings, OPS_MODEL_METRICS, rows, f"train-{family}")
    return [{n: str(v) if isinstance(v, date) else v for n, v in row.items()} for row in rows]


def _summary(rows: list[dict[str, Any]]) -> list[str]:
    """One line per floor and slice, aligned: NDCG@10 with its interval, recall@10, and coverage@10 where it exists."""
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


def _register(
    settings: Settings,
    family: str,
    cutoff: date,
    until: date,
    versions: dict[str, str],
    results: "dict[str, Result]",
) -> None:
    from models.artefact import save_artefact
    from models.registry import Training, record_training

    per_user = {name: result.values["all"][GATE_METRIC] for name, result in results.items()}
    meta = {"metric": GATE_METRIC, "cutoff": str(cutoff), "until": str(until), "models": list(results)}
    digest = save_artefact(settings.models / family / "evaluations", per_user, meta)
    fault_point("train.evaluated")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    training = Training(family, str(cutoff), str(until), settings.repeat_purchases, versions, digest, now)
    record_training(settings.models, training)


def promote(settings: Settings, family: str, dry_run: bool = False) -> dict[str, Any]:
    """Promote the best floor of the newest training run if the held-out days speak for it; say the verdict in words.

    With no champion the best floor becomes it. A champion is replaced only where the 95 % interval of the paired
    difference in NDCG@10 to the same floor, both fitted in that run, lies above zero. "champion" in the answer is who
    scores from now on, promoted or not; None where there is nobody yet.
    """
    from models.registry import Promotion, champion_as_of, latest_training
    from models.registry import promote as append

    _check_family(family)
    training = latest_training(settings.models, family)
    if training is None:
        raise NightmarketError(f"no training run of {family} to promote from; run `nightmarket train` first")
    champion = champion_as_of(settings.models, family)
    best, verdict, promoted = _verdict(_per_user(settings, family, training), champion)
    if promoted and not dry_run:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        version, until = training.versions[best], training.known_until
        fault_point("promote.decided")
        append(settings.models, Promotion(family, best, version, training.cutoff, until, now, verdict))
        fault_point("promote.appended")
    scoring = champion_as_of(settings.models, family)
    return {
        "family": family, "model_name": best, "model_version": training.versions[best], "cutoff": training.cutoff,
        "promoted": promoted and not dry_run, "would_promote": promoted, "dry_run": dry_run, "verdict": verdict,
        "champion": scoring and {"model_name": scoring.model_name, "model_version": scoring.version},
    }  # fmt: skip


def _per_user(settings: Settings, family: str, training: "Training") -> dict[str, np.ndarray]:
    from models.artefact import ArtefactError, load_artefact

    try:
        arrays, _ = load_artefact(settings.models / family / "evaluations" / training.results)
    except ArtefactError as error:
        raise NightmarketError(str(error)) from error
    return {name: arrays[name] for name in training.versions}


def _verdict(per_user: dict[str, np.ndarray], champion: "Promotion | None") -> tuple[str, str, bool]:
    """The best floor, a sentence that says why it is or is not promoted, and which of the two it is."""
    from models.metrics import paired_interval

    best = max(per_user, key=lambda name: float(per_user[name].mean()))
    level = f"{best} leads with NDCG@10 {per_user[best].mean():.4f} over {len(per_user[best])} users"
    if champion is None:
        return best, f"{level}; there was no champion", True
    if champion.model_name == best:
        return best, f"{level} and is the champion already: nothing changes", False
    if champion.model_name not in per_user:
        return best, f"{level}; the champion {champion.model_name} could not be fitted on this data", True
    low, high = paired_interval(per_user[best], per_user[champion.model_name], SEED)
    against = f"difference to the champion {champion.model_name} 95 % [{low:+.4f}, {high:+.4f}]"
    if low > 0:
        return best, f"{level}; {against} lies above zero", True
    return best, f"{level}; {against} does not lie above zero: the champion stays", False
