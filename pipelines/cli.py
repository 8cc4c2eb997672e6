"""The `nightmarket` command. Progress goes to stderr; the last line of stdout is one JSON object.

Exit 0 done, 1 failed with a one-line reason, 2 wrong use. Heavy imports happen inside the commands that need them.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.errors import NightmarketError, Unavailable, UsageError
from pipelines.settings import Batch, load_settings, night

app = typer.Typer(
    name="nightmarket",
    help="The nightly AI pipeline for online shops. Every command is safe to run again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DateOption = Annotated[str, typer.Option("--date", help="The night, YYYY-MM-DD (UTC).", metavar="DATE")]
UntilOption = Annotated[str | None, typer.Option(help="Last day, YYYY-MM-DD.", metavar="DATE")]
FromOption = Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.", metavar="DATE")]
SourceOption = Annotated[str | None, typer.Option(help="A source by name; see `nightmarket sources`.")]
PathOption = Annotated[Path | None, typer.Option(help="Where the source's data is.")]
AcceptOption = Annotated[
    str | None,
    typer.Option("--accept-quarantine", help="Go on above the quarantine limit; the reason is kept.", metavar="REASON"),
]


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date; write YYYY-MM-DD, for example 2011-10-02") from error


def _optional_date(text: str | None) -> date | None:
    return None if text is None else _date(text)


def _range(day: str | None, first: str | None, until: str | None) -> Batch:
    """A night by --date, or a stretch by --from and --until."""
    if day is not None:
        return night(_date(day))
    if first is None or until is None:
        raise UsageError("give --date, or both --from and --until")
    batch = Batch(_date(first), _date(until))
    if batch.first > batch.last:
        raise UsageError(f"--from {first} is after --until {until}")
    return batch


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _done(result: dict[str, Any]) -> None:
    print(json.dumps({"status": "done", **result}, default=str), flush=True)


def _step(name: str, batch: Batch) -> None:
    from pipelines.steps import STEPS, run_step

    _done(run_step(load_settings(), STEPS[name], batch, _report))


@app.command()
def sources() -> None:
    """List the sources data can come from."""
    from pipelines.sources import sources as found

    for source in found().values():
        _report(f"{source.name:<20} {source.timezone:<18} {source.description}")
    _done({"sources": sorted(found())})


@app.command()
def land(
    source: SourceOption = None,
    until: UntilOption = None,
    first: FromOption = None,
    day: Annotated[str | None, typer.Option("--date", metavar="DATE")] = None,
    path: PathOption = None,
) -> None:
    """Bring a source's days into landing as immutable files; by default the source and path used before."""
    from pipelines.land import land as run
    from pipelines.landing import kept_source

    start, last = (_date(day), _date(day)) if day else (_optional_date(first), _optional_date(until))
    if last is None:
        raise UsageError("give --date or --until")
    settings = load_settings()
    if source is None:
        source, path = kept_source(settings)
    if source is None:
        _done({"rows": 0, "note": "this home has no source: its landing files are delivered by somebody else"})
        return
    if day:  # of a night, and so a step that leaves its record
        from pipelines.night import land_step
        from pipelines.steps import run_step

        _done(run_step(settings, land_step(source, path), night(last), _report))
    else:
        _done(run(settings, source, path, start, last))


RangeDate = Annotated[str | None, typer.Option("--date", help="One night.", metavar="DATE")]


