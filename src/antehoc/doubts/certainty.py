"""Doubts from the decision alone: how unsure the classifier itself is.

With several labels, each label is a decision between "present" and "absent": a softmax over the logits (z, 0).
"""

import torch
import torch.nn.functional as F

from antehoc import task as tasks
from antehoc.doubts.likelihood import PerClass
from antehoc.task import Task
from antehoc.types import Doubt, Labels, Scores, checked


@checked
def margin(task: Task, logits: PerClass) -> Doubt:
    """Minus the difference between the largest and the second largest logit. Never positive; 0 where two classes tie.

    It ranks decisions much as maximum softmax does, but never saturates. With several labels it is minus the absolute
    value of each logit.
    """
    if task == "multi-label":
        return -logits.abs()
    first, second = logits.topk(2, dim=1).values.unbind(1)
    return second - first


@checked
def probability(logits: PerClass, classes: Labels) -> Scores:
    """(B,) in 0..1: what the softmax of logits (B, K) gives to one class of each image.

    Example:
        >>> probability(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
        tensor([0.5000])
    """
    shares: torch.Tensor = logits.softmax(1)
    return shares.gather(1, classes[:, None])[:, 0]


@checked
def maximum_softmax(task: Task, logits: PerClass) -> Doubt:
    """The baseline that every verdict is compared with: 1 minus the probability of what is decided, in 0..1.

    Source:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017.
    """
    return (1 - tasks.confidence(task, logits)).to(logits.dtype)


@checked
def entropy(task: Task, logits: PerClass) -> Doubt:
    """How widely the class probabilities are spread, in nats: 0 for a sure decision, log K where all classes tie.

    Beside maximum softmax it also tells one rival class from many, as with unknown images. With several labels it is
    the entropy of each label.
    """
    if task == "multi-label":
        return -(logits.sigmoid() * F.logsigmoid(logits) + (-logits).sigmoid() * F.logsigmoid(-logits))
    logarithms = logits.log_softmax(1)
    return -(logarithms.exp() * logarithms).sum(1)


@checked
def energy(task: Task, logits: PerClass) -> Doubt:
    """How little the logits speak for any class: minus the logarithm of the sum of their exponentials.

    Softmax compares the classes with each other only; this also falls where all logits are large. With several labels
    it is minus the sum of log(1 + exp(z)) over the labels, the same for each label of an image.

    Source:
        Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020, eq. 4, at temperature 1; for several
        labels Wang et al., "Can Multi-Label Classification Networks Know What They Don't Know?", NeurIPS 2021, eq. 5.
    Example:
        >>> energy("single-label", torch.zeros(1, 4)).exp()
        tensor([0.2500])
    """
    if task == "multi-label":
        return -F.softplus(logits).sum(1, keepdim=True).expand(logits.shape)
    return -logits.logsumexp(1)
