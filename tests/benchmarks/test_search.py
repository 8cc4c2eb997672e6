"""The search benchmark on made-up pairs: what it says, and that no fold has seen its own grades."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from benchmarks import search
from benchmarks._tables import read_columns
from models.nlp.search.encoders import Encoder, Letters

KINDS = ["lamp", "shoe", "chair", "kettle", "phone", "brush", "towel", "knife"]
COLOURS = ["red", "blue", "green", "black", "white"]


def pairs(random_grades: bool) -> pa.Table:
    draw = np.random.default_rng(2)
    rows = []
    for kind in KINDS:
        for colour in COLOURS:
            for _ in range(12):
                shown, told = draw.choice(KINDS[:2] + [kind] * 2), draw.choice([colour, *COLOURS])
                grade = int(draw.integers(4)) if random_grades else 2 * int(shown == kind) + int(told == colour)
                title = f"{told} {shown} no {draw.integers(99)}"
                rows.append({"query": f"{colour} {kind}", "title": title, "grade": grade})
    return pa.Table.from_pylist(rows)


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def letters(texts: list[str]) -> Encoder:
        return Letters()

    monkeypatch.setattr(search, "encoder_for", letters)


def test_each_ranking_is_judged_and_what_was_learned_helps() -> None:
    said = search.measured(pairs(random_grades=False), lambda words: None)
    found, ends = said["ndcg@10"], said["intervals"]
    assert set(found) == {"bm25", "embedding", "fusion", "shipped"}
    assert (said["pairs"], said["queries"]) == (480, 40)
    assert found["shipped"] > found["bm25"]
    assert all(ends[name][0] <= found[name] <= ends[name][1] for name in found)
    assert ends["shipped_minus_bm25"][0] > 0


def test_grades_drawn_at_random_cannot_be_foreseen() -> None:
    said = search.measured(pairs(random_grades=True), lambda words: None)
    low, high = said["intervals"]["shipped_minus_bm25"]
    assert low < 0.03 and high < 0.09, "a model that had seen these grades would rank them far better than words do"


def test_rows_without_a_query_or_grade_are_left_out_and_a_missing_title_is_none() -> None:
    table = pairs(random_grades=False)
    broken = pa.Table.from_pylist(
        [{"query": None, "title": "x", "grade": 1}, {"query": "red lamp", "title": None, "grade": 0}],
        schema=table.schema,
    )
    assert search.measured(pa.concat_tables([table, broken]), lambda words: None)["pairs"] == 481


def test_csv_and_parquet_are_read_alike_and_a_missing_column_is_named(tmp_path: Path) -> None:
    table = pairs(random_grades=False)
    pyarrow.csv.write_csv(table, tmp_path / "pairs.csv")
    pyarrow.parquet.write_table(table, tmp_path / "pairs.parquet")
    wanted = {"query": "query", "name": "title"}
    one, other = (read_columns(tmp_path / f"pairs.{ending}", wanted) for ending in ("csv", "parquet"))
    assert one.column_names == ["query", "name"]
    assert one.to_pylist() == other.to_pylist()
    (tmp_path / "old.csv").write_bytes("query,name\ncafé,1\n".encode("latin-1"))
    assert read_columns(tmp_path / "old.csv", {"query": "query"})["query"].to_pylist() == ["café"]
    with pytest.raises(SystemExit, match="no column colour"):
        read_columns(tmp_path / "pairs.csv", {"colour": "colour"})
