"""What the photos of groceries are compared with, by hand, and the benchmark on a made-up store."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import picture_search
from tests.models.multimodal.shapes import COLOURS, SIZE, SMALL, drawn


def test_a_product_is_as_near_as_its_nearest_photo_and_recall_by_hand() -> None:
    scores = np.array([[0.1, 0.9, 0.4], [0.5, 0.2, 0.5]], dtype=np.float32)
    found = picture_search.of_products(scores, np.array([2, 0, 2]), 4)
    np.testing.assert_array_equal(found[0], np.array([0.9, -np.inf, 0.4, -np.inf], np.float32))
    ranked = picture_search.ranked(np.array([[0.9, 0.1, 0.4], [0.2, 0.7, 0.7]]), np.array([0, 2]))
    assert ranked[1].tolist() == [1, 0.5] and ranked[5].tolist() == [1, 1]


def test_a_histogram_and_small_pixels_by_hand() -> None:
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    pixels[0, :8] = [255, 0, 0]
    found = picture_search.histogram(pixels)
    assert np.flatnonzero(found[0]).tolist() == [0, 7 * 64]
    np.testing.assert_allclose(found[0][[0, 7 * 64]], np.sqrt([0.75, 0.25]), rtol=1e-6)
    small = picture_search.small(pixels)[0].reshape(16, 16, 3)
    assert (small[:4, :, 0] > 0).all() and (small[4:] < 0).all() and (small[:, :, 1] < 0).all()
    assert not picture_search.small(pixels)[1].any()


def store(place: Path) -> None:
    from PIL import Image

    draw = np.random.default_rng(5)
    files = {"dataset/classes.csv": "name,id,coarse,coarse id,icon,words\n"}
    for number, colour in enumerate(reversed(COLOURS)):
        files["dataset/classes.csv"] += f"{colour}-bar,{number},bar,0,/icons/{colour}.png,/words/{colour}.txt\n"
        files[f"dataset/words/{colour}.txt"] = f"A {colour} bar."
    shown = {f"dataset/icons/{colour}.png": drawn(colour, "bar", draw) for colour in COLOURS}
    for part, n in (("train", 6), ("val", 1), ("test", 2)):
        lines = ""
        for number, colour in enumerate(reversed(COLOURS)):
            for row in range(n):
                shown[f"dataset/{part}/{colour}{row}.png"] = drawn(colour, "bar", draw)
                lines += f"{part}/{colour}{row}.png, {number}, 0\n"
        files[f"dataset/{part}.txt"] = lines
    with tarfile.open(place, "w") as archive:
        for name, content in {**{n: text.encode() for n, text in files.items()}, **shown}.items():
            held = io.BytesIO()
            held.write(content) if isinstance(content, bytes) else Image.fromarray(content).save(held, "PNG")
            told = tarfile.TarInfo(name)
            told.size = held.tell()
            archive.addfile(told, io.BytesIO(held.getvalue()))


def test_a_made_up_store(tmp_path: Path) -> None:
    store(tmp_path / "store.tar")
    found = picture_search.read(tmp_path / "store.tar", SIZE)
    assert found.names == [f"{colour} bar" for colour in reversed(COLOURS)] and found.words[0] == "A black bar."
    assert (found.product[found.iconic] == np.arange(5)).all() and (found.part[found.iconic] == "iconic").all()
    config = replace(SMALL, training=replace(SMALL.training, epochs=2))
    said = picture_search.measured(found, config, "cpu", tmp_path / "run", lambda row: None)
    assert (said["judged"], said["products"]) == (10, 5)
    for catalogue in ("iconic", "photos"):
        assert said[catalogue]["colours"]["recall@1"] > 0.2 and said[catalogue]["towers"]["recall@5"] == 1
    assert set(said["minus"]) == {"pixels", "colours"}
