"""CUB-200-2011: photographs of 200 species of birds with boxes, parts and 312 attributes in 28 groups.

Source: Wah, Branson, Welinder, Perona and Belongie, "The Caltech-UCSD Birds-200-2011 Dataset", Caltech, 2011.
"""

import os
import posixpath
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from antehoc.data.examples import Files, Source
from antehoc.data.folder import attribute_groups, by_role, check_trained, exclusive_groups, preprocess
from antehoc.data.images import FileSource, Fit, Member, Preprocessing, read_bytes, shown
from antehoc.errors import DataError, near_miss
from antehoc.types import DataSpec, Role

SPECIES = 200
COUNTS = {"images": 11_788, "train": 5_994, "test": 5_794}  #: of the full set, by its official split
SINGLE_CHOICE = (  #: see `cub`
    "has_bill_shape",
    "has_breast_pattern",
    "has_tail_shape",
    "has_size",
    "has_shape",
    "has_back_pattern",
    "has_tail_pattern",
    "has_belly_pattern",
    "has_wing_pattern",
)

_FOLDER = "CUB_200_2011"
_TARS = (".tgz", ".tar.gz", ".tar")
_CLASS_TABLE = "attributes/class_attribute_labels_continuous.txt"
_IMAGE_TABLE = "attributes/image_attribute_labels.txt"

Numbers = NDArray[np.float64]


