"""A real Apache Spark cluster on 127.0.0.1: master, workers, and a Connect server that asks for a token."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from pipelines.serve import spark
from tests.s3 import free_port

START_SECONDS = 180
MEMORY_MIB = 1024

Command = Callable[[spark.Node], list[str]]


@dataclass
class Cluster:
    """`processes` by name: master, worker-0, worker-1 …, connect."""

    folder: Path
    token: str
    url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def executors(self, worker: str) -> list[psutil.Process]:
        """The executor processes that a worker started."""
        children = psutil.Process(self.processes[worker].pid).children(recursive=True)
        return [child for child in children if child.name() == "java"]

    def kill_worker(self, name: str) -> None:
        """kill -9 a worker and its executors, as when its machine goes."""
        for process in (*self.executors(name), psutil.Process(self.processes[name].pid)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.processes[name].wait(timeout=60)


@contextmanager
def running(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Start the cluster, wait until its workers are in and the server answers, stop every process at the end."""
    port, secret, token = free_port(), secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    node = spark.Node(folder, master_port=free_port(), connect_port=port, memory_mib=MEMORY_MIB)
    cluster = Cluster(folder, token, f"sc://127.0.0.1:{port}")
    try:
        _start(cluster, "master", node, secret, spark.master_command)
        _wait_for_port(cluster, "master", node.master_port)
        for number in range(workers):
            _start(cluster, f"worker-{number}", node, secret, spark.worker_command)
        for number in range(workers):
            _wait_for_line(cluster, f"worker-{number}", "Successfully registered with master")
        _start(cluster, "connect", node, secret, spark.connect_command, token)
        _wait_for_port(cluster, "connect", port)
        for number in range(workers):
            _wait_for_executor(cluster, f"worker-{number}")
        yield cluster
    finally:
        for name in reversed(cluster.processes):
            _stop(cluster.processes[name])


def _start(
    cluster: Cluster, name: str, node: spark.Node, secret: str, command: Command, token: str | None = None
) -> None:
    own = replace(node, folder=cluster.folder / name)
    spark.write_properties(own, secret)
    with (cluster.folder / f"{name}.log").open("wb") as log:
        cluster.processes[name] = subprocess.Popen(
            command(own),
            env=spark.environment(own, token),
            cwd=own.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The process and what it started; each leads a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


def _wait_for_port(cluster: Cluster, name: str, port: int) -> None:
    def open_() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
        return False

    _wait(cluster, name, open_)


def _wait_for_line(cluster: Cluster, name: str, line: str) -> None:
    _wait(cluster, name, lambda: line in cluster.log(name))


def _wait_for_executor(cluster: Cluster, name: str) -> None:
    _wait(cluster, name, lambda: bool(cluster.executors(name)))


def _wait(cluster: Cluster, name: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        ended = cluster.processes[name].poll() is not None
        assert not ended and time.monotonic() < deadline, f"{name} did not start: {cluster.log(name)[-2000:]}"
        time.sleep(0.1)
