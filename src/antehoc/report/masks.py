"""Maps as pictures of their own: brought to the source image's pixels, over the image and raw, as PNG."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from antehoc.data.geometry import to_source
from antehoc.data.images import read_image
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import AntehocError, DataError, OutputError
from antehoc.report import pictures
from antehoc.types import Decision


def at_source(decision: Decision, preprocessing: Preprocessing, height: int, width: int) -> Decision:
    """The decision with its maps at the source image's pixels, 0 where the model saw nothing; others as they are.

    Args:
        decision: with maps at the model's size.
        preprocessing: of the model.
        height: of the source image, in pixels.
        width: of the source image, in pixels.
    """

    def change(values: Tensor) -> Tensor:
        return to_source(values, preprocessing, height, width)

    return replace(decision, explanations=tuple(one.resampled(change) for one in decision.explanations))


def write(
    results: Sequence[tuple[Path, Decision | AntehocError]], preprocessing: Preprocessing, folder: Path
) -> list[Path]:
    """Each image's maps at the source image's pixels: `<name>.overlay.png` over the image, `<name>.mask.png` raw.

    The raw map is gray, 0 hidden and 255 shown, and has the name of the map, such as `mask`. Where an image has
    several maps, so do their overlays: `<name>.<map>.overlay.png`. Where two images have one name, the later is
    numbered.

    Args:
        results: images with their decisions; one that could not be read is passed over.
        preprocessing: of the model.
        folder: made where it is missing.
    Returns:
        The files that were written.
    Raises:
        DataError: where a decision is explained by no map.
        OutputError: where the folder cannot be written.
    """
    written: list[Path] = []
    taken: set[str] = set()
    without = False
    for path, item in results:
        if isinstance(item, AntehocError):
            continue
        image = read_image(path)
        own = at_source(item, preprocessing, image.height, image.width)
        maps = _named_maps(own)
        without = without or bool(own.explanations and not maps)
        if not maps:
            continue  # such as an image of which no label is named
        drawn = _pictures(_free(path.stem, taken), image, maps)
        written += [_save(picture, folder / file) for file, picture in drawn.items()]
    if without and not written:
        raise DataError("--masks: this model's explanations have no place in the image; leave the option out.")
    return written


def _named_maps(decision: Decision) -> dict[str, Tensor]:
    """All maps of a decision by name; of several explanations with equal names, the class or a number tells them."""
    found: dict[str, Tensor] = {}
    for one in decision.explanations:
        for name, values in one.maps().items():
            own = f"{name}-{one.about}" if one.about else name
            own = own if own not in found else f"{own}-{len(found) + 1}"
            found[own] = values
    return found


def _pictures(name: str, image: Image.Image, maps: dict[str, Tensor]) -> dict[str, Image.Image]:
    """The pictures of one image by the name of their file."""
    found: dict[str, Image.Image] = {}
    for map_name, values in maps.items():
        safe = re.sub(r"[^\w-]+", "-", map_name)
        overlay = f"{name}.overlay.png" if len(maps) == 1 else f"{name}.{safe}.overlay.png"
        found[overlay] = pictures.overlay(image, values)
        found[f"{name}.{safe}.png"] = Image.fromarray((values * 255).round().byte().numpy())
    return found


def _free(stem: str, taken: set[str]) -> str:
    """The name, numbered where it is taken; upper and lower case are one name on many disks."""
    number, name = 1, stem
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.lower())
    return name


def _save(picture: Image.Image, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, "PNG")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another path with --masks.") from error
    return path
