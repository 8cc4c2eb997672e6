"""The training loop: exact resume, early stopping, and checkpoints that are never trusted unseen."""

import copy
import json
import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.artefact import META, TENSORS
from models.checkpoints import LATEST
from models.loop import Fitted, LoopConfig, ahead, fit

CPU = torch.device("cpu")
CONFIG = LoopConfig(epochs=5, patience=10, checkpoint_steps=3, seed=7)


class Killed(BaseException):
    """Stands for the process being killed: nothing in the loop may catch it."""


class Line:
    """Learn y = 2x + 1 from noise, with dropout; `stop_at` ends the process before that step of this attempt."""

    def __init__(self, stop_at: int | None = None, values: list[float] | None = None) -> None:
        self.stop_at, self.values, self.steps = stop_at, values, 0

    def epoch(self, number: int) -> Iterator[torch.Tensor]:
        generator = torch.Generator().manual_seed(number)
        return iter(torch.randn(4, 8, 1, generator=generator))

    def loss(self, net: nn.Module, batch: torch.Tensor) -> tuple[torch.Tensor, int]:
        if self.steps == self.stop_at:
            raise Killed
        self.steps += 1
        return ((net(batch) - 2 * batch - 1) ** 2).mean(), len(batch)

    def validate(self, net: nn.Module) -> float | None:
        if self.values is None:
            return None
        return self.values.pop(0)


def line() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))


def run(
    folder: Path, task: Line, config: LoopConfig = CONFIG, observe: Callable[[dict], None] = lambda row: None
) -> tuple[Fitted, dict[str, Any]]:
    net = line()
    fitted = fit(net, task, config, folder, CPU, observe)
    return fitted, net.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 7, 11, 19])
def test_a_run_that_stopped_at_any_step_ends_as_if_it_had_not(tmp_path: Path, step: int, average: float) -> None:
    config = replace(CONFIG, average=average)
    undisturbed, weights = run(tmp_path / "a", Line(), config)
    with pytest.raises(Killed):
        run(tmp_path / "b", Line(stop_at=step), config)
    resumed, again = run(tmp_path / "b", Line(), config)
    assert equal(weights, again)
    assert resumed.curve == undisturbed.curve
    assert len(resumed.curve) == 5


def test_a_run_that_stopped_again_and_again_goes_on_each_time(tmp_path: Path) -> None:
    _, weights = run(tmp_path / "a", Line())
    for _ in range(6):
        with pytest.raises(Killed):
            run(tmp_path / "b", Line(stop_at=3))
    assert equal(weights, run(tmp_path / "b", Line())[1])


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(0, 19), min_size=1, max_size=3), st.sampled_from([1, 3, 4, 7, 100]))
def test_neither_the_stops_nor_how_often_there_is_a_checkpoint_matter(stops: list[int], checkpoint_steps: int) -> None:
    config = replace(CONFIG, checkpoint_steps=checkpoint_steps)
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        for stop in stops:  # counted in each attempt: a stop may lie past the end, and then the attempt finishes
            try:
                run(Path(b), Line(stop_at=stop), config)
            except Killed:
                continue
        (undisturbed, weights), (resumed, again) = run(Path(a), Line()), run(Path(b), Line(), config)
    assert equal(weights, again)
    assert resumed == replace(undisturbed, tokens_per_second=resumed.tokens_per_second)


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_run_that_stopped_while_it_told_of_an_epoch_tells_of_it_again(tmp_path: Path, epoch: int) -> None:
    def stop(row: dict[str, float]) -> None:
        if row["epoch"] == epoch:
            raise Killed

    undisturbed, weights = run(tmp_path / "a", Line())
    with pytest.raises(Killed):
        run(tmp_path / "b", Line(), observe=stop)
    told: list[dict] = []
    resumed, again = run(tmp_path / "b", Line(), observe=told.append)
    assert equal(weights, again)
    assert resumed.curve == undisturbed.curve
    assert told == undisturbed.curve[epoch - 1 :]


def test_only_the_steps_that_are_left_are_done_again_and_none_once_it_is_finished(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, Line(stop_at=11))
    assert len(list(tmp_path.iterdir())) == 2  # the newest checkpoint, and the file that names it
    rest, again = Line(), Line()
    finished, weights = run(tmp_path, rest)
    assert rest.steps == 20 - 9
    found, same = run(tmp_path, again)
    assert again.steps == 0
    assert equal(weights, same)
    assert (found.curve, found.steps) == (finished.curve, 20)


