"""Measures of predicted attributes, the trivial predictors beside them: where bits are rare, all zeros looks good.

A bit counts as predicted from probability .5 on. Figures are double precision on the CPU, and NaN where their question
has no answer (no rows, no attributes, no attribute that occurs with both values).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.errors import DataError
from antehoc.metrics.selective import Figure, average_precision
from antehoc.types import checked

Probabilities = Float[Tensor, "batch attributes"]
Truth = Float[Tensor, "batch attributes"]
TrainTruth = Float[Tensor, "train attributes"]
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
    arbitrary one, so it is no accuracy of attributes: use `attribute_accuracy` and `attribute_exact`.

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
