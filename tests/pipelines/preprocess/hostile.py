"""Rows that have broken pipelines before: what the two engines must read alike."""

import json

GOOD = {"event_id": "e", "occurred_at": "2020-01-02T10:00:00Z", "event_type": "view", "item_id": "i", "user_id": "u"}


def event(**changes: object) -> str:
    return json.dumps({**GOOD, **changes}, ensure_ascii=False)


def with_number(name: str, number: str) -> str:
    """`number` as it stands, unquoted: json.dumps would already have changed it."""
    return event(**{name: "@"}).replace('"@"', number)


NUMBERS = (
    "1", "1.10", "1e5", "1E-7", "1.5E3", "12345678.9", "123456789.0", "0.0001", "1234567890123456789",
    "12345678901234567890", "123456789012345678901234567890", "-0", "-0.0", "-1", "0", "0.30000000000000004",
    "999999.9999999", "1e400", "NaN", "-Infinity", "01", "+1", ".5", "5.", "true", "null", "{}", "[]", '{"b": 1.10}',
    "[1, 2]", "2.5", "3.0", "1e99", "99999999999999",
)  # fmt: skip

STRUCTURE = (
    "", "{}", "[]", "null", "[1]", '"x"', "{", "}", '{"event_id":', event() + " junk", event() + event(),
    event() + "," + event(), event() + "}", event() + "} {", event() + '} , "x":{"y":1', "  " + event() + " \t",
    "\ufeff" + event(), event().replace('"', "'"), event()[:-1] + ",}", event()[:-1] + "/* c */}",
    event().replace("event_id", "EVENT_ID"), event()[:-1] + ', "user_id": "second"}',
    event()[:-1] + ', "user_id": null}',
    event()[:-1] + ', "unknown": {"deep": [{"er": 1}]}}', event(unreadable="half a li", unreadable_reason="cut off"),
    event(unreadable="half a li"), event()[:-1] + ', "nightmarket_end": 2}',
)  # fmt: skip

TEXTS = (
    "x" * 256, "x" * 257, "x" * 10_000, "x" * 10_001, "a\0b", "\u200frtl\u202e", "  blanks  ", "", "   ", "é",
    "😀", "'; drop table x; --", '"quoted"', "back\\slash", "tab\tin", "line\nbreak", "=cmd|' /C calc'!A0", "\x7f",
    "\u2028", "a" * 5_000 + "\\" * 5_000, "1e5", "NaN", "None", "\u00a0", "١٢٣",
)  # fmt: skip

ESCAPES = (
    r"\ud83d\ude00", r"\ud800", r"\udc00 alone", r"\ude00\ud83d", r"\u0000", r"\x", r"\\ud800", r"\u00e9", r"\/",
)  # fmt: skip

TIMES = (
    "2020-01-02", "2020-01-02T10:00:00", "2020-01-02 10:00:00.5+05:30", "2020-01-02T24:00:00Z", "2020-01-02T23:59:60Z",
    "2020-02-30T00:00:00Z", "2020-1-2T1:0:0Z", "1989-12-31T00:00:00Z", "0000-01-01T00:00:00Z", "2020-01-02T10:00:00z",
    "2020-01-02T10:00:00.1234567Z", "1577959200", "2020-01-02T10:00:00+14:00", "2020-01-02T10:00:00-15:00", "now",
    "2019-12-29T23:59:59Z", "2019-12-30T00:00:00Z", "2020-01-03T00:00:00Z", "2020-01-02T00:30:00+01:00",
)  # fmt: skip

LINES: tuple[str, ...] = (
    *STRUCTURE,
    *(with_number(name, n) for name in ("quantity", "unit_price", "position", "item_id", "user_id") for n in NUMBERS),
    *(event(**{name: text}) for name in ("event_id", "query", "event_type", "unit_price") for text in TEXTS),
    *(event(query="@").replace("@", text) for text in ESCAPES),
    *(event(occurred_at=text) for text in TIMES),
    "plain text\0with nul",
    event().replace("view", "vi\0ew"),
)
PRODUCTS: tuple[str, ...] = (
    *(f'{{"item_id": "i", "attributes": {text}}}' for text in ("{}", "[]", '"x"', "5", "null", "true", '{"k": 1}')),
    *(f'{{"item_id": "i", "attributes": {{"k": {n}}}, "price": 1.5}}' for n in NUMBERS),
    *(f'{{"item_id": "i", "attributes": {{"k": {{"n": [{n}]}}}}}}' for n in NUMBERS),
    *(f'{{"item_id": "i", "attributes": {{"k": "v"}}, "price": {n}}}' for n in NUMBERS),
    '{"item_id": "i", "attributes": {"a": "1", "a": "2"}}',
    '{"item_id": "i", "attributes": {"a": "x\\u0000y"}}',
    '{"item_id": "i", "attributes": {"": null, "é": "ü"}}',
    '{"item_id": "i", "available_from": "2020-01-01", "available_to": "2019-01-01"}',
    '{"item_id": "i", "available_from": "2020-02-30"}',
    '{"item_id": "i", "title": {"en": "x"}}',
    '{"item_id": "i", "description": "price: 12345678901234567890, 1e9"}',
)
