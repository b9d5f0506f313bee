"""Images as they come, brought to what a model takes: any usual format, size and mode in, a tensor in 0..1 out."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from antehoc.data.archives import Member, read_bytes, reason
from antehoc.data.geometry import LIMIT_PX, fitted
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import ImageError
from antehoc.errors import shown as shown
from antehoc.types import checked

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_TAKEN = "PNG, JPEG, WebP, BMP or TIFF"
_SIGNATURES = {  # how files begin; the first five are the formats that are taken
    "PNG": (0, b"\x89PNG"),
    "JPEG": (0, b"\xff\xd8"),
    "WebP": (8, b"WEBP"),
    "BMP": (0, b"BM"),
    "little-endian TIFF": (0, b"II*\0"),
    "big-endian TIFF": (0, b"MM\0*"),
    "GIF": (0, b"GIF8"),
    "PDF": (0, b"%PDF"),
    "PSD": (0, b"8BPS"),
    "HEIF or AVIF": (4, b"ftyp"),
    "JPEG 2000": (4, b"jP  "),
    "zip": (0, b"PK\3\4"),
}
_UPRIGHT = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


def read_image(source: str | Path | Member | bytes | Image.Image, *, name: str | None = None) -> Image.Image:
    """One image, upright, in mode L (gray) or RGB, 8 bits a channel.

    Takes PNG, JPEG, WebP, BMP and TIFF of any size and mode, and of several frames or pages the first. What is
    transparent is laid on white, EXIF rotation is carried out, 16 bit gray is scaled by its range and never clipped;
    float images must lie in 0..1.

    Args:
        source: a file's path, a member of a zip archive, a file's content, or an open image.
        name: what a message calls it, where the source has no path.
    Returns:
        A new image that carries no metadata.
    Raises:
        ImageError: a sentence with the path, the problem and what to do, for any file that is not a complete image.
    Example:
        >>> read_image(Image.new("RGBA", (2, 1), (9, 9, 9, 0))).getpixel((0, 0))
        (255, 255, 255)
    """
    if isinstance(source, str):
        source = Path(source)
    where = shown(name or (source if isinstance(source, Path | Member) else "the image"))
    if isinstance(source, Image.Image):
        return _decode(source, where, b"")
    content = source if isinstance(source, bytes) else read_bytes(source)
    if not content:
        raise ImageError(f"{where}: the file is empty (0 bytes); give a {_TAKEN} image.")
    return _decode(content, where, content)


def begins_as_image(start: bytes) -> bool:
    """Whether the first bytes of a file, 12 or more, are those of a format that `read_image` takes."""
    return any(start[at : at + len(sign)] == sign for at, sign in list(_SIGNATURES.values())[:6])


@checked
def to_tensor(image: Image.Image, preprocessing: Preprocessing) -> Float[Tensor, "channels height width"]:
    """An image as the model takes it: antialiased bilinear resizing, then each value divided by 255.

    An image that has the wanted size already passes bit for bit, unless `resize` says otherwise.

    Args:
        image: as `read_image` gives it; another mode is brought to L or RGB first.
        preprocessing: channels, size, and what happens to an image of another shape.
    Returns:
        Values in 0..1.
    Raises:
        ImageError: if the image is in a mode that cannot be brought to L or RGB.
    Example:
        >>> to_tensor(Image.new("L", (1, 2), 51), Preprocessing(channels=1, height=2, width=2))
        tensor([[[0.2000, 1.0000],
                 [0.2000, 1.0000]]])
    """
    plain = image if image.mode in ("L", "RGB") else read_image(image)
    frame = fitted(plain.convert("L" if preprocessing.channels == 1 else "RGB"), preprocessing)
    pixels = torch.from_numpy(np.array(frame)).view(preprocessing.height, preprocessing.width, preprocessing.channels)
    return pixels.permute(2, 0, 1).contiguous().float() / 255


@checked
def mask_to_tensor(mask: Image.Image, preprocessing: Preprocessing) -> Float[Tensor, "1 height width"]:
    """A mask of an image, taken the same way as its image by `to_tensor`; there is nothing on what is laid around.

    Args:
        mask: of the image's size, mode L: white where the object is.
        preprocessing: the image's.
    Returns:
        The share of each pixel that belongs to the object, in 0..1.
    Example:
        >>> mask_to_tensor(Image.new("L", (1, 2), 255), Preprocessing(channels=3, height=2, width=2))
        tensor([[[1., 0.],
                 [1., 0.]]])
    """
    return to_tensor(mask, replace(preprocessing, channels=1, background=0.0))


def load_image(source: str | Path | Member | bytes, preprocessing: Preprocessing) -> Tensor:
    """One image file as the model takes it, (C, H, W) in 0..1: `read_image`, then `to_tensor`.

    Raises:
        ImageError: for any file that is not a complete image.
    """
    return to_tensor(read_image(source), preprocessing)


def read_indices(source: Path | Member, rgb: bool = False) -> NDArray[np.int64]:
    """The numbers in a PNG that holds numbers, not a picture: those of its palette or its gray levels, unchanged.

    Args:
        source: a file's path, or a member of a zip archive.
        rgb: the number of a pixel is R + 256 G + 65536 B.
    Returns:
        (height, width).
    Raises:
        ImageError: if it is no complete PNG, or holds no numbers: colors where `rgb` is not asked for, or the reverse.
    """
    where, content = shown(source), read_bytes(source)
    with _decoding(where, content):
        picture = _loaded(Image.open(BytesIO(content), formats=("PNG",)))
        if rgb and picture.mode in ("RGB", "RGBA"):
            levels = np.asarray(picture, np.int64)
            return levels[..., 0] + 256 * levels[..., 1] + 65536 * levels[..., 2]
        if rgb or not (picture.mode in ("P", "L", "1") or picture.mode.startswith("I")):
            wanted = "colors (mode RGB)" if rgb else "numbers (palette or gray)"
            raise ImageError(f"{where}: a PNG of {wanted} is needed; got one of mode {picture.mode}.")
        return np.asarray(picture).astype(np.int64)


def image_size(source: Path | Member) -> tuple[int, int]:
    """Width and height of an image, upright, in pixels; nothing is decoded.

    Raises:
        ImageError: if it is no image.
    """
    content = read_bytes(source)
    with _decoding(shown(source), content):
        picture = Image.open(BytesIO(content), formats=_FORMATS)
        turned = _orientation(picture) >= 5
        return (picture.height, picture.width) if turned else picture.size


def _decode(source: bytes | Image.Image, where: str, content: bytes) -> Image.Image:
    with _decoding(where, content):
        picture = _loaded(Image.open(BytesIO(source), formats=_FORMATS) if isinstance(source, bytes) else source)
        orientation = _orientation(picture)
        plain = _plain(picture, where)
    if orientation in _UPRIGHT:
        plain = plain.transpose(_UPRIGHT[orientation])
    plain.info = {}  # or its EXIF would turn it again when it is read again
    return plain


def _loaded(picture: Image.Image) -> Image.Image:
    if picture.width * picture.height > LIMIT_PX:  # nothing is decoded yet
        raise Image.DecompressionBombError
    picture.load()
    return picture


@contextmanager
def _decoding(where: str, content: bytes) -> Iterator[None]:
    """Turns every error of a damaged file into one sentence, and hides Pillow's warnings."""
    with _quiet:
        try:
            yield
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            raise ImageError(
                f"{where}: the image has more than {LIMIT_PX:,} pixels, as a decompression bomb would; make it smaller."
            ) from error
        # damaged files make Pillow raise errors of every kind, SyntaxError and struct.error among them
        except Exception as error:
            raise ImageError(f"{where}: {_fault(content, error)}") from error


