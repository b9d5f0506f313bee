"""What a mask costs: more with a heavier explainer, and nothing else is claimed."""

from antehoc.figure import values
from antehoc.studies.cost import MEANING, Costs, costs
from studies.wired import rows_of, said, tables

FOUND = Costs(0.2, 2.85, 1.6, 1.18, 4, 9)


def test_explaining_costs_time_and_less_so_the_lighter():
    found = costs(images=1, rounds=1)
    assert found.seconds_bare > 0
    assert found.cost_ratio_paper > found.cost_ratio_light > 0


def test_its_figures_are_the_ratios_and_lower_is_better():
    assert values(FOUND.figures()) == {"cost_ratio_paper": 2.85, "cost_ratio_half": 1.6, "cost_ratio_light": 1.18}
    assert {(figure.better, figure.headline) for figure in FOUND.figures()} == {("lower", True)}


def test_a_mask_costs_so_many_times_the_classifier_alone():
    rows = rows_of(*tables(FOUND.blocks()))
    assert rows["the classifier alone"] == ["50", "1.0000"]  # 0.2 seconds for 4 images
    assert rows["with the paper's explainer"] == ["142", "2.8500"]
    assert rows["with half of its filters and its gate on the image"] == ["59", "1.1800"]
    assert MEANING in said(FOUND.blocks())
