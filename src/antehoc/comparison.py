"""Every explanation of one classifier on one table: its own mask, post-hoc methods, and maps that nobody made."""

import logging
import math
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from antehoc.data.examples import Examples
from antehoc.errors import DataError, ModelError, RecipeError, choose
from antehoc.metrics import faithfulness, placement, robustness
from antehoc.metrics.bootstrap import Interval
from antehoc.metrics.controls import controls
from antehoc.model import Model
from antehoc.posthoc import METHODS, attributions, judge
from antehoc.posthoc.probe import standing_still

log = logging.getLogger(__name__)

Kind = Literal["own", "post hoc", "control"]
Explain = Callable[[Tensor], Tensor]
OWN = "own mask"
DEFAULT = (
    "saliency", "input-x-gradient", "smoothgrad", "integrated-gradients", "guided-backprop", "grad-cam", "grad-cam++",
    "lrp", "occlusion",
)  # fmt: skip  #: methods that are compared where nobody says which: none takes thousands of passes
_DRAWS = 1000  # bootstrap draws of the images, the same for every row: so ranks are paired
RANKED = 0.5  # a row takes part in ranks, and can be best, where at least this share of its maps is valid
_STABLE = 8  # images whose maps are made again under small noise
_SHEET = 4  # images that are shown


class Measure(NamedTuple):
    """What a column says, which way is better, and the group that it is read in."""

    group: Literal["faithful", "placed", "sparse", "stable"]
    direction: Literal["higher", "lower"]
    says: str


MEASURES: dict[str, Measure] = {
    "aopc_coarse_blur": Measure("faithful", "higher", "fall of the class's probability, patches of 1/7 side blurred"),
    "aopc_fine_gray": Measure("faithful", "higher", "fall of the class's probability, patches of 1/14 side made gray"),
    "deletion": Measure("faithful", "lower", "area under the probability while the image is made black"),
    "insertion": Measure("faithful", "higher", "area under the probability while a blurred image comes back"),
    "pointing": Measure("placed", "higher", "images whose highest value lies on the object"),
    "energy": Measure("placed", "higher", "share of the map that lies on the object"),
    "iou": Measure(
        "placed", "higher", "overlap with the object, at the threshold best on the other half of the images"
    ),
    "pompom": Measure("placed", "lower", "share of what is not the object that the map shows at all"),
    "gini": Measure("sparse", "higher", "how few pixels hold the map"),
    "sensitivity": Measure("stable", "lower", "largest relative change of the map under noise of 0.02"),
}
GRID: dict[str, tuple[faithfulness.Perturbation, int]] = {
    f"{perturbation} 1/{parts}": (perturbation, parts)
    for perturbation in get_args(faithfulness.Perturbation)
    for parts in (56, 28, 14, 7)
}  #: the published AOPC: what replaces a patch, and how many patches make a side
_STEPS = 100  # of AOPC, at most
_CURVES: dict[str, tuple[faithfulness.Mode, dict[str, Any]]] = {
    "aopc_coarse_blur": ("morf", {"patch": 1 / 7, "perturbation": "blur"}),
    "aopc_fine_gray": ("morf", {"patch": 1 / 14, "perturbation": "gray", "steps": _STEPS}),
    "deletion": ("deletion", {"patch": 1 / 14, "perturbation": "black", "steps": 14}),
    "insertion": ("insertion", {"patch": 1 / 14, "perturbation": "blur", "steps": 14}),
}


@dataclass(frozen=True)
class Row:
    """One explanation: what was measured of it, on its valid maps alone, and what it costs."""

    name: str
    kind: Kind
    values: dict[str, Interval]  #: by measure: mean over images, 95 % bootstrap interval; NaN where it has no answer
    valid: float  #: share of the maps that may be looked at, in 0..1
    why: str = ""  #: what is wrong with the first that may not
    forward: float | None = None  #: images through the classifier for each that is explained
    backward: float | None = None
    milliseconds: float | None = None  #: for each image
    peak_mib: float | None = None  #: most that new tensors hold at once while one image is explained


