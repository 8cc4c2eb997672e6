"""Each tower's way of reading, and the contrast, by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.multimodal import images, sounds, words
from models.multimodal.configs import Pictures, Sounds, Words
from models.multimodal.fusion import Fusion, contrast
from models.multimodal.learning import Products, learn
from models.multimodal.space import Space
from models.nlp.search.encoders import NoEncoder
from tests.models.multimodal.shapes import SIZE, epochs, made, pairs_of, tone

BITS = 12


def test_rarity_and_bags_by_hand() -> None:
    """`ab` alone has the word ab and the letter groups of ` ab `: ` a`, `ab`, `b `, ` ab`, `ab `, ` ab `."""
    found = words.rarity(["ab", "ab", "cd"], BITS)
    values, counts = np.unique(found[found > 0], return_counts=True)
    np.testing.assert_allclose(values, [np.log(4 / 3) + 1, np.log(4 / 2) + 1], rtol=1e-6)
    assert counts.tolist() == [7, 7]
    read = words.Reader(Words(bits=BITS), found, None).read(["ab", None, "ef"])
    bags = read.bags.toarray()
    np.testing.assert_allclose(np.linalg.norm(bags[0, : 1 << BITS]), 1, rtol=1e-6)
    np.testing.assert_allclose(np.sort(bags[0, 1 << BITS :])[-6:], 1 / np.sqrt(6), rtol=1e-6)
    assert not bags[1:].any() and read.sentences.shape == (3, 0)
    nothing = words.Reader(Words(bits=BITS), found, None).nothing(2)
    assert nothing.bags.shape == (2, 2 << BITS) and not nothing.bags.nnz


def test_an_encoder_that_is_not_at_hand_is_named(tmp_path: Path) -> None:
    assert words.encoder_named("none", "cpu") is None
    assert words.encoder_for(["red"], "none", "cpu") == ("none", None)
    with pytest.raises(NoEncoder, match="no encoder at"):
        words.encoder_named(str(tmp_path), "cpu")


def test_a_tone_is_loudest_in_the_band_around_it_and_silence_is_flat() -> None:
    config = Sounds(mels=16, seconds=0.25)
    at = np.arange(4000) / sounds.RATE
    found = sounds.log_mel([np.sin(2 * np.pi * 1000 * at), np.zeros(10), np.array([np.nan])], config)
    assert found.shape == (3, 23, 16) and np.isfinite(found).all()
    top = 2595 * np.log10(1 + 8000 / 700)
    band = round(float(2595 * np.log10(1 + 1000 / 700) / top * 17)) - 1
    assert (found[0].argmax(axis=1) == band).all()
    assert np.abs(found[1:]).max() < 1e-3


def test_a_longer_sound_is_cut_and_a_shorter_one_followed_by_silence() -> None:
    config, wave = Sounds(mels=16, seconds=0.25), tone("bar", np.random.default_rng(0))
    whole = sounds.log_mel([wave, np.concatenate([wave, wave]), np.concatenate([wave[:1000], np.zeros(3000)])], config)
    np.testing.assert_array_equal(whole[0], whole[1])
    np.testing.assert_array_equal(sounds.log_mel([wave[:1000]], config)[0], whole[2])


def test_contrast_by_hand() -> None:
    left, right = torch.eye(2), torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    alone, sharp = torch.zeros((2, 2), dtype=torch.bool), torch.tensor([10.0])
    # Rows: own .6, other .8; columns likewise: -log(e^6 / (e^6 + e^8)) each.
    expected = np.log(1 + np.exp(2))
    assert float(contrast(left, right, sharp, alone)) == pytest.approx(expected, rel=1e-5)
    assert float(contrast(left, right, sharp, ~alone)) == pytest.approx(0, abs=1e-6), "one title: no negatives"


def test_before_training_the_fusion_is_the_mean_of_what_is_there() -> None:
    torch.manual_seed(0)
    fusion = Fusion(8, 2)
    vectors = torch.nn.functional.normalize(torch.randn(3, 3, 8), dim=2)
    present = torch.tensor([[True, False, False], [True, True, True], [False, False, False]])
    found = fusion(vectors, present)
    torch.testing.assert_close(found[0], vectors[0, 0])
    torch.testing.assert_close(found[1], vectors[1].mean(dim=0))
    assert not found[2].any()


def test_augmented_pictures_differ_and_come_again_with_the_seed() -> None:
    shown = torch.from_numpy(made(pairs_of(True), 0).media.pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.manual_seed(1)
    first = images.augmented(shown)
    torch.manual_seed(1)
    assert torch.equal(images.augmented(shown), first)
    assert not torch.equal(images.augmented(shown), first) and first.shape == shown.shape
    red = [n for n, name in enumerate(pairs_of(True)) if name[0] == "red"]
    darkest = first[red].flatten(2).amin(dim=2)  # of each channel: a red shape leaves red high
    assert (darkest[:, 0] > darkest[:, 1] + 0.5).all() and (darkest[:, 0] > darkest[:, 2] + 0.5).all()


@pytest.fixture(scope="module")
def vision(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a vision transformer of no use: its weights are drawn."""
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    folder = tmp_path_factory.mktemp("vision")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return str(folder)


def test_a_vision_model_of_a_local_folder_is_read_instead_of_pixels(vision: str, tmp_path: Path) -> None:
    config = replace(epochs(1), pictures=Pictures(size=SIZE, source=vision))
    products = made(pairs_of(True), 0)
    space = learn(Products(products.media, products.labels), config, "cpu", tmp_path / "run", lambda row: None).space
    shown = space.images(products.media.pixels)
    np.testing.assert_array_equal(space.images(products.media.pixels[3:5]), shown[3:5])
    np.testing.assert_allclose(np.linalg.norm(shown, axis=1), 1, rtol=1e-5)
    again = Space.load(tmp_path / space.save(tmp_path), "cpu")
    np.testing.assert_array_equal(again.images(products.media.pixels), shown)
