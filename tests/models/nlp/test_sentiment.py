"""What is learned, chosen, saved and read back; with a transformer small enough for a test."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.artefact import ArtefactError
from models.calibration import auc, calibration_error
from models.nlp import learning, reader, sentiment
from models.nlp.decision import balanced_accuracy
from models.nlp.learning import learn
from models.nlp.reader import NoEncoder, Plan, Reader, restore, tune
from tests.models.nlp.texts import BLAME, PLAIN, PRAISE, made

PLAN = Plan(epochs=4, tokens=80_000, longest=16, batch=16, rank=4, learning_rate=2e-2)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An encoder that has learned nothing yet, in a folder as a hub would give it."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({*PRAISE, *BLAME, *PLAIN})]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: n for n, word in enumerate(words)}).save_pretrained(folder)
    return str(folder)


def test_linear_readers_are_learned_and_saved_whole(tmp_path: Path) -> None:
    texts, positive = made(600)
    learned = learn(texts, positive, "en")
    other, truth = made(400, seed=9)
    chance = learned.model.chance(other)
    assert auc(chance, truth) > 0.9
    assert calibration_error(chance, truth) < 0.1
    assert balanced_accuracy(truth, chance >= learned.model.cut) > 0.8
    assert learned.floor.name == "svc"
    floor = learned.floor
    assert np.array_equal(floor.chance(other) >= floor.cut, floor.linear.margin(other) >= 0)
    again = sentiment.load(tmp_path / learned.model.save(tmp_path))
    assert np.array_equal(again.chance(other), chance)
    assert (again.cut, again.name) == (learned.model.cut, learned.model.name)
    assert learn(texts, positive, "en").model.save(tmp_path) == learned.model.save(tmp_path), "not deterministic"


def test_too_few_of_a_class_is_said() -> None:
    with pytest.raises(ValueError, match="fewer than 5"):
        learn(["good"] * 10, np.arange(10) > 2, "en")


def test_a_megabyte_and_nothing_are_read(tmp_path: Path) -> None:
    texts, positive = made(200)
    chance = learn(texts, positive, "en").model.chance(["", "great " * 200_000, "👍", "好吃"])
    assert np.isfinite(chance).all()
    assert ((chance > 0) & (chance < 1)).all()


def test_a_tuned_reader_learns_is_kept_small_and_comes_back_equal(encoder: str, tmp_path: Path) -> None:
    texts, positive = made(600)
    made_one = Reader(encoder, PLAN, "cpu")
    before = made_one.log_odds(texts)
    tune(made_one, texts, positive, tmp_path, lambda row: None)
    other, truth = made(300, seed=3)
    odds = made_one.log_odds(other)
    assert auc(odds, truth) > max(0.75, auc(before, positive))
    arrays = made_one.arrays()
    assert all("lora" in name or "unit" in name for name in arrays)
    again = restore(arrays, json.loads(json.dumps(made_one.meta())), "cpu")
    assert np.array_equal(again.log_odds(other), odds)
    with pytest.raises(NoEncoder, match="not those"):
        restore(arrays, {**made_one.meta(), "sha256": "0" * 64}, "cpu")


def test_a_killed_run_goes_on_to_the_same_weights(encoder: str, tmp_path: Path) -> None:
    texts, positive = made(300)

    class Killed(Exception):
        pass

    def die(row: dict[str, float]) -> None:
        raise Killed

    whole, killed, resumed = (Reader(encoder, PLAN, "cpu") for _ in range(3))
    tune(whole, texts, positive, tmp_path / "whole", lambda row: None)
    seen: list[dict[str, float]] = []
    with pytest.raises(Killed):
        tune(killed, texts, positive, tmp_path / "killed", die)
    tune(resumed, texts, positive, tmp_path / "killed", seen.append)
    expected = whole.arrays()
    assert all(np.array_equal(value, expected[name]) for name, value in resumed.arrays().items())


def test_a_second_reading_ships_only_where_it_earned_it(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order is what the linear reader cannot see and the transformer can be lent: here the truth itself."""
    monkeypatch.setattr(learning, "LEAST_UNSURE", 100)
    monkeypatch.setattr(reader, "PLAN", PLAN)
    texts, positive = made(900)
    known = dict(zip(texts, positive, strict=True))
    monkeypatch.setattr(reader, "tune", lambda *_: None)
    draw = np.random.default_rng(1)
    monkeypatch.setattr(Reader, "log_odds", lambda self, asked: draw.normal(size=len(asked)))
    assert learn(texts, positive, "en", encoder).model.second is None
    monkeypatch.setattr(Reader, "log_odds", lambda self, asked: np.array([3.0 if known[t] else -3.0 for t in asked]))
    learned = learn(texts, positive, "en", encoder)
    model = learned.model
    assert model.name == f"{model.linear.name}+transformer"
    unsure = model.second.asked(model.linear.margin(texts))
    assert 0.2 < len(unsure) / len(texts) < 0.5
    assert ((model.chance(texts) >= model.cut) == positive)[unsure].all()
    monkeypatch.undo()
    again = sentiment.load(tmp_path / model.save(tmp_path), "cpu")
    other, _ = made(100, seed=4)
    assert np.array_equal(again.chance(other), model.chance(other))
    quick = model.quick()
    assert quick.second is None
    assert np.array_equal(quick.chance(other) >= quick.cut, model.linear.margin(other) >= model.second.centre)


def test_another_artefact_is_refused(tmp_path: Path) -> None:
    from models.artefact import save_artefact

    with pytest.raises(ValueError, match="no model of sentiment"):
        sentiment.load(tmp_path / save_artefact(tmp_path, {"a": np.zeros(1)}, {"format": "other"}))
    with pytest.raises(ArtefactError):
        sentiment.load(tmp_path / "000000000000")


def test_an_encoder_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "LEAST_UNSURE", 50)
    learned = learn(*made(400), "en", encoder=str(tmp_path / "nowhere"))
    assert learned.model.second is None
    assert "cannot be loaded" in learned.note
    assert reader.packaged("zh") is None
