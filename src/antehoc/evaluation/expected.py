"""Which attributes are expected for each class."""

from collections.abc import Sequence

from antehoc.blocks import Cell, Note, Section, Strong, Table
from antehoc.explanations import plain
from antehoc.spec import DataSpec

_FEW_CLASSES = 4  # with more, two of them stand as an example
_MANY = 20  # with more questions, those that both classes answer alike are left out
_EXPECTED = 0.5  # an attribute is expected where more of the class's images have it


def section(spec: DataSpec, confused: Sequence[str] = ()) -> Section:
    """The attributes expected for each class; of many classes, for the two that are confused most often.

    Args:
        spec: of data with attributes.
        confused: the two classes that are confused most often; none: the first two stand as an example.
    """
    classes = spec.classes if len(spec.classes) <= _FEW_CLASSES else tuple(confused or spec.classes[:2])
    rows, alike = _rows(spec, classes)
    counts = [sum(value > _EXPECTED for value in row) for row in spec.class_attributes]
    said = f"An attribute is expected for a class where more than half of its images have it: {_span(counts)} of "
    said += f"{len(spec.attributes)} attributes."
    if len(classes) < len(spec.classes):
        said += " As an example, the two classes that are confused most often" if confused else " As an example, two"
        said += f"; {alike} questions that both answer alike are left out." if alike else "."
    table = Table(("question", *classes), tuple(rows), kind="words")
    return Section("Attributes expected for each class", (Note(said, "aside"), table))


def _rows(spec: DataSpec, classes: Sequence[str]) -> tuple[list[tuple[Cell, ...]], int]:
    """The answers of each class by question, and how many questions are left out because all answer them alike."""
    expected = [_answers(spec, spec.classes.index(name)) for name in classes]
    questions = [question for question in expected[0] if any(answers[question] for answers in expected)]
    rows: list[tuple[Cell, ...]] = []
    alike = 0
    for question in questions:
        answers = [", ".join(one[question]) or "-" for one in expected]
        differ = len(set(answers)) > 1
        if not differ and len(questions) > _MANY:
            alike += 1
            continue
        rows.append((question, *(Strong(answer) if differ else answer for answer in answers)))
    return rows, alike


def _answers(spec: DataSpec, label: int) -> dict[str, list[str]]:
    """What is expected for a class, by question; an attribute that answers none is a question of its own."""
    answers: dict[str, list[str]] = {}
    for name, share in zip(spec.attributes, spec.class_attributes[label], strict=True):
        question, _, answer = plain(name).partition(": ")
        answers.setdefault(question, []).extend([answer or "yes"] if share > _EXPECTED else [])
    return answers


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
