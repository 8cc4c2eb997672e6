"""From a training run to a champion: the gate judges, a person may object, the model is promoted."""

from datetime import timedelta

from airflow.sdk import Asset

from nightmarket_airflow.approval import Approval
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import DRY_UNLESS_REAL, NOT_REAL

QUESTION = """\
{%- set judged = ti.xcom_pull(task_ids='JUDGE') -%}
{{ judged.verdict }}.

* To be champion: **{{ judged.model_name }}** `{{ judged.model_version }}`
* Champion now: {% if judged.champion %}**{{ judged.champion.model_name }}** `{{ judged.champion.model_version }}`
{%- else %}none{% endif %}

*Approve*: it scores from the next night on. *Reject*: everything stays as it is. No answer within 4 hours: approved.
"""

APPROVED = "{{ ti.xcom_pull(task_ids='JUDGE').model_version }}"
"""What the verdict spoke of: a training run made by command meanwhile is not what was approved."""

GATE_SAYS_NO = """\
{%- set judged = ti.xcom_pull(task_ids='JUDGE') -%}
{{ '' if judged.would_promote else 'the gate says no: ' ~ judged.verdict }}"""


def promote_after(train: Command, family: str, outlet: Asset, pool: str = "default_pool") -> None:
    """Tasks `judge`, `approve` and `promote` of a model family, after the training, in its task group if it has one.

    `pool`: of the two that ask the gate.
    """
    judge = Command(task_id="judge", words=["promote", family, "--dry-run"], pool=pool)

    def of_judge(template: str) -> str:
        return template.replace("JUDGE", judge.task_id)

    approve = Approval(
        task_id="approve",
        subject=of_judge(f"Make {{{{ ti.xcom_pull(task_ids='JUDGE').model_name }}}} the champion of {family}?"),
        body=of_judge(QUESTION),
        unless=[NOT_REAL, of_judge(GATE_SAYS_NO)],
        # The gate has already said yes: a person may stop the promotion, but the weekly run must not need one.
        defaults=Approval.APPROVE,
        response_timeout=timedelta(hours=4),
        # An answer in the very second of the question can meet the scheduler still ending the first half of this task.
        # It would try again and so ask again, and what was rejected could pass in silence: better red, and asked anew.
        retries=0,
    )
    # Dry as the run is, although `approve` lets only a real one through: it may be marked as done by hand.
    promote = Command(
        task_id="promote",
        words=["promote", family, "--version", of_judge(APPROVED), DRY_UNLESS_REAL],
        outlets=[outlet],
        pool=pool,
    )
    train >> judge >> approve >> promote
