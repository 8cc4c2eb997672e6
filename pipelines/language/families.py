"""The families of models that learn from texts, by name."""

from datetime import date
from typing import Any

from pipelines.errors import UsageError
from pipelines.settings import Settings
from pipelines.training_run import ENCODER, REVIEWS, SEARCH, Choices, Report

CONFIGS = {REVIEWS: ("base", ENCODER)}
"""Of a family that is not named there is one."""


def train_texts(settings: Settings, family: str, until: date | None, say: Report, choices: Choices) -> dict[str, Any]:
    """Raises UsageError for a choice that the family does not have; see the family's own module for the rest."""
    known = CONFIGS.get(family, ("base",))
    if choices.config not in known:
        raise UsageError(f"unknown config {choices.config!r} of {family}; known: {', '.join(known)}")
    if family == REVIEWS:
        from pipelines.language.training import train_reviews

        return train_reviews(settings, until, say, choices)
    if choices.language is not None or choices.tokens is not None:
        raise UsageError(f"{family} is learned from all languages together, and no transformer is tuned for it")
    if family == SEARCH:
        from pipelines.language.search_training import train_search

        return train_search(settings, until, say, choices.device)
    from pipelines.language.intent_training import train_intents

    return train_intents(settings, until, say, choices.device)
