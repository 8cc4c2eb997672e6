"""Models of every kind on disk: saved under their digest, brought back, and brought up to date for a night."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from models import trees
from models.artefact import load_artefact, save_artefact
from models.interactions import Interactions
from models.recommender import floors, transformer
from models.recommender.blend import BlendModel
from models.recommender.configs import UNLEARNED, Blend, Config, Ranker, Transformer, as_json, from_json
from models.recommender.floors import NotApplicable
from models.recommender.ranker import RankerModel
from models.recommender.ranking import Recommender

BYTES, OFFSETS = "vocabulary.bytes", "vocabulary.offsets"


@dataclass(frozen=True)
class Saved:
    name: str
    config: Config
    cutoff: date
    model: Recommender


def save(parent: Path, name: str, config: Config, cutoff: date, items: pa.Array, model: Recommender) -> str:
    """Write a fitted model under its digest, which is returned. `items` are those its floors count."""
    meta = {"model_name": name, "config": as_json(config), "cutoff": str(cutoff), "items": items.to_pylist()}
    return save_artefact(parent, _with_words(model), meta)


def load(folder: Path) -> Saved:
    """A saved model, after its digest was checked. Raises `ArtefactError` where a byte was changed."""
    arrays, meta = load_artefact(folder)
    name, config = meta["model_name"], from_json(meta["model_name"], meta["config"])
    return Saved(name, config, date.fromisoformat(meta["cutoff"]), _restore(config, arrays))


def refit(config: Config, model: Recommender, data: Interactions) -> tuple[Config, Recommender]:
    """The model brought up to date with `data`: its floors fitted again, what was learned kept as it is.

    A part of a blend that cannot be fitted on `data` is left out. Raises `NotApplicable` where nothing is left.
    """
    match config:
        case Transformer():
            return config, model
        case Blend():
            counted = {name: part for name, part in config.parts.items() if not isinstance(part, Transformer)}
            fitted = floors.fit_all(data, counted)
            tried = {
                name: fitted[name].model if name in fitted else part
                for name, part in cast(BlendModel, model).parts.items()
            }
            return _of_what_applies(config, tried)
        case Ranker():
            ranker = cast(RankerModel, model)
            blend, proposer = refit(config.blend, ranker.blend, data)
            kept_config = replace(config, blend=cast(Blend, blend))
            return kept_config, RankerModel(cast(BlendModel, proposer), ranker.trees, kept_config)
        case _:
            return config, floors.fit(data, config)


def starter(data: Interactions) -> tuple[Blend, BlendModel]:
    """The blend that needs no learning, fitted; see `configs.UNLEARNED`."""
    fitted = floors.fit_all(data, {n: part for n, part in UNLEARNED.parts.items() if not isinstance(part, Transformer)})
    return _of_what_applies(UNLEARNED, {name: found.model for name, found in fitted.items()})


def _of_what_applies(config: Blend, tried: Mapping[str, Recommender | NotApplicable]) -> tuple[Blend, BlendModel]:
    known = {name: part for name, part in tried.items() if not isinstance(part, NotApplicable)}
    weights = {part: {n: given[n] for n in known} for part, given in config.weights.items()}
    if not all(sum(given.values()) for given in weights.values()):
        raise NotApplicable("no part of the blend can be fitted")
    kept = {name: part for name, part in config.parts.items() if name in known}
    return Blend(kept, weights), BlendModel(known, weights)


def _restore(config: Config, arrays: dict[str, np.ndarray]) -> Recommender:
    match config:
        case Transformer():
            size = len(arrays[OFFSETS]) - 1
            buffers = [None, pa.py_buffer(arrays[OFFSETS].astype(np.int64)), pa.py_buffer(arrays[BYTES])]
            items = pa.Array.from_buffers(pa.large_string(), size, buffers).cast(pa.string())
            learned = {name: array for name, array in arrays.items() if name not in (BYTES, OFFSETS)}
            return transformer.restore(config, items, learned)
        case Blend():
            parts = {name: _restore(part, _under(f"{name}.", arrays)) for name, part in config.parts.items()}
            return BlendModel(parts, config.weights)
        case Ranker():
            blend = _restore(config.blend, _under("blend.", arrays))
            return RankerModel(cast(BlendModel, blend), trees.restore(arrays), config)
        case _:
            return floors.restore(config, arrays)


def _with_words(model: Recommender) -> dict[str, np.ndarray]:
    """`model.arrays()`, and of each transformer its vocabulary as the bytes of its words end to end."""
    if isinstance(model, BlendModel):
        return {f"{n}.{key}": array for n, part in model.parts.items() for key, array in _with_words(part).items()}
    if isinstance(model, RankerModel):
        return {**{f"blend.{k}": array for k, array in _with_words(model.blend).items()}, **model.trees.arrays()}
    arrays = dict(model.arrays())
    if isinstance(model, transformer.TransformerModel):
        words = [word.encode() for word in model.items.to_pylist()]
        arrays[BYTES] = np.frombuffer(b"".join(words), dtype=np.uint8)
        arrays[OFFSETS] = np.concatenate([[0], np.cumsum([len(word) for word in words])]).astype(np.int64)
    return arrays


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
