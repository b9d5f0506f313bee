"""Images as they come, brought to what a model takes: any usual format, size and mode in, a tensor in 0..1 out."""

import os
import re
import stat
import warnings
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from antehoc.errors import DataError, ImageError, near_miss
from antehoc.types import checked

Fit = Literal["pad", "crop", "stretch"]
Channels = Literal[1, 3]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff"})
LIMIT_PX = 178_956_970  #: width x height; Pillow refuses more by default
LIMIT_BYTES = 2**31  #: of one file: an uncompressed image of `LIMIT_PX` pixels is smaller

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


@dataclass(frozen=True)
class Preprocessing:
    """How an image of any size becomes what the model takes; plain values, kept with a saved model.

    Attributes:
        channels: 1 for grey, 3 for RGB; the other kind is converted.
        height: of the model's images, in pixels.
        width: of the model's images, in pixels.
        fit: what happens to an image of another shape. `pad` shows all of it, undistorted, in the middle of a
            background; `crop` fills the frame, undistorted, and cuts off what stands out on two sides;
            `stretch` shows all of it, distorted.
        background: what `pad` fills with, in 0..1, to the nearest 1/255: 1 is white.
        resize: the picture is first brought to this many pixels, undistorted, and then the frame is cut out of its
            middle: its shorter side with `crop`, its longer side with `pad`, where the background fills what the
            picture is short of; both sides, distorted, with `stretch`. None: the frame itself is filled.
    Raises:
        DataError: where a value cannot be used.
    Example:
        >>> Preprocessing(channels=1, height=64, width=64).fit
        'pad'
    """

    channels: Channels
    height: int
    width: int
    fit: Fit = "pad"
    background: float = 1.0
    resize: int | None = None

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise DataError(f"preprocessing.channels: images have 1 channel (grey) or 3 (RGB); got {self.channels!r}.")
        if not all(isinstance(side, int) and side >= 1 for side in (self.height, self.width)):
            raise DataError(
                f"preprocessing: height and width are whole numbers of pixels, 1 or more; "
                f"got {self.height!r} and {self.width!r}."
            )
        if self.fit not in get_args(Fit):
            raise DataError(
                f"preprocessing.fit: no way to fit is called {self.fit!r}.{near_miss(self.fit, get_args(Fit))} "
                f"Known: {', '.join(get_args(Fit))}."
            )
        if not 0 <= self.background <= 1:  # refuses NaN too
            raise DataError(f"preprocessing.background: a grey level in 0..1 is needed; got {self.background!r}.")
        if self.resize is not None and self.resize < 1:
            raise DataError(f"preprocessing.resize: a number of pixels, 1 or more, is needed; got {self.resize!r}.")


@dataclass(frozen=True)
class Member:
    """A file inside a zip archive. Its text form is the archive's path, a slash and the name inside."""

    archive: Path
    name: str

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"


FileSource: TypeAlias = Path | Member


@runtime_checkable
class Sized(Protocol):
    """What says which images a model takes: a `Preprocessing` or a `DataSpec`."""

    @property
    def channels(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...


def shown(name: object) -> str:
    """A name as a message can hold it: on one line, whatever the file is called."""
    return text if (text := str(name)).isprintable() else repr(text)


def read_bytes(source: FileSource) -> bytes:
    """The content of one file.

    Args:
        source: a path, or a member of a zip archive.
    Raises:
        ImageError: if it is missing, a folder, no regular file, larger than `LIMIT_BYTES` or not readable.
    """
    try:
        if isinstance(source, Member):
            return _unpack(source)
        status = source.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{shown(source)}: this is a folder, and one image file is needed.")
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device could be read without end
            raise ImageError(f"{shown(source)}: this is no regular file, and one image file is needed.")
        _refuse_large(source, status.st_size)
        return source.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"{shown(source)}: there is no such file; give the path of an image.") from error
    except PermissionError as error:
        raise ImageError(f"{shown(source)}: no permission to read this file; change its rights.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise ImageError(
            f"{shown(source)}: it cannot be read ({_reason(error)}); give a readable image file."
        ) from error


