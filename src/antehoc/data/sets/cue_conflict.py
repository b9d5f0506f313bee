"""Cue-conflict stimuli: images with the shape of one class and the texture of another, 16 classes each.

Files are called `<shape><k>-<texture><m>`, as in `cat3-elephant2.png`: instance 3 of the cats gave the shape, instance
2 of the elephants the texture.

Source: Geirhos, Rubisch, Michaelis, Bethge, Wichmann and Brendel, "ImageNet-trained CNNs are biased towards texture;
increasing shape bias improves accuracy and robustness", ICLR 2019; the stimuli are those of its public repository.
"""

import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from antehoc.data.archives import FileSource, named_images
from antehoc.data.examples import Files
from antehoc.data.preprocessing import Fit, Preprocessing, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import by_role, check_held_out
from antehoc.errors import DataError, shown
from antehoc.types import ROLES, DataSpec, Role

CLASSES = (
    *("airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat"),
    *("chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck"),
)
Cue = Literal["shape", "texture"]

_NAME = re.compile(r"(?:^|/)(?P<shape>[a-z]+)(\d+)-(?P<texture>[a-z]+)(\d+)\.\w+$")


class Stimuli(Files):
    """Cue-conflict stimuli; what gave each one its shape and its texture stands in its file's name.

    Attributes:
        whole_set: the files of all stimuli, those of other roles among them, in the order of their names.
    """

    def __init__(self, paths: Sequence[FileSource], preprocessing: Preprocessing, label: Cue) -> None:
        super().__init__(paths, preprocessing, _classes(paths, label))
        self.whole_set = self.paths

    def everything(self, *, size: int | Sequence[int], fit: Fit = "stretch", label: Cue = "shape") -> "Stimuli":
        """All stimuli, not only the selected ones, at a size in pixels; see `stimuli`."""
        return Stimuli(self.whole_set, preprocess(size, 3, fit, 1.0), label)

    @property
    def shapes(self) -> Tensor:
        """(n,) the class that gave the shape, a number into `CLASSES`."""
        return _classes(self.paths, "shape")

    @property
    def textures(self) -> Tensor:
        """(n,) the class that gave the texture, a number into `CLASSES`."""
        return _classes(self.paths, "texture")

    def instances(self, cue: Cue) -> list[str]:
        """What gave each stimulus this cue, such as `cat3`."""
        return _cues(self.paths, cue)


def stimuli(
    path: str | Path, *, size: int | Sequence[int] = 224, fit: Fit = "stretch", label: Cue = "shape"
) -> Stimuli:
    """All stimuli of a folder or a zip, in the order of their names; those whose cues agree are among them.

    Args:
        path: a folder that holds them at any depth, a zip archive, or a folder with the stimuli's zip in it.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        label: which cue the labels say.
    Raises:
        DataError: if there is none, or a file is not called as the stimuli are.
    """
    return _open(Path(path), preprocess(size, 3, fit, 1.0), label)


def cue_conflict(
    path: str | Path,
    *,
    size: int | Sequence[int] = 224,
    fit: Fit = "stretch",
    label: Cue = "shape",
    folds: int = 3,
    fold: int = 0,
    validation: float = 0.15,
    calibration: float = 0.15,
    agreeing: bool = False,
    seed: int = 0,
) -> Source:
    """Cue-conflict stimuli, to train on: no test image shares what gave it shape or texture with any other role.

    Shape instances and texture instances are cut into `folds` parts each, class by class. A test role is one part of
    both; what belongs to the test role by one cue alone is left out. Folds 0 to `folds` - 1 test every instance once,
    and all `folds` x `folds` of them every image once. Validation and calibration have shape instances of their own,
    class by class, but share textures with train: there are three of these a class.

    Args:
        path: a folder that holds the stimuli at any depth, a zip archive, or a folder with the stimuli's zip in it.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        label: which cue the labels say; the images' `shapes` and `textures` say both.
        folds: parts of the instances of a class, 2 or more.
        fold: which parts are tested, 0 to `folds`² - 1.
        validation: share of the shape instances that are not tested, of each class; 0 for none.
        calibration: share of the shape instances that are not tested, of each class; 0 for none.
        agreeing: keep images whose shape and texture are of one class also outside train. They are no cue conflict.
        seed: another seed draws other parts.
    Returns:
        The data set; its images are `Stimuli`. Its notes count what each role got and what was left out.
    Raises:
        DataError: where there are no stimuli, or a class has too few instances.
    """
    if folds < 2 or not 0 <= fold < folds**2:
        raise DataError(f"cue-conflict: folds is 2 or more and fold 0 to folds² - 1; got {folds} and {fold}.")
    check_held_out("cue-conflict", validation, calibration)
    files = stimuli(path, size=size, fit=fit, label=label)
    drawn = _Draw(folds, fold, {"validation": validation, "calibration": calibration}, seed, shown(path))
    roles, mixed = drawn.roles(files, agreeing)
    kept = [index for index, role in enumerate(roles) if role]
    parts = by_role(files.select(kept), [role for role in roles if role])
    counts = ", ".join(f"{len(parts[role])} {role}" for role in ROLES)
    shape, texture = (len(set(files.instances(cue))) for cue in ("shape", "texture"))
    notes = (
        f"Fold {fold} of {folds}² over {shape} shape and {texture} texture instances (seed {seed}): {counts}. Test "
        f"shares no instance with another role; train, validation and calibration share textures.",
        f"Left out: {mixed} images with the shape or the texture of a test image, {len(files) - len(kept) - mixed} "
        f"outside train whose shape and texture are of one class.",
    )
    frame = files.preprocessing
    return Source(DataSpec(CLASSES, 3, frame.height, frame.width), parts, frame, seed, notes)


