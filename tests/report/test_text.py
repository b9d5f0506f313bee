"""What the terminal shows, to the letter."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from antehoc.calibration import Shift
from antehoc.evaluation import Scored
from antehoc.report import text
from antehoc.results import Questioned, Recalibrated, Trained
from antehoc.types import Decision, Reason, Verdict
from report.test_page import ToyComparison


def test_decisions_read_as_the_golden_file(golden, questioned, accepted, masked, several):
    never = replace(accepted, verdict=None)
    written = [
        text.decision("a/rectangle.png", questioned),
        text.decision("a/square.png", accepted),
        text.decision("a/square.png", never),
        text.decision("a/masked.png", masked),
        text.decision("a/several.png", several),
    ]
    golden("decisions.txt", "".join(written))


def test_a_reproduction_reads_as_the_golden_file(golden, result):
    golden("reproduction.txt", text.reproduction(result))


def test_an_evaluation_reads_as_the_golden_file(golden, evaluation):
    golden("evaluation.txt", text.evaluation(evaluation))


def test_training_reads_as_the_golden_file(golden, result):
    empty = Scored(torch.zeros(0), torch.zeros(0, 5), torch.zeros(0, 4), {}, {})
    trained = Trained(result.models["shapes"], Path("runs/shapes"), result.history, empty, result.parts)
    golden("trained.txt", text.trained(trained))


def test_a_recalibration_reads_as_the_golden_files(golden, model):
    policy = replace(model.policy, alpha=0.0125, threshold_rows=79)
    known = Recalibrated(
        replace(model, policy=policy),
        place="photos",
        images=160,
        decisions=160,
        correct=150,
        threshold_images=80,
        chosen=True,
        calibrated_before=True,
        before=Questioned(0.22, 0.9),
        shift=Shift("stages", 0.41, 0.000012, 9, 500, 150),
        seed=3,
        notes=("Images of classes that the model does not know were left out: 4 (dog).",),
        folder=Path("runs/model-recalibrated"),
    )
    same = replace(known, chosen=False, threshold_images=160, shift=Shift("knn", 0.06, 1.0, 9, 500, 150), notes=())
    earlier = replace(same, shift=None, before=Questioned(0.01, None))
    first = replace(earlier, before=None, calibrated_before=False, folder=None)
    golden("recalibrated.txt", "\n".join(text.recalibrated(one) for one in (known, same, earlier, first)))
    golden("recalibrated.json", json.dumps(known.to_plain(), indent=1) + "\n")


def test_what_training_remarked_is_its_last_line(result):
    empty = Scored(torch.zeros(0), torch.zeros(0, 5), torch.zeros(0, 4), {}, {})
    model = replace(result.models["shapes"], about={"remark": "The masks are worse than a control."})
    written = text.trained(Trained(model, Path("runs/shapes"), result.history, empty, result.parts))
    assert written.splitlines()[-1] == "note: The masks are worse than a control."


def test_every_headline_and_every_published_figure_stands_in_the_terminal(result):
    words = text.reproduction(result).split()
    for figure in result.figures:
        assert (figure.name in words) == (figure.headline or result.published.get(figure.name) is not None)


def test_of_many_figures_the_main_ones_are_shown_and_the_others_counted(evaluation):
    written = text.evaluation(evaluation)
    assert "verdict_augrc" not in written
    assert "accuracy" in written
    assert "and 3 more figures" in written  # that of noise stands in the table of sets


def test_a_comparison_is_shown_in_brief():
    assert text.comparison(ToyComparison()) == ("            AOPC\nown       0.5000\n<random>       -\n\n2 images.\n")


def test_an_accepted_decision_shows_three_reasons_for_it_and_each_against_it(accepted):
    lines = text.decision("a.png", accepted).splitlines()[1:]
    assert sum("and the class" in line for line in lines) == 3
    assert sum("but the class" in line for line in lines) == 1


def test_of_many_reasons_the_first_are_shown_and_the_others_counted(questioned):
    many = tuple(Reason("attribute-missing", f"reason {number}") for number in range(40))
    lines = text.decision(
        "a.png", replace(questioned, verdict=Verdict("questioned", 9.0, 5.0, 0.01, many))
    ).splitlines()
    assert lines[1].strip() == "reason 0"
    assert lines[-1].strip() == "and 32 more"
    assert len(lines) == 10


def test_a_name_cannot_steer_the_terminal(questioned):
    written = text.decision("a\x1b[2J\nb\udcff.png", questioned)
    assert written.splitlines()[0].startswith(r"'a\x1b[2J\nb\udcff.png'  rectangle 0.93")
    written.encode("utf-8")


def test_a_contradiction_is_said_in_the_first_line():
    said = text.decision("a.png", Decision("fox", {"cat": 0.2, "fox": 0.8}, by_explanation={"cat": 0.9, "fox": 0.1}))
    assert said == "a.png  fox 0.80  not calibrated  CONTRADICTED: the explanation says cat (0.90)\n"
