"""The doctor names what is missing and what to do about it."""

import socket
from pathlib import Path

import pytest

from pipelines.doctor import doctor, java
from pipelines.settings import Settings


def test_this_machine_can_run_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.doctor.FREE_GIB", 0)  # how full its disk is just now is no matter of the code
    failed = [c for c in doctor(Settings(home=tmp_path)) if not c.ok and c.level == "missing"]
    assert failed == []


def test_a_full_disk_is_told_before_a_night_meets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.doctor.FREE_GIB", 10**9)
    disk = next(c for c in doctor(Settings(home=tmp_path)) if c.name == "disk")
    assert not disk.ok
    assert "1000000000 GiB are needed" in disk.message


def test_a_machine_without_java_is_told_which_engine_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    check = java()
    assert (check.ok, check.level) == (False, "optional")
    assert "Java 17" in check.message
    assert "`sail` does not" in check.message


def test_an_old_java_is_not_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java().message.startswith("Java 11")
    assert not java().ok


def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = {c.name: c for c in doctor(Settings(home=tmp_path, airflow_port=port))}["airflow_port"]
    assert (found.ok, found.level) == (False, "optional")
    assert str(port) in found.message
