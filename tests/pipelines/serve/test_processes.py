"""Whatever carries the mark is found and stopped: children of dead parents, and those that left their group."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.serve import processes


@pytest.fixture
def mark() -> Iterator[str]:
    name = secrets.token_hex(8)
    yield name
    processes.stop(name, patience=0)


def start(mark: str, folder: Path, code: str) -> int:
    return processes.start([sys.executable, "-c", code], dict(os.environ), mark, folder / "log", folder)[0]


def wait_for(path: Path) -> int:
    while not (path.exists() and path.read_text()):
        time.sleep(0.02)
    return int(path.read_text())


def test_orphans_and_those_that_left_the_group_are_stopped_and_nothing_else(mark: str, tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    child = "import os,time; os.setsid(); open('{}','w').write(str(os.getpid())); time.sleep(600)"
    parent = (
        "import subprocess,sys,time;"
        f"subprocess.Popen([sys.executable,'-c',{child.format(tmp_path / 'pid')!r}]); time.sleep(600)"
    )
    first = start(mark, tmp_path, parent)
    orphan = wait_for(tmp_path / "pid")
    os.kill(first, 9)
    os.waitpid(first, 0)
    assert [p.pid for p in processes.marked(mark)] == [orphan]
    assert processes.stop(mark) == 1
    assert not list(processes.marked(mark))
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_who_does_not_heed_is_killed(mark: str, tmp_path: Path) -> None:
    deaf = (
        "import os,signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open('{tmp_path / 'pid'}','w').write(str(os.getpid())); time.sleep(600)"
    )
    start(mark, tmp_path, deaf)
    wait_for(tmp_path / "pid")
    assert processes.stop(mark, patience=0.5) == 1
    assert not list(processes.marked(mark))


def test_its_listeners_are_known(mark: str, tmp_path: Path) -> None:
    serve = (
        "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen();"
        f"open('{tmp_path / 'port'}','w').write(str(s.getsockname()[1])); time.sleep(600)"
    )
    pid = start(mark, tmp_path, serve)
    port = wait_for(tmp_path / "port")
    assert processes.listeners(mark) == [(pid, "127.0.0.1", port)]


def test_its_output_is_for_the_owner_only(mark: str, tmp_path: Path) -> None:
    start(mark, tmp_path, "print('hello')")
    while not (tmp_path / "log").read_text():
        time.sleep(0.02)
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_a_dead_server_is_known_to_be_dead_even_where_its_number_lives_again(mark: str, tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    pid, born = processes.start(sleep, dict(os.environ), mark, tmp_path / "log", tmp_path)
    assert processes.lives(pid, born, mark)
    assert not processes.lives(pid, born - 1000, mark)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert not processes.lives(pid, born, mark)


def big_server(port: Path) -> list[str]:
    """It takes the kernel some 0.1 s to free the memory of this one; only then it lets go of its port."""
    code = (
        "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); b=bytearray(b'x')*(1<<30);"
        f"open('{port}','w').write(str(s.getsockname()[1])); time.sleep(600)"
    )
    return [sys.executable, "-c", code]


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_killed_server_that_is_still_ending_does_not_live_and_its_port_is_free(mark: str, tmp_path: Path) -> None:
    pid, born = processes.start(big_server(tmp_path / "port"), dict(os.environ), mark, tmp_path / "log", tmp_path)
    port = wait_for(tmp_path / "port")
    os.kill(pid, 9)
    while list(processes.marked(mark)):  # its mark goes first
        pass
    assert not processes.lives(pid, born, mark)
    assert free(port)


def test_a_port_is_free_when_its_server_is_stopped(mark: str, tmp_path: Path) -> None:
    processes.start(big_server(tmp_path / "port"), dict(os.environ), mark, tmp_path / "log", tmp_path)
    port = wait_for(tmp_path / "port")
    assert processes.stop(mark) == 1
    assert free(port)


def test_one_is_stopped_with_its_children_and_what_else_carries_the_mark_goes_on(mark: str, tmp_path: Path) -> None:
    child = f"import os,time; open('{tmp_path / 'pid'}','w').write(str(os.getpid())); time.sleep(600)"
    parent = f"import subprocess,sys,time; subprocess.Popen([sys.executable,'-c',{child!r}]); time.sleep(600)"
    command, environment = [sys.executable, "-c", parent], dict(os.environ)
    first, born = processes.start(command, environment, mark, tmp_path / "log", tmp_path)
    wait_for(tmp_path / "pid")
    other = start(mark, tmp_path, "import time; time.sleep(600)")
    processes.stop_one(first, born + 1, mark)  # the number was given to another process since
    assert processes.lives(first, born, mark)
    processes.stop_one(first, born, mark)
    assert [process.pid for process in processes.marked(mark)] == [other]
