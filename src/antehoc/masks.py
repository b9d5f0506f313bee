"""How good a model's masks are: where they lie, against post-hoc methods on the same classifier, and what they cost."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antehoc.comparison import OWN, Comparison, Row, compare
from antehoc.data.examples import Examples
from antehoc.errors import DataError
from antehoc.evaluation import outputs
from antehoc.metrics import placement
from antehoc.metrics.explanations import mean_interval
from antehoc.model import Model
from antehoc.posthoc import METHODS
from antehoc.studies import Finding
from antehoc.systems.joint import Joint
from antehoc.systems.joint.settings import ExplainerSettings, GatingSettings
from antehoc.types import DataSpec

_HALF = 0.5  # the threshold that nobody chose
_BAND = 3  # pixels: how wide the band around an outline is
_MEASURES = ("pointing", "energy", "iou", "pompom", "aopc_coarse_blur", "aopc_fine_gray")
_STRIP = 6  # images that are shown
_CHUNK = 64  # images that the classifier sees at once: small ones go faster so

MEANINGS: Mapping[str, str] = {
    "masks": "The box and the mask of ones look at no image: a mask that does not beat both has found no object. One "
    "that does lies on the object, but need not have its shape, and nothing here says that the classifier used all "
    "that it was shown. A mask beside the object need not be wrong: then the classifier may look elsewhere.",
    "compare": "By each measure the post-hoc method that is best on these very images stands beside the mask. Nobody "
    "could have named it beforehand, so it is favoured. Intervals that overlap settle nothing, as both rows are of the "
    "same images: how often the order holds in other draws of them stands under the ranks. The classifier learned to "
    "see images through masks; of another classifier, methods and masks may rank otherwise.",
    "cost": "Timed where this run was made, in rounds that go through all four in turn, so that the ratios "
    "travel farther than the milliseconds. The networks are untrained and not this model's own, and the looks that "
    "the doubts take again are left out: it is the price of a mask for each decision, not of a verdict.",
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
    mask_area_absent: float | None  #: the same on images of the class for nothing there
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
    box_iou: float  #: of a centred box as large as the mean object: what a mask that looks at nothing reaches
    box_energy: float
    box_pompom: float
    spread: Mapping[str, tuple[float, float]]  #: 95 % bootstrap intervals over the images, by figure
    strip: Strip = field(
        repr=False, compare=False
    )  #: the first test images that hold an object, chosen by nothing else

    def figures(self) -> dict[str, float | None]:
        """All but what is a count."""
        return {name: value for name, value in vars(self).items() if name not in ("images", "spread", "strip")}

    def intervals(self) -> dict[str, tuple[float, float]]:
        return dict(self.spread)

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON; the strip's images stay out, and the intervals, which a run keeps by itself."""
        return {"images": self.images, **self.figures()}

    def summary(self) -> str:
        """A few lines for a report."""
        return (
            f"{self.images} test images with an object, which covers {self.object_share:.3f} of the image.\n"
            f"Masks: mean {self.mask_area:.3f}, highest value on the object {self.pointing:.3f}, share of the mask on "
            f"it {self.energy:.3f}, overlap {self.iou:.3f} (at 0.5: {self.iou_half:.3f}).\n"
            f"A centred box of the object's mean size: overlap {self.box_iou:.3f}, share on the object "
            f"{self.box_energy:.3f}."
        )


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
    scaled, band = placement.max_scaled(maps), outline(inside)
    box = _centred(inside)

    each = {
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
    spread = {name: mean_interval(own, generator=torch.Generator().manual_seed(seed)) for name, own in each.items()}

    def mean(values: Tensor) -> float:
        return float(values.double().nanmean())

    return Placed(
        images=len(maps),
        object_share=mean(inside.double()),
        mask_area_absent=mean(empty) if len(empty) else None,
        threshold=threshold,
        band_share=mean(band.double()),
        box_iou=mean(placement.iou(box, inside, _HALF)),
        box_energy=mean(placement.energy(box, inside)),
        box_pompom=mean(placement.pompom(box, inside)),
        spread={name: (own.low, own.high) for name, own in spread.items() if not math.isnan(own.low)},
        strip=Strip(test.images(first), maps[:_STRIP], inside[:_STRIP]),
        **{name: own.estimate for name, own in spread.items()},
    )


def outline(inside: Tensor) -> Tensor:
    """A band of 3 pixels along the edge of masks (B, 1, H, W), as bool."""
    value = inside.float()
    grown = F.max_pool2d(value, _BAND, 1, _BAND // 2)
    shrunk = 1 - F.max_pool2d(1 - value, _BAND, 1, _BAND // 2)
    return (grown - shrunk) > 0


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


def _centred(inside: Tensor) -> Tensor:
    """A box in the middle of each image, as large as the mean object."""
    height, width = inside.shape[2:]
    part = float(inside.float().mean()) ** 0.5
    box = torch.zeros(inside.shape)
    rows, columns = (max(1, round(part * side)) for side in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    box[:, :, top : top + rows, left : left + columns] = 1
    return box


@dataclass(frozen=True)
class AgainstPosthoc(Finding):
    """The model's own mask beside the best post-hoc method by each measure."""

    comparison: Comparison = field(repr=False)  #: of the own mask, all methods and the controls

    @property
    def _own(self) -> Row:
        return next(row for row in self.comparison.rows if row.name == OWN)

    @property
    def _best(self) -> dict[str, Row | None]:
        return {name: self.comparison.best(name) for name in _MEASURES}

    @property
    def own(self) -> dict[str, float | None]:
        """The own mask's means over the images, by measure."""
        return {name: _value(self._own.values[name].estimate) for name in _MEASURES}

    @property
    def best(self) -> dict[str, float | None]:
        """The same of the post-hoc method that is best by that measure; None where none has an answer."""
        return {name: _value(row.values[name].estimate) if row else None for name, row in self._best.items()}

    @property
    def best_name(self) -> dict[str, str]:
        """Its name, by measure."""
        return {name: row.name for name, row in self._best.items() if row}

    def figures(self) -> dict[str, float | None]:
        """AOPC of both, and the best method's placement under names that begin with `posthoc_`."""
        own = {name: value for name, value in self.own.items() if name.startswith("aopc")}
        return {**own, **{f"posthoc_{name}": value for name, value in self.best.items()}}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Of the same figures; the best method is chosen on these very images, which its interval does not hold."""
        own = {name: self._own.values[name] for name in _MEASURES if name.startswith("aopc")}
        best = {f"posthoc_{name}": row.values[name] for name, row in self._best.items() if row}
        return {name: (one.low, one.high) for name, one in (own | best).items() if not math.isnan(one.low)}

    def summary(self) -> str:
        """A few lines for a report."""
        return "\n".join(
            f"{name}: own mask {_words(self.own[name])}, best post-hoc method {_words(self.best[name])} "
            f"({self.best_name.get(name, 'none')})"
            for name in _MEASURES
        )

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, the whole table under `table`; the sheet's images stay out."""
        table = self.comparison.to_plain()
        return {"own": self.own, "best": self.best, "best_name": self.best_name, "table": table}


def against_posthoc(
    model: Model, test: Examples, *, count: int, seed: int, methods: Sequence[str] = tuple(METHODS)
) -> AgainstPosthoc:
    """Compare a model's masks with post-hoc methods on its own classifier, on images that hold an object.

    Args:
        model: one that explains by masks.
        test: images that chose nothing, with object masks.
        count: of the images.
        seed: of the draw and of the methods.
        methods: names in `antehoc.posthoc.METHODS`.
    """
    objects = test.object_masks(range(len(test)))
    if objects is None:
        raise DataError("studies: `compare` needs data with object masks.")
    positive = (objects > _HALF).flatten(1).any(1).nonzero()[:, 0].tolist()
    shown = test.select(positive)
    return AgainstPosthoc(compare(model, shown, methods=methods, count=count, chunk=_CHUNK, seed=seed))


@dataclass(frozen=True)
class Costs(Finding):
    """Seconds of a pass over a batch, each the median of paired rounds, as ratios to the bare classifier's."""

    seconds_bare: float
    cost_ratio_paper: float
    cost_ratio_half: float
    cost_ratio_light: float
    images: int
    rounds: int

    def figures(self) -> dict[str, float | None]:
        """The ratios."""
        return {name: value for name, value in vars(self).items() if name.startswith("cost")}

    def summary(self) -> str:
        """A few lines for a report."""
        return (
            f"ResNet-18 at 224 pixels decides on {self.images} images in {1000 * self.seconds_bare:.0f} ms. With the "
            f"paper's explainer a decision costs {self.cost_ratio_paper:.2f} times as much, with the same at half size "
            f"{self.cost_ratio_half:.2f}, with half of its filters and its gate on the image "
            f"{self.cost_ratio_light:.2f}."
        )


@torch.no_grad()
def costs(*, seed: int = 0, images: int = 4, rounds: int = 9) -> Costs:
    """Decide and explain over decide alone: ResNet-18 at 224 pixels, in eval mode, without the looks of the doubts.

    `paper`: the paper's explainer and gates. `half`: the same explainer on the image at half its size. `light`: half
    of its filters as well, and one hard gate on the image, as recipe `triangles` has it. Rounds go through all four in
    turn, so that a busy machine is equally busy for each.
    """
    spec = DataSpec(("no", "yes"), 3, 224, 224)
    wide = (32, 64, 128)
    forms = {
        "paper": (GatingSettings("blocks", kind="tanh", bias=3.0), ExplainerSettings(filters=wide, norm=False)),
        "half": (GatingSettings("blocks"), ExplainerSettings(filters=wide, scale=2)),
        "light": (GatingSettings("image", kind="hard", smooth=2.0), ExplainerSettings(scale=2)),
    }
    built: dict[str, Joint] = {}
    with torch.random.fork_rng():
        for name, (gating, explainer) in forms.items():
            system = Joint(spec, backbone="resnet18", look_again=False, gating=gating, explainer=explainer)
            built[name] = system.eval()
    bare = built["paper"].classifier.network
    image = torch.rand(images, 3, 224, 224, generator=torch.Generator().manual_seed(seed))
    seconds: dict[str, list[float]] = {name: [] for name in ("bare", *built)}
    for number in range(rounds + 1):  # the first round warms up
        for name in seconds:
            start = time.perf_counter()
            built[name](image) if name in built else bare(image)
            if number:
                seconds[name].append(time.perf_counter() - start)
    ratios = {name: float((torch.tensor(seconds[name]) / torch.tensor(seconds["bare"])).median()) for name in built}
    middle = float(torch.tensor(seconds["bare"]).median())
    return Costs(middle, ratios["paper"], ratios["half"], ratios["light"], images, rounds)


def _words(number: float | None) -> str:
    return "undefined" if number is None else f"{number:.3f}"


def _value(number: float) -> float | None:
    return None if number != number else float(number)
