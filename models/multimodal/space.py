"""The common space, ready to use: what training leaves, what nights load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.artefact import ArtefactError, load_artefact, save_artefact
from models.devices import device_of
from models.multimodal.attributes import Pools, pooled
from models.multimodal.configs import AUDIO, FUSED, IMAGE, KINDS, PHRASES, TEXT, Config, as_json, from_json
from models.multimodal.images import Pretrained
from models.multimodal.media import Media, Prepared, of_titles, prepared
from models.multimodal.net import Net, Shape
from models.multimodal.phrases import Phrases, restore
from models.multimodal.words import Reader, encoder_named

FORMAT = "space-1"
BATCH = 32
"""Rows that are computed together, always: in another shape a product rounds a row's last bits another way."""


@dataclass(frozen=True)
class Heard:
    """Of one kind: `vectors` float32 [n, d] of length 1, zeros where absent; `logs` by attribute: log chances float32
    [n, classes], NaN where absent.
    """

    vectors: np.ndarray
    logs: dict[str, np.ndarray]


class Space:
    """Vectors of pictures, texts and sounds that may be compared with each other, by their inner product.

    `name` says which weights these are: vectors of different names are never compared. A row is the same whatever
    stands beside it.
    """

    def __init__(
        self,
        net: Net,
        reader: Reader,
        classes: Mapping[str, Sequence[str]],
        phrases: Phrases,
        pools: Pools,
        encoder: tuple[str, Pretrained | None],
        device: torch.device,
        name: str = "unsaved",
    ) -> None:
        self.net, self.reader, self.classes = net.eval().to(device), reader, dict(classes)
        self.phrases, self.pools = phrases, pools
        self._sentences, self._pictures = encoder
        self.device, self.name = device, name

    @property
    def config(self) -> Config:
        return self.net.config

    @property
    def dimension(self) -> int:
        return self.config.dimension

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.net.shape.kinds

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [n, S, S, 3] to float32 [n, d]; S is `config.pictures.size`."""
        rows = np.arange(len(pixels))
        return self.heard(Media([None] * len(pixels), pixels, rows))[IMAGE].vectors

    def texts(self, texts: Sequence[str | None]) -> np.ndarray:
        """float32 [n, d]; a text without a word is a row of zeros."""
        return self.heard(of_titles(texts, self.config.pictures.size))[TEXT].vectors

    def sounds(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """float [t] at 16 kHz each, to float32 [n, d]."""
        silent = of_titles([None] * len(waves), self.config.pictures.size)
        return self.heard(Media(silent.titles, silent.pixels, silent.picture, waves, np.arange(len(waves))))[
            AUDIO
        ].vectors

    def fused(self, vectors: Mapping[str, np.ndarray], present: Mapping[str, np.ndarray]) -> np.ndarray:
        """One vector of each product from those of its modalities, float32 [n, d]; zeros where none is present.

        `vectors` [n, d] by kind, in any order; `present` bool [n] by kind. A kind that is not named is absent.
        """
        return self._fused(vectors, present)[0]

    def products(self, media: Media) -> np.ndarray:
        """`fused` of all that is known of each product, float32 [n, d]."""
        heard, here = self.heard(media), media.present()
        return self.fused(
            {kind: found.vectors for kind, found in heard.items()},
            {kind: here[:, KINDS.index(kind)] for kind in heard},
        )

    def guesses(self, media: Media | Prepared, hidden: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Chances float64 [n, classes] of each attribute from all that is known of each product; where that is nothing,
        the shares seen in training. `hidden`: kinds that are not looked at.
        """
        here, logs = self.readings(media, hidden)
        return {
            name: pooled({reading: found[name] for reading, found in logs.items()}, here, self.pools[name])
            for name in self.classes
        }

    def readings(
        self, media: Media | Prepared, hidden: Sequence[str] = ()
    ) -> tuple[np.ndarray, dict[str, dict[str, np.ndarray]]]:
        """What is looked at, bool [n, kinds], and the log chances [n, classes] of each attribute by who says so: each
        tower, the title's n-grams, and the fusion of what is looked at. What `guesses` pools.
        """
        store = self.prepared(media)
        here = store.present & [kind in self.kinds and kind not in hidden for kind in KINDS]
        heard = hear(self.net, store, self.device)
        logs = {kind: found.logs for kind, found in heard.items()}
        logs[PHRASES] = self.phrases.logs(store.read.bags, store.present[:, KINDS.index(TEXT)])
        vectors = {kind: found.vectors for kind, found in heard.items()}
        logs[FUSED] = self._fused(vectors, {kind: here[:, KINDS.index(kind)] for kind in heard})[1]
        return here, logs

    def prepared(self, media: Media | Prepared) -> Prepared:
        """The products as the towers read them; worth keeping where they are asked about more than once."""
        return media if isinstance(media, Prepared) else prepared(media, self.config, self.reader, self._pictures)

    def heard(self, media: Media | Prepared) -> dict[str, Heard]:
        """What each tower makes of the products, by kind; kinds that were never trained are left out."""
        return hear(self.net, self.prepared(media), self.device)

    def _fused(
        self, vectors: Mapping[str, np.ndarray], present: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        n = len(next(iter(vectors.values())))
        stacked = np.zeros((n, len(KINDS), self.dimension), np.float32)
        here = np.zeros((n, len(KINDS)), dtype=bool)
        for kind in set(vectors) & set(self.kinds):
            here[:, KINDS.index(kind)] = present[kind]
            stacked[:, KINDS.index(kind)] = vectors[kind]
        return fuse(self.net, stacked, here, self.device)

    def save(self, parent: Path) -> str:
        """The version under `parent`, which becomes the name; equal spaces have an equal one."""
        arrays = {f"net.{name}": value.detach().cpu().numpy() for name, value in self.net.state_dict().items()}
        arrays |= {"rarity": self.reader.rarity, **self.phrases.arrays()}
        meta: dict[str, Any] = {
            "format": FORMAT, "config": as_json(self.config), "kinds": self.kinds, "sentences": self._sentences,
            "widths": [self.net.shape.sentences, self.net.shape.features], "classes": self.classes, "pools": self.pools,
        }  # fmt: skip
        self.name = save_artefact(parent, arrays, meta)
        return self.name

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> "Space":
        """The inverse of `save`. Raises ArtefactError where the folder is not what was saved, `NoEncoder` or OSError
        where the weights of the frozen encoders are not at hand.
        """
        arrays, meta = load_artefact(folder)
        if meta.get("format") != FORMAT:
            raise ArtefactError(f"{folder} holds no space of products; train again")
        place, config = device_of(device), from_json(meta["config"])
        sentences, features = meta["widths"]
        sizes = {name: len(known) for name, known in meta["classes"].items()}
        net = Net(config, Shape(tuple(meta["kinds"]), sentences, features, sizes))
        state = {name.removeprefix("net."): value for name, value in arrays.items() if name.startswith("net.")}
        try:
            net.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        except RuntimeError as error:  # a line for each of the weights
            raise ArtefactError(f"{folder}: its weights are not of the shapes that are said; train again") from error
        reader = Reader(config.words, arrays["rarity"], encoder_named(meta["sentences"], device))
        pictures = Pretrained(config.pictures.source, place) if config.pictures.source else None
        phrases = restore(arrays, list(meta["classes"]))
        return cls(
            net, reader, meta["classes"], phrases, meta["pools"], (meta["sentences"], pictures), place, folder.name
        )


@torch.inference_mode()
def hear(net: Net, store: Prepared, device: torch.device) -> dict[str, Heard]:
    """`net` in evaluation mode; see `Space.heard`."""
    found = {}
    n = len(store.present)
    for kind in net.shape.kinds:
        rows = np.flatnonzero(store.present[:, KINDS.index(kind)])
        vectors = np.zeros((n, net.config.dimension), np.float32)
        logs = {name: np.full((n, wide), np.nan, np.float32) for name, wide in net.shape.attributes.items()}
        for start in range(0, len(rows), BATCH):
            chosen = rows[start : start + BATCH]
            filled = np.concatenate([chosen, np.repeat(rows[:1], BATCH - len(chosen))])
            state, made = net.embed(kind, store.inputs(kind, filled, device))
            vectors[chosen] = made[: len(chosen)].cpu().numpy()
            for name, logits in net.read(kind, state).items():
                logs[name][chosen] = torch.log_softmax(logits, dim=1)[: len(chosen)].cpu().numpy()
        found[kind] = Heard(vectors, logs)
    return found


@torch.inference_mode()
def fuse(
    net: Net, vectors: np.ndarray, present: np.ndarray, device: torch.device
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Fused vectors float32 [n, d] of length 1 from `vectors` [n, kinds, d] and `present` bool [n, kinds], zeros where
    none is; and log chances by attribute, [n, classes].
    """
    n = len(vectors)
    made = np.zeros((n, net.config.dimension), np.float32)
    logs = {name: np.zeros((n, wide), np.float32) for name, wide in net.shape.attributes.items()}
    for start in range(0, n, BATCH):
        room = np.zeros((BATCH, *vectors.shape[1:]), np.float32)
        here = np.zeros((BATCH, present.shape[1]), dtype=bool)
        size = min(BATCH, n - start)
        room[:size], here[:size] = vectors[start : start + size], present[start : start + size]
        said = net.fusion(torch.from_numpy(room).to(device), torch.from_numpy(here).to(device))
        made[start : start + size] = torch.nn.functional.normalize(said, dim=1)[:size].cpu().numpy()
        for name, logits in net.read(FUSED, said).items():
            logs[name][start : start + size] = torch.log_softmax(logits, dim=1)[:size].cpu().numpy()
    return made, logs
