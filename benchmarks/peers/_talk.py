"""The other end of `benchmarks._peers.talking`: one question, then a line in and a line out for each thing asked."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


def talk(start: Callable[[Answer], Callable[[Answer], Answer]]) -> None:
    """`start` of the question gives what answers each line. What a library prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer = start(json.loads(Path(sys.argv[1]).read_text()))
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=out, flush=True)
