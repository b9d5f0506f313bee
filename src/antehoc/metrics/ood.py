"""Measures of strangeness: how well a score tells images of no known class from known ones.

Every score is an `ood_score`: higher is stranger. Known and unknown images come apart, so their numbers may differ.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.metrics.selective import Figure, auroc, fpr_at_95_tpr
from antehoc.types import checked

Known = Float[Tensor, " known"]
Unknown = Float[Tensor, " unknown"]


@checked
def ood_auroc(known_score: Known, unknown_score: Unknown) -> Figure:
    """How often an unknown image looks stranger than a known one; a tie counts half. Higher is better.

    Args:
        known_score: of images like the training images; higher is stranger.
        unknown_score: of images unlike them, by the same score.
    Returns:
        The area under the ROC curve in 0..1 (0.5 for chance); NaN where either has no rows.
    Raises:
        DataError: if a score is NaN.
    Source:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017.
    Example:
        >>> ood_auroc(torch.tensor([0.1, 0.4]), torch.tensor([0.4, 0.8, 0.9]))
        tensor(0.9167, dtype=torch.float64)
    """
    return auroc(*_joined(known_score, unknown_score))


@checked
def ood_fpr_at_95_tpr(known_score: Known, unknown_score: Unknown) -> Figure:
    """The known images that are called strange when 95 % of the unknown ones are found. Lower is better.

    Args:
        known_score: of images like the training images; higher is stranger.
        unknown_score: of images unlike them, by the same score.
    Returns:
        Share in 0..1 of the known images, as `fpr_at_95_tpr`; NaN where either has no rows.
    Raises:
        DataError: if a score is NaN.
    Source:
        Liang, Li and Srikant, "Enhancing the Reliability of Out-of-distribution Image Detection in Neural Networks",
        ICLR 2018, section 4.3.
    Differs: there the known images are the positive ones, 95 % of which are kept; here, as in all of this package, the
        positive ones are those to be found.
    Example:
        >>> ood_fpr_at_95_tpr(torch.tensor([0.1, 0.5]), torch.tensor([0.4, 0.8, 0.9]))
        tensor(0.5000, dtype=torch.float64)
    """
    return fpr_at_95_tpr(*_joined(known_score, unknown_score))


def _joined(known: Tensor, unknown: Tensor) -> tuple[Tensor, Tensor]:
    score = torch.cat([known.cpu().double(), unknown.cpu().double()])
    return score, torch.arange(len(score)) >= len(known)