def cub(
    path: str | Path,
    *,
    size: int | Sequence[int] = 224,
    fit: Fit = "crop",
    background: float = 1.0,
    resize: int | None = None,
    species: tuple[str, ...] = (),
    leave_out: tuple[str, ...] = (),
    attributes: Literal["auto", "image", "class"] = "auto",
    labels: Literal["hard", "soft"] = "hard",
    only_varying: bool = False,
    validation: float = 0.05,
    calibration: float = 0.12,
    seed: int = 0,
) -> Source:
    """CUB-200-2011 in its own layout: all of it, or a copy that lists some of its species only.

    The test role is the official test split, whole. Validation and calibration are drawn from the official train split,
    class by class, by a hash of each file's bytes. Preprocessing as the originals' code does it is
    `fit: crop, resize: 256`, and as the thesis writes it `fit: pad, resize: 256, background: 0`.

    Of the 28 groups of attributes, nine ask for one answer: the shapes of bill, tail and bird, the size, and the
    patterns of breast, back, tail, belly and wing. Their percentages sum to 100 in every one of the 200 species, so
    each annotator chose one; they become `at_most_one`, as hard labels and parts that cannot be seen leave none. In
    the other 19 the sums pass 100 somewhere: colours, eye colour among them, and the pattern of the head
    take several answers, and even for the length of the bill (107) and the shape of the wing (117) several were ticked.

    Args:
        path: the folder `CUB_200_2011`, a folder that holds it, a zip of it, or a folder that holds one such zip.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what is laid around an image that is short of the frame, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        species: keep these alone, each by its number ("005") or its name; none stands for all.
        leave_out: keep these out of all roles; their test images become the source's `left_out`.
        attributes: `image` takes each image's own labels, `class` those of its species; `auto` takes the image's where
            the copy has `attributes/image_attribute_labels.txt`.
        labels: of the species. `hard` holds where half the annotators or more said so, and of a tie in a
            single-choice group the first; `soft` is their share, in 0..1.
        only_varying: keep only attributes that, as hard labels, differ between two of the kept species.
        validation: share of each species' train images, 0 for none.
        calibration: share of each species' train images, 0 for none.
        seed: another seed draws other validation and calibration roles.
    Returns:
        The data set, with boxes and parts in pixels of the files. Its notes say what was counted and drawn.
    Raises:
        DataError: where the copy is incomplete or damaged, or a species is not in it.
        ImageError: if an image of the train split cannot be read.
    """
    if not (validation >= 0 and calibration >= 0 and validation + calibration < 1):
        raise DataError(
            f"cub: validation and calibration are shares, 0 or more, that leave train some; got {validation} and "
            f"{calibration}."
        )
    preprocessing = preprocess(size, 3, fit, background, resize)
    copy = _open(Path(path))
    names = copy.names("images.txt")
    ids = np.array(list(names))
    species_of = copy.table("image_class_labels.txt", ids)[:, 0].astype(int)
    trained = copy.table("train_test_split.txt", ids)[:, 0] == 1
    listed = {number: name for number, name in copy.names("classes.txt").items() if number in species_of}
    notes = [_counts(len(listed), trained)]

    out = sorted({_species(name, listed, copy.where) for name in leave_out})
    kept = [_species(name, listed, copy.where) for name in species] or list(listed)
    order = [*sorted(set(kept) - set(out)), *out]
    if (count := len(order) - len(out)) < 2:
        raise DataError(f"{copy.where}: a classifier needs two or more species; {count} of {len(listed)} are kept.")
    attribute_names, matrix, hard = _class_attributes(copy, order)
    columns = np.flatnonzero((hard[:count] != hard[0]).any(0)) if only_varying else np.arange(len(attribute_names))
    matrix = (hard if labels == "hard" else matrix)[:, columns]

    chosen = np.isin(species_of, order)
    ids, trained = ids[chosen], trained[chosen]
    place = np.array([order.index(number) for number in species_of[chosen]])  # among `order`
    if attributes == "image" or (attributes == "auto" and copy.has(_IMAGE_TABLE)):
        values = copy.table(_IMAGE_TABLE, ids, items=len(attribute_names))[:, columns, 0]
        notes.append("Each image has its own attributes.")
    else:
        values = matrix[place]
        notes.append(f"Each image has the attributes of its species, {labels}.")
    everything = _files(
        copy, [names[number] for number in ids], ids, np.where(place < count, place, 0), values, preprocessing
    )

    files = everything.select(np.flatnonzero(place < count).tolist())
    roles = _roles(files, trained[place < count], {"calibration": calibration, "validation": validation}, seed)
    classes = [_readable(listed[number]) for number in order]
    check_trained([classes[label] for label in files.labels], roles, files.names(range(len(files))), where=copy.where)
    drawn = ", ".join(f"{roles.count(role)} {role}" for role in ("train", "validation", "calibration"))
    notes.append(f"The official train split was drawn apart by a hash of each file's bytes (seed {seed}): {drawn}.")
    kept_names = tuple(attribute_names[column] for column in columns)
    spec = DataSpec(
        tuple(classes[:count]),
        preprocessing.channels,
        preprocessing.height,
        preprocessing.width,
        kept_names,
        tuple(map(tuple, matrix[:count].tolist())) if kept_names else (),
        at_most_one=exclusive_groups(kept_names, lambda group: _question(kept_names[group[0]]) in SINGLE_CHOICE),
        groups=attribute_groups(kept_names),
    )
    strange = everything.select(np.flatnonzero((place >= count) & ~trained).tolist()) if out else None
    return Source(spec, by_role(files, roles), preprocessing, seed, tuple(notes), strange)