class Rank(NamedTuple):
    """The place of a row by one measure, 1 the best, and the share of bootstrap draws in which it keeps it."""

    place: int
    kept: float


@dataclass(frozen=True)
class Sheet:
    """A few images with every map of them, for a picture."""

    image: Tensor  #: (n, C, H, W) in 0..1
    explained: tuple[str, ...]  #: the class that is explained, for each image
    mask: Tensor | None  #: (n, 1, H, W) bool
    maps: dict[str, tuple[Tensor | None, ...]]  #: raw (H, W) by row and image; None where invalid
    why: dict[str, tuple[str, ...]]  #: what is wrong, in one sentence; empty where a map is valid


@dataclass(frozen=True)
class Comparison:
    """What every explanation of one classifier comes to on the same images; plain data, no pictures."""

    rows: tuple[Row, ...]  #: own mask, post-hoc methods, controls
    curves: dict[str, dict[str, list[float]]]  #: mean probability by measure and row, over the steps
    ranks: dict[str, dict[str, Rank]]  #: by measure and row; controls take no place
    sheet: Sheet
    images: int
    with_object: int  #: images whose object's place is known
    notes: tuple[str, ...] = ()
    grid: dict[str, dict[str, float]] = field(default_factory=dict)  #: mean AOPC by `GRID` and row, if asked for

    def best(self, measure: str, kind: Kind = "post hoc") -> Row | None:
        """The row of a kind that is best by a measure; None where none has an answer.

        As for ranks, at least half of its maps must be valid: a mean over the few that are compares with no other.
        """
        better = 1 if choose("measure", measure, MEASURES).direction == "higher" else -1
        known = [
            row
            for row in self.rows
            if row.kind == kind and row.valid >= RANKED and not math.isnan(row.values[measure].estimate)
        ]
        return max(known, key=lambda row: better * row.values[measure].estimate, default=None)

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, null for NaN; the sheet's images stay out."""
        return {
            "images": self.images,
            "with_object": self.with_object,
            "measures": {name: measure._asdict() for name, measure in MEASURES.items()},
            "rows": [_plain_row(row) for row in self.rows],
            "ranks": {name: {row: rank._asdict() for row, rank in ranks.items()} for name, ranks in self.ranks.items()},
            "curves": self.curves,
            "notes": list(self.notes),
            **({"aopc_grid": self.grid} if self.grid else {}),
        }


class _Decided(NamedTuple):
    """The images that are explained, with the class that is decided, and how the classifier is asked."""

    classifier: nn.Module
    images: Tensor  # (B, C, H, W)
    mask: Tensor | None  # (B, 1, H, W) bool
    target: Tensor  # (B,)
    chunk: int
    seed: int


class _Explained(NamedTuple):
    """The maps of one row, before they are measured."""

    kind: Kind
    maps: Tensor  # (B, 1, H, W)
    valid: Tensor  # (B,)
    why: tuple[str, ...]
    cost: dict[str, float | None]
    again: Callable[[Tensor, Tensor], Tensor] | None = None  # images and their classes to maps


