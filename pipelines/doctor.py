"""`nightmarket doctor`: what this machine has, and in plain words what is missing."""

import ctypes.util
import importlib.metadata
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import NightmarketError
from pipelines.settings import REPOSITORY, Settings

PINNED = {"pyspark": "4.2.0", "pysail": "0.7.2", "duckdb": "1.5", "deltalake": "1.", "dbt-core": "1.11", "torch": "2."}
FREE_GIB = 10


@dataclass(frozen=True)
class Check:
    """`level` is what a failed check means: missing (nothing runs), optional (one engine or speed-up is not there)."""

    name: str
    ok: bool
    message: str
    level: str = "missing"


def doctor(settings: Settings) -> list[Check]:
    """Every check, in the order a person would mend them."""
    return [
        _python(),
        _venv_module(),
        *(_package(name, version) for name, version in PINNED.items()),
        _libgomp(),
        _disk(settings),
        _writable(settings),
        _loopback(),
        _airflow(),
        _port("airflow", settings.airflow_port),
        _port("mlflow", settings.mlflow_port),
        java(),
        _gpu(),
    ]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info[:2] == (3, 11), f"Python {version}; 3.11 is needed")


def _venv_module() -> Check:
    found = importlib.util.find_spec("ensurepip") is not None and importlib.util.find_spec("venv") is not None
    return Check("venv", found, "venv module found" if found else "no venv module: install python3.11-venv")


def _package(name: str, wanted: str) -> Check:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, f"{name} is not installed: run `make setup`")
    return Check(name, version.startswith(wanted), f"{name} {version} (made for {wanted})")


def _libgomp() -> Check:
    """torch and LightGBM load it; slim images leave it out."""
    found = ctypes.util.find_library("gomp")
    return Check(
        "libgomp",
        bool(found),
        found or "libgomp is missing: apt-get install libgomp1 (torch brings its own)",
        "optional",
    )


def _disk(settings: Settings) -> Check:
    existing = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**30
    return Check("disk", free >= FREE_GIB, f"{free:.0f} GiB free at {existing}; {FREE_GIB} GiB are needed")


def _writable(settings: Settings) -> Check:
    existing = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    ok = os.access(existing, os.W_OK)
    return Check("home", ok, f"NIGHTMARKET_HOME is {settings.home}" + ("" if ok else ", which cannot be written"))


def _airflow() -> Check:
    """Airflow has an environment of its own; steps by command do without."""
    program = REPOSITORY / ".venv-airflow" / "bin" / "airflow"
    found = program.exists()
    return Check("airflow", found, str(program) if found else "no .venv-airflow: run `make setup`", "optional")


def _port(name: str, port: int) -> Check:
    """What `make up` needs; a stack of this home that is up already holds it, and that is fine."""
    setting = f"{name}_port"
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        return Check(setting, False, f"{port} is in use, by `make up` or by something else: see {setting}", "optional")
    return Check(setting, True, f"{port} on 127.0.0.1 is free")


def _loopback() -> Check:
    """Engines take free loopback ports; one bind shows that loopback works at all."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        return Check("loopback", False, f"cannot open a port on 127.0.0.1: {error}")
    return Check("loopback", True, "free ports on 127.0.0.1")


def java() -> Check:
    """Java 17 or newer, for the engine `spark` only."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    hint = "the engine `spark` needs Java 17 or newer (apt-get install openjdk-17-jre-headless); `sail` does not"
    if not program or not Path(program).exists():
        return Check("java", False, f"no Java: {hint}", "optional")
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("java", False, f"{program} does not run ({error}): {hint}", "optional")
    found = re.search(r'version "(\d+)', said)
    major = int(found.group(1)) if found else 0
    return Check("java", major >= 17, f"Java {major}" if major >= 17 else f"Java {major}: {hint}", "optional")


def _gpu() -> Check:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check("gpu", False, "no NVIDIA GPU found; everything runs on the CPU", "optional")
    said = subprocess.run(
        [program, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=60, check=False
    )
    name = said.stdout.strip().splitlines()
    return Check("gpu", bool(name), name[0] if name else "nvidia-smi finds no GPU", "optional")


def require_java() -> None:
    """Raise one clear line where the engine `spark` cannot start."""
    found = java()
    if not found.ok:
        raise NightmarketError(found.message)
