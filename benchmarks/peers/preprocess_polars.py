"""The events part of preprocess written by hand in Polars; question and answer are those of `preprocess_duckdb`.

What is accepted is kept as one Parquet file between the steps: all of it in memory at once would not fit.
"""

import hashlib
import json
import shutil
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

TEXTS = ("event_id", "event_type", "user_id", "session_id", "item_id", "query", "surface", "recommendation_id",
         "promotion_id", "charge_code")  # fmt: skip
NAMES = ("event_id", "occurred_at", "event_type", "user_id", "session_id", "item_id", "quantity", "unit_price", "query",
         "surface", "position", "recommendation_id", "promotion_id", "charge_code")  # fmt: skip
KINDS = ("impression", "view", "search", "add_to_cart", "remove_from_cart", "purchase", "return", "rating",
         "coupon_redeem")  # fmt: skip
IDS = ("event_id", "event_type", "user_id", "session_id", "item_id", "recommendation_id", "promotion_id")
PLACE = ("landing_date", "file", "line")
MOMENT = r"^(199\d|2[01]\d\d)-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)?$"
NOT_TEXT = rf'"({"|".join(TEXTS)})"\s*:\s*(?:[\[{{]|-?[0-9]*[.eE]|-?[0-9]{{19}}|-0)'
NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?[0-2]?\d)?$"
WHOLE = r"^[+-]?\d{1,18}(\.0*)?$"
BLANKS = " \t\n\v\f\r"
MALFORMED = "malformed json"


def main() -> None:
    question = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(preprocess(question)))


def preprocess(given: dict[str, Any]) -> dict[str, Any]:
    out, seconds, clock = Path(given["out"]), {}, time.monotonic()
    out.mkdir(parents=True)

    def phase(name: str) -> None:
        nonlocal clock
        seconds[name], clock = round(time.monotonic() - clock, 2), time.monotonic()

    judged = out / "judged"
    judged.mkdir()
    for number, file in enumerate(given["files"]):
        rows = _read(file).pipe(_judged, given)
        rows.sink_parquet(judged / f"{number:04d}.parquet", compression="lz4", statistics=False)
    phase("judge")
    refused = _quarantine(given, pl.scan_parquet(judged).filter(pl.col("reason").is_not_null()).collect())
    phase("quarantine")
    accepted = _accepted(judged, given)
    repeats = _duplicates(accepted)
    phase("deduplicate")
    sessions = _sessions(accepted, repeats, given["gap_minutes"])
    phase("sessionise")
    flagged = _write(accepted, repeats, sessions, out)
    phase("write")
    shutil.rmtree(judged)
    return {"files": _counts(flagged, refused), "seconds": seconds}


def _read(file: dict[str, Any]) -> pl.LazyFrame:
    """Every row of a file as columns of text, with its line; a JSON line that is no object has nothing in them.

    `odd` names a text column of a JSON line that holds something else.
    """
    if file["path"].endswith(".parquet"):
        rows = pl.scan_parquet(file["path"], row_index_name="line", row_index_offset=1)
        held = rows.collect_schema().names()
        rows = rows.with_columns(*[pl.lit(None, pl.String).alias(n) for n in (*NAMES, "odd") if n not in held])
    else:
        rows = _lines(file["path"]).pipe(_parsed)
    stamp = pl.lit(date.fromisoformat(file["landing_date"])).alias("landing_date"), pl.lit(file["name"]).alias("file")
    return rows.select(*stamp, pl.col("line").cast(pl.Int64), "odd", *[pl.col(n).cast(pl.String) for n in NAMES])


def _lines(path: str) -> pl.LazyFrame:
    return pl.scan_csv(
        path, has_header=False, separator="\x01", quote_char=None, schema={"raw": pl.String},
        row_index_name="line", row_index_offset=1,
    )  # fmt: skip


