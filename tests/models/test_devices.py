"""Processes that train together leave each other without a trace."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEAVES = """
import os, sys, torch
from torch.distributed import all_gather_object
from torch.nn.parallel import DistributedDataParallel
from models.devices import process_group

def names():
    return [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]

def train():
    net = DistributedDataParallel(torch.nn.Linear(3, 2))
    net(torch.ones(4, 3)).sum().backward()
    all_gather_object([None, None], "a loss")

with process_group() as (rank, world):
    train()
    during = names()
sys.stdout.write(f"{rank} {world} {any('gloo' in name for name in during)} {[n for n in names() if 'gloo' in n]}\\n")
"""


def test_no_thread_of_the_group_outlives_it(tmp_path: Path) -> None:
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [*torchrun, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert sorted(ran.stdout.splitlines()) == ["0 2 True []", "1 2 True []"]
