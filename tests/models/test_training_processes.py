"""Training in real processes: killed with -9 and resumed, twice from the start, and two together."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DRIVER = [sys.executable, "-m", "tests.models.train_and_die"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(words: list[str]) -> int:
    return subprocess.run(words, env=ENVIRONMENT, timeout=900, check=False).returncode


def together(folder: Path, *words: str) -> int:
    """Two processes on one folder, for eight epochs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
            "--master-port", str(port), *DRIVER[1:], "--folder", str(folder), "--epochs", "8", *words,
        ]
    )  # fmt: skip


def said(folder: Path, rank: int = 0) -> dict[str, Any]:
    return json.loads((folder / f"said-{rank}.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run([*DRIVER, "--folder", str(folder)]) == 0
    return str(said(folder)["digest"])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes trained together undisturbed."""
    folder = tmp_path_factory.mktemp("pair")
    assert together(folder) == 0
    return folder


@pytest.mark.slow
def test_killed_at_five_random_steps_it_ends_with_equal_weights(tmp_path: Path, undisturbed: str) -> None:
    for step in np.random.default_rng(5).integers(1, 8, 5):  # counted in each attempt from where it resumed
        assert run([*DRIVER, "--folder", str(tmp_path), "--die-at", str(step)]) == -signal.SIGKILL
    assert run([*DRIVER, "--folder", str(tmp_path)]) == 0
    assert said(tmp_path)["digest"] == undisturbed


@pytest.mark.slow
def test_two_processes_of_their_own_end_with_the_same_weights(tmp_path: Path, undisturbed: str) -> None:
    assert run([*DRIVER, "--folder", str(tmp_path)]) == 0
    assert said(tmp_path)["digest"] == undisturbed


@pytest.mark.slow
def test_two_processes_that_train_together_hold_one_model_and_learn(pair: Path) -> None:
    first, second = said(pair), said(pair, 1)
    assert (first["first"], second["first"]) == (True, False)
    assert first["digest"] == second["digest"]
    assert first["losses"] == second["losses"]
    assert first["losses"][-1] < first["losses"][0] - 0.1


@pytest.mark.slow
def test_two_processes_killed_inside_an_epoch_end_as_two_that_were_not(tmp_path: Path, pair: Path) -> None:
    assert together(tmp_path, "--die-at", "7") != 0
    assert not (tmp_path / "said-0.json").exists()
    assert together(tmp_path) == 0
    for rank in (0, 1):
        assert said(tmp_path, rank)["digest"] == said(pair)["digest"]
        assert said(tmp_path, rank)["losses"] == said(pair)["losses"]
