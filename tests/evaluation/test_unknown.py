"""Sets of no known class, recomputed from decisions."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from antehoc.blocks import Note, Strong, Table
from antehoc.calibration import Policy
from antehoc.data.outliers import outliers
from antehoc.evaluation import Scored, evaluate, unknown
from antehoc.figure import Figure, number, values

POLICY = Policy("softmax", ("softmax",), (), (1.0,), 0.25, 0.1, 0.1, "expected", 0, 0, 20)


@pytest.mark.parametrize("kind", ["noise", "star"])
def test_images_of_no_known_class(found, kind):
    images = outliers(kind, found.model.preprocessing, count=100, seed=5)
    again = evaluate(found.model, found.test, unknown={kind: images})
    decisions = found.model.decide(images.images(range(100)))
    verdict = np.array([decision.verdict.score for decision in decisions])
    softmax = np.array([decision.doubts["confidence"] for decision in decisions])
    strange = np.r_[np.zeros(len(found.verdict)), np.ones(100)]
    figures = values(again.figures)
    joined = np.r_[found.verdict, verdict]
    assert figures[f"ood_{kind}_auroc"] == pytest.approx(roc_auc_score(strange, joined), rel=1e-6)
    assert figures[f"msp_ood_{kind}_auroc"] == pytest.approx(
        roc_auc_score(strange, np.r_[found.softmax, softmax]), rel=1e-6
    )
    assert figures[f"ood_{kind}_questioned"] == np.mean([d.verdict.outcome == "questioned" for d in decisions])
    assert figures[f"ood_{kind}_support_questioned"] == np.mean([d.doubts["support"] > 0 for d in decisions])
    false, true, _ = roc_curve(strange, joined, drop_intermediate=False)
    assert figures[f"ood_{kind}_fpr_at_95_tpr"] == pytest.approx(false[true >= 0.95].min(), rel=1e-6)


def test_the_table_of_sets_shows_their_figures(found, block):
    table = block("Unknown images", Table)
    assert table.head[:5] == ("set", "images", "questioned", "by softmax", "by support")
    for row, kind in zip(table.rows, ("noise", "star"), strict=True):
        cells = [cell.text if isinstance(cell, Strong) else cell for cell in row]
        names = [
            f"ood_{kind}_questioned", f"msp_ood_{kind}_questioned", f"ood_{kind}_support_questioned",
            f"ood_{kind}_auroc", f"msp_ood_{kind}_auroc", f"ood_{kind}_fpr_at_95_tpr", f"msp_ood_{kind}_fpr_at_95_tpr",
        ]  # fmt: skip
        assert cells == [kind, "100", *(number(found.figures[name]) for name in names)]
    (brief,) = found.evaluation.brief()
    assert [row[0] for row in brief.rows] == ["noise", "star"]


def figure(name: str, value: float) -> Figure:
    return Figure(name, value, "", "")


def test_the_better_of_verdict_and_softmax_is_set_off():
    found = [
        figure("ood_far_off_auroc", 0.8),
        figure("msp_ood_far_off_auroc", 0.7),
        figure("ood_far_off_fpr_at_95_tpr", 0.4),
        figure("msp_ood_far_off_fpr_at_95_tpr", 0.3),
        figure("ood_near_auroc", 0.5),
        figure("msp_ood_near_auroc", 0.5),
    ]
    row, even = unknown.table(found, {"far_off": 1234, "near": 1}).rows
    assert even == ("near", "1", "-", "-", "0.5000", "0.5000", "-", "-")  # neither is the better one
    assert row == ("far off", "1,234", "-", "-", Strong("0.8000"), "0.7000", "0.4000", Strong("0.3000"))


def test_altered_test_images_are_said_to_be_such():
    *_, note = unknown.section([], {"dark": 3, "blurred": 3}, ["dark", "blurred"]).blocks
    assert isinstance(note, Note)
    assert note.text.endswith("Dark and blurred: altered test images; their class is known, but harder to see.")


def test_with_several_labels_an_image_scores_and_is_questioned_as_its_most_doubtful_label():
    known = torch.tensor([[0.1, 0.2], [0.0, 0.3]])
    strange = torch.tensor([[0.1, 0.9], [0.0, 0.25]])  # the last lies on the threshold, which questions nothing
    scored, other = (
        Scored(torch.zeros(2, 2), torch.zeros(2, 0), torch.ones(2, 2), {"softmax": doubt}, {}, "multi-label")
        for doubt in (known, strange)
    )
    found = values(unknown.figures(POLICY, scored, {"far": other}, baseline_threshold=0.25))
    assert found["ood_far_questioned"] == 0.5
    assert found["msp_ood_far_questioned"] == 0.5
    assert found["ood_far_auroc"] == 0.75  # 0.9 is above both, 0.25 above one
    low = values(unknown.figures(POLICY, scored, {"far": other}, baseline_threshold=0.05))
    assert low["msp_ood_far_questioned"] == 1
