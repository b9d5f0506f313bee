"""One image's decision as a page shows it: the image, its classes, what explains them, the verdict and its reasons."""

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from antehoc.blocks import Bar, Bars, Block, Note, Section
from antehoc.evaluation import Shown
from antehoc.explanations import Explanation, plain
from antehoc.figure import listed, number, percent
from antehoc.report import blocks_html
from antehoc.report.html import Html, join, tag
from antehoc.spec import DataSpec
from antehoc.types import Decision, LabelDecision, Reason, Verdict

_CLASSES, _REASONS, _LABELS = 5, 5, 12  # as many are shown, of reasons on each side; the rest is counted
_CASE_PX = 192  # width of the image of a case
_IN_A_ROW = 3  # as many panels have room beside the image
_NO_THRESHOLD = 1e300  # the largest float stands for infinity


def case(shown: Shown, spec: DataSpec, key: str, level: int = 4) -> Html:
    """A case of an evaluation; the true class is green.

    Args:
        shown: the image, its decision and its true class.
        spec: names and sizes of the data.
        key: differs between the cases of one page.
        level: of its heading.
    """
    decision, truth = shown.decision, shown.truth
    alt = f"image of the case: {shown.title}; true class: {truth or 'none that the model knows'}"
    picture = tag("figure", blocks_html.image(shown.image, alt, width_px=_CASE_PX))
    return tag(
        "article",
        tag(f"h{level}", shown.title),
        body(decision, spec, picture, shown.image, key, truth),
        class_="case",
    )


def body(
    decision: Decision,
    spec: DataSpec | None,
    picture: Html,
    image: Tensor | Image.Image | None,
    key: str,
    truth: str | None = None,
) -> Html:
    """A decision without its heading: the decision in a line, the panels, the reasons.

    Args:
        decision: to show.
        spec: names and sizes of the data; None where the model is not at hand.
        picture: the image as the page shows it.
        image: for maps to lie over; None where it cannot be read.
        key: differs between the cases of one page.
        truth: the true class where it is known.
    """
    return join([head(decision, truth), explained(decision, spec, picture, image, key, truth)])


def explained(
    decision: Decision,
    spec: DataSpec | None,
    picture: Html,
    image: Tensor | Image.Image | None,
    key: str,
    truth: str | None = None,
) -> Html:
    """What stands below the line of the decision; the arguments are those of `body`."""
    sections = panels(decision, spec, truth, image)
    minor = [1] if decision.by_explanation else []  # classes by the explanation
    return join(
        [
            *(_label(name, one) for name, one in worth_showing(decision)),
            corrected(decision),
            tag("div", picture, *blocks_html.panels(sections, key, minor), class_=_layout(sections)),
            told(decision),
        ]
    )


def _layout(sections: Sequence[Section]) -> str:
    """The style of the panels: with many, they stand in rows of two beside the image."""
    return "panels many" if len(sections) > _IN_A_ROW else "panels"


def panels(
    decision: Decision, spec: DataSpec | None, truth: str | None = None, image: Tensor | Image.Image | None = None
) -> list[Section]:
    """Classes by the classifier, beside them what each explanation consists of, and classes by the explanation alone.

    Args:
        decision: to show.
        spec: names and sizes of the data; None where the model is not at hand.
        truth: the true class where it is known.
        image: for maps to lie over; without it they stand alone.
    """
    label = _explained(decision)
    named = _class_bars(decision.probabilities, decision, truth, "class probabilities")
    sections = [Section("Classes by the classifier", (named,))]
    for explanation in decision.explanations[:1]:
        sections += _by_explanation(decision, explanation, truth)
    for explanation in decision.explanations:
        sections += explanation.blocks(spec, label, image)
    return sections


def _explained(decision: Decision) -> str:
    """The class that explanations are of; with several labels the most probable."""
    return max(decision.labels, key=lambda name: decision.labels[name].probability, default=decision.label)


def _by_explanation(decision: Decision, explanation: Explanation, truth: str | None) -> list[Section]:
    shares = decision.by_explanation
    if not shares:
        return []
    blocks: list[Block] = [_class_bars(shares, decision, truth, f"classes by {explanation.source} alone")]
    if len(shares) > _CLASSES and decision.label in shares:
        better = sum(value > shares[decision.label] for value in shares.values())
        blocks.append(Note(f"Decided class: place {better + 1} of {len(shares)}", "aside"))
    return [Section(f"Classes by {explanation.source}", tuple(blocks))]


def head(decision: Decision, truth: str | None = None) -> Html:
    """Label, probability and verdict in a line, the true class beside a wrong label."""
    share = decision.probabilities.get(decision.label)
    words = [tag("b", decision.label or "no label"), *([f" {percent(share)}"] if share is not None else [])]
    if truth is not None:
        words += [" · correct"] if truth == decision.label else [" · true class: ", tag("b", truth)]
    line = tag("p", *words, badge(decision.verdict), class_="decision")
    if not (other := decision.contradicted_by):
        return line
    fits = percent(decision.by_explanation[other])
    return join([line, tag("p", tag("strong", f"Contradicted: the explanation says {other} ({fits})."))])


def similar(decision: Decision) -> str:
    """The classes of the most similar training images in a sentence; empty where the model keeps none.

    Example:
        >>> similar(Decision("fox", {"fox": 1.0}, nearest={"cat": 3, "fox": 2}))
        'The most similar training images are of cat (3) and fox (2).'
    """
    if not decision.nearest:
        return ""
    found = [f"{name} ({count})" for name, count in decision.nearest.items()]
    return f"The most similar training images are of {listed(found)}."


