"""Figures and the model card."""

from datetime import date
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from models.multimodal import pictures
from models.multimodal.card import card
from models.multimodal.learning import learn
from tests.models.multimodal.shapes import epochs, made, pairs_of


def test_a_grid_shows_each_query_and_what_it_found(tmp_path: Path) -> None:
    products = made(pairs_of(False), 1)
    pixels = products.media.pixels
    figure = pictures.grid(["costs $5", pixels[0]], np.array([[0, 3], [2, -1]]), pixels, products.media.titles)
    figure.savefig(tmp_path / "grid.png")
    axes = figure.get_axes()
    assert len(axes) == 6
    np.testing.assert_array_equal(axes[2].get_images()[0].get_array(), pixels[3])
    np.testing.assert_array_equal(axes[3].get_images()[0].get_array(), pixels[0])
    assert not axes[5].get_images() and axes[1].get_title() == products.media.titles[0]


def test_a_plane_keeps_the_two_directions_that_differ_most() -> None:
    draw = np.random.default_rng(2)
    rows = draw.standard_normal((200, 5)) * [1, 9, 1, 4, 1]
    at = pictures.plane(rows)
    assert abs(np.corrcoef(at[:, 0], rows[:, 1])[0, 1]) > 0.99 and abs(np.corrcoef(at[:, 1], rows[:, 3])[0, 1]) > 0.99
    np.testing.assert_allclose(at, pictures.plane(rows + 7), atol=1e-9)


def test_products_on_a_plane_stand_the_same_every_time() -> None:
    draw = np.random.default_rng(3)
    vectors = np.concatenate([draw.standard_normal((30, 4)), draw.standard_normal((30, 4)) + 9])
    labels = ["left"] * 30 + ["right"] * 29 + [None]

    def shown() -> tuple[Figure, dict[str, np.ndarray]]:
        figure = pictures.embedding(vectors, labels, "made up")
        return figure, {
            str(dots.get_label()): np.asarray(dots.get_offsets()) for dots in figure.get_axes()[0].collections
        }

    (_, first), (_, again) = shown(), shown()
    assert len(first["left"]) == 30 and len(first["right"]) == 29 and len(first["unknown"]) == 1
    assert all((first[name] == again[name]).all() for name in first)
    middle = [first[name].mean(axis=0) for name in ("left", "right")]
    spread = max(
        np.linalg.norm(first[name] - at, axis=1).mean() for name, at in zip(("left", "right"), middle, strict=True)
    )
    assert np.linalg.norm(middle[0] - middle[1]) > 2 * spread


def test_a_card_says_what_was_measured(tmp_path: Path) -> None:
    learned = learn(made(pairs_of(True), 1), epochs(1), "cpu", tmp_path, lambda row: None)
    values = np.array([1.0] * 30 + [0.0] * 10)
    said = card(learned, date(2024, 5, 2), {"products with a picture": 20}, {"Recall@10": values, "sounds": values[:0]})
    assert "| Recall@10 | 40 | 0.750 [0." in said and "| sounds | 0 | not measured |" in said
    assert "2024-05-02" in said and "- products with a picture: 20" in said and "colour: 5 classes" in said
    assert "image, text" in said and "best was epoch 1" in said
