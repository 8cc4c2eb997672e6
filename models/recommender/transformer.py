"""A causal transformer over shopping histories: from each moment to what the same person takes in the days after.

Read after `net` (the network) and `softmax` (its loss): what it is trained on, and the recommender it becomes. People's
windows are packed into shared rows; the target is all of a person's moments in the next `horizon_days` (the dense
all-action loss of PinnerFormer, Pancha et al. 2022): a nightly list stands for the days to come, and a receipt has no
order inside.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.nn import functional as F

from models.devices import lowered
from models.interactions import Interactions
from models.recommender import occlusion
from models.recommender.configs import Transformer
from models.recommender.history import ragged
from models.recommender.net import HALF_LIVES, Net, grid_of
from models.recommender.past import Past, Personal, personal
from models.recommender.sequences import Moments, Packed, codes_of, future, moments, newest, pack, windows
from models.recommender.softmax import pairs, sampled_loss, softmax_loss

SCORED_ROWS = 64
"""Rows that go through the network at once when scoring."""


# ---- what is to be foreseen ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """What S states must foresee: P pairs (state, item) with weights that sum to 1 over each state."""

    cell: np.ndarray  # int64 [S], row · L + column
    state: np.ndarray  # int64 [P]
    event: np.ndarray  # int64 [P], row in Moments
    item: np.ndarray  # int64 [P], code
    weight: np.ndarray  # float32 [P]


def targets(found: Moments, packed: Packed, until: np.ndarray, most: int, draw: np.random.Generator) -> Targets:
    """A state for each moment of the rows that has a future; `until` [M] from `sequences.future`.

    The target of a state is its whole future by event weight; where that holds more than `most` events, as many are
    drawn from it, each with the same chance, which leaves the expected gradient as it is.
    """
    moment = packed.moment.ravel()
    cell = np.flatnonzero((moment >= 0) & (until[moment] > moment + 1))
    start, end = found.first[moment[cell] + 1], found.first[until[moment[cell]]]
    size = end - start
    state, nth = ragged(np.zeros(len(cell), np.int64), np.minimum(size, most))
    drawn = (draw.random(len(state)) * size[state]).astype(np.int64)
    position = start[state] + np.where(size[state] > most, drawn, nth)
    weight = found.weight[position]
    total = np.bincount(state, weight, len(cell))
    return Targets(cell, state, position, found.item[position], (weight / total[state]).astype(np.float32))


# ---- training ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """`chosen` int64 [M]: the items of the normaliser, each once, and `expected` float32 [M], log of how often each was
    expected to be drawn over how often it was. `past` speaks of the chosen only; `own_past` [P, H] of the targets,
    where not all items are chosen.
    """

    packed: Packed
    targets: Targets
    chosen: np.ndarray
    expected: np.ndarray
    place: np.ndarray  # int64 [P], a target's place in chosen, -1: not there
    past: Personal  # its items are places in chosen
    own_past: np.ndarray


class SequenceTask:
    """Epochs of packed windows; validation by whatever `judge` makes of the recommender so far.

    Batches are made from (seed, epoch) alone. Process `rank` of `world` gets every world-th row of each batch.
    """

    def __init__(
        self,
        found: Moments,
        items: pa.Array,
        config: Transformer,
        seed: int,
        device: torch.device,
        judge: Callable[["TransformerModel"], float] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.found, self.items, self.config, self.seed, self.device = found, items, config, seed, device
        self.judge, self.share = judge, share
        self.full = len(items) <= config.full_softmax_items
        self.until = future(found, config.horizon_days)
        counts = np.sqrt(np.bincount(found.item, minlength=len(items)).astype(np.float64))
        self.proposal = counts / max(counts.sum(), 1e-9)
        self.summed = np.cumsum(self.proposal)
        self.summed /= max(self.summed[-1:].max(initial=0), 1e-9)  # ends with 1, and what is drawn is below
        self.past = None if self.full else Past(found, len(items))

    def epoch(self, number: int) -> Iterator[Batch]:
        """All windows, cut at a shift drawn for each user, in a drawn order."""
        draw = np.random.default_rng([self.seed, number])
        shift = draw.integers(0, self.config.length, len(self.found.offsets) - 1)
        ranges = windows(self.found, self.config.length, shift)
        packed = pack(ranges[draw.permutation(len(ranges))], self.config.length)
        rank, world = self.share
        for start in range(0, len(packed.moment), self.config.rows):
            chosen, expected = self._candidates(draw)
            part = packed[start + rank : start + self.config.rows : world]
            if not len(part.moment):  # fewer rows than processes: this one takes part in the step with padding
                shape = (1, self.config.length)
                part = Packed(np.full(shape, -1, np.int64), np.zeros(shape, np.int32))
            goal = targets(self.found, part, self.until, self.config.targets, draw)
            yield self._batch(part, goal, chosen, expected)

    def _candidates(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """All items where they are few; else those of `negatives` draws by the square root of their popularity."""
        if self.full:
            return np.arange(len(self.items)), np.zeros(len(self.items), np.float32)
        drawn = np.searchsorted(self.summed, draw.random(self.config.negatives), side="right")
        chosen, times = np.unique(drawn, return_counts=True)
        return chosen, np.log(self.config.negatives * self.proposal[chosen] / times).astype(np.float32)

    def _batch(self, packed: Packed, goal: Targets, chosen: np.ndarray, expected: np.ndarray) -> Batch:
        size = len(self.items)
        moment = packed.moment.ravel()[goal.cell]
        if self.past is None:
            none = np.zeros((0, len(HALF_LIVES)), np.float32)  # a target finds its past among all items
            return Batch(packed, goal, chosen, expected, goal.item, personal(self.found, moment, size), none)
        place = np.full(size, -1)
        place[chosen] = np.arange(len(chosen))
        own_past = self.past.of_targets(goal.event, moment[goal.state])
        return Batch(packed, goal, chosen, expected, place[goal.item], self.past.among(moment, place), own_past)

    def loss(self, net: nn.Module, batch: Batch) -> tuple[torch.Tensor, int]:
        goal, plain = batch.targets, cast(Net, getattr(net, "module", net))
        grid = grid_of(self.found, batch.packed, self.device)
        states = net(grid).flatten(0, 1)[self._to(goal.cell)]
        if not len(states):  # nobody of this batch came back; every process must still take part in the step
            return states.sum() * 0 + plain.item_bias.sum() * 0 + plain.personal.sum() * 0, len(grid.cell)
        states, past, tokens = states.float(), batch.past, len(grid.cell)
        if self.full:
            before = pairs(past.state, past.item, past.feature, len(states), self.device)
            wanted = pairs(goal.state, goal.item, goal.weight, len(states), self.device)
            low = lowered(self.device) or torch.float32
            table, bias = plain.item.weight, plain.item_bias
            return softmax_loss(states, table, bias, before, plain.personal, wanted, low), tokens
        state, item = self._to(goal.state), self._to(goal.item)
        logits = plain.logits(states, self._to(batch.chosen)) - self._to(batch.expected)
        logits = plain.add_past(logits, *(self._to(a) for a in vars(past).values()))
        own = (states[state] * F.embedding(item, plain.item.weight)).sum(1).float() + plain.item_bias[item]
        own = own + self._to(batch.own_past) @ plain.personal
        return sampled_loss(logits, own, state, self._to(batch.place), self._to(goal.weight)), tokens

    def _to(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def validate(self, net: nn.Module) -> float | None:
        return None if self.judge is None else self.judge(TransformerModel(cast(Net, net), self.items, self.config))


# ---- recommending --------------------------------------------------------------------------------------------


class TransformerModel:
    """scores(u, i) = softmax over the vocabulary of the state after u's last moment; 0 for what it does not know."""

    def __init__(self, net: Net, items: pa.Array, config: Transformer) -> None:
        self.net, self.items, self.config = net, items, config

    def states(self, found: Moments) -> tuple[torch.Tensor, np.ndarray]:
        """[B', d] of those of its users who have a moment, and their places among them, int64 [B']."""
        device = self.net.item_bias.device
        ranges = newest(found, self.config.length)
        some = np.flatnonzero(ranges[:, 1] > ranges[:, 0])
        packed = pack(ranges[some], self.config.length)
        parts = [torch.empty((0, self.config.width), device=device)]
        self.net.eval()
        with torch.no_grad():
            for start in range(0, len(packed.moment), SCORED_ROWS):
                part = packed[start : start + SCORED_ROWS]
                last = np.flatnonzero(np.isin(part.moment.ravel(), ranges[some, 1] - 1))
                states = self.net(grid_of(found, part, device)).flatten(0, 1)
                parts.append(states[torch.from_numpy(last).to(device)].float())
        return torch.cat(parts), some

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        found = moments(data, codes_of(data, self.items), users)
        states, some = self.states(found)
        past = personal(found, found.offsets[1:][some] - 1, len(self.items))
        with torch.no_grad():
            logits = self.net.logits(states, torch.arange(len(self.items), device=states.device))
            pairs = (torch.from_numpy(array).to(states.device) for array in vars(past).values())
            known = torch.softmax(self.net.add_past(logits, *pairs), 1).cpu().numpy()
        code = codes_of(data, self.items)
        column = np.flatnonzero(code >= 0)
        scores = np.zeros((len(users), len(data.items)), dtype=np.float32)
        scores[np.ix_(some, column)] = known[:, code[column]]
        return scores

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The past item without which the item loses most of its score, if it loses enough: see `occlusion`."""
        return occlusion.evidence(self, data, users, items)

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.net.state_dict().items()}


def restore(config: Transformer, items: pa.Array, arrays: dict[str, np.ndarray]) -> TransformerModel:
    """The inverse of `TransformerModel.arrays`."""
    net = Net(config, len(items))
    net.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return TransformerModel(net.eval(), items, config)