def read_image(source: str | Path | Member | bytes | Image.Image, *, name: str | None = None) -> Image.Image:
    """One image, upright, in mode L (grey) or RGB, 8 bits a channel.

    Takes PNG, JPEG, WebP, BMP and TIFF of any size and mode, and of several frames or pages the first. What is
    transparent is laid on white, EXIF rotation is carried out, 16 bit grey is scaled by its range and never clipped;
    float images must lie in 0..1.

    Args:
        source: a file's path, a member of a zip archive, a file's content, or an open image.
        name: what a message calls it, where the source has no path.
    Returns:
        A new image that carries no metadata.
    Raises:
        ImageError: one sentence with the path, what came and what would do, for whatever is no whole image.
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
    frame = _fitted(plain.convert("L" if preprocessing.channels == 1 else "RGB"), preprocessing)
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


@checked
def to_source(
    maps: Float[Tensor, "*maps height width"], preprocessing: Preprocessing, source_height: int, source_width: int
) -> Float[Tensor, "*maps source_height source_width"]:
    """Maps at the model's size, brought back to the pixels of the image that it was shown: bilinear between pixels.

    Args:
        maps: one value for each pixel of the model's images, of any range.
        preprocessing: what the image went through.
        source_height: of the upright image, in pixels.
        source_width: of the upright image, in pixels.
    Returns:
        The maps in the image's pixels; 0 where the model saw nothing of the image.
    Raises:
        DataError: if the maps have not the size of the model's images, or the image has no pixels.
    Example:
        >>> letterbox = Preprocessing(channels=1, height=2, width=2)  # a wide image has the upper row
        >>> to_source(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), letterbox, 1, 2)
        tensor([[3., 4.]])
    """
    if maps.shape[-2:] != (preprocessing.height, preprocessing.width) or min(source_height, source_width) < 1:
        raise DataError(
            f"maps of {preprocessing.height}x{preprocessing.width} pixels and an image of one or more are needed; got "
            f"{maps.shape[-2]}x{maps.shape[-1]} and {source_height}x{source_width}."
        )
    place = _placement((source_width, source_height), preprocessing)
    for axis, count in ((0, source_width), (1, source_height)):
        low, high = place.shown[axis], place.shown[axis + 2]
        centres = torch.arange(count, dtype=torch.float64, device=maps.device) + 0.5
        position = (centres - low) / (high - low) * place.size[axis] + place.corner[axis]  # in the frame
        first, end = max(place.corner[axis], 0), min(place.corner[axis] + place.size[axis], maps.shape[-1 - axis])
        maps = _sampled(maps.transpose(-1, -1 - axis), position, first, end).transpose(-1, -1 - axis)
    return maps


def load_image(source: str | Path | Member | bytes, preprocessing: Preprocessing) -> Tensor:
    """One image file as the model takes it, (C, H, W) in 0..1: `read_image`, then `to_tensor`.

    Raises:
        ImageError: for whatever is no whole image.
    """
    return to_tensor(read_image(source), preprocessing)


def check_tensor(images: Tensor, wanted: Sized, where: str) -> None:
    """Refuse images that no model should see, before they are decided.

    Args:
        images: (B, C, H, W).
        wanted: channels, height and width: a `DataSpec` or a `Preprocessing`.
        where: what the message puts in front.
    Raises:
        DataError: for another shape, for values that are no floats, and for NaN or anything else outside 0..1.
    Example:
        >>> check_tensor(torch.full((1, 1, 2, 2), 7.0), Preprocessing(1, 2, 2), "upload")
        Traceback (most recent call last):
        antehoc.errors.DataError: upload: values must lie in 0..1; got 7 to 7 (divide 8 bit images by 255).
    """
    shape = (wanted.channels, wanted.height, wanted.width)
    if images.ndim != 4 or tuple(images.shape[1:]) != shape:
        raise DataError(f"{where}: images must be (batch, {', '.join(map(str, shape))}); got {tuple(images.shape)}.")
    if not images.is_floating_point():
        raise DataError(f"{where}: values must be floats in 0..1; got {images.dtype} (divide 8 bit images by 255).")
    if images.isnan().any():
        raise DataError(f"{where}: image {_first(images.isnan())} holds NaN pixels; values must lie in 0..1.")
    if images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise DataError(
            f"{where}: values must lie in 0..1; got {images.min():g} to {images.max():g} (divide 8 bit images by 255)."
        )


def _sampled(values: Tensor, position: Tensor, first: int, end: int) -> Tensor:
    """Values (..., n) at places along the last axis, linear between the middles of pixels `first` to `end`, else 0."""
    offset = (position - 0.5).clamp(first, end - 1)
    left = offset.floor().long().clamp(max=max(end - 2, first))
    weight = (offset - left).to(values.dtype)
    right = (left + 1).clamp(max=end - 1)
    between = values[..., left] * (1 - weight) + values[..., right] * weight
    return between * ((position >= first) & (position <= end))


def _first(flags: Tensor) -> int:
    return int(flags.flatten(1).any(1).nonzero()[0, 0])


def _decode(source: bytes | Image.Image, where: str, content: bytes) -> Image.Image:
    with _quiet:
        try:
            picture = Image.open(BytesIO(source), formats=_FORMATS) if isinstance(source, bytes) else source
            if picture.width * picture.height > LIMIT_PX:  # nothing is decoded yet
                raise Image.DecompressionBombError
            picture.load()
            orientation = _orientation(picture)
            plain = _plain(picture, where)
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            raise ImageError(
                f"{where}: the image has more than {LIMIT_PX:,} pixels, as a decompression bomb would; make it smaller."
            ) from error
        # damaged files make Pillow raise errors of every kind, SyntaxError and struct.error among them
        except Exception as error:
            raise ImageError(f"{where}: {_fault(content, error)}") from error
    if orientation in _UPRIGHT:
        plain = plain.transpose(_UPRIGHT[orientation])
    plain.info = {}  # or its EXIF would turn it again when it is read again
    return plain


def _fault(content: bytes, error: Exception) -> str:
    """What is wrong with a file that Pillow does not read, after its first bytes."""
    if not content:
        return f"the image cannot be brought to 8 bit grey or RGB ({_reason(error)}); convert it first."
    found = next((kind for kind, (at, start) in _SIGNATURES.items() if content[at : at + len(start)] == start), None)
    if found is None:
        return f"this is not an image; give a {_TAKEN} file."
    if list(_SIGNATURES).index(found) > 5:
        return f"this is a {found} file; give a {_TAKEN} image."
    return f"this {found} file is truncated, damaged or of an unknown kind ({_reason(error)}); give a whole image."


def _reason(error: Exception) -> str:
    """An error of others in a few words on one line."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    words = re.sub(r" ?<_io\.\w+ object at \w+>", "", words)  # an address that no one can use
    return words.splitlines()[0].strip(" .")[:80] if words.strip() else type(error).__name__


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
    """Grey of more than 8 bits, scaled by its range: Pillow's own conversion would clip it at 255."""
    values = np.asarray(picture)
    if np.isnan(values).any():
        raise ImageError(f"{where}: the image holds NaN pixels; grey levels must be numbers.")
    kind, top = ("float", 1) if picture.mode == "F" else ("16 bit", 65535)
    if values.min() < 0 or values.max() > top:
        raise ImageError(
            f"{where}: grey levels go from {values.min():g} to {values.max():g}; {kind} images must lie in 0..{top}."
        )
    levels = np.rint(values * np.float32(255 / top)).astype(np.uint8)  # as exact as float64, in half the memory
    if isinstance(key := picture.info.get("transparency"), int):
        levels[values == key] = 255
    return Image.fromarray(levels)


