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


def said(folder: Path, rank: int = 0) -> dict[str, Any]:
    return json.loads((folder / f"said-{rank}.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run([*DRIVER, "--folder", str(folder)]) == 0
    return str(said(folder)["digest"])


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
def test_two_processes_that_train_together_hold_one_model_and_learn(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
        "--master-port", str(port), *DRIVER[1:], "--folder", str(tmp_path), "--epochs", "8",
    ]  # fmt: skip
    assert run(together) == 0
    first, second = said(tmp_path), said(tmp_path, 1)
    assert (first["first"], second["first"]) == (True, False)
    assert first["digest"] == second["digest"]
    assert first["losses"] == second["losses"]
    assert first["losses"][-1] < first["losses"][0] - 0.1