@dataclass(frozen=True)
class _Copy:
    """A copy of the set: a folder, or a zip archive with what its names begin with and the names it has."""

    root: Path
    prefix: str = ""
    members: frozenset[str] | None = None

    @property
    def where(self) -> str:
        return shown(self.root)

    def file(self, name: str) -> FileSource:
        if self.members is None:
            return self.root / name
        return Member(self.root, posixpath.normpath(self.prefix + name))

    def has(self, name: str) -> bool:
        source = self.file(name)
        if self.members is None or isinstance(source, Path):
            return os.path.isfile(self.root / name)
        return source.name in self.members

    def names(self, name: str) -> dict[int, str]:
        """The names in a file, by their numbers, in the order of these."""
        try:
            lines = [line.split(maxsplit=1) for line in self._read(name).decode().splitlines() if line.strip()]
            return dict(sorted((int(number), text.strip()) for number, text in lines))
        except ValueError as error:
            raise DataError(f"{shown(self.file(name))}: each line holds a number and a name ({error}).") from error

    def numbers(self, name: str, columns: int | None = None) -> Numbers:
        """The first columns of a file of numbers, or all of them: (rows, columns)."""
        wanted = None if columns is None else range(columns)
        try:
            return np.loadtxt(BytesIO(self._read(name)), usecols=wanted, ndmin=2)
        except ValueError as error:
            reason = str(error).split(";")[0].strip(".")
            raise DataError(f"{shown(self.file(name))}: this is no table of numbers ({reason}).") from error

    def table(self, name: str, ids: NDArray[np.int64], *, items: int = 0, width: int = 1) -> Numbers:
        """What a file says of images: (n, width), or of their numbered items: (n, items, width)."""
        where, keys = shown(self.file(name)), 2 if items else 1
        rows = self.numbers(name, keys + width)
        rows = rows[np.isin(rows[:, 0], ids)]
        order = np.argsort(ids)
        image = order[np.searchsorted(ids, rows[:, 0], sorter=order)]
        item = rows[:, keys - 1].astype(int) - 1 if items else np.zeros(len(rows), int)
        if (bad := (item < 0) | (item >= max(items, 1))).any():
            raise DataError(f"{where}: numbers from 1 to {items} are needed in column 2; got {item[bad][0] + 1}.")
        result = np.full((len(ids), max(items, 1), width), np.nan)
        result[image, item] = rows[:, keys:]
        if len(missing := np.argwhere(np.isnan(result))):
            which = f", number {missing[0][1] + 1} of {items}" if items else ""
            raise DataError(f"{where}: there is no number for image {ids[missing[0][0]]}{which}; take a whole copy.")
        return result if items else result[:, 0]

    def _read(self, name: str) -> bytes:
        if not self.has(name):
            raise DataError(f"{self.where}: {name} is missing; CUB-200-2011 in its own layout has it.")
        if not (content := read_bytes(self.file(name))).strip():
            raise DataError(f"{shown(self.file(name))}: the file is empty; take a whole copy.")
        return content


def _open(path: Path) -> _Copy:
    if os.path.isdir(path):
        for root in (path, path / _FOLDER):
            if os.path.isfile(root / "images.txt"):
                return _Copy(root)
        packed = [found for file in sorted(path.glob("*.zip")) if zipfile.is_zipfile(file) and (found := _packed(file))]
        if len(packed) == 1:
            return packed[0]
        if packed:
            raise DataError(f"{shown(path)}: it holds {len(packed)} zips of CUB-200-2011; give the path of one.")
        path = next((file for file in sorted(path.iterdir()) if file.name.endswith(_TARS)), path)
    if path.name.endswith(_TARS):
        raise DataError(f"{shown(path)}: images are not read from this archive; unpack it and give the folder.")
    if zipfile.is_zipfile(path) and (copy := _packed(path)):
        return copy
    what = "this is no CUB-200-2011" if os.path.exists(path) else "there is no such file or folder"
    raise DataError(
        f"{shown(path)}: {what}; give the folder {_FOLDER} with its images.txt, one that holds it, or a zip of it."
    )


def _packed(path: Path) -> _Copy | None:
    """The copy in a zip, at the place nearest the top; None where there is none."""
    with zipfile.ZipFile(path) as archive:
        members = frozenset(archive.namelist())
    tops = [name.removesuffix("images.txt") for name in members if posixpath.basename(name) == "images.txt"]
    return _Copy(path, min(tops, key=len), members) if tops else None


def _counts(species: int, trained: NDArray[np.bool_]) -> str:
    """A note on how much of the set is there."""
    found = {"images": len(trained), "train": int(trained.sum()), "test": int((~trained).sum())}
    counts = ", ".join(f"{number:,} {name}" for name, number in found.items())
    if species < SPECIES:
        return f"The copy has {species} of {SPECIES} species: {counts}."
    whole = ", ".join(f"{number:,} {name}" for name, number in COUNTS.items())
    return (
        f"The copy has all {SPECIES} species: {counts}{'' if found == COUNTS else f', where the full set has {whole}'}."
    )


