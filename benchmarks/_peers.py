"""Run a script in another library's own environment: made once by `uv`, kept under build/peers/, asked through files.

A peer never enters the project's environment: its pins would hold ours back, and ours its. A script in
`benchmarks/peers/` reads the JSON file named by its first argument and writes its answer to the second; large arrays
travel as .npy files whose paths stand in the JSON.
"""

import fcntl
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks._measure import ROOT, Ran, watching

PEERS: dict[str, tuple[str, ...]] = {
    "rectools": ("rectools[torch]==0.19.0", "torch==2.13.0"),  # takes numpy 1.26 and pandas 2
    "replay": ("replay-rec[torch]==0.22.0", "torch==2.13.0"),  # the extra brings lightning; no Spark, no Java
    "implicit": ("implicit==0.7.3",),
    "faiss": ("faiss-cpu==1.15.1",),
    "duckdb": ("duckdb==1.5.6",),  # the project's own version, without the project
    "polars": ("polars==2.1.0",),
    "obp": ("obp==0.4.1", "pandas==1.5.3", "numpy==1.26.4", "torch==2.13.0"),  # newer ones refuse 3.11
}
"""What each peer needs, by the name a benchmark asks for. torch is the project's own version: where PIP_FIND_LINKS
offers a CPU build it is taken, as in `make setup`."""


def environment(name: str) -> Path:
    """The Python of peer `name`, made on first use; its folder holds the pins of all it got.

    That takes seconds where uv has the packages already, else a download of up to 250 MB.
    Raises SystemExit with uv's own words where a package cannot be had.
    """
    wanted = PEERS[name]
    folder = ROOT / "build" / "peers" / f"{name}-{hashlib.sha256(repr((wanted, sys.version)).encode()).hexdigest()[:8]}"
    python, pins = folder / "bin" / "python", folder / "pins.txt"
    with _locked(folder.with_suffix(".lock")):
        if not pins.exists():  # it is written last
            links = [word for link in shlex.split(os.environ.get("PIP_FIND_LINKS", "")) for word in ("-f", link)]
            _uv("venv", "--clear", "--python", sys.executable, str(folder))
            _uv("pip", "install", "--python", str(python), *links, *wanted)
            pins.write_text(_uv("pip", "freeze", "--python", str(python)))
    return python


def ask(name: str, script: str, question: dict[str, Any], threads: int) -> Ran:
    """What `benchmarks/peers/SCRIPT` answers in the environment of peer `name`, and what it took.

    `threads` bounds OpenMP and every BLAS of the process. Raises SystemExit with the end of what it said if it fails.
    """
    python, surroundings = environment(name), _surroundings(threads)
    with tempfile.TemporaryDirectory(prefix=f"peer-{name}-") as place:
        given, answer = Path(place) / "question.json", Path(place) / "answer.json"
        given.write_text(json.dumps(question))
        command = [str(python), str(ROOT / "benchmarks" / "peers" / script), str(given), str(answer)]
        started = time.monotonic()
        with (Path(place) / "said.txt").open("w+b") as said:
            process = subprocess.Popen(command, cwd=place, env=surroundings, stdout=said, stderr=said)
            with watching(process.pid) as watch:
                _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                said.seek(max(0, said.tell() - 4000))
                words = said.read().decode(errors="replace")
                raise SystemExit(f"{script} of peer {name} ended with {process.returncode}: {words}")
        seconds, busy = time.monotonic() - started, used.ru_utime + used.ru_stime
        return Ran(round(seconds, 2), round(busy, 2), watch.peak >> 20, json.loads(answer.read_text()))


@dataclass
class Talk:
    """A script that stays: it loads what it needs once, and answers one question after the other."""

    process: "subprocess.Popen[str]"
    said: IO[bytes]
    watch: Any  # `peak`: the most bytes it has held since that was last set

    def ask(self, **question: Any) -> dict[str, Any]:
        """Its answer. Raises SystemExit with the end of what it said if it is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(max(0, self.said.seek(0, 2) - 4000))
            words = self.said.read().decode(errors="replace")
            raise SystemExit(f"{self.process.args!r} ended with {self.process.wait()}: {words}")
        return dict(json.loads(line))


@contextmanager
def talking(name: str | None, script: str, question: dict[str, Any], threads: int, blas: int) -> Iterator[Talk]:
    """`benchmarks/peers/SCRIPT` in the environment of peer `name`, or in the project's own where it is None.

    `threads` bounds OpenMP, `blas` numpy's OpenBLAS: of what starts threads of its own around BLAS each wants one.
    """
    python, surroundings = Path(sys.executable), {**_surroundings(threads), "OPENBLAS_NUM_THREADS": str(blas)}
    if name is None:
        surroundings["PYTHONPATH"] = str(ROOT)
    else:
        python = environment(name)
    with tempfile.TemporaryDirectory(prefix="peer-") as place, (Path(place) / "said.txt").open("w+b") as said:
        given = Path(place) / "question.json"
        given.write_text(json.dumps(question))
        command = [str(python), str(ROOT / "benchmarks" / "peers" / script), str(given)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=surroundings, stdin=pipe, stdout=pipe, stderr=said, text=True)
        try:
            with watching(process.pid) as watch:
                talk = Talk(process, said, watch)
                talk.answer()  # it is ready
                yield talk
        finally:
            process.kill()
            process.wait()


def _surroundings(threads: int) -> dict[str, str]:
    count = str(threads)
    bounds = {f"{library}_NUM_THREADS": count for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")}
    surroundings = {**os.environ, **bounds, "POLARS_MAX_THREADS": count}
    surroundings.pop("PYTHONPATH", None)  # our packages are not the peer's
    return surroundings


def pins(name: str) -> dict[str, str]:
    """Version by package of all that the environment of peer `name` holds."""
    lines = (environment(name).parents[1] / "pins.txt").read_text().split()
    return dict(line.split("==", 1) for line in lines if "==" in line)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two benchmarks that want one environment make it one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _uv(*arguments: str) -> str:
    made = subprocess.run(
        [str(Path(sys.executable).parent / "uv"), "--quiet", *arguments], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise SystemExit(f"uv {' '.join(arguments)} ended with {made.returncode}: {made.stderr.strip()[-2000:]}")
    return made.stdout
