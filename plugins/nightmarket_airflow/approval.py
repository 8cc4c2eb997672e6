"""A task that asks a person, where there is something to ask."""

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowSkipException


class Approval(ApprovalOperator):
    """Airflow's approval, asked only where none of the reasons in `unless` (templated) renders to anything.

    Otherwise this task is skipped, with the reason in its log, and what comes after it with it. While it waits for an
    answer it holds neither a process nor a slot; after `response_timeout` the scheduler answers with `defaults`.
    """

    template_fields = (*ApprovalOperator.template_fields, "unless")

    def __init__(self, *, unless: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.unless = list(unless)

    def execute(self, context: Any) -> Any:
        if reasons := [reason for reason in self.unless if reason.strip()]:
            said = f"nobody is asked: {'; '.join(reasons)}"
            self.log.info("%s", said)  # Airflow's own line on a skip keeps its reason in a field beside the text
            raise AirflowSkipException(said)
        return super().execute(context)
