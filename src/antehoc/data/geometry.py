"""Where a picture goes: into the frame of a model, and maps of the frame back onto the picture."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from antehoc.data.preprocessing import Fit, Preprocessing
from antehoc.errors import DataError, ImageError
from antehoc.types import checked

LIMIT_PX = 178_956_970  #: width x height of an image; Pillow refuses more by default


class Placement(NamedTuple):
    """Where a picture goes: the part that is shown, the size it is brought to, and where that lies in the frame."""

    shown: tuple[float, float, float, float]  # left, top, right, bottom in pixels of the picture
    size: tuple[int, int]  # width and height
    corner: tuple[int, int]  # left and top in the frame; below 0 where the frame cuts something off


def placement(sides: tuple[int, int], preprocessing: Preprocessing) -> Placement:
    """What the preprocessing does to a picture of this width and height. One of the frame's size stays as it is."""
    frame = (preprocessing.width, preprocessing.height)
    whole = (0, 0, *sides)
    if preprocessing.resize is not None:
        size = _resized(sides, preprocessing.resize, preprocessing.fit)
        return Placement(whole, size, _middle(size, frame))
    if sides == frame or preprocessing.fit == "stretch":
        return Placement(whole, frame, (0, 0))
    ratios = frame[0] / sides[0], frame[1] / sides[1]
    if preprocessing.fit == "crop":
        scale = max(ratios)
        left, top = (max((own - side / scale) / 2, 0.0) for own, side in zip(sides, frame, strict=True))
        # max: rounding must not leave the picture
        return Placement((left, top, sides[0] - left, sides[1] - top), frame, (0, 0))
    scale = min(ratios)
    width, height = (max(1, round(side * scale)) for side in sides)  # a hair must not vanish
    return Placement(whole, (width, height), _middle((width, height), frame))


def fitted(picture: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The picture in the frame."""
    place = placement(picture.size, preprocessing)
    resized = picture.resize(place.size, Image.Resampling.BILINEAR, box=place.shown)
    frame = (preprocessing.width, preprocessing.height)
    if place.size == frame:
        return resized
    level = round(preprocessing.background * 255)
    canvas = Image.new(picture.mode, frame, level if picture.mode == "L" else (level, level, level))
    canvas.paste(resized, place.corner)
    return canvas


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
    place = placement((source_width, source_height), preprocessing)
    for axis, count in ((0, source_width), (1, source_height)):
        low, high = place.shown[axis], place.shown[axis + 2]
        centers = torch.arange(count, dtype=torch.float64, device=maps.device) + 0.5
        position = (centers - low) / (high - low) * place.size[axis] + place.corner[axis]  # in the frame
        first, end = max(place.corner[axis], 0), min(place.corner[axis] + place.size[axis], maps.shape[-1 - axis])
        maps = _sampled(maps.transpose(-1, -1 - axis), position, first, end).transpose(-1, -1 - axis)
    return maps


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


def _sampled(values: Tensor, position: Tensor, first: int, end: int) -> Tensor:
    """Values (..., n) at places along the last axis, linear between the middles of pixels `first` to `end`, else 0."""
    offset = (position - 0.5).clamp(first, end - 1)
    left = offset.floor().long().clamp(max=max(end - 2, first))
    weight = (offset - left).to(values.dtype)
    right = (left + 1).clamp(max=end - 1)
    between = values[..., left] * (1 - weight) + values[..., right] * weight
    return between * ((position >= first) & (position <= end))
