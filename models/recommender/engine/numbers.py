"""What makes the scoring engine exact: scores in one order of additions, keys that sort them, and a margin of error.

**The score.** r(u, i) = fl(dot(x, y) + b) in float32 for a user's vector x, an item's vector y and bias b, where dot
multiplies element by element and then adds the upper half of the products to the lower half until one is left (width
padded with zeros to a power of two). Each step is one rounding of one IEEE operation on whole arrays, so every device,
thread count and blocking gives the same bits.

**The margin.** Candidates come from a matrix product of rounded vectors. Write x' = x - e and y' = y - f for what x and
y are rounded to, b' = b - g for the two parts the product carries of b, n for the length of its sums. With Euclidean
norms

    |x.y - x'.y'|         =  |e.y' + x.f|  <=  |e| |y'| + |x| |f|     Cauchy-Schwarz; e and f are known, not estimated
    |acc - (x'.y' + b')|  <=  A (|x'| |y'| + |b'|)                    the roundings of the product
    |r - (x.y + b)|       <=  R (|x| |y| + |b|)                       the roundings of the score

Products of two bfloat16 values are exact in float32 (8 + 8 bits), so only the product's additions round: in whatever
order, n 2^-24 to first order (Higham 2002, section 3.1). Tensor cores align the terms of a block and cut them off
instead (Fasi et al. 2021). A = (n + 2) 2^-22 covers both, and float32 vectors, whose products round once more. The
score rounds log2(w) + 2 times in a row: R = (log2(w) + 5) 2^-23. What hardware loses that takes subnormal numbers for
zero is at most n 2^-126 of each factor. Together, for every item of a tile, where a, c and d come from the largest
norms in it,

    |r - acc|  <=  M(u, tile)  =  |e| a + |x| c + d

An item is one of the k best only if r >= t for every t that k items reach. Then acc >= t - M, and what the product
wrote down, acc rounded to its type, is at least t - M rounded down to that type, since rounding is monotone. Only what
lies below is dropped. The first such t comes from k maxima over disjoint sets of items: each is an item of its own with
acc >= max - 2^-8 |max| (the rounding of what was written), so its r is at least that - M. Later ones are exact scores.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

LARGEST = 2.0**60
"""Norms and biases stay below it, so that nothing overflows on the way to a score."""
NOTHING = torch.iinfo(torch.int64).min
"""The key of an empty place: below the key of every score."""
NARROWEST = 32
TINY = 2.0**-126
SMALLEST = 2.0**-100
HALF_STEP = {torch.bfloat16: 2.0**-8, torch.float32: 0.0}
"""Largest relative error of writing a float32 sum down as this type."""
WHOLE = {torch.bfloat16: torch.int16, torch.float32: torch.int32}
"""Integers of the same size, as which a type's bits can be read."""