def worth_showing(decision: Decision) -> list[tuple[str, LabelDecision]]:
    """Of several labels those that are present, and those that are questioned."""
    return [(name, one) for name, one in decision.labels.items() if one.present or is_questioned(one.verdict)][:_LABELS]


def _label(name: str, one: LabelDecision) -> Html:
    """One of several labels with its probability and its verdict."""
    said = f" {'present' if one.present else 'absent'}, {percent(one.probability)}"
    return tag("p", tag("b", name), said, badge(one.verdict), class_="decision label")


def badge(verdict: Verdict | None) -> Html:
    """The verdict with its score beside the threshold."""
    if verdict is None:
        return tag("span", "no verdict: never calibrated", class_="badge none")
    sign = ">" if verdict.outcome == "questioned" else "≤"
    score = tag("span", f"score {number(verdict.score, 'score')} {sign} {threshold(verdict)}", class_="score")
    return tag("span", tag("span", verdict.outcome, class_=f"badge {verdict.outcome}"), score, class_="verdict")


def threshold(verdict: Verdict) -> str:
    """The threshold in words: none where nothing is questioned."""
    return number(verdict.threshold, "score") if verdict.threshold < _NO_THRESHOLD else "no threshold"


def told(decision: Decision) -> Html:
    """The reasons of a decision; with several labels those of each label that is present or questioned."""
    if not decision.labels:
        return reasons(decision.verdict, decision.label)
    return join(reasons(one.verdict, name) for name, one in worth_showing(decision))


def is_questioned(verdict: Verdict | None) -> bool:
    """Whether there is a verdict, and it asks a person to look."""
    return verdict is not None and verdict.outcome == "questioned"


def reasons(verdict: Verdict | None, label: str) -> Html:
    """What speaks for the decision beside what speaks against it, in words, the strongest first."""
    if verdict is None:
        return Html("")
    if not verdict.reasons:
        return tag("p", "No single reason stands out: the doubts together make the score.", class_="reasons")
    agree = [reason for reason in verdict.reasons if reason.agrees]
    against = [reason for reason in verdict.reasons if not reason.agrees]
    return tag("div", _side("for", agree, label), _side("against", against, label), class_="reasons")


def _side(name: str, reasons: Sequence[Reason], label: str) -> Html:
    items = [tag("li", reason_text(reason, label), class_=name) for reason in reasons[:_REASONS]]
    left = len(reasons) - len(items)
    items += [tag("li", f"and {left} more", class_="left")] if left > 0 else []
    items = items or [tag("li", "nothing that stands out", class_="left")]
    return tag("div", tag("p", f"Speaks {name} {label}", class_="panel-title"), tag("ul", *items))


def reason_text(reason: Reason, label: str) -> str:
    """A reason in words where the decided class stands above it: shorter, attributes as people write them.

    Example:
        >>> text = "'has_wing_color::red' is absent (0.10), but the class 'Cardinal' has it"
        >>> reason_text(Reason("attribute-missing", text, "has_wing_color::red"), "Cardinal")
        'wing color: red is absent (0.10), but the class has it'
    """
    text = reason.text.replace(f"better than {label!r}", "better than this one")
    if reason.attribute is None:
        return text
    return text.replace(f"'{reason.attribute}'", plain(reason.attribute)).replace(f"the class {label!r}", "the class")


def corrected(decision: Decision) -> Html:
    """The attributes that a person set by hand, if any."""
    if not decision.corrected:
        return Html("")
    said = ", ".join(f"{plain(name)} ({number(value, 'probability')})" for name, value in decision.corrected.items())
    after = "Classes by the attributes, verdict and reasons were computed again; the classifier was not run again."
    return tag("p", tag("b", "Corrected by a person: "), f"{said}. {after}", class_="corrected")


def _class_bars(values: dict[str, float], decision: Decision, truth: str | None, what: str) -> Bars:
    """The most probable classes, always with the decided and the true ones."""
    decided = {name for name, one in decision.labels.items() if one.present} or {decision.label}
    ranked = sorted(values, key=lambda name: -values[name])
    must = (decided | {truth}) & set(ranked)
    kept = set(ranked[: max(_CLASSES - len(must - set(ranked[:_CLASSES])), 0)]) | must
    rows = [_class_bar(name, values[name], name == truth, name in decided) for name in values if name in kept]
    if len(kept) < len(values):
        rows.sort(key=lambda row: -row.value)
    spoken = ", ".join(f"{row.label}{row.note.replace(' ·', ',')} {number(row.value, 'probability')}" for row in rows)
    return Bars(tuple(rows), f"{what}: {spoken}", len(values) - len(rows), "classes")


def _class_bar(name: str, value: float, true: bool, decided: bool) -> Bar:
    return Bar(plain(name), value, "true" if true else "plain", " · true" if true else "", bold=decided)


def legend(explanations: Sequence[Explanation], *, truth: bool = True) -> Html:
    """How a case is to be read, by its explanations and where the true class is known or not."""
    green = [tag("b", "Green", class_="true"), ": the true class. "] if truth else []
    said = " ".join(dict.fromkeys(one.legend for one in explanations))
    return tag("p", "Bold: the decided class. ", *green, said, class_="legend")


def note(explanations: Sequence[Explanation]) -> Html:
    """How the explanations of the cases come about."""
    return tag("p", " ".join(dict.fromkeys(one.note for one in explanations)), class_="note")
