"""Saved models of every kind: they come back bit for bit, are brought up to date, and never run what was planted."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artefact import MANIFEST, META, TENSORS, ArtefactError
from models.interactions import Interactions, encode
from models.recommender import floors
from models.recommender.blend import BlendModel
from models.recommender.configs import (
    CONFIGS,
    NEW,
    REGULAR,
    STARTER,
    UNLEARNED,
    Blend,
    Config,
    Ease,
    FrequentItems,
    Popular,
    Transformer,
)
from models.recommender.floors import NotApplicable
from models.recommender.ranking import Recommender
from models.recommender.saved import load, refit, save, starter
from models.recommender.sequences import vocabulary
from models.recommender.transformer import Net, TransformerModel
from tests.models.shop import MONDAY, described, random_rows, table
from tests.models.test_artefact import Bomb

DAY = MONDAY + timedelta(20)
SMALL = Transformer(width=8, blocks=1, length=6, min_users=1)
FOREIGN = [("ann", "größe ß", 2), ("ann", "品", 3), ("bob", "🧦 left, right", 3), ("bob", "", 4), ("bob", "品\n品", 4)]

Kind = Callable[[Interactions], tuple[Config, Recommender]]


def shop(seed: int = 3) -> Interactions:
    return described(encode(table([*random_rows(seed), *FOREIGN]), DAY))


def transformer_of(data: Interactions) -> tuple[Transformer, TransformerModel]:
    items = vocabulary(data, SMALL.min_users)
    torch.manual_seed(0)
    return SMALL, TransformerModel(Net(SMALL, len(items)).eval(), items, SMALL)


def floor_of(name: str) -> Kind:
    return lambda data: (CONFIGS[name], floors.fit(data, CONFIGS[name]))


def blend_of(data: Interactions) -> tuple[Blend, BlendModel]:
    made = {name: floor_of(name)(data) for name in ("popular_7_days", "transition", "ease")}
    made["transformer"] = transformer_of(data)
    weights = {
        REGULAR: {"popular_7_days": 0.1, "transition": 0.2, "ease": 0.1, "transformer": 0.6},
        NEW: {"popular_7_days": 0.7, "transition": 0.0, "ease": 0.0, "transformer": 0.3},
    }
    config = Blend({name: kind for name, (kind, _) in made.items()}, weights)
    return config, BlendModel({name: model for name, (_, model) in made.items()}, weights)


KINDS: dict[str, Kind] = {
    **{name: floor_of(name) for name in CONFIGS},
    "transformer": transformer_of,
    "blend": blend_of,
}


def scores(model: Recommender, data: Interactions) -> np.ndarray:
    return model.scores(data, np.arange(len(data.users)))


def saved(folder: Path, name: str = "blend") -> Path:
    config, model = KINDS[name](shop())
    return folder / save(folder, name, config, DAY, shop().items, model)


@pytest.mark.parametrize("name", KINDS)
def test_a_model_comes_back_with_equal_scores_and_reasons(tmp_path: Path, name: str) -> None:
    data = shop()
    config, model = KINDS[name](data)
    again = load(saved(tmp_path, name))
    assert (again.name, again.config, again.cutoff) == (name, config, DAY)
    assert np.array_equal(scores(again.model, data), scores(model, data))
    users = np.arange(len(data.users))
    listed = np.tile(np.arange(len(data.items)), (len(users), 1))
    assert np.array_equal(again.model.evidence(data, users, listed), model.evidence(data, users, listed))


@pytest.mark.parametrize("name", KINDS)
def test_what_came_back_is_saved_under_the_same_digest(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path / "a", name)
    again = load(folder)
    assert save(tmp_path / "b", name, again.config, again.cutoff, shop().items, again.model) == folder.name


def test_the_words_of_a_transformer_come_back_in_any_script(tmp_path: Path) -> None:
    model = load(saved(tmp_path, "transformer")).model
    assert isinstance(model, TransformerModel)
    assert model.items.to_pylist() == shop().items.to_pylist()
    assert {item for _, item, _ in FOREIGN} < set(model.items.to_pylist())


def test_refitting_keeps_what_was_learned_and_fits_the_floors_again() -> None:
    later = shop(seed=4)
    config, model = blend_of(shop())
    kept, refitted = refit(config, model, later)
    assert kept == config
    assert isinstance(refitted, BlendModel)
    for name, array in refitted.parts["transformer"].arrays().items():
        assert np.array_equal(array, model.parts["transformer"].arrays()[name])
    for name in ("popular_7_days", "transition", "ease"):
        assert np.array_equal(scores(refitted.parts[name], later), scores(floors.fit(later, CONFIGS[name]), later))
    assert scores(refitted, later).shape == (len(later.users), len(later.items))


def test_refitting_a_transformer_or_a_floor_alone() -> None:
    later = shop(seed=4)
    assert refit(*transformer_of(shop()), later)[1].arrays().keys() == Net(SMALL, 1).state_dict().keys()
    found = refit(Popular(), floors.fit(shop(), Popular()), later)[1]
    assert np.array_equal(scores(found, later), scores(floors.fit(later, Popular()), later))
    with pytest.raises(NotApplicable):
        refit(Ease(max_items=2), floors.fit(shop(), Ease()), later)


def test_a_part_that_does_not_apply_any_more_leaves_the_blend_and_its_weights() -> None:
    configs = {"ease": Ease(max_items=20), "frequent_items": FrequentItems()}
    both = {part: {"ease": 0.4, "frequent_items": 0.6} for part in (REGULAR, NEW)}
    model = BlendModel({name: floors.fit(shop(), config) for name, config in configs.items()}, both)
    wider = encode(table([("ann", f"i{n:02d}", n) for n in range(21)]), MONDAY + timedelta(30))
    kept, refitted = refit(Blend(configs, both), model, wider)
    assert kept == Blend(
        {"frequent_items": FrequentItems()}, {part: {"frequent_items": 0.6} for part in (REGULAR, NEW)}
    )
    assert (scores(refitted, wider) > 0).all()


@pytest.mark.parametrize("name", [TENSORS, META, MANIFEST])
def test_one_changed_byte_is_refused(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=f"{folder.name}: refused, {name}"):
        load(folder)


@pytest.mark.parametrize("name", [TENSORS, META, MANIFEST, "extra.pkl", "model.pt"])
def test_a_pickle_in_any_place_is_refused_and_never_run(tmp_path: Path, name: str) -> None:
    folder, flag = saved(tmp_path / "models"), tmp_path / "executed"
    (folder / name).write_bytes(pickle.dumps(Bomb(flag)))
    with pytest.raises(ArtefactError, match="refused"):
        load(folder)
    assert not flag.exists()


def test_the_starter_needs_no_learning_and_makes_do_without_words_about_products(tmp_path: Path) -> None:
    data = shop()
    config, model = starter(data)
    assert list(config.parts) == list(UNLEARNED.parts)
    silent, rest = starter(replace(data, content=None))
    assert set(config.parts) - set(silent.parts) == {"alike"}
    assert all("alike" not in given for given in silent.weights.values())
    users = np.arange(len(data.users))
    version = save(tmp_path, STARTER, config, MONDAY, data.items, model)
    assert np.array_equal(load(tmp_path / version).model.scores(data, users), model.scores(data, users))
    assert rest.scores(data, users).any()
