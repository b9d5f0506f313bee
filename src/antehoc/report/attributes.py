"""The sections on attributes: how well each is read, and which of them the classes ask for."""

from collections.abc import Iterable, Mapping, Sequence

from antehoc.evaluation import Evaluation
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import number, plain
from antehoc.types import DataSpec

_MANY, _ENDS, _NAMED = 40, 15, 12  # a longer table shows its best and worst rows; so many names in a sentence
_ASKED = 0.5  # a class asks for what more of its images have

AttributeRow = Mapping[str, float | str | None]


def read(evaluation: Evaluation) -> Html:
    """How well each attribute is read beside trivial predictors; of many, the best and the worst in front."""
    rows = evaluation.attribute_table
    if not rows:
        return Html("")
    said = (
        "Where attributes are rare, a predictor that never sees one looks good: accuracy has to beat “all zeros” and"
        " “best constant”, which looks at no image. In the line of all attributes the constant is what most training"
        " images have."
    )
    parts = [tag("h3", "Attributes"), tag("p", said, class_="note")]
    total = _total(evaluation.figures)
    if len(rows) <= _MANY:
        return join([*parts, _table(rows, total)])
    ranked = sorted((row for row in rows if _gain(row) is not None), key=lambda row: -(_gain(row) or 0.0))
    rest = [row for row in rows if _gain(row) is None]
    ends = min(_ENDS, len(ranked) // 2)
    how = "by average precision above chance, which is the share with it"
    middle = [*ranked[ends : len(ranked) - ends], *rest]
    return join(
        [
            *parts,
            *([_table([], total)] if total else []),
            *([tag("h4", f"Read best, {how}"), _table(ranked[:ends])] if ends else []),
            *([tag("h4", "Read worst"), _table(ranked[len(ranked) - ends :])] if ends else []),
            tag("details", tag("summary", f"{len(middle)} attributes more"), _table(middle)),
            *_blind(rows),
        ]
    )


def _table(rows: Iterable[AttributeRow], total: Sequence[Sequence[str]] = ()) -> Html:
    head = ["attribute", "share with it", "accuracy", "all zeros", "best constant", "balanced"]
    keys = ("prevalence", "accuracy", "zeros", "constant", "balanced_accuracy", "average_precision", "f1")
    body: list[Sequence[str]] = []
    for row in rows:
        share = row["prevalence"]
        share = share if isinstance(share, float) else 0.0
        values = {**row, "zeros": 1 - share, "constant": max(share, 1 - share)}
        body.append([plain(str(row["attribute"])), *(_cell(values[key]) for key in keys)])
    return table([*head, "average precision", "F1"], [*body, *total])


def _total(figures: Mapping[str, float | None]) -> list[list[str]]:
    each = (
        "attribute_accuracy", "all_zeros_accuracy", "majority_accuracy", "attribute_balanced_accuracy",
        "attribute_map", "attribute_f1",
    )  # fmt: skip
    together = ["", _cell(figures.get("attribute_exact")), "", "", "", "", ""]
    return [
        [tag("b", "all, each by itself"), "", *(_cell(figures.get(name)) for name in each)],
        [tag("b", "all of an image together"), *together],
    ]


def _gain(row: AttributeRow) -> float | None:
    """Average precision above chance, 1 where perfect; None where all images have the attribute, or none."""
    share, precision = row["prevalence"], row["average_precision"]
    if not isinstance(share, float) or not isinstance(precision, float) or share >= 1:
        return None
    return (precision - share) / (1 - share)


def _blind(rows: Sequence[AttributeRow]) -> list[Html]:
    """What is not shown to be seen, what is never found, and what these images cannot tell."""
    unseen = [str(row["attribute"]) for row in rows if row.get("unseen") == "yes"]
    never = [str(row["attribute"]) for row in rows if row["f1"] == 0]
    same = [str(row["attribute"]) for row in rows if row["prevalence"] in (0.0, 1.0)]
    rest = "no image that has one is given it with a probability of one half or more."
    chance = "their order is no better than chance would give, over classes where a class shares its attributes."
    return [
        *_named("not shown to be seen", chance, unseen),
        *_named("never found", rest, never),
        *_named("not to be judged here", "all test images have them, or none.", same),
    ]


def _named(what: str, said: str, names: Sequence[str]) -> list[Html]:
    if not names:
        return []
    are = "attribute is" if len(names) == 1 else "attributes are"
    listed = tag("p", "; ".join(map(plain, names)), class_="note")
    folded = tag("details", tag("summary", "their names"), listed) if len(names) > _NAMED else listed
    return [tag("p", tag("b", f"{len(names)} {are} {what}: "), said), folded]


def asked(spec: DataSpec, confused: Sequence[str]) -> Html:
    """Which attributes the classes ask for: all classes where they are few, else the two most often confused."""
    if not spec.attributes:
        return Html("")
    classes = spec.classes if len(spec.classes) <= 4 else tuple(confused or spec.classes[:2])
    wanted = [_answers(spec, spec.classes.index(name)) for name in classes]
    questions = [question for question in wanted[0] if any(answers[question] for answers in wanted)]
    rows, alike = [], 0
    for question in questions:
        answers = [", ".join(one[question]) or "-" for one in wanted]
        if len(set(answers)) == 1 and len(questions) > _MANY // 2:
            alike += 1
            continue
        rows.append([question, *(tag("b", a) if len(set(answers)) > 1 else a for a in answers)])
    number_asked = [sum(value > _ASKED for value in row) for row in spec.class_attributes]
    said = f"A class asks for the attributes that more than half of its images have: {_span(number_asked)} of "
    said += f"{len(spec.attributes)}."
    if len(classes) < len(spec.classes):
        said += " As an example the two classes that are confused most often" if confused else " As an example two"
        said += f"; {alike} questions that both answer alike are left out." if alike else "."
    return join(
        [
            tag("h3", "What the classes ask for"),
            tag("p", said, class_="note"),
            table(["question", *classes], rows, class_="words"),
        ]
    )


def _answers(spec: DataSpec, label: int) -> dict[str, list[str]]:
    """What a class asks for, by question; an attribute that answers none is one itself."""
    answers: dict[str, list[str]] = {}
    for name, share in zip(spec.attributes, spec.class_attributes[label], strict=True):
        question, _, answer = plain(name).partition(": ")
        answers.setdefault(question, []).extend([answer or "yes"] if share > _ASKED else [])
    return answers


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _cell(value: object) -> str:
    return number(value if isinstance(value, float) else None)
