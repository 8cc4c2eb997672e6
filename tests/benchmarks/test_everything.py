"""What a benchmark answers becomes a section of RESULTS.md, in the place of its last one."""

from pathlib import Path

import pytest

from benchmarks import everything
from benchmarks.everything import Wanted, as_lines, kept, write


def test_groups_become_tables_and_single_values_lines() -> None:
    found = {"users": 3, "models": {"blend": {"ndcg@10": 0.5, "interval": [0.4, 0.6]}, "popular": {"ndcg@10": 0.1}}}
    assert as_lines(found) == [
        "- users: 3",
        "",
        "| models | ndcg@10 | interval |",
        "|---|---|---|",
        "| blend | 0.5 | [0.4, 0.6] |",
        "| popular | 0.1 |  |",
    ]


def test_groups_of_groups_have_a_heading_each() -> None:
    one = {"peers": {"faiss": {"ratio": 4}}, "users_per_second": 7}
    assert as_lines({"12000": one}) == [
        "", "**12000**", "", "- users_per_second: 7", "", "| 12000, peers | ratio |", "|---|---|", "| faiss | 4 |",
    ]  # fmt: skip


def test_rows_beside_other_values_share_a_table() -> None:
    one = {"sail": {"seconds": 1, "phases": {"read": 0.5}}, "duckdb": {"seconds": 2, "phases": {}}, "equal": True}
    assert as_lines({"parquet": one}) == [
        "", "**parquet**", "", "- equal: True", "", "| parquet | seconds | phases |", "|---|---|---|",
        "| sail | 1 | read 0.5 |", "| duckdb | 2 |  |",
    ]  # fmt: skip


def test_a_section_takes_the_place_of_its_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everything, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(everything, "commit", lambda: "abc")
    first, second = Wanted("sequential", ("--data", "x/Beauty.txt")), Wanted("training", ("--data", "x/Beauty.txt"))
    write(first, '{"users": 1}', 0, 2.0)
    write(second, '{"users": 2, "data": "/home/somebody/Beauty.txt"}', 0, 2.0)
    write(first, "", 1, 2.0)
    sections = kept((tmp_path / "RESULTS.md").read_text())
    assert list(sections) == ["sequential Beauty.txt", "training Beauty.txt"]
    assert "ended with 1" in sections["sequential Beauty.txt"]
    assert "- users: 2" in sections["training Beauty.txt"]
    assert "- data: Beauty.txt" in sections["training Beauty.txt"]
    assert "somebody" not in sections["training Beauty.txt"]
    assert sections["training Beauty.txt"].startswith("    .venv/bin/python -m benchmarks.training --data Beauty.txt\n")


def test_what_has_no_data_is_left_out() -> None:
    few, all_of_them = everything.wanted("a.txt", "shop"), everything.wanted("a.txt", "shop", "r.csv", "p.csv")
    assert [one.title for one in few if one.name in ("sentiment", "search", "masking")] == ["masking"]
    assert [one.title for one in all_of_them if one not in few] == [
        "sentiment r.csv", "texts r.csv", "keywords r.csv", "search p.csv",
    ]  # fmt: skip
    said = next(one.said() for one in all_of_them if one.name == "keywords")
    assert said == ".venv/bin/python -m benchmarks.keywords --data r.csv --text 'Review Text' --title Title"
    assert len({one.title for one in all_of_them}) == len(all_of_them)


def test_what_a_benchmark_says_last_is_its_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Wanted, "command", lambda self: ["sh", "-c", "echo one; echo; echo '{}'; echo; exit 3"])
    assert everything.run(Wanted("any", ())) == ("{}", 3)
    assert "one" in capfd.readouterr().out
