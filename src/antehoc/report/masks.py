"""Masks as pictures of their own: brought to the source image's pixels, over the image and raw, as PNG."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from antehoc.data.geometry import to_source
from antehoc.data.images import read_image
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import AntehocError, DataError, OutputError
from antehoc.explanations import SaliencyMask
from antehoc.report import figures
from antehoc.types import Decision


def at_source(decision: Decision, preprocessing: Preprocessing, height: int, width: int) -> Decision:
    """The decision with its mask at the source image's pixels, 0 where the model saw nothing; others as they are."""
    if not isinstance(decision.explanations[0], SaliencyMask):
        return decision
    mask = to_source(decision.explanations[0].values(), preprocessing, height, width)
    return replace(decision, explanations=(SaliencyMask.of(mask),))


def write(
    results: Sequence[tuple[Path, Decision | AntehocError]], preprocessing: Preprocessing, folder: Path
) -> list[Path]:
    """Each image's mask at the source image's pixels: `<name>.overlay.png` over the image, `<name>.mask.png` raw.

    The raw mask is grey, 0 hidden and 255 shown. Where two images have one name, the later is numbered.

    Args:
        results: images with their decisions; one that could not be read is passed over.
        preprocessing: of the model.
        folder: made where it is missing.
    Returns:
        The files that were written.
    Raises:
        DataError: where a decision is not explained by a mask.
        OutputError: where the folder cannot be written.
    """
    written: list[Path] = []
    taken: set[str] = set()
    for path, item in results:
        if isinstance(item, AntehocError):
            continue
        if not isinstance(item.explanations[0], SaliencyMask):
            raise DataError("--masks: this model explains by attributes, not by a mask; leave the option out.")
        image = read_image(path)
        own = at_source(item, preprocessing, image.height, image.width).explanations[0]
        assert isinstance(own, SaliencyMask)
        name = _free(path.stem, taken)
        values = own.values()
        raw = Image.fromarray((values * 255).round().byte().numpy())
        pictures = {f"{name}.overlay.png": figures.overlay(image, values), f"{name}.mask.png": raw}
        written += [_save(picture, folder / file) for file, picture in pictures.items()]
    return written


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
        raise OutputError(f"{path}: cannot be written ({error.strerror}); name another place with --masks.") from error
    return path
