"""What modalities say together: attention over those that are present (Vaswani et al. 2017)."""

import torch
import torch.nn.functional as F
from torch import nn

from models.multimodal.configs import KINDS


class Fusion(nn.Module):
    """One learned question is asked of the modalities present; the answer corrects their mean.

    Which modality stands first makes no difference: each carries its own mark, and all is summed. The correction
    begins at zero, so that one modality alone starts where its own tower put it.
    """

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.mark = nn.Parameter(0.1 * torch.randn(len(KINDS), dimension))
        self.question = nn.Parameter(0.1 * torch.randn(heads, dimension // heads))
        self.keys, self.values = nn.Linear(dimension, dimension), nn.Linear(dimension, dimension)
        self.answer = nn.Linear(dimension, dimension)
        self.norm = nn.LayerNorm(dimension)
        last = nn.Linear(2 * dimension, dimension)
        self.mixed = nn.Sequential(nn.Linear(dimension, 2 * dimension), nn.GELU(), last)
        for zero in (self.answer, last):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)

    def forward(self, vectors: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """`vectors` float [n, kinds, d] of length 1, `present` bool [n, kinds]; float [n, d], zeros where none is."""
        n, kinds, d = vectors.shape
        here = present[:, :, None].float()
        shown = torch.where(present[:, :, None], vectors, 0.0)
        mean = shown.sum(dim=1) / here.sum(dim=1).clamp(min=1)
        tokens = d**0.5 * shown + self.mark
        keys = self.keys(tokens).view(n, kinds, self.heads, -1).float()
        values = self.values(tokens).view(n, kinds, self.heads, -1).float()
        logits = (keys * self.question).sum(dim=-1) / keys.shape[-1] ** 0.5
        share = torch.softmax(logits.masked_fill(~present[:, :, None], -1e9), dim=1)
        heard = mean + self.answer((share[..., None] * values).sum(dim=1).reshape(n, d)).float()
        said = heard + self.mixed(self.norm(heard)).float()
        return said * present.any(dim=1, keepdim=True)


def contrast(left: torch.Tensor, right: torch.Tensor, sharpness: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """InfoNCE in both directions (van den Oord et al. 2018, Radford et al. 2021), the mean over rows.

    `left`, `right` [n, d] of length 1, row i of one belonging to row i of the other; `same` bool [n, n]: pairs that are
    not told apart, such as two products of one title. They are no negatives of each other.
    """
    logits = (sharpness * left @ right.T).float()
    apart = same & ~torch.eye(len(left), dtype=torch.bool, device=left.device)
    logits = logits.masked_fill(apart, -1e9)
    answer = torch.arange(len(left), device=left.device)
    return (F.cross_entropy(logits, answer) + F.cross_entropy(logits.T, answer)) / 2
