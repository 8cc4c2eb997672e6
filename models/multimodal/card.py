"""The model card of a space."""

from collections.abc import Mapping
from datetime import date

import numpy as np

from models.metrics import bootstrap_interval
from models.multimodal.learning import Learned

SEED = 20_180_101


def card(learned: Learned, learned_until: date, counts: Mapping[str, int], measures: Mapping[str, np.ndarray]) -> str:
    """Markdown in the order of Mitchell et al. 2019.

    `counts`: what was learned from, in words (`products with a picture`). `measures`: values of each judged product,
    [n], by what they mean (`Recall@10, title to picture`); their means are shown with 95 % intervals.
    """
    space, fitted = learned.space, learned.fitted
    lines = [
        f"# space of products {space.name}",
        "",
        f"Puts pictures, texts and sounds of products into one space of {space.dimension} numbers, so that what belongs"
        f" together is near. Learned from what the shop had delivered up to {learned_until}. Kinds: "
        + ", ".join(space.kinds)
        + ".",
        "",
        "## Data",
        "",
        *(f"- {what}: {count:,}" for what, count in counts.items()),
        f"- held out to choose the epoch and the weights of the readings: {len(learned.held_out):,}",
        "",
        "## Measured",
        "",
        "| measure | products | value |",
        "|---|---|---|",
        *(_row(name, values) for name, values in measures.items()),
        "",
        f"Trained for {len(fitted.curve)} epochs; the best was epoch {fitted.best_epoch}.",
        "",
        "## Attributes",
        "",
    ]
    for name, classes in space.classes.items():
        weighed = {kinds: weights for kinds, weights in space.pools[name].items() if kinds != "none"}
        told = "; ".join(f"{kinds} {', '.join(f'{w:.2f}' for w in weights)}" for kinds, weights in weighed.items())
        lines.append(f"- {name}: {len(classes):,} classes; weights of the readings: {told or 'equal'}")
    return "\n".join([*lines, *LIMITS]) + "\n"


LIMITS = (
    "",
    "## Limits",
    "",
    "- Learned from this shop's products alone: what it never sold, it does not know.",
    "- What only a close look shows (a logo, a fabric) is lost at the size at which pictures are read.",
    "- A guessed attribute is a guess; it is no substitute for what the products feed says.",
    "- Pictures of people are read as pictures of what they wear; nothing about a person is told or kept.",
    "",
    "The artefact is safetensors and JSON; loading it runs no code, and its digest is checked first.",
)


def _row(name: str, values: np.ndarray) -> str:
    if not len(values):
        return f"| {name} | 0 | not measured |"
    low, high = bootstrap_interval(values, SEED)
    return f"| {name} | {len(values):,} | {values.mean():.3f} [{low:.3f}, {high:.3f}] |"
