"""What BI sees: all of one night or all of the one before (law 2). Embedded it is a file, on PostgreSQL one row."""

from datetime import date
from typing import Any, Protocol

from pipelines.errors import UsageError
from pipelines.fence import Attempt, take
from pipelines.settings import Settings


class Way(Protocol):
    """How nights are shown; a module of this package."""

    def place(self, settings: Settings) -> str: ...
    def publish(self, settings: Settings, night: date, attempt: Attempt) -> dict[str, int]: ...
    def published(self, settings: Settings) -> list[date]: ...
    def current_night(self, settings: Settings) -> date | None: ...
    def show_again(self, settings: Settings, night: date, attempt: Attempt) -> None: ...
    def ask(self, settings: Settings, sql: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]: ...


def way(settings: Settings) -> Way:
    if settings.postgres:
        from pipelines.bi import pointer

        return pointer
    from pipelines.bi import file

    return file


def place(settings: Settings) -> str:
    """Where BI finds the marts."""
    return way(settings).place(settings)


def publish(settings: Settings, night: date, attempt: Attempt) -> dict[str, int]:
    """Show BI the marts as they are built now, in one swap; returns the rows of each.

    Raises Superseded, with nothing shown, where a newer attempt has taken over.
    """
    return way(settings).publish(settings, night, attempt)


def published(settings: Settings) -> list[date]:
    """Nights that are kept for `rollback`, oldest first."""
    return way(settings).published(settings)


def current_night(settings: Settings) -> date | None:
    """The night BI sees now."""
    return way(settings).current_night(settings)


def ask(settings: Settings, sql: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and at most `limit` rows of a query, with the rights of a BI reader."""
    return way(settings).ask(settings, sql, limit)


def rollback(settings: Settings, to: date | None, dry_run: bool) -> dict[str, Any]:
    """Show BI an earlier published night again.

    It takes over from a publish that is under way; a dry run leaves that alone.
    """
    now, kept = current_night(settings), published(settings)
    earlier = [n for n in kept if now is None or n < now]
    target = to or (earlier[-1] if earlier else None)
    if target is None or target not in kept:
        names = ", ".join(str(n) for n in kept) or "none"
        raise UsageError(f"cannot roll back to {to or 'an earlier night'}; kept nights: {names}")
    if not dry_run:
        way(settings).show_again(settings, target, take(settings, "publish", "bi"))
    return {"from": str(now), "to": str(target), "dry_run": dry_run}
