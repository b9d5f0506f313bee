"""One decision on a page: what is shown of it, whatever its explanations are."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from antehoc.blocks import Note, Picture, Section
from antehoc.evaluation import Shown
from antehoc.explanations import AttributeScores, Explanation
from antehoc.report import cases
from antehoc.types import DataSpec, Decision, Reason, Verdict
from pages import Checked, plain_text


@dataclass(frozen=True)
class Sketch(Explanation):
    """A kind of explanation that no file of the package has heard of."""

    what: str

    kind: ClassVar[str] = "sketch"
    source: ClassVar[str] = "the sketch"
    note: ClassVar[str] = "Sketches are drawn by hand."
    legend: ClassVar[str] = "A sketch shows what matters."

    def blocks(self, spec: DataSpec, label: str, image: Tensor | Image.Image | None = None) -> list[Section]:
        """A picture and a note."""
        picture = Picture(Image.new("L", (8, 8)), f"sketch of {self.what} as {label}")
        return [Section("Sketch", (picture, Note(f"{self.what} < all")))]

    def maps(self) -> dict[str, Tensor]:
        """Two of them."""
        return {"front": torch.zeros(4, 4), "back & side": torch.ones(4, 4)}

    def resampled(self, change: Callable[[Tensor], Tensor]) -> "Sketch":
        """It has no pixels of its own."""
        return self


def shown(decision: Decision, spec: DataSpec, truth: str | None = "square") -> str:
    return cases.case(Shown("a title", torch.zeros(1, 64, 64), decision, truth), spec, "key")


def birds(classes: int = 12) -> tuple[DataSpec, Decision]:
    """Attributes that answer two questions, and a decision that they do not bear out."""
    names = tuple(f"bird {index}" for index in range(classes))
    attributes = (*(f"has_wing_color::color_{index}" for index in range(11)), "has_size::small", "has_size::large")
    rows = tuple(tuple(float(index in (row % 11, 11 + row % 2)) for index in range(13)) for row in range(classes))
    spec = DataSpec(names, 3, 16, 16, attributes, rows, groups=(tuple(range(11)), (11, 12)))
    fits = {name: (index + 1) / 78 for index, name in enumerate(names)}
    seen = AttributeScores(attributes, (*(index / 20 for index in range(11)), 0.9, 0.1))
    text = "'has_size::large' is absent (0.10), but the class 'bird 3' has it"
    verdict = Verdict("questioned", 9.0, 5.0, 0.05, (Reason("attribute-missing", text, "has_size::large", 0.1, 1.0),))
    return spec, Decision("bird 3", dict.fromkeys(names, 1 / classes), (seen,), {}, verdict, by_explanation=fits)


def test_a_decision_stands_beside_the_classes_that_its_attributes_fit():
    spec, decision = birds()
    text = shown(decision, spec, "bird 3")
    named = text[text.index("Classes by the attributes") :]
    found = re.findall(r"<title>(bird \d+) ", named)
    assert found == ["bird 11", "bird 10", "bird 9", "bird 8", "bird 3"]  # the four that fit best, and the decided one
    assert "Decided class: place 9 of 12" in named
    assert "size: large is absent (0.10), but the class has it" in named
    assert "Corrected" not in text


def test_a_correction_by_a_person_is_said():
    spec, decision = birds()
    text = shown(replace(decision, corrected={"has_size::large": 1.0}), spec, "bird 3")
    assert "<b>Corrected by a person: </b>size: large (1.00)." in text


def test_the_truth_stands_beside_a_wrong_label(questioned, accepted, shapes_spec):
    assert "rectangle | 93.0 % · true class: | square | questioned" in plain_text(shown(questioned, shapes_spec))
    assert "square | 99.0 % · correct | accepted" in plain_text(shown(accepted, shapes_spec))
    assert "true class" not in plain_text(shown(questioned, shapes_spec, None))


def test_reasons_stand_on_the_side_that_they_speak_for(questioned, shapes_spec):
    text = shown(questioned, shapes_spec)
    assert re.findall(r'<li class="(\w+)">', text) == ["for", "against", "against"]
    none = replace(questioned, verdict=Verdict("questioned", 9.0, 5.0, 0.01))
    assert "No single reason stands out" in shown(none, shapes_spec)


def test_a_threshold_that_questions_nothing_is_no_number(accepted, shapes_spec):
    free = replace(accepted, verdict=replace(accepted.verdict, threshold=1.7e308))
    assert "score 1.2 ≤ no threshold" in shown(free, shapes_spec)


def test_any_kind_of_explanation_shows_its_own_blocks(questioned, shapes_spec):
    shares = dict.fromkeys(shapes_spec.classes, 0.25)
    both = replace(questioned, explanations=(Sketch("a fox"), *questioned.explanations), by_explanation=shares)
    found = Checked(shown(both, shapes_spec))
    assert "sketch of a fox as rectangle" in found.values("alt")
    assert {"Sketch", "a fox < all", "Attributes", "Classes by the sketch"} <= set(found.said)
    legend = Checked(cases.legend(both.explanations)).said
    assert ": the true class. A sketch shows what matters. Tick mark" in legend[-1]
    assert Checked(cases.note(both.explanations)).said[0].startswith("Sketches are drawn by hand. The class")


def test_without_explanations_a_decision_is_still_shown(questioned, shapes_spec):
    text = plain_text(shown(replace(questioned, explanations=()), shapes_spec))
    assert "Classes by the classifier" in text
    assert "Attributes" not in text


def test_of_several_labels_those_present_and_those_questioned_are_shown(several, shapes_spec):
    text = plain_text(shown(several, shapes_spec, "circle"))
    assert "circle, square | · true class: | circle | questioned" in text
    assert "circle | present, 91.0 % | accepted | score 1.2 ≤ 5.2" in text
    assert "square | present, 64.0 % | questioned" in text
    assert "triangle | absent, 45.0 % | questioned" in text
    assert "rectangle | absent" not in text
    bold = re.findall(r"<title>(\w+) [\d.]+</title><text [^>]*font-weight", shown(several, shapes_spec))
    assert bold == ["circle", "square"]


def test_an_image_without_any_label_says_so(several, shapes_spec):
    labels = {name: replace(one, present=False) for name, one in several.labels.items()}
    assert "no label" in plain_text(shown(replace(several, label="", labels=labels), shapes_spec))


def test_a_contradiction_stands_below_the_decision():
    shares = {"cat": 0.2, "fox": 0.8}
    line = "Contradicted: the explanation says cat (90.0 %)."
    assert line in str(cases.head(Decision("fox", shares, by_explanation={"cat": 0.9, "fox": 0.1})))
    assert "Contradicted" not in str(cases.head(Decision("fox", shares, by_explanation={"cat": 0.4, "fox": 0.6})))