def _species(name: str, listed: Mapping[int, str], where: str) -> int:
    """The number of a species that is called by its number or its name."""
    for number, full in listed.items():
        if name in (full, _readable(full)) or (name.isdecimal() and int(name) == number):
            return number
    known = [*map(_readable, listed.values()), *listed.values()]
    raise DataError(
        f"{where}: it has no images of a species {name!r}.{near_miss(name, known)} Give numbers such as "
        f"'{next(iter(listed)):03}', or names such as {known[0]!r}."
    )


def _readable(name: str) -> str:
    return name.split(".", 1)[-1].replace("_", " ")


def _question(attribute: str) -> str:
    return attribute.split("::")[0]


def _class_attributes(copy: _Copy, species: Sequence[int]) -> tuple[tuple[str, ...], Numbers, Numbers]:
    """Names of the attributes; P(attribute | species), a row for each of these, soft and hard."""
    listed = "attributes/attributes.txt"  # in the official archive it lies beside the folder
    names = tuple(copy.names(listed if copy.has(listed) else "../attributes.txt").values())
    where = shown(copy.file(_CLASS_TABLE))
    soft = copy.numbers(_CLASS_TABLE) / 100
    if soft.shape != (SPECIES, len(names)):
        raise DataError(
            f"{where}: {SPECIES} rows, one for each species, of {len(names)} attributes are needed; got "
            f"{soft.shape[0]} of {soft.shape[1]}."
        )
    if not (soft.min() >= 0 and 0.01 < soft.max() <= 1):  # refuses NaN too
        raise DataError(f"{where}: percentages are needed, 0 to 100; got {soft.min() * 100:g} to {soft.max() * 100:g}.")
    if not 1 <= min(species) <= max(species) <= SPECIES:
        raise DataError(f"{copy.where}: species are numbered from 1 to {SPECIES}; got {max(species)}.")
    soft = soft[np.array(species) - 1]
    hard = soft >= 0.5
    for group in attribute_groups(names):
        if _question(names[group[0]]) in SINGLE_CHOICE:
            hard[:, group] &= soft[:, group].argmax(1)[:, None] == np.arange(len(group))
    return names, soft, hard.astype(float)


def _files(
    copy: _Copy,
    names: Sequence[str],
    ids: NDArray[np.int64],
    labels: NDArray[np.int64],
    attributes: Numbers,
    preprocessing: Preprocessing,
) -> Files:
    """These images with their boxes and parts."""
    if absent := [name for name in names if not copy.has(f"images/{name}")]:
        raise DataError(
            f"{copy.where}: images/{shown(absent[0])} is missing, the first of {len(absent)} that images.txt lists; "
            f"take a whole copy, or name the species that are there in `species`."
        )
    boxes = copy.table("bounding_boxes.txt", ids, width=4)
    boxes[:, 2:] += boxes[:, :2]  # from width and height
    parts = copy.names("parts/parts.txt")
    return Files(
        [copy.file(f"images/{name}") for name in names],
        preprocessing,
        torch.from_numpy(labels),
        torch.from_numpy(attributes),
        boxes=torch.from_numpy(boxes).float(),
        parts=torch.from_numpy(copy.table("parts/part_locs.txt", ids, items=len(parts), width=3)).float(),
        part_names=tuple(parts.values()),
    )


def _roles(files: Files, trained: NDArray[np.bool_], shares: Mapping[Role, float], seed: int) -> list[Role]:
    """The role of each file: test, or drawn from train, each class giving its share and twins staying together."""
    roles: list[Role] = ["train" if own else "test" for own in trained]
    indices = np.flatnonzero(trained).tolist()
    hashes = files.select(indices).content_hashes()
    keys = [blake2b(digest + str(seed).encode(), digest_size=8).digest() for digest in hashes]
    labels = files.labels[indices].tolist()
    for label in set(labels):
        waiting = sorted({key for key, own in zip(keys, labels, strict=True) if own == label})
        total, drawn = len(waiting), dict[bytes, Role]()
        for role, share in shares.items():
            take = min(round(share * total), len(waiting) - 1)  # one stays in train
            drawn |= dict.fromkeys(waiting[:take], role)
            waiting = waiting[take:]
        for index, key, own in zip(indices, keys, labels, strict=True):
            if own == label:
                roles[index] = drawn.get(key, "train")
    return roles
