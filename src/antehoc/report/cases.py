"""One image's decision as a page shows it: the image, bars, the verdict and its reasons in words."""

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from antehoc.evaluation import Shown
from antehoc.explanations import AttributeScores, Explanation, SaliencyMask
from antehoc.report import figures
from antehoc.report.figures import Bar
from antehoc.report.html import Html, join, tag
from antehoc.report.meanings import AGREE, percent, plain, reason_text
from antehoc.types import DataSpec, Decision, Reason, Verdict

_CLASSES, _ATTRIBUTES, _REASONS = 5, 10, 5  # as many are shown, of reasons on each side; the rest is counted


def case(shown: Shown, spec: DataSpec) -> Html:
    """A real case of an evaluation, as in the thesis's figures 3.8 to 3.12 and 4.5 to 4.8; the true class is green."""
    decision, truth = shown.decision, shown.truth
    side = min(192, 3 * max(shown.image.shape[-2:]))
    alt = f"image of the case: {shown.title}; true class {truth or 'none that the model knows'}"
    picture = tag(
        "img", src=figures.picture(shown.image), alt=alt, class_=_crispness(shown.image.shape[-2:]), width=side
    )
    few = isinstance(decision.explanations[0], AttributeScores) and spec.attributes and len(spec.classes) <= _CLASSES
    parts = panels(decision, spec, truth, by_explanation=not few, image=shown.image)
    return tag(
        "article",
        tag("h4", shown.title),
        head(decision, truth),
        tag(
            "div",
            tag("figure", picture),
            *parts,
            *([panel("Confidence by support", confidence_bars(shown, spec))] if few else []),
            class_="panels",
        ),
        reasons(decision.verdict, decision.label),
        class_="case",
    )


def panels(
    decision: Decision,
    spec: DataSpec,
    truth: str | None = None,
    *,
    by_explanation: bool = True,
    image: Tensor | Image.Image | None = None,
) -> list[Html]:
    """Classes by the classifier, beside them classes by the explanans alone, and the explanans itself.

    Args:
        decision: what is shown.
        spec: names and sizes of the data.
        truth: the true class, where it is known.
        by_explanation: whether the classes by the explanans alone are shown.
        image: what a mask is laid over; without it the mask stands alone.
    """
    parts = [panel("Classes by the classifier", class_bars(decision, truth))]
    if by_explanation and decision.by_explanation:
        by = "the mask" if isinstance(decision.explanations[0], SaliencyMask) else "the attributes"
        bars = _class_bars(decision.by_explanation, decision.label, truth, f"classes by {by} alone")
        parts.append(panel(f"Classes by {by}", join([bars, _rank(decision)])))
    return parts + explanans(decision.explanations[0], spec, decision.label, image)


def _rank(decision: Decision) -> Html:
    """Where the decided class stands among the classes by explanation, if they are too many to see it."""
    shares = decision.by_explanation
    better = sum(value > shares[decision.label] for value in shares.values())
    said = f"Decided class: place {better + 1} of {len(shares)}"
    return tag("p", said, class_="rank") if len(shares) > _CLASSES else Html("")


def head(decision: Decision, truth: str | None = None) -> Html:
    """Label, probability and verdict in a line, the truth beside a wrong label."""
    share = percent(decision.probabilities[decision.label])
    words = [tag("b", decision.label), f" {share}"]
    if truth is not None:
        words += [
            " · rightly" if truth == decision.label else " · truly ",
            *([] if truth == decision.label else [tag("b", truth)]),
        ]
    return tag("p", *words, badge(decision.verdict), class_="decision")


def badge(verdict: Verdict | None) -> Html:
    """The verdict with its score beside the threshold."""
    if verdict is None:
        return tag("span", "no verdict: never calibrated", class_="badge none")
    sign = ">" if verdict.outcome == "questioned" else "≤"
    limit = f"{verdict.threshold:.1f}" if verdict.threshold < 1e300 else "no threshold"
    score = tag("span", f"score {verdict.score:.1f} {sign} {limit}", class_="score")
    return tag("span", tag("span", verdict.outcome, class_=f"badge {verdict.outcome}"), score, class_="verdict")


def reasons(verdict: Verdict | None, label: str) -> Html:
    """What speaks for the decision beside what speaks against it, in words, the strongest first."""
    if verdict is None:
        return Html("")
    if not verdict.reasons:
        return tag("p", "No single reason stands out: the doubts together make the score.", class_="reasons")
    agree = [reason for reason in verdict.reasons if reason.code in AGREE]
    against = [reason for reason in verdict.reasons if reason.code not in AGREE]
    return tag("div", _side("for", agree, label), _side("against", against, label), class_="reasons")


def _side(name: str, reasons: Sequence[Reason], label: str) -> Html:
    items = [tag("li", reason_text(reason, label), class_=name) for reason in reasons[:_REASONS]]
    left = len(reasons) - len(items)
    items += [tag("li", f"and {left} more", class_="left")] if left > 0 else []
    items = items or [tag("li", "nothing that stands out", class_="left")]
    return tag("div", tag("p", f"Speaks {name} {label}", class_="panel-title"), tag("ul", *items))


