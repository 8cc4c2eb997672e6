"""The second stage of a training run: the ranker over the blend's candidates, judged beside it and kept if it wins."""

import time
from typing import TYPE_CHECKING

from pipelines.faults import fault_point
from pipelines.training_run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.gate import Values
    from models.recommender.blend import BlendModel
    from models.split import Split


def learn_to_rank(run: Run, validation: "Split", then: "BlendModel") -> None:
    """Learn it on the validation days and add it to the run. `then`: the blend of parts fitted before those days."""
    from models.recommender.blend import BlendModel
    from models.recommender.configs import BLEND, RANKER, Blend
    from models.recommender.learned import TooLittle
    from models.recommender.ranker import RankerModel
    from models.recommender.ranker_learning import learn_ranker
    from models.trees import NoTrees

    started = time.monotonic()
    kind, blend = run.models[BLEND]
    assert isinstance(kind, Blend) and isinstance(blend, BlendModel)
    try:
        learned = learn_ranker(kind, then, validation)
    except (TooLittle, NoTrees) as reason:
        run.skip(RANKER, str(reason))
        return
    fault_point("train.ranked")
    run.add(RANKER, learned.config, RankerModel(blend, learned.trees, learned.config), started)
    error = run.results[RANKER].calibration["all"]
    run.learning["second_stage"] = {**learned.facts, "calibration_error": error}
    run.say(
        f"ranker: {learned.facts['rounds']} rounds on {learned.facts['candidates']:,} candidates, tail lifted by"
        f" {learned.config.lift:.2f}; calibration error of the listed ten {error:.4f}"
    )


def contenders(values: "Mapping[str, Values]") -> list[str]:
    """Who may become champion, first to last: the second stage only where it beats the blend beyond doubt."""
    from models import gate
    from models.recommender.configs import BLEND, RANKER

    found = [BLEND] if BLEND in values else []
    if RANKER in values and found and gate.above(values[RANKER], BLEND, values[BLEND]).passed:
        return [RANKER, *found]
    return found


def contender(values: "Mapping[str, Values]") -> str | None:
    """The first of them; None where nothing was learned."""
    return next(iter(contenders(values)), None)
