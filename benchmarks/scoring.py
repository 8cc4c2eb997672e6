"""Users a second for exact lists of 20 with seen items left out: the scoring engine, other libraries, and the bound.

    .venv/bin/python -m benchmarks.scoring --data Beauty.txt

At 12,000 items the vectors are those of PureSVD (Cremonesi et al. 2010) with 64 factors on the file; users, and what
they have seen, are the file's. Larger catalogues have 128 factors, as wider models serve them: each item of the file
comes in many versions that differ by noise, what a user has seen is one version of each, all drawn from a seed.

Each library is a process of its own in an environment of its own (`_peers.PEERS`), used as its documentation says, in
the batch that suits it best here, with the same number of threads. faiss cannot leave out items by user: it is asked
for more, and the seen ones are dropped. They take turns, and every figure is a median over the rounds, of users a
second and of the ratios within each round, because the machine may have other work. Lists are compared: at each place
stands an item of the same score (in float64, to 1e-5 of the product of the longest vectors), and none that was seen.

The bound is what no engine can pass that multiplies all: the products in the type that the engine chooses candidates
with, and one maximum over groups of 8 of their values, in blocks of the best size, nothing kept. Its maxima are those
of torch, of values as what they are; `ratio_to_bound_by_integers` is to a bound with the engine's own trick, comparing
bits. Where items differ in length, as those of real models do, the engine does not multiply tiles that nobody of a
block can need, and may pass the bound. `equal_lengths` says what it does where none can be left out: with all items
of length 1.

`peak_mib` is the most that the engine's process holds while it makes lists of `streamed` users, who are never in memory
together, and `peak_mib_more_users` for four times as many.
"""

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse

from benchmarks._leave_one_out import read
from benchmarks._peers import Talk, talking

SEED = 20_180_101
PEERS = {"implicit": ("implicit", 1), "rectools": ("rectools", 1), "faiss": ("faiss", None), "torch": ("rectools", 1)}
"""By name: whose environment it runs in, and OpenBLAS threads (None: as many as all else)."""
EQUAL = "equal_lengths"
COMPARED = 256
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Size:
    """`users` of a round for the engine, `peer_users` for the slower others; `warm` of them choose a batch."""

    items: int
    width: int
    users: int
    peer_users: int
    warm: int
    streamed: int


