"""The evaluation of a whole run: complete, self-describing, honest where a figure is undefined."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from antehoc.errors import DataError
from antehoc.evaluation import Scored, _of_classes, evaluate
from antehoc.figure import grouped, intervals, values
from antehoc.types import DataSpec


def test_the_tiny_run_has_errors_to_find(found):
    assert 20 < found.wrong.sum() < 200
    assert found.evaluation.wrong == found.wrong.sum()
    assert found.evaluation.images == 400


def test_an_empty_set_is_refused_before_any_image_is_decided(found, monkeypatch):
    monkeypatch.setattr("antehoc.evaluation.score", lambda *_, **__: pytest.fail("an image was decided"))
    none = found.test.select([])
    with pytest.raises(DataError, match=r"^the unknown images 'mine' are none; give a set with one or more, or leave"):
        evaluate(found.model, found.test, unknown={"others": found.test, "mine": none})
    with pytest.raises(DataError, match=r"^there are no test images to measure the model on; give one or more\.$"):
        evaluate(found.model, none, unknown={})


def test_every_figure_says_what_it_is_and_which_direction_is_better(found):
    figures = found.evaluation.figures
    assert len({figure.name for figure in figures}) == len({figure.meaning for figure in figures}) == len(figures)
    assert [figure.name for figure in figures if not figure.meaning or not figure.group] == []
    assert {figure.name for figure in figures if figure.better is None} == {
        "class_repeat_map",
        "all_zeros_accuracy",
        "majority_accuracy",
    }
    lower = ("aurc", "augrc", "fpr_at_95_tpr", "questioned_correct", "contradicted_correct", "unseen", "aurc_minus_msp")
    assert all((figure.better == "lower") == figure.name.endswith(lower) for figure in figures if figure.better)


def test_figures_that_are_read_together_stand_together(found):
    groups = grouped(found.evaluation.figures)
    assert list(groups) == ["Decisions", "Attributes", "Verdicts on errors", "Images of no known class"]
    of_sets = groups["Images of no known class"]
    assert {figure.of_set for figure in of_sets} == {"noise", "star"}
    assert not any(figure.of_set for title, own in groups.items() for figure in own if own is not of_sets)


def test_beside_every_figure_of_the_verdict_stands_that_of_maximum_softmax(found):
    ours = {name for name in found.figures if name.startswith(("verdict_", "ood_"))}
    for name in ours:
        if "support" in name or name.endswith("_minus_msp"):
            continue
        baseline = f"msp_{name.removeprefix('verdict_')}"
        assert found.figures[baseline] is not None, f"{name} has no maximum softmax beside it"


def test_sections_stand_in_the_order_of_reading(found):
    assert [section.title for section in found.evaluation.blocks()] == [
        "Decisions",
        "Attributes expected for each class",
        "Attributes",
        "Unknown images",
        "Verdict scores",
        "Risk and coverage",
    ]


def test_without_attributes_none_are_expected():
    spec = DataSpec(("cat", "fox"), 1, 8, 8)
    scored = Scored(torch.tensor([0, 1]), torch.zeros(2, 0), torch.eye(2), {}, {})
    assert [section.title for section in _of_classes(spec, scored)] == ["Decisions"]
    several = Scored(torch.eye(2), torch.zeros(2, 0), torch.eye(2), {}, {}, "multi-label")
    assert _of_classes(replace(spec, task="multi-label"), several) == []  # a confusion matrix needs one label


def test_where_no_decision_is_wrong_figures_on_errors_are_null_and_a_note_says_so(found):
    correct = found.test.select(np.flatnonzero(~found.wrong).tolist())
    evaluation = evaluate(found.model, correct, unknown={})
    figures = values(evaluation.figures)
    assert evaluation.notes == ["no test image was decided wrongly: figures on errors are null"]
    assert figures["accuracy"] == 1
    nulls = {name for name, value in figures.items() if value is None}
    assert {"verdict_questioned_wrong", "support_questioned_wrong", "verdict_auroc", "msp_auroc"} <= nulls
    assert figures["verdict_questioned_correct"] is not None
    assert figures["verdict_aurc"] == 0
    assert "verdict_questioned_wrong" not in intervals(evaluation.figures)
    assert not any(name.endswith("_minus_msp") for name in figures)


def test_where_every_decision_is_wrong_the_other_figures_are_null(found):
    wrong = found.test.select(np.flatnonzero(found.wrong).tolist())
    figures = values(evaluate(found.model, wrong, unknown={}).figures)
    assert figures["accuracy"] == 0
    assert not any(name.endswith("_minus_msp") for name in figures)
    assert figures["verdict_questioned_correct"] is None
    assert figures["verdict_auroc"] is None
    assert figures["verdict_questioned_wrong"] == pytest.approx(found.questioned[found.wrong].mean(), rel=1e-9)


def test_only_a_calibrated_model_is_measured(found):
    with pytest.raises(ValueError, match="calibrated"):
        evaluate(replace(found.model, policy=None), found.test, unknown={})
