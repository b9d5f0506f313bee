"""What the terminal shows, to the letter."""

from dataclasses import replace
from pathlib import Path

import torch

from antehoc.evaluation import Scored
from antehoc.figure import Figure
from antehoc.report import text
from antehoc.runs import Trained
from antehoc.types import Reason, Verdict


def test_decisions_read_as_the_golden_file(golden, questioned, accepted, masked):
    never = replace(accepted, verdict=None)
    written = [
        text.decision("a/rectangle.png", questioned),
        text.decision("a/square.png", accepted),
        text.decision("a/square.png", never),
        text.decision("a/masked.png", masked),
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


def test_every_figure_stands_in_the_terminal_or_in_the_table_of_unknown_sets(result):
    words = text.reproduction(result).split()
    for name in result.figures:
        bare = name.removeprefix("default_")
        in_the_matrix = bare.removeprefix("msp_").startswith("ood_noise")
        assert in_the_matrix or name in words


def test_of_many_figures_the_main_ones_are_shown_and_the_others_counted(evaluation):
    named = {"accuracy": 0.8, "margin_auroc": 0.7, "verdict_augrc": 0.1, "ood_noise_auroc": 0.9}
    figures = [Figure(name, value, "", "", of_set="noise" if "ood" in name else None) for name, value in named.items()]
    written = text.evaluation(replace(evaluation, figures=figures))
    assert "margin_auroc" not in written
    assert "accuracy" in written
    assert "and 2 figures more" in written  # that of noise stands in the table of sets


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
