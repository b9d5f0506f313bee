"""The sections of a page: tables, charts and words about one evaluation, its verdict and its explanation card."""

import dataclasses
from collections.abc import Iterable, Sequence

from antehoc.cards import Card
from antehoc.evaluation import Evaluation
from antehoc.model import Model
from antehoc.report import cases, figures
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import Group, Row, is_of_one_set, number, percent

_MANY_ROWS = 40  # a longer table is folded away behind its first rows
_FREE = 1e300  # a threshold above this stands for none


def headline(evaluation: Evaluation) -> Html:
    """What came out, in two or three sentences made from the figures."""
    figures = evaluation.figures
    total = sum(map(sum, evaluation.confusion))
    wrong = total - sum(row[index] for index, row in enumerate(evaluation.confusion))
    sentences = []
    if (accuracy := figures.get("accuracy")) is not None:
        sentences.append(f"Of {total:,} test images {percent(accuracy)} are decided rightly.")
    found = [
        f"{percent(share)} of {of}"
        for name, of in (
            ("verdict_questioned_wrong", f"the {wrong:,} wrong decisions"),
            ("verdict_questioned_correct", "the correct ones"),
            ("ood_noise_questioned", "images of noise"),
        )
        if (share := figures.get(name)) is not None
    ]
    if found:
        sentences.append(f"The verdict questions {_listed(found)}.")
    verdict, softmax = figures.get("verdict_auroc"), figures.get("msp_auroc")
    if verdict is not None and softmax is not None:
        sentences.append(
            f"It tells wrong decisions from correct ones with an AUROC of {verdict:.3f};"
            f" maximum softmax on the same model reaches {softmax:.3f}."
        )
    return tag("p", " ".join(sentences), class_="headline")


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def figure_table(groups: Iterable[Group], sets: Sequence[str], *, published: bool, prefix: str = "") -> Html:
    """Every figure by name, measured beside published; what belongs to one unknown set is folded away below."""
    head = ["figure", "what it is", "measured", "95 % interval", *(["published"] if published else [])]
    rows: list[list[str]] = []
    folded: list[list[str]] = []
    for group in groups:
        own = [row for row in group.rows if row.published is not None or not is_of_one_set(row.name, sets, prefix)]
        rows += [[group.title], *(_figure(row, published=published) for row in own)] if own else []
        folded += [_figure(row, published=published) for row in group.rows if row not in own]
    parts = [table(head, rows, class_="figures")]
    if folded:
        summary = tag("summary", f"{len(folded)} figures of the single sets of unknown images, by name")
        parts.append(tag("details", summary, table(head, folded, class_="figures")))
    return join(parts)


def _figure(row: Row, *, published: bool) -> list[str]:
    interval = "" if row.interval is None else " to ".join(map(number, row.interval))
    known = [] if not published else ["" if row.published is None else number(row.published)]
    *first, last = row.name.split("_")
    name = tag("code", *(piece for part in first for piece in (f"{part}_", tag("wbr"))), last)
    return [name, row.meaning, number(row.measured, row.name), interval, *known]


def evaluation_sections(evaluation: Evaluation, model: Model, name: str = "") -> Html:
    """All that an evaluation shows but its list of figures; the name tells its charts from those of another."""
    return join(
        [
            _decisions(evaluation, model, name),
            _attributes(evaluation),
            _cases(evaluation, model),
            _unknown(evaluation),
            _scores(evaluation, model, name),
            _curves(evaluation, name),
            reading(model),
        ]
    )


