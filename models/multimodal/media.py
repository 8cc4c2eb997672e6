"""What is known of products, and the same as the towers read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from models.multimodal.configs import IMAGE, KINDS, TEXT, Config
from models.multimodal.images import Pretrained
from models.multimodal.net import Inputs
from models.multimodal.sounds import log_mel
from models.multimodal.words import Bag, Read, Reader
from models.nlp.text import clean


@dataclass(frozen=True)
class Media:
    """`titles` of n products, None or empty without. `pixels` uint8 [m, S, S, 3] and `picture` int64 [n], the row of
    each product's picture or -1. `waves` float [t] at 16 kHz, m of them, and `sound` int64 [n] likewise.
    """

    titles: Sequence[str | None]
    pixels: np.ndarray
    picture: np.ndarray
    waves: Sequence[np.ndarray] = ()
    sound: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.titles)

    def present(self) -> np.ndarray:
        """bool [n, kinds]."""
        sound = self.sound if len(self.sound) else np.full(len(self), -1)
        return np.column_stack([self.picture >= 0, [bool(clean(title or "")) for title in self.titles], sound >= 0])


@dataclass(frozen=True)
class Prepared:
    """`images`: pixels, or features of a frozen encoder; `mels` float16 [m, frames, mels]."""

    present: np.ndarray
    read: Read
    images: np.ndarray
    picture: np.ndarray
    mels: np.ndarray
    sound: np.ndarray

    def of(self, rows: np.ndarray) -> "Prepared":
        """The same of some of the products."""
        read = Read(self.read.bags[rows], self.read.sentences[rows])
        return Prepared(self.present[rows], read, self.images, self.picture[rows], self.mels, self.sound[rows])

    def inputs(self, kind: str, rows: np.ndarray, device: torch.device) -> Inputs:
        """Of these rows, all of which must have this kind."""
        if kind == TEXT:
            bag: Bag = self.read.rows(rows)
            buckets, weights, starts, sentences = (part.to(device) for part in bag)
            return buckets, weights, starts, sentences
        chosen = self.images[self.picture[rows]] if kind == IMAGE else self.mels[self.sound[rows]].astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(chosen)).to(device)


def prepared(
    media: Media, config: Config, reader: Reader, encoder: Pretrained | None, encoded: np.ndarray | None = None
) -> Prepared:
    """`encoded`: see `Reader.read`. Raises ValueError where pictures have another size than the tower reads."""
    size = config.pictures.size
    if encoder is None and len(media.pixels) and media.pixels.shape[1:] != (size, size, 3):
        raise ValueError(f"pictures are {media.pixels.shape[1:]}, the tower reads {(size, size, 3)}")
    present = media.present()
    images = media.pixels if encoder is None else encoder.encode_all(media.pixels)
    sounds = [
        log_mel(media.waves[n : n + 64], config.sounds).astype(np.float16) for n in range(0, len(media.waves), 64)
    ]
    frames = log_mel([], config.sounds)
    mels = np.concatenate(sounds) if sounds else frames.astype(np.float16)
    sound = media.sound if len(media.sound) else np.full(len(media), -1, np.int64)
    titled = bool(present[:, KINDS.index(TEXT)].any())
    read = reader.read(media.titles, encoded) if titled else reader.nothing(len(media))
    return Prepared(present, read, images, media.picture, mels, sound)


def kinds_of(media: Media) -> tuple[str, ...]:
    here = media.present()
    return tuple(kind for place, kind in enumerate(KINDS) if here[:, place].any())


def of_titles(titles: Sequence[str | None], size: int) -> Media:
    return Media(titles, np.zeros((0, size, size, 3), np.uint8), np.full(len(titles), -1, np.int64))
