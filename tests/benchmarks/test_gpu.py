"""The GPU benchmark runs with torch, numpy and pyarrow alone, by itself and as several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[2]
SIZES = {"events": 4000, "items": 600, "rows": 4, "steps": 2, "warm": 1, "users": 50, "width": 32, "blocks": 1}
TINY = [f"--{name}={value}" for name, value in SIZES.items()]
TORCH = (
    "torch",
    "torchgen",
    "functorch",
    "typing_extensions.py",
    "sympy",
    "mpmath",
    "filelock",
    "jinja2",
    "markupsafe",
)
NEEDED = (*TORCH, "networkx", "fsspec", "numpy", "numpy.libs", "pyarrow", "pyarrow.libs")


def last_line(command: list[str], **environment: str) -> dict[str, object]:
    surroundings = {**os.environ, **environment}
    ran = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return dict(json.loads(ran.stdout.strip().splitlines()[-1]))


def test_it_needs_torch_numpy_and_pyarrow_alone(tmp_path: Path) -> None:
    site = Path(pa.__file__).parents[1]
    for name in NEEDED:
        if (site / name).exists():
            (tmp_path / name).symlink_to(site / name)
    bare = [sys.executable, "-S", "-m"]
    without = subprocess.run([*bare, "scipy"], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert "No module named scipy" in without.stderr
    found = last_line([*bare, "benchmarks.gpu", *TINY], PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert "scipy" in str(found["stood_in_for"])
    assert found["same_on_cpu"] is True
    assert all(float(str(found[rate])) > 0 for rate in ("tokens_per_second", "users_per_second", "utilisation"))


@pytest.mark.slow
def test_several_processes_train_together() -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    found = last_line([*torchrun, "-m", "benchmarks.gpu", *TINY])
    assert found["processes"] == 2
