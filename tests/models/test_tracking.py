"""The door to MLflow against a real store: one run per key, one version per artefact, and nothing that runs code."""

from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException

from models.artefact import load_artefact, save_artefact
from models.tracking import CHALLENGER, CHAMPION, DataSet, Tracking

DATA = DataSet("lake.events", "7", "ab" * 32, "2024-05-06", "2024-06-14", 1200)
PARAMS = {"config": {"width": 64, "heads": 2}, "seed": 5, "device": "cpu"}


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    before = mlflow.get_tracking_uri()
    yield Tracking(tmp_path_factory.mktemp("mlflow"), "recommender")
    mlflow.set_tracking_uri(before)


@pytest.fixture
def artefact(tmp_path: Path) -> Callable[[int], Path]:
    """An artefact that differs from the others by a number."""

    def make(number: int) -> Path:
        return tmp_path / save_artefact(tmp_path, {"weights": np.full(3, number)}, {"model_name": "blend"})

    return make


def register(tracking: Tracking, folder: Path, run_id: str | None = None) -> str:
    return tracking.register(folder, run_id, {"model_name": "blend", "cutoff": "2024-06-04"}, "# blend\n")


def files(tracking: Tracking) -> list[Path]:
    return [path for path in tracking.artifacts.rglob("*") if path.is_file()]


def test_a_run_holds_its_params_its_data_its_curve_and_its_pictures(tracking: Tracking) -> None:
    with tracking.run("whole", "blend 2024-06-14", PARAMS, DATA) as run_id:
        tracking.curve({"epoch": 1, "steps": 5, "loss": 3.5, "validation": 0.1})
        tracking.curve({"epoch": 2, "steps": 5, "loss": 2.5, "validation": 0.2})
        tracking.metrics({"all/blend": 0.25})
        tracking.figure(Figure(), "plots/curves.png")
        tracking.text("# blend\n", "model_card.md")
    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "blend 2024-06-14"
    assert run.data.params == {"config.width": "64", "config.heads": "2", "seed": "5", "device": "cpu"}
    assert run.data.metrics["all/blend"] == 0.25
    client = mlflow.MlflowClient()
    for name, values in (("train/loss", [3.5, 2.5]), ("validation/ndcg_at_10", [0.1, 0.2])):
        points = client.get_metric_history(run_id, name)
        assert [(point.step, point.value) for point in points] == list(zip((1, 2), values, strict=True))
    (used,) = (given.dataset for given in run.inputs.dataset_inputs)
    assert (used.name, used.digest) == ("lake.events", "ab" * 18)
    assert '"lake_version": "7"' in used.source
    assert {path.path for path in client.list_artifacts(run_id)} == {"plots", "model_card.md"}


def test_after_a_failure_the_run_of_a_key_is_taken_up_again(tracking: Tracking) -> None:
    with pytest.raises(KeyError), tracking.run("again", "blend", PARAMS, DATA) as first:
        tracking.curve({"epoch": 1, "steps": 5, "loss": 3.5})
        raise KeyError
    assert mlflow.get_run(first).info.status == "FAILED"
    with tracking.run("again", "blend", PARAMS, DATA) as second:
        tracking.curve({"epoch": 2, "steps": 5, "loss": 2.5})
    assert second == first
    run = mlflow.get_run(first)
    assert run.info.status == "FINISHED"
    assert len(run.inputs.dataset_inputs) == 1
    assert [p.step for p in mlflow.MlflowClient().get_metric_history(first, "train/loss")] == [1, 2]
    with tracking.run("another", "blend", PARAMS, DATA) as other:
        assert other != first


def test_a_run_that_died_before_its_params_has_them_once_it_is_taken_up(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("mlflow.log_params", killed)
        with tracking.run("early", "blend", PARAMS, DATA):
            pass
    with tracking.run("early", "blend", PARAMS, DATA) as run_id:
        pass
    run = mlflow.get_run(run_id)
    assert run.data.params["seed"] == "5"
    assert len(run.inputs.dataset_inputs) == 1


def test_an_artefact_is_registered_once_with_its_files_as_they_are(
    tracking: Tracking, artefact: Callable[[int], Path]
) -> None:
    folder = artefact(1)
    assert tracking.version_of(folder.name) is None
    with tracking.run("registering", "blend", PARAMS, DATA) as run_id:
        version = register(tracking, folder, run_id)
        assert register(tracking, folder, run_id) == version
    assert tracking.version_of(folder.name) == version
    found = mlflow.MlflowClient().get_model_version("nightmarket-recommender", version)
    assert (found.run_id, found.description) == (run_id, "# blend\n")
    assert (found.tags["cutoff"], found.tags["nightmarket.version"]) == ("2024-06-04", folder.name)
    stored = Path(mlflow.artifacts.download_artifacts(f"models:/nightmarket-recommender/{version}"))
    assert {path.name for path in stored.iterdir()} >= {path.name for path in folder.iterdir()} | {"README.md"}
    assert all((stored / path.name).read_bytes() == path.read_bytes() for path in folder.iterdir())
    assert load_artefact(folder)[1] == {"model_name": "blend"}  # what was registered is left as it was


def test_a_registered_model_says_what_it_takes_and_gives(tracking: Tracking, artefact: Callable[[int], Path]) -> None:
    uri = f"models:/nightmarket-recommender/{register(tracking, artefact(2))}"
    signature = mlflow.models.get_model_info(uri).signature
    assert signature.inputs.input_names() == ["user_id"]
    assert signature.outputs.input_names() == ["item_id", "rank", "score", "reason_item_id"]


def test_mlflow_loads_no_model_of_ours(tracking: Tracking, artefact: Callable[[int], Path]) -> None:
    uri = f"models:/nightmarket-recommender/{register(tracking, artefact(3))}"
    with pytest.raises(MlflowException, match="python_function"):
        mlflow.pyfunc.load_model(uri)
    suffixes = {path.suffix for path in files(tracking)}
    assert ".safetensors" in suffixes
    assert suffixes.isdisjoint({".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy", ".npz", ".py"})


def test_an_alias_follows_the_champion(tracking: Tracking, artefact: Callable[[int], Path]) -> None:
    assert tracking.aliased("nobody") is None
    old, new = artefact(4), artefact(5)
    for folder in (old, new):
        register(tracking, folder)
    for folder in (old, new, new, old):  # promoted twice, and rolled back
        tracking.alias(CHAMPION, folder.name)
        assert tracking.aliased(CHAMPION) == folder.name
    tracking.alias(CHALLENGER, new.name)
    assert (tracking.aliased(CHAMPION), tracking.aliased(CHALLENGER)) == (old.name, new.name)
    tracking.alias(CHAMPION, "unregistered")
    assert tracking.aliased(CHAMPION) == old.name


def test_a_run_that_has_ended_can_be_noted_on(tracking: Tracking) -> None:
    with tracking.run("noted", "blend", PARAMS, DATA) as run_id:
        pass
    tracking.note(run_id, {"gate": "promoted"}, {"gate.md": "it earned its place\n"})
    run = mlflow.get_run(run_id)
    assert (run.data.tags["gate"], run.info.status) == ("promoted", "FINISHED")
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/gate.md") == "it earned its place\n"


def test_another_process_finds_the_same_experiment(tracking: Tracking) -> None:
    again = Tracking(tracking.artifacts.parent, "recommender")
    assert again.experiment == tracking.experiment
    assert Tracking(tracking.artifacts.parent, "nlp").experiment != tracking.experiment
