"""Reviews made up for tests: what they say follows their label, with some that mislead."""

import numpy as np

from models.nlp.words import of

PRAISE = ["love", "great", "soft", "perfect", "comfortable", "beautiful", "sturdy", "excellent"]
BLAME = ["awful", "cheap", "broke", "itchy", "refund", "returned", "terrible", "thin"]
PLAIN = sorted(of("the dress shirt i bought it was for my sister in blue and wore with jeans last week"))


def made(n: int, seed: int = 1, positive_share: float = 0.7) -> tuple[list[str], np.ndarray]:
    """Texts, and whether each is positive, bool [n]; one opinion in six contradicts the label."""
    draw = np.random.default_rng(seed)
    positive = draw.random(n) < positive_share
    texts = []
    for good in positive:
        words = list(draw.choice(PLAIN, 8))
        for _ in range(3):
            agrees = draw.random() < 5 / 6
            words.insert(int(draw.integers(0, len(words))), str(draw.choice(PRAISE if good == agrees else BLAME)))
        texts.append(" ".join(words))
    return texts, positive
