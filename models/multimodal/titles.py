"""The floor of a space of products: what a frozen encoder of sentences makes of their titles alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.artefact import ArtefactError, load_artefact, save_artefact
from models.multimodal.configs import TEXT
from models.nlp.search.encoders import Encoder, by_name

FORMAT = "titles-1"


class Titles:
    """Asked like a `space.Space` that knows texts only. Raises `NoEncoder` where the encoder cannot be had here."""

    kinds = (TEXT,)

    def __init__(self, encoder: Encoder, name: str = "unsaved") -> None:
        self.encoder, self.name = encoder, name
        self.dimension = int(encoder.encode(["a"]).shape[1])

    def texts(self, texts: Sequence[str | None]) -> np.ndarray:
        """float32 [n, d]; a text without a word is a row of zeros."""
        return self.encoder.encode(texts)

    def fused(self, vectors: Mapping[str, np.ndarray], present: Mapping[str, np.ndarray]) -> np.ndarray:
        """The vectors of the texts; there is nothing to fuse them with."""
        return vectors[TEXT] * present[TEXT][:, None]

    def save(self, parent: Path) -> str:
        self.name = save_artefact(parent, {"none": np.zeros(1)}, {"format": FORMAT, "encoder": self.encoder.name})
        return self.name

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> "Titles":
        """The inverse of `save`. Raises ArtefactError where the folder is not what was saved."""
        _, meta = load_artefact(folder)
        if meta.get("format") != FORMAT:
            raise ArtefactError(f"{folder} holds no floor of products; train again")
        return cls(by_name(meta["encoder"], device), folder.name)


def is_titles(folder: Path) -> bool:
    """Raises ArtefactError where the folder is not what was saved."""
    return bool(load_artefact(folder)[1].get("format") == FORMAT)
