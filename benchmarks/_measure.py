"""Run a command of the project as a process of its own and watch what it and its children hold in memory."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
EVERY_SECONDS = 0.25
REST = 20
"""Times as long as a look took is waited before the next: the pages of a large process take a while to count."""


@dataclass(frozen=True)
class Ran:
    """`peak_mib`: largest sum, over the process and its children, of PSS (pages shared between them count once).

    `cpu_seconds` says what the work costs where other processes share the cores and `seconds` says little.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: int
    result: dict[str, Any]


def nightmarket(home: Path, *arguments: str, **settings: str) -> Ran:
    """Run `nightmarket ARGUMENTS` against `home`; stops this process with the command's own words where it fails."""
    environment = {**os.environ, "NIGHTMARKET_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment |= {f"NIGHTMARKET_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    started, busy = time.monotonic(), _children_cpu()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    with watching(process.pid) as watch:
        said, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"nightmarket {' '.join(arguments)} ended with {process.returncode}: {said[-2000:]}")
    seconds = round(time.monotonic() - started, 1)
    return Ran(seconds, round(_children_cpu() - busy, 1), watch.peak >> 20, json.loads(said.strip().splitlines()[-1]))


@contextmanager
def watching(pid: int) -> "Iterator[_Watch]":
    """Meanwhile, `peak` is the most bytes that the process and all it started have held at once."""
    watch = _Watch(pid)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop.set()
        watch.join()


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.stop = psutil.Process(pid), 0, threading.Event()

    def run(self) -> None:
        pause = EVERY_SECONDS
        while not self.stop.wait(pause):
            started = time.monotonic()
            self.peak = max(self.peak, self._held())
            pause = max(EVERY_SECONDS, REST * (time.monotonic() - started))

    def _held(self) -> int:
        try:
            family = [self.root, *self.root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0
        return sum(map(_held_by, family))


def _held_by(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # it has just ended
        return 0
