"""The page of one image, for a person who knows nothing of the model: what it says, why, what speaks against it, and
what to do."""

import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from antehoc.blocks import Bars, Block, Panels, Section
from antehoc.evaluation.reading import reading
from antehoc.explanations import PRESENT, plain
from antehoc.figure import listed, number, percent
from antehoc.model import Model
from antehoc.report import blocks_html, cases
from antehoc.report.document import document, kicker
from antehoc.report.html import Html, join, tag
from antehoc.report.shared import card, doubts, few, seen
from antehoc.types import Decision, Reason, Verdict

_SIDE_PX = 640  # of the picture at most
_REASONS, _QUESTIONS = 5, 3  # as many reasons and questions are shown
_NUMBER = re.compile(r"\((\d\.\d\d)\)")

Item = tuple[str, float, Verdict | None]  #: a class, its probability and its verdict


def page(path: Path, decision: Decision, model: Model) -> str:
    """One image with its decision in everyday words; figures and technical terms are folded away at the end.

    Args:
        path: of the image.
        decision: made by the model.
        model: names the classes, and says how its verdicts are to be read.
    """
    picture, own, image = seen(path, decision, model, _SIDE_PX)
    items = _items(decision)
    name = plain(decision.label) if decision.label else "none of the labels"
    head = [
        kicker(f"one image · {path.name}"),
        tag("h1", f"The model says: {name}"),
        _lead(decision),
    ]
    parts = [
        ("What the model says", tag("div", picture, _says(decision, model), class_="side")),
        ("Why it says so", _why(own, items, model, image)),
        ("What speaks against it", _against(decision, items)),
        ("What to do", tag("ol", *(tag("li", step) for step in _steps(decision, items, model)), class_="steps")),
        ("Details for specialists", _details(decision, model)),
    ]
    return document(f"{name}: {path.name}", head, parts, kind="single")


def _items(decision: Decision) -> list[Item]:
    """What is decided: one class, or each of several labels that is present or questioned."""
    if decision.labels:
        return [(name, one.probability, one.verdict) for name, one in cases.worth_showing(decision)]
    return [(decision.label, decision.probabilities.get(decision.label, float("nan")), decision.verdict)]


def _lead(decision: Decision) -> Html:
    """The outcome in two sentences, in its color."""
    verdict, other = decision.verdict, decision.contradicted_by
    if other:
        fits = _share(decision.by_explanation[other])
        title = "Have a person check this answer."
        said = f"The explanation contradicts the answer: by itself it points to “{plain(other)}” ({fits})."
        return _box("questioned", title, said)
    if verdict is None:
        return _box("none", "There is no verdict.", "This model was never calibrated: it cannot say when it is unsure.")
    if verdict.outcome == "questioned":
        said = f"Of correct answers, at most {percent(verdict.alpha)} are expected to have so much against them."
        return _box("questioned", "Have a person check this answer.", said)
    return _box("accepted", "Nothing unusual was found.", "The answer and its explanation agree as in correct answers.")


def _box(outcome: str, title: str, said: str) -> Html:
    return tag("p", tag("b", title), said, class_=f"lead {outcome}")


def _says(decision: Decision, model: Model) -> Html:
    """The most probable classes, in a sentence and as bars."""
    shares = sorted(decision.probabilities.items(), key=lambda pair: -pair[1])
    known = len(model.spec.classes)
    if decision.labels:
        present = [
            f"“{plain(name)}” ({_share(one.probability)})" for name, one in decision.labels.items() if one.present
        ]
        said = f"Of the {known} labels that it knows, it sees {listed(present) or 'none'} in this picture."
    else:
        own = decision.probabilities.get(decision.label)
        others = [(name, share) for name, share in shares if name != decision.label]
        said = f"It knows {known} classes and gives “{plain(decision.label)}” a probability of {_share(own)}."
        if others:
            said += f" Its second choice is “{plain(others[0][0])}” with {_share(others[0][1])}."
    if near := cases.similar(decision):
        said += f" {near}"
    bars = Section("Probability of each class", cases.panels(decision, None)[0].blocks)
    return tag("div", tag("p", said), *blocks_html.panels([bars], "says"))


def _why(decision: Decision, items: Sequence[Item], model: Model, image: Image.Image | None) -> Html:
    """Reasons for the decision, and the explanation as a picture."""
    found = [_reasons(name, verdict, agrees=True, several=len(items) > 1) for name, _, verdict in items]
    label = max(decision.labels, key=lambda one: decision.labels[one].probability, default=decision.label)
    sections = [part for one in decision.explanations for part in one.blocks(model.spec, label, image)[:1]]
    if not sections:
        return join(found)
    legend = tag("p", " ".join(dict.fromkeys(one.legend for one in decision.explanations)), class_="legend")
    shown = [*blocks_html.panels(sections, "why"), legend]
    return tag("div", tag("div", *found), tag("div", *shown), class_="side why")


def _against(decision: Decision, items: Sequence[Item]) -> Html:
    """Reasons against the decision, and how the doubt compares with its limit."""
    found = [_reasons(name, verdict, agrees=False, several=len(items) > 1) for name, _, verdict in items]
    return join([*found, *(_limit(name, verdict, len(items) > 1) for name, _, verdict in items)])


