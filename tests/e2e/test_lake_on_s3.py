"""The laws do not depend on where the lake lies: a shop whose lake is a bucket ends equal to one on a folder."""

import signal
from pathlib import Path

import pytest

from pipelines.settings import load_settings
from pipelines.tablehash import lake_hashes, warehouse_hashes
from tests import s3
from tests.e2e import shop
from tests.e2e.conftest import HISTORY_UNTIL, NIGHTS, command, hashes


@pytest.mark.slow
def test_nights_on_a_bucket_end_equal_to_nights_on_a_folder(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shop.land(home)
    with s3.serving() as store:
        for name, value in store.variables.items():
            monkeypatch.setenv(name, value)
        (home / "settings.yaml").write_text(f"lake_url: s3://{s3.BUCKET}/lake\n")
        history = command(home, "history", "--until", str(HISTORY_UNTIL))
        assert history.returncode == 0, history.stderr[-800:]
        for day, point in zip(NIGHTS, ("lake.placed", "lake.committed"), strict=True):
            killed = command(home, "night", "--date", str(day), NIGHTMARKET_FAULT=point)
            assert killed.returncode == -signal.SIGKILL
            again = command(home, "night", "--date", str(day))
            assert again.returncode == 0, again.stderr[-800:]
        settings = load_settings(home)
        found = {**lake_hashes(settings), **warehouse_hashes(settings)}
        assert not settings.lake.exists()
    expected = hashes(clean)
    assert {name: found[name] for name in expected} == expected
