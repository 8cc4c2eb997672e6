"""The model card of an order of search results."""

from collections.abc import Mapping
from datetime import date

from models.nlp.card import Metrics, table

MOST_COLUMNS = 8


def card(version: str, until: date, note: str, metrics: Metrics, gain: Mapping[str, float], encoder: str) -> str:
    """Markdown in the order of Mitchell et al. 2019. `metrics`: {(model, slice): {metric: value and interval}};
    `gain`: each column's share of what the splits of the trees gained.
    """
    best = sorted(gain.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_COLUMNS]
    lines = [
        f"# order of search results {version}",
        "",
        f"Orders the products of a query. Known until {until}: it orders nights after that. It is {note}. Vectors of"
        f" the encoder `{encoder}`.",
        "",
        "## On queries that were left out when it learned (95 % interval over queries)",
        "",
        *table(metrics),
    ]
    lines += ["", "What its splits gained from: " + ", ".join(f"{name} {share:.0%}" for name, share in best) + "."]
    lines += [
        "",
        "## Limits",
        "",
        "- Judged lists hold products that somebody thought worth judging; a night orders candidates nobody looked at.",
        "- Clicks say what people wanted of what they were shown, not of what they were not shown.",
        "",
        "The artefact is safetensors and JSON; loading it runs no code, and its digest is checked first.",
    ]
    return "\n".join(lines) + "\n"
