"""Measures by name: each a pure function, and a torchmetrics `Metric` around any of them.

A measure of decisions gives one number for all rows, and a measure of maps one number for each image.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from antehoc.errors import choose
from antehoc.metrics import attributes, faithfulness, ood, placement, robustness, selective
from antehoc.metrics.bootstrap import (
    Interval,
    Resamples,
    mean_interval,
    paired_interval,
    ratio_interval,
    share_interval,
)

Group = Literal["verdicts", "unknown", "attributes", "faithful", "placed", "sparse", "stable"]
OF_DECISIONS: tuple[Group, ...] = ("verdicts", "unknown", "attributes")
OF_MAPS: tuple[Group, ...] = ("faithful", "placed", "sparse", "stable")


class Measure(NamedTuple):
    """A measure, which way is better, the group that it is read in, and what it tells."""

    function: Callable[..., Tensor]  #: a group of `OF_DECISIONS`: one number; of `OF_MAPS`: (B,), one for each image
    direction: Literal["higher", "lower"]
    group: Group
    says: str  #: what it tells, in one sentence

    @property
    def family(self) -> str:
        """The file of `metrics/` that holds its function."""
        return self.function.__module__.rpartition(".")[2]


MEASURES: dict[str, Measure] = {
    "questioned_share": Measure(
        selective.questioned_share, "lower", "verdicts", "share of decisions whose doubt lies above the threshold"
    ),
    "auroc": Measure(
        selective.auroc, "higher", "verdicts", "how often a wrong decision is doubted more than a correct one"
    ),
    "average_precision": Measure(
        selective.average_precision, "higher", "verdicts", "mean precision over the wrong decisions, most doubted first"
    ),
    "fpr_at_95_tpr": Measure(
        selective.fpr_at_95_tpr, "lower", "verdicts", "share of correct decisions questioned to find 95 % of the wrong"
    ),
    "aurc": Measure(
        selective.aurc, "lower", "verdicts", "mean error rate of the accepted decisions over all coverages"
    ),
    "augrc": Measure(
        selective.augrc, "lower", "verdicts", "mean share of decisions that are wrong and accepted, over all coverages"
    ),
    "share_at": Measure(
        selective.share_at, "higher", "verdicts", "share of wrong decisions found at a share of correct ones questioned"
    ),
    "ood_auroc": Measure(
        ood.ood_auroc, "higher", "unknown", "how often an unknown image looks stranger than a known one"
    ),
    "ood_fpr_at_95_tpr": Measure(
        ood.ood_fpr_at_95_tpr, "lower", "unknown", "share of known images called unknown to find 95 % of the unknown"
    ),
    "attribute_accuracy": Measure(
        attributes.attribute_accuracy, "higher", "attributes", "share of single attributes that are correct"
    ),
    "attribute_exact": Measure(
        attributes.attribute_exact, "higher", "attributes", "share of images whose attributes are all correct"
    ),
    "argmax_agreement": Measure(
        attributes.argmax_agreement,
        "higher",
        "attributes",
        "share of images whose most probable attribute is their first true one; the published accuracy",
    ),
    "all_zeros_accuracy": Measure(
        attributes.all_zeros_accuracy, "higher", "attributes", "accuracy of predicting that no attribute is present"
    ),
    "majority_accuracy": Measure(
        attributes.majority_accuracy,
        "higher",
        "attributes",
        "accuracy of predicting each attribute as most training images have it",
    ),
    "mean_average_precision": Measure(
        attributes.mean_average_precision,
        "higher",
        "attributes",
        "average precision of ranking images by an attribute, mean over attributes",
    ),
    "balanced_accuracy": Measure(
        attributes.balanced_accuracy,
        "higher",
        "attributes",
        "mean accuracy on present and on absent values, mean over attributes",
    ),
    "macro_f1": Measure(
        attributes.macro_f1, "higher", "attributes", "harmonic mean of precision and recall, mean over attributes"
    ),
    "group_accuracy": Measure(
        attributes.group_accuracy,
        "higher",
        "attributes",
        "share of questions, such as the color of the bill, whose most probable answer is true",
    ),
    "aopc_coarse_blur": Measure(
        faithfulness.aopc, "higher", "faithful", "fall of the class's probability, patches of 1/7 side blurred"
    ),
    "aopc_fine_gray": Measure(
        faithfulness.aopc, "higher", "faithful", "fall of the class's probability, patches of 1/14 side made gray"
    ),
    "aopc": Measure(faithfulness.aopc, "higher", "faithful", "fall of the class's probability along a curve of `morf`"),
    "deletion": Measure(
        faithfulness.area, "lower", "faithful", "area under the probability while the image is made black"
    ),
    "insertion": Measure(
        faithfulness.area, "higher", "faithful", "area under the probability while a blurred image comes back"
    ),
    "pointing": Measure(placement.pointing_game, "higher", "placed", "images whose highest value lies on the object"),
    "energy": Measure(placement.energy, "higher", "placed", "share of the map that lies on the object"),
    "iou": Measure(
        placement.iou,
        "higher",
        "placed",
        "overlap with the object; in a comparison at the threshold that is best on the other half of the images",
    ),
    "f1": Measure(placement.f1, "higher", "placed", "harmonic mean of precision and recall of what the map shows"),
    "coverage": Measure(placement.coverage, "higher", "placed", "share of the object that the map shows"),
    "saliency_metric": Measure(
        placement.saliency_metric, "lower", "placed", "whether a small box around what the map shows is enough"
    ),
    "pompom": Measure(placement.pompom, "lower", "placed", "share of what is not the object that the map shows at all"),
    "gini": Measure(placement.gini, "higher", "sparse", "how few pixels hold the map"),
    "sensitivity": Measure(
        robustness.max_sensitivity,
        "lower",
        "stable",
        "largest relative change of the map under noise; in a comparison noise of 0.02",
    ),
    "mean_sensitivity": Measure(
        robustness.mean_sensitivity, "lower", "stable", "mean relative change of the map under noise"
    ),
    "randomized_similarity": Measure(
        robustness.randomized_similarity,
        "lower",
        "stable",
        "rank correlation with the map of a classifier of random weights",
    ),
}
COMPARED = (
    "aopc_coarse_blur", "aopc_fine_gray", "deletion", "insertion", "pointing", "energy", "iou", "pompom", "gini",
    "sensitivity",
)  # fmt: skip  #: the columns of a comparison of explanations, in order


def of_groups(*groups: Group) -> dict[str, Measure]:
    """The measures of some groups, in the table's order."""
    return {name: measure for name, measure in MEASURES.items() if measure.group in groups}


