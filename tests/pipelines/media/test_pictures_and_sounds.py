"""Files to pixels and waves: each malformed one is refused for its reason, each good one shows what it shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.media import pictures, sounds
from pipelines.media.faulty import MediaError, too_large
from pipelines.media.pictures import picture
from pipelines.media.sounds import RATE, sound
from tests.pipelines.media.malformed import JPEG, PICTURES, PIXELS, PNG, RED, SOUNDS, WEBP, encoded, recorded, wave

SIZE = 40


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_decoded_or_refused_for_its_reason(name: str) -> None:
    content, reason = PICTURES[name]
    if reason is None:
        pixels = picture(content, SIZE, name)
        assert (pixels.shape, pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)
        assert pixels[10:30].std() > 10
        return
    with pytest.raises(MediaError) as refused:
        picture(content, SIZE, name)
    assert refused.value.reason == reason


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_is_decoded_or_refused_for_its_reason(name: str) -> None:
    content, reason = SOUNDS[name]
    if reason is None:
        heard = sound(content, 5, name)
        assert heard.dtype == np.float32
        assert len(heard) == RATE * (5 if name == "long.wav" else 0.5)
        spectrum = np.abs(np.fft.rfft(heard[: RATE // 2]))
        assert spectrum.argmax() * 2 == 440
        assert abs(np.abs(heard[500:-500]).max() - 0.5) < 0.02
        return
    with pytest.raises(MediaError) as refused:
        sound(content, 5, name)
    assert refused.value.reason == reason


def test_what_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(sounds, "MAX_BYTES", 1_000_000)
    for decode in (picture, sound):
        with pytest.raises(MediaError) as refused:
            decode(bytes(1_000_001), SIZE)
        assert refused.value.reason == too_large(1_000_000) == "larger than 1 MB"


def test_a_picture_is_fitted_into_the_square_on_white() -> None:
    pixels = picture(encoded(RED, "PNG"), SIZE)  # 64 by 48: a margin of an eighth above and below
    assert (pixels[5:35] == (200, 30, 30)).all()
    assert (pixels[:5] == 255).all() and (pixels[35:] == 255).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_lies_as_its_note_says(turn: int) -> None:
    corners = Image.new("RGB", (80, 80), "white")
    corners.paste("red", (0, 0, 40, 40))
    corners.paste("blue", (40, 0, 80, 40))
    exif = Image.Exif()
    exif[0x0112] = turn
    upright = picture(encoded(corners, "PNG"), SIZE)
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}.get(turn)
    undo = undo if undo is not None else pictures._TURNS.get(turn)
    lying = corners if undo is None else corners.transpose(undo)
    turned = picture(encoded(lying, "JPEG", exif=exif, quality=95), SIZE)
    assert (
        np.abs(turned[[5, 5, 35, 35], [5, 35, 5, 35]].astype(int) - upright[[5, 5, 35, 35], [5, 35, 5, 35]]).max() < 9
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_note_leaves_the_picture_as_it_lies() -> None:
    noted = encoded(RED, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20))
    assert np.abs(picture(noted, SIZE)[20, 20].astype(int) - (200, 30, 30)).max() < 9


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    see_through = RED.convert("RGBA")
    see_through.putalpha(0)
    shown = see_through.convert("LA") if mode == "LA" else see_through
    if mode == "P":
        shown = RED.quantize()
        shown.info["transparency"] = shown.getpixel((0, 0))
    assert (picture(encoded(shown, "PNG"), SIZE) == 255).all()


def test_a_large_jpeg_shows_the_same_as_a_small_one() -> None:
    """Decoded at an eighth or whole, the colours of a slope stay."""
    slope = np.broadcast_to(np.linspace(0, 255, 1_600)[None, :, None], (1_600, 1_600, 3)).astype(np.uint8)
    large = picture(encoded(Image.fromarray(slope), "JPEG", quality=95), SIZE).astype(int)
    assert np.abs(large[20, :, 0] - (np.arange(SIZE) + 0.5) * 255 / SIZE).max() < 4


def test_sixteen_bits_of_grey_keep_their_upper_eight() -> None:
    pixels = picture(PICTURES["deep.png"][0], SIZE).astype(int)
    grey = picture(encoded(Image.fromarray(PIXELS[..., 0]), "PNG"), SIZE)
    assert np.abs(pixels - grey).max() <= 1


def test_channels_are_averaged_and_high_tones_do_not_fold_back() -> None:
    opposite = wave(channels=2) * (1, -0.5)
    assert abs(np.abs(sound(recorded(opposite), 5)).max() - 0.125) < 0.001
    time = np.arange(48_000) / 48_000
    shrill = recorded(0.5 * np.sin(2 * np.pi * 15_000 * time), 48_000)
    assert np.abs(sound(shrill, 5)[1_000:-1_000]).max() < 0.01


@given(st.sampled_from([JPEG, PNG, WEBP]), st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=9))
@hypothesis_settings(max_examples=150, deadline=None)
def test_no_change_of_bytes_does_anything_but_refuse(content: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(content)
    for place, value in changes:
        changed[place % len(changed)] = value
    try:
        assert picture(bytes(changed), SIZE).shape == (SIZE, SIZE, 3)
    except MediaError as error:
        assert error.reason


@given(st.sampled_from([SOUNDS["good.wav"][0], SOUNDS["good.flac"][0]]), st.integers(0, 3_000), st.binary(max_size=6))
@hypothesis_settings(max_examples=100, deadline=None)
def test_no_change_of_a_sound_does_anything_but_refuse(content: bytes, place: int, with_: bytes) -> None:
    place %= len(content)
    try:
        heard = sound(content[:place] + with_ + content[place + len(with_) :], 5)
        assert len(heard) <= 5 * RATE and np.isfinite(heard).all()
    except MediaError as error:
        assert error.reason