class _Placement(NamedTuple):
    """Where a picture goes: the part that is shown, the size it is brought to, and where that lies in the frame."""

    shown: tuple[float, float, float, float]  # left, top, right, bottom in pixels of the picture
    size: tuple[int, int]  # width and height
    corner: tuple[int, int]  # left and top in the frame; below 0 where the frame cuts something off


def _placement(sides: tuple[int, int], preprocessing: Preprocessing) -> _Placement:
    """What the preprocessing does to a picture of this width and height. One of the frame's size stays as it is."""
    frame = (preprocessing.width, preprocessing.height)
    whole = (0, 0, *sides)
    if preprocessing.resize is not None:
        size = _resized(sides, preprocessing.resize, preprocessing.fit)
        return _Placement(whole, size, _middle(size, frame))
    if sides == frame or preprocessing.fit == "stretch":
        return _Placement(whole, frame, (0, 0))
    ratios = frame[0] / sides[0], frame[1] / sides[1]
    if preprocessing.fit == "crop":
        scale = max(ratios)
        left, top = (max((own - side / scale) / 2, 0.0) for own, side in zip(sides, frame, strict=True))
        # max: rounding must not leave the picture
        return _Placement((left, top, sides[0] - left, sides[1] - top), frame, (0, 0))
    scale = min(ratios)
    width, height = (max(1, round(side * scale)) for side in sides)  # a hair must not vanish
    return _Placement(whole, (width, height), _middle((width, height), frame))


