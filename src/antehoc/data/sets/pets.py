"""`pets`: Oxford-IIIT Pet, photographs of 37 breeds of cats and dogs with trimaps.

A trimap says of each pixel whether it is pet (1), background (2) or border and unclear (3). What is unclear is ignored:
it belongs to no object and is no background.

Source: Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and Dogs", CVPR 2012.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from antehoc.data.archives import FileSource
from antehoc.data.class_maps import ClassMap
from antehoc.data.examples import THREADS, Files
from antehoc.data.images import read_indices
from antehoc.data.instances import Instance, boxes_around
from antehoc.data.places import Place, only_place
from antehoc.data.preprocessing import Fit, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import official_roles
from antehoc.data.xml import read_objects
from antehoc.errors import DataError, shown
from antehoc.types import DataSpec

BREEDS = 37
COUNTS = {"images": 7_349, "trainval": 3_680, "test": 3_669}  #: of the full set, by its official split
SPECIES = ("cat", "dog")
PET, BACKGROUND, UNCLEAR = 1, 2, 3  #: the numbers in a trimap

_WHAT = "Oxford-IIIT Pet"


def pets(
    path: str | Path,
    *,
    label: Literal["breed", "species"] = "breed",
    boxes: Literal["trimap", "head", "none"] = "trimap",
    size: int | Sequence[int] = 224,
    fit: Fit = "crop",
    background: float = 1.0,
    resize: int | None = None,
    share: float = 1.0,
    validation: float = 0.1,
    calibration: float = 0.15,
    seed: int = 0,
) -> Source:
    """Oxford-IIIT Pet in its own layout, or a part of it that its lists name.

    The test role is the official test split, whole. Validation and calibration are drawn from trainval, class by
    class, by a hash of each file's bytes; training images that equal a test image are left out.

    Args:
        path: the folder that holds `images` and `annotations`, one that holds it, or a zip of it.
        label: the breed, or whether it is a cat or a dog.
        boxes: of the pet, around what its trimap says is pet; of its head, as in `annotations/xmls`, where an image
            without one gets no box; or none. Trimaps are read for it when the set is opened.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        share: how much of trainval is used, above 0 and at most 1.
        validation, calibration: shares of trainval, 0 for none.
        seed: another seed draws other validation and calibration roles.
    Returns:
        The data set, with masks from the trimaps, whose unclear pixels are ignored.
    Raises:
        DataError: where the copy is incomplete or damaged.
        ImageError: if a file that must be read cannot be.
    """
    place = only_place(path, ("annotations/trainval.txt", "annotations/list.txt"), _WHAT)
    frame = preprocess(size, 3, fit, background, resize)
    rows, note = _rows(place)
    breeds = _breeds(place, rows)
    classes = SPECIES if label == "species" else tuple(breeds.values())
    numbers = [row.species - 1 if label == "species" else list(breeds).index(row.number) for row in rows]
    trimaps = [place.file(f"annotations/trimaps/{row.name}.png") for row in rows]
    edges = _boxes(place, rows, trimaps, boxes)
    files = Files(
        [place.file(f"images/{row.name}.jpg") for row in rows],
        frame,
        torch.tensor(numbers),
        objects=[[Instance(box, None, number)] for box, number in zip(edges, numbers, strict=True)],
        maps=[ClassMap(one, {PET: n}, frozenset({UNCLEAR})) for one, n in zip(trimaps, numbers, strict=True)],
    )
    shares = {"validation": validation, "calibration": calibration, "share": share}
    roles, notes = official_roles(files, [row.tested for row in rows], **shares, seed=seed, where=place.where)
    spec = DataSpec(classes, 3, frame.height, frame.width)
    return Source(spec, roles, frame, seed, (note, *notes))


class _Row(NamedTuple):
    """A line of a list: an image, the numbers of its breed and its species, and whether it is tested."""

    name: str
    number: int
    species: int
    tested: bool


def _rows(place: Place) -> tuple[list[_Row], str]:
    """The images that the lists name, and a note on how many there are."""
    rows = [row for name in ("trainval", "test") for row in _listed(place, name)]
    present = set(place.files("images")) | set(place.files("annotations/trimaps"))
    for start, end in (("images/", ".jpg"), ("annotations/trimaps/", ".png")):
        if absent := [row.name for row in rows if f"{start}{row.name}{end}" not in present]:
            raise DataError(
                f"{place.where}: {start}{shown(absent[0])}{end} is missing, the first of {len(absent)} that the lists"
                " name; use a complete copy, or lists of the images that are there."
            )
    tested = sum(row.tested for row in rows)
    found = {"images": len(rows), "trainval": len(rows) - tested, "test": tested}
    counts, whole = (", ".join(f"{n:,} {name}" for name, n in one.items()) for one in (found, COUNTS))
    return rows, f"The copy has {counts}{'' if found == COUNTS else f', where the full set has {whole}'}."


def _listed(place: Place, name: str) -> list[_Row]:
    where, rows = shown(place.file(f"annotations/{name}.txt")), []
    for line in place.lines(f"annotations/{name}.txt", _WHAT):
        parts = line.split()
        numbers = [int(part) for part in parts[1:3] if part.isdecimal()]
        if len(numbers) != 2 or not (1 <= numbers[0] <= BREEDS and 1 <= numbers[1] <= len(SPECIES)):
            raise DataError(
                f"{where}: a line holds a name, a class from 1 to {BREEDS}, and 1 for a cat or 2 for a dog; got "
                f"{shown(line[:80])!r}."
            )
        rows.append(_Row(parts[0], numbers[0], numbers[1], name == "test"))
    return rows


def _breeds(place: Place, rows: Sequence[_Row]) -> dict[int, str]:
    """The name of each breed by its number, from the names of its images."""
    found: dict[int, str] = {}
    for row in rows:
        breed = row.name.rsplit("_", 1)[0].replace("_", " ")
        if found.setdefault(row.number, breed) != breed:
            raise DataError(
                f"{place.where}: images of the class {row.number} are called {found[row.number]!r} and {breed!r}; one"
                " of the lists is damaged."
            )
    return dict(sorted(found.items()))


def _boxes(
    place: Place, rows: Sequence[_Row], trimaps: Sequence[FileSource], kind: str
) -> list[tuple[float, float, float, float] | None]:
    if kind == "none":
        return [None] * len(rows)
    if kind == "head":
        heads = _heads(place, rows)
        return [heads.get(row.name) for row in rows]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_around, trimaps))


def _around(trimap: FileSource) -> tuple[float, float, float, float] | None:
    """The box around what is pet; None where nothing is."""
    pet: Tensor = torch.from_numpy(read_indices(trimap) == PET)
    x0, y0, x1, y1 = map(float, boxes_around(pet[None, None])[0].tolist())
    return (x0, y0, x1, y1) if x1 else None


def _heads(place: Place, rows: Sequence[_Row]) -> Mapping[str, tuple[float, float, float, float]]:
    files = {row.name: f"annotations/xmls/{row.name}.xml" for row in rows}
    present = set(place.files("annotations/xmls"))
    if not present & set(files.values()):
        raise DataError(
            f"{place.where}: annotations/xmls is missing, which has the boxes of heads; set another `boxes`."
        )
    found = {}
    for name, file in files.items():
        if file in present and (heads := read_objects(place.read(file, _WHAT), shown(place.file(file)))):
            found[name] = heads[0].box
    return found
