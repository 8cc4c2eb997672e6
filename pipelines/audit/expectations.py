"""The one door to Great Expectations: validate a frame against a suite, write Data Docs, return plain rows."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import: no telemetry

import great_expectations as gx
from great_expectations.core.batch_definition import BatchDefinition

SITE = "audit"
OBSERVED_CHARACTERS = 300


def validate(frames: dict[str, tuple[Any, list[Any]]], docs: Path, run_name: str) -> list[dict[str, Any]]:
    """Rows for ops.audit_results, in the order of the frames and of their suites; one site of Data Docs for all.

    `frames`: by title, a pandas or Spark DataFrame and its expectations. One that could not be evaluated counts as
    failed: what was not checked is not known to hold.
    """
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = _context(docs)
    rows = [
        row for title, (frame, suite) in frames.items() for row in _validate(context, title, frame, suite, run_name)
    ]
    context.build_data_docs(site_names=[SITE])  # once: each build costs as much as the validations of a table
    return rows


def _validate(context: Any, title: str, frame: Any, suite: list[Any], run_name: str) -> list[dict[str, Any]]:
    definition = gx.ValidationDefinition(
        name=title,
        data=_whole_frame(context, frame, title),
        suite=context.suites.add(gx.ExpectationSuite(name=title, expectations=suite)),
    )
    checkpoint = gx.Checkpoint(
        name=title,
        validation_definitions=[context.validation_definitions.add(definition)],
        # Examples of unexpected values would put rows, and with them user ids, into reports.
        result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
    )
    outcome = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": frame},
        # It tries to read a time out of a bare name, and "2010-12-01..2011-09-30" is none.
        run_id=gx.RunIdentifier(run_name=f"batch {run_name}", run_time=datetime.now(UTC)),
    )
    (validation,) = outcome.run_results.values()
    by_name = {r.expectation_config.meta["name"]: r for r in validation.results}
    return [_row(expectation, by_name[expectation.meta["name"]]) for expectation in suite]


def _context(docs: Path) -> Any:
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.delete_data_docs_site("local_site")  # a temporary folder nobody looks into
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(SITE, {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": store})
    return context


def _whole_frame(context: Any, frame: Any, title: str) -> BatchDefinition:
    add = context.data_sources.add_pandas if _is_pandas(frame) else context.data_sources.add_spark
    batch: BatchDefinition = add(title).add_dataframe_asset(title).add_batch_definition_whole_dataframe("all")
    return batch


def _is_pandas(frame: Any) -> bool:
    return type(frame).__module__.startswith("pandas")


def _row(expectation: Any, result: Any) -> dict[str, Any]:
    details = result.result or {}
    unexpected = details.get("unexpected_count")
    return {
        "expectation": expectation.meta["name"],
        "column_name": getattr(expectation, "column", None),
        "severity": str(expectation.severity.value),
        "success": bool(result.success),
        "observed": _observed(result, details, unexpected),
        "unexpected_count": None if unexpected is None else int(unexpected),
        "rows": details.get("element_count"),
    }


def _observed(result: Any, details: dict[str, Any], unexpected: int | None) -> str:
    if unexpected is not None:
        return f"{unexpected} of {details['element_count']} rows"
    if "observed_value" in details:
        return f"found {details['observed_value']}"
    for exception in (result.exception_info or {}).values():
        if isinstance(exception, dict) and exception.get("raised_exception"):
            return f"not evaluated: {exception['exception_message']}".splitlines()[0][:OBSERVED_CHARACTERS]
    return "not evaluated"
