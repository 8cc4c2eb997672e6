"""Everything served at once: PostgreSQL, a bucket, a Spark cluster with a token. A worker is lost on the way."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pipelines.connect import VARIABLE
from tests import s3, spark_cluster
from tests.e2e import shop
from tests.e2e.conftest import HISTORY_UNTIL, NIGHTS, command, hashes
from tests.postgres import Server

pytestmark = [pytest.mark.slow, pytest.mark.java]


def test_a_night_on_the_whole_platform_equals_the_embedded_one_though_a_worker_is_lost(
    clean: Path, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shop.land(home)
    (tmp_path / "cluster").mkdir()
    with s3.serving() as store, spark_cluster.running(tmp_path / "cluster") as cluster:
        for name, value in {**store.variables, VARIABLE: cluster.token}.items():
            monkeypatch.setenv(name, value)
        chosen = {
            "postgres": postgres.new_warehouse("whole"),
            "lake_url": f"s3://{s3.BUCKET}/lake",
            "engine": cluster.url,
        }
        (home / "settings.yaml").write_text(yaml.safe_dump(chosen))
        history = command(home, "history", "--until", str(HISTORY_UNTIL))
        assert history.returncode == 0, history.stderr[-800:]

        night = paused_while_it_preprocesses(home, tmp_path / "flag")
        cluster.kill_worker("worker-0")
        (tmp_path / "flag").touch()
        _, said = night.communicate(timeout=1500)
        assert night.returncode == 0, said[-800:]

        again = command(home, "night", "--date", str(NIGHTS[1]))
        assert again.returncode == 0, again.stderr[-800:]
        assert hashes(home) == hashes(clean)
        assert not (home / "lake").exists() and not (home / "warehouse").exists()


def paused_while_it_preprocesses(home: Path, flag: Path) -> subprocess.Popen[str]:
    """The first night, which has read and judged its rows on both workers and is about to write them."""
    night = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "night", "--date", str(NIGHTS[0])],
        env={**os.environ, "NIGHTMARKET_HOME": str(home), "NIGHTMARKET_PAUSE": f"preprocess.checked:{flag}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not Path(f"{flag}.reached").exists():
        assert night.poll() is None, night.communicate()[1][-800:]
        time.sleep(0.05)
    return night
