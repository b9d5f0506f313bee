"""Leakage: do predicted attributes come from the image, or do they repeat the class?

Where labels are given per class alone, no image contradicts a model that recites its class. Four looks tell more: wrong
decisions, the variance within a class, changed colors, and hidden parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from antehoc import task
from antehoc.blocks import Block, Cell, Note, Section, Strong, Table
from antehoc.data import Files, Source
from antehoc.evaluation import Scored
from antehoc.figure import Figure, defined, number, span
from antehoc.metrics import ratio_interval
from antehoc.model import Model
from antehoc.studies.base import Finding, check_one_label, files_of, scored_attributes, some
from antehoc.studies.changes import Change, HiddenPart, color_edits, hidden_parts

MEANINGS: Mapping[str, str] = {
    "follows_decided": "Where a decision is wrong and the true and the predicted class differ in an attribute, the "
    "predicted attribute agrees with one of the two. A share near 1, and near that of repeating the class, means that "
    "the attributes follow the decision rather than the image. A low share alone does not prove that they are seen: "
    "compare it with the share for calling everything absent. A label for a whole class may also be false for one of "
    "its images.",
    "within_class": "The share of an attribute's variance that lies between images of one class. At 0 all images of a "
    "class get the same answer; above the value for repeating the class, the model tells them apart. This does not "
    "prove that it tells them apart by the attribute: labels that are equal within a class cannot check that.",
    "repeated": "How much of the predicted attributes a straight line explains from the classifier's own class "
    "probabilities times the class-attribute matrix. At 1 the attributes add nothing to the decision. A low share "
    "proves that they add something, which may be signal or noise.",
    "edits": "Colors are changed and shapes stay. If attributes of color change more than the others, color is read "
    "where color is meant. This does not prove that each color is read at its own place, and the pictures are unlike "
    "all training images, so that every attribute may change.",
    "parts": "A disc of the image's mean color hides a part; the control hides an equal disc elsewhere in the object's "
    "box. Attributes that name the part and change more than under the control are read there. No change does not "
    "prove that the part is ignored, since a neighbor or the class may tell the same. The control may fall on "
    "background, and a disc also hides neighbors of the part.",
}


@dataclass(frozen=True)
class Leakage(Finding):
    """Whether predicted attributes come from the image or repeat the class; see `MEANINGS`."""

    images: int
    wrong: int  #: images decided wrongly
    bits: int  #: of them, attributes in which the true and the predicted class differ
    follows_decided: float | None  #: share of these bits; None without any
    follows_decided_interval: tuple[float, float] | None  #: 95 % of bootstrap resamples of the images
    follows_true: float | None  #: the rest of these bits
    follows_decided_by_repeating: float | None  #: the same share for softmax x class-attribute matrix
    follows_decided_by_absence: float | None  #: the same share for calling every attribute absent
    within_class: float | None  #: mean over attributes; None where no attribute varies
    within_class_by_repeating: float | None
    repeated: float | None  #: R^2, mean over the attributes that vary
    edits: tuple[Change, ...]  #: none on gray images, and where no attribute names a color
    parts: tuple[HiddenPart, ...]  #: none where the data give no parts and boxes

    title: ClassVar[str] = "Do the attributes come from the image, or repeat the class?"

    def figures(self) -> list[Figure]:
        """None: what it found is read together, in its tables."""
        return []

    def blocks(self) -> list[Block]:
        said = (
            f"{self.images:,} images, of which {self.wrong:,} are classified wrongly. In these the true and the"
            f" predicted class differ in {self.bits:,} attributes."
        )
        shares = [Note(MEANINGS[key], "aside") for key in ("follows_decided", "within_class", "repeated")]
        found: list[Block] = [Note(said), self._shares(), *shares]
        if self.edits:
            aside = Note(MEANINGS["edits"], "aside")
            found.append(Section("Colors changed, shapes kept", (_edits_table(self.edits), aside)))
        if self.parts:
            aside = Note(MEANINGS["parts"], "aside")
            found.append(Section("Parts hidden, beside an equal disc elsewhere", (_parts_table(self.parts), aside)))
        return found

    def _shares(self) -> Table:
        interval = self.follows_decided_interval
        follows = number(self.follows_decided) + (f" ({span(interval)})" if interval else "")
        by_class, absent = number(self.follows_decided_by_repeating), number(self.follows_decided_by_absence)
        return Table(
            ("figure", "predicted attributes", "repeating the class", "calling all absent"),
            (
                ("attributes that follow the predicted class", follows, by_class, absent),
                ("variance within a class", number(self.within_class), number(self.within_class_by_repeating), ""),
                ("explained by the class (R²)", number(self.repeated), "1", ""),
            ),
        )


def run(model: Model, source: Source, *, seed: int, count: int = 100, radius: float = 0.12) -> Leakage:
    """`leakage` on the test images of a data set.

    Args:
        model: predicts attributes and gives each image one label.
        source: its test images are files; with `parts` and `boxes`, parts are also hidden.
        seed: draws the images, the control discs and the bootstrap.
        count: how many images, at most: the model sees each about 30 times.
        radius: of the disc that hides a part, as a share of the square root of the object box's area.
    Raises:
        RecipeError: where the model predicts no attributes, or gives an image several labels.
        DataError: where the images are no files.
    """
    return leakage(model, files_of(source, "leakage"), seed=seed, count=count, radius=radius)


def leakage(model: Model, test: Files, *, seed: int, count: int | None = None, radius: float = 0.12) -> Leakage:
    """Do predicted attributes come from the image, or repeat the class?

    Args:
        model: predicts attributes and gives each image one label.
        test: images that trained nothing; with `parts` and `boxes`, parts are also hidden.
        seed: draws the images where there are more than `count`, the control discs and the bootstrap.
        count: how many images to look at, at most; None: all.
        radius: of the disc that hides a part, as a share of the square root of the object box's area.
    Raises:
        RecipeError: where the model predicts no attributes, or gives an image several labels.
    """
    check_one_label(model, "leakage")
    files = some(test, count, seed)
    intact = scored_attributes(model, files)
    seen, own = intact.columns["attributes"].double(), torch.tensor(model.spec.class_attributes, dtype=torch.float64)
    repeating = task.probabilities(model.spec.task, intact.logits.double()) @ own
    differ = (own > 0.5)[intact.label] != (own > 0.5)[intact.predicted]
    share, interval = _follows(seen, own, intact, differ, seed)
    return Leakage(
        len(files),
        int(intact.wrong.sum()),
        int(differ.sum()),
        share,
        interval,
        None if share is None else 1 - share,
        _follows(repeating, own, intact, differ, seed)[0],
        _follows(torch.zeros_like(seen), own, intact, differ, seed)[0],
        _within(seen, intact.label),
        _within(repeating, intact.label),
        _explained(seen, repeating),
        color_edits(model, files, intact, seed),
        hidden_parts(model, files, intact, seed, radius),
    )


def _follows(
    seen: Tensor, own: Tensor, scored: Scored, differ: Tensor, seed: int
) -> tuple[float | None, tuple[float, float] | None]:
    """Share of the bits that differ which agree with the predicted class, and its interval over images."""
    agree = ((seen >= 0.5) == (own > 0.5)[scored.predicted]) & differ
    rows = differ.any(1)
    if not rows.any():
        return None, None
    generator = torch.Generator().manual_seed(seed)
    found = ratio_interval(agree[rows].sum(1), differ[rows].sum(1), generator=generator)
    return found.estimate, (found.low, found.high)


def _within(seen: Tensor, label: Tensor) -> float | None:
    """Share of the variance that lies within the classes, mean over the attributes that vary."""
    own = torch.nn.functional.one_hot(label).double()
    means = own.T @ seen / own.sum(0).clamp(min=1)[:, None]
    within, total = ((seen - center).square().sum(0) for center in (means[label], seen.mean(0)))
    varies = _varies(seen)
    return defined(float((within[varies] / total[varies]).mean()))


def _explained(seen: Tensor, by: Tensor) -> float | None:
    """R^2 of a straight line for each attribute, mean over those that vary; 0 where what should explain does not."""
    varies = _varies(seen)
    return defined(float(torch.where(_varies(by), correlation(seen, by).square(), 0.0)[varies].mean()))


def _varies(values: Tensor) -> Tensor:
    return values.amax(0) - values.amin(0) > 1e-6


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of each column of (n, N) and (n, N); NaN where one of the two does not vary."""
    a, b = (values - values.mean(0) for values in (a.double(), b.double()))
    return (a * b).sum(0) / (a.square().sum(0) * b.square().sum(0)).sqrt()


def _edits_table(edits: Sequence[Change]) -> Table:
    head = ("edit", "color attributes change by", "others by", "difference, 95 %", "decisions changed")
    rows = tuple(
        (edit.name, number(edit.named), number(edit.others), span(edit.named_minus_others),
         number(edit.decisions_changed))
        for edit in edits
    )  # fmt: skip
    return Table(head, rows)


def _parts_table(parts: Sequence[HiddenPart]) -> Table:
    """Parts with the largest effect first; bold where the interval excludes 0."""
    head = ("part", "images", "its attributes change by", "those of other parts", "its own under the control",
            "beyond the control", "95 %")  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for part in sorted(parts, key=lambda part: -part.beyond):
        low, high = part.beyond_interval
        beyond = number(part.beyond)
        rows.append(
            (part.part, f"{part.hidden.images:,}", number(part.hidden.named), number(part.hidden.others),
             number(part.control.named), Strong(beyond) if low > 0 or high < 0 else beyond, span((low, high)))
        )  # fmt: skip
    return Table(head, tuple(rows))
