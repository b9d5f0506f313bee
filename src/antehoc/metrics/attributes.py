"""Measures of predicted attributes, the trivial predictors beside them: where bits are rare, all zeros looks good.

A bit counts as predicted from probability .5 on. Figures are double precision on the CPU, and NaN where their question
has no answer (no rows, no attributes, no attribute that occurs with both values).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.errors import DataError
from antehoc.metrics.selective import Figure, auroc, average_precision
from antehoc.types import checked

Probabilities = Float[Tensor, "batch attributes"]
Truth = Float[Tensor, "batch attributes"]
TrainTruth = Float[Tensor, "train attributes"]
Groups = tuple[tuple[int, ...], ...]
THRESHOLD = 0.5


class PerAttribute(NamedTuple):
    """One figure per attribute, each (N,); NaN where undefined."""

    prevalence: Tensor  #: share of images that have it
    accuracy: Tensor
    balanced_accuracy: Tensor  #: NaN for an attribute that all images have, or none
    average_precision: Tensor  #: NaN for an attribute that all images have, or none
    f1: Tensor  #: NaN for an attribute that all images have, or none


@checked
def attribute_accuracy(probabilities: Probabilities, truth: Truth) -> Figure:
    """Share of single bits that are right, over all images and attributes. Higher is better.

    Read it beside `all_zeros_accuracy` and `majority_accuracy`.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
    Returns:
        A share in 0..1.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Example:
        >>> attribute_accuracy(torch.tensor([[0.9, 0.2], [0.6, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        tensor(0.7500, dtype=torch.float64)
    """
    return _right(probabilities, truth).double().mean()


@checked
def attribute_exact(probabilities: Probabilities, truth: Truth) -> Figure:
    """Share of images with every bit right. Higher is better.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
    Returns:
        A share in 0..1, never above `attribute_accuracy`.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Example:
        >>> attribute_exact(torch.tensor([[0.9, 0.2], [0.6, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        tensor(0.5000, dtype=torch.float64)
    """
    right = _right(probabilities, truth)
    return right.all(1).double().mean() if right.shape[1] else _undefined()


@checked
def argmax_agreement(probabilities: Probabilities, truth: Truth) -> Figure:
    """Share of images whose surest attribute is their first true one: the authors' mistaken figure. Higher is better.

    Kept because the thesis's accuracy of the mirror on shapes (.9843) is this number: Keras takes "accuracy" on a
    vector of bits for a categorical one. It looks at one bit per image, and where several are true at a nearly
    arbitrary one, so it is not an accuracy of attributes: use `attribute_accuracy` and `attribute_exact`.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
    Returns:
        A share in 0..1. On ties, and in a truth of several ones, the first position counts.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Source:
        Keras, `categorical_accuracy`, as the authors' notebook resolves "accuracy".
    Example:
        >>> argmax_agreement(torch.tensor([[0.2, 0.9], [0.6, 0.7]]), torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
        tensor(0.5000, dtype=torch.float64)
    """
    bits, given = _bits(truth), _probabilities(probabilities)
    return (given.argmax(1) == bits.int().argmax(1)).double().mean() if bits.shape[1] else _undefined()


@checked
def all_zeros_accuracy(truth: Truth) -> Figure:
    """Per-bit accuracy of saying that no image has any attribute: what `attribute_accuracy` has to beat.

    Args:
        truth: 1 where the image has the attribute, else 0.
    Returns:
        The share of zeros, in 0..1.
    Raises:
        DataError: if a truth is neither 0 nor 1.
    Example:
        >>> all_zeros_accuracy(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
        tensor(0.7500, dtype=torch.float64)
    """
    return (~_bits(truth)).double().mean()


@checked
def majority_accuracy(truth: Truth, train_truth: TrainTruth) -> Figure:
    """Per-bit accuracy of always saying what most training images have: the harder bar for `attribute_accuracy`.

    Args:
        truth: 1 where the image has the attribute, else 0.
        train_truth: the same for the training images, which choose the majority; exactly half counts as absent.
    Returns:
        A share in 0..1; NaN without training images.
    Raises:
        DataError: if a truth is neither 0 nor 1.
    Example:
        >>> majority_accuracy(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.7500, dtype=torch.float64)
    """
    bits, train = _bits(truth), _bits(train_truth)
    return (bits == (train.double().mean(0) > 0.5)).double().mean() if len(train) else _undefined()


@checked
def mean_average_precision(probabilities: Probabilities, truth: Truth) -> Figure:
    """How well each attribute ranks the images that have it first: the mean over attributes. Higher is better.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
    Returns:
        Mean `average_precision` in 0..1 over the attributes that some images have and some lack.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Source:
        scikit-learn's `average_precision_score(average="macro")`.
    Example:
        >>> mean_average_precision(torch.tensor([[0.9, 0.9], [0.1, 0.9]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
        tensor(1., dtype=torch.float64)
    """
    return per_attribute(probabilities, truth).average_precision.nanmean()


@checked
def balanced_accuracy(probabilities: Probabilities, truth: Truth) -> Figure:
    """Mean of the shares of present and of absent bits that are right: rare attributes count fully. Higher is better.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
    Returns:
        Mean in 0..1 (0.5 for any constant answer) over the attributes that some images have and some lack.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Source:
        Brodersen et al., "The Balanced Accuracy and Its Posterior Distribution", ICPR 2010.
    Example:
        >>> balanced_accuracy(torch.tensor([[0.1], [0.2], [0.3]]), torch.tensor([[1.0], [0.0], [0.0]]))
        tensor(0.5000, dtype=torch.float64)
    """
    return per_attribute(probabilities, truth).balanced_accuracy.nanmean()


@checked
def macro_f1(probabilities: Probabilities, truth: Truth) -> Figure:
    """Harmonic mean of precision and recall of each attribute, averaged over attributes. Higher is better.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
    Returns:
        Mean of 2 TP / (2 TP + FP + FN) in 0..1 over the attributes that some images have and some lack.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Source:
        scikit-learn's `f1_score(average="macro")` on bits.
    Example:
        >>> macro_f1(torch.tensor([[0.9], [0.8], [0.3]]), torch.tensor([[1.0], [0.0], [0.0]]))
        tensor(0.6667, dtype=torch.float64)
    """
    return per_attribute(probabilities, truth).f1.nanmean()


class Unseen(NamedTuple):
    """Which attributes the answers tell nothing about, each (N,)."""

    p_value: Tensor  #: of the chance that the order is none at all; NaN for an attribute that all images have, or none
    unseen: Tensor  #: True where the images can tell, and do not show that the attribute is seen


@checked
def group_accuracy(probabilities: Probabilities, truth: Truth, groups: Groups) -> Figure:
    """Share of questions, such as the color of the bill, whose surest answer is true. Higher is better.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
        groups: numbers of the attributes that answer one question.
    Returns:
        A share in 0..1 of the pairs of image and group in which a true attribute exists; of several answers that are
        equally sure each counts as a part. NaN without such a pair.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Example:
        >>> bill_and_tail = ((0, 1), (2, 3))
        >>> group_accuracy(torch.tensor([[0.4, 0.3, 0.6, 0.9]]), torch.tensor([[1.0, 0.0, 1.0, 0.0]]), bill_and_tail)
        tensor(0.5000, dtype=torch.float64)
    """
    given, bits = _probabilities(probabilities), _bits(truth)
    right = [given.new_zeros(0)]
    for group in groups:
        own, true = given[:, list(group)], bits[:, list(group)]
        surest = own == own.amax(1, keepdim=True)
        right.append(((surest & true).sum(1).double() / surest.sum(1))[true.any(1)])
    return torch.cat(right).mean()


@checked
def unseen_attributes(probabilities: Probabilities, truth: Truth, level: float = 0.05) -> Unseen:
    """Attributes whose probabilities rank the images that have them no better than chance would: the mirror is blind.

    For each attribute the one-sided test of Mann and Whitney, by its normal approximation with ties; over attributes
    the procedure of Benjamini and Hochberg, so that of those called seen a share of `level` at most is not, on average.
    "Unseen" is what these images do not show to be seen: with few that have the attribute, that may be their number.

    Images must be independent. Where all images of a class share their attributes, they are not: give the mean
    probabilities and the truth of each class as rows instead. The test cannot tell seeing an attribute from knowing the
    classes that have it.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
        level: the share of false discoveries that is allowed, in 0..1.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Source:
        Mann and Whitney, Annals of Mathematical Statistics 1947; Benjamini and Hochberg, "Controlling the False
        Discovery Rate", Journal of the Royal Statistical Society B 1995.
    Example:
        >>> truth = (torch.arange(40) < 10).double()[:, None].expand(-1, 2)
        >>> seen, noise = truth[:, 0] * 0.5 + 0.2, torch.arange(40.0).double() % 7 / 7
        >>> unseen_attributes(torch.stack([seen, noise], 1), truth).unseen
        tensor([False,  True])
    """
    given, bits = _probabilities(probabilities), _bits(truth)
    columns = zip(given.T, bits.T, strict=True)
    p_value = given.new_tensor([_mann_whitney(column, bit) for column, bit in columns])
    return Unseen(p_value, p_value > _largest_discovery(p_value, level))


def _largest_discovery(p_value: Tensor, level: float) -> float:
    """The largest p-value that counts as a discovery by Benjamini and Hochberg; -1 where none does."""
    ordered = p_value[~p_value.isnan()].sort().values
    limits = level * torch.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    found = ordered[ordered <= limits]
    return float(found[-1]) if len(found) else -1.0


def _mann_whitney(column: Tensor, bit: Tensor) -> float:
    """One-sided p-value of positives ranked above negatives; NaN without one of either."""
    positive, rows = int(bit.sum()), len(bit)
    pairs = positive * (rows - positive)
    ties = column.unique(return_counts=True)[1].double()  # type: ignore[no-untyped-call]
    variance = pairs / 12 * (rows + 1 - float((ties**3 - ties).sum()) / max(rows * (rows - 1), 1))
    if not variance > 0:  # every answer is the same, or every truth
        return 1.0 if pairs else torch.nan
    above = float(auroc(column, bit)) * pairs - pairs / 2 - 0.5  # the half corrects for continuity
    return float(torch.special.ndtr(torch.tensor(-above / variance**0.5, dtype=torch.float64)))


@checked
def per_attribute(probabilities: Probabilities, truth: Truth) -> PerAttribute:
    """The figures of every attribute apart, for a table. Higher is better in all but prevalence.

    Args:
        probabilities: of each attribute, in 0..1.
        truth: 1 where the image has the attribute, else 0.
    Returns:
        Five figures in 0..1 per attribute.
    Raises:
        DataError: if a probability lies outside 0..1, or a truth is neither 0 nor 1.
    Example:
        >>> per_attribute(torch.tensor([[0.9], [0.8], [0.3]]), torch.tensor([[1.0], [0.0], [0.0]])).balanced_accuracy
        tensor([0.7500], dtype=torch.float64)
    """
    bits, right, given = _bits(truth), _right(probabilities, truth), _probabilities(probabilities)
    recall, specificity = _share(right, bits), _share(right, ~bits)
    hits = (right & bits).sum(0).double()
    f1 = 2 * hits / (2 * hits + (~right).sum(0))
    precision = [average_precision(column, bit) for column, bit in zip(given.T, bits.T, strict=True)]
    figures = recall.new_tensor(precision), f1
    both = bits.any(0) & (~bits).any(0)
    ranking, harmonic = (torch.where(both, figure, torch.nan) for figure in figures)
    return PerAttribute(bits.double().mean(0), right.double().mean(0), (recall + specificity) / 2, ranking, harmonic)


def _share(right: Tensor, rows: Tensor) -> Tensor:
    return (right & rows).sum(0) / rows.sum(0).double()


def _right(probabilities: Tensor, truth: Tensor) -> Tensor:
    return (_probabilities(probabilities) >= THRESHOLD) == _bits(truth)


def _probabilities(probabilities: Tensor) -> Tensor:
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # NaN fails both
        raise DataError("attribute probabilities hold a number outside 0..1; are they still logits?")
    return probabilities.detach().cpu().double()


def _bits(truth: Tensor) -> Tensor:
    if not ((truth == 0) | (truth == 1)).all():
        raise DataError("true attributes hold a number that is neither 0 nor 1; round soft annotations first.")
    return truth.cpu() == 1


def _undefined() -> Tensor:
    return torch.tensor(torch.nan, dtype=torch.float64)
