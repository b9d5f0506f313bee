"""Measures by name: each a pure function that gives one number, and one torchmetrics `Metric` around any of them."""

import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from antehoc.errors import choose
from antehoc.metrics import attributes, ood, selective
from antehoc.metrics.bootstrap import Interval, paired_interval, share_interval


class MetricEntry(NamedTuple):
    """A measure, which way is better, and the family that it belongs to (its file)."""

    function: Callable[..., Tensor]
    direction: Literal["higher", "lower"]
    family: Literal["selective", "ood", "attributes"]


METRICS: dict[str, MetricEntry] = {
    "questioned_share": MetricEntry(selective.questioned_share, "lower", "selective"),
    "auroc": MetricEntry(selective.auroc, "higher", "selective"),
    "average_precision": MetricEntry(selective.average_precision, "higher", "selective"),
    "fpr_at_95_tpr": MetricEntry(selective.fpr_at_95_tpr, "lower", "selective"),
    "aurc": MetricEntry(selective.aurc, "lower", "selective"),
    "augrc": MetricEntry(selective.augrc, "lower", "selective"),
    "share_at": MetricEntry(selective.share_at, "higher", "selective"),
    "ood_auroc": MetricEntry(ood.ood_auroc, "higher", "ood"),
    "ood_fpr_at_95_tpr": MetricEntry(ood.ood_fpr_at_95_tpr, "lower", "ood"),
    "attribute_accuracy": MetricEntry(attributes.attribute_accuracy, "higher", "attributes"),
    "attribute_exact": MetricEntry(attributes.attribute_exact, "higher", "attributes"),
    "argmax_agreement": MetricEntry(attributes.argmax_agreement, "higher", "attributes"),
    "all_zeros_accuracy": MetricEntry(attributes.all_zeros_accuracy, "higher", "attributes"),
    "majority_accuracy": MetricEntry(attributes.majority_accuracy, "higher", "attributes"),
    "mean_average_precision": MetricEntry(attributes.mean_average_precision, "higher", "attributes"),
    "balanced_accuracy": MetricEntry(attributes.balanced_accuracy, "higher", "attributes"),
    "macro_f1": MetricEntry(attributes.macro_f1, "higher", "attributes"),
    "group_accuracy": MetricEntry(attributes.group_accuracy, "higher", "attributes"),
}


class TableMetric(Metric):
    """A measure of the table, collected batch by batch, and from every process of a distributed run.

    `update` takes the function's tensors, by place or name; `compute` joins them and calls the function. Tensors that
    come in other numbers (known and unknown images) may be empty in a batch.

    Args:
        name: a name in `METRICS`.
        fixed: arguments of the function that are the same for every batch, such as a threshold.
    Raises:
        RecipeError: if no measure has this name.
        TypeError: if a fixed argument is unknown, or one that the function needs is not given and is no tensor.
        ValueError: by `compute`, if there was no update.
    """

    full_state_update = False
    is_differentiable = False

    def __init__(self, name: str, **fixed: Any) -> None:
        super().__init__()
        entry = choose("metric", name, METRICS)
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


def as_metric(name: str, **fixed: Any) -> TableMetric:
    """The measure of that name as a torchmetrics `Metric`.

    Example:
        >>> import torch
        >>> metric = as_metric("share_at", questioned_correct=0.5)
        >>> metric.update(torch.tensor([0.1, 0.5]), torch.tensor([False, False]))
        >>> metric.update(torch.tensor([0.4, 0.8]), torch.tensor([True, True]))
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """
    return TableMetric(name, **fixed)


__all__ = [
    "METRICS",
    "Interval",
    "MetricEntry",
    "TableMetric",
    "as_metric",
    "paired_interval",
    "share_interval",
]
