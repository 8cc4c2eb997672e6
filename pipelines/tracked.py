"""Where training and promotion track what they do: MLflow's files in the home, or the server of a shared platform."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.errors import NightmarketError, Unavailable
from pipelines.serve import mlflow
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.tracking import Tracking


@contextmanager
def tracking(settings: Settings, family: str) -> Iterator["Tracking"]:
    """The door to MLflow, open. Raises Unavailable where its server does not answer, or stops answering."""
    from models.tracking import Tracking, refused, unreachable

    url = address(settings)
    if url:
        os.environ["MLFLOW_TRACKING_USERNAME"] = mlflow.USER
        os.environ["MLFLOW_TRACKING_PASSWORD"] = mlflow.admin_password(settings)
    try:
        yield Tracking(settings.mlflow, family, url)
    except Exception as error:  # of MLflow, requests or the training itself: all but two kinds pass as they are
        if reason := unreachable(error):
            raise Unavailable(
                f"MLflow does not answer at {url} ({reason}): see that its server runs; then the same command goes on"
                " where this one stopped"
            ) from error
        if url and refused(error):
            raise NightmarketError(
                f"MLflow at {url} does not take the password of {mlflow.USER}: it must be that of the server's secrets,"
                " mlflow_admin_password in the folder that NIGHTMARKET_SECRETS names"
            ) from error
        raise


def address(settings: Settings) -> str:
    """The server's URL; empty where MLflow is files in the home, which need no server."""
    return settings.mlflow_url or (mlflow.url(settings) if settings.mlflow_database else "")