def _decisions(evaluation: Evaluation, model: Model, name: str) -> Html:
    classes = model.spec.classes
    pairs = [
        (count, classes[column], classes[row])
        for row, counts in enumerate(evaluation.confusion)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    pairs.sort(key=lambda pair: -pair[0])
    words = [f"{truth} taken for {predicted} ({count:,})" for count, truth, predicted in pairs[:5]]
    said = f"The most frequent mistakes: {_listed(words)}." if words else "No mistakes."
    chart = tag("figure", Html(figures.confusion(evaluation.confusion, classes, name)), tag("figcaption", said))
    return join([tag("h3", "Decisions"), chart])


def _attributes(evaluation: Evaluation) -> Html:
    if not evaluation.attribute_table:
        return Html("")
    head = [
        "attribute",
        "share with it",
        "accuracy",
        "all zeros",
        "best constant",
        "balanced",
        "average precision",
        "F1",
    ]
    keys = ("prevalence", "accuracy", "zeros", "constant", "balanced_accuracy", "average_precision", "f1")
    rows = []
    for row in evaluation.attribute_table:
        share = row["prevalence"]
        share = share if isinstance(share, float) else 0.0
        values = {**row, "zeros": 1 - share, "constant": max(share, 1 - share)}
        rows.append([str(row["attribute"]), *(_cell(values[key]) for key in keys)])
    every = evaluation.figures
    names = (
        "attribute_accuracy",
        "all_zeros_accuracy",
        "majority_accuracy",
        "attribute_balanced_accuracy",
        "attribute_map",
    )
    rows.append([tag("b", "all, each by itself"), "", *(_cell(every.get(name)) for name in names), ""])
    rows.append([tag("b", "all of an image together"), "", _cell(every.get("attribute_exact")), "", "", "", "", ""])
    said = (
        "Where attributes are rare, a predictor that never sees one looks good: accuracy has to beat “all zeros” and"
        " “best constant”, which looks at no image. In the line of all attributes the constant is what most training"
        " images have."
    )
    return join([tag("h3", "Attributes"), tag("p", said, class_="note"), *_folded(head, rows)])


def _folded(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Html]:
    """A table; a long one with its middle behind a fold, the last two rows in front."""
    if len(rows) <= _MANY_ROWS:
        return [table(head, rows)]
    shown, hidden = [*rows[:10], *rows[-2:]], rows[10:-2]
    return [table(head, shown), tag("details", tag("summary", f"{len(hidden)} attributes more"), table(head, hidden))]


def _cell(value: object) -> str:
    return number(value if isinstance(value, float) else None)


def _cases(evaluation: Evaluation, model: Model) -> Html:
    if not evaluation.shown:
        return Html("")
    said = (
        "Images of this run. The class probabilities come from the classifier; the confidence of a class by support is"
        " the share of its attributes that are seen."
    )
    shown = [cases.case(each, model.spec) for each in evaluation.shown]
    return join([tag("h3", "Cases"), tag("p", said, class_="note"), cases.legend(), *shown])


def _unknown(evaluation: Evaluation) -> Html:
    if not evaluation.unknown:
        return Html("")
    head = [
        "set", "images", "questioned", "by softmax", "by support",
        "AUROC", "of softmax", "FPR at 95 % TPR", "of softmax",
    ]  # fmt: skip
    rows = []
    for row in evaluation.unknown:
        softmax = evaluation.figures.get(f"msp_ood_{row['set']}_questioned")
        cells = [*_better(row.get("questioned"), softmax), _cell(row.get("support_questioned"))]
        cells += _better(row.get("auroc"), row.get("msp_auroc"))
        cells += _better(row.get("fpr_at_95_tpr"), row.get("msp_fpr_at_95_tpr"), lower=True)
        rows.append([str(row["set"]), f"{row['images']:,}", *cells])
    said = (
        "The model can only answer with a class it knows; questioned is the most that it can do. Maximum softmax has a"
        " threshold of its own at the same alpha. AUROC: how surely an image of the set scores above a test image;"
        " 0.5 is chance. FPR: test images above the line that catches 95 % of the set; lower is better."
        " Bold: the better."
    )
    return join([tag("h3", "Images of no known class"), table(head, rows), tag("p", said, class_="note")])


def _better(own: object, other: object, *, lower: bool = False) -> list[str]:
    """Two cells, the better one in bold."""
    cells: list[str] = [_cell(own), _cell(other)]
    if isinstance(own, float) and isinstance(other, float) and own != other:
        index = int((own < other) != lower)
        cells[index] = tag("b", cells[index])
    return cells


def _scores(evaluation: Evaluation, model: Model, name: str) -> Html:
    if model.policy is None or not any(evaluation.scores.values()):
        return Html("")
    said = "Each strip holds a sample of one set, of 2,000 images at most. What lies right of the line is questioned."
    chart = figures.histogram(evaluation.scores, model.policy.threshold, name)
    return join([tag("h3", "Verdict scores"), tag("figure", Html(chart), tag("figcaption", said))])


def _curves(evaluation: Evaluation, name: str) -> Html:
    if not evaluation.curves:
        return Html("")
    said = (
        "Decisions are kept from the least doubtful on. The lower the curve, the fewer wrong decisions are among those"
        " kept; at full coverage both end at the error rate."
    )
    chart = figures.risk_coverage(evaluation.curves, name)
    return join([tag("h3", "Risk and coverage"), tag("figure", Html(chart), tag("figcaption", said))])


def reading(model: Model) -> Html:
    """How the verdict is to be read: what was promised, and what was not."""
    policy = model.policy
    title = tag("h3", "How to read the verdict")
    if policy is None:
        return join([title, tag("p", "This model was never calibrated: its decisions carry no verdict.")])
    kept = {
        "expected": "as an expectation over draws of the calibration images",
        "binomial": "with a probability of 95 % over draws of the calibration images",
    }[policy.guarantee]
    limit = f"{policy.threshold:.4g}" if policy.threshold < _FREE else "no finite number"
    weights = ", ".join(
        f"{name} (weight {weight:.2f})" for name, weight in zip(policy.doubts, policy.weights, strict=True)
    )
    made = {
        "combined": f"It adds up the evidence of several doubts: {weights}. Their weights were fitted on"
        f" {policy.fit_rows:,} calibration images, {policy.fit_errors:,} of them decided wrongly.",
        "equal-weights": f"It adds up the evidence of several doubts, {', '.join(policy.doubts)}, which count equally:"
        f" {policy.fit_errors:,} wrong decisions among {policy.fit_rows:,} were too few to fit weights.",
    }.get(policy.method, f"It is the doubt called {policy.method}, as it is.")
    asked = ""
    if policy.alpha > policy.asked_alpha:
        asked = f" ({percent(policy.asked_alpha)} was asked for; the calibration images were too few to keep it)"
    return join(
        [
            title,
            tag(
                "p",
                f"A decision is questioned where its score is above the threshold, {limit}. The score is higher the"
                f" more decision and reasons disagree. {made}",
            ),
            tag(
                "p",
                tag("b", "Promised: "),
                f"at most {percent(policy.alpha)} (alpha) of correct decisions are questioned{asked}, {kept}, on images"
                f" drawn as those were. The threshold stands on {policy.threshold_rows:,} correct decisions that"
                " trained and fitted nothing.",
            ),
            tag(
                "p",
                tag("b", "Not promised: "),
                "that an accepted decision is right; that a given share of wrong decisions is found; that alpha holds"
                " for each class apart, or on images from elsewhere, such as another camera; that an image of no known"
                " class is questioned. How often that happens is measured, not guaranteed.",
            ),
        ]
    )


def card(card: Card) -> Html:
    """The explanation card, every field of it."""
    rows = []
    for field in dataclasses.fields(card):
        rows += [tag("dt", field.name.replace("_", " ")), tag("dd", str(getattr(card, field.name)))]
    return tag("dl", *rows)


def pairs(values: Iterable[tuple[str, str]]) -> Html:
    """Names and values, one pair to a line."""
    return tag("dl", *(part for name, value in values for part in (tag("dt", name), tag("dd", value))))
