"""Masks: do a model's masks lie on the object?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from antehoc.blocks import Block, Cell, Note, Overlay, Picture, Strong, Table
from antehoc.data import Source
from antehoc.data.examples import Examples
from antehoc.errors import DataError
from antehoc.evaluation import outputs
from antehoc.figure import Better, Figure, number, percent
from antehoc.metrics import MEASURES, mean_interval, placement
from antehoc.model import Model
from antehoc.studies.base import Finding

MEANING = (
    "The box and the mask of ones do not depend on the image: a mask that does not beat both has found no object. A "
    "mask that beats both lies on the object, but need not have its shape, and nothing here says that the classifier "
    "used all that it was shown. A mask beside the object need not be wrong: the classifier may look elsewhere."
)
GROUP = "Explanations"
_HALF = 0.5  # a threshold that no data chose
_STRIP = 6  # images that are shown


class _Meaning(NamedTuple):
    says: str
    better: Better | None = None
    headline: bool = False


_FIGURES: Mapping[str, _Meaning] = {
    "object_share": _Meaning("share of the image that the object covers"),
    "mask_area": _Meaning("mean of the mask over the image", headline=True),
    "mask_area_absent": _Meaning("mean of the mask where no object is", headline=True),
    "pointing": _Meaning("masks whose highest value lies on the object", "higher", True),
    "energy": _Meaning("share of the mask that lies on the object", "higher", True),
    "iou": _Meaning("overlap of mask and object, at the threshold that is best on other images", "higher", True),
    "iou_half": _Meaning("overlap of mask and object, at the threshold 0.5", "higher"),
    "f1": _Meaning("F1 of mask and object, at the threshold that is best on other images", "higher"),
    "coverage": _Meaning("share of the object that the mask shows, at that threshold", "higher"),
    "pompom": _Meaning("share of what is not the object that the mask shows at all", "lower", True),
    "threshold": _Meaning("that threshold, as a share of each mask's largest value"),
    "pointing_band": _Meaning("masks whose highest value lies on a band of 3 pixels along the object's edge", "higher"),
    "energy_band": _Meaning("share of the mask that lies on that band", "higher"),
    "band_share": _Meaning("share of the image that the band covers"),
    "box_iou": _Meaning("for comparison: overlap of the object and a centered box of its mean size"),
    "box_energy": _Meaning("for comparison: share of that box that lies on the object"),
    "box_pompom": _Meaning("for comparison: share of what is not the object that the box covers"),
}


class Strip(NamedTuple):
    """A few images, what the model's masks show of them and where their objects are, for a picture."""

    image: Tensor  #: (n, C, H, W) in 0..1
    mask: Tensor  #: (n, 1, H, W) in 0..1
    inside: Tensor  #: (n, 1, H, W) bool


