"""What is kept of every image of a set."""

import pytest
import torch

from antehoc.calibration import Policy
from antehoc.errors import DataError
from antehoc.evaluation import Scored, score
from antehoc.evaluation.scoring import with_baseline


def test_a_scored_set_is_the_same_in_batches_of_any_size(found, monkeypatch):
    one = score(found.model.system, found.test)
    monkeypatch.setattr("antehoc.evaluation.scoring._PIXELS_AT_ONCE", 37 * 32 * 32)
    other = score(found.model.system, found.test)
    assert one.predicted.equal(other.predicted)
    assert one.label.equal(found.test.labels)
    torch.testing.assert_close(one.columns["attributes"], other.columns["attributes"], rtol=1e-3, atol=1e-5)


def test_no_image_is_no_set(found):
    with pytest.raises(DataError, match=r"^there are no images to decide on; give a set that holds one or more\.$"):
        score(found.model.system, found.test.select([]))


def test_features_of_the_dense_layer_are_kept_when_asked_for(found):
    few = found.test.select(range(3))
    kept = score(found.model.system, few, features=True).columns["features"]
    head = found.model.system.dense(found.model.system(few.images(range(3))))[1]
    torch.testing.assert_close(head(kept), score(found.model.system, few).logits)


def test_with_several_labels_each_label_is_right_or_wrong():
    logits, label = torch.tensor([[2.0, -1.0], [-0.5, 0.0]]), torch.tensor([[1, 1], [0, 1]])
    scored = Scored(label, torch.zeros(2, 0), logits, {}, {}, "multi-label")
    assert scored.predicted.tolist() == [[True, False], [False, True]]
    assert scored.wrong.tolist() == [[False, True], [False, False]]


def test_softmax_is_compared_at_the_temperature_of_the_verdict(found):
    rows = score(found.model.system, found.test)
    assert "confidence" in found.model.policy.doubts
    assert with_baseline(rows, found.model.policy).doubts["softmax"].equal(rows.doubts["confidence"])
    alone = Policy("softmax", ("softmax",), (), (1.0,), 0.25, 0.1, 0.1, "expected", 0, 0, 20)
    assert with_baseline(rows, alone) is rows
