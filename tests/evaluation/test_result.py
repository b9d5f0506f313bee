"""What an evaluation found, in a sentence and as blocks."""

import inspect

from antehoc.blocks import Note, Section
from antehoc.evaluation import Evaluation
from antehoc.figure import Figure

FIGURES = {
    "accuracy": 0.995,
    "verdict_questioned_wrong": 0.86,
    "verdict_questioned_correct": None,
    "verdict_auroc": 0.991,
    "msp_auroc": 0.985,
}


def test_the_headline_is_made_of_the_figures():
    figures = [Figure(name, value, "", "") for name, value in FIGURES.items()]
    figures.append(Figure("ood_left_out_questioned", 0.993, "", "", of_set="left_out"))
    evaluation = Evaluation(figures, images=2000, wrong=10)
    assert evaluation.headline() == (
        "99.5 % of the decisions on 2,000 test images are correct. The verdict questions 86.0 % of the 10 wrong"
        " decisions and 99.3 % of the unknown images (the classes left out). Its AUROC for telling wrong decisions from"
        " correct ones is 0.9910; that of maximum softmax on the same model is 0.9850."
    )
    assert Evaluation([]).headline() == ""


def test_an_evaluation_without_unknown_sets_has_no_table_of_them():
    assert Evaluation([]).brief() == []


def test_its_blocks_are_its_sections_and_take_no_name_to_ignore():
    section = Section("Curves", (Note("none"),))
    assert Evaluation([], sections=(section,)).blocks() == [section]
    assert list(inspect.signature(Evaluation.blocks).parameters) == ["self"]
