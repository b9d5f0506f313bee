"""The papers' rules for attributes: `support` and `top-n`, with their faults, and a form of `top-n` without them."""

import math

import torch
import torch.nn.functional as F

from antehoc.doubts.likelihood import Attributes, ClassAttributes, Groups, PerAttribute, PerClass
from antehoc.types import Labels, Scores, checked


@checked
def support_confidence(
    attribute_probabilities: Attributes, class_attributes: ClassAttributes, threshold: float = 0.5
) -> PerClass:
    """How much of what is expected for each class is present, by the papers' rule as coded.

    Args:
        attribute_probabilities: in 0..1.
        class_attributes: P(attribute | class); above a half counts as asked for.
        threshold: an attribute is present from this probability on.
    Returns:
        The share of each class's attributes that is present, in 0..1. Attributes too many are not held against a class.
    Source:
        Thesis, section 3.5; the authors' code for `>=` at the threshold.
    Example:
        >>> square, rectangle = [0.0, 0, 1, 1, 1], [0.0, 0, 1, 1, 0]
        >>> support_confidence(torch.tensor([[0.2, 0.1, 0.3, 0.5, 0.6]]), torch.tensor([square, rectangle]))
        tensor([[0.6667, 0.5000]])
    """
    present = (attribute_probabilities >= threshold).to(class_attributes.dtype)
    asked = (class_attributes > 0.5).to(class_attributes.dtype)
    return present @ asked.T / asked.sum(1).clamp(min=1)


@checked
def support(
    attribute_probabilities: Attributes, predicted: Labels, class_attributes: ClassAttributes, threshold: float = 0.5
) -> Scores:
    """The papers' `support` rule: does another class have more of its attributes present than the predicted one?

    A decision is questioned where this is above 0. Two blind spots, kept because they are the published rule: when no
    attribute is present all classes tie at 0; and a class whose attributes are among those of another
    (rectangle, square) ties with it when the larger one's are all present.

    Args:
        attribute_probabilities: in 0..1.
        predicted: number of the predicted class.
        class_attributes: P(attribute | class).
        threshold: an attribute is present from this probability on.
    Returns:
        Largest confidence minus that of the predicted class, in 0..1.
    Source:
        Thesis, section 3.5: cases 1 and 3 are questioned, ties (case 2) are not.
    """
    confidence = support_confidence(attribute_probabilities, class_attributes, threshold)
    return confidence.amax(1) - confidence.gather(1, predicted[:, None])[:, 0]


@checked
def clean(probabilities: Attributes, groups: Groups, threshold: float = 0.8) -> Attributes:
    """What the thesis keeps of the attributes: the surest answer to each question, and that only if it is sure.

    Args:
        probabilities: in 0..1.
        groups: attributes that answer one question; an attribute in no group has no rival.
        threshold: what is not above it becomes 0.
    Returns:
        The probabilities kept, else 0. Of equal ones in a group the first counts as the surest.
    Source:
        Thesis, section 4.3; the threshold of 0.8 is its own.
    Example:
        >>> clean(torch.tensor([[0.85, 0.95, 0.7, 0.9]]), ((0, 1),))
        tensor([[0.0000, 0.9500, 0.0000, 0.9000]])
    """
    kept = probabilities > threshold
    for group in groups:
        members = torch.tensor(group, device=probabilities.device)
        surest = F.one_hot(probabilities[:, members].argmax(1), len(group)).bool()
        kept = kept.index_copy(1, members, kept[:, members] & surest)
    return torch.where(kept, probabilities, 0)


@checked
def top_n_class_scores(
    probabilities: Attributes,
    class_attributes: ClassAttributes,
    *,
    groups: Groups,
    threshold: float = 0.8,
    positive_weight: PerAttribute | None = None,
) -> PerClass:
    """How the attributes speak for each class, by the papers' `top-n` rule as coded.

    Its faults, kept because they are the published rule (`centred_class_scores` is without them):
    the positive weights of the training loss count rare attributes many times over, and are not in the thesis; a class
    for which many attributes are noted collects more than one for which few are; an attribute that is absent speaks
    against no class; and what the cleaning takes away is lost, down to images for which all classes score 0.

    Args:
        probabilities: in 0..1.
        class_attributes: P(attribute | class).
        groups: attributes that answer one question (`clean`).
        threshold: of the cleaning.
        positive_weight: of each attribute, as in the training loss; None is the rule as the thesis writes it.
    Returns:
        Shares of the classes, summing to 1; all 0 where the cleaning leaves nothing.
    Source:
        Thesis, section 4.3; the authors' code for the positive weights and the division by the sum.
    """
    kept = clean(probabilities, groups, threshold)
    scores = (kept if positive_weight is None else kept * positive_weight) @ class_attributes.T
    total = scores.sum(1, keepdim=True)
    return scores / torch.where(total > 0, total, 1)


@checked
def centred_class_scores(probabilities: Attributes, class_attributes: ClassAttributes) -> PerClass:
    """How the attributes speak for each class, without the faults of `top_n_class_scores`.

    The cosine between what sets the image apart from the average class and what sets each class apart from it. Lengths
    are divided out, so no class gains by a long list; an attribute that is missing, or is there and should not be,
    counts against; nothing is cut off, and no weights are needed: what all classes share counts for nothing.

    Args:
        probabilities: in 0..1.
        class_attributes: P(attribute | class).
    Returns:
        -1..1 for each class; 0 for an image, or a class, that is the average itself.
    """
    average = class_attributes.mean(0)
    return F.normalize(probabilities - average, dim=1) @ F.normalize(class_attributes - average, dim=1).T


@checked
def top_n(class_scores: PerClass, predicted: Labels) -> Scores:
    """The predicted class's rank by its attributes: how many other classes they fit as well or better.

    A decision is questioned from rank n on (`default_n`).

    Args:
        class_scores: `top_n_class_scores` or `centred_class_scores`.
        predicted: number of the predicted class.
    Returns:
        0 (best) to classes - 1, whole numbers.
    Source:
        Thesis, section 4.3.
    Differs: a tie counts against the predicted class, so an image of which the cleaning leaves nothing is questioned.
        In the authors' code its scores are 0 / 0, and the order in which a sort leaves them decides: chance, nearly.
    Example:
        >>> top_n(torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.0, 0.0]]), torch.tensor([2, 0]))
        tensor([1., 2.])
    """
    own = class_scores.gather(1, predicted[:, None])
    return ((~(class_scores < own)).sum(1) - 1).to(class_scores.dtype)  # so that a NaN is questioned


@checked
def default_n(classes: int) -> int:
    """How many classes the `top-n` rule lets pass: the thesis's 10 of 200, or as small a share where there are fewer.

    Example:
        >>> [default_n(classes) for classes in (4, 50, 200, 1000)]
        [1, 3, 10, 10]
    """
    return min(10, math.ceil(classes / 20))