class TableMetric(Metric):
    """A measure of decisions, collected batch by batch, and from every process of a distributed run.

    `update` takes the function's tensors, by place or name; `compute` joins them and calls the function. Tensors that
    come in other numbers (known and unknown images) may be empty in a batch.

    Args:
        name: a name in `MEASURES`, of a group of `OF_DECISIONS`.
        fixed: arguments of the function that are the same for every batch, such as a threshold.
    Raises:
        RecipeError: if no measure has this name.
        TypeError: if a fixed argument is unknown, or one that the function needs is missing and is not a tensor.
        ValueError: by `compute`, if there was no update.
    """

    full_state_update = False
    is_differentiable = False

    def __init__(self, name: str, **fixed: Any) -> None:
        super().__init__()
        entry = choose("measure of decisions", name, of_groups(*OF_DECISIONS))
        self.function, self.fixed = entry.function, fixed
        # torchmetrics guards this as a constant of the class; here one class serves both directions
        self.__dict__["higher_is_better"] = entry.direction == "higher"
        signature = inspect.signature(entry.function)
        signature.bind_partial(**fixed)
        self.tensors = [argument for argument in signature.parameters if argument not in fixed]
        for argument in self.tensors:
            if signature.parameters[argument].annotation in (float, attributes.Groups):
                raise TypeError(f"metric {name!r} needs {argument}, which all batches share.")
            self.add_state(argument, default=[], dist_reduce_fx="cat")

    def update(self, *args: Tensor, **kwargs: Tensor) -> None:
        """Keep one batch's tensors."""
        given = dict(zip(self.tensors, args, strict=False)) | kwargs
        if given.keys() != set(self.tensors) or len(args) + len(kwargs) != len(self.tensors):
            raise TypeError(f"an update takes {', '.join(self.tensors)}; got {len(args)} and {sorted(kwargs)}.")
        for name, tensor in given.items():
            getattr(self, name).append(tensor.detach())

    def compute(self) -> Tensor:
        """The figure over all batches, as its function defines it."""
        return self.function(**{name: dim_zero_cat(getattr(self, name)) for name in self.tensors}, **self.fixed)


class MapMetric(Metric):
    """A measure of maps, collected batch by batch: `compute` is the mean over the images that have an answer.

    Args:
        name: a name in `MEASURES`, of a group of `OF_MAPS`.
        fixed: arguments of the function that are the same for every batch, such as a threshold.
    Raises:
        RecipeError: if no measure has this name.
        TypeError: if a fixed argument is unknown.
    Example:
        >>> import torch
        >>> metric = MapMetric("iou", threshold=0.5)
        >>> metric.update(torch.tensor([[[[0.9, 0.6]]]]), torch.tensor([[[[True, False]]]]))
        >>> metric.update(torch.tensor([[[[0.9, 0.1]]]]), torch.tensor([[[[True, False]]]]))
        >>> metric.compute()
        tensor(0.7500, dtype=torch.float64)
    """

    full_state_update = False
    is_differentiable = False
    figures: list[Tensor]

    def __init__(self, name: str, **fixed: Any) -> None:
        super().__init__()
        entry = choose("measure of maps", name, of_groups(*OF_MAPS))
        inspect.signature(entry.function).bind_partial(**fixed)
        self.function, self.fixed = entry.function, fixed
        # torchmetrics guards this as a constant of the class; here one class serves both directions
        self.__dict__["higher_is_better"] = entry.direction == "higher"
        self.add_state("figures", default=[], dist_reduce_fx="cat")

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Measure one batch, and keep one figure for each image."""
        self.figures.append(self.function(*args, **kwargs, **self.fixed).double())

    def compute(self) -> Tensor:
        """The mean over all images with an answer; NaN without any."""
        return self.each().nanmean()

    def each(self) -> Tensor:
        """(B,) the figure of every image so far, for `mean_interval`."""
        return dim_zero_cat(self.figures)


def as_metric(name: str, **fixed: Any) -> TableMetric | MapMetric:
    """The measure of that name as a torchmetrics `Metric`.

    Raises:
        RecipeError: if no measure has this name.
    Example:
        >>> import torch
        >>> metric = as_metric("share_at", questioned_correct=0.5)
        >>> metric.update(torch.tensor([0.1, 0.5]), torch.tensor([False, False]))
        >>> metric.update(torch.tensor([0.4, 0.8]), torch.tensor([True, True]))
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """
    kind = TableMetric if choose("metric", name, MEASURES).group in OF_DECISIONS else MapMetric
    return kind(name, **fixed)


__all__ = [
    "COMPARED",
    "MEASURES",
    "OF_DECISIONS",
    "OF_MAPS",
    "Interval",
    "MapMetric",
    "Measure",
    "Resamples",
    "TableMetric",
    "as_metric",
    "mean_interval",
    "of_groups",
    "paired_interval",
    "ratio_interval",
    "share_interval",
]
