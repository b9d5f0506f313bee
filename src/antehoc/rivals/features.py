"""Rivals that read what the classifier's dense layer reads. Every score is a doubt: higher: more likely to fail."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from antehoc.metrics.selective import aurc
from antehoc.rivals.logits import Logits, max_softmax, rest
from antehoc.types import Flags, Labels, Scores, checked

Features = Float[Tensor, "batch features"]
NEAREST = (10, 1, 5, 20, 50, 100, 200)  #: the k that `choose_nearest` tries, the first where all are as good
RATE, PASSES = 0.5, 20  #: share of the features that a pass of Monte Carlo dropout leaves out, and how many passes


@checked
def knn_distance(features: Features, train: Float[Tensor, "train features"], nearest: int) -> Scores:
    """Distance to the k-th nearest training image, features scaled to length 1: in 0..2.

    Args:
        features: of the images.
        train: features of training images.
        nearest: k; the farthest training image where there are fewer.
    Source:
        Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022.
    """
    apart = torch.cdist(F.normalize(features.double(), dim=1), F.normalize(train.double(), dim=1))
    return apart.kthvalue(min(nearest, len(train)), 1).values


@checked
def choose_nearest(features: Features, train: Float[Tensor, "train features"], wrong: Flags) -> int:
    """The k of `knn_distance` with the lowest AURC on decisions that trained nothing.

    Source:
        Sun et al., ICML 2022, as above, choose k on held-out images.
    Differs: by errors on known classes, since unknown images may not choose.
    """
    areas = {nearest: float(aurc(knn_distance(features, train, nearest), wrong)) for nearest in NEAREST}
    return min(areas, key=areas.__getitem__)


@checked
def trust_score(
    features: Features, train: Float[Tensor, "train features"], label: Int[Tensor, " train"], predicted: Labels
) -> Scores:
    """Distance to the nearest training image of the decided class, over that to the nearest one of another class.

    Args:
        features: of the images.
        train: features of training images, of two classes or more.
        label: classes of the training images.
        predicted: numbers of the decided classes.
    Returns:
        0 or more, the reciprocal of the trust score; 1 where both distances are 0, infinity where the decided class has
        no training image.
    Source:
        Jiang et al., "To Trust Or Not To Trust A Classifier", NeurIPS 2018, without the filter of outliers (alpha 0).
    """
    apart = torch.cdist(features.double(), train.double())
    own = label[None] == predicted[:, None]
    near, other = (apart.masked_fill(~among, torch.inf).amin(1) for among in (own, ~own))
    return torch.where((near == 0) & (other == 0), 1.0, near / other)


class Spread(NamedTuple):
    """Mean and deviation of a quantity over images of known classes."""

    mean: float
    deviation: float

    @staticmethod
    def of(values: Tensor) -> "Spread":
        """Of values (n,); a deviation of 0 becomes tiny."""
        return Spread(float(values.mean()), max(float(values.std(correction=0)), 1e-12))


@checked
def sirc(logits: Logits, second: Scores, spread: Spread) -> Scores:
    """Maximum softmax times a factor that grows where a second confidence is unusually low, as a logarithm.

    Args:
        logits: of the decisions.
        second: the second confidence; higher: more like the training images.
        spread: of the second confidence over images of known classes.
    Returns:
        log((1 - maximum softmax) (1 + exp(-b (second - a)))), where a lies three deviations below the mean and b is one
        over the deviation.
    Source:
        Xia and Bouganis, "Augmenting Softmax Information for Selective Classification with Out-of-Distribution Data",
        ACCV 2022, eq. 11 and 12.
    Differs: `RIVALS` takes the spread over calibration images. A residual is smaller on the images that set its main
        directions, so with few training images theirs would make every other image look strange.
    """
    above = (second.double() - spread.mean) / spread.deviation + 3
    return max_softmax(logits).clamp(min=1e-300).log() + F.softplus(-above)


@checked
def feature_norm(features: Features) -> Scores:
    """Sum of absolute features: the second confidence `||z||_1` of `sirc`."""
    return features.double().abs().sum(1)


class Residual:
    """Minus the length of a feature vector outside the main directions of the training images.

    Source:
        Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", CVPR 2022, eq. 4: centered where all logits
        are those of no features. The second confidence `residual` of `sirc`.
    Differs: the main directions are at most half of the training images, which could span all of them otherwise.
    """

    def __init__(self, train: Tensor, head: nn.Linear) -> None:
        """Fit the directions.

        Args:
            train: features (n, D) of training images.
            head: the classifier's dense layer.
        """
        width = train.shape[1]
        usual = 1000 if width >= 2048 else 512 if width >= 768 else width // 2
        weight = head.weight.detach().cpu().double()
        bias = weight.new_zeros(len(weight)) if head.bias is None else head.bias.detach().cpu().double()
        self.origin: Tensor = -torch.linalg.pinv(weight) @ bias
        centered = train.double() - self.origin
        self.main: Tensor = torch.linalg.eigh(centered.T @ centered).eigenvectors[
            :, -max(1, min(usual, len(train) // 2)) :
        ]

    def __call__(self, features: Tensor) -> Tensor:
        """(n,) of features (n, D), never positive."""
        centered = features.double() - self.origin
        outside: Tensor = centered - centered @ self.main @ self.main.T
        return -outside.square().sum(1).sqrt()


@checked
def monte_carlo_dropout(
    features: Features,
    head: nn.Linear,
    predicted: Labels,
    *,
    rate: float = RATE,
    passes: int = PASSES,
    generator: torch.Generator,
) -> Scores:
    """1 minus the mean probability of the decided class over passes of the dense layer with random features left out.

    Args:
        features: what the dense layer reads.
        head: the dense layer.
        predicted: what is decided by all features.
        rate: share of the features that a pass leaves out.
        passes: how many.
        generator: draws what is left out.
    Source:
        Gal and Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016.
    Differs: dropout before the last layer alone, so that the network runs once; with a network trained without dropout
        it is a perturbation rather than an approximate posterior.
    """
    total = torch.zeros(len(features), dtype=torch.float64)
    weight = head.weight.detach().cpu().float()
    bias = None if head.bias is None else head.bias.detach().cpu().float()
    for _ in range(passes):
        kept = torch.rand(features.shape, generator=generator) >= rate
        logits = F.linear(features.float() * kept / (1 - rate), weight, bias)
        total += rest(logits).gather(1, predicted[:, None])[:, 0]
    return total / passes
