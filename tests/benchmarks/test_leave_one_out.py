"""The leave-one-out protocol by hand: what each stage sees, the rank of the target, and the metrics that follow."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks._leave_one_out import Histories, per_user, ranks, read, split_before


@pytest.fixture
def histories(tmp_path: Path) -> Histories:
    file = tmp_path / "shop.txt"
    file.write_text("1 a b c\n2 c a d b\n10 b d a c\n")
    return read(file)


class Fixed:
    """The same scores for everybody."""

    def __init__(self, scores: list[float]) -> None:
        self.given = np.array(scores, dtype=np.float32)

    def scores(self, data, users):
        return np.tile(self.given, (len(users), 1))


def test_each_stage_sees_only_what_came_before(histories: Histories) -> None:
    assert histories.users.to_pylist() == ["1", "10", "2"]
    assert histories.items.to_pylist() == ["a", "b", "c", "d"]
    for held_out, rows in ((2, [[0], [1, 3], [2, 0]]), (1, [[0, 1], [1, 3, 0], [2, 0, 3]])):
        data = histories.before(held_out)
        assert [data.item[a:b].tolist() for a, b in zip(data.offsets, data.offsets[1:], strict=False)] == rows
        assert (data.time < data.end).all()
        assert all((np.diff(data.time[a:b]) > 0).all() for a, b in zip(data.offsets, data.offsets[1:], strict=False))
    assert histories.target(2).tolist() == [1, 0, 3]
    assert histories.target(1).tolist() == [2, 2, 1]
    split = split_before(histories, 1)
    assert split.relevant.toarray().argmax(axis=1).tolist() == [2, 2, 1]
    assert split.seen is not None
    assert split.seen.toarray().tolist() == [[1, 1, 0, 0], [1, 1, 0, 1], [1, 0, 1, 1]]


def test_the_history_is_masked_and_equal_scores_share_their_mean_rank(histories: Histories) -> None:
    # Left over for user 1: c, d; for 10: c; for 2: b.
    found = ranks(Fixed([9, 1, 5, 5]), histories.before(1), histories.target(1))
    assert found.tolist() == [1.5, 1, 1]


def test_a_target_that_was_had_before_cannot_be_found(tmp_path: Path) -> None:
    file = tmp_path / "again.txt"
    file.write_text("1 a b a\n2 b c d\n")
    histories = read(file)
    assert ranks(Fixed([4, 3, 2, 1]), histories.before(1), histories.target(1)).tolist() == [np.inf, 2]


def test_metrics_by_hand() -> None:
    found = per_user(np.array([1.0, 3, 10, 10.5, np.inf]))
    assert found["recall@10"].tolist() == [1, 1, 1, 0, 0]
    assert found["ndcg@10"] == pytest.approx([1, 1 / 2, 1 / np.log2(11), 0, 0])


def test_a_user_with_too_few_items_is_named(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text("1 a b c\n2 a b\n")
    with pytest.raises(SystemExit, match="line 2"):
        read(file)
