"""The one door to LightGBM: boosted trees as text, never a pickle; the library is loaded when trees are first needed.

It needs libgomp from the system: whoever can do without trees catches `NoTrees`.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

TREES = "trees"
SEED = 20_180_101
STEADY: dict[str, Any] = {
    # The same trees from the same rows, whatever the machine; what can run side by side does so, one thread each.
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": SEED,
    "verbose": -1,
}


class NoTrees(Exception):
    """LightGBM cannot be loaded; the text says what is missing."""


class Trees:
    """The mean of several boosters' raw scores; their texts are what is saved (the format of LightGBM itself)."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self._boosters: list[Any] = []
        self._lock = threading.Lock()

    def predict(self, columns: np.ndarray) -> np.ndarray:
        """float64 [P] of `columns` float32 [P, F]. May be called from several threads; one thread works on a call."""
        return self._sum(columns) / len(self.texts)

    def staged(self, columns: np.ndarray, rounds: int, step: int) -> Iterator[np.ndarray]:
        """What `predict` would give after each `step` of the first `rounds` rounds."""
        total = np.zeros(len(columns))
        for start in range(0, rounds, step):
            total = total + self._sum(columns, start_iteration=start, num_iteration=step) / len(self.texts)
            yield total

    def first(self, rounds: int) -> "Trees":
        """The same without what was learned after so many rounds."""
        return Trees([booster.model_to_string(num_iteration=rounds) for booster in self._ready()])

    def gain(self) -> np.ndarray:
        """float64 [F]: each column's share of what the splits gained."""
        total = np.sum([booster.feature_importance("gain") for booster in self._ready()], axis=0)
        return np.asarray(total / max(total.sum(), 1e-12))

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"{TREES}.{n}": np.frombuffer(text.encode(), dtype=np.uint8) for n, text in enumerate(self.texts)}

    def _sum(self, columns: np.ndarray, **rounds: int) -> np.ndarray:
        total = np.zeros(len(columns))
        if len(columns):
            for booster in self._ready():
                total += np.asarray(booster.predict(columns, raw_score=True, num_threads=1, **rounds))
        return total

    def _ready(self) -> list[Any]:
        with self._lock:  # blocks of users ask side by side
            if not self._boosters:
                self._boosters = [_library().Booster(model_str=text) for text in self.texts]
            return self._boosters


def restore(arrays: Mapping[str, np.ndarray]) -> Trees:
    """The inverse of `Trees.arrays`; other arrays are not looked at."""
    names = sorted((n for n in arrays if n.startswith(f"{TREES}.")), key=lambda n: int(n.rpartition(".")[2]))
    return Trees([arrays[name].tobytes().decode() for name in names])


def grow(
    columns: np.ndarray,
    happened: np.ndarray,
    parameters: Mapping[str, Any],
    rounds: int,
    groups: np.ndarray | None = None,
) -> Trees:
    """One booster on `columns` float32 [P, F] and `happened` bool [P]; `groups`: rows of each list, end to end."""
    library = _library()
    dataset = library.Dataset(columns, happened.astype(np.int32), group=groups)
    return Trees([library.train({**parameters, **STEADY}, dataset, rounds).model_to_string()])


def require() -> None:
    """Raises `NoTrees` where no tree could be read here."""
    _library()


def _library() -> Any:
    with _LOADING:
        if "lightgbm" not in sys.modules:
            with _without("sklearn"):
                _load()
        return sys.modules["lightgbm"]


def _load() -> None:
    try:
        import lightgbm  # noqa: F401  # `_library` takes it from sys.modules
    except OSError as error:
        raise NoTrees(f"LightGBM cannot be loaded ({error}); apt-get install libgomp1") from error


_LOADING = threading.Lock()


@contextmanager
def _without(name: str) -> Iterator[None]:
    """As if a package that is not loaded yet were not installed.

    LightGBM loads scikit-learn wherever it finds it, for classes of its own that nobody here uses: three quarters of
    the time that its import takes.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what Python itself says of a package that must not be found
    try:
        yield
    finally:
        del sys.modules[name]
