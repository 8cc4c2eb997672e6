"""The readers of all languages as one version: an index, and an artefact for each language's sentiment."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.artefact import ArtefactError, load_artefact, save_artefact
from models.nlp import keywords, sentiment
from models.nlp.lexicon import Lexicon
from models.nlp.reviews import Readers

FORMAT = "readers-1"
PARTS = "parts"


def save(parent: Path, sentiments: Mapping[str, sentiment.Sentiment], phrases: Mapping[str, keywords.Phrases]) -> str:
    """The version under `parent`; equal readers have an equal one."""
    meta = {
        "format": FORMAT,
        "sentiment": {language: model.save(parent / PARTS) for language, model in sorted(sentiments.items())},
        "phrases": {language: found.meta() for language, found in sorted(phrases.items())},
    }
    return save_artefact(parent, {"languages": np.array([len(sentiments), len(phrases)])}, meta)


def load(folder: Path, lexicon: Lexicon) -> Readers:
    """The inverse of `save`, but for the lexicon. Raises ArtefactError where any part is not what was saved."""
    _, meta = load_artefact(folder)
    if meta.get("format") != FORMAT:
        raise ArtefactError(f"{folder} holds no readers of reviews; train again")
    sentiments = {
        language: sentiment.load(folder.parent / PARTS / version) for language, version in meta["sentiment"].items()
    }
    return Readers(sentiments, {name: keywords.restore(found) for name, found in meta["phrases"].items()}, lexicon)