@app.command()
def preprocess(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Validate, deduplicate and sessionise landed files into a staged attempt."""
    _step("preprocess", _range(day, first, until))


@app.command()
def audit(
    stages: Annotated[list[str], typer.Argument(help="landing, events, features, scores: one or several.")],
    day: RangeDate = None,
    first: FromOption = None,
    until: UntilOption = None,
    accept_quarantine: AcceptOption = None,
) -> None:
    """Hold stages of a night against their expectations, in order; a critical failure stops the night."""
    from pipelines.steps import AUDITS, audit_step, run_step

    unknown = [stage for stage in stages if stage not in AUDITS]
    if unknown:
        raise UsageError(f"no audit stage {unknown[0]!r}; choose from {', '.join(AUDITS)}")
    settings, batch = load_settings(), _range(day, first, until)
    results = [run_step(settings, audit_step(stage, accept_quarantine), batch, _report) for stage in stages]
    _done({"audits": results})


@app.command("publish-lake")
def publish_lake(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Commit an audited attempt to the lake."""
    _step("publish-lake", _range(day, first, until))


@app.command()
def load(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Bring the warehouse's raw tables level with the lake."""
    _step("load", _range(day, first, until))


@app.command()
def features(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Build the feature tables as of the newest night (dbt)."""
    _step("features", _range(day, first, until))


@app.command()
def score(day: DateOption) -> None:
    """Score one night with the champion as of that night."""
    _step("score", night(_date(day)))


@app.command()
def rescore(
    after: Annotated[str, typer.Option(help="Score the nights after this one again.", metavar="DATE")],
) -> None:
    """Score again, and audit, every scored night after one that was filled in behind it."""
    from pipelines import night as nights

    results = nights.rescore(load_settings(), _date(after), _report)
    _done({"steps": [{"step": r["step"], "rows": r.get("rows", 0), "seconds": r["seconds"]} for r in results]})


@app.command()
def marts(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Build what BI reads, in the warehouse (dbt)."""
    _step("marts", _range(day, first, until))


@app.command()
def publish(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Swap the newest night's marts in for BI."""
    _step("publish", _range(day, first, until))


@app.command("night")
def run_night(
    day: DateOption,
    source: SourceOption = None,
    path: PathOption = None,
    accept_quarantine: AcceptOption = None,
) -> None:
    """Run one whole night: landing to BI."""
    from pipelines import night as nights

    _done(nights.run_night(load_settings(), _date(day), source, path, accept_quarantine, _report))


@app.command()
def history(
    until: Annotated[str, typer.Option(help="Last day, YYYY-MM-DD.", metavar="DATE")],
    first: FromOption = None,
    source: SourceOption = None,
    path: PathOption = None,
    accept_quarantine: AcceptOption = None,
) -> None:
    """Bring many days in at once: lake, features and marts, no scores."""
    from pipelines import night as nights

    last = _date(until)
    _done(
        nights.run_history(load_settings(), _optional_date(first), last, source, path, accept_quarantine, _report)
    )  # fmt: skip


FamilyArgument = Annotated[str, typer.Argument(help="A model family: recommender.")]


@app.command()
def train(
    family: FamilyArgument,
    until: UntilOption = None,
    days: Annotated[int | None, typer.Option(help="Days to learn from; default: training_days.", min=1)] = None,
    config: Annotated[str, typer.Option(help="A frozen config of the transformer: base, quick.")] = "base",
    epochs: Annotated[int | None, typer.Option(help="Epochs at most; default: the config's.", min=1)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
) -> None:
    """Fit and judge a family's models on a time split; torchrun this for several GPUs."""
    from pipelines.training import train as run
    from pipelines.training_run import Choices

    choices = Choices(config, epochs, days, device)
    _done(run(load_settings(), family, _optional_date(until), _report, choices))


@app.command()
def promote(
    family: FamilyArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")] = False,
    version: Annotated[str | None, typer.Option(help="Refuse any other version than this one.")] = None,
) -> None:
    """Make the newest training run's best model the champion, if the gate lets it through."""
    from pipelines.promotion import promote as run

    result = run(load_settings(), family, dry_run, version)
    _report(str(result.get("verdict", "")))
    _done(result)


@app.command()
def rollback(
    to: Annotated[str | None, typer.Option(help="A kept night; default: the one before.", metavar="DATE")] = None,
    family: Annotated[str | None, typer.Option(help="Put this family's champion before back, too.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, say what would happen.")] = False,
) -> None:
    """Show BI an earlier published night again, and with --family let the model before score again."""
    from pipelines import bi
    from pipelines.promotion import roll_back_model

    settings = load_settings()
    if family is not None:
        roll_back_model(settings, family, dry_run=True)  # refuses what cannot be done before anything is done
    result = bi.rollback(settings, _optional_date(to), dry_run=not yes)
    _report(f"{'would show' if not yes else 'shows'} night {result['to']} instead of {result['from']}")
    if family is not None:
        result["model"] = back = roll_back_model(settings, family, dry_run=not yes)
        _report(f"{'would score' if not yes else 'scores'}: {back['to']} instead of {back['from']}")
    _done(result)


@app.command()
def vacuum(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, count only.")] = False,
) -> None:
    """Delete lake files that no version younger than `vacuum_days` needs."""
    from pipelines import lake

    _done({"dry_run": not yes, "files": lake.vacuum(load_settings(), dry_run=not yes)})


@app.command()
def retention(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, count only.")] = False,
) -> None:
    """Delete audit pages and task logs past their time."""
    from pipelines.retention import retention as run

    _done(run(load_settings(), dry_run=not yes))


@app.command()
def status() -> None:
    """What BI sees now, and how the last nights went."""
    from pipelines.status import status as found

    result = found(load_settings(), _report)
    _done(result)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="SQL over marts.*")],
    limit: Annotated[int, typer.Option(help="At most this many rows.", min=1, max=100_000)] = 1000,
) -> None:
    """Ask the published BI file; read-only, no files, no network."""
    from pipelines.query import query as run
    from pipelines.query import show

    names, rows, more = run(load_settings(), sql, limit)
    show(names, rows)
    _done({"columns": names, "rows": [dict(zip(names, row, strict=True)) for row in rows], "truncated": more})


@app.command()
def fingerprint() -> None:
    """Hash every table: two homes with equal data print equal hashes."""
    from pipelines.tablehash import lake_hashes, warehouse_hashes

    settings = load_settings()
    found = {**lake_hashes(settings), **warehouse_hashes(settings)}
    for name, digest in found.items():
        _report(f"{digest[:16]}  {name}")
    _done({"tables": found})


@app.command()
def up() -> None:
    """Start Airflow and MLflow on 127.0.0.1 and say where they are."""
    from pipelines.serve import stack

    _done(stack.up(load_settings(), _report))


@app.command()
def down() -> None:
    """Stop what `up` started, and nothing else."""
    from pipelines.serve import stack

    _done(stack.down(load_settings(), _report))


@app.command()
def demo() -> None:
    """A year of a shop's history, training, and three nights, from data that ships in a package."""
    from pipelines.demo import demo as run

    _done(run(load_settings(), _report))


@app.command()
def doctor() -> None:
    """Check what this machine has and say in plain words what is missing."""
    from pipelines.doctor import doctor as run

    checks = run(load_settings())
    for check in checks:
        _report(f"{'ok  ' if check.ok else check.level:<8} {check.name:<12} {check.message}")
    missing = [c.name for c in checks if not c.ok and c.level == "missing"]
    if missing:
        raise NightmarketError(f"missing: {', '.join(missing)}")
    _done({"checks": {c.name: c.message for c in checks}})


def main() -> None:
    """Run the command; every failure is one line on stderr and one JSON object on stdout."""
    os.environ.setdefault("TZ", "UTC")
    sys.exit(run_and_report(lambda: app(standalone_mode=False)))


def run_and_report(call: Callable[[], Any]) -> int:
    """The exit code of `call`, after its failure, if any, was said in one line."""
    try:
        code = call()
        return code if isinstance(code, int) else 0
    except UsageError as error:
        return _failed(str(error), 2)
    except NightmarketError as error:
        return _failed(str(error), 1, retry=isinstance(error, Unavailable))
    except KeyboardInterrupt:
        return _failed("interrupted; run the same command again to go on", 130)
    except Exception as error:  # the last line of defence: one line for the person, the traceback in a file
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # Typer's own errors about the call
            return _failed(" ".join(error.format_message().split()), 2)
        return _failed(_unexpected(error), 1)


def _failed(reason: str, code: int, retry: bool = False) -> int:
    """`retry`: whether the same call may succeed later without anybody doing anything; schedulers go by it."""
    print(f"nightmarket: {reason}", file=sys.stderr, flush=True)
    print(json.dumps({"status": "failed", "error": reason, "retry": retry}), flush=True)
    return code


def _unexpected(error: Exception) -> str:
    from pipelines.steps import keep_traceback, one_line

    try:
        return one_line(error) + keep_traceback(load_settings(), error)
    except NightmarketError:  # the settings themselves are what is wrong
        return one_line(error)


if __name__ == "__main__":
    main()
