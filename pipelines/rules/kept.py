"""Which rules file a night goes by: the copy kept with its scores, else the file as it is now.

A night that has been scored keeps the rules it was scored by, so that scoring it again, whenever and for whatever
reason, gives the same lists (laws 1 and 5); a new file counts from the next night on. The copy is written in the
transaction of the scores. A scored night without a copy had no rules.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from pipelines.contracts import OPS_NIGHT_RULES, SCORES_RECOMMENDATIONS
from pipelines.errors import NightmarketError
from pipelines.rules.conflicts import conflicts
from pipelines.rules.file import RuleFile, parse
from pipelines.rules.nodes import Problem
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse, exists, open_warehouse, upsert


@dataclass(frozen=True)
class Source:
    """The text of the rules of a night, None where there are none, and what to call it in a message."""

    text: str | None
    name: str


def file_now(settings: Settings) -> Source:
    """The file as it is. Raises NightmarketError where the setting names one that is not there, or it is no text."""
    path = settings.rules_file
    try:
        return Source(path.read_bytes().decode("utf-8-sig"), str(path))
    except FileNotFoundError as error:
        if settings.rules:
            raise NightmarketError(
                f"the setting rules names {path}, which is not there; mend it or leave it out"
            ) from error
        return Source(None, str(path))
    except UnicodeDecodeError as error:
        raise NightmarketError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise NightmarketError(f"{path} cannot be read: {error.strerror}") from error


def is_file_now(settings: Settings, text: str | None) -> bool:
    """Whether the file still says this; one that cannot be read does not."""
    try:
        return file_now(settings).text == text
    except NightmarketError:
        return False


def source_of(settings: Settings, night: date, anew: bool = False) -> Source:
    """The rules of the night: as kept with its scores, or, `anew` and for a night never scored, the file as it is."""
    if anew or not exists(settings):
        return file_now(settings)
    with open_warehouse(settings) as connection:
        kept = connection.execute(f"select content from {OPS_NIGHT_RULES.name} where night = ?", [night]).fetchone()
        scored = connection.execute(
            f"select 1 from {SCORES_RECOMMENDATIONS.name} where scored_for = ? limit 1", [night]
        ).fetchone()
    if kept is not None:
        return Source(str(kept[0]), f"the rules kept for {night}")
    return Source(None, f"the rules kept for {night}") if scored else file_now(settings)


def rules_of(settings: Settings, night: date, anew: bool = False) -> RuleFile | None:
    """The rules a night is to be scored by; None where there are none.

    Raises NightmarketError, in one line, where the file cannot be taken as it is: lists without their rules are worse
    than yesterday's lists.
    """
    source = source_of(settings, night, anew)
    if source.text is None:
        return None
    file, problems = read(source.text, settings, night)
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more; `nightmarket rules` lists them)" if len(errors) > 1 else ""
        raise NightmarketError(f"{source.name} {errors[0]}{more}; nothing is scored until it is mended")
    return file


def read(text: str, settings: Settings, night: date) -> tuple[RuleFile, list[Problem]]:
    """The file and all that is wrong with it, as far as that can be told without the catalogue."""
    file, problems = parse(text, settings.top_k)
    return file, sorted([*problems, *conflicts(file.rules, night)], key=lambda problem: problem.line)


def keep(connection: Warehouse, night: date, file: RuleFile | None) -> None:
    """Inside the transaction that replaces the night's scores."""
    if file is None:
        connection.execute(f"delete from {OPS_NIGHT_RULES.name} where night = ?", [night])
        return
    row = {"night": night, "digest": file.digest, "content": file.text, "kept_at": datetime.now(UTC)}
    upsert(connection, OPS_NIGHT_RULES, [row])
