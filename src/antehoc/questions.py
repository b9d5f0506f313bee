"""Questions: doubts by name. Each sets the explanans against the decision; higher means that they disagree more."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from antehoc.types import Labels, Scores, checked

Attributes = Float[Tensor, "batch attributes"]
ClassAttributes = Float[Tensor, "classes attributes"]
PerClass = Float[Tensor, "batch classes"]


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
def attribute_probabilities(logits: Attributes, exclusive: tuple[tuple[int, ...], ...]) -> Attributes:
    """Probability of each attribute: a softmax within each exclusive group, a sigmoid elsewhere.

    Example:
        >>> attribute_probabilities(torch.tensor([[2.0, 2.0, 0.0]]), ((0, 1),))
        tensor([[0.5000, 0.5000, 0.5000]])
    """
    probabilities = logits.sigmoid()
    for group in exclusive:
        members = torch.tensor(group, device=logits.device)
        probabilities = probabilities.index_copy(1, members, logits[:, members].softmax(1))
    return probabilities


@checked
def log_likelihood(
    probabilities: Attributes,
    class_attributes: ClassAttributes,
    exclusive: tuple[tuple[int, ...], ...] = (),
    clamp: float = 1e-3,
) -> PerClass:
    """Log-likelihood of what each class asks for, under the predicted attributes.

    Sum over attributes of P log p + (1 - P) log(1 - p), where P is the class's share with the attribute and p its
    predicted probability; an exclusive group is one draw among its members, so it adds P log p only.

    Args:
        probabilities: in 0..1; those of an exclusive group sum to 1 (`attribute_probabilities`).
        class_attributes: P(attribute | class).
        exclusive: groups of attributes of which exactly one holds.
        clamp: p is kept this far from 0 and 1, so that no single attribute decides alone.
    Returns:
        One log-likelihood per class, never positive.
    """
    p = probabilities.clamp(clamp, 1 - clamp)
    absent = torch.ones(p.shape[1], dtype=p.dtype, device=p.device)
    for group in exclusive:
        absent[list(group)] = 0
    return p.log() @ class_attributes.T + ((1 - p).log() * absent) @ (1 - class_attributes).T


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
def maximum_softmax(logits: PerClass) -> Scores:
    """The baseline that every verdict is compared with: 1 less the largest class probability, in 0..1.

    Source:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017.
    """
    return (1 - logits.double().softmax(1).amax(1)).to(logits.dtype)


class ClassGaussians(nn.Module):
    """How unlike the training images of the predicted class an image's features are: log of a squared distance.

    One Gaussian per class. With `covariance="class"` each class has its own covariance, else all share one. To each is
    added `shrinkage` times its diagonal and `shrinkage` times its mean variance on the diagonal, so that a feature that
    hardly ever moves in training does not make the image in which it moves infinitely strange.

    Args:
        classes: how many classes.
        features: how many features.
        covariance: `class` or `shared`. `class` wants several times more training images per class than features.
        shrinkage: weight of what is added to each covariance.
    Source:
        Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018, eq. 2.
    Differs: to the predicted class rather than the nearest, and one covariance per class as an option.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, classes: int, features: int, *, covariance: str = "shared", shrinkage: float = 0.001) -> None:
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
        covariance = covariance + torch.diag(self.shrinkage * (variance + floor))
        inverse: Tensor = torch.linalg.inv(torch.linalg.cholesky(covariance))
        return inverse

    def forward(self, features: Tensor, predicted: Tensor) -> Tensor:
        """Log squared Mahalanobis distance per feature, (B,), of features (B, features) to the predicted class (B,)."""
        if len(self.whitening) == 1:
            white = (features - self.mean[predicted]) @ self.whitening[0].T
        else:  # to every class, then the predicted one: a gather of matrices per image would cost more
            every = torch.einsum("kij,bkj->bki", self.whitening, features[:, None] - self.mean)
            white = every[torch.arange(len(every), device=every.device), predicted]
        return white.square().mean(1).clamp(min=1e-12).log()
