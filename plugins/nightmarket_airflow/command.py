"""A task that runs one `nightmarket` command in its own environment, and fails in the command's own words."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from nightmarket_airflow.alerts import alarms_raised
from nightmarket_airflow.links import NightReportLink, ReportsLink

BIN = Path(__file__).resolve().parents[2] / ".venv" / "bin"
STOP_SECONDS = 15

# 1 is PR_SET_PDEATHSIG of prctl(2), 9 is SIGKILL; whose parent is gone already is too late to be told.
_DIE_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9);"
    " sys.exit('the task that started this is gone') if os.getppid() != int(sys.argv[1]) else None;"
    " os.execv(sys.argv[2], sys.argv[2:])"
)


class CommandFailed(AirflowException):
    """The command was killed, or could not reach what it needs: the same call may succeed on the next try."""


class Command(BaseOperator):
    """Run `nightmarket <words>`; its progress is the task's log, its last line (JSON) the return value.

    `words` are templated one by one and never pass through a shell; a word that renders empty is left out, and with
    it a `--option` right before it. It is skipped where one of the reasons in `unless` (templated) renders to anything,
    and where the command itself says `"skipped"`. What the command says with `"retry": true`, or a kill, is tried again
    as the task's retries allow; any other failure (an audit, a missing delivery, a full disk) fails at once. What it
    names under `"alarms"` goes where alerts go; the task is done all the same.
    """

    template_fields = ("words", "night", "unless")
    ui_color = "#e8f0fe"
    operator_extra_links = (NightReportLink(), ReportsLink())

    def __init__(self, *, words: Sequence[str], night: str = "", unless: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = list(words)
        self.night = night
        self.unless = list(unless)
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        skip_if(self.log, [reason.strip() for reason in self.unless if reason.strip()])
        words = given(self.words)
        command = [*dying_with_us(), str(BIN / "nightmarket"), *words]
        self.log.info("nightmarket %s", " ".join(words))
        last = ""
        with subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
        ) as self._process:
            for line in self._process.stdout or ():
                last = line.rstrip("\n") or last
                if not last.startswith('{"status"'):
                    self.log.info("%s", line.rstrip("\n"))
        found = result(self._process.returncode, last)
        skip_if(self.log, [found["skipped"]] if "skipped" in found else [])
        alarms_raised(context, found.get("alarms") or [])
        return found

    def on_kill(self) -> None:
        """The task was marked or cleared in the UI: ask the command to stop, then make it."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def skip_if(log: Any, reasons: Sequence[str]) -> None:
    """Skip this task, and what comes after it with it, where there is a reason; the log says which."""
    if reasons:
        said = f"skipped: {'; '.join(reasons)}"
        log.info("%s", said)  # Airflow's own line on a skip keeps its reason in a field beside the text
        raise AirflowSkipException(said)


def given(words: Sequence[str]) -> list[str]:
    """The words without the options that a form left empty: `--path ""` disappears whole."""
    kept: list[str] = []
    for word in map(str, words):
        if word not in ("", "None"):
            kept.append(word)
        elif kept and kept[-1].startswith("--"):
            kept.pop()
    return kept


def environment() -> dict[str, str]:
    """Ours without Airflow's own settings: its keys are no business of the command."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}


def dying_with_us() -> list[str]:
    """What to put before a command so that it is killed with its task.

    It must not work on beside the next try (the fence would refuse it anyway). The kernel is told by the new process
    itself: code between fork and exec (`preexec_fn`) would first run the fork handlers of every library loaded here.
    """
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]


def result(code: int, last: str) -> dict[str, Any]:
    """The command's JSON, or its failure as the exception that says whether trying again helps."""
    try:
        said = json.loads(last)
    except ValueError:
        said = {}
    if code == 0:
        return said if isinstance(said, dict) else {}
    if code < 0:
        raise CommandFailed(f"the command was killed ({signal.Signals(-code).name}); nothing of it was published")
    reason = said.get("error") or f"the command ended with {code} and said no reason; see the log above"
    raise CommandFailed(reason) if said.get("retry") else AirflowFailException(reason)
