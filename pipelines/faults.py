"""Fault points: places where a test may kill the process to prove that a rerun ends equal (law 1).

`NIGHTMARKET_FAULT=lake.committed` kills at the first pass of that point, `lake.committed:3` at the third.
The signal is SIGKILL to ourselves: no handler, no `finally`, no flush runs, as in a power cut of the process.
`NIGHTMARKET_PAUSE=name:file` stops there until `file` exists: it makes an orphaned attempt that wakes up later.
"""

import os
import signal
import time
from collections import Counter
from pathlib import Path

_passes: Counter[str] = Counter()


def fault_point(name: str) -> None:
    """Die or wait here when the environment says so; otherwise free of cost."""
    wanted = os.environ.get("NIGHTMARKET_FAULT")
    if wanted:
        point, _, nth = wanted.partition(":")
        if point == name:
            _passes[name] += 1
            if _passes[name] == int(nth or 1):
                os.kill(os.getpid(), signal.SIGKILL)
    pause = os.environ.get("NIGHTMARKET_PAUSE")
    if pause:
        point, _, flag = pause.partition(":")
        if point == name:
            Path(flag + ".reached").touch()
            while not Path(flag).exists():
                time.sleep(0.05)
