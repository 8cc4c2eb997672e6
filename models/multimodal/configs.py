"""Frozen settings of the towers, their fusion and their training."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

IMAGE, TEXT, AUDIO = "image", "text", "audio"
KINDS = (IMAGE, TEXT, AUDIO)
"""Modalities, in the order in which they are laid side by side."""
PHRASES, FUSED = "phrases", "fused"


@dataclass(frozen=True)
class Pictures:
    """`source`: a hub name or a local folder of `transformers`, whose frozen features are then read instead of pixels.

    At 64 pixels a second of one core embeds about 900 pictures in float32.
    """

    size: int = 64
    widths: tuple[int, ...] = (32, 64, 128, 256)  # each at half the resolution of the one before
    source: str | None = None


@dataclass(frozen=True)
class Words:
    """`sentences`: the frozen encoder read beside the n-grams: `auto` (what the packages bring for these texts),
    `none`, or a hub name or local folder.
    """

    bits: int = 14  # of a bucket, of words and of letter groups each
    width: int = 96
    hidden: int = 256
    sentences: str = "auto"
    drop: float = 0.2  # share of a title's n-grams that a training step does not see


@dataclass(frozen=True)
class Sounds:
    """16 kHz in, windows of 25 ms every 10 ms; a longer sound is cut."""

    mels: int = 40
    seconds: float = 3.0
    widths: tuple[int, ...] = (16, 32, 64, 128)


@dataclass(frozen=True)
class Training:
    """`rows`: products with a picture or a sound in a step; `titles`: products known by title alone, beside them;
    `pairs`: of products bought together, beside them. `plain`: products known by title alone that the towers learn
    from, at most; the linear machine learns from all. `drop`: how often a modality is hidden from the fusion.
    """

    epochs: int = 36
    rows: int = 128
    titles: int = 128
    plain: int = 4_000
    pairs: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: int = 100  # steps
    average: float = 0.99
    smoothing: float = 0.05
    drop: float = 0.5
    attributes: float = 3.0  # weight of the attributes' loss; that of the contrast is 1
    held_out: float = 0.15
    seed: int = 20_180_101


@dataclass(frozen=True)
class Config:
    dimension: int = 128
    heads: int = 4
    pictures: Pictures = field(default_factory=Pictures)
    words: Words = field(default_factory=Words)
    sounds: Sounds = field(default_factory=Sounds)
    training: Training = field(default_factory=Training)


BASE = Config()
CONFIGS = {
    "base": BASE,
    # For a first look, and what the demo trains.
    "quick": replace(BASE, training=replace(BASE.training, epochs=8)),
}


def as_json(config: Config) -> dict[str, Any]:
    return asdict(config)


def from_json(values: dict[str, Any]) -> Config:
    """The inverse of `as_json`; unknown names are a TypeError."""
    pictures = {**values["pictures"], "widths": tuple(values["pictures"]["widths"])}
    sounds = {**values["sounds"], "widths": tuple(values["sounds"]["widths"])}
    return Config(**{
        **values, "pictures": Pictures(**pictures), "words": Words(**values["words"]), "sounds": Sounds(**sounds),
        "training": Training(**values["training"]),
    })  # fmt: skip
