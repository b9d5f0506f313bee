"""The table of rivals: what is fitted, what is left out, and that pytorch-ood agrees where both have a score."""

import importlib.util

import pytest
import torch

from antehoc.doubts import Temperature
from antehoc.metrics.peers import peer_scores
from antehoc.metrics.selective import auroc
from antehoc.rivals import RIVALS, SOFTMAX, Known, Rows, rival_scores
from antehoc.rivals.features import knn_distance
from metrics.test_peers import BIAS, WEIGHT, known, unknown, with_logits


def rows(count: int, seed: int) -> Rows:
    features, label = known(count, seed)
    return Rows(features @ WEIGHT.T + BIAS, features, label)


def fitted_on(train: Rows, calibration: Rows, *, dense: bool = True) -> Known:
    head = torch.nn.Linear(*reversed(WEIGHT.shape))
    head.weight.data, head.bias.data = WEIGHT, BIAS
    return Known(train, calibration, head if dense else None, torch.Generator().manual_seed(0))


def strange(count: int) -> Rows:
    features = unknown(count, 2)
    return Rows(features @ WEIGHT.T + BIAS, features, torch.zeros(count, dtype=torch.int64))


def pooled(*parts: Rows) -> Rows:
    return Rows(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


@pytest.fixture(scope="module")
def scores():
    return rival_scores(fitted_on(rows(400, 0), rows(200, 1)), pooled(rows(300, 3), strange(300)))


@pytest.mark.parametrize("name", RIVALS)
def test_each_rival_tells_separable_gaussians(scores, name):
    score = scores.by_rival[RIVALS[name].says]
    assert score.dtype == torch.float64
    assert float(auroc(score, torch.arange(600) >= 300)) > 0.95


def test_no_rival_reads_the_labels_of_the_images_that_it_scores():
    images = pooled(rows(50, 3), strange(50))
    shuffled = images._replace(label=images.label.flip(0))
    once, again = (rival_scores(fitted_on(rows(100, 0), rows(100, 1)), one).by_rival for one in (images, shuffled))
    assert all(values.equal(again[name]) for name, values in once.items())


def test_an_image_has_the_same_score_in_any_company(monkeypatch):
    import antehoc.rivals as module

    images = pooled(rows(40, 3), strange(40))
    whole = rival_scores(fitted_on(rows(100, 0), rows(100, 1)), images).by_rival
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 7)
    parts = rival_scores(fitted_on(rows(100, 0), rows(100, 1)), images).by_rival
    for name, values in whole.items():
        if "dropout" not in name:  # which draws anew
            torch.testing.assert_close(parts[name], values)


def test_softmax_has_the_temperature_of_the_calibration_images():
    calibration, images = rows(200, 1), rows(50, 3)
    temperature = Temperature()
    temperature.fit("single-label", calibration.logits, calibration.label)
    found = rival_scores(fitted_on(rows(100, 0), calibration), images).by_rival[RIVALS[SOFTMAX].says]
    shares = (images.logits.double() / temperature.value.double()).softmax(1).amax(1)
    torch.testing.assert_close(found.exp(), 1 - shares, rtol=1e-4, atol=1e-12)
    assert float(temperature.value) != 1


def test_pytorch_ood_agrees_where_both_have_a_score(scores):
    pytest.importorskip("pytorch_ood", reason="peers need the extra `ood`")
    train, images = rows(400, 0), pooled(rows(300, 3), strange(300))
    peers = peer_scores(*with_logits(train.features), train.label, WEIGHT, BIAS, {"": (images.features, images.logits)})
    # pytorch-ood takes GEN's mean over four classes instead of the sum, and no probability below 1e-7
    pairs = {"GEN": ("gen", 4), "EnergyBased": ("energy", 1), "Entropy": ("entropy", 1)}
    near = images.logits.softmax(1).amin(1) > 1e-6
    assert near.sum() > 100
    for name, (own, times) in pairs.items():
        ours = scores.by_rival[RIVALS[own].says]
        torch.testing.assert_close(ours[near], times * peers[name][""][near], rtol=1e-3, atol=1e-4)
        assert f"pytorch-ood {name}" not in scores.by_rival
    torch.testing.assert_close(
        knn_distance(images.features, train.features, 50), peers["KNN"][""], rtol=1e-4, atol=1e-5
    )
    assert "pytorch-ood KNN" not in scores.by_rival
    assert scores.by_rival["pytorch-ood ViM"].equal(peers["ViM"][""])
    assert scores.left_out == ()


def test_without_pytorch_ood_its_detectors_are_named_as_left_out(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pytorch_ood" else find(name))
    found = rival_scores(fitted_on(rows(60, 0), rows(60, 1)), rows(20, 3))
    assert set(found.by_rival) == {rival.says for rival in RIVALS.values()}
    assert found.left_out == ("the detectors of pytorch-ood are left out: the extra `ood` is not installed.",)


def test_a_classifier_without_a_dense_layer_has_the_rivals_that_read_logits():
    bare = [one._replace(features=None) for one in (rows(60, 0), rows(60, 1), rows(20, 3))]
    found = rival_scores(fitted_on(bare[0], bare[1], dense=False), bare[2])
    assert set(found.by_rival) == {rival.says for rival in RIVALS.values() if not rival.reads_features}
    assert "trust score" in found.left_out[0]
    assert len(found.by_rival) == 7
