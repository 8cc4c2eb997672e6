"""Who reads the reviews of a night: the champion as of it, or the shipped lexicon alone."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines.errors import NightmarketError
from pipelines.settings import Settings
from pipelines.training_run import REVIEWS

if TYPE_CHECKING:
    from models.nlp.reviews import Readers

FAMILY = REVIEWS
LEXICON = "lexicon"


@dataclass(frozen=True)
class Chosen:
    """`version` names all that the reading depends on."""

    readers: "Readers"
    name: str
    version: str
    note: str


def chosen(settings: Settings, night: date) -> Chosen:
    """The latest champion whose data ends before `night` (law 4). Raises NightmarketError where its files were changed.

    Without one there is no sentiment and no summary: aspects are found, and weighed, by the lexicon.
    """
    from models.artefact import ArtefactError
    from models.nlp import lexicon
    from models.nlp.reviews import Readers
    from models.nlp.saved import load
    from models.registry import champion_as_of

    words = lexicon.shipped()
    digest = hashlib.sha256(lexicon.SHIPPED.read_bytes()).hexdigest()[:12]
    champion = champion_as_of(settings.models, FAMILY, night)
    if champion is None:
        return Chosen(Readers({}, {}, words), LEXICON, digest, f"no champion whose data ends before {night}: {LEXICON}")
    try:
        readers = load(settings.models / FAMILY / champion.version, words)
    except ArtefactError as error:
        raise NightmarketError(f"night {night}: {error}") from error
    # The words are part of what is read: another lexicon reads everything again.
    note = f"champion {champion.model_name} {champion.version}, known until {champion.known_until}"
    return Chosen(readers, champion.model_name, f"{champion.version}-{digest[:6]}", note)
