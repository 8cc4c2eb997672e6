"""The readers of all languages as one artefact."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.artefact import ArtefactError, load_artefact, save_artefact
from models.nlp import keywords, sentiment
from models.nlp.lexicon import Lexicon
from models.nlp.reviews import Readers

FORMAT = "readers-1"


def save(parent: Path, sentiments: Mapping[str, sentiment.Sentiment], phrases: Mapping[str, keywords.Phrases]) -> str:
    """The version under `parent`; equal readers have an equal one."""
    arrays: dict[str, np.ndarray] = {"languages": np.array([len(sentiments), len(phrases)])}
    said = {}
    for language, model in sorted(sentiments.items()):
        own, said[language] = model.state()
        arrays |= {f"{language}/{name}": array for name, array in own.items()}
    named = {language: found.meta() for language, found in sorted(phrases.items())}
    return save_artefact(parent, arrays, {"format": FORMAT, "sentiment": said, "phrases": named})


def load(folder: Path, lexicon: Lexicon, device: str = "auto") -> Readers:
    """The inverse of `save`, but for the lexicon. Raises ArtefactError where the folder is not what was saved."""
    arrays, meta = load_artefact(folder)
    if meta.get("format") != FORMAT:
        raise ArtefactError(f"{folder} holds no readers of reviews; train again")
    sentiments = {}
    for language, said in meta["sentiment"].items():
        own = {name.removeprefix(f"{language}/"): array for name, array in arrays.items()}
        sentiments[language] = sentiment.restore(own, said, device)
    return Readers(sentiments, {name: keywords.restore(found) for name, found in meta["phrases"].items()}, lexicon)
