"""The YAML mapping of the source `files`: read and checked before any data is, errors name the key."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from pipelines.contracts import CONTENT_HASH, ENTITIES, EVENTS, MEDIA_ENTITIES, REVIEWS, URI
from pipelines.errors import UsageError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MADE_IDS = {EVENTS.name: "event_id", REVIEWS.name: "review_id"}
"""Ids that are made of the row where the mapping names none."""
_PERSONAL = re.compile(r"mail|(first|last|full|sur|customer|user)_?name|^name$|address|street|phone|birth", re.I)
_ENTITY_KEYS = {"glob", "delivered_on", "columns", "timestamp_format", "values", "hash", "drop", "media"}
_MEDIA = {entity.name for entity in MEDIA_ENTITIES}


@dataclass(frozen=True)
class EntityMap:
    name: str
    glob: str
    delivered_on: str  # "filename" or an origin column
    columns: dict[str, Any]  # contract column -> origin column, {const: value} or {map: {key: origin column}}
    timestamp_format: str
    values: dict[str, dict[str, str]]
    hash: tuple[str, ...]
    drop: tuple[str, ...]
    media: str = ""  # of pictures and sounds: the folder that their uri is relative to, below that of the mapping

    @property
    def origin(self) -> tuple[str, ...]:
        """Every origin column that is read, once, in the order of the mapping."""
        names = [name for rule in self.columns.values() for name in _origins(rule)]
        if self.delivered_on != "filename":
            names.append(self.delivered_on)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Mapping:
    timezone: str
    closed_weekdays: tuple[str, ...]
    entities: tuple[EntityMap, ...]


def _origins(rule: Any) -> list[str]:
    if isinstance(rule, str):
        return [rule]
    return list(rule["map"].values()) if "map" in rule else []


def read_mapping(path: Path) -> Mapping:
    """The checked mapping; raises UsageError naming file and key."""
    try:
        given = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} is no readable YAML mapping: {str(error).splitlines()[0]}") from error
    if not isinstance(given, dict):
        raise UsageError(f"{path} must be a mapping with the keys timezone and entities")
    _known(path, "", given, {"timezone", "closed_weekdays", "entities"})
    zone = given.get("timezone")
    try:
        ZoneInfo(str(zone))
    except Exception as error:  # zoneinfo raises several kinds, one for each way of being wrong
        raise UsageError(f"{path}: timezone must be an IANA name such as Europe/Berlin, not {zone!r}") from error
    closed = given.get("closed_weekdays") or []
    if not isinstance(closed, list) or not set(closed) <= set(WEEKDAYS):
        raise UsageError(f"{path}: closed_weekdays must be a list of {', '.join(WEEKDAYS)}")
    entities = given.get("entities")
    if not isinstance(entities, dict) or not entities:
        raise UsageError(f"{path}: entities must map at least one of {', '.join(ENTITIES)}")
    return Mapping(str(zone), tuple(closed), tuple(_entity(path, name, value) for name, value in entities.items()))


def _known(path: Path, where: str, given: dict[str, Any], known: set[str]) -> None:
    if unknown := [str(k) for k in given if k not in known]:
        raise UsageError(f"{path}: unknown key {where}{unknown[0]}; known: {', '.join(sorted(known))}")


def _entity(path: Path, name: str, given: Any) -> EntityMap:
    where = f"entities.{name}"
    if name not in ENTITIES:
        raise UsageError(f"{path}: {where} is no entity; there are: {', '.join(ENTITIES)}")
    if not isinstance(given, dict):
        raise UsageError(f"{path}: {where} must be a mapping")
    _known(path, f"{where}.", given, _ENTITY_KEYS)
    for key in ("glob", "delivered_on"):
        if not isinstance(given.get(key), str) or not given[key]:
            raise UsageError(f"{path}: {where}.{key} must be a text")
    media = _media(path, where, name, given.get("media"))
    for key, place in (("glob", given["glob"]), ("media", media)):
        if Path(place).is_absolute() or ".." in Path(place).parts:
            raise UsageError(f"{path}: {where}.{key} must stay below the folder of the mapping")
    form = given.get("timestamp_format", "")
    if not isinstance(form, str) or "%z" in form:
        raise UsageError(f"{path}: {where}.timestamp_format must be a strptime text without %z (ISO times need none)")
    columns = _columns(path, where, name, given.get("columns"))
    values = given.get("values") or {}
    if not isinstance(values, dict) or not all(k in columns and isinstance(v, dict) for k, v in values.items()):
        raise UsageError(f"{path}: {where}.values must map a mapped column to {{origin value: contract value}}")
    hashed, dropped = (_names(path, f"{where}.{key}", given.get(key)) for key in ("hash", "drop"))
    entity = EntityMap(name, given["glob"], given["delivered_on"], columns, form, values, hashed, dropped, media)
    _protect(path, where, entity)
    return entity


def _media(path: Path, where: str, entity: str, given: Any) -> str:
    if entity not in _MEDIA:
        if given is not None:
            raise UsageError(f"{path}: {where}.media is for {' and '.join(sorted(_MEDIA))} only")
        return ""
    if not isinstance(given, str) or not given:
        raise UsageError(f"{path}: {where}.media must name the folder of the files, below that of the mapping")
    return given


def _columns(path: Path, where: str, entity: str, given: Any) -> dict[str, Any]:
    # The hash of a media file is made of its bytes, whatever a column says.
    contract = {c.name: c for c in ENTITIES[entity].columns if c.name != CONTENT_HASH}
    if not isinstance(given, dict) or not given:
        raise UsageError(f"{path}: {where}.columns must map contract columns to origin columns")
    _known(path, f"{where}.columns.", given, set(contract))
    for name, rule in given.items():
        is_const = isinstance(rule, dict) and set(rule) == {"const"} and isinstance(rule["const"], str | int | float)
        is_map = isinstance(rule, dict) and set(rule) == {"map"} and contract[name].kind == "map"
        is_map = is_map and isinstance(rule["map"], dict) and all(isinstance(v, str) for v in rule["map"].values())
        if not (isinstance(rule, str) or is_const or is_map):
            raise UsageError(
                f"{path}: {where}.columns.{name} must be an origin column or {{const: value}}"
                + (" or {map: {key: origin column}}" if contract[name].kind == "map" else "")
            )
    for column in contract.values():
        if column.required and column.name not in given and column.name != MADE_IDS.get(entity):
            raise UsageError(f"{path}: {where}.columns lacks {column.name}, which the contract requires")
    if entity in _MEDIA and URI not in given:
        raise UsageError(f"{path}: {where}.columns lacks {URI}, which names the files")
    return given


def _names(path: Path, where: str, given: Any) -> tuple[str, ...]:
    if given is not None and not (isinstance(given, list) and all(isinstance(v, str) for v in given)):
        raise UsageError(f"{path}: {where} must be a list of origin columns")
    return tuple(given or ())


def _protect(path: Path, where: str, entity: EntityMap) -> None:
    """No name, e-mail or address may enter: such a column is hashed or not mapped."""
    for name in entity.origin:
        if name in entity.drop:
            raise UsageError(f"{path}: {where}.drop names {name}, which {where}.columns reads")
        if _PERSONAL.search(name) and name not in entity.hash:
            raise UsageError(f"{path}: {where}.columns reads {name}, which looks personal: hash or drop it")
    if unread := [name for name in entity.hash if name not in entity.origin]:
        raise UsageError(f"{path}: {where}.hash names {unread[0]}, which {where}.columns does not read")
