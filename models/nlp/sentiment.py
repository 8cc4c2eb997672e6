"""How likely a review is a positive one: a linear reader of all texts, and a transformer of those it is unsure about.

    texts ─▶ linear (words and letters) ─▶ margin ─▶ far from the threshold ──────────────▶ probability
                                                 └─▶ near it ─▶ transformer ─▶ both ─▶ probability

Nine of ten mistakes of the linear reader lie in the third of the texts nearest to its threshold: reading those again
costs a third of reading all with the transformer, in training as in scoring.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.artefact import load_artefact, save_artefact
from models.calibration import log_odds, sigmoid
from models.nlp import linear
from models.nlp.linear import Linear

if TYPE_CHECKING:
    from models.nlp.reader import Reader

FORMAT = "sentiment-1"


@dataclass(frozen=True)
class Second:
    """The second reading: of margins within `reach` of `centre`; `weights` float64 [3] of the margin, of the reader's
    log-odds, and the intercept.
    """

    reader: "Reader"
    centre: float
    reach: float
    weights: np.ndarray

    def asked(self, margin: np.ndarray) -> np.ndarray:
        """int64 [m]: the rows that are read again."""
        return np.flatnonzero(np.abs(margin - self.centre) <= self.reach)


@dataclass(frozen=True)
class Sentiment:
    """`scale`, `shift`: log-odds = scale · margin + shift. `cut`: positive from this probability on."""

    linear: Linear
    scale: float
    shift: float
    cut: float
    second: Second | None = None

    @property
    def name(self) -> str:
        return self.linear.name + ("" if self.second is None else "+transformer")

    def chance(self, texts: Sequence[str]) -> np.ndarray:
        """float64 [n]: the probability that each text, cleaned, is positive."""
        margin = self.linear.margin(texts)
        odds = self.scale * margin + self.shift
        if self.second is not None:
            rows = self.second.asked(margin)
            read = self.second.reader.log_odds([texts[row] for row in rows])
            odds[rows] = np.column_stack([margin[rows], read, np.ones(len(rows))]) @ self.second.weights
        return sigmoid(odds)

    def leaning(self, texts: Sequence[str]) -> np.ndarray:
        """float64 [n]: log-odds of parts of texts by the linear reader, counted from where it calls a text positive."""
        return self.scale * self.linear.margin(texts) + self.shift - float(log_odds(np.array(self.quick().cut)))

    def quick(self) -> "Sentiment":
        """The linear reader alone, which calls positive what lies above the middle of the unsure texts."""
        if self.second is None:
            return self
        cut = float(sigmoid(np.array(self.scale * self.second.centre + self.shift)))
        return replace(self, second=None, cut=cut)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All that was learned: arrays by name, and what JSON can hold."""
        arrays = self.linear.arrays() | {"map": np.array([self.scale, self.shift, self.cut])}
        meta: dict[str, Any] = {"language": self.linear.language, "linear": self.linear.name, "reader": None}
        if self.second is not None:
            arrays |= self.second.reader.arrays()
            band = np.array([self.second.centre, self.second.reach])
            arrays |= {"second.band": band, "second.map": self.second.weights}
            meta["reader"] = self.second.reader.meta()
        return arrays, meta

    def save(self, parent: Path) -> str:
        """The version under `parent`; see `models.artefact`."""
        arrays, meta = self.state()
        return save_artefact(parent, arrays, {"format": FORMAT, **meta})


def load(folder: Path, device: str = "auto") -> Sentiment:
    """The inverse of `Sentiment.save`. Raises `ArtefactError`, and `reader.NoEncoder` where the encoder is missing."""
    arrays, meta = load_artefact(folder)
    if meta.get("format") != FORMAT:
        raise ValueError(f"{folder} holds no model of sentiment")
    return restore(arrays, meta, device)


def restore(arrays: dict[str, np.ndarray], meta: Mapping[str, Any], device: str = "auto") -> Sentiment:
    """The inverse of `Sentiment.state`."""
    scale, shift, cut = (float(value) for value in arrays["map"])
    second = None
    if meta["reader"] is not None:
        from models.nlp import reader

        centre, reach = (float(value) for value in arrays["second.band"])
        second = Second(reader.restore(arrays, meta["reader"], device), centre, reach, arrays["second.map"])
    first = linear.restore(arrays, str(meta["linear"]), str(meta["language"]))
    return Sentiment(first, scale, shift, cut, second)
