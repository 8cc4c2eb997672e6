"""`nightmarket status`: what BI sees, how the last nights went, what is waiting."""

from typing import Any

from pipelines import bi, ops, staging
from pipelines.contracts import OPS_AUDIT_RESULTS, OPS_NIGHTS, OPS_PENDING_DAYS, OPS_RUNS
from pipelines.settings import Settings
from pipelines.steps import Report
from pipelines.warehouse import open_warehouse


def status(settings: Settings, report: Report) -> dict[str, Any]:
    """Print and return the newest runs, failed audits, the night BI sees and unrecorded ops rows."""
    night = bi.current_night(settings)
    report(f"BI sees night {night or 'none'} ({bi.place(settings)})")
    with open_warehouse(settings, read_only=True) as connection:
        runs = connection.execute(
            f"select night, step, status, rows, seconds, finished_at, error from {OPS_RUNS.name}"
            " order by finished_at desc nulls last, step limit 30"
        ).fetchall()
        failed = connection.execute(
            f"select night, expectation, severity, observed from {OPS_AUDIT_RESULTS.name} where not success"
            " order by audited_at desc nulls last, expectation limit 10"
        ).fetchall()
        pending = connection.execute(f"select count(*) from {OPS_PENDING_DAYS.name}").fetchall()[0][0]
        nights = connection.execute(f"select count(*), max(night) from {OPS_NIGHTS.name}").fetchall()[0]
    for run in reversed(runs):
        report(f"{run[0]:<24} {run[1]:<15} {run[2]:<7} {run[3] or 0:>12,} rows {run[4]:>8.1f} s  {run[6] or ''}")
    for row in failed:
        report(f"audit {row[2]}: {row[0]} {row[1]} observed {row[3]}")
    partial = [batch.key for batch in staging.partial(settings)]
    for key in partial:
        report(f"{key} is only partly in the lake: publish-lake is at work, or was killed and is to be run again")
    waiting = len(ops.waiting(settings))
    return {
        "bi_night": night,
        "kept_nights": [str(n) for n in bi.published(settings)],
        "nights": nights[0],
        "newest_night": nights[1],
        "failed_runs": sum(run[2] == "failed" for run in runs),
        "failed_audits": len(failed),
        "pending_days": pending,
        "outbox_files": waiting,
        "partly_in_lake": partial,
    }