def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path) -> None:
    net, seen = line(), []
    task, config = Line(values=[0.1, 0.4, 0.3, 0.2]), replace(CONFIG, patience=2)
    fitted = fit(net, task, config, tmp_path, CPU, lambda row: seen.append(copy.deepcopy(net.state_dict())))
    assert (fitted.best_epoch, fitted.best, len(fitted.curve)) == (2, 0.4, 4)
    assert equal(net.state_dict(), seen[1])
    assert not equal(net.state_dict(), seen[0])


def test_what_is_kept_is_the_running_mean_of_the_weights(tmp_path: Path) -> None:
    class Slope:
        """The loss is the weight itself, so a step takes the learning rate off it."""

        def epoch(self, number: int) -> Iterator[int]:
            return iter(range(3))

        def loss(self, net: nn.Module, batch: int) -> tuple[torch.Tensor, int]:
            return net.weight.sum(), 1

        def validate(self, net: nn.Module) -> float | None:
            return None

    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    config = LoopConfig(epochs=2, learning_rate=1.0, average=0.25, warmup_steps=0)
    fit(net, Slope(), config, tmp_path, CPU, lambda _: None)
    # AdamW with a steady gradient takes the whole learning rate: 1 in the first epoch, ½ in the second (half a cosine).
    # The mean's decay is min(¼, 2/11), min(¼, 3/12), then ¼.
    mean = 0.0
    for step, weight in enumerate([-1, -2, -3, -3.5, -4, -4.5], start=1):
        decay = min(0.25, (step + 1) / (step + 10))
        mean = decay * mean + (1 - decay) * weight
    assert net.weight.item() == pytest.approx(mean, rel=1e-4)


def test_a_checkpoint_of_other_settings_is_not_taken_up(tmp_path: Path) -> None:
    other = replace(CONFIG, learning_rate=0.5)
    with pytest.raises(Killed):
        run(tmp_path / "a", Line(stop_at=7), other)
    assert equal(run(tmp_path / "a", Line())[1], run(tmp_path / "b", Line())[1])


@pytest.mark.parametrize("name", [TENSORS, META])
def test_a_checkpoint_with_one_changed_byte_is_not_taken_up(tmp_path: Path, name: str) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "a", Line(stop_at=7))
    path = tmp_path / "a" / json.loads((tmp_path / "a" / LATEST).read_text())["version"] / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    task = Line()
    _, weights = run(tmp_path / "a", task)
    assert task.steps == 20
    assert equal(weights, run(tmp_path / "b", Line())[1])


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("slot", ["model.safetensors", "model.json", "manifest.json", "latest.json", "extra.pkl"])
def test_a_pickle_in_a_checkpoint_never_runs_and_is_not_taken_up(tmp_path: Path, slot: str) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "a", Line(stop_at=7))
    (checkpoint,) = (path for path in (tmp_path / "a").iterdir() if path.is_dir())
    target = (tmp_path / "a" if slot == "latest.json" else checkpoint) / slot
    marker = tmp_path / "ran"
    target.write_bytes(pickle.dumps(Evil(marker)))
    _, weights = run(tmp_path / "a", Line())
    assert not marker.exists()
    assert equal(weights, run(tmp_path / "b", Line())[1])


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path: Path) -> None:
    class Broken(Line):
        def loss(self, net: nn.Module, batch: torch.Tensor) -> tuple[torch.Tensor, int]:
            value, count = super().loss(net, batch)
            return value * (float("nan") if self.steps == 6 else 1), count

    with pytest.raises(FloatingPointError, match="the loss is nan at step 5: lower the learning rate"):
        run(tmp_path, Broken())


def test_batches_made_ahead_are_the_same_in_the_same_order_and_a_failure_comes_in_its_place() -> None:
    def made() -> Iterator[int]:
        yield from range(20)
        raise OSError("the disk of a batch")

    found = []
    with pytest.raises(OSError, match="the disk of a batch"):
        for number in ahead(made()):
            found.append(number)
    assert found == list(range(20))
    assert list(ahead(iter("abc"))) == ["a", "b", "c"]
    assert list(ahead(iter(()))) == []