def compare(
    model: Model | nn.Module,
    examples: Examples,
    *,
    methods: Sequence[str] = DEFAULT,
    count: int = 32,
    chunk: int = 16,
    seed: int = 0,
    own: Explain | None = None,
    grid: bool = False,
) -> Comparison:
    """Set every explanation of a classifier beside the others: how faithful, well placed, sparse, stable, at what cost.

    Explained is the class that is decided. A map that fails its own checks is measured by nothing and never shown.
    Where the classifier's own masks fail on some images, such as those where they rightly show nothing, all rows are
    measured on the others: means over different images do not compare.

    Args:
        model: a saved model, or any classifier of images (B, C, H, W) in 0..1.
        examples: images; those with an object mask also tell how well the maps are placed.
        methods: names in `antehoc.posthoc.METHODS`.
        count: how many of the images, drawn from the seed.
        chunk: the most images that the classifier sees at once; no figure but time and memory depends on it.
        seed: of the draw, the methods, the controls and the bootstrap.
        own: images to the classifier's own masks (B, 1, H, W); a model that explains by masks has its own.
        grid: AOPC by every published size of patch and perturbation as well (`GRID`), of the own mask, the methods
            and the random control: twenty curves for each.
    Raises:
        RecipeError: an unknown method, or a count or chunk below 1.
        DataError: images that the model does not take, or none.
    """
    for name in methods:
        choose("post-hoc method", name, METHODS)
    if count < 1 or chunk < 1:
        raise RecipeError(f"--count and --chunk are 1 or more; got {count} and {chunk}.")
    classifier, own, classes = _parts(model, own)
    device = next((parameter.device for parameter in classifier.parameters()), torch.device("cpu"))
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))[:count]
    batch = examples.batch(sorted(order.tolist()))
    images, mask = batch.image.to(device), None if batch.mask is None else batch.mask.to(device) > 0.5
    with standing_still(classifier):
        target = _classes(classifier, images, chunk)
        decided = _Decided(classifier, images, mask, target, chunk, seed)
        explained = _explained(decided, methods, own)
        common = _common(explained, len(images))
        curves = _curves(decided, explained, common, _CURVES)
        each = {
            name: _measured(decided, name, one, {measure: each[name] for measure, each in curves.items()}, common)
            for name, one in explained.items()
        }
        gridded = _grid(decided, explained, common) if grid else {}
    weights = _weights(len(images), seed)
    shown = torch.arange(len(images)) if mask is None else mask.flatten(1).any(1).cpu().int().argsort(descending=True)
    return Comparison(
        rows=tuple(
            Row(
                name,
                one.kind,
                {measure: _interval(values, weights) for measure, values in each[name].items()},
                float(one.valid.double().mean()),
                next((why for why in one.why if why), ""),
                **one.cost,
            )
            for name, one in explained.items()
        ),
        curves={
            measure: {name: curve.nanmean(0).tolist() for name, curve in own.items() if not curve.isnan().all()}
            for measure, own in curves.items()
        },
        ranks={measure: _ranks(measure, explained, each, weights) for measure in MEASURES},
        sheet=_sheet(images, mask, target, classes, explained, sorted(shown[:_SHEET].tolist())),
        images=len(images),
        with_object=0 if mask is None else int(mask.flatten(1).any(1).sum()),
        notes=_notes(explained, common, mask),
        grid=gridded,
    )


def _parts(model: Model | nn.Module, own: Explain | None) -> tuple[nn.Module, Explain | None, tuple[str, ...] | None]:
    """The classifier, what makes its own masks, and the names of its classes."""
    if not isinstance(model, Model):
        return model, own, None
    system, spec = model.system, model.spec
    if own is None:
        with torch.no_grad():
            probe = system(torch.zeros(1, spec.channels, spec.height, spec.width, device=model.device))
        if isinstance(getattr(probe, "mask", None), Tensor):
            own = lambda images: system(images).mask  # noqa: E731
    return system.as_classifier(), own, spec.classes


@torch.no_grad()
def _classes(classifier: nn.Module, images: Tensor, chunk: int) -> Tensor:
    if not len(images):
        raise DataError("a comparison needs one image or more; these data have none.")
    return torch.cat([classifier(part).argmax(1) for part in torch.split(images, chunk)])


