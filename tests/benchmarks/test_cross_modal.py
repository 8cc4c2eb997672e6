"""The benchmark on made-up shops: what is judged is never trained on, other test products are taken, all is said."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cross_modal
from benchmarks._pictures import decoded, read_pictures
from tests.models.multimodal.shapes import SIZE, SMALL, made, pairs_of

QUICK = replace(SMALL, training=replace(SMALL.training, epochs=2))


def delivered(folder: Path, first: int, n: int, in_tar: bool) -> tuple[Path, Path]:
    """A shop's CSV and pictures; every seventh product has no picture, every eleventh no colour."""
    from PIL import Image

    names = (pairs_of(True) * n)[:n]
    products = made(names, first)
    lines = ["id,colour,shape,name"]
    files = {}
    for row, (colour, shape) in enumerate(names):
        lines.append(f"{first + row},{colour if row % 11 else ''},{shape},{colour} {shape} no {first + row}")
        if row % 7:
            held = io.BytesIO()
            Image.fromarray(products.media.pixels[row]).save(held, "PNG")
            files[f"{first + row}.png"] = held.getvalue()
    data = folder / f"{first}.csv"
    data.write_text("\n".join(lines))
    images = folder / (f"{first}.tar" if in_tar else f"{first}")
    if in_tar:
        with tarfile.open(images, "w") as archive:
            for name, content in files.items():
                told = tarfile.TarInfo(f"pictures/{name}")
                told.size = len(content)
                archive.addfile(told, io.BytesIO(content))
    else:
        images.mkdir()
        for name, content in files.items():
            (images / name).write_bytes(content)
    return data, images


def read(places: tuple[Path, Path]) -> cross_modal.Shop:
    return cross_modal.read(*places, "name", ["colour", "shape"], SIZE)


def test_a_tar_and_a_folder_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one, other = read(delivered(tmp_path, 500, 22, True)), read(delivered(tmp_path / "a", 500, 22, False))
    assert one.ids == other.ids and one.labels == other.labels and one.ids[0] == "500"
    np.testing.assert_array_equal(one.media.pixels, other.media.pixels)
    assert (one.media.picture < 0).sum() == 4 and one.labels["colour"][11] is None


def test_no_judged_product_and_no_judged_title_is_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_modal, "JUDGED", 15)
    shop = read(delivered(tmp_path, 0, 80, True))
    twin = cross_modal.Shop(shop.ids, replace(shop.media, titles=[f"{t} twin" for t in range(40)] * 2), shop.labels)
    judged, rest = cross_modal.split(twin, None)
    assert len(judged.ids) == 15 and (judged.media.picture >= 0).all()
    assert not set(judged.ids) & set(rest.ids)
    assert not set(judged.media.titles) & set(rest.media.titles)
    assert len(rest.ids) == 80 - 2 * 15 + sum(judged.media.titles.count(t) - 1 for t in set(judged.media.titles))


def test_other_test_products_are_judged_and_their_ids_are_not_learned_from(tmp_path: Path) -> None:
    shop, other = read(delivered(tmp_path, 0, 60, True)), read(delivered(tmp_path, 50, 21, True))
    said = cross_modal.measured(shop, other, QUICK, "cpu", tmp_path / "run", lambda row: None)
    assert said["judged"] == 18 and said["trained_on"] == 50
    assert said["title_to_image"]["chance@10"] == round(10 / 18, 5)
    assert set(said["attributes"]) == {"colour", "shape"}
    for found in said["attributes"].values():
        for name in ("image", "text", "fused"):
            low, high = found["intervals"][name]
            assert 0 <= low <= found[name] <= high <= 1
        best = max(found["image"], found["text"])
        assert found["fused_minus_best"] == pytest.approx(found["fused"] - best, abs=2e-4)
        towers = found["in_space"]
        gain = towers["fused"] - max(towers["image"], towers["text"])
        assert towers["fused_minus_best"] == pytest.approx(gain, abs=2e-4)
    assert set(said["removed"]) == {"image+text", "image", "text", "none"}
    assert said["removed"]["none"]["shape"]["neighbours"] <= said["removed"]["image+text"]["shape"]["neighbours"]


def test_the_headroom_is_what_only_the_weaker_modality_tells() -> None:
    right = {
        "image": [1, 0, 0, 1, 0], "text": [0, 1, 1, 1, 0], "image+text": [1, 1, 0, 1, 0], "none": [0] * 5,
    }  # fmt: skip
    found = cross_modal.attribute({kept: np.array(told, float) for kept, told in right.items()})
    assert (found["best_single"], found["headroom"], found["fused_minus_best"]) == ("text", 0.2, 0.0)


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "b.txt").write_text("no picture either")
    rows, pixels = read_pictures(tmp_path, 8, lambda path: path)
    assert rows == {} and pixels.shape == (0, 8, 8, 3)
    assert decoded(b"", 8) is None


def test_a_wide_picture_stands_on_white() -> None:
    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", (40, 20), (255, 0, 0)).save(held, "PNG")
    pixels = decoded(held.getvalue(), 8)
    assert pixels is not None
    assert (pixels[2:6] == [255, 0, 0]).all() and (pixels[:2] == 255).all() and (pixels[6:] == 255).all()