def _limit(name: str, verdict: Verdict | None, several: bool) -> Html:
    if verdict is None:
        return Html("")
    about = f"{plain(name)}: " if several else ""
    side = "above" if verdict.outcome == "questioned" else "below"
    score, limit = number(verdict.score, "score"), cases.threshold(verdict)
    said = (
        f"{about}All doubts together give a score of {score}, {side} the limit of {limit}. The limit was set so that at"
        f" most {percent(verdict.alpha)} of correct answers are expected above it."
    )
    return tag("p", said, class_="note")


def _reasons(name: str, verdict: Verdict | None, *, agrees: bool, several: bool) -> Html:
    """The reasons of one side as a list."""
    own = [reason for reason in (verdict.reasons if verdict else ()) if reason.agrees == agrees]
    own.sort(key=lambda reason: reason.attribute is not None and not _seen(reason))  # what is there comes first
    style = "for" if agrees else "against"
    before = f"{plain(name)}: " if several else ""
    lines = [tag("li", before + everyday(reason, name), class_=style) for reason in own[:_REASONS]]
    if len(own) > _REASONS:
        lines.append(tag("li", f"and {len(own) - _REASONS} more", class_="none"))
    empty = f"{before}{'No single reason stands out.' if agrees else 'Nothing that stands out.'}"
    return tag("ul", *(lines or [tag("li", empty, class_="none")]), class_="plain")


def everyday(reason: Reason, label: str) -> str:
    """A reason as a sentence without decimals.

    Example:
        >>> everyday(Reason("mask-enough", "what the mask shows is enough: alone it is 'fox' (0.83)"), "fox")
        "What the mask shows is enough: alone it is 'fox' (83 %)."
    """
    if reason.attribute is None or reason.probability is None:
        text = _NUMBER.sub(lambda found: f"({_share(float(found[1]))})", cases.reason_text(reason, label))
        return f"{text[:1].upper()}{text[1:]}."
    there = "is there" if _seen(reason) else "is not there"
    said = f"“{plain(reason.attribute)}” {there} ({_share(reason.probability)})"
    if reason.agrees:
        return f"{said}, as expected for “{plain(label)}”."
    return f"{said}; “{plain(label)}” usually {'does not have it' if _seen(reason) else 'has it'}."


def _seen(reason: Reason) -> bool:
    """Whether the attribute of a reason is said to be present."""
    return reason.probability is not None and reason.probability >= PRESENT


def _steps(decision: Decision, items: Sequence[Item], model: Model) -> list[str]:
    """What a person should do now, in order."""
    doubtful = decision.contradicted_by is not None or any(cases.is_questioned(verdict) for *_, verdict in items)
    name = plain(decision.label) if decision.label else "none of the labels"
    if decision.verdict is None and not doubtful:
        return [
            f"Look at the picture: is it “{name}”? Without a verdict every answer has to be checked.",
            "Have the model calibrated on labeled images of the place where it is used; then it says which answers to"
            " check.",
        ]
    if not doubtful:
        return [
            "You can use this answer where a mistake now and then does no harm. Accepted does not mean proven.",
            "Where a mistake would be costly, have a person look at the picture all the same.",
        ]
    steps = [f"Do not use this answer yet. Look at the picture: is it “{name}”?"]
    if other := decision.contradicted_by:
        steps.append(f"Compare with “{plain(other)}” first: the explanation points to it.")
    steps += _questions(items)
    if any(one.maps() for one in decision.explanations):
        steps.append(f"Look at the bright part of the picture under “Why it says so”: does it show “{name}”?")
    known = few([plain(one) for one in model.spec.classes], 8)
    steps.append(f"If it is none of what the model knows ({known}), its answer means nothing.")
    steps.append("If you cannot tell either, leave the image undecided and take a better picture.")
    return steps


def _questions(items: Sequence[Item]) -> list[str]:
    """What to check in the picture: the attributes that speak against the decision."""
    found = []
    for name, _, verdict in items:
        for reason in verdict.reasons if verdict else ():
            if reason.agrees or reason.attribute is None:
                continue
            usual = "usually does not have it" if _seen(reason) else "usually has it"
            there = "really there" if _seen(reason) else "really missing"
            found.append(f"Check: is “{plain(reason.attribute)}” {there}? “{plain(name)}” {usual}.")
    return found[:_QUESTIONS]


def _details(decision: Decision, model: Model) -> Html:
    """Scores, doubts, how to read the verdict, and the card."""
    bars = [part for part in cases.panels(decision, model.spec) if all(isinstance(one, Bars) for one in part.blocks)]
    blocks: list[Block] = [Panels(tuple(bars)), reading(model.policy)]
    inside = [cases.head(decision), doubts(decision), cases.corrected(decision), blocks_html.render(blocks, "details")]
    return tag("details", tag("summary", "Score, doubts and explanation card"), *inside, tag("h3", "Explanation card"),
               card(model.system.card))  # fmt: skip


def _share(share: float | None) -> str:
    """A probability in whole percent, never rounded to none or all.

    Example:
        >>> _share(0.934), _share(0.9999), _share(0.001)
        ('93 %', 'more than 99 %', 'less than 1 %')
    """
    if share is None or share != share:
        return "an unknown value"
    if share >= 0.995:
        return "more than 99 %"
    return "less than 1 %" if share < 0.005 else f"{100 * share:.0f} %"
