"""One file, then the environment; a wrong name or type is said at once."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.settings import Batch, load_settings


def test_defaults_work_without_a_file(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert (settings.engine, settings.top_k, settings.late_days) == ("sail", 20, 3)
    assert settings.bi == tmp_path / "bi" / "nightmarket.duckdb"


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.yaml").write_text("top_k: 10\nrepeat_purchases: false\n")
    monkeypatch.setenv("NIGHTMARKET_TOP_K", "5")
    settings = load_settings(tmp_path)
    assert (settings.top_k, settings.repeat_purchases) == (5, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("top_j: 10", "unknown setting 'top_j'"),
        ("top_k: many", "setting top_k must be a int, not 'many'"),
        ("- 1", "must be a mapping"),
        ("a: [", "is not YAML"),
        ("repeat_purchases: maybe", "setting repeat_purchases must be a bool"),
        ("exploration_share: 1", "setting exploration_share must be at least 0 and below 1, not 1.0"),
        ("experiment: a", "experiment 'a' compares lists with drawn places: set exploration_share"),
        ("{experiment: a, exploration_share: .1, experiment_from: soon}", "experiment_from must be the first night"),
        ("exploration_share: .nan", "setting exploration_share must be at least 0 and below 1, not nan"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_settings(tmp_path)


def test_a_batch_holds_both_of_its_ends() -> None:
    batch = Batch(date(2024, 2, 28), date(2024, 3, 1))
    assert [d.day for d in batch.days()] == [28, 29, 1]
    assert date(2024, 3, 1) in batch
    assert date(2024, 3, 2) not in batch
