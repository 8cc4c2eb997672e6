"""A command becomes a task: its words, its environment, its failure in its own words."""

import contextlib
import json
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from nightmarket_airflow import command
from nightmarket_airflow.command import Command, CommandFailed, environment, given, result


def test_an_option_left_empty_in_the_form_disappears_with_its_value() -> None:
    assert given(["history", "--until", "2024-05-01", "--from", "", "--path", "None", "--yes"]) == [
        "history", "--until", "2024-05-01", "--yes",
    ]  # fmt: skip


def test_an_empty_flag_disappears_and_takes_nothing_with_it() -> None:
    assert given(["rollback", "--to", "2024-05-01", ""]) == ["rollback", "--to", "2024-05-01"]


def test_a_text_of_the_form_stays_one_word_whatever_is_in_it() -> None:
    hostile = "'; rm -rf / #\n$(id) --yes"
    assert given(["audit", "events", "--accept-quarantine", hostile])[-1] == hostile


def test_keys_of_airflow_do_not_reach_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "s3cret")
    monkeypatch.setenv("NIGHTMARKET_HOME", "/home/shop")
    found = environment()
    assert found["NIGHTMARKET_HOME"] == "/home/shop"
    assert "s3cret" not in found.values()


def test_what_the_command_says_at_last_is_the_task_s_result() -> None:
    assert result(0, '{"status": "done", "rows": 3}') == {"status": "done", "rows": 3}


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (1, {"status": "failed", "error": "audit events of 2024-05-01: …", "retry": False}, AirflowFailException),
        (2, {"status": "failed", "error": "'soon' is not a date", "retry": False}, AirflowFailException),
        (1, {"status": "failed", "error": "the warehouse … is open in another process", "retry": True}, CommandFailed),
    ],
)
def test_a_failure_is_said_in_the_command_s_words_and_tried_again_only_where_that_helps(
    code: int, said: dict, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as failure:
        result(code, json.dumps(said))
    assert str(failure.value) == said["error"]
    assert type(failure.value) is kind


def test_a_killed_command_is_tried_again() -> None:
    with pytest.raises(CommandFailed, match="SIGKILL"):
        result(-signal.SIGKILL, "2024-05-01 preprocess …")


def test_a_command_that_says_nothing_useful_still_fails_in_one_line() -> None:
    with pytest.raises(AirflowFailException, match="ended with 3"):
        result(3, "Segmentation fault")


def program(folder: Path, body: str) -> None:
    path = folder / "nightmarket"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_task_runs_the_program_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BIN", tmp_path)
    program(tmp_path, 'echo "working on it" >&2\necho "{\\"status\\": \\"done\\", \\"words\\": \\"$*\\"}"')
    task = Command(task_id="load", words=["load", "--date", "2024-05-01", "--from", ""])
    assert task.execute({}) == {"status": "done", "words": "load --date 2024-05-01"}


def test_a_task_is_skipped_for_a_reason_given_or_one_that_the_command_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "BIN", tmp_path)
    program(tmp_path, f'touch {tmp_path}/started\necho "{{\\"skipped\\": \\"too few reviews\\"}}"')
    with pytest.raises(AirflowSkipException, match="the task is search"):
        Command(task_id="train", words=["train", "reviews"], unless=[" ", "the task is search"]).execute({})
    assert not (tmp_path / "started").exists()
    with pytest.raises(AirflowSkipException, match="too few reviews"):
        Command(task_id="train", words=["train", "reviews"], unless=[""]).execute({})
    assert (tmp_path / "started").exists()


def test_a_task_that_is_stopped_stops_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BIN", tmp_path)
    program(tmp_path, f"touch {tmp_path}/started\nexec sleep 600")
    task = Command(task_id="load", words=["load"])
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            task.execute({})
        except CommandFailed as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not (tmp_path / "started").exists() or task._process is None:
        assert thread.is_alive()
        time.sleep(0.01)
    task.on_kill()
    thread.join(60)
    assert not thread.is_alive()
    assert "SIGTERM" in str(outcome[0])


def lives(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def test_a_command_dies_with_the_task_that_started_it(tmp_path: Path) -> None:
    program(tmp_path, f"echo $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 600")
    code = (
        f"import sys; from pathlib import Path; sys.path.insert(0, {str(Path(command.__file__).parents[1])!r});"
        f"from nightmarket_airflow import command; command.BIN = Path({str(tmp_path)!r});"
        "command.Command(task_id='load', words=['load']).execute({})"
    )
    task = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "pid").exists():
        assert task.poll() is None
        time.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    assert lives(pid)
    task.kill()
    task.wait()
    while lives(pid):
        time.sleep(0.01)
