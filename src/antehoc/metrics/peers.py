"""Peers: the detectors of pytorch-ood on the features of our own classifier, to see what a verdict has to beat.

All read the same two things: the features that the classifier's dense layer reads (its pooled last activation) and that
layer. pytorch-ood is the extra `ood`; it is imported when a peer is asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from antehoc.errors import DataError, RecipeError, choose, install
from antehoc.metrics.ood import ood_auroc
from antehoc.task import strongest
from antehoc.types import checked

Peers: TypeAlias = dict[str, dict[str, Tensor]]  # detector -> set -> (n,) outlier scores

_AT_ONCE = 256  # rows: DICE multiplies rows by classes by features


@checked
def peer_scores(
    train_features: Float[Tensor, "train features"],
    train_logits: Float[Tensor, "train classes"],
    train_labels: Int[Tensor, " train"],
    head_weight: Float[Tensor, "classes features"],
    head_bias: Float[Tensor, " classes"],
    sets: Mapping[str, tuple[Float[Tensor, "_ features"], Float[Tensor, "_ classes"]]],
) -> Peers:
    """Outlier scores of every detector that works on features and logits alone.

    Nothing is tuned: each detector has its default parameters. ViM takes the dimensions of its authors' code (1000
    from 2048 features on, else 512; half the features where these are below 768), DICE drops the share .9 of OpenOOD's
    configuration, KNN takes 50 neighbors, or all rows where there are fewer. ReAct, VRA, ASH and SCALE shape the
    pooled features.
    Mahalanobis and RMD are worked out in double precision: in single precision, where the training rows are fewer than
    the features, their inverse covariance is noise and they do little better than chance.

    Left out: what reads images, gradients or feature maps (ODIN, MCD, GradNorm, GradUncertainty, NAC, Gram,
    MahalanobisODIN, MultiMahalanobis, RankFeat); MCM, which needs texts; WeightedEBO and TemperatureScaling, which need
    trained weights or labels that training did not see; GMM, whose covariance per class is singular where a class has
    fewer rows than features; OpenMax, which gives all images one score on separable Gaussians of 40 classes (AUROC .5);
    and SHE where the classifier decides no training image of some class correctly.

    Args:
        train_features: of the images that trained the classifier.
        train_logits: of the same images.
        train_labels: their true classes; each class occurs.
        head_weight: of the classifier's dense layer.
        head_bias: of the classifier's dense layer.
        sets: features and logits of images to score, by name.
    Returns:
        By detector and by set, one score per image, double precision on the CPU; higher: more unknown. What a detector
        cannot score (NaN) is infinitely unknown.
    Raises:
        RecipeError: where pytorch-ood is not installed.
        DataError: where a class has no training image.
    """
    absent = set(range(len(head_bias))) - set(train_labels.tolist())
    if absent:
        raise DataError(f"peers need training images of every class, and class number {min(absent)} has none.")
    features, logits, labels = train_features.cpu().float(), train_logits.cpu().float(), train_labels.cpu().long()
    fitted = _fitted(features, logits, labels, head_weight.detach().cpu().float(), head_bias.detach().cpu().float())
    return {
        detector: {name: _in_parts(predict, *rows) for name, rows in sets.items()}
        for detector, predict in fitted.items()
    }


@checked
def peer_table(scores: Peers, known: str = "test") -> dict[str, dict[str, float]]:
    """AUROC of every detector on every unknown set, as `ood_auroc`: by detector, then by set. Higher is better.

    Args:
        scores: as `peer_scores` gives them.
        known: the set of images of known classes, which all others are told from.
    Raises:
        RecipeError: where no set is called so.
    """
    return {
        detector: {
            name: float(ood_auroc(choose("set of known images", known, rows), unknown))
            for name, unknown in rows.items()
            if name != known
        }
        for detector, rows in scores.items()
    }


@checked
def best_peer(scores: Peers, known: str = "test") -> dict[str, tuple[str, float]]:
    """The best detector on each unknown set, with its AUROC.

    It is chosen by its AUROC on the very set that it is judged on, as no one can who does not know the unknown images:
    this favors the peer, noticeably so among about twenty detectors. A score above it is above all of them.

    Args:
        scores: as `peer_scores` gives them.
        known: the set of images of known classes.
    Returns:
        Name and AUROC by set; of equal ones the first.
    Example:
        >>> known, odd = torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.15])
        >>> best_peer({"KNN": {"test": known, "odd": odd}, "ViM": {"test": known, "odd": odd + 1}})
        {'odd': ('ViM', 1.0)}
    """
    table = peer_table(scores, known)
    sets = list(next(iter(table.values()), {}))
    return {name: max(((peer, row[name]) for peer, row in table.items()), key=lambda pair: pair[1]) for name in sets}


_Predict: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # features and logits of some rows -> their scores


def _fitted(features: Tensor, logits: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> dict[str, _Predict]:
    """Every detector by name, fitted, as a function of features and logits."""
    try:
        from pytorch_ood import detector as d
    except ImportError as error:
        raise RecipeError(f"peers need pytorch-ood; {install('ood')}, or leave them out.") from error
    head = _head(weight, bias)
    on_logits = {"MaxSoftmax": d.MaxSoftmax, "MaxLogit": d.MaxLogit, "EnergyBased": d.EnergyBased}
    on_logits |= {"Entropy": d.Entropy, "GEN": d.GEN, "KLMatching": d.KLMatching}
    on_features = _on_plain_features(d, head, len(features))
    correct = labels[strongest(head(features)) == labels]
    if len(set(correct.tolist())) < len(bias):
        del on_features["SHE"]
    flat, shaping = nn.Sequential(nn.Flatten(), head), {"ReAct": d.ReAct, "VRA": d.VRA, "ASH": d.ASH, "SCALE": d.SCALE}
    fitted: dict[str, _Predict] = {}
    for name, kind in on_logits.items():
        fitted[name] = _on_logits(kind(None).fit_logits(logits, labels))
    for name, kind in {"Mahalanobis": d.Mahalanobis, "RMD": d.RMD}.items():
        with _double():
            fitted[name] = _on_features(kind(None).fit_features(features.double(), labels), torch.float64)
    for name, detector in on_features.items():
        fitted[name] = _on_features(detector.fit_features(features, labels))
    for name, kind in shaping.items():
        fitted[name] = _on_maps(kind(None, flat).fit_feature_maps(features[:, :, None, None], labels))
    return fitted


def _on_plain_features(d: Any, head: nn.Linear, rows: int) -> dict[str, Any]:
    """The detectors of pytorch-ood's module `d` that read features as they are, not yet fitted."""
    width, weight, bias = head.in_features, head.weight.detach(), head.bias.detach()
    principal = 1000 if width >= 2048 else 512 if width >= 768 else width // 2
    detectors = {
        "KNN": d.KNN(None, k=min(50, rows)),
        "ViM": d.ViM(None, d=principal, w=weight, b=bias),
        "DICE": d.DICE(None, w=weight, b=bias, p=0.9),
        "NNGuide": d.NNGuide(None, head, k=min(10, rows)),
    }
    detectors |= {"PNML": d.PNML(None, head), "fDBD": d.fDBD(None, head), "NCI": d.NCI(None, head)}
    return detectors | {"LTS": d.LTS(None, head), "SHE": d.SHE(None, head)}


def _head(weight: Tensor, bias: Tensor) -> nn.Linear:
    head = nn.Linear(len(weight[0]), len(bias)).requires_grad_(False)
    head.weight.copy_(weight)
    head.bias.copy_(bias)
    return head


@contextmanager
def _double() -> Iterator[None]:
    """New tensors are of double precision: the only way to tell pytorch-ood's Gaussians."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _on_logits(detector: Any) -> _Predict:
    return lambda features, logits: detector.predict_logits(logits)


def _on_features(detector: Any, dtype: torch.dtype = torch.float32) -> _Predict:
    return lambda features, logits: detector.predict_features(features.to(dtype))


def _on_maps(detector: Any) -> _Predict:
    return lambda features, logits: detector.predict_feature_maps(features[:, :, None, None])


@torch.no_grad()
def _in_parts(predict: _Predict, features: Tensor, logits: Tensor) -> Tensor:
    parts = zip(*(torch.split(rows.cpu().float(), _AT_ONCE) for rows in (features, logits)), strict=True)
    scores = [predict(*part).double() for part in parts]
    return torch.cat(scores).nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