@dataclass(frozen=True)
class _Draw:
    """How the roles are drawn; see `cue_conflict`."""

    folds: int
    fold: int
    shares: Mapping[Role, float]
    seed: int
    where: str  # what a message puts in front

    def roles(self, files: Stimuli, agreeing: bool) -> tuple[list[Role | None], int]:
        """The role of each stimulus, None for what is left out, and how many share one cue alone with a test image."""
        shape, texture = files.instances("shape"), files.instances("texture")
        tested = self.tested(shape, self.fold % self.folds)
        textures = self.tested(texture, (self.fold + self.fold // self.folds) % self.folds)
        held_out = [(own in tested, other in textures) for own, other in zip(shape, texture, strict=True)]
        drawn = self.held(set(shape) - tested)
        found: list[Role | None] = []
        for own, held, agrees in zip(shape, held_out, (files.shapes == files.textures).tolist(), strict=True):
            role = "test" if all(held) else None if any(held) else drawn.get(own, "train")
            found.append(None if agrees and role != "train" and not agreeing else role)
        return found, sum(any(held) and not all(held) for held in held_out)

    def tested(self, instances: Iterable[str], part: int) -> set[str]:
        """One part of the instances of each class."""
        groups = _by_class(instances, self.seed)
        if short := [name for name in sorted(groups) if len(groups[name]) < self.folds]:
            raise DataError(
                f"{self.where}: {self.folds} folds need as many instances of a class; {short[0]!r} has "
                f"{len(groups[short[0]])}."
            )
        return {name for group in groups.values() for name in group[part :: self.folds]}

    def held(self, pool: Iterable[str]) -> dict[str, Role]:
        """The role of each shape instance that is neither tested nor trained on; a share above 0 gets one or more."""
        drawn: dict[str, Role] = {}
        for name, group in _by_class(pool, self.seed).items():
            first = 0
            for role, share in self.shares.items():
                take = max(1, round(share * len(group))) if share else 0
                drawn |= dict.fromkeys(group[first : first + take], role)
                first += take
            if first >= len(group):
                raise DataError(
                    f"{self.where}: {len(group)} shape instances of {name!r} leave none to train on; give more."
                )
        return drawn


def _open(path: Path, preprocessing: Preprocessing, label: Cue) -> Stimuli:
    packed = [archive for archive in sorted(path.glob("*.zip")) if _packs(archive)] if os.path.isdir(path) else []
    path = packed[0] if len(packed) == 1 else path
    return Stimuli(tuple(named_images(path).values()), preprocessing, label)


def _packs(path: Path) -> bool:
    """Whether there are stimuli in a zip archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(map(_NAME.search, archive.namelist()))
    except (OSError, zipfile.BadZipFile):
        return False


def _instances(path: FileSource) -> tuple[str, str]:
    """What gave a stimulus its shape and its texture."""
    name = path.as_posix() if isinstance(path, Path) else path.name
    found = _NAME.search(name)
    if not found or found["shape"] not in CLASSES or found["texture"] not in CLASSES:
        raise DataError(
            f"{shown(path)}: a cue-conflict stimulus is called <shape><number>-<texture><number>, such as "
            f"cat3-elephant2.png, of the classes {', '.join(CLASSES)}."
        )
    return found["shape"] + found[2], found["texture"] + found[4]


def _cues(paths: Iterable[FileSource], cue: Cue) -> list[str]:
    """What gave each stimulus this cue, such as `cat3`."""
    return [_instances(path)[0 if cue == "shape" else 1] for path in paths]


def _classes(paths: Iterable[FileSource], cue: Cue) -> Tensor:
    """(n,) the class that gave each stimulus this cue, a number into `CLASSES`."""
    names = [name.rstrip("0123456789") for name in _cues(paths, cue)]
    return torch.tensor([CLASSES.index(name) for name in names], dtype=torch.int64)


def _by_class(instances: Iterable[str], seed: int) -> dict[str, list[str]]:
    """The different instances of each class, in an order that the seed draws."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(instances), key=lambda name: blake2b(f"{seed} {name}".encode()).digest()):
        groups.setdefault(name.rstrip("0123456789"), []).append(name)
    return groups