def _parsed(lines: pl.LazyFrame) -> pl.LazyFrame:
    raw, structure = pl.col("raw"), pl.Struct(dict.fromkeys(NAMES, pl.String))
    whole = pl.when(raw.str.starts_with("{") & raw.str.ends_with("}")).then(raw)
    odd = raw.str.extract(NOT_TEXT, 1).alias("odd")
    try:
        rows = lines.select("line", odd, whole.str.json_decode(structure).alias("row")).collect(engine="streaming")
    except pl.exceptions.ComputeError:  # one line that only looks whole stops all: look at each
        texts = lines.collect()
        found = [_object(text) for text in texts["raw"]]
        rows = texts.select("line", odd, row=pl.Series(found, dtype=structure))
    return rows.lazy().unnest("row")


def _object(text: str) -> dict[str, str | None] | None:
    try:
        row = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    return {n: v if (v := row.get(n)) is None or isinstance(v, str) else json.dumps(v) for n in NAMES}


def _judged(rows: pl.LazyFrame, given: dict[str, Any]) -> pl.LazyFrame:
    """Typed columns and the reason of a refused row; `given` holds its texts as they came."""
    trimmed = {n: pl.col(n).str.strip_chars(BLANKS) for n in NAMES}
    rows = rows.with_columns(given=pl.struct(*NAMES)).with_columns(
        **{n: pl.when(text != "").then(text) for n, text in trimmed.items()}
    )
    rows = rows.with_columns(
        moment=_moment(pl.col("occurred_at")),
        pieces=_whole(pl.col("quantity")),
        place=_whole(pl.col("position")),
        price=pl.when(pl.col("unit_price").str.contains(NUMBER)).then(
            pl.col("unit_price").cast(pl.Decimal(18, 6), strict=False)
        ),
    ).with_columns(event_date=pl.col("moment").dt.date())
    not_text = pl.col("odd") + " is not text or a whole number"
    reason = pl.coalesce(not_text, *[pl.when(broken).then(pl.lit(why)) for broken, why in _rules(given)])
    values = {"occurred_at": "moment", "quantity": "pieces", "unit_price": "price", "position": "place"}
    columns = [pl.col(values.get(n, n)).alias(n) for n in NAMES]
    columns[NAMES.index("query")] = _masked(pl.col("query"), given).alias("query")
    rows = rows.with_columns(reason=reason)
    kept = pl.when(pl.col("reason").is_not_null()).then(pl.col("given"))
    return rows.select(*PLACE, "event_date", *columns, "reason", kept.alias("given"))


def _masked(text: pl.Expr, given: dict[str, Any]) -> pl.Expr:
    """Personal data in free text, replaced by a mark."""
    replaced = text
    for pattern, left, mark, right in given["masks"]:
        put = f"{left}{mark}{right}".replace("$1", "${1}").replace("$2", "${2}")
        replaced = replaced.str.replace_all(pattern, put)
    return pl.when(text.str.contains(given["masks_need"])).then(replaced).otherwise(text)


def _moment(text: pl.Expr) -> pl.Expr:
    zoned = pl.when(text.str.contains(r"(Z|[+-]\d\d:\d\d)$")).then(text).otherwise(text + "Z").str.replace(" ", "T")
    read = zoned.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return pl.when(text.str.contains(MOMENT)).then(read)


def _whole(text: pl.Expr) -> pl.Expr:
    plain = pl.when(text.str.contains(WHOLE)).then(text.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False))
    wide = pl.when(text.str.contains(NUMBER)).then(text.cast(pl.Float64, strict=False))  # exact to 2^53
    return pl.coalesce(plain, pl.when(wide == wide.round()).then(wide.cast(pl.Int64, strict=False)))


