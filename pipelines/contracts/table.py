"""What a table of the warehouse is to Python, and what every scored row says of its origin."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A warehouse table that Python writes (dbt owns the rest). `volatile` columns stay out of the table hash."""

    name: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    volatile: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


STAMP = (
    ("model_name", "text"),
    ("model_version", "text"),
    ("run_id", "text"),
    ("scored_at", "timestamp with time zone"),
)
