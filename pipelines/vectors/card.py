"""The model card of a space of products."""

from collections.abc import Mapping, Sequence
from datetime import date

Metrics = Mapping[tuple[str, str], Mapping[str, tuple[float, float | None, float | None]]]


def card(
    version: str, dates: tuple[date, date], metrics: Metrics, counts: Mapping[str, int], labels: Sequence[str]
) -> str:
    """Markdown in the order of Mitchell et al. 2019. `counts`: products learned from, by modality."""
    given = ", ".join(f"{n:,} with {kind}" for kind, n in counts.items())
    lines = [
        f"# space of products {version}",
        "",
        "Gives every product one vector from what is said, shown and heard of it; any of them may be missing."
        f" Learned from what was known on {dates[0]} ({given}), with products that were bought together beside each"
        f" other, judged by the purchases after it up to {dates[1]}; it is used in nights after that.",
        "",
        f"Attributes it learned to tell: {', '.join(labels) or 'none'}.",
        "",
        "## What was bought beside a product (95 % interval over purchases)",
        "",
        "| model | products | metric | value |",
        "|---|---|---|---|",
    ]
    for (name, part), found in metrics.items():
        for metric, (value, low, high) in found.items():
            ends = "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
            lines.append(f"| {name} | {part} | {metric} | {value:.4f}{ends} |")
    lines += [
        "",
        "## Limits",
        "",
        "- The floor reads titles by a frozen encoder of sentences; a shop whose titles say everything gains little.",
        "- A product is judged by what was bought beside it, not by what looks like it.",
        "",
        "The artefact is safetensors and JSON; loading it runs no code, and its digest is checked first.",
    ]
    return "\n".join(lines) + "\n"
