"""The model card of what messages are about."""

from collections.abc import Sequence
from datetime import date

from models.nlp.card import Metrics, table


def card(version: str, dates: tuple[date, date], note: str, metrics: Metrics, classes: Sequence[str]) -> str:
    """Markdown in the order of Mitchell et al. 2019. `metrics`: {(model, slice): {metric: value and interval}}."""
    lines = [
        f"# what messages are about {version}",
        "",
        f"Says of a customer's message which intent it has, or that it does not know. {note[0].upper()}{note[1:]};"
        f" cut-off {dates[0]}, last delivery {dates[1]}. It reads for nights after that.",
        "",
        f"Intents: {', '.join(name for name in classes if name)}.",
        "",
        "## On messages that were filed later (95 % interval over messages)",
        "",
        *table(metrics),
    ]
    lines += [
        "",
        "## Limits",
        "",
        "- An intent that is new since the cut-off is not known; not all such messages come out as not known.",
        "- What a person filed a message under is taken as true.",
        "",
        "The artefact is safetensors and JSON; loading it runs no code, and its digest is checked first.",
    ]
    return "\n".join(lines) + "\n"
