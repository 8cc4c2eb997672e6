"""The media step: what is new is decoded and embedded once, what is not stays, and no way there makes a difference."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from pipelines import fence
from pipelines.contracts import PRODUCT_AUDIO, PRODUCT_IMAGES
from pipelines.errors import Superseded
from pipelines.media import step, store, vectors
from pipelines.media.pictures import picture
from pipelines.media.sounds import sound
from pipelines.media.step import PICTURES_AT_A_TIME, Tower, item_vectors, read_media
from pipelines.settings import Settings
from tests.models.shop import MONDAY
from tests.pipelines.learning import commit
from tests.pipelines.media.malformed import encoded, recorded, wave

SIZE = 16


def images(pixels: np.ndarray) -> np.ndarray:
    """Mean colour of each picture: float32 [n, 3]."""
    assert pixels.shape[1:] == (SIZE, SIZE, 3) and pixels.dtype == np.uint8
    assert 0 < len(pixels) <= PICTURES_AT_A_TIME
    return pixels.mean((1, 2), dtype=np.float64).astype(np.float32)


def sounds(waves: list[np.ndarray]) -> np.ndarray:
    """Loudness and length of each wave: float32 [n, 2]."""
    return np.array([[np.abs(w).max(), len(w)] for w in waves], np.float32)


TOWER = Tower("tower-1", images, sounds, SIZE, seconds=1.0)


def image(number: int) -> bytes:
    """A small picture that no other number has."""
    pixels = np.full((20, 20, 3), number, np.uint8)
    pixels[:10] = (number * 7 % 256, 255 - number, number * 31 % 256)
    return encoded(Image.fromarray(pixels), "PNG")


IMAGES = [image(n) for n in range(90)]


def deliver(settings: Settings, day: int, items: dict[str, list[bytes]], entity: str = PRODUCT_IMAGES.name) -> None:
    """Items with the contents of their files, as a delivery of a day from MONDAY on."""
    folder = settings.landing / "shop" / store.FOLDER
    rows = [
        {
            "item_id": item, "position": place, "uri": f"{item}-{place}", "content_hash": store.put(folder, content),
            "landing_date": MONDAY + timedelta(day), "file": f"f{day}", "line": line, "is_duplicate": False,
        }
        for line, (item, contents) in enumerate(items.items(), start=1)
        for place, content in enumerate(contents, start=1)
    ]  # fmt: skip
    commit(settings, entity, rows)


def run(settings: Settings, day: int, tower: Tower = TOWER) -> dict:
    return read_media(settings, MONDAY + timedelta(day), tower, fence.take(settings, "media", "media"))


def rows_of(settings: Settings, day: int, modality: str = "image", tower: Tower = TOWER) -> list[dict]:
    return item_vectors(settings, MONDAY + timedelta(day), tower, modality).to_pylist()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Contents that were decoded."""
    seen: list[bytes] = []

    def watched(decode: Callable) -> Callable:
        return lambda content, **more: seen.append(content) or decode(content, **more)

    monkeypatch.setattr(step, "picture", watched(picture))
    monkeypatch.setattr(step, "sound", watched(sound))
    return seen


def test_every_file_of_an_item_has_the_vector_of_its_content(settings: Settings) -> None:
    deliver(settings, 0, {"a": IMAGES[:2], "b": IMAGES[1:2]})
    deliver(settings, 0, {"b": [recorded(wave(3))]}, PRODUCT_AUDIO.name)
    said = run(settings, 0)
    assert {k: said["image"][k] for k in ("files", "embedded", "known", "unreadable")} == {
        "files": 3, "embedded": 2, "known": 0, "unreadable": 0,
    }  # fmt: skip
    assert (said["rows"], said["audio"]["embedded"]) == (3, 1)
    found = rows_of(settings, 0)
    assert [(r["item_id"], r["position"]) for r in found] == [("a", 1), ("a", 2), ("b", 1)]
    for row, content in zip(found, (IMAGES[0], IMAGES[1], IMAGES[1]), strict=True):
        assert np.allclose(row["vector"], picture(content, SIZE).mean((0, 1)))
    (heard,) = rows_of(settings, 0, "audio")
    assert np.allclose(heard["vector"], [0.5, 16_000], rtol=0.01)  # cut after a second
    made = item_vectors(settings, MONDAY, TOWER, "image")
    assert str(made.schema.field("vector").type) == "fixed_size_list<element: float>[3]"


def test_a_second_night_without_new_media_decodes_nothing(settings: Settings, decoded: list[bytes]) -> None:
    deliver(settings, 0, {"a": IMAGES[:3], "b": IMAGES[3:5]})
    deliver(settings, 0, {"a": [recorded(wave())]}, PRODUCT_AUDIO.name)
    run(settings, 0)
    assert len(decoded) == 6
    decoded.clear()
    deliver(settings, 1, {"a": IMAGES[:3], "c": IMAGES[4:5]})  # again, and one that another item has
    files = {path: path.stat().st_mtime_ns for path in settings.models.rglob("*.parquet")}
    said = run(settings, 1)
    assert decoded == [] and said["rows"] == 0
    assert {path: path.stat().st_mtime_ns for path in settings.models.rglob("*.parquet")} == files
    assert len(rows_of(settings, 1)) == 6


def test_only_what_changed_is_decoded_and_the_newest_delivery_counts(settings: Settings, decoded: list[bytes]) -> None:
    deliver(settings, 0, {"a": IMAGES[:3], "b": IMAGES[3:4]})
    run(settings, 0)
    decoded.clear()
    deliver(settings, 1, {"a": [IMAGES[0], IMAGES[5]]})
    run(settings, 1)
    assert decoded == [IMAGES[5]]
    assert [(r["item_id"], r["position"]) for r in rows_of(settings, 1)] == [("a", 1), ("a", 2), ("b", 1)]
    assert len(rows_of(settings, 0)) == 4  # as of the night before nothing has changed (law 4)


