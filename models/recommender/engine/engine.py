"""Exact lists of the k best items of each user: vectors in, lists out, whatever the hardware."""

import importlib.util
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from models.recommender.engine.catalogue import Catalogue
from models.recommender.engine.compiled import LONGEST
from models.recommender.engine.numbers import LARGEST, NOTHING, items_of, low_type, padded, scores_of
from models.recommender.engine.plan import Filters, plan
from models.recommender.engine.search import Pairs, Search

COMPILED_AFTER = 1e10
"""Pairs of a user and an item, scored by one engine, after which compiling pays: measured on two cores, it saves a
quarter of a nanosecond of each, and takes three seconds."""


@dataclass(frozen=True)
class Lists:
    """The best first; -1 and -inf pad short lists."""

    items: np.ndarray  # int32 [U, k]
    scores: np.ndarray  # float32 [U, k]


class Engine:
    """Scores `user . item + bias` and keeps the best of each user, exactly; equal scores go to the smaller item index.

    The result is that of scoring every pair in float32 in the order of additions of `numbers`, bit for bit, on a CPU
    and on a GPU, whatever the number of threads and however users are cut into calls. Memory is that of the items, of
    the lists asked for, and of about 30 MB a thread.
    """

    def __init__(
        self,
        items: np.ndarray,
        bias: np.ndarray | None = None,
        available: np.ndarray | None = None,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        """`items` float32 [I, d], `bias` float32 [I]; items not `available` (bool [I]) are never listed.

        `threads` on a CPU; as many as torch uses where it is None. Raises ValueError on values that are not finite.
        """
        if bias is not None and not bool(np.all(np.abs(bias) < LARGEST)):
            raise ValueError("a bias is above 2**60 or not finite: check what made it")
        self.device, self.width = torch.device(device), items.shape[1]
        self.threads = 1 if self.device.type == "cuda" else threads or torch.get_num_threads()
        kept = np.ones(len(items), bool) if available is None else np.asarray(available, bool)
        offsets = None if bias is None else self._to(np.asarray(bias, np.float32))
        low = low_type(self.device)
        self.catalogue = Catalogue(self._to(padded(items)), self.width, offsets, self._to(kept), low)
        self._searches: dict[bool, queue.SimpleQueue[Search]] = {how: queue.SimpleQueue() for how in (False, True)}
        self._pairs, self.compiled = 0.0, False

    def compile(self) -> None:
        """Do now what `rank` does by itself after `COMPILED_AFTER` pairs. Changes nothing on a GPU or without numba."""
        if self.device.type == "cpu" and importlib.util.find_spec("numba") is not None:
            search = Search(self.catalogue, compiled=True)
            nobody = torch.zeros((1, self.catalogue.vectors.shape[1]))
            search.best(nobody, Pairs(*torch.zeros((2, 0), dtype=torch.int64)), 1)  # what compiles is the first call
            self._searches[True].put(search)
            self.compiled = True

    def rank(self, users: np.ndarray, k: int, filters: Filters | None = None) -> Lists:
        """The lists of `users` float32 [U, d]. Raises ValueError on values that are not finite and on wrong shapes."""
        filters = filters or Filters()
        if users.ndim != 2 or users.shape[1] != self.width:
            raise ValueError(f"users of shape {users.shape} cannot be scored with items of {self.width} factors")
        if len(users) and not max(users.max(initial=0), -users.min(initial=0)) * self.width < LARGEST:  # nor is nan
            raise ValueError("a user's vector has a value that is too large or not finite: check what made it")
        filters.check(len(users), len(self.catalogue.vectors))
        if self._pairs > COMPILED_AFTER and not self.compiled:
            self.compile()
        self._pairs += float(len(users)) * len(self.catalogue.items)
        size = max(1, min(self.catalogue.shape.rows, -(-len(users) // self.threads)))

        def block(start: int) -> torch.Tensor:
            part = slice(start, start + size)
            return self._block(padded(users[part]), filters[part], k)

        keys = torch.cat([torch.empty((0, k), dtype=torch.int64), *self._work(block, range(0, len(users), size))])
        return Lists(items_of(keys).numpy(), scores_of(keys).numpy())

    def _work(self, block: Callable[[int], torch.Tensor], starts: range) -> Iterator[torch.Tensor]:
        """Blocks side by side, each with one thread of torch's: what they share is cut smaller than it is worth."""
        before = torch.get_num_threads()
        try:
            if self.threads == 1 or len(starts) < 2:
                torch.set_num_threads(self.threads)
                yield from map(block, starts)
            else:
                with ThreadPoolExecutor(self.threads, initializer=_one_thread) as pool:
                    yield from pool.map(block, starts)
        finally:
            torch.set_num_threads(before)

    def _block(self, users: np.ndarray, filters: Filters, k: int) -> torch.Tensor:
        """Keys int64 [B, k] on the CPU, for vectors [B, w] and the filters of these rows."""
        compiled = self.compiled and k <= LONGEST
        try:
            search = self._searches[compiled].get_nowait()
        except queue.Empty:
            search = Search(self.catalogue, compiled)
        vectors, todo = self._to(users), plan(self.catalogue, users, filters, k)
        with torch.inference_mode(), _full_precision(self.device):
            banned = self._pairs_of(*todo.banned)
            if len(todo.searched) == len(users):
                found = search.best(vectors, banned, k)
            else:
                found, rows = torch.full((len(users), k), NOTHING, device=self.device), self._to(todo.searched)
                found[rows] = search.best(vectors[rows], banned, k)
            if len(todo.extra):
                found = search.merge(found, vectors, self._pairs_of(*todo.single), k, self._to(todo.extra))
        self._searches[compiled].put(search)
        return found.cpu()

    def _pairs_of(self, row: np.ndarray, item: np.ndarray) -> Pairs:
        return Pairs(self._to(row.astype(np.int64)), self._to(item.astype(np.int64)))

    def _to(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)


def _one_thread() -> None:
    """Of the calling thread alone. Asked for first, because torch sets the number when a thread first asks."""
    torch.get_num_threads()
    torch.set_num_threads(1)


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Sums of products in float32, as the margin supposes; cuBLAS may else add parts of them in bfloat16."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_bf16_reduced_precision_reduction = False
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        matmul.allow_bf16_reduced_precision_reduction = before
