"""The model card of a reader of reviews."""

from collections.abc import Mapping
from datetime import date

import numpy as np

from models.calibration import calibration_error
from models.nlp.decision import MEASURES, intervals

Metrics = Mapping[tuple[str, str], Mapping[str, tuple[float, float | None, float | None]]]
"""{(model, slice): {metric: value and the ends of its 95 % interval}}."""
Results = Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray], Mapping[str, float], str]]


def table(metrics: Metrics) -> list[str]:
    """Lines of Markdown, one row for each model, slice and metric."""
    lines = ["| model | judged on | metric | value |", "|---|---|---|---|"]
    for (name, part), found in metrics.items():
        for metric, (value, low, high) in found.items():
            ends = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
            lines.append(f"| {name} | {part} | {metric} | {value:.3f}{ends} |")
    return lines


def card(version: str, dates: tuple[date, date], found: Results) -> str:
    """Markdown in the order of Mitchell et al. 2019. `found`, by language: outcome bool [n], chances and cuts by model,
    and why this model.
    """
    lines = [
        f"# reader of reviews {version}",
        "",
        "Says of each review how likely it is a positive one. Learned from the shop's own rated reviews delivered up to"
        f" {dates[0]} (4 and 5 positive, 1 and 2 negative), judged on those delivered first up to {dates[1]}; it reads"
        f" for nights after that.",
    ]
    for language, (positive, chances, cuts, note) in found.items():
        lines += ["", f"## {language}: {len(positive):,} reviews, {positive.mean():.1%} positive", "", f"{note}.", ""]
        lines += [
            "| model | " + " | ".join(MEASURES) + " | calibration error |",
            "|---|" + "---|" * (len(MEASURES) + 1),
        ]
        for name, chance in chances.items():
            said = chance >= cuts[name]
            ends = intervals(positive, said)
            cells = [
                f"{measure(positive, said):.3f} [{ends[key][0]:.3f}, {ends[key][1]:.3f}]"
                for key, measure in MEASURES.items()
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {calibration_error(chance, positive):.3f} |")
    lines += [
        "",
        "## Limits",
        "",
        "- A rating is not the words: who praises a thing and rates it 2 counts as negative.",
        "- Reviews rated 3, and those without a rating, were neither learned from nor judged.",
        "- Irony is not understood.",
        "",
        "The artefact is safetensors and JSON; loading it runs no code, and its digest is checked first.",
    ]
    return "\n".join(lines) + "\n"
