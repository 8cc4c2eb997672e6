"""What media there are: the entity, how many bytes are taken, how a file is judged."""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.contracts import PRODUCT_AUDIO, PRODUCT_IMAGES
from pipelines.media import pictures, sounds

IMAGE, AUDIO = "image", "audio"
JUDGED_SIZE, JUDGED_SECONDS = 16, 60.0
"""To find out whether a file can be decoded it is, as small as will do."""


@dataclass(frozen=True)
class Kind:
    """`check` raises MediaError for a content that is refused."""

    modality: str
    most_bytes: int
    check: Callable[[bytes, str | None], object]


KINDS: dict[str, Kind] = {
    PRODUCT_IMAGES.name: Kind(
        IMAGE, pictures.MAX_BYTES, lambda content, name: pictures.picture(content, JUDGED_SIZE, name)
    ),
    PRODUCT_AUDIO.name: Kind(
        AUDIO, sounds.MAX_BYTES, lambda content, name: sounds.sound(content, JUDGED_SECONDS, name)
    ),
}