def _explained(decided: _Decided, methods: Sequence[str], own: Explain | None) -> dict[str, _Explained]:
    """The maps of every row: own mask, post-hoc methods, controls."""
    images, mask = decided.images, decided.mask
    found = {OWN: _own(own, images, decided.chunk)} if own else {}
    for method in dict.fromkeys(methods):
        log.info("%s: %d images", method, len(images))
        found[method] = _posthoc(decided, method)
    everywhere = torch.ones(len(images), dtype=torch.bool)
    for name, maps in controls(images, mask, seed=decided.seed).items():
        valid = mask.flatten(1).any(1).cpu() if name == "perfect" and mask is not None else everywhere
        why = tuple("" if one else "the image has no object." for one in valid.tolist())
        found[name] = _Explained("control", maps, valid, why, {})
    return found


def _own(own: Explain, images: Tensor, chunk: int) -> _Explained:
    @torch.no_grad()
    def run(images: Tensor) -> Tensor:
        return torch.cat([own(part) for part in torch.split(images, chunk)])

    with _Peak() as peak:
        run(images[:1])
    maps, milliseconds = _timed(lambda: run(images), images)
    cost = {"forward": 1.0, "backward": 0.0, "milliseconds": milliseconds, "peak_mib": peak.mib}
    valid, _, why = judge(maps, {})
    return _Explained("own", maps, valid.cpu(), why, cost, lambda images, _: run(images))


def _posthoc(decided: _Decided, method: str) -> _Explained:
    """A method's maps; none of them is valid where it cannot be used on this classifier."""
    classifier, images, _, target, chunk, seed = decided

    def run(images: Tensor, target: Tensor) -> Any:
        return attributions(classifier, images, method=method, target=target, chunk=chunk, seed=seed)

    try:
        with _Peak() as peak:
            run(images[:1], target[:1])
        made, milliseconds = _timed(lambda: run(images, target), images)
    except (ModelError, RecipeError) as error:
        nothing = images.new_full((len(images), 1, *images.shape[2:]), torch.nan)
        nowhere = torch.zeros(len(images), dtype=torch.bool)
        return _Explained("post hoc", nothing, nowhere, (str(error),) * len(images), {})
    cost = {
        "forward": made.passes.forward, "backward": made.passes.backward, "milliseconds": milliseconds,
        "peak_mib": peak.mib,
    }  # fmt: skip
    return _Explained(
        "post hoc", made.maps, made.valid.cpu(), made.why, cost, lambda images, target: run(images, target).maps
    )


def _common(explained: Mapping[str, _Explained], images: int) -> Tensor:
    """(B,) the images on which rows are compared: where the own mask is valid, if there is one and it ever is."""
    own = explained.get(OWN)
    return own.valid if own is not None and own.valid.any() else torch.ones(images, dtype=torch.bool)


