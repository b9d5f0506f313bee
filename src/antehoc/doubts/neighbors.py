"""The nearest training images: whether they are of another class, and how far away they are."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from antehoc.types import Labels, Scores, checked

LIMIT = 1_000  #: training images whose features are kept, at most
_NEAREST = 5  # training images of each side that `neighbors` compares
_RANK = 10  # the neighbor whose distance is `knn`


@checked
def neighbors(alike: Float[Tensor, "batch images"], label: Int[Tensor, " images"], predicted: Labels) -> Scores:
    """Whether the most similar training images belong to other classes than the predicted one, (B,) in -2..2.

    The mean similarity to the five nearest of other classes, minus that to the five nearest of the predicted class.

    Args:
        alike: cosine similarity of each image to each training image, in -1..1.
        label: classes of the training images.
        predicted: number of the decided class.
    Source:
        Jiang et al., "To Trust Or Not To Trust A Classifier", NeurIPS 2018.
    Differs: the trust score is a ratio of distances to the nearest image of each side; a difference of means does not
        explode where a training image is very near.
    """
    own = label[None] == predicted[:, None]
    return _nearest(alike, ~own) - _nearest(alike, own)


@checked
def knn(alike: Float[Tensor, "batch images"]) -> Scores:
    """How far the tenth nearest training image is, (B,) in 0..2: 1 minus its cosine similarity.

    Args:
        alike: cosine similarity of each image to each training image, in -1..1.
    Source:
        Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022.
    """
    return 1 - alike.topk(min(_RANK, alike.shape[1]), 1).values[:, -1]


def _nearest(alike: Tensor, among: Tensor) -> Tensor:
    """Mean similarity to the nearest of some training images, (B,); -1 where there is none."""
    values = alike.masked_fill(~among, -torch.inf).topk(min(_NEAREST, alike.shape[1]), 1).values
    there = values.isfinite()
    mean = values.where(there, 0).sum(1) / there.sum(1).clamp(min=1)
    return mean.where(there.any(1), -1)


class TrainingImages(nn.Module):
    """Features of training images, at most `LIMIT` of them, and the doubts that the nearest of them raise.

    Not all training images are kept, so that a model stays small; the doubts change little.
    """

    features: Tensor  #: (images, features) of length 1; empty before `fit`
    label: Tensor  #: (images,)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(0, 0))
        self.register_buffer("label", torch.zeros(0, dtype=torch.int64))

    @property
    def fitted(self) -> bool:
        return len(self.label) > 0

    @torch.no_grad()
    def fit(self, features: Tensor, label: Tensor, *, limit: int = LIMIT) -> None:
        """Keep training images: all, or as many of each class as the limit allows, evenly spaced.

        Args:
            features: (n, features), what the classifier's dense layer reads.
            label: (n,) true classes.
            limit: images to keep, at most.
        """
        classes = sorted(set(label.tolist()))
        each = max(1, limit // max(1, len(classes)))
        rows = [(label == one).nonzero()[:, 0] for one in classes]
        kept = torch.cat([own[torch.linspace(0, len(own) - 1, min(each, len(own))).long()] for own in rows])[:limit]
        kept = kept.sort().values
        self.features = F.normalize(features[kept.to(features.device)].float(), dim=1)
        self.label = label[kept].to(features.device)

    def forward(self, features: Tensor, predicted: Tensor) -> dict[str, Tensor]:
        """The doubts `neighbors` and `knn`, (B,) each, of features (B, features) and decided classes (B,)."""
        alike = F.normalize(features, dim=1) @ self.features.to(features.dtype).T
        return {"neighbors": neighbors(alike, self.label, predicted), "knn": knn(alike)}

    @torch.no_grad()
    def nearest(self, features: Tensor) -> Tensor:
        """Classes of the five most similar training images, the nearest first: (B, 5) of features (B, features)."""
        alike = F.normalize(features, dim=1) @ self.features.to(features.dtype).T
        return self.label[alike.topk(min(_NEAREST, len(self.label)), 1).indices]

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Take over as many images as were saved; none where an earlier version saved the model."""
        for name in ("features", "label"):
            saved = state.get(prefix + name)
            old = getattr(self, name)
            setattr(self, name, old.new_zeros((0,) * old.dim()) if saved is None else torch.empty_like(saved).to(old))
        own = {prefix + name: state.get(prefix + name, getattr(self, name)) for name in ("features", "label")}
        super()._load_from_state_dict(own, prefix, *rest)
