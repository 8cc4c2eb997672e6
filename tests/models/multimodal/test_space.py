"""The space: what training makes of coloured shapes, and the laws of what it leaves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.artefact import ArtefactError, load_artefact, save_artefact
from models.multimodal.configs import AUDIO, CONFIGS, IMAGE, KINDS, TEXT, as_json, from_json
from models.multimodal.learning import Learned, Products, learn, split
from models.multimodal.media import Media
from models.multimodal.retrieval import nearest
from models.multimodal.space import Space
from tests.models.multimodal.shapes import COLOURS, SHAPES, SMALL, epochs, made, pairs_of

pytestmark = pytest.mark.xdist_group("space")  # one worker makes what the tests of this file share


def quiet(row: dict[str, float]) -> None:
    pass


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """Twelve pictures, names and tones of each combination that is trained on."""
    return learn(made(pairs_of(True) * 12, 0, sounds=True), SMALL, "cpu", tmp_path_factory.mktemp("run"), quiet)


@pytest.fixture(scope="module")
def unseen() -> Products:
    """Other products of the same combinations."""
    return made(pairs_of(True), 7, sounds=True)


def test_names_find_pictures_of_combinations_that_were_never_seen(learned: Learned) -> None:
    every = [(colour, shape) for colour in COLOURS for shape in SHAPES] * 2
    pictures = learned.space.images(made(every, 9).media.pixels)
    first = nearest(learned.space.texts([" ".join(name) for name in pairs_of(False)]), pictures, 2)
    right = [[every[row] == name for row in rows] for rows, name in zip(first, pairs_of(False), strict=True)]
    assert np.mean(right) >= 0.3, "chance is 1 in 25"


def test_sounds_find_shapes(learned: Learned, unseen: Products) -> None:
    names = learned.space.texts([f"red {shape}" for shape in SHAPES])
    said = np.array(SHAPES)[nearest(learned.space.sounds(unseen.media.waves), names, 1)[:, 0]]
    assert (said == np.array(unseen.labels["shape"])).mean() >= 0.6, "chance is 1 in 5"


def test_attributes_of_unseen_products_by_what_is_left(learned: Learned, unseen: Products) -> None:
    def right(attribute: str, *hidden: str) -> float:
        chances = learned.space.guesses(unseen.media, hidden)[attribute]
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        said = np.array(learned.space.classes[attribute])[chances.argmax(axis=1)]
        return float((said == np.array(unseen.labels[attribute])).mean())

    assert right("colour") >= 0.9 and right("shape") >= 0.9
    assert right("colour", TEXT, AUDIO) >= 0.8 and right("shape", TEXT, AUDIO) >= 0.6
    assert right("shape", TEXT, IMAGE) >= 0.8, "a tone says the shape"
    assert right("colour", TEXT, IMAGE) <= 0.5, "and nothing of the colour"
    assert right("colour", *KINDS) == right("shape", *KINDS) == 0.2, "without anything one answer is given to all"


def vectors_of(learned: Learned, products: Products) -> dict[str, np.ndarray]:
    return {kind: heard.vectors for kind, heard in learned.space.heard(products.media).items()}


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(KINDS), rows=st.lists(st.integers(0, 19), min_size=1, max_size=40),
    hidden=st.lists(st.tuples(*[st.booleans()] * 3), min_size=20, max_size=20),
)  # fmt: skip
def test_a_fused_row_depends_on_its_product_alone(
    learned: Learned, unseen: Products, order: list[str], rows: list[int], hidden: list[tuple[bool, ...]]
) -> None:
    """Not on the order of the modalities, nor on what stands beside it, nor on what an absent modality holds."""
    vectors, present = vectors_of(learned, unseen), np.array(hidden)
    here = {kind: present[:, place] for place, kind in enumerate(KINDS)}
    fused = learned.space.fused(vectors, here)
    assert fused.shape == (20, SMALL.dimension) and fused.dtype == np.float32
    some = present.any(axis=1)
    np.testing.assert_allclose(np.linalg.norm(fused[some], axis=1), 1, rtol=1e-5)
    assert not fused[~some].any()
    noise = {k: np.where(here[k][:, None], vectors[k], 7.0)[rows].astype(np.float32) for k in order}
    again = learned.space.fused(noise, {kind: here[kind][rows] for kind in order})
    np.testing.assert_array_equal(again, fused[rows])


@settings(max_examples=10, deadline=None)
@given(rows=st.lists(st.integers(0, 19), min_size=1, max_size=40))
def test_a_row_is_the_same_whatever_stands_beside_it(learned: Learned, unseen: Products, rows: list[int]) -> None:
    space, media = learned.space, unseen.media
    np.testing.assert_array_equal(space.images(media.pixels[rows]), space.images(media.pixels)[rows])
    titles = [media.titles[row] for row in rows]
    np.testing.assert_array_equal(space.texts(titles), space.texts(media.titles)[rows])
    waves = [media.waves[row] for row in rows]
    np.testing.assert_array_equal(space.sounds(waves), space.sounds(media.waves)[rows])


def test_nothing_in_gives_zeros_and_never_breaks_the_rest(learned: Learned) -> None:
    space = learned.space
    found = space.texts([None, "", "red square", "   "])
    assert not found[[0, 1, 3]].any() and found[2].any()
    assert space.images(np.zeros((0, 24, 24, 3), np.uint8)).shape == (0, 32)
    assert np.isfinite(space.sounds([np.zeros(0, np.float32), np.array([np.nan, np.inf], np.float32)])).all()
    media = Media([None, "red square", None], made([("red", "bar")], 1).media.pixels, np.array([-1, -1, 0]))
    products = space.products(media)
    assert not products[0].any() and products[1].any() and products[2].any()
    assert all(np.isfinite(chances).all() for chances in space.guesses(media).values())


def test_pictures_of_another_size_are_refused(learned: Learned) -> None:
    with pytest.raises(ValueError, match="the tower reads"):
        learned.space.images(np.zeros((1, 30, 30, 3), np.uint8))


def test_saved_and_loaded_it_says_the_same_to_the_bit(learned: Learned, unseen: Products, tmp_path: Path) -> None:
    version = learned.space.save(tmp_path)
    again = Space.load(tmp_path / version, "cpu")
    assert again.name == version == again.save(tmp_path)
    np.testing.assert_array_equal(again.products(unseen.media), learned.space.products(unseen.media))
    before, after = learned.space.guesses(unseen.media), again.guesses(unseen.media)
    assert all((after[name] == before[name]).all() for name in before)
    assert again.config == SMALL


def test_an_artefact_of_another_kind_is_refused(tmp_path: Path) -> None:
    version = save_artefact(tmp_path, {"a": np.zeros(1)}, {"format": "readers-1"})
    with pytest.raises(ArtefactError, match="holds no space"):
        Space.load(tmp_path / version)


def test_weights_that_do_not_fit_what_is_said_of_them_are_refused_in_one_line(learned: Learned, tmp_path: Path) -> None:
    arrays, meta = load_artefact(tmp_path / learned.space.save(tmp_path))
    meta["classes"]["colour"] = meta["classes"]["colour"][1:]
    with pytest.raises(ArtefactError, match=r"not of the shapes that are said; train again$"):
        Space.load(tmp_path / save_artefact(tmp_path, arrays, meta))


def test_equal_seeds_give_equal_bits_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    products = made(pairs_of(True) * 2, 3)

    class Stop(Exception):
        pass

    def stop(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise Stop

    whole = learn(products, epochs(3), "cpu", tmp_path / "whole", quiet)
    with pytest.raises(Stop):
        learn(products, epochs(3), "cpu", tmp_path / "parts", stop)
    rows: list[float] = []
    parts = learn(products, epochs(3), "cpu", tmp_path / "parts", lambda row: rows.append(row["epoch"]))
    assert rows and rows[0] > 1, "it went on where it was"
    for name, value in whole.space.net.state_dict().items():
        assert torch.equal(value, parts.space.net.state_dict()[name]), name
    assert whole.space.save(tmp_path) == parts.space.save(tmp_path)


def test_products_bought_together_come_closer(tmp_path: Path) -> None:
    products = made(pairs_of(True) * 4, 5)
    rows = {name: [n for n, shape in enumerate(products.labels["shape"]) if shape == name] for name in SHAPES}
    together = np.array([[a, b] for a in rows["square"] for b in rows["bar"]])

    def gap(pairs: np.ndarray) -> float:
        told = Products(products.media, products.labels, pairs)
        space = learn(told, epochs(6), "cpu", tmp_path / str(len(pairs)), quiet).space
        vectors = space.products(products.media)
        return float((vectors[rows["square"]] @ vectors[rows["bar"]].T).mean())

    assert gap(together) > gap(together[:0]) + 0.1


def test_held_out_products_share_no_title_with_the_rest() -> None:
    media = made([(colour, shape) for colour in COLOURS for shape in SHAPES] * 3, 1).media
    train, held_out = split(media, 0.2, 5)
    assert not {media.titles[row] for row in train} & {media.titles[row] for row in held_out}
    assert len(train) + len(held_out) == 75 and 9 <= len(held_out) <= 15


def test_without_anything_to_see_there_is_nothing_to_learn(tmp_path: Path) -> None:
    media = Media([None, ""], np.zeros((0, 24, 24, 3), np.uint8), np.array([-1, -1]))
    with pytest.raises(ValueError, match="no product has"):
        learn(Products(media), SMALL, "cpu", tmp_path, quiet)


def test_titles_alone_can_be_learned_from(tmp_path: Path) -> None:
    products = made(pairs_of(True) * 4, 2)
    media = Media(products.media.titles, np.zeros((0, 24, 24, 3), np.uint8), np.full(80, -1))
    config = replace(SMALL, training=replace(SMALL.training, epochs=2, held_out=0.1))
    learned = learn(Products(media, products.labels), config, "cpu", tmp_path, quiet)
    space = learned.space
    assert space.kinds == (TEXT,) and len(learned.held_out) == 8
    assert all(0 <= row["validation"] <= 1 for row in learned.fitted.curve)
    assert space.products(media).shape == (80, 32)


def test_configs_survive_json() -> None:
    for config in (*CONFIGS.values(), SMALL):
        assert from_json(as_json(config)) == config
