"""One line for the person: what, why, what next."""

import asyncio
import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from nightmarket_airflow import notify
from nightmarket_airflow.alerts import alarms_raised, not_published_in_time, task_failed
from nightmarket_airflow.command import CommandFailed


@pytest.mark.parametrize(
    ("error", "todo"),
    [
        (AirflowFailException("audit events of 2024-05-01: …"), "mend what the line names"),
        (CommandFailed("the command was killed"), "run the task again"),
        (TimeoutError("timed out"), "read the task's log"),
    ],
)
def test_a_failed_task_says_its_reason_and_what_to_do(
    error: Exception, todo: str, caplog: pytest.LogCaptureFixture
) -> None:
    ti = SimpleNamespace(dag_id="nightly", task_id="audit_events", run_id="manual__1")
    with caplog.at_level(logging.ERROR, "nightmarket.alerts"):
        task_failed({"ti": ti, "exception": error})
    (line,) = caplog.messages
    assert line.startswith(f"NIGHTMARKET FAILED nightly.audit_events of run manual__1: {error}")
    assert todo in line


def test_a_late_run_is_named_with_its_deadline(caplog: pytest.LogCaptureFixture) -> None:
    context = {"dag_run": {"dag_run_id": "scheduled__1"}, "deadline": {"id": "x", "deadline_time": "2024-05-02 06:00"}}
    with caplog.at_level(logging.ERROR, "nightmarket.alerts"):
        asyncio.run(not_published_in_time(context=context))
    (line,) = caplog.messages
    assert "NIGHTMARKET LATE run scheduled__1" in line
    assert "2024-05-02 06:00" in line


def test_alarms_of_a_night_are_one_alert_and_none_is_none(caplog: pytest.LogCaptureFixture) -> None:
    context = {"ti": SimpleNamespace(dag_id="nightly", task_id="monitor", run_id="manual__1")}
    with caplog.at_level(logging.ERROR, "nightmarket.alerts"):
        alarms_raised(context, [])
        alarms_raised(context, [f"alarm {n}" for n in range(7)])
    (line,) = caplog.messages
    assert line.startswith("NIGHTMARKET ALARM nightly.monitor of run manual__1: alarm 0; alarm 1; ")
    assert line.endswith("alarm 4; and 2 more")


@contextmanager
def listening(kind: type[socketserver.StreamRequestHandler]) -> Iterator[int]:
    """A server on a free port of this machine, which takes one call after another."""
    with socketserver.TCPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_webhook_gets_the_line_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []

    class Hook(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = 0
            while (header := self.rfile.readline().strip().lower()) != b"":
                size = int(header.split(b":")[1]) if header.startswith(b"content-length") else size
            taken.append(self.rfile.read(size))
            self.wfile.write(b"HTTP/1.0 204 No Content\r\n\r\n")

    monkeypatch.setenv("no_proxy", "*")
    with listening(Hook) as port:
        monkeypatch.setenv("NIGHTMARKET_ALERT_WEBHOOK", f"http://127.0.0.1:{port}/secret")
        notify.send("NIGHTMARKET ALARM „Umlaut“")
    assert [json.loads(body) for body in taken] == [{"text": "NIGHTMARKET ALARM „Umlaut“"}]


def test_a_relay_gets_the_line_as_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bytes] = []

    class Relay(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            body = False
            while line := self.rfile.readline():
                said.append(line.strip())
                if body and line.strip() != b".":
                    continue
                command, body = line[:4].upper(), line.strip().upper() == b"DATA"
                answer = {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(command.strip(), b"250 ok\r\n")
                self.wfile.write(answer)
                if command == b"QUIT":
                    return

    with listening(Relay) as port:
        monkeypatch.setenv("NIGHTMARKET_ALERT_MAIL", "shop@example.org, team@example.org")
        monkeypatch.setenv("NIGHTMARKET_ALERT_SMTP", f"127.0.0.1:{port}")
        notify.send("NIGHTMARKET LATE run 1 is not published by its deadline")
    assert b"rcpt TO:<team@example.org>" in said
    assert b"Subject: NIGHTMARKET LATE run 1 is not" in said
    assert b"NIGHTMARKET LATE run 1 is not published by its deadline" in said


def test_a_way_that_fails_stops_nobody_and_its_address_stays_unsaid(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NIGHTMARKET_ALERT_WEBHOOK", "http://127.0.0.1:1/token")
    monkeypatch.setenv("NIGHTMARKET_ALERT_MAIL", "team@example.org")
    monkeypatch.setenv("NIGHTMARKET_ALERT_SMTP", "127.0.0.1:1")
    with caplog.at_level(logging.WARNING, "nightmarket.alerts"):
        notify.send("NIGHTMARKET ALARM x")
    assert [message.split(":")[0] for message in caplog.messages[1:]] == [
        "the alert did not go out by webhook",
        "the alert did not go out by mail",
    ]
    assert "token" not in caplog.text
