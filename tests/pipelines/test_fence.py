"""Only the newest attempt may publish, and nobody takes over in the middle of a commit."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.errors import NightmarketError, Superseded
from pipelines.fence import guard, take
from pipelines.settings import Settings


def test_an_attempt_that_wakes_up_after_its_successor_publishes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    orphan = take(settings, "publish", "bi")
    successor = take(settings, "publish", "bi")
    with pytest.raises(Superseded, match="attempt 2 .* took over"), guard(settings, orphan):
        pytest.fail("the orphan was let in")
    with guard(settings, successor):
        pass


def test_tokens_of_different_steps_are_independent(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    load = take(settings, "load", "2024-05-01")
    take(settings, "score", "2024-05-01")
    with guard(settings, load):
        pass


def test_nobody_takes_over_during_a_commit(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    attempt = take(settings, "load", "x")
    with guard(settings, attempt), pytest.raises(NightmarketError, match="has been committing"):
        take(settings, "load", "x", wait=0.2)


def test_an_error_inside_the_commit_gives_the_fence_back(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    attempt = take(settings, "load", "x")
    with pytest.raises(ZeroDivisionError), guard(settings, attempt):
        1 / 0  # noqa: B018
    assert take(settings, "load", "x", wait=0.2).token == 2


def test_a_killed_committer_does_not_hold_the_fence(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pipelines.fence import guard, take\n"
        "from pipelines.settings import Settings\ns = Settings(home=Path(sys.argv[1]))\n"
        "with guard(s, take(s, 'load', 'x')):\n    print('inside', flush=True)\n    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert take(Settings(home=tmp_path), "load", "x", wait=30).token == 2


def _take_many(home: Path, count: int) -> list[int]:
    return [take(Settings(home=home), "load", "x").token for _ in range(count)]


def test_concurrent_takers_never_share_a_token(tmp_path: Path) -> None:
    _take_many(tmp_path, 1)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        tokens = [t for part in pool.starmap(_take_many, [(tmp_path, 20)] * 3) for t in part]
    assert sorted(tokens) == list(range(2, 62))