def _fitted(picture: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The picture in the frame."""
    place = _placement(picture.size, preprocessing)
    resized = picture.resize(place.size, Image.Resampling.BILINEAR, box=place.shown)
    frame = (preprocessing.width, preprocessing.height)
    if place.size == frame:
        return resized
    level = round(preprocessing.background * 255)
    canvas = Image.new(picture.mode, frame, level if picture.mode == "L" else (level, level, level))
    canvas.paste(resized, place.corner)
    return canvas


def _middle(size: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int]:
    """Left and top of a picture in the middle of a frame that may be smaller or larger, to either side."""
    # as torchvision's `CenterCrop`: halves go to the even pixel where it cuts, and down where it pads
    left, top = (
        -round((own - side) / 2) if own > side else (side - own) // 2 for own, side in zip(size, frame, strict=True)
    )
    return left, top


def _resized(sides: tuple[int, int], pixels: int, fit: Fit) -> tuple[int, int]:
    """Width and height of a picture resized by one of its sides, rounded down as torchvision's `Resize` does."""
    if fit == "stretch":
        return pixels, pixels
    edge = min(sides) if fit == "crop" else max(sides)
    width, height = (max(1, int(pixels * side / edge)) for side in sides)
    if width * height > LIMIT_PX:
        raise ImageError(
            f"an image of {sides[0]}x{sides[1]} pixels would be {width}x{height} with its shorter side resized to "
            f"{pixels}; cut it first, or fit it by 'pad'."
        )
    return width, height


def _unpack(member: Member) -> bytes:
    try:
        archive = _archive(member.archive, member.archive.stat().st_mtime_ns, os.getpid())
        _refuse_large(member, archive.getinfo(member.name).file_size)
        return archive.read(member.name)
    except KeyError as error:
        raise ImageError(f"{shown(member)}: the archive has no such file; give the name of one that it has.") from error
    # RuntimeError: encrypted; NotImplementedError: packed in a way that Python does not know
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise ImageError(f"{shown(member)}: it cannot be unpacked ({_reason(error)}); pack it anew.") from error


@lru_cache(maxsize=8)
def _archive(path: Path, stamp: int, process: int) -> zipfile.ZipFile:
    """An open archive: reading its list anew for each image is slow. A forked process must not share the handle."""
    return zipfile.ZipFile(path)


def _refuse_large(source: FileSource, size: int) -> None:
    if size > LIMIT_BYTES:
        raise ImageError(
            f"{shown(source)}: {size:,} bytes are too many for one image; at most {LIMIT_BYTES:,} are read."
        )


class _Quiet:
    """Hides Pillow's warnings while any thread reads: what they tell of is mended here, or raised.

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
