"""One label or several: loss, probabilities, what is predicted and what is wrong.

With one label per image (`single-label`) the classes share a softmax, labels are class numbers `(B,)`, and one decision
is made per image. With several (`multi-label`) each class has a sigmoid of its own, labels are 0 or 1 `(B, K)`, and
every class is a decision of its own. This is the only module that takes an argmax of logits.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from antehoc.errors import DataError, ModelError

Task = Literal["single-label", "multi-label"]


def loss(task: Task, logits: Tensor, label: Tensor) -> Tensor:
    """The classification loss: cross-entropy, or binary cross-entropy averaged over images and labels.

    Args:
        task: what the labels mean.
        logits: (B, K).
        label: (B,) class numbers, or (B, K) in 0..1.
    Returns:
        A scalar, 0 or more, in nats.
    """
    if task == "single-label":
        return F.cross_entropy(logits, label)
    return F.binary_cross_entropy_with_logits(logits, label.to(logits.dtype))


def probabilities(task: Task, logits: Tensor) -> Tensor:
    """(B, K) in 0..1: a softmax over the classes, or a sigmoid of each.

    Example:
        >>> probabilities("single-label", torch.zeros(1, 2)), probabilities("multi-label", torch.zeros(1, 2))
        (tensor([[0.5000, 0.5000]]), tensor([[0.5000, 0.5000]]))
    """
    return logits.softmax(1) if task == "single-label" else logits.sigmoid()


def log_probabilities(task: Task, logits: Tensor) -> Tensor:
    """(B, K) of at most 0: the logarithms of `probabilities`, exact where these round to 0.

    Example:
        >>> log_probabilities("multi-label", torch.tensor([[-200.0, 0.0]]))
        tensor([[-200.0000,   -0.6931]])
    """
    return logits.log_softmax(1) if task == "single-label" else F.logsigmoid(logits)


def strongest(logits: Tensor) -> Tensor:
    """(B,) the number of each image's highest logit: the class that an attribution explains unless told otherwise."""
    return logits.argmax(1)


def predicted(task: Task, logits: Tensor) -> Tensor:
    """What is decided: (B,) class numbers, or (B, K) True for each label with a probability of a half or more."""
    return strongest(logits) if task == "single-label" else logits >= 0


def wrong(task: Task, logits: Tensor, label: Tensor) -> Tensor:
    """Which decisions are wrong: (B,) bool, or (B, K) where each label is a decision.

    Args:
        task: what the labels mean.
        logits: (B, K).
        label: (B,) class numbers, or (B, K) where a half or more counts as present.
    """
    found = predicted(task, logits)
    return found != label if task == "single-label" else found != (label >= 0.5)


def accuracy(task: Task, logits: Tensor, label: Tensor) -> Tensor:
    """The share of correct decisions, a scalar in 0..1; with several labels, of label decisions."""
    return (~wrong(task, logits, label)).float().mean()


def confidence(task: Task, logits: Tensor) -> Tensor:
    """Probability of what is decided: (B,) in 0..1, or (B, K) in 0.5..1, in double precision.

    With several labels, it is the probability of "present" or "absent", whichever is decided.
    """
    shares = probabilities(task, logits.double())
    return shares.amax(1) if task == "single-label" else torch.maximum(shares, 1 - shares)


def named(task: Task, logits: Tensor) -> list[list[int]]:
    """For each image the numbers of the classes that are named: one, or with several labels any number of them."""
    found = predicted(task, logits)
    if task == "single-label":
        return [[number] for number in found.tolist()]
    return [row.nonzero()[:, 0].tolist() for row in found]


def check_labels(task: Task, label: Tensor, classes: int, where: str) -> None:
    """Refuse labels that do not fit the task.

    Raises:
        DataError: for labels of another shape, or class numbers outside 0..classes - 1.
    Example:
        >>> check_labels("multi-label", torch.tensor([0, 1]), 3, "birds.csv")
        Traceback (most recent call last):
        antehoc.errors.DataError: birds.csv: several labels need 0 or 1 for each of 3 classes, (n, 3); got (2,).
    """
    shape = tuple(label.shape)
    if task == "multi-label":
        if label.ndim != 2 or shape[1] != classes:
            raise DataError(
                f"{where}: several labels need 0 or 1 for each of {classes} classes, (n, {classes}); got {shape}."
            )
        return
    if label.ndim != 1:
        raise DataError(f"{where}: one label per image needs class numbers (n,); got {shape}.")
    if len(label) and not 0 <= int(label.min()) <= int(label.max()) < classes:
        raise DataError(
            f"{where}: class numbers must be in 0..{classes - 1}; got {int(label.min())} to {int(label.max())}."
        )


def checked_logits(classifier: object, logits: object, images: int, task: Task = "single-label") -> Tensor:
    """What a classifier returned, if it is logits (B, K) that can be explained.

    Raises:
        ModelError: it is anything else, or a single logit whose softmax is always 1.
    """
    name = type(classifier).__name__
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != images:
        came = f"a tensor {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"a classifier must map {images} images to logits ({images}, classes); {name} gave {came}."
            " A system of antehoc has `as_classifier()` for this."
        )
    if logits.shape[1] == 1 and task == "single-label":
        raise ModelError(
            f'{name} gives a single logit, whose softmax is always 1; pass task="multi-label" to read it through a'
            " sigmoid, or a module that returns the logits of both classes."
        )
    return logits
