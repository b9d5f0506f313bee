"""The likelihood of each class under the predicted attributes, and what each attribute says for it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from antehoc.types import Labels, Scores, checked

Attributes = Float[Tensor, "batch attributes"]
ClassAttributes = Float[Tensor, "classes attributes"]
PerClass = Float[Tensor, "batch classes"]
PerAttribute = Float[Tensor, " attributes"]
Groups = tuple[tuple[int, ...], ...]


@checked
def attribute_probabilities(logits: Attributes, exclusive: Groups, at_most_one: Groups = ()) -> Attributes:
    """Probability of each attribute: a softmax within each group, a sigmoid elsewhere.

    Where at most one of a group holds, "none" stands beside the members with a logit of 0. Both softmaxes are exact:
    they are what independent sigmoids become once it is known that one, or at most one, of the group holds.

    Args:
        logits: of each attribute.
        exclusive: groups of which exactly one holds; they sum to 1.
        at_most_one: groups of which one holds or none; they sum to less than 1.
    Example:
        >>> attribute_probabilities(torch.tensor([[2.0, 2.0, 0.0, 0.0]]), ((0, 1),), ((2, 3),))
        tensor([[0.5000, 0.5000, 0.3333, 0.3333]])
    """
    probabilities = logits.sigmoid()
    for groups, none in ((exclusive, 0), (at_most_one, 1)):
        for group in groups:
            members = torch.tensor(group, device=logits.device)
            shares = F.pad(logits[:, members], (0, none)).softmax(1)[:, : len(group)]
            probabilities = probabilities.index_copy(1, members, shares)
    return probabilities


@checked
def log_likelihood(
    probabilities: Attributes,
    class_attributes: ClassAttributes,
    exclusive: Groups = (),
    clamp: float = 1e-3,
    at_most_one: Groups = (),
) -> PerClass:
    """Log-likelihood of what is expected for each class, under the predicted attributes.

    Sum over attributes of P log p + (1 - P) log(1 - p), where P is the class's share with the attribute and p its
    predicted probability. A group is one draw: among its members where exactly one holds, which adds P log p only;
    among them and "none" where at most one does, which adds (1 - sum P) log(1 - sum p) once.

    Args:
        probabilities: in 0..1; those of a group as `attribute_probabilities` gives them.
        class_attributes: P(attribute | class). Where those of an `at_most_one` group sum to more than 1, they are
            scaled to 1.
        exclusive: groups of attributes of which exactly one holds.
        clamp: p is kept this far from 0 and 1, so that no single attribute decides alone.
        at_most_one: groups of attributes of which one holds or none.
    Returns:
        One log-likelihood per class, never positive.
    """
    rows = _drawn(class_attributes, at_most_one)
    p = probabilities.clamp(clamp, 1 - clamp)
    absent = (1 - p).log()
    for group in (*exclusive, *at_most_one):
        absent = absent.index_fill(1, torch.tensor(group, device=p.device), 0)
    fit = p.log() @ rows.T + absent @ (1 - rows).T
    for group in at_most_one:
        none = (1 - rows[:, list(group)].sum(1)).clamp(min=0)
        fit = fit + _log_none(probabilities, group, clamp) * none
    return fit


@checked
def evidence(
    probabilities: Attributes, exclusive: Groups = (), clamp: float = 1e-3, at_most_one: Groups = ()
) -> Attributes:
    """What each attribute says: how far a class's log-likelihood rises with its share of the attribute, in nats.

    The log-odds against not having it; in an `at_most_one` group against having none; in an exclusive group, where a
    class cannot but have one, against the group's mean. Positive: it speaks for classes that ask for it.

    Args:
        probabilities, exclusive, clamp, at_most_one: as for `log_likelihood`.
    """
    p = probabilities.clamp(clamp, 1 - clamp)
    log_p, against = p.log(), (1 - p).log()
    for group in exclusive:
        members = torch.tensor(group, device=p.device)
        mean = log_p[:, members].mean(1, keepdim=True)
        against = against.index_copy(1, members, mean.expand(-1, len(group)))
    for group in at_most_one:
        members = torch.tensor(group, device=p.device)
        against = against.index_copy(1, members, _log_none(probabilities, group, clamp).expand(-1, len(group)))
    return log_p - against


@checked
def contributions(
    probabilities: Attributes,
    class_attributes: ClassAttributes,
    of: Labels,
    over: Labels,
    exclusive: Groups = (),
    clamp: float = 1e-3,
    at_most_one: Groups = (),
) -> Attributes:
    """What each attribute adds to the log-likelihood ratio of one class over another, for each image.

    Args:
        probabilities, class_attributes, exclusive, clamp, at_most_one: as for `log_likelihood`.
        of: number of the class that positive contributions speak for.
        over: number of the class that negative ones speak for.
    Returns:
        In nats. Where the classes' shares of each exclusive group sum to 1, they sum to the difference of the two
        log-likelihoods.
    """
    rows = _drawn(class_attributes, at_most_one)
    return (rows[of] - rows[over]) * evidence(probabilities, exclusive, clamp, at_most_one)


@checked
def deciding(
    class_attributes: ClassAttributes,
    a: int,
    b: int,
    probabilities: Attributes | None = None,
    exclusive: Groups = (),
    clamp: float = 1e-3,
    at_most_one: Groups = (),
) -> PerAttribute:
    """Which attributes decide between two classes.

    Args:
        class_attributes, exclusive, clamp, at_most_one: as for `log_likelihood`.
        a: number of one class.
        b: number of the other.
        probabilities: of the attributes of some images, in 0..1; None for what is expected for the classes.
    Returns:
        With images, what each attribute adds to the log-likelihood ratio of a over b, on average over them, in nats;
        negative: it speaks for b. Without, what it adds to that of the true one of the two over the other, on average
        over a typical image of each (the class's shares as its attributes): half of Jeffreys' divergence, never
        negative where the attribute stands in no group, the same for (a, b) and (b, a).
    Source:
        Jeffreys, "An Invariant Form for the Prior Probability in Estimation Problems", 1946, for the divergence.
    Example:
        >>> deciding(torch.tensor([[0.9, 0.5], [0.1, 0.5]]), 0, 1)
        tensor([1.7578, 0.0000])
    """
    if probabilities is not None:
        first, second = (torch.full((len(probabilities),), label, device=probabilities.device) for label in (a, b))
        return contributions(probabilities, class_attributes, first, second, exclusive, clamp, at_most_one).mean(0)
    both = torch.tensor([a, b], device=class_attributes.device)
    typical = _drawn(class_attributes, at_most_one)[both]
    return contributions(typical, class_attributes, both, both.flip(0), exclusive, clamp, at_most_one).mean(0)


def _drawn(class_attributes: Tensor, at_most_one: Groups) -> Tensor:
    """P(attribute | class) with the shares of each at-most-one group summing to 1 at most."""
    for group in at_most_one:
        members = torch.tensor(group, device=class_attributes.device)
        own = class_attributes[:, members]
        class_attributes = class_attributes.index_copy(1, members, own / own.sum(1, keepdim=True).clamp(min=1))
    return class_attributes


def _log_none(probabilities: Tensor, group: tuple[int, ...], clamp: float) -> Tensor:
    """(B, 1) log-probability that no member of an at-most-one group holds."""
    return (1 - probabilities[:, list(group)].sum(1, keepdim=True)).clamp(clamp, 1 - clamp).log()


@checked
def likelihood(class_log_likelihood: PerClass, predicted: Labels) -> Scores:
    """Log-likelihood ratio of the best other class over the predicted one: above 0, another class fits better.

    Differs: the thesis counts present attributes (`support`); a ratio also weighs those that should be absent, and how
    surely each is seen, which removes both blind spots.
    """
    own = class_log_likelihood.gather(1, predicted[:, None])[:, 0]
    return class_log_likelihood.scatter(1, predicted[:, None], -torch.inf).amax(1) - own
