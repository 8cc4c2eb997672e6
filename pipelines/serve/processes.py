"""Start servers that outlive us, and stop just those: every process that carries the stack's mark, orphans included.

A killed scheduler leaves its workers behind, and tasks leave their parent's process group, so neither a parent nor a
group says what belongs to whom. The environment does: a process started here carries NIGHTMARKET_STACK=<mark>, and
whatever it starts inherits it.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

MARK = "NIGHTMARKET_STACK"
TERM_SECONDS = 15.0
ENDING_SECONDS = 60.0


def start(
    command: Sequence[str], environment: Mapping[str, str], mark: str, log: Path, folder: Path
) -> tuple[int, float]:
    """Start a server in a session of its own, in `folder`, its output appended to `log`; its pid and time of birth."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # SPT_NOENV: a process that renames itself must not write over its environment, by which we know it.
    marked = {**environment, MARK: mark, "SPT_NOENV": "1"}
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            env=marked,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(handle)
    return process.pid, psutil.Process(process.pid).create_time()


def lives(pid: int, started: float, mark: str) -> bool:
    """Whether the process that `start` returned still runs; a number that was given to another one does not count.

    A killed process loses its memory, and with it the mark, before its ports and locks, and is running to look at until
    all are gone: the more memory, the longer. Such a one is waited for, up to ENDING_SECONDS, and no longer lives.
    """
    deadline = time.monotonic() + ENDING_SECONDS
    try:
        process = psutil.Process(pid)
        while _lives(process) and process.create_time() == started:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # said of one that is ending, too
                if process.environ().get(MARK) == mark:
                    return True
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
    except psutil.NoSuchProcess:
        pass
    return False


def marked(mark: str) -> Iterator[psutil.Process]:
    """Every living process that carries the mark, ourselves and our parents left out."""
    us = psutil.Process()
    spared = {us.pid, *(parent.pid for parent in us.parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(MARK) == mark and _lives(process):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def stop(mark: str, patience: float = TERM_SECONDS) -> int:
    """TERM, wait, KILL, until no process carries the mark and none is still ending; returns how many were stopped.

    In rounds, since a process may start another while it is being stopped.
    """
    deadline = time.monotonic() + patience
    asked: dict[int, psutil.Process] = {}
    while living := list(marked(mark)):
        for process in living:
            try:
                if time.monotonic() > deadline:
                    process.kill()
                elif process.pid not in asked:
                    process.terminate()
            except psutil.NoSuchProcess:
                continue
            asked[process.pid] = process
        psutil.wait_procs(living, timeout=0.5)
    _wait_until_ended(list(asked.values()))
    return len(asked)


def stop_one(pid: int, started: float, mark: str) -> None:
    """TERM, wait, KILL for the process that `start` returned and for its children; nothing where it no longer lives."""
    if not lives(pid, started, mark):
        return
    first = psutil.Process(pid)
    family = [first, *first.children(recursive=True)]
    first.terminate()
    for process in psutil.wait_procs(family, timeout=TERM_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait_until_ended(family)


def _wait_until_ended(stopped: list[psutil.Process]) -> None:
    """Until their ports and locks are free too, which are let go of after the mark."""
    deadline = time.monotonic() + ENDING_SECONDS
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            while _lives(process) and time.monotonic() < deadline:
                time.sleep(0.02)


def listeners(mark: str) -> list[tuple[int, str, int]]:
    """(pid, address, port) of every TCP port on which a process of the stack listens."""
    found = []
    for process in marked(mark):
        try:
            connections = process.net_connections(kind="tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found += [(process.pid, c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN]
    return sorted(set(found))