def corrected(decision: Decision) -> Html:
    """What a person set by hand, where anybody did."""
    if not decision.corrected:
        return Html("")
    said = ", ".join(f"{plain(name)} ({value:.2f})" for name, value in decision.corrected.items())
    after = "Classes by the attributes, verdict and reasons follow; the classifier was not asked again."
    return tag("p", tag("b", "Corrected by a person: "), f"{said}. {after}", class_="corrected")


def explanans(
    explanans: Explanation, spec: DataSpec, label: str, image: Tensor | Image.Image | None = None
) -> list[Html]:
    """What explains the decision, a panel for each part of it."""
    match explanans:
        case AttributeScores():
            title = "Attributes that stand out" if len(explanans.names) > _ATTRIBUTES else "Attributes seen"
            return [panel(title, attribute_bars(explanans, spec, label))]
        case SaliencyMask():
            return [panel("What the mask lets through", mask(explanans, image))]
        case _:
            raise TypeError(explanans)


def mask(explanans: SaliencyMask, image: Tensor | Image.Image | None = None) -> Html:
    """A mask over its image, the colours of all masks below it."""
    values = explanans.values()
    under = Image.new("L", (explanans.width, explanans.height), 128) if image is None else image
    picture = figures.overlay(under, values)
    mean = percent(float(values.mean()))  # of a hard gate more or less is shown than that
    said = f"mask over the image: {mean} on average"
    drawn = tag(
        "img",
        src=figures.picture(picture),
        alt=f"{said}, {_where(values)}",
        class_=_crispness(picture.size),
        width=min(208, 3 * max(picture.size)),
    )
    return join([drawn, Html(figures.color_bar()), tag("p", f"{mean} on average", class_="rank")])


def _where(values: Tensor) -> str:
    """Where the middle of what a mask shows lies, for a person who does not see it."""
    total = float(values.sum())
    if total == 0:
        return "nothing anywhere"
    sides = (("top", "middle", "bottom"), ("left", "middle", "right"))
    names = []
    for axis, words in enumerate(sides):
        sums = values.sum(1 - axis)
        middle = sum((place + 0.5) * float(share) for place, share in enumerate(sums)) / total / len(sums)
        names.append(words[min(int(3 * middle), 2)])
    return f"centred at the {' '.join(dict.fromkeys(names))}"


def class_bars(decision: Decision, truth: str | None = None) -> Html:
    """The most probable classes, the true one among them whatever its probability."""
    return _class_bars(decision.probabilities, decision.label, truth, "class probabilities")


def confidence_bars(shown: Shown, spec: DataSpec) -> Html:
    """How much of what each class asks for is seen, by the papers' support rule."""
    seen = shown.decision.explanations[0]
    if not isinstance(seen, AttributeScores):
        return Html("")
    values = seen.support(spec)
    return _class_bars(values, shown.decision.label, shown.truth, "confidence of each class by the support rule")


def _class_bars(values: dict[str, float], label: str, truth: str | None, what: str) -> Html:
    ranked = sorted(values, key=lambda name: -values[name])
    must = {label, truth} & set(ranked)
    kept = set(ranked[: max(_CLASSES - len(must - set(ranked[:_CLASSES])), 0)]) | must
    rows = [
        Bar(
            name,
            values[name],
            "true" if name == truth else "plain",
            " · true" if name == truth else "",
            bold=name == label,
        )
        for name in values
        if name in kept
    ]
    rows = rows if len(kept) == len(values) else sorted(rows, key=lambda row: -row.value)
    spoken = f"{what}: {_spoken(rows)}"
    return Html(figures.bars(rows, spoken, left_out=len(values) - len(rows), what="classes"))


def attribute_bars(explanans: AttributeScores, spec: DataSpec, label: str) -> Html:
    """Attribute probabilities beside what the decided class asks for; of many, the telling ones."""
    rows = figures.attribute_rows(explanans, spec, label, _ATTRIBUTES)
    spoken = f"attribute probabilities: {_spoken(rows)}"
    return Html(figures.bars(rows, spoken, left_out=len(explanans.names) - len(rows), what="attributes"))


def _spoken(rows: Sequence[Bar]) -> str:
    return ", ".join(f"{plain(row.label)}{row.note.replace(' ·', ',')} {row.value:.2f}" for row in rows)


def panel(title: str, content: Html) -> Html:
    """A part of a case under its title."""
    return tag("div", tag("p", title, class_="panel-title"), content, class_="panel")


def _crispness(size: Sequence[int]) -> str:
    return "crisp" if max(size) <= figures.CRISP_PX else "smooth"


def legend(kind: str, *, truth: bool = True) -> Html:
    """How a case is to be read, by the kind of its explanans and where the true class is known or not."""
    green = [tag("b", "Green", class_="true"), ": the true class. "] if truth else []
    said = {
        "attributes": [
            "Black tick: what the decided class asks for. ",
            tag("b", "Vermilion", class_="odd"),
            ": an attribute at odds with it. Of many attributes: the surest answer to each question, first those"
            " present that few classes ask for.",
        ],
        "mask": [
            "Over the image lies its mask: light yellow where the classifier was let see, black where it was not, on"
            " the same scale from 0 to 1 in every picture."
        ],
    }
    return tag("p", "Bold: the decided class. ", *green, *said[kind], class_="legend")
