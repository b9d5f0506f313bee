"""Measure every explanation of one classifier on the same images: its own masks, post-hoc methods and controls."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from antehoc import task
from antehoc.comparison import measure
from antehoc.comparison.explained import Decided, Explain, Explained, common, explained
from antehoc.comparison.ranks import ranked
from antehoc.comparison.table import Comparison, Row, Sheet
from antehoc.data.examples import Examples
from antehoc.errors import DataError, RecipeError, choose
from antehoc.metrics import COMPARED, Resamples
from antehoc.model import Model
from antehoc.posthoc import METHODS
from antehoc.posthoc.probe import standing_still

DEFAULT = (
    "saliency", "input-x-gradient", "smoothgrad", "integrated-gradients", "guided-backprop", "grad-cam", "grad-cam++",
    "lrp", "occlusion",
)  # fmt: skip  #: methods that are compared unless others are named: none takes thousands of passes
_SHEET = 4  # images that are shown


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
    """Compare all explanations of a classifier: how faithful, well placed, sparse and stable they are, at what cost.

    The predicted class is explained; where images carry several labels, the class with the highest logit. A map that
    fails its own checks is not measured and not shown. Where the classifier's own mask fails on some images, such as
    images without an object, all rows are measured on the others: means over different images do not compare.

    Args:
        model: a saved model, or any classifier of images (B, C, H, W) in 0..1.
        examples: images; those with an object mask also tell how well the maps are placed.
        methods: names in `antehoc.posthoc.METHODS`.
        count: how many of the images, drawn from the seed.
        chunk: the most images that the classifier sees at once; no figure but time and memory depends on it.
        seed: of the draw, the methods, the controls and the bootstrap.
        own: images to the classifier's own masks (B, 1, H, W); a model that explains by masks has its own.
        grid: also measure AOPC by every published size of patch and perturbation (`GRID`), of the own mask, the methods
            and the random control: twenty curves for each.
    Raises:
        RecipeError: an unknown method, or a count or chunk below 1.
        DataError: images that the model does not take, or none.
    """
    for name in methods:
        choose("post-hoc method", name, METHODS)
    if count < 1 or chunk < 1:
        raise RecipeError(f"--count and --chunk must be 1 or more; got {count} and {chunk}.")
    classifier, own, classes = _parts(model, own)
    with standing_still(classifier):
        decided = _decided(classifier, examples, count, chunk, seed)
        if isinstance(model, Model):
            decided = decided._replace(task=model.spec.task)
        return _compared(decided, explained(decided, methods, own), classes, grid)


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
def _decided(classifier: nn.Module, examples: Examples, count: int, chunk: int, seed: int) -> Decided:
    device = next((parameter.device for parameter in classifier.parameters()), torch.device("cpu"))
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))[:count]
    batch = examples.batch(sorted(order.tolist()))
    images, mask = batch.image.to(device), None if batch.mask is None else batch.mask.to(device) > 0.5
    if not len(images):
        raise DataError("a comparison needs one image or more; these data have none.")
    target = torch.cat([task.strongest(classifier(part)) for part in torch.split(images, chunk)])
    return Decided(classifier, images, mask, target, chunk, seed)


def _compared(
    decided: Decided, rows: Mapping[str, Explained], classes: tuple[str, ...] | None, with_grid: bool
) -> Comparison:
    images, seen = len(decided.images), common(rows, len(decided.images))
    drawn = measure.curves(decided, rows, seen)
    each = {
        name: measure.measured(decided, name, one, {kind: own[name] for kind, own in drawn.items()}, seen)
        for name, one in rows.items()
    }
    gridded = measure.grid(decided, rows, seen) if with_grid else {}
    resamples = Resamples(images, generator=torch.Generator().manual_seed(decided.seed))
    valid = {name: one.valid for name, one in rows.items() if one.kind != "control"}
    with_object = decided.with_object
    return Comparison(
        rows=tuple(_row(name, one, each[name], resamples) for name, one in rows.items()),
        curves={
            kind: {name: curve.nanmean(0).tolist() for name, curve in own.items() if not curve.isnan().all()}
            for kind, own in drawn.items()
        },
        ranks={name: ranked(name, valid, each, resamples) for name in COMPARED},
        sheet=_sheet(decided, rows, classes),
        images=images,
        with_object=0 if with_object is None else int(with_object.sum()),
        notes=_notes(rows, seen, decided.mask),
        grid=gridded,
    )


def _row(name: str, one: Explained, each: Mapping[str, Tensor], resamples: Resamples) -> Row:
    return Row(
        name,
        one.kind,
        {kind: resamples.interval(values) for kind, values in each.items()},
        float(one.valid.double().mean()),
        next((why for why in one.why if why), ""),
        **one.cost._asdict(),
    )


def _sheet(decided: Decided, explained: Mapping[str, Explained], classes: tuple[str, ...] | None) -> Sheet:
    """A few images and their maps, images that hold an object first."""
    images, mask, seen = decided.images, decided.mask, decided.with_object
    order = torch.arange(len(images)) if seen is None else seen.int().argsort(descending=True)
    rows = sorted(order[:_SHEET].tolist())
    numbers = decided.target[rows].tolist()
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


def _notes(explained: Mapping[str, Explained], seen: Tensor, mask: Tensor | None) -> tuple[str, ...]:
    notes = [
        f"{name}: {int((~one.valid).sum())} of {len(one.valid)} maps are invalid: {next(why for why in one.why if why)}"
        for name, one in explained.items()
        if one.kind != "control" and not one.valid.all()
    ]
    if not seen.all():
        notes.append(f"all rows are measured on the {int(seen.sum())} images whose own mask is valid")
    if mask is None or not mask.any():
        notes.append("no image says where its object is: how well maps are placed is not measured")
    return tuple(notes)
