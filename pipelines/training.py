"""Train a family on one global time split, judge every model on the days held out, keep and track what came of it.

    ... training_days ... | validation days | test days |
                          ^ learned until   ^ cutoff    ^ until

The transformer learns up to the first mark; its early stopping and the weights of the blend are chosen on the
validation days. The floors are fitted up to the cut-off. Only the judgement reads the test days.
"""

import shutil
from dataclasses import asdict
from datetime import date
from typing import Any

from pipelines import training_record as record
from pipelines.candidates import fit_floors, judge_champion, learn_and_blend
from pipelines.faults import fault_point
from pipelines.settings import Settings
from pipelines.tracked import tracking
from pipelines.training_run import MULTIMODAL, TEXT_FAMILIES, Choices, Report, begin, transformer_of


def train(
    settings: Settings,
    family: str,
    until: date | None = None,
    progress: Report | None = None,
    choices: Choices | None = None,
) -> dict[str, Any]:
    """Fit every floor, the transformer and the blend; judge all on the `test_days` that end with `until`; save them.

    The families of texts are learned by `language.families`, that of products by `vectors.training`. `until` defaults
    to the newest event date in the lake. The metrics go to `ops.model_metrics`, the models to the registry and, with
    curves, pictures and a model card, to MLflow; nothing is promoted. Started by torchrun, the first process does all
    this and the others only share the transformer's steps. The same data and choices end equal.
    """
    from models.devices import first_process

    chosen = choices or Choices()
    if family in TEXT_FAMILIES:
        from pipelines.language.families import train_texts

        return train_texts(settings, family, until, progress or (lambda _: None), chosen)
    if family == MULTIMODAL:
        from pipelines.vectors.training import train_multimodal

        return train_multimodal(settings, until, progress or (lambda _: None), chosen)
    run = begin(settings, family, until, progress, chosen)
    config = transformer_of(chosen)
    key = record.key(run, config)
    folder = settings.run / "training" / key
    if not first_process():
        learn_and_blend(run, config, chosen.device, folder, lambda row: None)
        return {"family": family, "note": "shared the steps of the first process"}
    from models.recommender.learned import SEED

    params = {"transformer": asdict(config), "until": str(run.until), "cutoff": str(run.cutoff), "seed": SEED}
    with (
        tracking(settings, family) as tracked,
        tracked.run(key, f"{family} {run.cutoff}", params, record.dataset(run)) as run_id,
    ):
        run.say(f"floors: fitting on {len(run.split.train.item):,} events up to {run.cutoff}")
        fit_floors(run)
        learn_and_blend(run, config, chosen.device, folder, tracked.curve)
        judge_champion(run)
        rows = record.record(run)
        fault_point("train.recorded")
        for line in (*record.summary(rows), *record.against_floors(run)):
            run.say(line)
        record.track(run, tracked, run_id)
        record.register(run, run_id)
        fault_point("train.registered")
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "family": family, "cutoff": str(run.cutoff), "until": str(run.until), "test_users": len(run.split.test_users),
        "versions": run.versions, "not_applicable": run.skipped, "seconds": run.seconds, "learning": run.learning,
        "metrics": rows, "mlflow_run": run_id,
    }  # fmt: skip
