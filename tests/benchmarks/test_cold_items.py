"""The benchmark of new items on a made-up shop: what is learned helps where there is something to learn."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from benchmarks.cold_items import BLEND, given, judged, listed, scored
from models.interactions import Interactions
from models.multimodal.lookalike import unit_rows
from models.recommender.cold import Modality
from models.recommender.cold_window import DAYS, Window, first_seen, window
from tests.models.shop import MONDAY, table

USERS, OLD, NEW = 120, 30, 30
FIRST, LAST = MONDAY + timedelta(30), MONDAY + timedelta(30 + DAYS)


def windows(by_taste: bool) -> tuple[Window, Window]:
    """A shop of three tastes and its two windows; in one of its kinds nobody's taste says what new things they buy."""
    draw = np.random.default_rng(8)
    taste = np.arange(USERS) % 3
    rows = []
    for user in range(USERS):
        for _ in range(6):
            rows.append((f"u{user:03d}", f"{taste[user]}old{draw.integers(OLD // 3)}", int(draw.integers(30))))
        for time in range(2):
            for _ in range(2):
                kind = taste[user] if by_taste and draw.random() < 0.8 else draw.integers(3)
                name = f"{kind}new{time}{draw.integers(NEW // 3)}"
                rows.append((f"u{user:03d}", name, 31 + DAYS * time + int(draw.integers(DAYS))))
    events = table(rows)
    seen = first_seen(events)

    def spaces(data: Interactions) -> list[Modality]:
        noise = np.random.default_rng(9).standard_normal((len(data.items), 8))
        centre = np.eye(8)[[int(name[0]) for name in data.items.to_pylist()]]
        return [Modality("text", unit_rows(centre + 0.2 * noise)), Modality("image", unit_rows(noise))]

    found = []
    for day in (LAST, FIRST):
        past = events.filter(pc.less_equal(events["event_date"], pa.scalar(day)))
        one = window(past, events, day, seen, lambda data: data, spaces)
        assert one is not None
        found.append(one)
    return found[0], found[1]


def test_what_was_learned_on_earlier_new_items_beats_chance_and_the_picture_that_says_nothing_counts_little() -> None:
    test, earlier = windows(by_taste=True)
    blends, scores = scored(test, [earlier], nightly=False)
    rows = judged(test, scores, "at_cutoff")
    assert {BLEND, "blend_text", "blend_image", "random", "text_knn", "image_knn"} <= set(rows)
    assert rows["random"]["blend_minus"]["ndcg@20"][1] > 0 and rows["image_knn"]["blend_minus"]["ndcg@20"][1] > 0
    weights = blends[BLEND].weights
    assert weights["text_near"] + weights["text_graph"] > weights["image_near"] + weights["image_graph"]
    value, low, high = rows[BLEND]["recall@20"]
    assert low <= value <= high and rows[BLEND]["blend_minus"]["recall@20"] == [0, 0, 0]
    assert "popular" not in rows and "popular" in judged(test, scored(test, [earlier], True)[1], "night_by_night")


def test_where_tastes_say_nothing_nothing_is_found() -> None:
    test, earlier = windows(by_taste=False)
    rows = judged(test, scored(test, [earlier], nightly=False)[1], "at_cutoff")
    low, high = rows["random"]["blend_minus"]["ndcg@20"][1:]
    assert low < 0.05 and high > -0.05, "a list that had seen the purchases would be far better than chance"


def test_vectors_come_from_a_file_by_modality(tmp_path: Path) -> None:
    rows = pa.table(
        {"item_id": ["b", "a", "a"], "modality": ["image", "image", "audio"], "vector": [[3.0, 4], [0, 1], [2, 0]]}
    )
    pq.write_table(rows, tmp_path / "vectors.parquet")
    found = given(tmp_path / "vectors.parquet")
    assert list(found) == ["audio", "image"] and found["image"][0].to_pylist() == ["b", "a"]
    assert found["image"][1].tolist() == [pytest.approx([0.6, 0.8]), [0, 1]]
    pq.write_table(rows.drop_columns(["modality"]), tmp_path / "other.parquet")
    with pytest.raises(SystemExit, match="no column modality"):
        given(tmp_path / "other.parquet")


def test_places_for_cold_items_are_counted_and_leave_the_first_ten_alone() -> None:
    after = sparse.csr_array(np.array([[1, 0, 0, 1], [0, 1, 0, 0]], dtype=bool))
    found = listed(np.array([[0, 3] + [2] * 18, [3, -1] + [2] * 18]), after, np.array([2, 3]))
    assert found["cold_hits"].tolist() == [1, 0]
    assert found["ndcg@10"].tolist() == [pytest.approx(1), 0]
