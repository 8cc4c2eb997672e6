"""The only door to MLflow: runs, curves, plots, datasets, registered versions and their aliases.

The store is SQLite with artefacts beside it, in one folder, and the server of `nightmarket up` shows the same files; on
a shared platform it is a server, which alone reaches database and artefacts, and asks for a password.
Nothing here decides anything: nights find their champion in `models.registry`, and the aliases follow it. A model is
registered as the folder of safetensors and JSON that `models.artefact` wrote, without pickle and without pyfunc.
"""

import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY, DIGEST = "nightmarket.key", "nightmarket.version"
TRAINING_PAGES = {"mlflow.experimentKind": "custom_model_development"}
"""Lets MLflow's UI open the experiment with runs and charts, not with the traces of a chat."""
CHAMPION, CHALLENGER = "champion", "challenger"
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow says of a model, and of an alias, that there is not."""
POINTS_AT_ONCE = 1000
"""The most metrics that MLflow takes in one call."""
CURVE = {"loss": "train/loss", "validation": "validation/ndcg_at_10"}


@dataclass(frozen=True)
class DataSet:
    """What a run learned from: `version` identifies the lake's content, `digest` that of the rows that were read."""

    name: str
    version: str
    digest: str
    first: str
    last: str
    rows: int


class Tracking:
    """One experiment, named after the model family, in the store under `folder`, or at the server with this URL.

    A server's user and password are MLflow's own variables, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """

    def __init__(self, folder: Path, family: str, url: str = "") -> None:
        for name, value in (
            ("MLFLOW_DISABLE_TELEMETRY", "true"),
            ("DO_NOT_TRACK", "1"),
            ("GIT_PYTHON_REFRESH", "quiet"),
            (RETRIES, "5"),  # about a minute: a server that is started again is waited for
        ):
            os.environ.setdefault(name, value)
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
        import mlflow

        for noisy in ("alembic", "mlflow.store.db.utils", "mlflow.system_metrics", "mlflow.tracking.fluent"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        if url:  # else each of its tries is a line or two; the last one fails with a line of ours
            for noisy in ("urllib3.connectionpool", "mlflow.system_metrics"):
                logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self.family = family
        self.registered_name = f"nightmarket-{family}"
        self.artifacts = folder / "artifacts"
        if not url:
            self.artifacts.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(url or _uri(folder))
        self._mlflow, self._client = mlflow, mlflow.MlflowClient()
        where = None if url else (self.artifacts / family).as_uri()  # None: the server says, and takes the files itself
        found = self._client.get_experiment_by_name(family)
        self.experiment = (
            found.experiment_id if found else self._client.create_experiment(family, where, TRAINING_PAGES)
        )

    @contextmanager
    def run(self, key: str, name: str, params: dict[str, Any], data: DataSet) -> Iterator[str]:
        """The run of `key`, entered: a new one, or the one that an earlier attempt at the same thing left.

        A run that raises is marked as failed; one that is killed stays as running until it is taken up again.
        """
        mlflow = self._mlflow
        earlier = self._client.search_runs([self.experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        known = earlier[0].info.run_id if earlier else None
        with mlflow.start_run(
            run_id=known, experiment_id=self.experiment, run_name=name, tags={KEY: key}, log_system_metrics=True
        ) as active:
            try:
                mlflow.log_params(_flat(params))  # each time: the attempt before may have been killed before this
                self._log_data(active.info.run_id, data)
                yield active.info.run_id
            except Exception as error:  # looked at, and raised again as it is
                if unreachable(error):  # leaving the run tells the server too: that need not be waited for again
                    os.environ[RETRIES] = "0"
                raise

    def _log_data(self, run_id: str, data: DataSet) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        where = json.dumps({"lake_version": data.version, "from": data.first, "until": data.last})
        profile = json.dumps({"num_rows": data.rows})
        entity = Dataset(data.name, data.digest[:36], "delta", where, profile=profile)  # 36: the most MLflow keeps
        self._client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])

    def curve(self, row: dict[str, float], prefix: str = "") -> None:
        """One epoch of a training curve; the same epoch again overwrites nothing and adds an equal point."""
        step = int(row["epoch"])
        self._mlflow.log_metrics({prefix + CURVE[name]: row[name] for name in CURVE if name in row}, step=step)

    def metrics(self, values: dict[str, float]) -> None:
        self._mlflow.log_metrics(values)

    def figure(self, figure: "Figure", name: str) -> None:
        self._mlflow.log_figure(figure, name)

    def text(self, text: str, name: str) -> None:
        self._mlflow.log_text(text, name)

    def register(self, folder: Path, run_id: str | None, tags: dict[str, str], card: str) -> str:
        """The version number of the artefact `folder` in MLflow's registry; registered once, however often asked."""
        existing = self.version_of(folder.name)
        if existing is not None:
            return existing
        from mlflow.models import Model

        self._ensure_registered()
        name = f"{tags.get('model_name', self.family)}-{folder.name}"
        logged = self._mlflow.initialize_logged_model(
            name=name, source_run_id=run_id, experiment_id=self.experiment, tags=tags, model_type=self.family
        )
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "model"
            shutil.copytree(folder, copy)
            Model(signature=signature(), model_id=logged.model_id).save(str(copy / "MLmodel"))
            (copy / "README.md").write_text(card)
            self._client.log_model_artifacts(logged.model_id, str(copy))
        self._client.finalize_logged_model(logged.model_id, "READY")
        version = self._client.create_model_version(
            self.registered_name,
            f"models:/{logged.model_id}",
            run_id=run_id,
            model_id=logged.model_id,
            tags={**tags, DIGEST: folder.name},
            description=card,
        )
        return str(version.version)

    def version_of(self, digest: str) -> str | None:
        """The registered version that holds the artefact with this digest."""
        found = self._client.search_model_versions(f"name = '{self.registered_name}' and tags.`{DIGEST}` = '{digest}'")
        return min((str(v.version) for v in found), key=int) if found else None

    def alias(self, alias: str, digest: str) -> None:
        """Let `alias` mean the registered artefact; nothing is written where it already does."""
        version = self.version_of(digest)
        if version is not None and self.aliased(alias) != digest:
            self._client.set_registered_model_alias(self.registered_name, alias, version)

    def aliased(self, alias: str) -> str | None:
        """The digest of the artefact that `alias` means now."""
        from mlflow.exceptions import MlflowException

        try:
            tags = self._client.get_model_version_by_alias(self.registered_name, alias).tags
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise
            return None
        digest: str | None = tags.get(DIGEST)
        return digest

    def day(self, key: str, day: date, values: dict[str, float]) -> str:
        """A point of each value at midnight UTC of `day`, in the one run called `key`; an equal one is kept once."""
        from mlflow.entities import Metric

        found = self._client.search_runs([self.experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        run = found[0] if found else self._client.create_run(self.experiment, tags={KEY: key}, run_name=key)
        at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
        points = [Metric(named(name), value, at, day.toordinal()) for name, value in sorted(values.items())]
        run_id: str = run.info.run_id
        for first in range(0, len(points), POINTS_AT_ONCE):
            self._client.log_batch(run_id, points[first : first + POINTS_AT_ONCE])
        self._client.set_terminated(run_id)
        return run_id

    def note(self, run_id: str, tags: dict[str, str], texts: dict[str, str]) -> None:
        """Tags and texts on a run that has ended."""
        for name, value in tags.items():
            self._client.set_tag(run_id, name, value)
        for name, text in texts.items():
            self._client.log_text(run_id, text, name)

    def _ensure_registered(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(self.registered_name)
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise
            self._client.create_registered_model(
                self.registered_name, description="Night by night, the version with the alias `champion` scores."
            )


def named(text: str) -> str:
    """As MLflow takes the name of a metric: letters, digits and a few signs."""
    return re.sub(r"[^\w./ -]", "_", text, flags=re.ASCII)


def unreachable(error: Exception) -> str:
    """Why the server did not answer, in a few words; '' for an error of another kind."""
    said = str(error)
    if not re.match(r"API request to \S+ failed with (timeout )?exception", said):
        return ""
    known = re.search(
        r"Connection refused|Connection reset|Connection aborted|Name or service not known|timed out"
        r"|too many \d+ error responses|Failed to resolve|Remote end closed",
        said,
    )
    return known.group() if known else said.splitlines()[0][:200]


def refused(error: Exception) -> bool:
    """Whether the server does not take our user and password."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.get_http_status_code() in (401, 403)


def _uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def initialise(folder: Path) -> None:
    """Make the store's tables, without any experiment of ours."""
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    mlflow.MlflowClient(_uri(folder)).search_experiments()


def signature() -> Any:
    """What scoring asks and gets: a user in; ranked items with a score and the reason item out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    answer = [("string", "item_id"), ("long", "rank"), ("double", "score"), ("string", "reason_item_id")]
    return ModelSignature(
        Schema([ColSpec("string", "user_id")]), Schema([ColSpec(kind, name) for kind, name in answer])
    )


def _flat(params: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return flat
