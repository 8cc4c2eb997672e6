"""Why a file is no picture or sound that we take: a stable text, counted as a reason of quarantine."""

import re

MEGABYTE = 1_000_000
EMPTY, TRUNCATED, CORRUPT = "file is empty", "truncated", "cannot be decoded"
WRONG_EXTENSION = "extension names another format"
_EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{1,4})$")


class MediaError(Exception):
    """`reason` is one of few texts without names or numbers of the file, so that files can be counted by it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_bytes(content: bytes, most: int) -> None:
    """Raises MediaError where there is nothing, or more than `most` bytes."""
    if not content:
        raise MediaError(EMPTY)
    if len(content) > most:
        raise MediaError(too_large(most))


def too_large(most: int) -> str:
    return f"larger than {most // MEGABYTE} MB"


def check_extension(name: str | None, allowed: frozenset[str]) -> None:
    """Raises MediaError where `name` ends in an extension and it is none of `allowed`: one of the two is wrong."""
    found = _EXTENSION.search(name or "")
    if found and found[1].lower() not in allowed:
        raise MediaError(WRONG_EXTENSION)
