"""The sections on attributes: ranked above chance, and what cannot be judged said apart."""

import re
from dataclasses import replace

from antehoc.evaluation import Evaluation
from antehoc.report import attributes
from antehoc.types import DataSpec


def read(
    evaluation: Evaluation, precision: dict[str, tuple[float, float | None, float | None]], unseen: str = ""
) -> str:
    rows = [
        {
            "attribute": name,
            "prevalence": share,
            "accuracy": 0.9,
            "balanced_accuracy": 0.5,
            "average_precision": ap,
            "f1": f1,
        }
        for name, (share, ap, f1) in precision.items()
    ]
    rows = [{**row, "unseen": "yes" if row["attribute"] == unseen else "no"} for row in rows]
    return attributes.read(replace(evaluation, attribute_table=rows))


def named(part: str) -> list[str]:
    return re.findall(r'<th scope="row">([^<]+)</th>', part)


def test_of_many_attributes_the_best_and_the_worst_above_chance_stand_in_front(evaluation):
    usual = {f"usual {index}": (0.1, 0.5, 0.5) for index in range(60)}
    extremes = {"has_a::common": (0.9, 0.91, 0.5), "has_a::rare": (0.01, 0.9, 0.5), "none": (0.0, None, None)}
    text = read(evaluation, usual | extremes | {"blind": (0.2, 0.19, 0.0)}, unseen="blind")
    best, worst = text.split("Read worst")
    worst, folded = worst.split("<details>", 1)
    assert named(best)[0] == "a: rare"
    assert len(named(best)) == len(named(worst)) == 15
    assert named(worst)[-2:] == ["a: common", "blind"]  # 0.91 is little above the 0.9 of chance
    assert len(named(folded)) == 64 - 30
    assert "none" in named(folded)
    assert "1 attribute is not shown to be seen: </b>" in folded
    assert "1 attribute is never found: </b>" in folded
    assert "1 attribute is not to be judged here: </b>" in folded


def test_few_attributes_stand_in_one_table_in_their_order(evaluation):
    text = read(evaluation, {"b": (0.1, 0.5, 0.5), "a": (0.1, 0.9, 0.5)})
    assert named(text) == ["b", "a"]
    assert "Read worst" not in text


def test_classes_without_attributes_ask_for_nothing():
    assert attributes.asked(DataSpec(("cat", "fox"), 1, 8, 8), ()) == ""


def test_few_classes_all_say_what_they_ask_for(shapes_spec):
    text = attributes.asked(shapes_spec, ())
    assert [name in text for name in shapes_spec.classes] == [True] * 4
    assert "1 to 3 of 5" in text  # a circle has no vertices, and that is all; a square has three