def _rules(given: dict[str, Any]) -> list[tuple[pl.Expr, str]]:
    """Why a row is refused: the first of these that is true of it."""
    col = pl.col
    limits = {n: given["id_characters"] if n in IDS else given["text_characters"] for n in TEXTS}
    rules = []
    for n, most in limits.items():
        rules.append((col(n).str.contains("\0", literal=True), f"{n} holds a NUL character"))
        rules.append((col(n).str.len_chars() > most, f"{n} is longer than {most} characters"))
    day, missing = col("moment").dt.date(), {n: (col(n).is_null(), f"{n} is missing") for n in NAMES}
    sold = col("event_type").is_in(["purchase", "return"])
    shown = col("event_type").is_in(["impression", "view", "add_to_cart", "remove_from_cart"])
    return [
        *rules,
        missing["event_id"],
        missing["occurred_at"],
        (col("moment").is_null(), "occurred_at is not a UTC timestamp"),
        missing["event_type"],
        (col("quantity").is_not_null() & col("pieces").is_null(), "quantity is not a whole number"),
        (col("unit_price").is_not_null() & col("price").is_null(), "unit_price is not a number below 10^12"),
        (col("position").is_not_null() & col("place").is_null(), "position is not a whole number"),
        (~col("event_type").is_in(KINDS), "event_type is unknown"),
        (col("pieces") <= 0, "quantity is not positive"),
        (col("pieces") > 1_000_000, "quantity is above 1000000"),
        (col("price").abs() > 1_000_000_000, "unit_price is above 1000000000"),
        (sold & col("pieces").is_null(), "quantity is missing"),
        (sold & col("item_id").is_null() & col("charge_code").is_null(), "item_id is missing"),
        (shown & col("item_id").is_null(), "item_id is missing"),
        ((col("event_type") == "search") & col("query").is_null(), "query is missing"),
        (col("item_id").is_not_null() & col("charge_code").is_not_null(), "item_id and charge_code are both given"),
        ((col("price") < 0) & col("charge_code").is_null(), "unit_price is negative"),
        (day < col("landing_date").dt.offset_by(f"-{given['late_days']}d"), "late"),
        (day > col("landing_date").dt.offset_by(f"{given['early_days']}d"), "after its landing date"),
    ]


def _quarantine(given: dict[str, Any], refused: pl.DataFrame) -> pl.DataFrame:
    """Write the refused rows with their text; that of a JSON line is read once more from its file."""
    parts = []
    for file in given["files"]:
        rows = refused.filter(pl.col("file") == file["name"])
        if file["path"].endswith(".parquet"):
            texts = [{k: v for k, v in row.items() if v is not None} for row in rows["given"]]
            raw = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in texts]
            rows = rows.with_columns(raw=pl.Series(raw, dtype=pl.String))
        else:
            lines = _lines(file["path"]).with_columns(pl.col("line").cast(pl.Int64))
            rows = rows.lazy().join(lines, on="line").collect(engine="streaming")
            broken = [_object(raw) is None for raw in rows["raw"]]
            reason = pl.when(pl.Series(broken, dtype=pl.Boolean)).then(pl.lit(MALFORMED)).otherwise(pl.col("reason"))
            rows = rows.with_columns(reason=reason)
        unsafe = pl.col("query").is_not_null() | pl.col("event_id").is_null()
        raw = pl.when(unsafe).then(_masked(pl.col("raw"), given)).otherwise(pl.col("raw"))
        rows = rows.with_columns(raw=raw)
        parts.append(rows.select("landing_date", pl.lit("events").alias("entity"), "file", "line", "reason", "raw"))
    found = pl.concat(parts).sort("landing_date", "file", "line")
    for (day,), rows in found.group_by("landing_date"):
        folder = Path(given["out"]) / "quarantine" / f"landing_date={day}"
        folder.mkdir(parents=True)
        rows.drop("landing_date").write_parquet(folder / "0.parquet", compression="zstd")
    return found


def _accepted(judged: Path, given: dict[str, Any]) -> pl.LazyFrame:
    """Accepted rows, and what the lake holds of their dates."""
    columns = [*PLACE, "event_date", *NAMES]
    own = pl.scan_parquet(judged).filter(pl.col("reason").is_null()).select(columns)
    if not given["lake"]:
        return own
    days = own.select("event_date").unique().collect(engine="streaming")["event_date"]
    held = pl.scan_parquet(given["lake"], hive_partitioning=True).select(columns)
    return pl.concat([own, held.filter(pl.col("event_date").is_in(days.implode()))])


