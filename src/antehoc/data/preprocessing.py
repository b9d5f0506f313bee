"""How an image of any size becomes what a model takes: the settings, and the check that tensors fit them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

from torch import Tensor

from antehoc.errors import DataError, near_miss

Fit = Literal["pad", "crop", "stretch"]
Channels = Literal[1, 3]


@dataclass(frozen=True)
class Preprocessing:
    """How an image of any size becomes what the model takes; plain values, kept with a saved model.

    Attributes:
        channels: 1 for gray, 3 for RGB; the other kind is converted.
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
            raise DataError(f"preprocessing.channels: images have 1 channel (gray) or 3 (RGB); got {self.channels!r}.")
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
            raise DataError(f"preprocessing.background: a gray level in 0..1 is needed; got {self.background!r}.")
        if self.resize is not None and self.resize < 1:
            raise DataError(f"preprocessing.resize: a number of pixels, 1 or more, is needed; got {self.resize!r}.")


def preprocess(
    size: int | Sequence[int], channels: Channels, fit: Fit, background: float, resize: int | None = None
) -> Preprocessing:
    """A `Preprocessing` from plain values; `size` is one number or height and width, in pixels.

    Raises:
        DataError: where a value cannot be used.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2:
        raise DataError(f"size: one number of pixels is needed, or two, height and width; got {list(sides)}.")
    return Preprocessing(channels, *sides, fit=fit, background=background, resize=resize)


@runtime_checkable
class Sized(Protocol):
    """What says which images a model takes: a `Preprocessing` or a `DataSpec`."""

    @property
    def channels(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...


def check_tensor(images: Tensor, wanted: Sized, where: str) -> None:
    """Refuse images that no model should see, before they are decided.

    Args:
        images: (B, C, H, W).
        wanted: channels, height and width: a `DataSpec` or a `Preprocessing`.
        where: what the message puts in front.
    Raises:
        DataError: for another shape, for values that are no floats, and for NaN or anything else outside 0..1.
    Example:
        >>> import torch
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


def _first(flags: Tensor) -> int:
    return int(flags.flatten(1).any(1).nonzero()[0, 0])
