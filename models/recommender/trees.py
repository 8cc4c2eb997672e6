"""Boosted trees (LightGBM) as an array: the text of the model, never a pickle."""

from collections.abc import Mapping

import lightgbm as lgb
import numpy as np

TREES = "trees"


class Trees:
    """The mean of several boosters' raw scores; their texts are what is saved (the format of LightGBM itself)."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self._boosters = [lgb.Booster(model_str=text) for text in texts]

    def predict(self, columns: np.ndarray) -> np.ndarray:
        """float64 [P] of `columns` float32 [P, F]. May be called from several threads; one thread works on a call."""
        total = np.zeros(len(columns))
        if len(columns):
            for booster in self._boosters:
                total += np.asarray(booster.predict(columns, raw_score=True, num_threads=1))
        return total / len(self._boosters)

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            f"{TREES}.{number}": np.frombuffer(text.encode(), dtype=np.uint8) for number, text in enumerate(self.texts)
        }


def restore(arrays: Mapping[str, np.ndarray]) -> Trees:
    """The inverse of `Trees.arrays`; other arrays are not looked at."""
    names = sorted((n for n in arrays if n.startswith(f"{TREES}.")), key=lambda n: int(n.rpartition(".")[2]))
    return Trees([arrays[name].tobytes().decode() for name in names])
