"""Commands that look after a home: what it holds, what BI sees, old files, and the servers."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_io import done, optional_day, report
from pipelines.cli_report import report as night_report
from pipelines.errors import NightmarketError, UsageError
from pipelines.settings import REPOSITORY, load_settings


def vacuum(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, count only.")] = False,
) -> None:
    """Delete lake files that no version younger than `vacuum_days` needs."""
    from pipelines import lake

    done({"dry_run": not yes, "files": lake.vacuum(load_settings(), dry_run=not yes)})


def retention(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, count only.")] = False,
) -> None:
    """Delete reports, task logs and media vectors past their time."""
    from pipelines.retention import retention as run

    done(run(load_settings(), dry_run=not yes))


def status() -> None:
    """What BI sees now, and how the last nights went."""
    from pipelines.status import status as found

    result = found(load_settings(), report)
    done(result)


def query(
    sql: Annotated[str, typer.Argument(help="SQL over marts.*")],
    limit: Annotated[int, typer.Option(help="At most this many rows.", min=1, max=100_000)] = 1000,
) -> None:
    """Ask what BI sees, with no more rights than BI has."""
    from pipelines.query import query as run
    from pipelines.query import show

    names, rows, more = run(load_settings(), sql, limit)
    show(names, rows)
    done({"columns": names, "rows": [dict(zip(names, row, strict=True)) for row in rows], "truncated": more})


def search(
    words: Annotated[str, typer.Argument(help="What somebody looks for.")],
    user: Annotated[str | None, typer.Option(help="Move what is found towards this user's taste.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="How far, 0 to 1; default: the setting search_strength.")
    ] = None,
    day: Annotated[str | None, typer.Option("--date", help="Default: the newest day.", metavar="DATE")] = None,
    places: Annotated[int, typer.Option(help="At most this many products.", min=1, max=100)] = 20,
    pictures: Annotated[bool, typer.Option("--pictures", help="By what pictures show, not by what is said.")] = False,
) -> None:
    """The products for any query, in the order of the champion as of a night; nothing is written."""
    from pipelines.language.lookup import look_up
    from pipelines.query import show
    from pipelines.vectors.lookup import look_up_pictures

    if pictures and (user is not None or strength is not None):
        raise UsageError("--pictures goes by the words alone: leave --user and --strength out")
    if pictures:
        found = look_up_pictures(load_settings(), words, optional_day(day), places)
    else:
        found = look_up(load_settings(), words, user, strength, optional_day(day), places)
    report(found["note"])
    names = ["rank", "item_id", "title", "score", *([] if pictures else ["matched"])]
    show(names, [tuple(row[name] for name in names) for row in found["rows"]])
    done(found)


def rules(
    day: Annotated[str | None, typer.Option("--date", help="Default: the newest day.", metavar="DATE")] = None,
    file: Annotated[Path | None, typer.Option(help="Another file than the one in use.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Make the night's lists by the file and compare.")] = False,
) -> None:
    """Check the business rules file and say in plain words what each rule does; nothing is written."""
    from pipelines.rules.check import check

    done(check(load_settings(), optional_day(day), file, dry_run, report))


def experiments() -> None:
    """The last read-out of each experiment: with drawn places in lists against without."""
    from pipelines.experiments import newest, sentence

    rows = newest(load_settings())
    for row in rows:
        report(sentence(row))
    done({"experiments": rows})


def fingerprint() -> None:
    """Hash every table: two homes with equal data print equal hashes."""
    from pipelines.tablehash import lake_hashes, warehouse_hashes

    settings = load_settings()
    found = {**lake_hashes(settings), **warehouse_hashes(settings)}
    for name, digest in found.items():
        report(f"{digest[:16]}  {name}")
    done({"tables": found})


def up() -> None:
    """Start Airflow and MLflow on 127.0.0.1 and say where they are."""
    from pipelines.serve import stack

    done(stack.up(load_settings(), report))


def bi() -> None:
    """Start Superset on 127.0.0.1 with the dashboards, over the served warehouse; again after they were changed."""
    from pipelines.serve import dashboards

    done(dashboards.up(load_settings(), report))


def down() -> None:
    """Stop what `up` started, and nothing else."""
    from pipelines.serve import stack

    done(stack.down(load_settings(), report))


def serve(name: Annotated[str, typer.Argument(help="airflow-api-server, mlflow, …: what this becomes.")]) -> None:
    """Run one server in the foreground, as a container wants it."""
    from pipelines.serve.server import serve as run

    run(load_settings(), name)


def healthy(name: Annotated[str, typer.Argument(help="A server as `serve` names it.")]) -> None:
    """Ask a server whether it is well, without a password; exit 1 and its reason where it is not."""
    from pipelines.serve.health import require_healthy

    require_healthy(load_settings(), name)
    done({"healthy": name})


def prepare_airflow() -> None:
    """Make Airflow's tables and pools, once before its servers start; again changes nothing."""
    from pipelines.serve.server import prepare_airflow as run

    done(run(load_settings()))


def prepare_store() -> None:
    """Make the buckets of the served stack and see that the object store supports conditional puts."""
    from pipelines.serve.store import prepare_store as run

    done(run(load_settings()))


def init() -> None:
    """Make the secrets of the served stack, and its .env; what is there stays as it is."""
    from pipelines.serve.init import init as run

    result = run(REPOSITORY)
    report(f"{len(result['made'])} secrets made in {result['folder']}; the others were there")
    done(result)


def demo() -> None:
    """A year of a shop's history, training, and three nights, from data that ships in a package."""
    from pipelines.demo import demo as run

    done(run(load_settings(), report))


def doctor() -> None:
    """Check what this machine has and say in plain words what is missing."""
    from pipelines.doctor import doctor as run

    checks = run(load_settings())
    for check in checks:
        report(f"{'ok  ' if check.ok else check.level:<8} {check.name:<12} {check.message}")
    missing = [c.name for c in checks if not c.ok and c.level == "missing"]
    if missing:
        raise NightmarketError(f"missing: {', '.join(missing)}")
    done({"checks": {c.name: c.message for c in checks}})


SERVERS = (up, bi, down, serve, healthy, prepare_airflow, prepare_store, init)
REPORTS = (status, night_report, query, search, rules, experiments, fingerprint)
OPERATIONS = (vacuum, retention, *REPORTS, *SERVERS, demo, doctor)
