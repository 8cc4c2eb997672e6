"""The events part of preprocess written by hand in DuckDB: one night's files in, Parquet and counts out.

Told by the question: `files` (path, name, landing_date of each delivered file), `lake` (Parquet files of the events
that other days delivered), `out`, `threads`, `memory`, and the numbers of the contract.
Answers {"files": {name: {rows_in, published, deduplicated, quarantined}}, "seconds": {phase: s}}.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

TEXTS = ("event_id", "event_type", "user_id", "session_id", "item_id", "query", "surface", "recommendation_id",
         "promotion_id", "charge_code")  # fmt: skip
NAMES = ("event_id", "occurred_at", "event_type", "user_id", "session_id", "item_id", "quantity", "unit_price", "query",
         "surface", "position", "recommendation_id", "promotion_id", "charge_code")  # fmt: skip
KINDS = ("impression", "view", "search", "add_to_cart", "remove_from_cart", "purchase", "return", "rating",
         "coupon_redeem")  # fmt: skip
IDS = ("event_id", "event_type", "user_id", "session_id", "item_id", "recommendation_id", "promotion_id")
MOMENT = r"(199\d|2[01]\d\d)-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)?"
NOT_TEXT = rf'"({"|".join(TEXTS)})"\s*:\s*([\[{{]|-?[0-9]*[.eE]|-?[0-9]{{19}}|-0)'
"""In a JSON line: a text column with an object, an array, or a number that is not whole or too long to be exact."""
NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?[0-2]?\d)?"
WHOLE = r"[+-]?\d{1,18}(\.0*)?"
BLANKS = " \t\n\v\f\r"


def main() -> None:
    question = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(preprocess(question)))


def preprocess(given: dict[str, Any]) -> dict[str, Any]:
    out, seconds = Path(given["out"]), {}
    out.mkdir(parents=True)
    config = {"threads": given["threads"], "memory_limit": given["memory"], "temp_directory": str(out / "spill")}
    with duckdb.connect(":memory:", config=config) as db:
        db.execute("set timezone = 'UTC'")
        for phase in (_read, _judge, _quarantine, _deduplicate, _sessionise, _write):
            started = time.monotonic()
            phase(db, given)
            seconds[phase.__name__[1:]] = round(time.monotonic() - started, 2)
        return {"files": _counts(db), "seconds": seconds}


def _read(db: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> None:
    """View `landed`: every row of every file: landing_date, file, line, `raw` (of JSON) and `row`, its texts."""
    # Lines are counted where they are read in order, by one thread; what reads the table then uses all of them.
    db.execute("create table lines (landing_date date, file varchar, line bigint, raw varchar)")
    structure = json.dumps(dict.fromkeys(NAMES, "VARCHAR"))
    parts = [
        "select *, case when json_valid(raw) then"
        f" if(json_type(raw) = 'OBJECT', json_transform(raw, '{structure}'), null) end as row from lines"
    ]
    for file in given["files"]:
        place, stamp = file["path"], f"date '{file['landing_date']}' as landing_date, '{file['name']}' as file"
        if place.endswith(".parquet"):
            held = {row[0] for row in db.execute("describe select * from read_parquet($1)", [place]).fetchall()}
            row = ", ".join(f"'{n}': {n}::varchar" if n in held else f"'{n}': null::varchar" for n in NAMES)
            source = f"read_parquet('{place}', file_row_number = true)"
            parts.append(f"select {stamp}, file_row_number + 1 as line, null as raw, {{{row}}} as row from {source}")
        else:
            db.execute(
                f"insert into lines select {stamp}, row_number() over (), raw from read_csv('{place}', header = false,"
                " columns = {'raw': 'VARCHAR'}, auto_detect = false, delim = chr(1), quote = '', escape = '')"
            )
    db.execute("create view landed as " + " union all ".join(parts))
    db.execute("set preserve_insertion_order = false")


def _judge(db: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> None:
    """Table `judged`: typed columns; `reason` of a refused row, and its text."""
    trimmed = ", ".join(f"nullif(trim(row.{n}, '{BLANKS}'), '') as {n}" for n in NAMES)
    values = {"occurred_at": "moment", "quantity": "pieces", "unit_price": "price", "position": "place"}
    values["query"] = _masked("query", given)
    columns = ", ".join(f"{values.get(n, n)} as {n}" for n in NAMES)
    db.execute(
        f"""
        create table judged as
        with texts as (
            select landing_date, file, line, raw, row, {trimmed} from landed
        ), typed as (
            select *,
                if(regexp_full_match(occurred_at, '{MOMENT}'), try_cast(occurred_at as timestamptz), null) as moment,
                {_whole("quantity")} as pieces,
                if(regexp_full_match(unit_price, '{NUMBER}'), try_cast(unit_price as decimal(18, 6)), null) as price,
                {_whole("position")} as place
            from texts
        ), reasoned as (
            select * exclude (raw), {_reason(given)} as reason,
                -- a merge patch leaves out what is null
                case when reason is not null then coalesce(raw, json_merge_patch('{{}}', to_json(row))::varchar) end
                    as raw
            from typed
        )
        select landing_date, file, line, moment::date as event_date, {columns}, reason,
            case when query is not null or event_id is null then {_masked("raw", given)} else raw end as raw
        from reasoned
        """
    )
    db.execute("drop view landed; drop table lines")


def _whole(name: str) -> str:
    """A whole number, also as 3.0 or 1e3. The wide decimal that tells these is slow, and seldom needed."""
    wide = f"try_cast({name} as decimal(38, 6))"
    return (
        f"case when regexp_full_match({name}, '{WHOLE}') then try_cast({name} as bigint)"
        f" when regexp_full_match({name}, '{NUMBER}') and {wide} = trunc({wide}) then try_cast({wide} as bigint) end"
    )


def _masked(text: str, given: dict[str, Any]) -> str:
    """Personal data in free text, replaced by a mark."""
    replaced = text
    for pattern, left, mark, right in given["masks"]:
        put = f"{left}{mark}{right}".replace("$", "\\")
        replaced = f"regexp_replace({replaced}, {_quoted(pattern)}, {_quoted(put)}, 'g')"
    return f"case when regexp_matches({text}, {_quoted(given['masks_need'])}) then {replaced} else {text} end"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _reason(given: dict[str, Any]) -> str:
    """Why a row is refused: the first of these that is true of it."""
    limits = {n: given["id_characters"] if n in IDS else given["text_characters"] for n in TEXTS}
    rules = [("row is null", "malformed json")]
    for name, limit in limits.items():
        rules.append((f"contains({name}, chr(0))", f"{name} holds a NUL character"))
        rules.append((f"length({name}) > {limit}", f"{name} is longer than {limit} characters"))
    for name in ("event_id", "occurred_at", "event_type"):
        rules.append((f"{name} is null", f"{name} is missing"))
        if name == "occurred_at":
            rules.append(("moment is null", "occurred_at is not a UTC timestamp"))
    rules += [
        ("quantity is not null and pieces is null", "quantity is not a whole number"),
        ("unit_price is not null and price is null", "unit_price is not a number below 10^12"),
        ("position is not null and place is null", "position is not a whole number"),
        (f"event_type not in {KINDS}", "event_type is unknown"),
        ("pieces <= 0", "quantity is not positive"),
        ("pieces > 1000000", "quantity is above 1000000"),
        ("abs(price) > 1000000000", "unit_price is above 1000000000"),
        ("event_type in ('purchase', 'return') and pieces is null", "quantity is missing"),
        ("event_type in ('purchase', 'return') and item_id is null and charge_code is null", "item_id is missing"),
        ("event_type in ('impression', 'view', 'add_to_cart', 'remove_from_cart') and item_id is null",
         "item_id is missing"),
        ("event_type = 'search' and query is null", "query is missing"),
        ("item_id is not null and charge_code is not null", "item_id and charge_code are both given"),
        ("price < 0 and charge_code is null", "unit_price is negative"),
        (f"moment::date < landing_date - {given['late_days']}", "late"),
        (f"moment::date > landing_date + {given['early_days']}", "after its landing date"),
    ]  # fmt: skip
    (malformed, *rest) = [f"when {rule} then '{reason}'" for rule, reason in rules]
    not_text = f"when regexp_matches(raw, '{NOT_TEXT}') then regexp_extract(raw, '{NOT_TEXT}', 1)"
    not_text += " || ' is not text or a whole number'"
    return " ".join(["case", malformed, not_text, *rest, "end"])


def _quarantine(db: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> None:
    db.execute(
        "copy (select landing_date, 'events' as entity, file, line, reason, raw from judged where reason is not null"
        f" order by landing_date, file, line) to '{given['out']}/quarantine'"
        " (format parquet, partition_by (landing_date), compression zstd)"
    )


def _deduplicate(db: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> None:
    """Table `flagged`: accepted rows and what the lake holds of their dates. The first row of an id is the original."""
    names = ", ".join((*NAMES, "event_date", "landing_date", "file", "line"))
    own = f"select {names} from judged where reason is null"
    accepted = own
    if given["lake"]:
        accepted += (
            f" union all by name select {names} from read_parquet({given['lake']!r}, hive_partitioning = true)"
            f" where event_date in (select distinct event_date from ({own}))"
        )
    db.execute(
        f"""
        create table flagged as
        with accepted as (
            {accepted}
        ), compared as (
            select *, lag(landing_date) over (
                partition by event_date, event_id order by landing_date, file, line) as delivered_before
            from accepted
        )
        select * exclude (delivered_before), delivered_before is not null as is_duplicate,
            coalesce(delivered_before = landing_date, false) as is_repeat
        from compared
        """
    )


def _sessionise(db: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> None:
    """Table `sessions`: of each row that needs one, its session: a user's events without a long pause."""
    gap = given["gap_minutes"]
    db.execute(
        f"""
        create table sessions as
        with needy as (
            select landing_date, file, line, event_date, user_id, occurred_at, event_id from flagged
            where session_id is null and user_id is not null and not is_repeat
        ), paused as (
            select *, coalesce(occurred_at - lag(occurred_at) over w > to_minutes({gap}), true) as begins
            from needy window w as (
                partition by landing_date, event_date, user_id order by occurred_at, event_id)
        ), started as (
            select *, max(if(begins, occurred_at, null)) over (
                partition by landing_date, event_date, user_id order by occurred_at, event_id
                rows unbounded preceding) as started_at
            from paused
        )
        select landing_date, file, line, 's-' || substr(sha256(
            concat_ws('|', user_id, landing_date::varchar, epoch_us(started_at)::varchar)), 1, 24) as made
        from started
        """
    )


def _write(db: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> None:
    """The lake's files, by event date, a user's events together."""
    names = ", ".join(f"coalesce(session_id, made) as {n}" if n == "session_id" else n for n in NAMES)
    db.execute(
        f"copy (select {names}, event_date, landing_date, file, line, is_duplicate"
        " from flagged left join sessions using (landing_date, file, line)"
        " order by event_date, user_id, occurred_at, event_id, landing_date, file, line)"
        f" to '{given['out']}/events' (format parquet, partition_by (event_date), compression zstd)"
    )


def _counts(db: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    rows = db.execute(
        "select file, count(*), count(*) filter (not is_duplicate), count(*) filter (is_duplicate),"
        " count(*) filter (refused) from ("
        "   select file, is_duplicate, false as refused from flagged"
        "   union all select file, null, true from judged where reason is not null) group by file"
    ).fetchall()
    return {r[0]: dict(zip(("rows_in", "published", "deduplicated", "quarantined"), r[1:], strict=True)) for r in rows}


if __name__ == "__main__":
    main()
