"""The towers, their projections into one space, their fusion, and a reading of each attribute from each of them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from models.multimodal.configs import AUDIO, FUSED, IMAGE, KINDS, TEXT, Config
from models.multimodal.fusion import Fusion
from models.multimodal.images import ImageTower
from models.multimodal.sounds import AudioTower
from models.multimodal.words import Bag, TextTower

Inputs = torch.Tensor | Bag


@dataclass(frozen=True)
class Shape:
    """What a net is made for. `kinds`: its towers. `sentences`, `features`: widths of the frozen encoders of texts and
    of pictures, 0 without. `attributes`: number of classes of each.
    """

    kinds: tuple[str, ...]
    sentences: int
    features: int
    attributes: dict[str, int]


@dataclass(frozen=True)
class Said:
    """`vectors` float [n, kinds, d], zeros where absent; `present` bool [n, kinds]; `states` by kind: what was read of
    the rows that have it, [m, width].
    """

    vectors: torch.Tensor
    present: torch.Tensor
    states: dict[str, torch.Tensor]


class Net(nn.Module):
    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        towers: dict[str, nn.Module] = {}
        if IMAGE in shape.kinds:
            towers[IMAGE] = ImageTower(config.pictures) if not shape.features else Frozen(shape.features)
        if TEXT in shape.kinds:
            towers[TEXT] = TextTower(config.words, shape.sentences)
        if AUDIO in shape.kinds:
            towers[AUDIO] = AudioTower(config.sounds)
        self.towers = nn.ModuleDict(towers)
        d = config.dimension
        # To torch's stubs whatever a module holds is a tensor or a module; these are plain numbers.
        widths = {kind: int(tower.width) for kind, tower in towers.items()}  # type: ignore[arg-type]
        self.projections = nn.ModuleDict({kind: Projection(width, d) for kind, width in widths.items()})
        self.fusion = Fusion(d, config.heads)
        self.names = list(shape.attributes)  # a module's name may hold no dot, an attribute's may
        self.heads = nn.ModuleDict(
            {
                f"{kind}-{number}": nn.Linear(width, shape.attributes[name])
                for kind, width in {**widths, FUSED: d}.items()
                for number, name in enumerate(self.names)
            }
        )
        self.sharpness = nn.Parameter(torch.tensor([2.3]))  # the logarithm of what cosines are multiplied with

    def forward(self, inputs: dict[str, Inputs], present: torch.Tensor) -> Said:
        """`inputs` by kind, of the rows that have it only; `present` bool [n, kinds]."""
        states, columns = {}, []
        for place, kind in enumerate(KINDS):
            column = torch.zeros((len(present), self.config.dimension), device=present.device)
            if kind in inputs:
                states[kind], made = self.embed(kind, inputs[kind])
                column = column.masked_scatter(present[:, place, None], made)
            columns.append(column)
        return Said(torch.stack(columns, dim=1), present, states)

    def embed(self, kind: str, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """What the tower reads, [n, width], and where that stands in the common space, [n, d] of length 1."""
        state = self.towers[kind](inputs)
        return state, F.normalize(self.projections[kind](state).float(), dim=1)

    def read(self, kind: str, state: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits float [n, classes] of each attribute; `kind` may be `fused`."""
        return {name: self.heads[f"{kind}-{number}"](state).float() for number, name in enumerate(self.names)}


class Projection(nn.Module):
    def __init__(self, width: int, dimension: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Dropout(0.1), nn.Linear(width, dimension))
        self.past = nn.Sequential(nn.Linear(dimension, 2 * dimension), nn.GELU(), nn.Linear(2 * dimension, dimension))

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        first = self.layers(state)
        return torch.as_tensor(first + self.past(first))


class Frozen(nn.Module):
    """Features of a frozen encoder, as they are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features
