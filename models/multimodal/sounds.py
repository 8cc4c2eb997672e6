"""The audio tower: a small convolutional net over a log-mel spectrogram."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.multimodal.configs import Sounds
from models.multimodal.images import normed

RATE = 16_000
"""Samples a second of every wave."""
WINDOW, HOP, POINTS = 400, 160, 512
QUIET = 1e-6
"""Added to the power of a mel band, so that silence has a logarithm."""


def log_mel(waves: Sequence[np.ndarray], config: Sounds) -> np.ndarray:
    """float32 [n, frames, mels], of each wave float [t] at 16 kHz; mean 0 and variance 1 over each sound.

    A longer sound is cut, a shorter one is followed by silence. Samples that are not finite count as silence.
    """
    samples = int(config.seconds * RATE)
    frames = 1 + (samples - WINDOW) // HOP
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    found = np.zeros((len(waves), frames, config.mels), dtype=np.float32)
    for row, wave in enumerate(waves):
        held = np.zeros(samples, np.float32)
        cut = np.nan_to_num(np.asarray(wave, np.float32)[:samples], nan=0.0, posinf=0.0, neginf=0.0)
        held[: len(cut)] = cut
        pieces = np.lib.stride_tricks.sliding_window_view(held, WINDOW)[::HOP] * window
        power = np.abs(np.fft.rfft(pieces, POINTS)).astype(np.float32) ** 2
        bands = np.log(power @ mel_bands(config.mels) + QUIET)
        found[row] = (bands - bands.mean(dtype=np.float64)) / (bands.std(dtype=np.float64) + 1e-3)
    return found


@cache
def mel_bands(mels: int) -> np.ndarray:
    """float32 [257, mels]: triangles, equally wide on the mel scale 2595 · log10(1 + f / 700) (O'Shaughnessy 1987)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    hertz = np.arange(POINTS // 2 + 1) * RATE / POINTS
    rising = (hertz[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


class AudioTower(nn.Module):
    """float [n, frames, mels] to float [n, width], before projection."""

    def __init__(self, config: Sounds) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for read, made in zip((1, *config.widths[:-1]), config.widths, strict=True):
            layers += [nn.Conv2d(read, made, 3, 2, 1, bias=False), normed(made), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.width = 2 * config.widths[-1]

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        if self.training:
            shown = augmented(shown)
        state = self.layers(shown[:, None]).float()
        return torch.cat([state.mean(dim=(2, 3)), state.amax(dim=(2, 3))], dim=1)


def augmented(shown: torch.Tensor) -> torch.Tensor:
    """Each sound moved round in time by up to a quarter of a second, with a little noise in every band."""
    moved = torch.randint(-25, 26, (len(shown), 1, 1), device=shown.device)
    at = (torch.arange(shown.shape[1], device=shown.device)[None, :, None] - moved) % shown.shape[1]
    rolled = torch.gather(shown, 1, at.expand_as(shown))
    return rolled + 0.1 * F.dropout(torch.randn_like(rolled), 0.5)
