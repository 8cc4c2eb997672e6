"""A person is asked only where there is something to ask; the question says what the gate said."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from nightmarket_airflow.approval import Approval
from nightmarket_airflow.command import given

DAGS = Path(__file__).resolve().parents[2] / "dags"
GAIN = "blend: NDCG@10 0.2800 over 900 users; it earned its place: +0.0200 [+0.0100, +0.0300] against item_knn"
BLEND, KNN = ({"model_name": name, "model_version": name[0] * 8} for name in ("blend", "item_knn"))
YES = {**BLEND, "would_promote": True, "verdict": GAIN, "champion": KNN}
NO = {**YES, "would_promote": False, "verdict": "blend: NDCG@10 0.1 over 900 users; not promoted"}
GATE = f"the gate says no: {NO['verdict']}"
DRY = "this is a dry run"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What reaches the person."""
    questions: list[dict[str, Any]] = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **words: questions.append(words))
    return questions


def dag_of(name: str) -> DAG:
    spec = importlib.util.spec_from_file_location(name, DAGS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: DAG = module.dag
    return found


def rendered(name: str, task: str, run_type: str = "manual", judged: Any = YES, **params: Any) -> Any:
    """The task of a DAG file as a run sees it, and the context it runs in."""
    dag = dag_of(name)
    found = dag.task_dict[task]
    ti = SimpleNamespace(id="one", xcom_pull=lambda task_ids: {"judge": judged}[task_ids])
    context: Any = {
        "ti": ti,
        "task_instance": ti,
        "dag_run": SimpleNamespace(run_type=run_type),
        "params": {**{key: dag.params[key] for key in dag.params}, **params},
    }
    found.render_template_fields(context)
    return found, context


@pytest.mark.parametrize(("run_type", "params"), [("scheduled", {}), ("manual", {"dry_run": False})])
def test_where_the_gate_says_yes_a_real_run_waits_for_a_person(
    asked: list[dict[str, Any]], run_type: str, params: dict[str, Any]
) -> None:
    task, context = rendered("train_recommender", "approve", run_type, **params)
    with pytest.raises(TaskAwaitingInput):
        task.execute(context)
    (question,) = asked
    assert question["subject"] == "Make blend the champion of recommender?"
    assert question["body"].startswith(f"{GAIN}.\n")
    assert "To be champion: **blend** `bbbbbbbb`\n* Champion now: **item_knn** `iiiiiiii`\n" in question["body"]
    assert (question["options"], question["defaults"]) == (["Approve", "Reject"], ["Approve"])
    assert question["params"] == {}  # the form of the run is not asked for again


def test_a_shop_s_first_champion_is_asked_for_too(asked: list[dict[str, Any]]) -> None:
    task, context = rendered("train_recommender", "approve", judged={**YES, "champion": None}, dry_run=False)
    with pytest.raises(TaskAwaitingInput):
        task.execute(context)
    assert "Champion now: none\n" in asked[0]["body"]


@pytest.mark.parametrize(
    ("run_type", "judged", "params", "reason"),
    [
        ("scheduled", NO, {}, GATE),
        ("manual", YES, {}, DRY),
        ("manual", NO, {"dry_run": True}, f"{DRY}; {GATE}"),
        ("manual", NO, {"dry_run": False}, GATE),
    ],
)
def test_where_there_is_nothing_to_ask_the_task_is_skipped_with_the_reason(
    asked: list[dict[str, Any]], run_type: str, judged: Any, params: dict[str, Any], reason: str
) -> None:
    task, context = rendered("train_recommender", "approve", run_type, judged, **params)
    with pytest.raises(AirflowSkipException) as skipped:
        task.execute(context)
    assert str(skipped.value) == f"nobody is asked: {reason}"
    assert asked == []


def test_an_approval_without_conditions_always_asks(asked: list[dict[str, Any]]) -> None:
    task = Approval(task_id="approve", subject="Go on?")
    with pytest.raises(TaskAwaitingInput):
        task.execute({"task_instance": SimpleNamespace(id="one")})
    assert len(asked) == 1


def test_a_run_that_is_dry_promotes_nothing_even_if_somebody_marks_the_approval_as_done() -> None:
    assert given(rendered("train_recommender", "promote")[0].words)[-1] == "--dry-run"
    approved = ["promote", "recommender", "--version", "bbbbbbbb"]
    assert given(rendered("train_recommender", "promote", "scheduled")[0].words) == approved


def test_the_form_of_a_training_becomes_the_words_of_its_command() -> None:
    plain = "train recommender --config base --device auto"
    assert " ".join(given(rendered("train_recommender", "train")[0].words)) == plain
    task, _ = rendered(
        "train_recommender", "train", until="2024-05-06", days=60, config="quick", epochs=2, device="cpu"
    )
    full = "train recommender --until 2024-05-06 --days 60 --config quick --epochs 2 --device cpu"
    assert " ".join(given(task.words)) == full


def test_the_model_is_rolled_back_only_where_the_form_says_so() -> None:
    assert given(rendered("rollback", "rollback")[0].words) == ["rollback"]
    task, _ = rendered("rollback", "rollback", model=True, dry_run=False)
    assert given(task.words) == ["rollback", "--family", "recommender", "--yes"]
