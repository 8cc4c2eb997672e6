"""The `nightmarket` command. Progress goes to stderr; the last line of stdout is one JSON object.

Exit 0 done, 1 failed with a one-line reason, 2 wrong use. Heavy imports happen inside the commands that need them.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli_io import day_of, done, optional_day, report
from pipelines.cli_operations import OPERATIONS
from pipelines.errors import NightmarketError, TooLittle, Unavailable, UsageError
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


def _range(day: str | None, first: str | None, until: str | None) -> Batch:
    """A night by --date, or a stretch by --from and --until."""
    if day is not None:
        return night(day_of(day))
    if first is None or until is None:
        raise UsageError("give --date, or both --from and --until")
    batch = Batch(day_of(first), day_of(until))
    if batch.first > batch.last:
        raise UsageError(f"--from {first} is after --until {until}")
    return batch


def _step(name: str, batch: Batch) -> None:
    from pipelines.steps import STEPS, run_step

    done(run_step(load_settings(), STEPS[name], batch, report))


@app.command()
def sources() -> None:
    """List the sources data can come from."""
    from pipelines.sources import sources as found

    for source in found().values():
        report(f"{source.name:<20} {source.timezone:<18} {source.description}")
    done({"sources": sorted(found())})


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

    start, last = (day_of(day), day_of(day)) if day else (optional_day(first), optional_day(until))
    if last is None:
        raise UsageError("give --date or --until")
    settings = load_settings()
    if source is None:
        source, path = kept_source(settings)
    if source is None:
        done({"rows": 0, "note": "this home has no source: its landing files are delivered by somebody else"})
        return
    if day:  # of a night, and so a step that leaves its record
        from pipelines.night import land_step
        from pipelines.steps import run_step

        done(run_step(settings, land_step(source, path), night(last), report))
    else:
        done(run(settings, source, path, start, last))


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
    results = [run_step(settings, audit_step(stage, accept_quarantine), batch, report) for stage in stages]
    done({"audits": results})


@app.command("publish-lake")
def publish_lake(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Commit an audited attempt to the lake."""
    _step("publish-lake", _range(day, first, until))


@app.command()
def load(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Bring the warehouse's raw tables level with the lake."""
    _step("load", _range(day, first, until))


@app.command()
def texts(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Read reviews that are new or changed, as of the newest night."""
    _step("texts", _range(day, first, until))


@app.command()
def vectors(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Look at what products look and sound like, and at who is like whom, as of the newest night."""
    _step("vectors", _range(day, first, until))


@app.command()
def features(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Build the feature tables as of the newest night (dbt)."""
    _step("features", _range(day, first, until))


@app.command()
def score(
    day: DateOption,
    new_rules: Annotated[
        bool, typer.Option("--new-rules", help="By the rules file as it is now, not the copy kept for the night.")
    ] = False,
) -> None:
    """Score one night with the champion as of that night, by the business rules it was scored by before."""
    from pipelines.steps import run_step, score_step

    done(run_step(load_settings(), score_step(new_rules), night(day_of(day)), report))


@app.command()
def rescore(
    after: Annotated[str, typer.Option(help="Score the nights after this one again.", metavar="DATE")],
) -> None:
    """Score again, and audit, every scored night after one that was filled in behind it."""
    from pipelines import night as nights

    results = nights.rescore(load_settings(), day_of(after), report)
    done({"steps": [{"step": r["step"], "rows": r.get("rows", 0), "seconds": r["seconds"]} for r in results]})


@app.command()
def marts(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Build what BI reads, in the warehouse (dbt)."""
    _step("marts", _range(day, first, until))


@app.command()
def publish(day: RangeDate = None, first: FromOption = None, until: UntilOption = None) -> None:
    """Swap the newest night's marts in for BI."""
    _step("publish", _range(day, first, until))


@app.command()
def monitor(day: DateOption) -> None:
    """Measure a night: drift, freshness, exposure, calibration, speed; alarms are lines, and rows of ops.monitor."""
    _step("monitor", night(day_of(day)))


@app.command("night")
def run_night(
    day: DateOption,
    source: SourceOption = None,
    path: PathOption = None,
    accept_quarantine: AcceptOption = None,
) -> None:
    """Run one whole night: landing to BI, and the report of how it went."""
    from pipelines import night as nights
    from pipelines.report import with_report

    args = (load_settings(), day_of(day))
    done(with_report(*args, report, lambda: nights.run_night(*args, source, path, accept_quarantine, report)))


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

    last = day_of(until)
    done(
        nights.run_history(load_settings(), optional_day(first), last, source, path, accept_quarantine, report)
    )  # fmt: skip


FamilyArgument = Annotated[
    str, typer.Argument(help="A model family: recommender, reviews, search, intents, multimodal.")
]


@app.command()
def train(
    family: FamilyArgument,
    until: UntilOption = None,
    days: Annotated[int | None, typer.Option(help="Days to learn from; default: training_days.", min=1)] = None,
    config: Annotated[str, typer.Option(help="A frozen config: base, quick; of reviews: base, encoder.")] = "base",
    epochs: Annotated[int | None, typer.Option(help="Epochs at most; default: the config's.", min=1)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
    language: Annotated[str | None, typer.Option(help="Of reviews: learn this language only (en, zh).")] = None,
    tokens: Annotated[int | None, typer.Option(help="Of reviews: tokens a transformer is tuned on.", min=1000)] = None,
    if_enough: Annotated[bool, typer.Option("--if-enough", help="Too little to learn from is no failure.")] = False,
) -> None:
    """Fit and judge a family's models on a time split; torchrun this for several GPUs."""
    from pipelines.training import train as run
    from pipelines.training_run import Choices

    choices = Choices(config, epochs, days, device, language, tokens)
    try:
        done(run(load_settings(), family, optional_day(until), report, choices))
    except TooLittle as error:
        if not if_enough:
            raise
        report(str(error))
        done({"family": family, "skipped": str(error)})


@app.command()
def promote(
    family: FamilyArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")] = False,
    version: Annotated[str | None, typer.Option(help="Refuse any other version than this one.")] = None,
) -> None:
    """Make the newest training run's best model the champion, if the gate lets it through."""
    from pipelines.promotion import promote as run

    result = run(load_settings(), family, dry_run, version)
    report(str(result.get("verdict", "")))
    done(result)


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
    result = bi.rollback(settings, optional_day(to), dry_run=not yes)
    report(f"{'would show' if not yes else 'shows'} night {result['to']} instead of {result['from']}")
    if family is not None:
        result["model"] = back = roll_back_model(settings, family, dry_run=not yes)
        report(f"{'would score' if not yes else 'scores'}: {back['to']} instead of {back['from']}")
    done(result)


for operation in OPERATIONS:
    app.command()(operation)


def main() -> None:
    """Run the command; every failure is one line on stderr and one JSON object on stdout."""
    os.environ.setdefault("TZ", "UTC")
    gc.set_threshold(100_000, 50, 100)  # a step makes objects by the million as it imports, and hardly any garbage
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
