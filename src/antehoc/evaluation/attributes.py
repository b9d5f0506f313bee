"""How well attributes are predicted, beside predictors that look at no image."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antehoc import task
from antehoc.blocks import Block, Cell, Note, Section, Strong, Table
from antehoc.evaluation.scoring import Scored
from antehoc.explanations import plain
from antehoc.figure import Figure, defined, number, value_of
from antehoc.metrics import MEASURES
from antehoc.metrics import attributes as measures
from antehoc.metrics.attributes import Groups
from antehoc.spec import DataSpec

GROUP = "Attributes"
_LEVEL = 0.05  # of the test whether predictions of an attribute are better than chance
_MANY, _ENDS, _NAMED = 40, 15, 12  # a longer table shows its best and worst rows; so many names in a sentence
_HEAD = (
    "attribute", "share with it", "accuracy", "all zeros", "best constant", "balanced", "average precision", "F1",
)  # fmt: skip
_SAID = (
    "Where attributes are rare, a predictor that never names one looks good: accuracy has to beat “all zeros” and “best"
    " constant”, which look at no image. In the row of all attributes, the constant is what most training images have."
)
_MEASURED = {  # the measure of each figure, and whether it is shown first
    "attribute_accuracy": ("attribute_accuracy", True),
    "attribute_exact": ("attribute_exact", True),
    "argmax_agreement": ("argmax_agreement", False),
    "attribute_map": ("mean_average_precision", True),
    "attribute_balanced_accuracy": ("balanced_accuracy", True),
    "attribute_f1": ("macro_f1", False),
}


class Row(NamedTuple):
    """What is measured of one attribute; None where it is undefined."""

    attribute: str
    prevalence: float | None  #: share of images with it
    accuracy: float | None
    balanced_accuracy: float | None
    average_precision: float | None
    f1: float | None
    unseen: bool | None = None  #: whether predictions are not better than chance; None where these images cannot tell

    @property
    def gain(self) -> float | None:
        """Average precision above chance, 1 where perfect; None where all images have the attribute, or none."""
        if self.prevalence is None or self.average_precision is None or self.prevalence >= 1:
            return None
        return (self.average_precision - self.prevalence) / (1 - self.prevalence)


def measurable(scored: Scored) -> bool:
    """Whether attributes are predicted, and the true ones are known."""
    return "attributes" in scored.columns and bool(scored.attributes.shape[1])


def rows(spec: DataSpec, scored: Scored) -> list[Row]:
    """A row per attribute."""
    probabilities, truth = scored.columns["attributes"], _hard(scored.attributes)
    columns = measures.per_attribute(probabilities, truth)._asdict()
    flags = unseen(probabilities, truth, scored.label if scored.task == "single-label" else None, len(spec.classes))
    return [
        Row(name, **{key: defined(float(column[index])) for key, column in columns.items()}, unseen=flags[index])
        for index, name in enumerate(spec.attributes)
    ]


def figures(spec: DataSpec, scored: Scored, found: Sequence[Row], train_attributes: Tensor | None) -> list[Figure]:
    """Measures of all attributes together, and of the predictors to compare with.

    Args:
        spec: of the model's data.
        scored: test images.
        found: the rows of the attributes.
        train_attributes: true attributes (n, N) of training images, for the majority predictor.
    """
    probabilities, truth = scored.columns["attributes"], _hard(scored.attributes)
    own = [
        _measured(name, measure, probabilities, truth, headline=headline)
        for name, (measure, headline) in _MEASURED.items()
    ]
    if spec.groups:
        own.append(_measured("attribute_group_accuracy", "group_accuracy", probabilities, truth, spec.groups))
    blind = float(sum(row.unseen is True for row in found))
    says = "attributes whose predictions are not better than chance"
    count = Figure("attributes_unseen", blind, says, GROUP, "lower", headline=True, written="count")
    return [*own, *_compared(spec, scored, truth, train_attributes), count]


def _compared(spec: DataSpec, scored: Scored, truth: Tensor, train_attributes: Tensor | None) -> list[Figure]:
    """What predictors reach that know the class alone, or nothing."""
    repeated = task.probabilities(scored.task, scored.logits) @ torch.tensor(spec.class_attributes)
    repeats = measures.mean_average_precision(repeated.clamp(0, 1), truth)
    says = "attribute_map of the attributes expected from the predicted class probabilities"
    found = [_compared_figure("class_repeat_map", repeats, says)]
    says = "accuracy of predicting that no image has any attribute"
    found.append(_compared_figure("all_zeros_accuracy", measures.all_zeros_accuracy(truth), says))
    if train_attributes is not None:
        says = "accuracy of predicting for every image what most training images have"
        value = measures.majority_accuracy(truth, _hard(train_attributes))
        found.append(_compared_figure("majority_accuracy", value, says))
    return found


def _measured(name: str, measure: str, *given: Tensor | Groups, headline: bool = True) -> Figure:
    """A figure by a measure of the table, whose words and direction it takes."""
    entry = MEASURES[measure]
    return Figure(name, defined(float(entry.function(*given))), entry.says, GROUP, entry.direction, headline=headline)


def _compared_figure(name: str, value: Tensor, says: str) -> Figure:
    return Figure(name, defined(float(value)), f"for comparison: {says}", GROUP, headline=True)


def _hard(attributes: Tensor) -> Tensor:
    """Shares as bits: a half or more counts as present."""
    return (attributes >= 0.5).float()


def unseen(probabilities: Tensor, truth: Tensor, label: Tensor | None, classes: int) -> list[bool | None]:
    """For each attribute whether its predictions are not better than chance; None where these images cannot tell.

    Where all images of a class share their attributes, the classes are the rows that count, not the images; with few
    classes even a perfect order would be no evidence.

    Args:
        probabilities: (n, N) predicted, in 0..1.
        truth: (n, N) bits.
        label: (n,) true class numbers; None where images have several labels: the images then are the rows.
        classes: how many there are.
    """
    if label is not None:
        own = F.one_hot(label, classes).double()
        own = own[:, own.any(0)] / own.sum(0)[own.any(0)]
        means = own.T @ truth.double()
        if bool(((means < 1e-9) | (means > 1 - 1e-9)).all()):
            probabilities, truth = (own.T @ probabilities.double()).clamp(0, 1), means.round()
    found = measures.unseen_attributes(probabilities, truth)
    possible = [math.comb(len(truth), int(count)) > 1 / _LEVEL for count in truth.sum(0)]  # orders of the rows
    flags = zip(found.unseen.tolist(), possible, strict=True)
    return [bool(blind) if may else None for blind, may in flags]


def section(found: Sequence[Row], figures: Iterable[Figure]) -> Section:
    """How well each attribute is predicted beside trivial predictors; of many, the best and the worst come first."""
    said, total = Note(_SAID, "aside"), _total(list(figures))
    if len(found) <= _MANY:
        return Section("Attributes", (said, _table(found, total)))
    ranked = sorted((row for row in found if row.gain is not None), key=lambda row: -(row.gain or 0.0))
    ends = min(_ENDS, len(ranked) // 2)
    middle = [*ranked[ends : len(ranked) - ends], *(row for row in found if row.gain is None)]
    blocks: list[Block] = [said, _table([], total)]
    if ends:
        how = "by average precision above chance, which is the share with it"
        blocks.append(Section(f"Predicted best, {how}", (_table(ranked[:ends]),)))
        blocks.append(Section("Predicted worst", (_table(ranked[len(ranked) - ends :]),)))
    blocks.append(Section(f"{len(middle)} attributes more", (_table(middle),), folded=True))
    return Section("Attributes", (*blocks, *_blind(found)))


def _table(found: Iterable[Row], total: Sequence[tuple[Cell, ...]] = ()) -> Table:
    body: list[tuple[Cell, ...]] = []
    for row in found:
        share = row.prevalence or 0.0
        values = (row.prevalence, row.accuracy, 1 - share, max(share, 1 - share), row.balanced_accuracy)
        body.append((plain(row.attribute), *map(number, (*values, row.average_precision, row.f1))))
    return Table(_HEAD, (*body, *total))


def _total(figures: Sequence[Figure]) -> list[tuple[Cell, ...]]:
    names = (
        "attribute_accuracy", "all_zeros_accuracy", "majority_accuracy", "attribute_balanced_accuracy",
        "attribute_map", "attribute_f1",
    )  # fmt: skip
    exact = number(value_of(figures, "attribute_exact"))
    return [
        (Strong("all, each counted alone"), "", *(number(value_of(figures, name)) for name in names)),
        (Strong("all of an image together"), "", exact, "", "", "", "", ""),
    ]


def _blind(found: Sequence[Row]) -> list[Block]:
    """What is not shown to be predicted, what is never found, and what these images cannot tell."""
    blind = [row.attribute for row in found if row.unseen]
    never = [row.attribute for row in found if row.f1 == 0]
    same = [row.attribute for row in found if row.prevalence in (0.0, 1.0)]
    chance = "the order of images by their probability is no better than chance; where all images of a class share"
    chance += " their attributes, the order of classes."
    rest = "no image that has one is given it with a probability of one half or more."
    return [
        *_named("not shown to be predicted better than chance", chance, blind),
        *_named("never found", rest, never),
        *_named("not to be judged here", "all test images have them, or none.", same),
    ]


def _named(what: str, said: str, names: Sequence[str]) -> list[Block]:
    if not names:
        return []
    are = "attribute is" if len(names) == 1 else "attributes are"
    listed = Note("; ".join(map(plain, names)), "aside")
    folded = Section("their names", (listed,), folded=True) if len(names) > _NAMED else listed
    return [Note(f"{len(names)} {are} {what}: {said}"), folded]
