"""Rivals that read logits alone. Every score is a doubt: higher means more likely to fail."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from antehoc.doubts import certainty
from antehoc.metrics.selective import aurc
from antehoc.types import Flags, Scores, checked

Logits = Float[Tensor, "batch classes"]

NORMS: Sequence[int] = tuple(range(9))  #: the p that `choose_norm` tries; 0 leaves the logits as they are


@checked
def rest(logits: Logits) -> Float[Tensor, "batch classes"]:
    """1 minus each softmax probability, exact also where the largest probability rounds to 1.

    Example:
        >>> import torch
        >>> rest(torch.tensor([[0.0, 0.0], [40.0, 0.0]]))[:, 0]
        tensor([5.0000e-01, 4.2484e-18], dtype=torch.float64)
    """
    shares = logits.double().softmax(1)
    top = shares.max(1, keepdim=True).indices
    return (1 - shares).scatter(1, top, shares.scatter(1, top, 0.0).sum(1, keepdim=True))


@checked
def max_softmax(logits: Logits) -> Scores:
    """1 minus the largest softmax probability, in 0..1.

    Source:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017.
    """
    return rest(logits).amin(1)


@checked
def max_logit(logits: Logits, norm: int) -> Scores:
    """Minus the largest logit, after the logits are centered and divided by their p-norm.

    Args:
        logits: of the decisions.
        norm: p; 0 does not divide.
    Source:
        Cattelan and Silva, "How to Fix a Broken Confidence Estimator: Evaluating Post-hoc Methods for Selective
        Classification with Deep Neural Networks", UAI 2024, MaxLogit-pNorm.
    """
    centered = logits.double() - logits.double().mean(1, keepdim=True)
    if norm:
        centered = centered / centered.norm(p=norm, dim=1, keepdim=True).clamp(min=1e-25)
    return -centered.amax(1)


@checked
def choose_norm(logits: Logits, wrong: Flags) -> int | None:
    """The p of `max_logit` with the lowest AURC on decisions that trained nothing; None: `max_softmax` is as good.

    Source:
        Cattelan and Silva, UAI 2024, as above: a grid over p, and maximum softmax where it has the lower AURC.
    Differs: maximum softmax is also taken where both are equal, as they are where no decision is wrong.
    """
    areas = {norm: float(aurc(max_logit(logits, norm), wrong)) for norm in NORMS}
    best = min(areas, key=areas.__getitem__)
    return best if areas[best] < float(aurc(max_softmax(logits), wrong)) else None


@checked
def generalized_entropy(logits: Logits, gamma: float = 0.1, top: int = 100) -> Scores:
    """GEN: the sum of p^gamma (1 - p)^gamma over the largest probabilities, 0 or more.

    Args:
        logits: of the decisions.
        gamma: in 0..1; a small one makes small deviations from a sure decision count.
        top: so many of the largest probabilities, at most.
    Source:
        Liu, Lochman and Zach, "GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection", CVPR 2023.
    """
    shares, order = logits.double().softmax(1).topk(min(top, logits.shape[1]), dim=1)
    return (shares * rest(logits).gather(1, order)).pow(gamma).sum(1)


@checked
def doctor_alpha(logits: Logits) -> Scores:
    """(1 - g) / g with g the sum of squared probabilities: odds that a label drawn by them differs from the true one.

    Source:
        Granese et al., "DOCTOR: A Simple Method for Detecting Misclassification Errors", NeurIPS 2021, D_alpha.
    Differs: without perturbation of the input, which needs gradients, and at temperature 1.
    """
    unlike = (logits.double().softmax(1) * rest(logits)).sum(1)  # 1 - g
    return unlike / (1 - unlike)


@checked
def doctor_beta(logits: Logits) -> Scores:
    """The odds of an error, 1 - p over p of the decided class. At temperature 1 it ranks as maximum softmax does.

    Source:
        Granese et al., NeurIPS 2021, as above, D_beta.
    Differs: as `doctor_alpha`.
    """
    error = max_softmax(logits)
    return error / (1 - error)


@checked
def energy(logits: Logits) -> Scores:
    """Minus the logarithm of the sum of exponentials of the logits.

    Source:
        Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020, eq. 4, at temperature 1.
    """
    return certainty.energy("single-label", logits.double())
