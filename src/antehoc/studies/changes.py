"""How predicted attributes change where colors are changed or parts are hidden."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from antehoc.data.altered import Altered
from antehoc.data.examples import Examples, Files
from antehoc.evaluation import Scored
from antehoc.figure import defined
from antehoc.metrics import Interval, ratio_interval
from antehoc.model import Model
from antehoc.studies.base import scored_attributes
from antehoc.studies.pictures import covering, greyscale, hue_turned

_COLOR = ("color", "colour", "colors", "colours")  # words that a question about color has
_ALSO = {"beak": ("beak", "bill")}  # parts whose attributes use another word


@dataclass(frozen=True)
class Change:
    """Mean absolute change of the attributes' probabilities where images are altered, all in 0..1."""

    name: str
    images: int
    named: float  #: of the attributes that the alteration is about
    others: float | None  #: of those that it is not about; None where there are none
    named_minus_others: tuple[float, float] | None  #: 95 % of bootstrap resamples of the images
    decisions_changed: float  #: share of the images that are decided otherwise


@dataclass(frozen=True)
class HiddenPart:
    """What hiding a part changes beyond hiding an equal disc elsewhere on the same image."""

    part: str
    hidden: Change
    control: Change
    beyond: float  #: mean change of the attributes that name the part, minus that under the control
    beyond_interval: tuple[float, float]  #: 95 % of bootstrap resamples of the images


class Seen(NamedTuple):
    """What a model sees on some images, and what it decides."""

    attributes: Tensor  #: (n, N) in 0..1
    predicted: Tensor  #: (n,)

    @staticmethod
    def of(scored: Scored, rows: Sequence[int] | None = None) -> "Seen":
        """Of all images, or of some rows."""
        seen = Seen(scored.columns["attributes"].double(), scored.predicted)
        return seen if rows is None else Seen(seen.attributes[list(rows)], seen.predicted[list(rows)])


class Naming(NamedTuple):
    """Attributes that an alteration is about, and those that it is not about, (N,) bool each."""

    named: Tensor
    others: Tensor


def color_edits(model: Model, files: Files, intact: Scored, seed: int) -> tuple[Change, ...]:
    """Attributes of color against all others where colors are changed; none where no color is named or shown.

    Args:
        model: predicts attributes.
        files: images that trained nothing.
        intact: the model on these images as they are.
        seed: of the bootstrap.
    """
    color = _naming(model.spec.attributes, _COLOR)
    if model.spec.channels == 1 or not color.any():
        return ()
    changes = {"hue turned by half a circle": hue_turned, "greyscale": greyscale}
    return tuple(
        _change(name, Seen.of(intact), _seen(model, Altered(files, alter, name)), Naming(color, ~color), seed)
        for name, alter in changes.items()
    )


def hidden_parts(model: Model, files: Files, intact: Scored, seed: int, radius: float) -> tuple[HiddenPart, ...]:
    """Each kind of part hidden by discs, beside equal discs elsewhere; both wings are hidden at once.

    Args:
        model: predicts attributes.
        files: images that trained nothing; without `parts` and `boxes` nothing is hidden.
        intact: the model on these images as they are.
        seed: of the control discs and the bootstrap.
        radius: of the discs, as a share of the square root of the object box's area.
    """
    if files.parts is None or files.boxes is None:
        return ()
    kinds: dict[str, list[int]] = {}
    for number, name in enumerate(files.part_names):
        kinds.setdefault(name.lower().split()[-1], []).append(number)
    naming = {kind: _naming(model.spec.attributes, _ALSO.get(kind, (kind,))) for kind in kinds}
    generator = torch.Generator().manual_seed(seed)
    found = []
    for kind, numbers in kinds.items():
        others = torch.stack(list(naming.values())).any(0) & ~naming[kind]
        discs = _discs(files.parts[:, numbers], files.boxes, radius, generator)
        if naming[kind].any() and discs:
            found.append(_hidden(model, files, intact, kind, discs, Naming(naming[kind], others), seed))
    return tuple(found)


class _Discs(NamedTuple):
    """Where one image is covered: places in pixels of the file."""

    row: int
    hidden: list[list[float]]
    control: list[list[float]]
    radius: float


def _discs(parts: Tensor, boxes: Tensor, radius: float, generator: torch.Generator) -> list[_Discs]:
    """Discs on the visible parts (n, P, 3), and as many elsewhere in the box that touch none of them.

    Images without a visible part, or without room for the control, are left out.
    """
    found = []
    for row, (part, box) in enumerate(zip(parts.double(), boxes.double(), strict=True)):
        places, size = part[part[:, 2] > 0, :2], box[2:] - box[:2]
        length = radius * float(size.clamp(min=0).prod().sqrt())
        drawn = box[:2] + size * torch.rand(256, 2, generator=generator, dtype=torch.float64)
        free = drawn[(torch.cdist(drawn, places) > 2 * length).all(1)]
        if length > 0 and 0 < len(places) <= len(free):
            found.append(_Discs(row, places.tolist(), free[: len(places)].tolist(), length))
    return found


def _hidden(
    model: Model, files: Files, intact: Scored, kind: str, discs: list[_Discs], naming: Naming, seed: int
) -> HiddenPart:
    rows, radii = [disc.row for disc in discs], [disc.radius for disc in discs]
    before, chosen = Seen.of(intact, rows), files.select(rows)
    hide = covering([disc.hidden for disc in discs], radii)
    elsewhere = covering([disc.control for disc in discs], radii)
    after = _seen(model, Altered(chosen, hide, f"{kind} hidden"))
    control = _seen(model, Altered(chosen, elsewhere, f"an equal disc beside the {kind}"))
    own = [_moved(before, seen)[:, naming.named].mean(1) for seen in (after, control)]
    beyond = _mean(own[0] - own[1], seed)
    return HiddenPart(
        kind,
        _change(f"{kind} hidden", before, after, naming, seed),
        _change("control", before, control, naming, seed),
        beyond.estimate,
        (beyond.low, beyond.high),
    )


def _change(name: str, before: Seen, after: Seen, naming: Naming, seed: int) -> Change:
    moved = _moved(before, after)
    own, rest = moved[:, naming.named].mean(1), moved[:, naming.others].mean(1)
    return Change(
        name,
        len(moved),
        float(own.mean()),
        defined(float(rest.mean())),
        _mean(own - rest, seed)[1:] if naming.others.any() else None,
        float((before.predicted != after.predicted).double().mean()),
    )


def _mean(values: Tensor, seed: int) -> Interval:
    return ratio_interval(values, torch.ones_like(values), generator=torch.Generator().manual_seed(seed))


def _moved(before: Seen, after: Seen) -> Tensor:
    return (after.attributes - before.attributes).abs()


def _seen(model: Model, examples: Examples) -> Seen:
    return Seen.of(scored_attributes(model, examples))


def _naming(attributes: Sequence[str], words: Sequence[str]) -> Tensor:
    """(N,) True where an attribute's question has one of the words; `has_bill_shape::hooked` asks has, bill, shape."""
    asked = [re.split(r"[^a-z]+", name.lower().split("::")[0]) for name in attributes]
    return torch.tensor([not set(words).isdisjoint(question) for question in asked])