@dataclass(frozen=True)
class Placed(Finding):
    """Means over the test images that hold an object, of masks against the object's own, shares in 0..1."""

    images: int
    object_share: float  #: of the image that the object covers: what a mask of ones has as its energy
    mask_area: float  #: mean of the mask
    mask_area_absent: float | None  #: the same on images of the class for "nothing is there"
    pointing: float
    energy: float
    iou: float  #: at the threshold below
    iou_half: float  #: at 0.5
    f1: float
    coverage: float
    pompom: float
    threshold: float  #: best on validation images, of maps divided by their largest value
    pointing_band: float  #: the same against a band around the object's outline
    energy_band: float
    band_share: float
    box_iou: float  #: of a centered box as large as the mean object: what a mask that ignores the image reaches
    box_energy: float
    box_pompom: float
    spread: Mapping[str, tuple[float, float]]  #: 95 % bootstrap intervals over the images, by figure
    strip: Strip = field(repr=False, compare=False)  #: the first test images that hold an object

    title: ClassVar[str] = "Do the masks find the object?"

    def figures(self) -> list[Figure]:
        return [
            Figure(name, getattr(self, name), own.says, GROUP, own.better, self.spread.get(name), headline=own.headline)
            for name, own in _FIGURES.items()
        ]

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON without the strip's images, and without intervals, which a run keeps by itself."""
        return {"images": self.images, **{figure.name: figure.value for figure in self.figures()}}

    def blocks(self) -> list[Block]:
        said = (
            f"On {self.images:,} test images the object covers {percent(self.object_share)} of the image on average,"
            f" and the mask shows {percent(self.mask_area)}"
        )
        if self.mask_area_absent is not None:
            said += f"; where no object is, it shows {percent(self.mask_area_absent)}"
        reading = (
            "Pointing: the highest value lies on the object; of equal ones, the share that does. Energy: share of the"
            " mask on the object. IoU: overlap of the object and what is shown above a threshold, the one that is best"
            f" on validation images ({number(self.threshold, 'probability')} of each mask's largest value) and 0.5."
            " POMPOM: share of what is not the object that is shown at all; a mask that shows less has a better one, so"
            " read it beside energy. Bold: better than both controls."
        )
        strip = f"The first {len(self.strip.image)} test images that hold an object; green: the object's outline."
        return [
            Note(f"{said}."),
            self._beside_controls(),
            Note(reading, "aside"),
            Note(MEANING, "aside"),
            self._edge(),
            Note(strip, "aside"),
            _pictures(self.strip),
        ]

    def _beside_controls(self) -> Table:
        """Masks and controls. A flat map points at random, so that its pointing is its energy."""
        ones, box = self.object_share, self.box_energy
        measures = ("pointing", "energy", "iou", "iou", "pompom")
        own = (self.pointing, self.energy, self.iou, self.iou_half, self.pompom)
        controls = {
            "a centered box of the object's mean size": (box, box, self.box_iou, self.box_iou, self.box_pompom),
            "a mask of ones": (ones, ones, ones, ones, 1.0),
        }
        cells: list[Cell] = []
        for name, mine, *others in zip(measures, own, *controls.values(), strict=True):
            higher = MEASURES[name].direction == "higher"
            better = all(mine > other if higher else mine < other for other in others)
            cells.append(Strong(number(mine)) if better else number(mine))
        head = ("", "pointing ↑", "energy ↑", "IoU ↑", "IoU at 0.5 ↑", "POMPOM ↓")
        rows = tuple((name, *map(number, values)) for name, values in controls.items())
        return Table(head, (("the model's mask", *cells), *rows))

    def _edge(self) -> Table:
        return Table(
            ("the mask compared with", "pointing ↑", "energy ↑", "its share of the image"),
            (
                ("the object", number(self.pointing), number(self.energy), number(self.object_share)),
                ("a band of 3 pixels along its edge", number(self.pointing_band), number(self.energy_band),
                 number(self.band_share)),
            ),
            "Does it follow the object's area, or its outline?",
        )  # fmt: skip


def _pictures(strip: Strip) -> Table:
    """Each image above its mask."""
    columns = range(len(strip.image))
    images: list[Cell] = [Picture.of(strip.image[n], f"test image {n + 1}", size="small") for n in columns]
    masks: list[Cell] = []
    for n in columns:
        inside = strip.inside[n, 0]
        shown = percent(float(strip.mask[n, 0][inside].mean()))
        alt = f"mask over test image {n + 1}: {shown} of the object shown"
        masks.append(
            Overlay(strip.mask[n, 0], alt, strip.image[n], inside, low="0: hidden", high="1: shown", size="small")
        )
    return Table(("", *(f"{n + 1}" for n in columns)), (("test image", *images), ("its mask", *masks)), kind="pictures")


