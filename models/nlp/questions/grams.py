"""TF-IDF of words, pairs of words and groups of letters, learned as plain arrays."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from models.nlp.search.tokens import clean, has_han, words

GROUPS = (3, 4)
"""Letters of a group in a word of an alphabet; Chinese is cut into single characters beside its pairs."""
READ = 4_000
"""Characters of a message that are read: what it is about stands at its start."""


@dataclass(frozen=True)
class Grams:
    """`place`: the column of each known piece; `idf` float64 [columns]."""

    place: dict[str, int]
    idf: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> "Grams":
        """idf = log((1 + n) / (1 + messages with it)) + 1 (Salton and Buckley 1988, smoothed)."""
        held = Counter(piece for text in texts for piece in set(pieces(text)))
        known = sorted(held)
        count = np.array([held[piece] for piece in known], dtype=np.float64)
        return cls({piece: n for n, piece in enumerate(known)}, np.log((1 + len(texts)) / (1 + count)) + 1)

    def rows(self, texts: Sequence[str | None]) -> sparse.csr_array:
        """float64 [n, columns], (1 + log count) · idf, rows of length 1 or empty."""
        bags = [Counter(piece for piece in pieces(text) if piece in self.place) for text in texts]
        column = np.fromiter((self.place[piece] for bag in bags for piece in bag), dtype=np.int64)
        count = np.fromiter((n for bag in bags for n in bag.values()), dtype=np.float64)
        owner = np.repeat(np.arange(len(bags)), [len(bag) for bag in bags])
        value = (1 + np.log(count)) * self.idf[column]
        length = np.sqrt(np.bincount(owner, value**2, len(bags)))
        shape = (len(bags), len(self.place))
        return sparse.csr_array((value / np.maximum(length, 1e-12)[owner], (owner, column)), shape=shape)

    def arrays(self) -> dict[str, np.ndarray]:
        joined = "\n".join(self.place).encode()
        return {"pieces": np.frombuffer(joined, dtype=np.uint8), "idf": self.idf}

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray]) -> "Grams":
        """The inverse of `arrays`."""
        text = arrays["pieces"].tobytes().decode()
        return cls({piece: n for n, piece in enumerate(text.split("\n") if text else [])}, arrays["idf"])


def pieces(text: str | None) -> list[str]:
    """`w:` words and pairs of them, `c:` groups of letters or single Chinese characters."""
    cut = clean((text or "")[: 4 * READ])[:READ]
    spoken = words(cut)
    found = [f"w:{word}" for word in spoken]
    found += [f"w:{one} {other}" for one, other in pairwise(spoken)]
    for word in cut.split():
        if has_han(word):
            found += [f"c:{letter}" for letter in word]
        else:
            padded = f" {word} "
            found += [f"c:{padded[at : at + n]}" for n in GROUPS for at in range(len(padded) - n + 1)]
    return found
