import os
import struct
import threading
import warnings
import zipfile
import zlib
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torch.testing import assert_close
from torchvision.transforms.v2 import functional

from antehoc.data.archives import Member
from antehoc.data.geometry import LIMIT_PX
from antehoc.data.images import _quiet, load_image, mask_to_tensor, read_image, to_tensor
from antehoc.data.preprocessing import Preprocessing, check_tensor
from antehoc.errors import ImageError
from damaged import said

FORMATS = {"PNG": {}, "JPEG": {"quality": 95}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {}}
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I;16B", "I", "F")
FITS = ("pad", "crop", "stretch")


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    generator = np.random.default_rng(seed)
    if mode == "F":
        return Image.fromarray(generator.random((height, width), np.float32))
    if mode.startswith("I"):
        values = generator.integers(0, 65536, (height, width))
        kind = {"I": np.int32, "I;16": np.uint16, "I;16B": ">u2"}[mode]
        return Image.fromarray(values.astype(kind))
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(
        mode, (width, height), generator.bytes(height * (-(-width // 8) if mode == "1" else width * bands))
    )


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    image.save(buffer := BytesIO(), kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *, depth: int = 8, rows: bytes = b"", extra: bytes = b"") -> bytes:
    """A gray PNG by hand, with whatever size it claims."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def message_of(source: object) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(source)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# what is read


@given(st.sampled_from(MODES), st.integers(1, 40), st.integers(1, 40), st.sampled_from((1, 3)), st.sampled_from(FITS))
def test_any_mode_and_size_becomes_what_the_model_takes(mode, width, height, channels, fit):
    preprocessing = Preprocessing(channels, 16, 20, fit=fit)
    plain = read_image(noise(width, height, mode))
    assert plain.mode in ("L", "RGB")
    assert plain.size == (width, height)
    check_tensor(to_tensor(plain, preprocessing)[None], preprocessing, "here")  # shape, NaN and range


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_format_gives_its_pixels(kind, mode, tmp_path):
    flat = ImageOps.autocontrast(noise(2, 2, mode)).resize((40, 30), Image.Resampling.BICUBIC)  # smooth, for JPEG
    path = tmp_path / f"picture.{kind.lower()}"
    flat.save(path, kind, **FORMATS[kind])
    read = read_image(path)
    assert read.mode == ("RGB" if kind == "WEBP" else mode)  # WebP knows no gray
    by_hand = np.asarray(flat.convert(read.mode), np.int16)
    tolerance = 12 if kind == "JPEG" else 0  # JPEG at quality 95 loses color; the others lose nothing
    assert np.abs(np.asarray(read, np.int16) - by_hand).max() <= tolerance


@given(st.integers(0, 8), st.sampled_from(("PNG", "JPEG", "WEBP", "TIFF")), st.sampled_from(("L", "RGB")))
def test_a_rotated_file_equals_rotated_pixels(orientation, kind, mode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(noise(7, 5, mode), kind, exif=exif, **FORMATS[kind])
    stored = np.asarray(read_image(encoded(noise(7, 5, mode), kind, **FORMATS[kind])))
    flips = {2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.swapaxes(0, 1)}
    turns = {6: np.rot90(stored, -1), 7: np.rot90(stored, 2).swapaxes(0, 1), 8: np.rot90(stored, 1)}
    upright = read_image(content)
    np.testing.assert_array_equal(np.asarray(upright), (flips | turns).get(orientation, stored))
    assert read_image(upright) == upright  # it is not turned a second time


def test_16_bit_grey_turns_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(7, 5, "I;16").save(tmp_path / "wide.tif", exif=exif)
    by_hand = np.rot90(np.rint(np.asarray(noise(7, 5, "I;16")) / 257), -1)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "wide.tif")), by_hand)


def test_damaged_exif_does_not_spoil_a_whole_image():
    content = encoded(noise(7, 5, "L"), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_image(content) == noise(7, 5, "L")


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I")])
def test_16_bit_grey_is_scaled_and_not_clipped(kind, mode):
    values = np.array([[0, 255, 256, 32768, 65535]])
    wide = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.int32))
    read = np.asarray(read_image(encoded(wide, kind)))
    np.testing.assert_array_equal(read, [[0, 1, 1, 128, 255]])  # value / 257, by hand


def test_every_16_bit_level_is_rounded_to_the_nearest():
    values = np.arange(65536).reshape(256, 256)
    read = np.asarray(read_image(Image.fromarray(values.astype(np.uint16))))
    np.testing.assert_array_equal(read, (values + 128) // 257)  # 257 is odd: there are no ties


def test_float_grey_in_0_to_1_is_read():
    values = np.array([[0.0, 0.5, 1.0]], np.float32)
    read = read_image(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(np.asarray(read), [[0, 128, 255]])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_lies_on_white(kind):
    image = Image.new("RGBA", (3, 1))
    image.putdata([(200, 0, 100, 0), (200, 0, 100, 255), (200, 0, 100, 51)])
    read = np.asarray(read_image(encoded(image, kind, **FORMATS[kind])))
    # by hand, at alpha 1/5: 255 - (255 - value) / 5
    np.testing.assert_allclose(read, [[[255, 255, 255], [200, 0, 100], [244, 204, 224]]], atol=1)


def test_grey_with_alpha_stays_grey():
    image = Image.new("LA", (2, 1))
    image.putdata([(10, 0), (10, 255)])
    read = read_image(encoded(image, "PNG"))
    assert read.mode == "L"
    assert list(read.tobytes()) == [255, 10]


def test_a_transparent_palette_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert list(read_image(encoded(image, "PNG", transparency=0)).tobytes()) == [255, 255, 255, 40, 50, 60]
    soft = encoded(image, "PNG", transparency=bytes([255, 0]))  # Pillow warns of this kind when it converts
    assert list(read_image(soft).tobytes()) == [10, 20, 30, 255, 255, 255]


def test_a_transparent_16_bit_level_is_white():
    rows = b"\0" + struct.pack(">2H", 1000, 2570)
    content = png(2, 1, depth=16, rows=rows, extra=chunk(b"tRNS", struct.pack(">H", 1000)))
    assert list(read_image(content).tobytes()) == [255, 10]


def test_one_bit_is_black_and_white():
    assert set(read_image(encoded(noise(16, 16, "1"), "PNG")).tobytes()) == {0, 255}


def test_cmyk_jpeg_becomes_rgb():
    read = read_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    np.testing.assert_allclose(np.asarray(read)[4, 4], (255, 0, 0), atol=6)  # JPEG's loss


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read(kind):
    first, second = noise(6, 4, seed=1), noise(6, 4, seed=2)
    content = encoded(first, kind, save_all=True, append_images=[second], **FORMATS[kind])
    assert Image.open(BytesIO(content)).n_frames == 2
    assert read_image(content) == first


def test_path_text_content_member_and_image_agree(tmp_path):
    image = noise(6, 4)
    image.save(path := tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "deep/a.png")
    for source in (path, str(path), path.read_bytes(), Member(tmp_path / "a.zip", "deep/a.png"), image):
        assert read_image(source) == image


def test_an_image_given_is_left_as_it_was():
    image = noise(6, 4)
    image.info["transparency"] = (0, 0, 0)
    assert read_image(image).info == {}
    assert image.info == {"transparency": (0, 0, 0)}


# what is refused


def test_a_missing_file_is_named(tmp_path):
    assert "no/such.png: there is no such file" in message_of(tmp_path / "no" / "such.png")


def test_a_folder_is_no_image(tmp_path):
    assert message_of(tmp_path).startswith(f"{tmp_path}: this is a folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in message_of(tmp_path / "pipe.png")


def test_a_path_that_cannot_exist_is_refused():
    assert "cannot be read" in message_of(Path("a\0b.png"))
    assert "cannot be read" in message_of(Path("x" * 5000))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    noise(2, 2).save(path := tmp_path / "mine.png")
    path.chmod(0)
    assert "mine.png: no permission" in message_of(path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "empty.png: the file is empty (0 bytes)" in message_of(tmp_path / "empty.png")
    assert "the file is empty" in message_of(b"")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(kind, kept, tmp_path):
    content = encoded(noise(50, 40), kind, **FORMATS[kind])
    path = tmp_path / "half.img"
    path.write_bytes(content[: int(len(content) * kept)])
    assert "half.img: this " in (message := message_of(path))
    assert "truncated" in message


@pytest.mark.parametrize("text", [b"hello", b"\0" * 100, b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_image_is_refused(text, tmp_path):
    (tmp_path / "notes.png").write_bytes(text)
    assert "notes.png: this is not an image; give a PNG, JPEG" in message_of(tmp_path / "notes.png")


def test_a_gif_by_any_name_is_refused(tmp_path):
    noise(4, 4, "P").save(tmp_path / "moving.png", "GIF")
    assert "moving.png: this is a GIF file; give a PNG" in message_of(tmp_path / "moving.png")


@example(20_000, 20_000, None)
@given(st.integers(LIMIT_PX // 1000 + 1, 2**20), st.just(1000), st.sampled_from((None, LIMIT_PX // 2)))
def test_a_decompression_bomb_is_refused(width, height, pillow_limit):
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pillow_limit  # what a program may have set
    try:
        assert "decompression bomb" in message_of(png(width, height, rows=b"\0" * 10))
    finally:
        Image.MAX_IMAGE_PIXELS = before


def test_a_large_image_is_read_without_a_warning():
    side = 9_600  # 92 Mpx: above the limit at which Pillow warns, below the one at which it refuses
    assert side**2 > Image.MAX_IMAGE_PIXELS
    assert read_image(png(side, side, depth=1, rows=(b"\0" + b"\xff" * (side // 8)) * side)).size == (side, side)


def test_threads_leave_the_warning_filters_as_they_were():
    before = list(warnings.filters)
    content = encoded(noise(60, 60), "PNG")
    threads = [threading.Thread(target=lambda: [read_image(content) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_one_reader_leaving_does_not_let_out_the_warnings_of_another():
    before = list(warnings.filters)
    first, second = ExitStack(), ExitStack()
    for reader in (first, second):
        reader.enter_context(_quiet)
    first.close()
    warnings.warn_explicit(
        "bomb", Image.DecompressionBombWarning, "Image.py", 1, module="PIL.Image"
    )  # an error, if shown
    with pytest.raises(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)  # other people's are not touched
    second.close()
    assert warnings.filters == before


def test_nan_pixels_are_refused(tmp_path):
    values = np.full((3, 3), 0.5, np.float32)
    values[1, 1] = np.nan
    Image.fromarray(values).save(tmp_path / "hole.tif")
    assert "hole.tif: the image holds NaN pixels" in message_of(tmp_path / "hole.tif")


@pytest.mark.parametrize("level", [-0.1, 1.5, 255.0, float("inf")])
def test_float_grey_outside_0_to_1_is_refused(level, tmp_path):
    Image.fromarray(np.full((2, 2), level, np.float32)).save(tmp_path / "bright.tif")
    assert f"go from {level:g} to {level:g}; float images must lie in 0..1" in message_of(tmp_path / "bright.tif")


@pytest.mark.parametrize("level", [-1, 65536])
def test_whole_numbers_of_more_than_16_bit_are_refused(level, tmp_path):
    Image.fromarray(np.full((2, 2), level, np.int32)).save(tmp_path / "deep.tif")
    assert "deep.tif: gray levels go from" in message_of(tmp_path / "deep.tif")


def test_a_name_with_a_line_break_stays_on_one_line(tmp_path):
    assert "\\n" in message_of(tmp_path / "two\nlines.png")


def test_content_is_called_by_the_name_given():
    with pytest.raises(ImageError, match=r"^upload\.png: "):
        read_image(b"x", name="upload.png")


def test_bad_members_of_an_archive_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"hello, hello, hello")
    assert "a.zip/a.png: this is not an image" in message_of(Member(path, "a.png"))
    assert "a.zip/b.png: the archive has no such file" in message_of(Member(path, "b.png"))
    assert "b.zip/a.png: there is no such file" in message_of(Member(tmp_path / "b.zip", "a.png"))
    (tmp_path / "c.zip").write_bytes(path.read_bytes().replace(b"hello, hello", b"hello, jello"))
    assert "c.zip/a.png: it cannot be unpacked" in message_of(Member(tmp_path / "c.zip", "a.png"))


CONTENTS = [encoded(noise(9, 8), kind, **FORMATS[kind]) for kind in FORMATS] + [encoded(noise(9, 8, "I;16"), "TIFF")]


@given(st.sampled_from(CONTENTS), st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(content, data):
    damaged = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        read = read_image(bytes(damaged))
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017 (both ends are right)
    else:
        assert read.mode in ("L", "RGB")


# what becomes of it


@given(st.sampled_from(FITS), st.sampled_from(("L", "RGB")), st.integers(1, 12), st.integers(1, 12))
def test_the_target_size_passes_bit_for_bit(fit, mode, width, height):
    image = noise(width, height, mode)
    tensor = to_tensor(image, Preprocessing(1 if mode == "L" else 3, height, width, fit=fit))
    pixels = np.asarray(image, np.float32).reshape(height, width, -1).transpose(2, 0, 1)
    assert torch.equal(tensor, torch.from_numpy(pixels) / 255)


def test_grey_becomes_three_equal_channels():
    red, green, blue = to_tensor(noise(4, 4, "L"), Preprocessing(3, 4, 4))
    assert red.equal(green)
    assert red.equal(blue)


@example(1, 300, 1.0)
@example(300, 1, 1.0)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from((0.0, 0.2, 1.0)))
def test_pad_keeps_the_shape_on_the_background(width, height, background):
    level = 255 if background == 0.2 else 51
    tensor = to_tensor(Image.new("L", (width, height), level), Preprocessing(1, 24, 32, background=background))[0]
    scale = min(24 / height, 32 / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    inside = tensor == level / 255
    assert int(inside.sum()) == rows * columns
    assert (tensor[~inside] == torch.tensor(background)).all()
    top, left = (int(index.min()) for index in inside.nonzero(as_tuple=True))
    assert (top, left) == ((24 - rows) // 2, (32 - columns) // 2)


def test_crop_keeps_the_middle_and_stretch_everything():
    image = Image.new("L", (40, 20), 0)
    image.paste(255, (10, 0, 30, 20))  # the middle square
    assert to_tensor(image, Preprocessing(1, 20, 20, fit="crop")).min() == 1
    assert_close(to_tensor(image, Preprocessing(1, 20, 20, fit="stretch")).mean(), torch.tensor(0.5))


def test_shrinking_is_antialiased():
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (64, 32)))  # without it: all black or all white
    assert_close(to_tensor(stripes, Preprocessing(1, 8, 8)), torch.full((1, 8, 8), 0.5), atol=0.02, rtol=0)


def test_resizing_matches_the_definition():
    """Antialiased bilinear: the mean under a triangle as wide as the shrinking, cut off at the edge."""
    image = noise(23, 11, "L")

    def weights(source: int, target: int) -> np.ndarray:
        scale = source / target
        centers = (np.arange(target)[:, None] + 0.5) * scale
        raw = np.clip(1 - np.abs(np.arange(source) + 0.5 - centers) / max(scale, 1), 0, None)
        return raw / raw.sum(1, keepdims=True)

    by_hand = weights(11, 16) @ np.asarray(image, np.float64) @ weights(23, 8).T / 255
    tensor = to_tensor(image, Preprocessing(1, 16, 8, fit="stretch"))[0]
    np.testing.assert_allclose(tensor.numpy(), by_hand, atol=1.5 / 255)  # it rounds to 8 bits after each direction


@given(st.integers(5, 90), st.integers(5, 90), st.integers(20, 70), st.sampled_from(("L", "RGB")))
def test_resizing_first_is_what_torchvision_does(width, height, resize, mode):
    image, channels = noise(width, height, mode), 1 if mode == "L" else 3
    for fit, resized in {
        "crop": functional.resize(image, [resize]),  # the shorter side, as the thesis's code does it with 256
        "pad": functional.resize(image, size=None, max_size=resize),  # the longer side
        "stretch": functional.resize(image, [resize, resize]),
    }.items():
        by_hand = functional.center_crop(functional.pil_to_tensor(resized), [32, 24])  # it pads with black
        preprocessing = Preprocessing(channels, 32, 24, fit=fit, background=0.0, resize=resize)
        assert torch.equal(to_tensor(image, preprocessing), by_hand.float() / 255), fit


def test_what_is_short_of_the_frame_lies_on_the_background():
    tensor = to_tensor(Image.new("L", (40, 20), 0), Preprocessing(1, 24, 24, resize=32))  # by pad: 32 x 16
    assert (tensor[0, 4:20] == 0).all()
    assert (tensor[0, :4] == 1).all()
    assert (tensor[0, 20:] == 1).all()


def test_an_image_that_would_become_too_large_is_refused():
    hair = Image.new("L", (1, 100_000))
    with pytest.raises(ImageError, match="an image of 1x100000 pixels would be 256x25600000"):
        to_tensor(hair, Preprocessing(1, 8, 8, fit="crop", resize=256))
    to_tensor(hair, Preprocessing(1, 8, 8, fit="crop"))


def test_a_file_is_loaded_as_it_is_read(tmp_path):
    noise(9, 9).save(tmp_path / "a.png")
    preprocessing = Preprocessing(1, 5, 5)
    assert torch.equal(load_image(tmp_path / "a.png", preprocessing), to_tensor(noise(9, 9), preprocessing))


def test_a_mask_is_laid_on_nothing_where_its_image_is_laid_on_white():
    mask = mask_to_tensor(Image.new("L", (4, 2), 255), Preprocessing(3, 4, 4, background=1.0))
    assert mask[0].tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]


FRAME = Preprocessing(3, 8, 8)
WHOLE = {
    f"{kind} {mode}": encoded(noise(11, 9).convert(mode), kind)
    for kind, mode in [
        ("PNG", "RGB"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("WEBP", "RGB"),
        ("BMP", "RGB"),
    ]
}  # fmt: skip


@st.composite
def damaged_files(draw) -> tuple[str, bytes]:
    """A file that was cut off, has bits turned over or bytes put in, or begins like one of another kind; its name."""
    kind = draw(st.sampled_from(sorted(WHOLE)))
    content = bytearray(WHOLE[kind])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["cut", "flipped", "flipped", "inserted", "begins"])):
            case "cut":
                del content[at:]
            case "flipped" if content:
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "inserted":
                content[at:at] = draw(st.binary(max_size=9))
            case "begins":
                content[:8] = WHOLE[draw(st.sampled_from(sorted(WHOLE)))][:8]
    return draw(st.sampled_from(["a.png", "a.jpg", "a.gif", "a", "a.txt"])), bytes(content)


@settings(max_examples=400)
@given(damaged_files())
def test_a_damaged_file_is_refused_in_a_sentence_or_is_an_image(tmp_path_factory, file):
    path = tmp_path_factory.getbasetemp() / file[0]
    path.write_bytes(file[1])
    said(lambda: check_tensor(load_image(path, FRAME)[None], FRAME, "the image"))