def test_another_tower_reads_everything_again_and_the_first_keeps_its_vectors(
    settings: Settings, decoded: list[bytes]
) -> None:
    deliver(settings, 0, {"a": IMAGES[:3]})
    run(settings, 0)
    before = rows_of(settings, 0)
    decoded.clear()
    darker = Tower("tower-2", lambda pixels: images(pixels) / 2, None, SIZE)
    said = run(settings, 0, darker)
    assert len(decoded) == 3 and "audio" not in said
    assert rows_of(settings, 0) == before
    assert np.allclose(rows_of(settings, 0, tower=darker)[0]["vector"], np.array(before[0]["vector"]) / 2)


KILLED = """
from pathlib import Path
from tests.pipelines.media import test_step
test_step.step.ROWS_PER_PART = 20
test_step.run(test_step.Settings(home=Path({home!r}), shop="shop"), 0)
"""


def test_killed_half_way_it_goes_on_where_it_stopped(settings: Settings, decoded: list[bytes]) -> None:
    deliver(settings, 0, {"a": IMAGES})
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(home=str(settings.home))],
        env={**os.environ, "NIGHTMARKET_FAULT": "media.part:2"},
        cwd=Path(__file__).parents[3],
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(rows_of(settings, 0)) == 40
    assert run(settings, 0)["image"]["embedded"] == len(decoded) == 50
    assert [r["vector"] for r in rows_of(settings, 0)] == [
        pytest.approx(picture(content, SIZE).mean((0, 1))) for content in IMAGES
    ]


def test_small_parts_are_put_together_and_a_kill_in_between_loses_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(settings, 0, {"a": IMAGES})
    monkeypatch.setattr(step, "ROWS_PER_PART", 4)
    monkeypatch.setattr(vectors, "SMALL_PARTS", 99)
    run(settings, 0)
    before = rows_of(settings, 0)
    monkeypatch.setattr(step, "ROWS_PER_PART", 60)
    monkeypatch.setattr(vectors, "SMALL_PARTS", 5)

    def dies(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(vectors, "fault_point", dies)
    with pytest.raises(KeyboardInterrupt):
        run(settings, 0)
    assert rows_of(settings, 0) == before
    monkeypatch.setattr(vectors, "fault_point", lambda name: None)
    run(settings, 0)
    parts = [pq.read_metadata(path).num_rows for path in settings.models.rglob("*.parquet")]
    assert sum(parts) >= 90 and len(parts) < 5
    assert rows_of(settings, 0) == before


def test_a_file_that_was_lost_or_changed_is_said_and_tried_again(settings: Settings) -> None:
    deliver(settings, 0, {"a": IMAGES[:3]})
    folder = settings.landing / "shop" / store.FOLDER
    lost, spoiled = sorted(folder.glob("??/*"))[:2]
    content = lost.read_bytes()
    lost.unlink()
    spoiled.write_bytes(b"else")
    said = run(settings, 0)
    assert (said["image"]["unreadable"], said["rows"]) == (2, 1)
    assert sorted(text.split(" ", 2)[2] for text in said["lines"]) == [
        f"{reason}; land it again" for reason in (store.CHANGED, store.MISSING)
    ]
    assert len(rows_of(settings, 0)) == 1
    store.put(folder, content)
    assert run(settings, 0)["rows"] == 1


def test_an_attempt_that_was_superseded_keeps_nothing(settings: Settings) -> None:
    deliver(settings, 0, {"a": IMAGES[:3]})
    old = fence.take(settings, "media", "media")
    fence.take(settings, "media", "media")
    with pytest.raises(Superseded):
        read_media(settings, MONDAY, TOWER, old)
    assert not list(settings.models.rglob("*.parquet"))


def test_a_shop_without_media_needs_neither_files_nor_tower(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert run(settings, 0)["rows"] == 0
    assert rows_of(settings, 0) == []
    assert run(settings, 0, Tower("nothing"))["rows"] == 0


def test_a_tower_that_returns_nonsense_is_found_out(settings: Settings) -> None:
    deliver(settings, 0, {"a": IMAGES[:3]})
    with pytest.raises(ValueError, match="not finite"):
        run(settings, 0, Tower("nan", lambda pixels: np.full((len(pixels), 3), np.nan), None, SIZE))
    with pytest.raises(ValueError, match="names a folder"):
        run(settings, 0, Tower("../elsewhere", images, None, SIZE))


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(0, 12), min_size=1, max_size=4)),
        min_size=1, max_size=4,
    ),
    st.lists(st.integers(0, 3), max_size=4),
    st.integers(1, 5),
)  # fmt: skip
@hypothesis_settings(max_examples=6, deadline=None)
def test_nights_in_any_order_end_as_one_full_run_does(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[dict[str, list[int]]], nights: list[int], part: int
) -> None:
    one, other = (Settings(home=tmp_path_factory.mktemp(name), shop="shop") for name in ("one", "other"))
    for settings in (one, other):
        for day, items in enumerate(deliveries):
            if items:
                deliver(settings, day, {item: [IMAGES[n] for n in numbers] for item, numbers in items.items()})
    last = len(deliveries) - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "ROWS_PER_PART", part)
        patch.setattr(vectors, "SMALL_PARTS", 2)
        for night in [*nights, last]:
            run(one, night)
    run(other, last)
    assert rows_of(one, last) == rows_of(other, last)
    newest = {item: numbers for items in deliveries for item, numbers in items.items()}
    assert len(rows_of(one, last)) == sum(map(len, newest.values()))