def _timed(run: Callable[[], Any], images: Tensor) -> tuple[Any, float]:
    """What a function gives, and its milliseconds for each image."""

    def now() -> float:
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
        return time.perf_counter()

    start = now()
    found = run()
    return found, 1000 * (now() - start) / len(images)


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most bytes that tensors made inside hold at once, on any device; a kernel's own scratch is not seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, int] = {}  # bytes by address
        self.total = self.peak = 0

    @property
    def mib(self) -> float:
        return self.peak / 2**20

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Mapping[str, Any] | None = None
    ) -> Any:
        made = function(*arguments, **(keywords or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, Tensor):
                self._note(one.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if size and address not in self.alive:
            self.alive[address] = size
            self.total += size
            self.peak = max(self.peak, self.total)
            weakref.finalize(storage, self._free, address)

    def _free(self, address: int) -> None:
        self.total -= self.alive.pop(address, 0)


def _curves(
    decided: _Decided,
    explained: Mapping[str, _Explained],
    common: Tensor,
    kinds: Mapping[str, tuple[faithfulness.Mode, dict[str, Any]]],
) -> dict[str, dict[str, Tensor]]:
    """(B, steps + 1) by measure and row, NaN where a map is invalid or the image is not `common`."""
    classifier, images, _, target, chunk, seed = decided
    seen = common.nonzero()[:, 0].to(images.device)  # no other image is looked at
    maps = {name: _without_nan(one.maps[seen]) for name, one in explained.items() if one.valid.any()}
    found: dict[str, dict[str, Tensor]] = {}
    for measure, (mode, options) in kinds.items():
        log.info("%s: %d maps of %d images", measure, len(maps), len(seen))
        own = faithfulness.curves(mode, classifier, images[seen], maps, target[seen], seed=seed, chunk=chunk, **options)
        points = next(iter(own.values())).shape[1]
        found[measure] = {}
        for name, one in explained.items():
            curve = torch.full((len(images), points), torch.nan, dtype=torch.float64)
            if name in own:
                curve[seen.cpu()] = own[name].cpu()
            found[measure][name] = curve.where(one.valid[:, None], torch.nan)
    return found


def _grid(decided: _Decided, explained: Mapping[str, _Explained], common: Tensor) -> dict[str, dict[str, float]]:
    """Mean AOPC by what replaces a patch of which size, and row; a row that has no valid map is left out."""
    rows = {name: one for name, one in explained.items() if one.kind != "control" or name == "random"}
    kinds: dict[str, tuple[faithfulness.Mode, dict[str, Any]]] = {
        name: ("morf", {"patch": 1 / parts, "perturbation": perturbation, "steps": _STEPS})
        for name, (perturbation, parts) in GRID.items()
    }
    curves = _curves(decided, rows, common, kinds)
    means = {
        kind: {name: float(faithfulness.aopc(curve).nanmean()) for name, curve in own.items()}
        for kind, own in curves.items()
    }
    return {kind: {name: mean for name, mean in own.items() if not math.isnan(mean)} for kind, own in means.items()}


def _without_nan(maps: Tensor) -> Tensor:
    """Invalid maps may hold anything; what is measured of them is dropped."""
    return maps.nan_to_num(0, 0, 0)


def _measured(
    decided: _Decided, name: str, one: _Explained, curves: Mapping[str, Tensor], common: Tensor
) -> dict[str, Tensor]:
    """(B,) by measure, NaN where there is no answer or the image is not `common`."""
    area, aopc = faithfulness.area, faithfulness.aopc
    found = {name: (aopc if name.startswith("aopc") else area)(curve) for name, curve in curves.items()}
    maps, mask = _without_nan(one.maps), decided.mask
    if mask is not None:
        seen = mask.flatten(1).any(1).cpu()
        placed = {"pointing": placement.pointing_game, "energy": placement.energy, "pompom": placement.pompom}
        found |= {name: measure(maps, mask).where(seen, torch.nan) for name, measure in placed.items()}
        found["iou"] = _iou(maps, mask, one.valid & seen & common)
    found["gini"] = placement.gini(maps)
    found["sensitivity"] = _sensitivity(decided, name, one)
    nothing = torch.full((len(maps),), torch.nan, dtype=torch.float64)
    return {name: found.get(name, nothing).where(one.valid & common, torch.nan) for name in MEASURES}


def _iou(maps: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
    """Each half of the images at the threshold that is best on the other half."""
    found = torch.full((len(maps),), torch.nan, dtype=torch.float64)
    rows = chosen.nonzero()[:, 0]
    for own, other in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
        if len(other):
            threshold = placement.best_threshold(maps[other], mask[other])
            found[own] = placement.iou(placement.max_scaled(maps[own]), mask[own], threshold)
    return found


def _sensitivity(decided: _Decided, name: str, one: _Explained) -> Tensor:
    images, target = decided.images, decided.target
    found = torch.full((len(images),), torch.nan, dtype=torch.float64)
    rows = one.valid.nonzero()[:_STABLE, 0]
    if one.again and len(rows):
        log.info("sensitivity of %s: %d images", name, len(rows))
        explain = lambda part: one.again(part, target[rows.to(target.device)])  # noqa: E731
        try:
            changes = robustness.stability(explain, images[rows.to(images.device)], samples=2, seed=decided.seed)
        except DataError:  # a map that was valid is no more: it has no stability to speak of
            return found
        most = robustness.max_sensitivity(changes)
        found[rows] = most.where(most.isfinite(), torch.nan)
    return found


def _weights(rows: int, seed: int) -> Tensor:
    """(draws, rows): how often each image is drawn."""
    drawn = torch.randint(rows, (_DRAWS, rows), generator=torch.Generator().manual_seed(seed))
    return torch.zeros(_DRAWS, rows, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(drawn.shape).double())


def _drawn(values: Tensor, weights: Tensor) -> Tensor:
    """(draws,) means over the images with an answer; NaN in a draw without any."""
    known = ~values.isnan()
    return weights[:, known] @ values[known] / weights[:, known].sum(1)


def _interval(values: Tensor, weights: Tensor) -> Interval:
    """The mean over images and its 95 % percentile interval (Efron and Tibshirani 1993, section 13.3)."""
    if values.isnan().all():
        return Interval(math.nan, math.nan, math.nan)
    low, high = _drawn(values, weights).nanquantile(values.new_tensor([0.025, 0.975])).tolist()
    return Interval(float(values.nanmean()), low, high)


def _ranks(
    measure: str, explained: Mapping[str, _Explained], each: Mapping[str, Mapping[str, Tensor]], weights: Tensor
) -> dict[str, Rank]:
    names = [
        name
        for name, one in explained.items()
        if one.kind != "control"
        and float(one.valid.double().mean()) >= RANKED
        and not each[name][measure].isnan().all()
    ]
    if not names:
        return {}
    sign = 1 if MEASURES[measure].direction == "higher" else -1
    place = _places(sign * torch.stack([each[name][measure].nanmean() for name in names])[None])[0]
    drawn = _places(sign * torch.stack([_drawn(each[name][measure], weights) for name in names], 1))
    kept = (drawn == place).double().mean(0).tolist()
    return {name: Rank(int(own), share) for name, own, share in zip(names, place.tolist(), kept, strict=True)}


def _places(scores: Tensor) -> Tensor:
    """(draws, rows) places by score, higher first; equal scores share the better place."""
    return 1 + (scores[:, None, :] > scores[:, :, None]).sum(2)


def _sheet(
    images: Tensor,
    mask: Tensor | None,
    target: Tensor,
    classes: tuple[str, ...] | None,
    explained: Mapping[str, _Explained],
    rows: list[int],
) -> Sheet:
    numbers = target[rows].tolist()
    return Sheet(
        images[rows].cpu(),
        tuple(classes[number] if classes else f"class {number}" for number in numbers),
        None if mask is None else mask[rows].cpu(),
        {
            name: tuple(one.maps[row, 0].cpu() if one.valid[row] else None for row in rows)
            for name, one in explained.items()
        },
        {name: tuple(one.why[row] for row in rows) for name, one in explained.items()},
    )


def _notes(explained: Mapping[str, _Explained], common: Tensor, mask: Tensor | None) -> tuple[str, ...]:
    notes = [
        f"{name}: {int((~one.valid).sum())} of {len(one.valid)} maps are invalid: {next(why for why in one.why if why)}"
        for name, one in explained.items()
        if one.kind != "control" and not one.valid.all()
    ]
    if not common.all():
        notes.append(f"all rows are measured on the {int(common.sum())} images whose own mask is valid")
    if mask is None or not mask.any():
        notes.append("no image says where its object is: how well maps are placed is not measured")
    return tuple(notes)


def _plain_row(row: Row) -> dict[str, Any]:
    values = {
        name: None if math.isnan(one.estimate) else {"estimate": one.estimate, "interval": [one.low, one.high]}
        for name, one in row.values.items()
    }
    return {
        "name": row.name, "kind": row.kind, "values": values, "valid": row.valid, "why": row.why,
        "forward": row.forward, "backward": row.backward, "milliseconds": row.milliseconds, "peak_mib": row.peak_mib,
    }  # fmt: skip
