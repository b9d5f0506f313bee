"""Changes of a picture that tell where and how a model reads it: color taken away, parts covered, the box alone."""

from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageStat

Alter = Callable[[Image.Image, int], Image.Image]  #: an upright picture in RGB and its number to another picture
Box = tuple[int, int, int, int]  #: left, top, right, bottom, in pixels


def hue_turned(image: Image.Image, _: int) -> Image.Image:
    """The hue turned by half a circle; saturation and brightness stay."""
    hue, *rest = image.convert("HSV").split()
    return Image.merge("HSV", [hue.point([(level + 128) % 256 for level in range(256)]), *rest]).convert("RGB")


def greyscale(image: Image.Image, _: int) -> Image.Image:
    """Without color."""
    return image.convert("L").convert("RGB")


def covering(places: list[list[list[float]]], radii: list[float]) -> Alter:
    """Discs of the picture's mean color.

    Args:
        places: centers (x, y) of each picture's discs, in pixels.
        radii: of each picture's discs, in pixels.
    """

    def cover(image: Image.Image, index: int) -> Image.Image:
        covered, radius = image.copy(), radii[index]
        for x, y in places[index]:
            box = (x - radius, y - radius, x + radius, y + radius)
            ImageDraw.Draw(covered).ellipse(box, fill=_mean_color(image))
        return covered

    return cover


def box_alone(boxes: Sequence[Box]) -> Alter:
    """The box of each picture; the rest has the mean color of the box."""
    return lambda image, index: _only(image, _box_mask(image, boxes[index]))


def box_filled(boxes: Sequence[Box]) -> Alter:
    """All but the box of each picture; the box has the mean color of the rest."""
    return lambda image, index: _only(image, ImageChops.invert(_box_mask(image, boxes[index])))


def _box_mask(image: Image.Image, box: Box) -> Image.Image:
    mask = Image.new("L", image.size)
    mask.paste(255, box)
    return mask


def _only(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture where the mask is white; elsewhere the mean color of what is left, gray where nothing is left.

    The mean color of the whole picture would tell what was covered.
    """
    color = _mean_color(image, mask) if mask.getbbox() else (128, 128, 128)
    return Image.composite(image, Image.new(image.mode, image.size, color), mask)


def _mean_color(image: Image.Image, mask: Image.Image | None = None) -> tuple[int, ...]:
    return tuple(round(value) for value in ImageStat.Stat(image, mask).mean)