def _duplicates(accepted: pl.LazyFrame) -> pl.DataFrame:
    """All but the first row of each id by (landing_date, file, line): their places, and is_repeat."""
    key = ["event_date", "event_id"]
    several = accepted.group_by(key).len().filter(pl.col("len") > 1).select(key)
    rows = accepted.select(*key, *PLACE).join(several, on=key, how="semi").collect(engine="streaming")
    rows = rows.sort(*key, *PLACE)
    before = pl.all_horizontal(pl.col(n) == pl.col(n).shift() for n in key)
    repeat = pl.col("landing_date") == pl.col("landing_date").shift()
    return rows.with_columns(is_repeat=repeat).filter(before).select(*PLACE, "is_repeat")


def _sessions(accepted: pl.LazyFrame, repeats: pl.DataFrame, gap_minutes: int) -> pl.DataFrame:
    """Of each row that needs one, its session: a user's events without a long pause."""
    stretch = ["landing_date", "event_date", "user_id"]
    needy = accepted.filter(pl.col("session_id").is_null() & pl.col("user_id").is_not_null())
    needy = needy.join(repeats.lazy().filter(pl.col("is_repeat")), on=PLACE, how="anti")
    rows = (
        needy.select(*stretch, "occurred_at", "file", "line").collect(engine="streaming").sort(*stretch, "occurred_at")
    )
    same = pl.all_horizontal(pl.col(n) == pl.col(n).shift() for n in stretch)
    pause = pl.col("occurred_at") - pl.col("occurred_at").shift() > pl.duration(minutes=gap_minutes)
    begins = (~same | pause).fill_null(value=True)
    rows = rows.with_columns(start=pl.when(begins).then(pl.col("occurred_at")).forward_fill().dt.epoch("us"))
    name = pl.concat_str(
        "user_id", pl.col("landing_date").cast(pl.String), pl.col("start").cast(pl.String), separator="|"
    )
    rows = rows.select(*PLACE, name=name)
    names = rows.select(pl.col("name").unique())  # Polars has no SHA-256
    made = ["s-" + hashlib.sha256(text.encode()).hexdigest()[:24] for text in names["name"]]
    return rows.join(names.with_columns(made=pl.Series(made, dtype=pl.String)), on="name").select(*PLACE, "made")


def _write(accepted: pl.LazyFrame, repeats: pl.DataFrame, sessions: pl.DataFrame, out: Path) -> pl.DataFrame:
    """The lake's files, by event date, a user's events together. Returns file, is_duplicate and how many."""
    flagged = (
        accepted.join(repeats.lazy(), on=PLACE, how="left")
        .join(sessions.lazy(), on=PLACE, how="left")
        .with_columns(is_duplicate=pl.col("is_repeat").is_not_null(), session_id=pl.coalesce("session_id", "made"))
    )
    counts = flagged.group_by("file", "is_duplicate").len().collect(engine="streaming")
    for day in accepted.select("event_date").unique().collect(engine="streaming")["event_date"]:
        folder = out / "events" / f"event_date={day}"
        folder.mkdir(parents=True)
        rows = flagged.filter(pl.col("event_date") == day).select(*NAMES, *PLACE, "is_duplicate")
        rows.sort("user_id", "occurred_at", "event_id", *PLACE).sink_parquet(folder / "0.parquet", compression="zstd")
    return counts


def _counts(flagged: pl.DataFrame, refused: pl.DataFrame) -> dict[str, dict[str, int]]:
    files: dict[str, dict[str, int]] = {}
    for file, is_duplicate, number in flagged.iter_rows():
        held = files.setdefault(file, {"published": 0, "deduplicated": 0, "quarantined": 0})
        held["deduplicated" if is_duplicate else "published"] += number
    for file, number in refused.group_by("file").len().iter_rows():
        files.setdefault(file, {"published": 0, "deduplicated": 0, "quarantined": 0})["quarantined"] = number
    return {name: {**counts, "rows_in": sum(counts.values())} for name, counts in files.items()}


if __name__ == "__main__":
    main()