def run(model: Model, source: Source, *, seed: int) -> Placed:
    """`placed` on the test images of a data set, with the threshold that is best on its validation images.

    Args:
        model: one that explains by masks.
        source: with object masks.
        seed: of the bootstrap draws of the images.
    Raises:
        DataError: where the data have no object masks, or the model draws none.
    """
    return placed(model, source.roles["validation"], source.roles["test"], seed=seed)


@torch.no_grad()
def placed(model: Model, validation: Examples, test: Examples, *, seed: int = 0) -> Placed:
    """Where a model's masks lie on test images whose object is known.

    Args:
        model: one that explains by masks.
        validation: images that choose the threshold, with object masks.
        test: images that chose nothing, with object masks.
        seed: of the bootstrap draws of the images.
    Raises:
        DataError: where the data have no object masks, or the model draws none.
    """
    chosen, inside, there = _masks(model, validation)
    threshold = placement.best_threshold(placement.max_scaled(chosen[there]), inside[there])
    every, inside, there = _masks(model, test)
    maps, inside, empty = every[there], inside[there], every[~there]
    first = there.nonzero()[:_STRIP, 0].tolist()
    band, box = placement.outline(inside), _centered(inside)
    spread = {
        name: mean_interval(own, generator=torch.Generator().manual_seed(seed))
        for name, own in _each(maps, inside, band, threshold).items()
    }
    return Placed(
        images=len(maps),
        object_share=_mean(inside.double()),
        mask_area_absent=_mean(empty) if len(empty) else None,
        threshold=threshold,
        band_share=_mean(band.double()),
        box_iou=_mean(placement.iou(box, inside, _HALF)),
        box_energy=_mean(placement.energy(box, inside)),
        box_pompom=_mean(placement.pompom(box, inside)),
        spread={name: (own.low, own.high) for name, own in spread.items() if own.low == own.low},
        strip=Strip(test.images(first), maps[:_STRIP], inside[:_STRIP]),
        **{name: own.estimate for name, own in spread.items()},
    )


def _each(maps: Tensor, inside: Tensor, band: Tensor, threshold: float) -> dict[str, Tensor]:
    """Every figure that is a mean over the images, (n,) by name."""
    scaled = placement.max_scaled(maps)
    return {
        "mask_area": maps.flatten(1).mean(1),
        "pointing": placement.pointing_game(maps, inside),
        "energy": placement.energy(maps, inside),
        "iou": placement.iou(scaled, inside, threshold),
        "iou_half": placement.iou(maps, inside, _HALF),
        "f1": placement.f1(scaled, inside, threshold),
        "coverage": placement.coverage(scaled, inside, threshold),
        "pompom": placement.pompom(maps, inside),
        "pointing_band": placement.pointing_game(maps, band),
        "energy_band": placement.energy(maps, band),
    }


def _mean(values: Tensor) -> float:
    return float(values.double().nanmean())


def _masks(model: Model, examples: Examples) -> tuple[Tensor, Tensor, Tensor]:
    """Masks (n, 1, H, W), object masks (n, 1, H, W) as bool, and whether an image holds an object (n,)."""
    found: list[Tensor] = []
    inside: list[Tensor] = []
    for output in outputs(model.system, examples):
        mask = getattr(output, "mask", None)
        first = sum(len(part) for part in found)
        objects = examples.object_masks(range(first, first + len(output.logits)))
        if not isinstance(mask, Tensor) or objects is None:
            raise DataError("studies: `masks` needs a system that draws masks, and data with object masks.")
        found.append(mask.cpu())
        inside.append(objects >= _HALF)
    objects = torch.cat(inside)
    return torch.cat(found), objects, objects.flatten(1).any(1)


def _centered(inside: Tensor) -> Tensor:
    """A box in the middle of each image, as large as the mean object."""
    height, width = inside.shape[2:]
    part = float(inside.float().mean()) ** 0.5
    box = torch.zeros(inside.shape)
    rows, columns = (max(1, round(part * side)) for side in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    box[:, :, top : top + rows, left : left + columns] = 1
    return box
