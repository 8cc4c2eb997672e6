"""Who scores the nights: the gate's decision on the newest training run, written down, and taken back by rollback."""

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pipelines import ops
from pipelines.contracts import OPS_GATE
from pipelines.errors import NightmarketError, UsageError
from pipelines.faults import fault_point
from pipelines.second_stage import contenders
from pipelines.settings import Settings
from pipelines.tracked import tracking
from pipelines.training_run import MULTIMODAL, TEXT_FAMILIES, check_family

if TYPE_CHECKING:
    from models.gate import Values, Verdict
    from models.registry import Promotion, Training


def promote(settings: Settings, family: str, dry_run: bool = False, version: str | None = None) -> dict[str, Any]:
    """Hold the newest training run against the gate and make its best model champion, if it earned that.

    The second stage is the candidate where it beats the blend beyond doubt, else the blend. Where neither passes, the
    best floor is (it replaces another floor only where the
    interval of its gain lies above zero), so that a shop always has a champion. Nobody takes a champion's place who
    would have earned fewer clicks than the lists that were shown (`off_policy`). The report goes to `ops.gate` and
    MLflow. With `version` no other one is promoted: what a person approved may have been overtaken by a newer run.
    "champion" in the answer is who scores from now on, promoted or not; None where there is nobody yet.
    """
    from models.registry import Promotion, champion_as_of, latest_training
    from models.registry import promote as append

    check_family(family)
    if family in (*TEXT_FAMILIES, MULTIMODAL):
        from pipelines.language.promotion import promote_texts

        return promote_texts(settings, family, dry_run, version)
    training = latest_training(settings.models, family)
    if training is None:
        raise NightmarketError(f"no training run of {family} to promote from; run `nightmarket train` first")
    champion = champion_as_of(settings.models, family)
    best, verdict = _verdict(_values(settings, family, training), champion, training)
    if version is not None and training.versions[best] != version:
        raise NightmarketError(
            f"{best} {training.versions[best]} of a newer training run stands where {version} was asked for:"
            " judge it again"
        )
    if verdict.promoted and champion is not None:
        verdict = _shown(settings, best, training, verdict)
    _report(settings, training, best, verdict, dry_run)
    if verdict.promoted and not dry_run:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        chosen, until = training.versions[best], training.known_until
        fault_point("promote.decided")
        append(settings.models, Promotion(family, best, chosen, training.cutoff, until, now, verdict.sentence))
        fault_point("promote.appended")
    scoring = champion_as_of(settings.models, family)
    if not dry_run and scoring is not None:
        _follow(settings, training, scoring, verdict)
    return {
        "family": family, "model_name": best, "model_version": training.versions[best], "cutoff": training.cutoff,
        "promoted": verdict.promoted and not dry_run, "would_promote": verdict.promoted, "dry_run": dry_run,
        "verdict": verdict.sentence, "champion": _named(scoring),
    }  # fmt: skip


def _named(promotion: "Promotion | None") -> dict[str, str] | None:
    return {"model_name": promotion.model_name, "model_version": promotion.version} if promotion else None


def _values(settings: Settings, family: str, training: "Training") -> "dict[str, Values]":
    """Per-user NDCG@10 by model and slice, as the training run kept them."""
    from models.artefact import ArtefactError, load_artefact

    try:
        arrays, _ = load_artefact(settings.models / family / "evaluations" / training.results)
    except ArtefactError as error:
        raise NightmarketError(str(error)) from error
    found: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        model, part = name.split("/")
        found.setdefault(model, {})[part] = array
    order = ("all", "new_users", "tail_items")
    return {model: {part: parts[part] for part in order if part in parts} for model, parts in found.items()}


def _verdict(values: "dict[str, Values]", champion: "Promotion | None", training: "Training") -> "tuple[str, Verdict]":
    """The model that is judged in the end, and what the gate says of it."""
    from models import gate
    from models.recommender.configs import BLEND, CONFIGS, RANKER

    floors = {name: values[name] for name in CONFIGS if name in values}
    learned = None
    if champion is not None and champion.model_name not in CONFIGS:
        learned = _learned_champion(values, champion, training)
    refused: list[gate.Verdict] = []
    for name in contenders(values):
        if champion is not None and champion.version == training.versions[name]:
            return name, gate.Verdict(False, f"{name} {champion.version} is the champion already", [])
        below = {**floors, BLEND: values[BLEND]} if name == RANKER else floors  # what scores where it is refused
        verdict = gate.judge(name, values[name], below, learned)
        if verdict.promoted:
            return name, verdict
        refused.append(verdict)
    if not refused:
        return _best_floor(floors, champion)
    said = ". ".join(verdict.sentence for verdict in refused)
    if champion is not None and learned is not None:
        return BLEND, gate.Verdict(False, said, refused[-1].comparisons)
    best, fallback = _best_floor(floors, champion)
    return best, gate.Verdict(fallback.promoted, f"{said}. {fallback.sentence}", refused[-1].comparisons)


