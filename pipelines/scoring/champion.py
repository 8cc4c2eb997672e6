"""The model that scores a night: the champion brought up to the night, or the starter, which needs no learning."""

import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import NightmarketError
from pipelines.scoring.known import Night
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER

if TYPE_CHECKING:
    from models.recommender.configs import Config
    from models.recommender.ranking import Recommender


def fitted(settings: Settings, known: Night, folder: Path | None = None) -> "tuple[Recommender, str, str, str]":
    """The champion brought up to the night and read back from its checked artefact, its name, version, and why it.

    The artefact goes into `folder`, by default where the models of nights are kept.
    """
    from models.artefact import ArtefactError
    from models.recommender import floors
    from models.recommender.configs import STARTER, Ranker
    from models.recommender.saved import load, refit, save, starter
    from models.registry import champion_as_of
    from models.trees import NoTrees, require

    champion = champion_as_of(settings.models, RECOMMENDER, known.day)
    found: tuple[Config, Recommender] | None = None
    name, note = STARTER, f"no champion whose data ends before {known.day}: the {STARTER}"
    try:
        if champion is not None:
            saved = load(settings.models / RECOMMENDER / champion.version)
            note = f"champion {saved.name} {champion.version}, known until {champion.known_until}"
            try:
                found, name = refit(saved.config, saved.model, known.data), saved.name
            except floors.NotApplicable as reason:
                note = f"{note}; not applicable tonight ({reason}): the {STARTER}"
        config, model = found or starter(known.data)
        if isinstance(config, Ranker):
            require()
        folder = folder or settings.models / RECOMMENDER / "nightly" / str(known.day)
        version = save(folder, name, config, known.day, known.data.items, model)
        return load(folder / version).model, name, version, note
    except (ArtefactError, NoTrees) as error:
        raise NightmarketError(f"night {known.day}: {error}") from error


def prune(settings: Settings, family: str, night: date, version: str) -> None:
    """Fitted nights are made again from the lake at will: keep one version a night, of the newest `keep_nights`."""
    parent = settings.models / family / "nightly"
    for folder in (parent / str(night)).iterdir():
        if folder.name != version:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in sorted(parent.iterdir(), reverse=True)[settings.keep_nights :]:
        if folder.name != str(night):
            shutil.rmtree(folder, ignore_errors=True)