def _fault(content: bytes, error: Exception) -> str:
    """What is wrong with a file that Pillow does not read, after its first bytes."""
    if not content:
        return f"the image cannot be brought to 8 bit gray or RGB ({reason(error)}); convert it first."
    found = next((kind for kind, (at, start) in _SIGNATURES.items() if content[at : at + len(start)] == start), None)
    if found is None:
        return f"this is not an image; give a {_TAKEN} file."
    if list(_SIGNATURES).index(found) > 5:
        return f"this is a {found} file; give a {_TAKEN} image."
    return f"this {found} file is truncated, damaged or of an unknown kind ({reason(error)}); give a whole image."


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, ArithmeticError, RuntimeError):
        return 1  # damaged metadata around a whole image, as many a phone writes


def _plain(picture: Image.Image, where: str) -> Image.Image:
    """A new image in mode L or RGB."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _from_wide(picture, where)
    mode = "L" if picture.mode in ("1", "L", "LA") else "RGB"
    if not picture.has_transparency_data:
        return picture.convert(mode)
    picture = picture.convert(mode + "A")
    sheet = Image.new(mode, picture.size, "white")
    sheet.paste(picture, mask=picture.getchannel("A"))
    return sheet


def _from_wide(picture: Image.Image, where: str) -> Image.Image:
    """Gray of more than 8 bits, scaled by its range: Pillow's own conversion would clip it at 255."""
    values = np.asarray(picture)
    if np.isnan(values).any():
        raise ImageError(f"{where}: the image holds NaN pixels; gray levels must be numbers.")
    kind, top = ("float", 1) if picture.mode == "F" else ("16 bit", 65535)
    if values.min() < 0 or values.max() > top:
        raise ImageError(
            f"{where}: gray levels go from {values.min():g} to {values.max():g}; {kind} images must lie in 0..{top}."
        )
    levels = np.rint(values * np.float32(255 / top)).astype(np.uint8)  # as exact as float64, in half the memory
    if isinstance(key := picture.info.get("transparency"), int):
        levels[values == key] = 255
    return Image.fromarray(levels)


class _Quiet:
    """Hides Pillow's warnings while any thread reads: what they warn of is handled here, or raised.

    `catch_warnings` alone is not safe among threads: whoever leaves last restores what the first one set.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._stack = ExitStack()
        self._readers = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._stack.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._stack.close()


_quiet = _Quiet()
