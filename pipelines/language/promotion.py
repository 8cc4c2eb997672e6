"""Whether what was learned from texts becomes champion: by log loss or NDCG@10, slice by slice.

A slice is a language, or a kind of judgement. Better than the floor in some slice beyond doubt and worse in none; where
that is not so, the floor itself is the candidate. Then not worse than the champion beyond doubt in any slice that both
were judged on.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines import ops
from pipelines.contracts import OPS_GATE
from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.language.trial import CHAMPION, FLOOR, LEARNED, SAID, SIGN
from pipelines.settings import Settings
from pipelines.tracked import tracking

if TYPE_CHECKING:
    from models.registry import Promotion, Training


@dataclass(frozen=True)
class Judged:
    """`values`: {model: {slice: what `measure` gives each judged text or query}}."""

    measure: str
    values: dict[str, dict[str, np.ndarray]]

    def level(self, name: str, part: str) -> float:
        """Larger is better."""
        return SIGN[self.measure] * float(self.values[name][part].mean())


def promote_texts(settings: Settings, family: str, dry_run: bool = False, version: str | None = None) -> dict[str, Any]:
    """Hold the newest training run against the floor and the champion; the answer is that of `promotion.promote`."""
    from models.registry import Promotion, champion_as_of, latest_training
    from models.registry import promote as append

    training = latest_training(settings.models, family)
    if training is None:
        raise NightmarketError(f"no training run of {family} to promote from; run `nightmarket train {family}` first")
    champion = champion_as_of(settings.models, family)
    judged = _judged(settings, training)
    if champion is not None and champion.version not in (*training.versions.values(), training.champion):
        raise NightmarketError(
            f"the champion {champion.version} was not judged in the newest training run: run `nightmarket train"
            f" {family}` again"
        )
    name, rows = _candidate(judged)
    chosen = training.versions[name]
    if version is not None and chosen != version:
        raise NightmarketError(f"{name} {chosen} of a newer training run stands where {version} was asked for")
    worse = _against_champion(judged, name, champion, training)
    rows += worse
    refused = [row for row in worse if not row["passed"]]
    verdict = _sentence(name, champion, chosen, judged, refused)
    promoted = not refused and (champion is None or champion.version != chosen)
    _report(settings, training, name, rows, verdict, promoted and not dry_run)
    if promoted and not dry_run:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        fault_point("promote.decided")
        append(settings.models, Promotion(family, name, chosen, training.cutoff, training.known_until, now, verdict))
        fault_point("promote.appended")
    scoring = champion_as_of(settings.models, family)
    if not dry_run and scoring is not None:
        _follow(settings, scoring, training)
    return {
        "family": family, "model_name": name, "model_version": chosen, "cutoff": training.cutoff,
        "promoted": promoted and not dry_run, "would_promote": promoted, "dry_run": dry_run, "verdict": verdict,
        "champion": {"model_name": scoring.model_name, "model_version": scoring.version} if scoring else None,
    }  # fmt: skip


def _judged(settings: Settings, training: "Training") -> Judged:
    from models.artefact import ArtefactError, load_artefact

    try:
        arrays, meta = load_artefact(settings.models / training.family / "evaluations" / training.results)
    except ArtefactError as error:
        raise NightmarketError(str(error)) from error
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        model, part = key.split("/")
        found.setdefault(model, {})[part] = array
    return Judged(meta["metric"], found)


def _candidate(judged: Judged) -> tuple[str, list[dict[str, Any]]]:
    rows = [_compared(part, LEARNED, FLOOR, judged, "better") for part in sorted(judged.values[LEARNED])]
    above = any(row["low"] > 0 for row in rows) and not any(row["high"] < 0 for row in rows)
    return (LEARNED if above else FLOOR), rows


def _against_champion(
    judged: Judged, name: str, champion: "Promotion | None", training: "Training"
) -> list[dict[str, Any]]:
    if champion is None:
        return []
    reference = next((n for n, version in training.versions.items() if version == champion.version), CHAMPION)
    rows = []
    for part in sorted(judged.values.get(reference, {})):
        if part in judged.values[name]:
            row = _compared(part, name, reference, judged, "not worse beyond doubt")
            rows.append({**row, "against": f"champion {champion.model_name}", "passed": row["high"] >= 0})
    return rows


def _compared(part: str, name: str, other: str, judged: Judged, rule: str) -> dict[str, Any]:
    """What `name` gains on `other`, with its interval: positive is better."""
    from models.gate import SEED
    from models.metrics import paired_interval

    own, reference = (SIGN[judged.measure] * judged.values[model][part] for model in (name, other))
    low, high = paired_interval(own, reference, SEED)
    return {
        "slice": part, "against": other, "rule": f"{SAID[judged.measure]} {rule}", "users": len(own),
        "challenger": judged.level(name, part), "reference": judged.level(other, part), "low": low, "high": high,
        "passed": low > 0,
    }  # fmt: skip


def _sentence(
    name: str, champion: "Promotion | None", chosen: str, judged: Judged, refused: list[dict[str, Any]]
) -> str:
    level = ", ".join(f"{part} {values.mean():.4f}" for part, values in sorted(judged.values[name].items()))
    said = f"{name}: {SAID[judged.measure]} {level}"
    if champion is not None and champion.version == chosen:
        return f"{said}; it is the champion already"
    if refused:
        worse = ", ".join(row["slice"] for row in refused)
        return f"{said}; not promoted: worse than the champion beyond doubt in {worse}"
    if name == FLOOR:
        return f"{said}; nothing beats the floor beyond doubt, so it stays"
    return f"{said}; it earned its place against the floor"


def _report(
    settings: Settings, training: "Training", name: str, rows: list[dict[str, Any]], verdict: str, promoted: bool
) -> None:
    now = datetime.now(UTC)
    same = {
        "family": training.family, "model_name": name, "model_version": training.versions[name],
        "cutoff": date.fromisoformat(training.cutoff), "verdict": verdict, "promoted": promoted, "judged_at": now,
    }  # fmt: skip
    if rows:
        ops.record(settings, OPS_GATE, [{**row, **same} for row in rows], f"gate-{training.family}")


def _follow(settings: Settings, scoring: "Promotion", training: "Training") -> None:
    """MLflow's alias `champion` means who reads now."""
    from models.tracking import CHAMPION as ALIAS

    tags = {"model_name": scoring.model_name, "cutoff": scoring.cutoff, "known_until": scoring.known_until}
    with tracking(settings, training.family) as tracked:
        tracked.register(
            settings.models / training.family / scoring.version, training.run_id or None, tags, scoring.reason
        )
        tracked.alias(ALIAS, scoring.version)
        fault_point("promote.aliased")
