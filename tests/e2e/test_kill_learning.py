"""Law 1 for what learns: kill -9 inside `train`, `promote` and `rescore`, run again, and everything ends equal."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.artefact import is_intact
from pipelines import ops
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.e2e.conftest import HISTORY_UNTIL, NIGHTS, command, hashes, later, settings_of
from tests.models.shop import seasonal_rows
from tests.pipelines.learning import fill_lake

Copy = Callable[[Path], Path]

# Few test days, for a shop of ten days; shorter lists than before, so that scoring a night again changes it.
LEARNING = {"NIGHTMARKET_TEST_DAYS": "2", "NIGHTMARKET_TOP_K": "5"}
TRAIN = ("train", "recommender", "--until", str(HISTORY_UNTIL))
PROMOTE = ("promote", "recommender")
RESCORE = ("rescore", "--after", str(HISTORY_UNTIL))

# One after the other, each followed by a kill at the next: a rerun starts from what the kill before it left.
KILL_POINTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        TRAIN,
        ("train.saved:3", "train.recorded", "train.tracked", "train.evaluated", "train.registered"),
    ),
    (PROMOTE, ("promote.decided", "promote.appended", "promote.aliased")),
    (RESCORE, ("score.committed", "rescore.night", "score.fitted:2", "audit.recorded:2", "rescore.night:2")),
)


def done(home: Path, *words: str, **environment: str) -> None:
    result = command(home, *words, **environment)
    assert result.returncode == 0, f"{words}: {result.stderr[-800:]}"


def killed(home: Path, point: str, *words: str, **environment: str) -> None:
    result = command(home, *words, NIGHTMARKET_FAULT=point, **environment)
    assert result.returncode == -signal.SIGKILL, f"{words} was not killed at {point}: {result.stderr[-500:]}"


def learned(home: Path) -> dict[str, Any]:
    """Versions, both logs and the metrics, without times, nor the names MLflow drew for its runs."""
    models = settings_of(home).models / "recommender"
    assert ops.flush(settings_of(home))
    with open_warehouse(settings_of(home), read_only=True) as connection:
        metrics = connection.execute("select * exclude (trained_at) from ops.model_metrics order by all").fetchall()
    artefacts = sorted(str(path.parent.relative_to(models)) for path in models.glob("**/manifest.json"))
    assert all(is_intact(models / name) for name in artefacts)
    return {"artefacts": artefacts, "logs": logs(home), "metrics": metrics}


def logs(home: Path) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for path in sorted((settings_of(home).models / "recommender").glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.stem] = [{k: v for k, v in row.items() if not k.endswith(("_at", "run_id"))} for row in rows]
    return found


@pytest.fixture(scope="module")
def taught(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights later: trained, promoted, and both nights scored again by the champion, undisturbed."""
    home = tmp_path_factory.mktemp("taught") / "home"
    shutil.copytree(clean, home)
    for words in (TRAIN, PROMOTE, RESCORE):
        done(home, *words, **LEARNING)
    assert [len(rows) for rows in logs(home).values()] == [1, 1]
    return home


@pytest.mark.slow
def test_killed_while_it_learns_everything_ends_equal(clean: Path, taught: Path, copy_of: Copy) -> None:
    home = copy_of(clean)
    for words, points in KILL_POINTS:
        for point in points:
            killed(home, point, *words, **LEARNING)
        done(home, *words, **LEARNING)
    assert learned(home) == learned(taught)
    assert hashes(home) == hashes(taught)
    assert hashes(taught)["scores.recommendations"] != hashes(clean)["scores.recommendations"]


# What `night` or `history` has to do behind a scored night, and where it is killed while that night is scored again.
BEHIND: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("night", "--date", str(NIGHTS[0])), ("score.fitted:2", "score.committed:2", "rescore.night")),
    (("history", "--from", str(HISTORY_UNTIL), "--until", str(NIGHTS[0])), ("score.committed", "rescore.night")),
)


@pytest.fixture(scope="session")
def clean_second(after_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second night without the first."""
    return later(tmp_path_factory, "clean-second", after_history, NIGHTS[1:])


@pytest.mark.slow
@pytest.mark.parametrize(("words", "points"), BEHIND, ids=["night", "history"])
def test_killed_while_later_nights_are_scored_again_everything_ends_equal(
    clean_second: Path, copy_of: Copy, tmp_path: Path, words: tuple[str, ...], points: tuple[str, ...]
) -> None:
    home = copy_of(clean_second)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(home, undisturbed)
    done(undisturbed, *words)
    for point in points:
        killed(home, point, *words)
    done(home, *words)
    assert hashes(home) == hashes(undisturbed)


# A shop with enough people for the transformer to learn from, and where its training is killed.
SHOP = {"NIGHTMARKET_TRAINING_DAYS": "30", "NIGHTMARKET_TEST_DAYS": "10"}
TRAINING_POINTS = (
    "train.epoch:2",
    "train.epoch:4",
    "train.learned",
    "train.saved:7",
    "train.tracked",
    "train.registered",
)


@pytest.mark.slow
def test_killed_while_a_transformer_learns_everything_ends_equal(tmp_path: Path) -> None:
    homes = [tmp_path / "undisturbed", tmp_path / "killed"]
    for home in homes:
        fill_lake(Settings(home=home), seasonal_rows(users=40, items=12, days=40))
    words = ("train", "recommender")
    done(homes[0], *words, **SHOP)
    for point in TRAINING_POINTS:
        killed(homes[1], point, *words, **SHOP)
    done(homes[1], *words, **SHOP)
    assert learned(homes[1]) == learned(homes[0])
    assert len(learned(homes[0])["artefacts"]) == 8  # five floors, the transformer, the blend, the evaluation
