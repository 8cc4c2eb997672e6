"""The floor of `multimodal` as an artefact: it says that products have no common space, and holds nothing else."""

from pathlib import Path

import numpy as np

from models.artefact import load_artefact, save_artefact

FORMAT = "no-space-1"


def save_floor(parent: Path) -> str:
    return save_artefact(parent, {"none": np.zeros(1)}, {"format": FORMAT})


def is_floor(folder: Path) -> bool:
    """Raises ArtefactError where the folder is not what was saved."""
    return bool(load_artefact(folder)[1].get("format") == FORMAT)
