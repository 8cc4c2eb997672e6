"""A server of ours as a process for tests: started as `nightmarket serve` starts it, killed as a machine would."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pipelines.serve.server import server
from pipelines.settings import Settings

PATIENCE = 600.0


@dataclass
class Process:
    """`nightmarket serve NAME` with these settings; it answers at `health` once it is up."""

    settings: Settings
    name: str
    health: str
    log: Path

    def start(self) -> None:
        found = server(self.settings, self.name)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                found.command, env=found.environment, cwd=found.folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            assert self._process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{self.name} never answered"
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.health, timeout=60):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9 of it and of all it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
