"""Attribute figures recomputed, and the tables: ranked above chance, and what cannot be judged named apart."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from antehoc.blocks import Note, Section, Table
from antehoc.evaluation import Scored, attributes
from antehoc.evaluation.attributes import Row
from antehoc.figure import Figure, values
from antehoc.types import DataSpec


def test_attribute_figures(found):
    correct = (found.seen >= 0.5) == found.truth
    columns = range(found.truth.shape[1])
    wanted = {
        "attribute_accuracy": correct.mean(),
        "attribute_exact": correct.all(1).mean(),
        "argmax_agreement": (found.seen.argmax(1) == found.truth.argmax(1)).mean(),
        "attribute_map": np.mean([average_precision_score(found.truth[:, i], found.seen[:, i]) for i in columns]),
        "attribute_balanced_accuracy": np.mean(
            [balanced_accuracy_score(found.truth[:, i], found.seen[:, i] >= 0.5) for i in columns]
        ),
    }
    assert {name: found.figures[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)


def test_a_row_for_each_attribute(found, block):
    table = block("Attributes", Table)
    names = [name for name, *_ in table.rows]
    assert names[:-2] == list(found.model.spec.attributes)
    assert [name.text for name in names[-2:]] == ["all, each counted alone", "all of an image together"]
    correct = ((found.seen >= 0.5) == found.truth).mean(0)
    place = table.head.index("accuracy")
    assert [row[place] for row in table.rows[:-2]] == [f"{value:.4f}" for value in correct]


def test_predictors_that_look_at_no_image_are_measured_too(found):
    assert found.figures["all_zeros_accuracy"] == pytest.approx((~found.truth).mean(), rel=1e-9)
    majority = found.source.roles["train"].attributes.numpy().mean(0) > 0.5
    assert found.figures["majority_accuracy"] == pytest.approx((majority == found.truth).mean(), rel=1e-9)


def test_blindness_to_an_attribute_is_judged_by_classes_where_these_share_it():
    """Twelve classes of five images: attribute 0 is seen, 1 is noise, 2 is in no class."""
    label = torch.arange(60) % 12
    truth = torch.stack([label < 5, label % 2 == 0, label < 0], 1).float()
    noise = torch.rand(60, 3, generator=torch.Generator().manual_seed(1))
    probabilities = torch.stack([0.8 * truth[:, 0] + 0.2 * noise[:, 0], noise[:, 1], noise[:, 2]], 1)
    assert attributes.unseen(probabilities, truth, label, 12) == [False, True, None]
    few = label < 4  # of four classes even a perfect order proves nothing
    assert attributes.unseen(truth[few], truth[few], label[few], 12) == [None, None, None]
    assert attributes.unseen(probabilities, truth, None, 12) == [False, True, None]  # with several labels: by images


def test_one_order_in_twenty_is_no_evidence_and_one_in_thirty_five_is():
    for rows, said in ((6, None), (7, False)):  # three of them with the attribute, in perfect order
        truth = (torch.arange(rows) < 3).float()[:, None]
        assert attributes.unseen(truth, truth, None, 2) == [said]


def test_questions_and_blindness_are_figures_of_their_own():
    """Two attributes that answer one question, of two classes with one image each."""
    spec = DataSpec(("cat", "fox"), 1, 8, 8, ("a", "b"), ((1.0, 0.0), (0.0, 1.0)), groups=((0, 1),))
    seen = torch.tensor([[0.9, 0.2], [0.8, 0.3]])
    truth = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    scored = Scored(torch.tensor([0, 1]), truth, torch.tensor([[9.0, -9.0], [-9.0, 9.0]]), {}, {"attributes": seen})
    rows = attributes.rows(spec, scored)
    found = values(attributes.figures(spec, scored, [rows[0]._replace(unseen=True), rows[1]], None))
    assert found["attribute_group_accuracy"] == 0.5
    assert found["attributes_unseen"] == 1
    both = [row._replace(unseen=True) for row in rows]
    assert values(attributes.figures(spec, scored, both, None))["attributes_unseen"] == 2
    assert found["class_repeat_map"] == 1
    assert "majority_accuracy" not in found


def read(precision: dict[str, tuple[float, float | None, float | None]], unseen: str = "") -> tuple[Section, list[str]]:
    """The section on attributes by name, each with prevalence, average precision and F1, and the texts of its notes."""
    rows = [Row(name, share, 0.9, 0.5, average, f1, name == unseen) for name, (share, average, f1) in precision.items()]
    section = attributes.section(rows, [Figure("attribute_exact", 0.25, "", "Attributes")])
    return section, [block.text for block in section.blocks if isinstance(block, Note)]


def named(section: Section) -> list[str]:
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    return [str(name) for name, *_ in table.rows]


def test_of_many_attributes_the_best_and_the_worst_above_chance_come_first():
    usual = {f"usual {index}": (0.1, 0.5, 0.5) for index in range(60)}
    extremes = {"has_a::common": (0.9, 0.91, 0.5), "has_a::rare": (0.01, 0.9, 0.5), "none": (0.0, None, None)}
    section, notes = read(usual | extremes | {"blind": (0.2, 0.19, 0.0)}, unseen="blind")
    best, worst, folded = [block for block in section.blocks if isinstance(block, Section)]
    assert best.title.startswith("Predicted best")
    assert named(best)[0] == "a: rare"
    assert len(named(best)) == len(named(worst)) == 15
    assert named(worst)[-2:] == ["a: common", "blind"]  # 0.91 is little above the 0.9 of chance
    assert folded.folded
    assert (folded.title, len(named(folded))) == ("34 attributes more", 64 - 30)
    assert "none" in named(folded)
    said = " ".join(notes)
    assert "1 attribute is not shown to be predicted better than chance: " in said
    assert "1 attribute is never found: " in said
    assert "1 attribute is not to be judged here: " in said


def test_names_of_many_attributes_that_are_never_found_are_folded_away():
    section, notes = read({f"has_a::b{index}": (0.1, 0.1, 0.0) for index in range(41)})
    assert any(text.startswith("41 attributes are never found: ") for text in notes)
    (names,) = section.blocks[-1].blocks
    assert section.blocks[-1].folded
    assert names.text.startswith("a: b0; a: b1; ")


def test_few_attributes_stand_in_one_table_in_their_order():
    section, _ = read({"b": (0.1, 0.5, 0.5), "a": (0.1, 0.9, 0.5)})
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert [row[0] for row in table.rows[:2]] == ["b", "a"]
    assert table.rows[0][1:5] == ("0.1000", "0.9000", "0.9000", "0.9000")  # prevalence, accuracy, zeros, constant
    assert table.rows[-1][2] == "0.2500"
