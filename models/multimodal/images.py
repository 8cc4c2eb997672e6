"""The image tower: a small residual network (He et al. 2016) that remembers what every stage saw.

The means of all stages are read, not of the last alone: the first stages know colours, the last ones shapes.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.multimodal.configs import Pictures


class ImageTower(nn.Module):
    """uint8 [n, S, S, 3] to float [n, width], before projection."""

    def __init__(self, config: Pictures) -> None:
        super().__init__()
        first = config.widths[0]
        self.stem = nn.Sequential(_convolution(3, first, 2), nn.ReLU())
        pairs = zip(config.widths[:-1], config.widths[1:], strict=True)
        self.stages = nn.ModuleList(_Block(read, made) for read, made in pairs)
        self.width = sum(config.widths) + config.widths[-1]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        shown = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1  # channels last in memory as it lies
        if self.training:
            shown = augmented(shown)
        state = self.stem(shown)
        seen = [state.float().mean(dim=(2, 3))]
        for stage in self.stages:
            state = stage(state)
            seen.append(state.float().mean(dim=(2, 3)))
        seen.append(state.float().amax(dim=(2, 3)))
        return torch.cat(seen, dim=1)


class _Block(nn.Module):
    def __init__(self, read: int, made: int) -> None:
        super().__init__()
        self.first = _convolution(read, made, 2)
        self.second = _convolution(made, made, 1)
        self.past = _convolution(read, made, 2, kernel=1)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(F.relu(self.first(state))) + self.past(state))


def _convolution(read: int, made: int, stride: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(read, made, kernel, stride, kernel // 2, bias=False), normed(made))


def normed(width: int) -> nn.BatchNorm2d:
    """Batch normalisation; its step counter is a float, since a running mean of weights cannot follow an integer."""
    norm = nn.BatchNorm2d(width)
    norm.register_buffer("num_batches_tracked", torch.zeros(1))
    return norm


def augmented(shown: torch.Tensor) -> torch.Tensor:
    """Each picture mirrored or not, turned by up to 10°, zoomed by .8 to 1.15, moved by up to a twelfth; lighter or
    darker, with more or less contrast. Hues stay: a colour is what products are told apart by.

    Draws from torch's own generator, which the loop seeds at every step.
    """
    n = len(shown)
    draw = torch.rand((7, n), device=shown.device)
    angle = (draw[0] - 0.5) * (2 * math.pi * 10 / 180)
    zoom = 0.8 + 0.35 * draw[1]
    mirror = torch.where(draw[2] < 0.5, -1.0, 1.0)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    move_x, move_y = (draw[3] - 0.5) / 3, (draw[4] - 0.5) / 3
    view = torch.stack([cos * mirror, -sin, move_x, sin * mirror, cos, move_y], dim=1).view(n, 2, 3)
    grid = F.affine_grid(view, list(shown.shape), align_corners=False)
    moved = F.grid_sample(shown, grid, padding_mode="border", align_corners=False)
    contrast = (0.85 + 0.3 * draw[5])[:, None, None, None]
    light = (0.3 * (draw[6] - 0.5))[:, None, None, None]
    return (moved * contrast + light).contiguous(memory_format=torch.channels_last)


class Pretrained:
    """Frozen features of pictures by a vision model of `transformers`: its pooled output, or the mean of its tokens."""

    def __init__(self, source: str, device: torch.device) -> None:
        """`source`: a name on the hub or a local folder. OSError where neither gives a model."""
        from transformers import AutoImageProcessor, AutoModel

        self._processor = AutoImageProcessor.from_pretrained(source)
        self._model = AutoModel.from_pretrained(source).eval().to(device)
        self._device = device
        self.width = self.encode(np.zeros((1, 64, 64, 3), np.uint8)).shape[1]

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [n, S, S, 3] to float32 [n, h]."""
        given = self._processor(images=list(pixels), return_tensors="pt")["pixel_values"].to(self._device)
        with torch.inference_mode():
            made: Any = self._model(pixel_values=given)
        pooled = getattr(made, "pooler_output", None)
        if pooled is None:
            pooled = made.last_hidden_state.flatten(2).mean(2) if made.last_hidden_state.ndim == 4 else (
                made.last_hidden_state.mean(1)
            )  # fmt: skip
        return np.asarray(pooled.flatten(1).float().cpu())

    def encode_all(self, pixels: np.ndarray, batch: int = 32) -> np.ndarray:
        """The same in batches of one size, so that a picture's features do not depend on what stands beside it."""
        found = []
        for start in range(0, len(pixels), batch):
            piece = pixels[start : start + batch]
            room = np.concatenate([piece, np.zeros((batch - len(piece), *pixels.shape[1:]), np.uint8)])
            found.append(self.encode(room)[: len(piece)])
        return np.concatenate(found) if found else np.zeros((0, self.width), np.float32)
