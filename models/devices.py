"""What a process trains on: a GPU or the CPU, alone or with others, and in which precision."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.distributed import destroy_process_group, get_rank, init_process_group


def first_process() -> bool:
    """Whether this process is the one that reads, writes and reports where torchrun started several."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def process_group() -> Iterator[tuple[int, int]]:
    """(rank, processes) of this process; joins the others that torchrun started, and leaves them at the end.

    At the end no thread of the group is left. One that still lets go of its last tensors while the interpreter ends
    would end the process with SIGABRT, after all its work (seen in 4 of some 50 runs on two busy cores).
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield 0, 1
        return
    # Its functions take the group as a default: imported later, by DDP, it would keep this one for ever.
    import torch.distributed.nn.functional

    init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield get_rank(), world
    finally:
        destroy_process_group()
        gc.collect()  # a DDP is part of a cycle, and holds the group


def device_of(name: str) -> torch.device:
    """`auto`: the GPU of this process where there is one, else the CPU; anything else is torch's own name."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def deterministic() -> None:
    """From here on torch takes only operations that give the same bits every time."""
    torch.use_deterministic_algorithms(True)
    # Deterministic mode also fills all new memory, in case somebody reads it before writing. Every tensor here comes
    # from an operation that writes all of it, so the filling changes no result; it took 16 % of a step when profiled.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch's stubs lack it


def lowered(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the hardware multiplies it natively (GPUs since Ampere, CPUs with AVX-512 BF16 or AMX), else None.

    On two cores of a CPU with AVX-512 BF16 products ran 2.5 to 4.5 times as fast as in float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else None


def autocast(device: torch.device) -> torch.autocast:
    """Mixed precision in what `lowered` says, or none."""
    low = lowered(device)
    return torch.autocast(device.type, low, enabled=low is not None)
