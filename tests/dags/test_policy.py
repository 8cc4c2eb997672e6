"""What every DAG must keep to, whoever adds it."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import app
from tests.dags.conftest import ROOT

DAG_IDS = {"nightly", "load_history", "rollback", "maintenance", "train_recommender", "train_nlp", "train_multimodal"}
TAGS = {"nightmarket", "night", "history", "training", "operations"}
DESTRUCTIVE = {"rollback", "maintenance", "train_recommender", "train_nlp", "train_multimodal"}
FILES = sorted((ROOT / "dags").glob("*.py"))
SHARED = sorted((ROOT / "plugins").rglob("*.py"))


def commands() -> set[str]:
    return {info.name or info.callback.__name__.replace("_", "-") for info in app.registered_commands if info.callback}


def test_every_file_becomes_its_dag_without_an_error(described: dict[str, Any]) -> None:
    assert described["errors"] == {}
    assert set(described["dags"]) == DAG_IDS
    assert {dag["file"] for dag in described["dags"].values()} == {file.name for file in FILES}


def test_reading_the_dags_imports_nothing_heavy_and_none_of_the_pipeline(described: dict[str, Any]) -> None:
    assert described["heavy"] == []
    assert described["ours"] == []


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_dag_file_is_short_and_reads_nothing_when_it_is_parsed(file: Path) -> None:
    source = file.read_text()
    assert source.count("\n") <= 120
    tree = ast.parse(source)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == set()
    assert all(str(m).split(".")[0] in ("airflow", "nightmarket_airflow", "datetime") for m in modules)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "getenv", "print", "exec", "eval"}


@pytest.mark.parametrize("file", SHARED, ids=lambda f: f.name)
def test_shared_code_reads_the_environment_only_inside_functions(file: Path) -> None:
    tree = ast.parse(file.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    reads = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ("environ", "getenv")]
    assert all(id(node) in inside for node in reads)


def test_every_dag_says_what_it_is_for_who_owns_it_and_when_it_gives_up(dags: dict[str, dict[str, Any]]) -> None:
    for name, dag in dags.items():
        assert len(dag["doc"].split()) >= 40, name
        assert dag["title"] and dag["title"] != name
        assert "nightmarket" in dag["tags"] and set(dag["tags"]) <= TAGS, name
        assert dag["timeout"], name
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1), name
    assert dags["nightly"]["deadlines"] == ["published by 06:00: 4 h"]


def test_every_task_has_an_owner_a_time_out_an_alert_and_tries(dags: dict[str, dict[str, Any]]) -> None:
    for name, dag in dags.items():
        for task_id, task in dag["tasks"].items():
            where = f"{name}.{task_id}"
            assert task["owner"] == "data-team", where
            assert task["timeout"] or task["kind"] == "EmptyOperator", where
            assert task["alerts"] or task["kind"] == "EmptyOperator", where
            if task["kind"] == "Command":
                assert (task["retries"], task["retry_backoff"]) == (3, True), where
            if task["kind"] == "Approval":  # tried again it would ask again, and lose the answer it had
                assert task["retries"] == 0, where
            if task["kind"] == "DbtProducerWatcherOperator":
                assert task["retries_by_policy"], where


def test_every_command_task_calls_a_command_that_exists(dags: dict[str, dict[str, Any]]) -> None:
    known = commands()
    for name, dag in dags.items():
        for task_id, task in dag["tasks"].items():
            if task["kind"] == "Command":
                assert task["words"][0] in known, f"{name}.{task_id}"


def test_what_writes_the_warehouse_is_in_its_pool_and_training_in_its_own(dags: dict[str, dict[str, Any]]) -> None:
    writers = {"load", "texts", "vectors", "audit", "score", "rescore", "publish", "history"}
    for name, dag in dags.items():
        for task_id, task in dag["tasks"].items():
            first = next(iter(task["words"]), "")
            if first in writers and task["words"][:3] != ["audit", "landing", "events"]:
                assert task["pool"] == "warehouse_write", f"{name}.{task_id}"
            if task["words"][:2] == ["promote", "recommender"]:  # reads there what was shown
                assert task["pool"] == "warehouse_write", f"{name}.{task_id}"
            if first == "train":
                assert task["pool"] == "gpu", f"{name}.{task_id}"
            if task["kind"] == "DbtProducerWatcherOperator":
                assert task["pool"] == "warehouse_write", f"{name}.{task_id}"


def test_the_report_comes_after_publishing_and_has_no_part_in_how_the_run_ends(dags: dict[str, dict[str, Any]]) -> None:
    tasks = dags["nightly"]["tasks"]
    aside = {name for name, task in tasks.items() if task["is_aside"]}
    assert "report" in aside
    assert {name for name, task in tasks.items() if aside & set(task["then"])} <= {"publish", *aside}


def test_every_field_of_a_form_has_a_title_a_description_a_type_and_bounds(dags: dict[str, dict[str, Any]]) -> None:
    for name, dag in dags.items():
        for field, schema in dag["params"].items():
            where = f"{name}.{field}"
            assert schema.get("title") and schema.get("type"), where
            assert dag["about_params"][field], where
            bounded = {"format", "enum", "maximum", "maxLength"} & set(schema)
            assert bounded or schema["type"] == "boolean", where


def test_what_destroys_or_promotes_is_a_dry_run_unless_somebody_says_otherwise(dags: dict[str, dict[str, Any]]) -> None:
    for name in DESTRUCTIVE:
        assert dags[name]["params"]["dry_run"]["default"] is True
        words = " ".join(word for task in dags[name]["tasks"].values() for word in task["words"])
        assert "params.dry_run" in words


def test_no_run_needs_a_person_for_longer_than_four_hours(dags: dict[str, dict[str, Any]]) -> None:
    asked = {
        f"{name}.{task_id}": (task["waits"], task["unanswered"])
        for name, dag in dags.items()
        for task_id, task in dag["tasks"].items()
        if task["kind"] == "Approval"
    }
    learned = (
        "train_recommender",
        "train_multimodal",
        *(f"train_nlp.{family}" for family in ("reviews", "search", "intents")),
    )
    assert asked == {f"{name}.approve": (4 * 3600, ["Approve"]) for name in learned}


def test_the_readme_s_table_names_every_dag_with_its_time_and_what_it_writes(dags: dict[str, dict[str, Any]]) -> None:
    rows = {}
    for line in (ROOT / "dags" / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found = re.match(r"\[`(\w+)`\]\((\w+)\.py\)", cells[1]) if len(cells) == 5 else None
        if found:
            rows[found.group(1)] = cells
    assert set(rows) == set(dags)
    days = {"*": "every day", "0": "Sunday"}
    for name, dag in dags.items():
        when, _, reads, writes, readers = rows[name]
        if dag["schedule"] is None:
            assert when == "by hand"
        else:
            minute, hour, _, _, weekday = dag["schedule"].split()
            assert when == f"{days[weekday]} {int(hour):02d}:{int(minute):02d}"
        outlets = {asset for task in dag["tasks"].values() for asset in task["outlets"]}
        assert outlets == set(re.findall(r"`([^`]+)`", writes)), name
        assert reads and readers