def low_type(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively, else float32. It changes the speed and nothing else."""
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        able = torch.cpu.get_capabilities()
        native = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return torch.bfloat16 if native else torch.float32


# ---- scores and their keys -----------------------------------------------------------------------------------


def padded(vectors: np.ndarray) -> np.ndarray:
    """float32 [N, w], C-contiguous: `vectors` [N, d] and zeros, up to a power of two and at least 32."""
    count, width = vectors.shape
    full = max(NARROWEST, 1 << max(0, width - 1).bit_length())
    result = np.zeros((count, full), np.float32)
    result[:, :width] = vectors
    return result


def pairwise_sums(products: torch.Tensor, halves: list[torch.Tensor] | None = None) -> torch.Tensor:
    """float32 [P] from [P, w]: the upper half of each row added to its lower half until one is left.

    `halves` is memory to work in, [P, w/2], [P, w/4], ..., [P, 1].
    """
    for level in range(products.shape[1].bit_length() - 1):
        lower, upper = products.split(products.shape[1] // 2, 1)
        products = torch.add(lower, upper, out=None if halves is None else halves[level])
    return products[:, 0]


def keys_of(scores: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """int64: larger for a higher score, and for equal scores larger for a smaller item index. All are distinct."""
    bits = ordered((scores + 0.0).view(torch.int32))  # + 0: there is one zero
    return (bits.long() << 32) | (0x7FFF_FFFF - items)


def scores_of(keys: torch.Tensor) -> torch.Tensor:
    """float32: the scores again; -inf for `NOTHING`."""
    return torch.where(keys == NOTHING, -math.inf, ordered((keys >> 32).int()).view(torch.float32))


def items_of(keys: torch.Tensor) -> torch.Tensor:
    """int32: the item indices again; -1 for `NOTHING`."""
    return torch.where(keys == NOTHING, -1, 0x7FFF_FFFF - (keys & 0xFFFF_FFFF)).int()


def ordered(bits: torch.Tensor) -> torch.Tensor:
    """The bits of floats as integers that sort as the floats do, and back: those of negative floats sort backwards."""
    return bits ^ ((bits >> (8 * bits.element_size() - 1)) & torch.iinfo(bits.dtype).max)


# ---- rounding and its margin ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rounded:
    """N vectors as the product sees them, and what was lost. Norms are float64 [N], never below the true ones."""

    low: torch.Tensor  # [N, n] of the low type
    norm: torch.Tensor  # of the vectors
    error: torch.Tensor  # of what rounding took away

    def __getitem__(self, part: slice) -> "Rounded":
        return Rounded(self.low[part], self.norm[part], self.error[part])


def rounded(vectors: torch.Tensor, low: torch.dtype) -> Rounded:
    """Raises ValueError where a value is not finite, or a vector too long for `LARGEST`."""
    few, norm = vectors.to(low), norms(vectors)
    if not bool((norm < LARGEST).all()):  # nor is nan
        raise ValueError("a vector is longer than 2**60 or has a value that is not finite: check what made it")
    error = torch.zeros_like(norm) if low == torch.float32 else norms(vectors - few.float())
    return Rounded(few, norm, error)


def norms(values: torch.Tensor) -> torch.Tensor:
    """float64 [N], at least the norms of float32 [N, w]: what float32 can lose of up to 2^16 squares is added."""
    return torch.linalg.vector_norm(values, dim=1).double() * (1 + 2.0**-7) + 2.0**-66


@dataclass(frozen=True)
class Margin:
    """M = error * a + norm * c + d, float64 [tiles] each; and what bounds the scores of a tile from above."""

    a: torch.Tensor
    c: torch.Tensor
    d: torch.Tensor
    longest: torch.Tensor  # largest norm
    highest: torch.Tensor  # largest bias

    def of(self, users: Rounded) -> torch.Tensor:
        """float64 [tiles, B]."""
        return torch.addr(torch.outer(self.a, users.error), self.c, users.norm).add_(self.d[:, None]) * (1 + 2.0**-30)

    def reach(self, users: Rounded) -> torch.Tensor:
        """float64 [tiles, B]: no item of the tile scores higher with this user."""
        return torch.outer(self.longest * (1 + 2.0**-16), users.norm).add_((self.highest + self.d)[:, None])


def margin_of(items: torch.Tensor, columns: int, width: int) -> Margin:
    """`items` float64 [4, I]: norm, norm of what rounding took away; bias, and how far its two parts miss it.

    I is a multiple of `columns`, the items of a tile; the bias of padding is -inf; `width` is n.
    """
    product, score = (width + 2) * 2.0**-22, (math.log2(width + NARROWEST) + 5) * 2.0**-23
    norm, error, highest, missed = items.view(4, -1, columns).amax(2)
    largest = torch.where(items[2].isfinite(), items[2].abs(), 0).view(-1, columns).amax(1)
    low_norm = norm + error
    a = low_norm * (1 + product)
    c = error + product * low_norm + score * norm + width * TINY
    d = missed + (product + score) * 2 * largest + width * TINY * (low_norm + 4)
    return Margin(a, c, d, norm, highest)


def least_whole(threshold: torch.Tensor, low: torch.dtype) -> torch.Tensor:
    """Of float64 thresholds the largest value of the low type that is not above them, as `ordered` integers.

    -inf gives the lowest finite value: what is masked with -inf never reaches it.
    """
    # 2^-22 of the value because float32 may round up; near zero, down past what hardware may take for zero.
    lower = (threshold - threshold.abs() * 2.0**-22).float()
    lower = torch.where(lower.abs() < SMALLEST, -SMALLEST, lower)
    bits = ordered(lower.view(torch.int32))
    if low == torch.bfloat16:
        bits = bits >> 16  # rounds down, since these integers sort as the floats do
    return bits.clamp(min=lowest_whole(low)).to(WHOLE[low])


def lowest_whole(low: torch.dtype) -> int:
    """The `ordered` integer of the lowest finite value."""
    return int(ordered(torch.full((1,), -math.inf, dtype=low).view(WHOLE[low]))) + 1
