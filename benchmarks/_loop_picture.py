"""The curves of `benchmarks.closed_loop`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

PANELS = {
    "clicks": "clicks on the shelf, a night",
    "revenue": "revenue from the shelf, a night",
    "reached": "expected clicks, of the best list's",
    "coverage": "share of the catalogue that lists hold",
    "gini": "Gini of exposure",
    "gini_bought": "Gini of what is bought, 7 days",
    "drift": "popularity before the loop of what is shown",
    "new_share": "share of places with items of 28 days or less",
}
COLOURS = {"popular": "#8a8f98", "blend": "#2f6fde", "blend_explore": "#d9822b"}
LABELS = {"popular": "popular in 7 days", "blend": "blend", "blend_explore": "blend + exploration"}


def draw(
    curves: Mapping[str, Mapping[str, np.ndarray]], band: Mapping[str, Mapping[str, np.ndarray]], to: Path
) -> None:
    """`curves` by measure and policy: the mean over shops, float [nights]; `band`: half its 95 % interval."""
    figure = Figure(figsize=(15, 6.4), layout="constrained")
    axes: Sequence = figure.subplots(2, 4).ravel()
    for panel, (name, title) in zip(axes, PANELS.items(), strict=True):
        for policy, values in curves[name].items():
            night, half = np.arange(1, len(values) + 1), band[name][policy]
            panel.plot(night, values, color=COLOURS[policy], label=LABELS[policy])
            panel.fill_between(night, values - half, values + half, color=COLOURS[policy], alpha=0.15, linewidth=0)
        panel.set_title(title, fontsize=10)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in axes[4:]:
        panel.set_xlabel("night")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(LABELS), frameon=False)
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, dpi=80)
