"""The candidates of a training run: every floor, the transformer, their blend and its second stage, the champion."""

import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import lake
from pipelines.errors import NightmarketError, UsageError
from pipelines.faults import fault_point
from pipelines.training_run import Run, availability, split_at

if TYPE_CHECKING:
    from models.recommender.configs import Transformer as TransformerConfig


def fit_floors(run: Run) -> None:
    from models.recommender import floors
    from models.recommender.configs import CONFIGS

    for name, (model, seconds) in floors.fit_all(run.split.train, CONFIGS).items():
        if isinstance(model, floors.NotApplicable):
            run.skip(name, str(model))
        else:
            run.add(name, CONFIGS[name], model, time.monotonic() - seconds)


def learn_and_blend(run: Run, config: "TransformerConfig", device: str, folder: Path, observe: Any) -> None:
    """The transformer and its blend with the floors, both without a look at the test days."""
    from models.devices import first_process
    from models.recommender import floors
    from models.recommender.blend import BlendModel, learn_weights
    from models.recommender.configs import BLEND, RANKER, TRANSFORMER, Blend, Ranker, Transformer
    from models.recommender.learned import TooLittle, learn
    from pipelines.second_stage import learn_to_rank

    started = time.monotonic()
    learned_until = run.cutoff - timedelta(run.settings.test_days)
    try:
        validation = split_at(run.settings, learned_until, run.cutoff)
        open_then = availability(lake.products(run.settings, learned_until), validation.train.items, learned_until)
        learned = learn(validation, open_then, config, folder, device, _told(run, observe))
    except (TooLittle, NightmarketError) as reason:
        for name in (TRANSFORMER, BLEND, RANKER):
            run.skip(name, str(reason))
        return
    if not first_process():
        return
    fault_point("train.learned")
    run.learning = {
        "learned_until": str(learned_until), "epochs": len(learned.fitted.curve), "steps": learned.fitted.steps,
        "best_epoch": learned.fitted.best_epoch, "tokens_per_second": round(learned.fitted.tokens_per_second),
        "curve": learned.fitted.curve,
    }  # fmt: skip
    run.add(TRANSFORMER, config, learned.model, started)
    started = time.monotonic()
    kinds = {name: kind for name, (kind, _) in run.models.items() if not isinstance(kind, Blend | Ranker)}
    counted = {name: kind for name, kind in kinds.items() if not isinstance(kind, Transformer)}
    fitted = {name: found.model for name, found in floors.fit_all(validation.train, counted).items()}
    tried = {name: learned.model if name == TRANSFORMER else fitted[name] for name in kinds}
    # A floor that could not be fitted then has no weight to be learned.
    then = {name: model for name, model in tried.items() if not isinstance(model, floors.NotApplicable)}
    parts = {name: kinds[name] for name in then}
    weights = learn_weights(then, validation)
    for segment, given in weights.items():
        run.say(f"blend, {segment}: " + ", ".join(f"{name} {weight:.2f}" for name, weight in given.items()))
    run.learning["weights"] = weights
    model = BlendModel({name: run.models[name][1] for name in parts}, weights)
    run.add(BLEND, Blend(parts, weights), model, started)
    learn_to_rank(run, validation, BlendModel(then, weights))


def _told(run: Run, observe: Any) -> Any:
    def tell(row: dict[str, float]) -> None:
        observe(row)
        value = f"  validation NDCG@10 {row['validation']:.4f}" if "validation" in row else ""
        run.say(f"transformer: epoch {row['epoch']:.0f}  loss {row['loss']:.4f}{value}")
        fault_point("train.epoch")

    return tell


def judge_champion(run: Run) -> None:
    """The learned champion of today on the same days: its floors fitted again, its weights as they are."""
    from models.artefact import ArtefactError
    from models.recommender.configs import CONFIGS
    from models.recommender.evaluation import evaluate
    from models.recommender.saved import load, refit
    from models.registry import champion_as_of

    champion = champion_as_of(run.settings.models, run.family)
    if champion is None or champion.model_name in CONFIGS or champion.version in run.versions.values():
        return
    if date.fromisoformat(champion.cutoff) > run.cutoff:
        raise UsageError(
            f"the champion {champion.version} was fitted on days up to {champion.cutoff}, which are among the test days"
            f" after {run.cutoff}: it cannot be judged fairly; choose a later --until"
        )
    try:
        saved = load(run.settings.models / run.family / champion.version)
    except ArtefactError as error:
        raise NightmarketError(str(error)) from error
    _, model = refit(saved.config, saved.model, run.split.train)
    run.results["champion"] = evaluate(model, run.split, run.available)
    run.champion = champion.version
