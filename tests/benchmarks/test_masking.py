"""What is masked is found where it stands, and compared with the truth."""

from pathlib import Path

import pytest

from benchmarks.masking import Text, is_masked, marks, measures, preprocessed, shape, shares, with_marks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to a@example.org now", [("email", 9, 22)]),
        ("call 555-010-4477, or a@example.org.", [("phone", 5, 17), ("email", 22, 35)]),
        ("at 12 Baker Street, please", [("address", 3, 18)]),
        ("电话13800138000，谢谢", [("phone", 2, 13)]),
        ("[email] typed by hand, then a@example.org", [("email", 28, 41)]),
        ("nothing of 19.99 or 2024", []),
        ("", []),
    ],
)
def test_a_mark_is_traced_to_what_it_stands_for(text: str, found: list[tuple[str, int, int]]) -> None:
    assert marks(text) == found
    masked = with_marks(text, found)
    assert all(text[start:end] not in masked for _, start, end in found)


def test_a_piece_is_masked_when_nothing_of_it_can_be_read() -> None:
    text = Text("x" * 30, "en", (), [("phone", 5, 10), ("card", 13, 20)])
    assert is_masked(text, 5, 10)
    assert is_masked(text, 5, 20)  # three characters are left between the marks
    assert is_masked(text, 2, 10)
    assert not is_masked(text, 1, 10)
    assert not is_masked(text, 21, 23)  # short, and all of it left


def test_shares_by_hand() -> None:
    texts = [
        Text("a" * 40, "en", [("phone", 0, 10), ("email", 20, 30)], [("card", 0, 10), ("email", 20, 25)]),
        Text("b" * 40, "en", [("phone", 0, 10)], [("phone", 0, 10), ("phone", 30, 40)]),
        Text("9" * 40, "zh", [("phone", 0, 12)], []),
    ]
    phones = shares(texts[:2], "phone")
    assert (phones["personal"], phones["recall"][0], phones["in_part"], phones["named"]) == (2, 1.0, 0, 0.5)
    assert (phones["marks"], phones["precision"][0]) == (2, 0.5)
    assert shares(texts, "email")["in_part"] == 1
    found = measures(texts)
    assert (found["kinds"]["all"]["recall"][0], found["kinds"]["all"]["precision"][0]) == (0.5, 0.75)
    assert found["kinds"]["card zh"] == {
        "personal": 0, "recall": [], "in_part": 0, "named": None, "marks": 0, "precision": [],
    }  # fmt: skip
    assert found["missed"] == {"email en: aaa…": 1, "phone zh: 999…": 1}
    assert found["taken_wrongly"] == {"phone en: aaa…": 1}


def test_a_shape_tells_no_digit_and_no_name() -> None:
    assert shape("12 Baker Street, 上海市") == "99 Aaaa… Aaaa…, 字字字"


def test_a_small_shop_through_the_real_preprocess(tmp_path: Path) -> None:
    texts = preprocessed(tmp_path, users=1_200, days=10, seed=1)
    found = measures(texts)["kinds"]["all"]
    assert {text.language for text in texts} == {"en", "zh"}
    assert found["personal"] >= 3
    assert found["marks"] >= 3
    assert found["precision"][0] >= 0.5
    for text in texts:
        for _, start, end in text.personal:
            assert 0 <= start < end <= len(text.text)