SIZES = {
    12_000: Size(12_000, 64, 22_000, 8_192, 2_048, 65_536),
    100_000: Size(100_000, 128, 8_192, 2_048, 512, 16_384),
    1_000_000: Size(1_000_000, 128, 4_096, 512, 128, 8_192),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scoring", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a file of the S3-Rec form")
    parser.add_argument("--items", type=int, nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    found = {}
    for items in asked.items:
        with tempfile.TemporaryDirectory(prefix="scoring-") as folder:
            make(asked.data, SIZES[items], Path(folder))
            found[str(items)] = measure(SIZES[items], Path(folder), asked.rounds, asked.threads)
    print(json.dumps(found), flush=True)


# ---- what is scored ----------------------------------------------------------------------------------------------


def make(data: Path, size: Size, folder: Path) -> None:
    """users.npy, items.npy, and what was seen as start.npy and seen.npy, from the file."""
    sequences = read(data).sequences
    row = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    item = np.concatenate(sequences)
    base = int(item.max()) + 1
    users, items = pure_svd(sparse.csr_array((np.ones(len(row), np.float32), (row, item))), size.width)
    if size.items > base * 2:
        draw = np.random.default_rng(SEED)
        version = draw.integers(0, size.items // base, len(item))
        item = version * base + item  # below size.items: the last versions of some items may be missing
        items = noisy(items[np.arange(size.items) % base], draw)
        users = noisy(users, draw)
    seen = sparse.csr_array((np.ones(len(row), bool), (row, item)), shape=(len(users), len(items)))
    seen.sum_duplicates()
    arrays = {"users": users, "items": items, "start": seen.indptr, "seen": seen.indices}
    equal = {**arrays, "items": items / np.maximum(np.linalg.norm(items, axis=1, keepdims=True), 1e-12)}
    for place, those in ((folder, arrays), (folder / EQUAL, equal)):
        place.mkdir(exist_ok=True)
        for name, array in those.items():
            np.save(place / f"{name}.npy", array)


def pure_svd(seen: sparse.csr_array, width: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 users [U, width], scaled by the singular values, and items [I, width] (Halko et al. 2011, 4.4, 5.1)."""
    base = np.random.default_rng(SEED).standard_normal((seen.shape[1], width + 10), dtype=np.float32)
    for _ in range(5):
        base, _ = np.linalg.qr(seen.T @ (seen @ base))
    left, values, right = np.linalg.svd(seen @ base, full_matrices=False)
    return (left * values)[:, :width].copy(), (base @ right.T)[:, :width].copy()


def noisy(vectors: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Each vector with a fifth of its length added in a direction of its own."""
    noise = draw.standard_normal(vectors.shape, dtype=np.float32)
    noise *= 0.2 * np.linalg.norm(vectors, axis=1, keepdims=True) / np.sqrt(np.float32(vectors.shape[1]))
    return vectors + noise


# ---- how fast ----------------------------------------------------------------------------------------------------


def measure(size: Size, folder: Path, rounds: int, threads: int) -> dict[str, Any]:
    question = {"folder": str(folder), "threads": threads, "warm": size.warm}
    with ExitStack() as stack:
        ours = stack.enter_context(talking(None, "scoring_engine.py", question, threads, threads))
        plain = statistics.median(speed(ours, size.users, what="engine") for _ in range(3))
        compiling = ours.ask(what="compile")["seconds"]
        alike = {**question, "folder": str(folder / EQUAL)}
        equal = stack.enter_context(talking(None, "scoring_engine.py", alike, threads, threads))
        equal.ask(what="compile")
        peers = {
            name: stack.enter_context(talking(where, f"scoring_{name}.py", question, threads, blas or threads))
            for name, (where, blas) in PEERS.items()
        }
        ours.ask(what="engine", users=COMPARED, lists=str(folder / "engine.npy"))
        ways = {name: compare(name, peer, folder) for name, peer in peers.items()}
        rates: dict[str, list[float]] = {name: [] for name in ("engine", EQUAL, "floats", "integers", *peers)}
        for number in range(rounds):
            for what in ("engine", "floats", "integers"):
                rates[what].append(speed(ours, size.users, what=what))
            rates[EQUAL].append(speed(equal, size.users, what="engine"))
            for name, peer in peers.items():
                rates[name].append(speed(peer, size.peer_users))
            print(
                f"{size.items:>9,} round {number + 1}",
                {name: round(rate[-1]) for name, rate in rates.items()},
                flush=True,
            )
        peaks = [streamed(ours, size.streamed * times) for times in (1, 4)]
    return summary(size, rates, ways, plain, compiling, peaks)


def speed(talk: Talk, users: int, **asked: str) -> float:
    return users / float(talk.ask(users=users, **asked)["seconds"])


def streamed(talk: Talk, users: int) -> int:
    talk.watch.peak = 0
    talk.ask(what="stream", users=users)
    return int(talk.watch.peak >> 20)


def compare(name: str, peer: Talk, folder: Path) -> dict[str, Any]:
    """How the peer ranked, and the share of lists that are the engine's item by item; it stops where one is wrong."""
    way = peer.ask(users=COMPARED, lists=str(folder / "peer.npy")).get("way")
    ours, theirs = np.load(folder / "engine.npy"), np.load(folder / "peer.npy")
    users, items, start, seen = (np.load(folder / f"{part}.npy") for part in ("users", "items", "start", "seen"))
    tolerance = TOLERANCE * np.linalg.norm(items, axis=1).max()
    for user in range(COMPARED):
        vector = users[user].astype(np.float64)
        worst = np.abs(items[ours[user]] @ vector - items[theirs[user]] @ vector).max()
        wrong = np.intersect1d(theirs[user], seen[start[user] : start[user + 1]])
        if len(wrong) or len(np.unique(theirs[user])) < theirs.shape[1] or worst > tolerance * np.linalg.norm(vector):
            raise SystemExit(f"{name} and the engine list user {user} differently: {theirs[user]} and {ours[user]}")
    return {"way": way, "lists_equal": round(float((ours == theirs).all(axis=1).mean()), 3)}


def summary(
    size: Size, rates: dict[str, list[float]], ways: dict[str, Any], plain: float, compiling: float, peaks: list[int]
) -> dict[str, Any]:
    median = {name: statistics.median(rate) for name, rate in rates.items()}

    def ratio(other: str, of: str = "engine") -> float:
        return round(statistics.median(a / b for a, b in zip(rates[of], rates[other], strict=True)), 2)

    fastest = max(ways, key=lambda name: median[name])
    equal = {
        "users_per_second": round(median[EQUAL]), "ratio_to_fastest_peer": ratio(fastest, EQUAL),
        "ratio_to_bound": ratio("floats", EQUAL), "ratio_to_bound_by_integers": ratio("integers", EQUAL),
    }  # fmt: skip
    peers = {name: {"users_per_second": round(median[name]), "ratio": ratio(name), **ways[name]} for name in ways}
    return {
        "users_per_second": round(median["engine"]), "fastest_peer": fastest, "ratio_to_fastest_peer": ratio(fastest),
        "ratio_to_bound": ratio("floats"), "ratio_to_bound_by_integers": ratio("integers"), "peak_mib": peaks[0],
        "peak_mib_more_users": peaks[1], EQUAL: equal, "streamed": size.streamed, "factors": size.width, "peers": peers,
        "before_compiling": round(plain), "compile_seconds": round(compiling, 1),
    }  # fmt: skip


if __name__ == "__main__":
    main()
