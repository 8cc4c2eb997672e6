"""What messages are about, as an artefact."""

from pathlib import Path

from models.artefact import ArtefactError, load_artefact, save_artefact
from models.nlp.questions import intents
from models.nlp.questions.intents import Intents
from models.nlp.search.encoders import NoEncoder, by_name

FORMAT = "intents-1"


def save(parent: Path, model: Intents) -> str:
    """The version under `parent`; equal models have an equal one."""
    return save_artefact(parent, model.arrays(), {"format": FORMAT, **model.meta()})


def load(folder: Path, device: str = "auto") -> Intents:
    """The inverse. Raises ArtefactError where the folder is not what was saved, or its encoder cannot be had here."""
    arrays, meta = load_artefact(folder)
    if meta.get("format") != FORMAT:
        raise ArtefactError(f"{folder} holds no intents; train again")
    try:
        encoder = by_name(meta["encoder"], device) if meta["encoder"] else None
    except (NoEncoder, ImportError) as error:
        raise ArtefactError(f"{folder}: {error}; install it, or train again") from error
    return intents.restore(arrays, meta["classes"], encoder)
