"""Peers: each detector finds what is plainly unknown, none finds what is not, and they say which is best honestly."""

import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, mahalanobis

from antehoc.errors import DataError, RecipeError
from antehoc.metrics.peers import _head, _on_plain_features, best_peer, peer_scores, peer_table

CLASSES, BLOCK = 4, 4
WEIGHT = torch.eye(CLASSES).repeat_interleave(BLOCK, 1)
BIAS = torch.linspace(-0.1, 0.1, CLASSES)


def known(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rectified Gaussians: each class lights up its own features."""
    labels = torch.arange(count) % CLASSES
    noise = torch.randn(count, CLASSES * BLOCK, generator=torch.Generator().manual_seed(seed))
    return (4 * WEIGHT[labels] + 0.5 * noise).relu(), labels


def unknown(count: int, seed: int) -> torch.Tensor:
    """The first feature of every class at half its strength: no class at all."""
    noise = torch.randn(count, CLASSES * BLOCK, generator=torch.Generator().manual_seed(seed))
    return (2 * (torch.arange(CLASSES * BLOCK) % BLOCK == 0) + 0.5 * noise).relu()


def with_logits(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return features, features @ WEIGHT.T + BIAS


@pytest.fixture(scope="module")
def scores():
    pytest.importorskip("pytorch_ood", reason="peers need the extra `ood`")
    features, labels = known(400, 0)
    sets = {"test": known(300, 1)[0], "odd": unknown(300, 2), "twin": known(300, 3)[0]}
    return peer_scores(*with_logits(features), labels, WEIGHT, BIAS, {k: with_logits(v) for k, v in sets.items()})


DETECTORS = [
    *("MaxSoftmax", "MaxLogit", "EnergyBased", "Entropy", "GEN", "KLMatching"),
    *("Mahalanobis", "RMD", "KNN", "ViM", "DICE", "NNGuide", "PNML", "fDBD", "NCI", "LTS", "SHE"),
    *("ReAct", "VRA", "ASH", "SCALE"),
]


def test_every_detector_that_the_docstring_promises_is_there(scores):
    assert set(scores) == set(DETECTORS)


@pytest.mark.parametrize("name", DETECTORS)
def test_each_detector_tells_separable_gaussians_and_nothing_from_its_twin(scores, name):
    row = peer_table(scores)[name]
    assert row["odd"] > 0.95
    assert row["twin"] == pytest.approx(0.5, abs=0.1)  # 300 against 300: a standard error of .024


def test_scores_are_what_the_papers_define(scores):
    train, labels = known(400, 0)
    odd, logits = with_logits(unknown(300, 2))
    torch.testing.assert_close(scores["MaxSoftmax"]["odd"], -logits.softmax(1).amax(1).double())
    means = np.stack([train[labels == c].double().mean(0) for c in range(CLASSES)])
    scatter = sum(np.cov(train[labels == c].double().numpy().T, bias=True) * 100 for c in range(CLASSES))
    inverse = np.linalg.inv(scatter + 1e-6 * np.eye(len(scatter)))
    nearest = [min(mahalanobis(row, mean, inverse) ** 2 / 2 for mean in means) for row in odd.double().numpy()]
    np.testing.assert_allclose(scores["Mahalanobis"]["odd"], nearest, rtol=1e-9)
    unit = [rows.numpy() / rows.norm(dim=1, keepdim=True).numpy() for rows in (odd, train)]
    np.testing.assert_allclose(scores["KNN"]["odd"], np.sort(cdist(*unit), 1)[:, 49], rtol=1e-4)


def test_gaussians_hold_where_features_outnumber_rows():
    pytest.importorskip("pytorch_ood", reason="peers need the extra `ood`")
    generator = torch.Generator().manual_seed(0)
    mean = 2 + 2 * torch.randn(7, 300, generator=generator)
    rows = torch.arange(160)

    def draw(first: int, classes: int) -> torch.Tensor:
        return (mean[first + rows % classes] + torch.randn(160, 300, generator=generator)).relu()

    weight, bias = mean[:4] / 100, torch.zeros(4)
    train, test, odd = draw(0, 4), draw(0, 4), draw(4, 3)
    sets = {"test": (test, test @ weight.T), "odd": (odd, odd @ weight.T)}
    found = peer_table(peer_scores(train, train @ weight.T, rows % 4, weight, bias, sets))
    assert found["Mahalanobis"]["odd"] > 0.99
    assert found["RMD"]["odd"] > 0.99
    assert torch.get_default_dtype() == torch.float32


def test_the_best_is_chosen_for_each_set_of_its_own():
    known_, low, high = torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5]), torch.tensor([2.0, 2.0])
    found = {"A": {"known": known_, "near": low, "far": high}, "B": {"known": known_, "near": high, "far": low}}
    assert peer_table(found, "known") == {"A": {"near": 0.5, "far": 1.0}, "B": {"near": 1.0, "far": 0.5}}
    assert best_peer(found, "known") == {"near": ("B", 1.0), "far": ("A", 1.0)}
    with pytest.raises(RecipeError, match="no set of known images is called 'test'"):
        best_peer(found)


def test_what_is_missing_is_said_in_a_sentence(monkeypatch):
    features, labels = known(8, 0)
    with pytest.raises(DataError, match="class number 3 has none"):
        peer_scores(*with_logits(features[labels < 3]), labels[labels < 3], WEIGHT, BIAS, {})
    monkeypatch.setitem(sys.modules, "pytorch_ood", None)
    with pytest.raises(RecipeError, match=r"need pytorch-ood; install the extra `ood`"):
        peer_scores(*with_logits(features), labels, WEIGHT, BIAS, {})


@pytest.mark.parametrize(
    ("width", "rows", "principal", "neighbors"),
    [(2048, 60, 1000, 50), (2047, 50, 512, 50), (768, 49, 512, 49), (767, 9, 383, 9)],
)
def test_detectors_are_made_with_the_parameters_that_are_documented(width, rows, principal, neighbors):
    class Made:  # what stands for pytorch_ood.detector: each detector is what it was made with
        def __getattr__(self, name):
            return lambda *_, **options: options

    made = _on_plain_features(Made(), _head(torch.zeros(3, width), torch.zeros(3)), rows)
    assert made["KNN"] == {"k": neighbors}
    assert made["NNGuide"] == {"k": min(10, rows)}
    assert made["ViM"]["d"] == principal
    assert made["DICE"]["p"] == 0.9
