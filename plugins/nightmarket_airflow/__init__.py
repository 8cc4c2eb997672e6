"""What the DAGs share: how a command becomes a task, the turn of a run, the dbt groups, alerts and forms.

In Airflow's plugins folder rather than beside the DAGs, so that the triggerer and the API server find it too.
"""
