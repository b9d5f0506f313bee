"""How unlike the training images an image's features are: one Gaussian per class."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from antehoc.types import checked

_LEAST = 0.001  # of the weight that `ledoit-wolf` finds, so that no covariance is singular
_CLASSES_AT_ONCE = 64  # whose distances are computed together: bounds the memory for many classes


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
            own = predicted[:, None, None].expand(-1, 1, every.shape[2])
            white = every.gather(1, own)[:, 0]
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
            # differences, a few classes at a time: expanding the square would lose digits, and ONNX knows no cdist
            parts = [(white[:, None] - own).square().sum(2) for own in torch.split(mean, _CLASSES_AT_ONCE)]
            squares = torch.cat(parts, 1)
        else:
            every = torch.einsum("kij,bkj->bki", self.whitening, features[:, None] - self.mean)
            squares = every.square().sum(2)
        return (squares / features.shape[1]).clamp(min=1e-12).log()
