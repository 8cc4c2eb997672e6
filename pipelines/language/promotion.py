"""Whether a trained reader of reviews becomes champion: its log loss on later reviews, language by language.

Above the floor in some language beyond doubt and below it in none; where that is not so, the floor itself is the
candidate. Then not below the champion beyond doubt in any language, and no language that the champion reads is lost.
"""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines import ops
from pipelines.contracts import OPS_GATE
from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.language.reader import FAMILY
from pipelines.language.training import CHAMPION, FLOOR, LEARNED
from pipelines.settings import Settings
from pipelines.tracked import tracking

if TYPE_CHECKING:
    from models.registry import Promotion, Training

Losses = dict[str, dict[str, np.ndarray]]
"""{model: {language: log loss of each judged review}}."""


def promote_reviews(settings: Settings, dry_run: bool = False, version: str | None = None) -> dict[str, Any]:
    """Hold the newest training run against the floor and the champion; the answer is that of `promotion.promote`."""
    from models.registry import Promotion, champion_as_of, latest_training
    from models.registry import promote as append

    training = latest_training(settings.models, FAMILY)
    if training is None:
        raise NightmarketError(f"no training run of {FAMILY} to promote from; run `nightmarket train {FAMILY}` first")
    champion = champion_as_of(settings.models, FAMILY)
    losses = _losses(settings, training)
    if champion is not None and champion.version not in (*training.versions.values(), training.champion):
        raise NightmarketError(
            f"the champion {champion.version} was not judged in the newest training run: run `nightmarket train"
            f" {FAMILY}` again"
        )
    name, rows = _candidate(losses)
    chosen = training.versions[name]
    if version is not None and chosen != version:
        raise NightmarketError(f"{name} {chosen} of a newer training run stands where {version} was asked for")
    worse = _against_champion(losses, name, champion, training)
    rows += worse
    refused = [row for row in worse if not row["passed"]]
    verdict = _sentence(name, champion, chosen, losses, refused)
    promoted = not refused and (champion is None or champion.version != chosen)
    _report(settings, training, name, rows, verdict, promoted and not dry_run)
    if promoted and not dry_run:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        fault_point("promote.decided")
        append(settings.models, Promotion(FAMILY, name, chosen, training.cutoff, training.known_until, now, verdict))
        fault_point("promote.appended")
    scoring = champion_as_of(settings.models, FAMILY)
    if not dry_run and scoring is not None:
        _follow(settings, scoring, training)
    return {
        "family": FAMILY, "model_name": name, "model_version": chosen, "cutoff": training.cutoff,
        "promoted": promoted and not dry_run, "would_promote": promoted, "dry_run": dry_run, "verdict": verdict,
        "champion": {"model_name": scoring.model_name, "model_version": scoring.version} if scoring else None,
    }  # fmt: skip


def _losses(settings: Settings, training: "Training") -> Losses:
    from models.artefact import ArtefactError, load_artefact

    try:
        arrays, _ = load_artefact(settings.models / FAMILY / "evaluations" / training.results)
    except ArtefactError as error:
        raise NightmarketError(str(error)) from error
    found: Losses = {}
    for key, array in arrays.items():
        model, language = key.split("/")
        found.setdefault(model, {})[language] = array
    return found


def _candidate(losses: Losses) -> tuple[str, list[dict[str, Any]]]:
    rows = [_compared(language, LEARNED, FLOOR, losses, "log loss below") for language in sorted(losses[LEARNED])]
    above = any(row["low"] > 0 for row in rows) and not any(row["high"] < 0 for row in rows)
    return (LEARNED if above else FLOOR), rows


def _against_champion(
    losses: Losses, name: str, champion: "Promotion | None", training: "Training"
) -> list[dict[str, Any]]:
    if champion is None:
        return []
    reference = next((n for n, version in training.versions.items() if version == champion.version), CHAMPION)
    rows = []
    for language in sorted(losses.get(reference, {})):
        if language in losses[name]:
            row = _compared(language, name, reference, losses, "log loss not above beyond doubt")
            rows.append({**row, "against": f"champion {champion.model_name}", "passed": row["high"] >= 0})
    return rows


def _compared(language: str, name: str, other: str, losses: Losses, rule: str) -> dict[str, Any]:
    """What `name` saves against `other`, with its interval: positive is better."""
    from models.gate import SEED
    from models.metrics import paired_interval

    own, reference = losses[name][language], losses[other][language]
    low, high = paired_interval(reference, own, SEED)
    return {
        "slice": language, "against": other, "rule": rule, "users": len(own), "challenger": -float(own.mean()),
        "reference": -float(reference.mean()), "low": low, "high": high, "passed": low > 0,
    }  # fmt: skip


def _sentence(
    name: str, champion: "Promotion | None", chosen: str, losses: Losses, refused: list[dict[str, Any]]
) -> str:
    level = ", ".join(f"{language} {values.mean():.4f}" for language, values in sorted(losses[name].items()))
    said = f"{name}: log loss {level}"
    if champion is not None and champion.version == chosen:
        return f"{said}; it is the champion already"
    if refused:
        worse = ", ".join(row["slice"] for row in refused)
        return f"{said}; not promoted: worse than the champion beyond doubt in {worse}"
    if name == FLOOR:
        return f"{said}; nothing beats the floor beyond doubt, so it reads"
    return f"{said}; it earned its place against the floor"


def _report(
    settings: Settings, training: "Training", name: str, rows: list[dict[str, Any]], verdict: str, promoted: bool
) -> None:
    now = datetime.now(UTC)
    same = {
        "family": FAMILY, "model_name": name, "model_version": training.versions[name],
        "cutoff": date.fromisoformat(training.cutoff), "verdict": verdict, "promoted": promoted, "judged_at": now,
    }  # fmt: skip
    if rows:
        ops.record(settings, OPS_GATE, [{**row, **same} for row in rows], f"gate-{FAMILY}")


def _follow(settings: Settings, scoring: "Promotion", training: "Training") -> None:
    """MLflow's alias `champion` means who reads now."""
    from models.tracking import CHAMPION as ALIAS

    tags = {"model_name": scoring.model_name, "cutoff": scoring.cutoff, "known_until": scoring.known_until}
    with tracking(settings, FAMILY) as tracked:
        tracked.register(settings.models / FAMILY / scoring.version, training.run_id or None, tags, scoring.reason)
        tracked.alias(ALIAS, scoring.version)
        fault_point("promote.aliased")
