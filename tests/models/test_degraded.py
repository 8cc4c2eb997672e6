"""Law 8 with real models: of twenty degraded challengers the gate lets none pass, and it lets the sound one pass."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from models import gate
from models.loop import fit
from models.recommender import floors
from models.recommender.blend import BlendModel, is_new
from models.recommender.configs import CONFIGS, NEW, REGULAR
from models.recommender.evaluation import evaluate
from models.recommender.ranking import Recommender
from models.recommender.transformer import TransformerModel
from models.split import Split
from tests.models.learners import SMALL, loop, ordered_rows, ordered_split, task_and_net

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split() -> Split:
    """Regular users, and as many new ones with three purchases, who follow the same order."""
    late = [(f"n{user[1:]}", item, day) for user, item, day in ordered_rows(seed=4) if day >= 44]
    return ordered_split([*ordered_rows(), *late])


def trained(split: Split, folder: Path) -> TransformerModel:
    task, net, items = task_and_net(split)
    fit(net, task, loop(epochs=24), folder, CPU, lambda row: None)
    return TransformerModel(net.eval(), items, SMALL)


@pytest.fixture(scope="module")
def champion(split: Split, tmp_path_factory: pytest.TempPathFactory) -> TransformerModel:
    return trained(split, tmp_path_factory.mktemp("champion"))


def blend(split: Split, model: Recommender) -> BlendModel:
    """Half of it is the transformer, for everybody."""
    parts = {"item_knn": floors.fit(split.train, CONFIGS["item_knn"]), "transformer": model}
    weights = {"item_knn": 0.2, "transformer": 0.8}
    return BlendModel(parts, {REGULAR: weights, NEW: weights})


def values(split: Split, model: Recommender) -> gate.Values:
    found = evaluate(model, split, np.ones(len(split.train.items), dtype=bool)).values
    return {part: metrics["ndcg"] for part, metrics in found.items()}


def noisy(model: TransformerModel, seed: int) -> TransformerModel:
    """Its weights with noise of once to twice their own size."""
    result = copy.deepcopy(model)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in result.net.parameters():
            tensor += (1 + seed / 10) * tensor.std(correction=0) * torch.randn(tensor.shape, generator=draw)
    return result


class WorseForNewUsers:
    """The sound model, but new users get its scores upside down."""

    def __init__(self, model: Recommender, share: float, seed: int) -> None:
        self.model, self.share, self.seed = model, share, seed

    def scores(self, data, users):
        scores = self.model.scores(data, users).copy()
        draw = np.random.default_rng([self.seed, *users[:1]])
        hurt = is_new(data)[users] & (draw.random(len(users)) < self.share)
        scores[hurt] = scores[hurt].max(1, keepdims=True) - scores[hurt] + 1e-6
        return scores


@pytest.mark.slow
def test_of_twenty_degraded_challengers_none_is_promoted(
    split: Split, champion: TransformerModel, tmp_path: Path
) -> None:
    fitted = {name: found.model for name, found in floors.fit_all(split.train, CONFIGS).items()}
    floor_values = {n: values(split, m) for n, m in fitted.items() if not isinstance(m, floors.NotApplicable)}
    sound = blend(split, champion)
    present = ("champion", values(split, sound))
    assert gate.judge("blend", present[1], floor_values, present).promoted

    shuffled = []
    for seed in range(4):  # trained on the same events of each person in a drawn order
        draw = np.random.default_rng(seed)
        rows = [(user, item, int(draw.permutation(47)[day % 47])) for user, item, day in ordered_rows() if day < 47]
        late = [row for row in ordered_rows() if row[2] >= 47]
        model = trained(ordered_split([*rows, *late]), tmp_path / str(seed))
        shuffled.append(blend(split, model))
    degraded = [
        *(blend(split, noisy(champion, seed)) for seed in range(8)),
        *shuffled,
        *(WorseForNewUsers(sound, share, seed) for share in (0.5, 1.0) for seed in range(4)),
    ]
    verdicts = [gate.judge("blend", values(split, model), floor_values, present) for model in degraded]
    assert len(verdicts) == 20
    assert [v.sentence for v in verdicts if v.promoted] == []
    assert all("on new_users" in v.sentence for v in verdicts[-8:])
