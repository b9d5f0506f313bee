"""Questions: doubts by name. Each sets the explanans against the decision; higher means that they disagree more."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from antehoc.types import Labels, Scores, checked

Attributes = Float[Tensor, "batch attributes"]
ClassAttributes = Float[Tensor, "classes attributes"]
PerClass = Float[Tensor, "batch classes"]
PerAttribute = Float[Tensor, " attributes"]
Groups = tuple[tuple[int, ...], ...]
_LEAST = 0.001  # of the weight that `ledoit-wolf` finds, so that no covariance is singular


@checked
def support_confidence(
    attribute_probabilities: Attributes, class_attributes: ClassAttributes, threshold: float = 0.5
) -> PerClass:
    """How much of what each class asks for is present, by the papers' rule as coded.

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
        Largest confidence less the predicted class's, in 0..1.
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
    return ((~(class_scores < own)).sum(1) - 1).to(class_scores.dtype)  # so that a NaN is questioned, too


@checked
def default_n(classes: int) -> int:
    """How many classes the `top-n` rule lets pass: the thesis's 10 of 200, or as small a share where there are fewer.

    Example:
        >>> [default_n(classes) for classes in (4, 50, 200, 1000)]
        [1, 3, 10, 10]
    """
    return min(10, math.ceil(classes / 20))


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
    """Log-likelihood of what each class asks for, under the predicted attributes.

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
        probabilities: of the attributes of some images, in 0..1; None for what the classes ask for.
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


@checked
def margin(logits: PerClass) -> Scores:
    """Confidence as a doubt: second largest logit less the largest. Never positive; 0 where two classes tie.

    It ranks decisions nearly as maximum softmax does, but never saturates.
    """
    first, second = logits.topk(2, dim=1).values.unbind(1)
    return second - first


@checked
def probability(logits: PerClass, classes: Labels) -> Scores:
    """(B,) in 0..1: what the softmax of logits (B, K) gives to one class of each image.

    Example:
        >>> probability(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
        tensor([0.5000])
    """
    return logits.softmax(1).gather(1, classes[:, None])[:, 0]


@checked
def maximum_softmax(logits: PerClass) -> Scores:
    """The baseline that every verdict is compared with: 1 less the largest class probability, in 0..1.

    Source:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017.
    """
    return (1 - logits.double().softmax(1).amax(1)).to(logits.dtype)


@checked
def entropy(logits: PerClass) -> Scores:
    """How widely the class probabilities are spread, in nats: 0 for a sure decision, log K where all classes tie.

    Beside maximum softmax it also sees whether the rest is one rival or a crowd of them, as with unknown images.
    """
    logarithms = logits.log_softmax(1)
    return -(logarithms.exp() * logarithms).sum(1)


@checked
def ledoit_wolf(residuals: Float[Tensor, "rows features"]) -> float:
    """How far a covariance should be drawn towards one without correlations: the noise's share in its structure.

    Args:
        residuals: rows with a mean of 0.
    Returns:
        A weight in 0.001..1; near 0 for many rows of few features, near 1 where there is nothing but noise.
    Source:
        Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", Journal of
        Multivariate Analysis 2004, section 3.3: b^2 / d^2.
    """
    rows, features = max(len(residuals), 1), residuals.shape[1]
    covariance = residuals.T @ residuals / rows
    size = covariance.square().sum()
    structure = size - covariance.trace().square() / features
    noise = (residuals.square().sum(1).square().sum() / rows - size) / rows
    return min(max(float(noise / structure.clamp(min=1e-12)), _LEAST), 1.0)


class ClassGaussians(nn.Module):
    """How unlike the training images of the predicted class an image's features are: log of a squared distance.

    One Gaussian per class. With `covariance="class"` each class has its own covariance, else all share one. To each is
    added `shrinkage` times its diagonal and `shrinkage` times its mean variance on the diagonal, so that a feature that
    hardly ever moves in training does not make the image in which it moves infinitely strange.

    Args:
        classes: how many classes.
        features: how many features.
        covariance: `class` or `shared`. `class` wants several times more training images per class than features.
        shrinkage: weight of what is added to each covariance; or `ledoit-wolf`, which draws the correlations towards 0
            as far as their noise asks: for features that are not far fewer than the training images.
    Source:
        Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018, eq. 2.
        Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", Journal of
        Multivariate Analysis 2004, for the weight; here on features of equal variance.
    Differs: to the predicted class rather than the nearest, and one covariance per class as an option.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(
        self,
        classes: int,
        features: int,
        *,
        covariance: str = "shared",
        shrinkage: float | Literal["ledoit-wolf"] = 0.001,
    ) -> None:
        super().__init__()
        self.shrinkage = shrinkage
        matrices = classes if covariance == "class" else 1
        self.register_buffer("mean", torch.zeros(classes, features))
        self.register_buffer("whitening", torch.eye(features).repeat(matrices, 1, 1))

    @torch.no_grad()
    def fit(self, features: Tensor, labels: Tensor) -> None:
        """Set means and covariances from features (n, features) and true labels (n,) of training images."""
        own, shared = features.double(), len(self.whitening) == 1
        mean = torch.stack(
            [
                own[labels == label].mean(0) if (labels == label).any() else own.mean(0)
                for label in range(len(self.mean))
            ]
        )
        residuals = own - mean[labels]
        groups = [residuals] if shared else [residuals[labels == label] for label in range(len(mean))]
        self.mean.copy_(mean)
        self.whitening.copy_(torch.stack([self._whitening(group) for group in groups]))

    def _whitening(self, residuals: Tensor) -> Tensor:
        covariance = residuals.T @ residuals / max(len(residuals), 1)
        variance = covariance.diagonal()
        floor = variance.mean().clamp(min=1e-12)
        if isinstance(self.shrinkage, str):
            scale = (variance + _LEAST * floor).sqrt()
            correlation, weight = covariance / scale / scale[:, None], ledoit_wolf(residuals / scale)
            shrunk = (1 - weight) * correlation + weight * torch.eye(len(scale), dtype=scale.dtype, device=scale.device)
        else:
            scale = torch.ones_like(variance)
            shrunk = covariance + torch.diag(self.shrinkage * (variance + floor))
        inverse: Tensor = torch.linalg.inv(torch.linalg.cholesky(shrunk))
        return inverse / scale

    def forward(self, features: Tensor, predicted: Tensor) -> Tensor:
        """Log squared Mahalanobis distance per feature, (B,), of features (B, features) to the predicted class (B,)."""
        if len(self.whitening) == 1:
            white = (features - self.mean[predicted]) @ self.whitening[0].T
        else:  # to every class, then the predicted one: a gather of matrices per image would cost more
            every = torch.einsum("kij,bkj->bki", self.whitening, features[:, None] - self.mean)
            white = every[torch.arange(len(every), device=every.device), predicted]
        return white.square().mean(1).clamp(min=1e-12).log()

    def rival(self, features: Tensor, predicted: Tensor) -> Tensor:
        """How much nearer than the predicted class another one lies: log ratio of the squared distances, (B,).

        Above 0 where the features lie nearer to the training images of another class.
        """
        every = self.distances(features)
        own = every.gather(1, predicted[:, None])[:, 0]
        return own - every.scatter(1, predicted[:, None], torch.inf).amin(1)

    def distances(self, features: Tensor) -> Tensor:
        """Log squared Mahalanobis distance per feature to every class, (B, classes)."""
        if len(self.whitening) == 1:
            white, mean = features @ self.whitening[0].T, self.mean @ self.whitening[0].T
            squares = torch.cdist(white, mean, compute_mode="donot_use_mm_for_euclid_dist").square()
        else:
            every = torch.einsum("kij,bkj->bki", self.whitening, features[:, None] - self.mean)
            squares = every.square().sum(2)
        return (squares / features.shape[1]).clamp(min=1e-12).log()