def _learned_champion(values: "dict[str, Values]", champion: "Promotion", training: "Training") -> "tuple[str, Values]":
    if champion.version == training.versions.get(champion.model_name):
        return champion.model_name, values[champion.model_name]
    if champion.version != training.champion:
        raise NightmarketError(
            f"the champion {champion.version} was not judged in the newest training run: run `nightmarket train` again"
        )
    return "champion", values["champion"]


def _best_floor(floors: "dict[str, Values]", champion: "Promotion | None") -> "tuple[str, Verdict]":
    """The floor that ships where nothing learned has earned its place."""
    from models import gate

    best = gate.best_of(floors)
    level = f"{best} leads the floors with NDCG@10 {floors[best]['all'].mean():.4f}"
    if champion is None:
        return best, gate.Verdict(True, f"{level}; there was no champion", [])
    if champion.model_name == best:
        return best, gate.Verdict(False, f"{level} and is the champion already: nothing changes", [])
    if champion.model_name not in floors:
        return best, gate.Verdict(True, f"{level}; the champion {champion.model_name} could not be fitted", [])
    line = gate.above(floors[best], champion.model_name, floors[champion.model_name])
    if line.low > 0:
        return best, gate.Verdict(True, f"{level}; {line.said} lies above zero", [line])
    return best, gate.Verdict(False, f"{level}; {line.said} does not lie above zero: the champion stays", [line])


def _shown(settings: Settings, best: str, training: "Training", verdict: "Verdict") -> "Verdict":
    """The verdict after what was shown: who would surely have earned fewer clicks than the lists of late stays out."""
    from models.gate import Verdict
    from pipelines.off_policy import judge

    found = judge(settings, best, training.versions[best], date.fromisoformat(training.cutoff))
    if found is None:
        return verdict
    lines = verdict.comparisons if found.line is None else [*verdict.comparisons, found.line]
    stays = found.line is None or found.line.passed
    return Verdict(stays, f"{verdict.sentence}; shown lists: {found.sentence}", lines)


def _report(settings: Settings, training: "Training", best: str, verdict: "Verdict", dry_run: bool) -> None:
    """One row per comparison in `ops.gate`; those of a dry run say that nothing was promoted."""
    now = datetime.now(UTC)
    rows = [
        {
            "family": training.family, "model_name": best, "model_version": training.versions[best],
            "cutoff": date.fromisoformat(training.cutoff), "slice": line.slice, "against": line.against,
            "rule": line.rule, "users": line.users, "challenger": line.challenger, "reference": line.reference,
            "low": line.low, "high": line.high, "passed": line.passed, "verdict": verdict.sentence,
            "promoted": verdict.promoted and not dry_run, "judged_at": now,
        }
        for line in verdict.comparisons
    ]  # fmt: skip
    if rows:
        ops.record(settings, OPS_GATE, rows, f"gate-{training.family}")


def _follow(settings: Settings, training: "Training", scoring: "Promotion", verdict: "Verdict") -> None:
    """MLflow's alias `champion` means who scores now, whoever stopped half-way before; the report stands at the run."""
    from models.tracking import CHAMPION

    folder = settings.models / scoring.family / scoring.version
    tags = {"model_name": scoring.model_name, "cutoff": scoring.cutoff, "known_until": scoring.known_until}
    with tracking(settings, scoring.family) as tracked:
        tracked.register(folder, training.run_id or None, tags, scoring.reason)
        tracked.alias(CHAMPION, scoring.version)
        fault_point("promote.aliased")
        if training.run_id:
            report = json.dumps(verdict.as_json(), indent=1, default=float)
            tracked.note(training.run_id, {"verdict": verdict.sentence}, {"gate.json": report})


def roll_back_model(settings: Settings, family: str, dry_run: bool) -> dict[str, Any]:
    """Put the champion before the present one back: the nights after its own evaluation days are scored by it again."""
    from models.registry import champions, roll_back
    from models.tracking import CHAMPION

    check_family(family)
    standing = champions(settings.models, family)
    if len(standing) < 2:
        raise UsageError(f"cannot roll back {family}: there was no champion before the present one")
    before, now = standing[-2], standing[-1]
    if not dry_run:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        roll_back(settings.models, before, now, at)
        fault_point("rollback.appended")
        with tracking(settings, family) as tracked:
            tracked.alias(CHAMPION, before.version)
    return {"from": _named(now), "to": _named(before), "dry_run": dry_run}
