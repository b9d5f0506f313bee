"""The sections of a page: tables, charts and words about one evaluation, its verdict and its explanation card."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from antehoc.cards import Card
from antehoc.data.altered import ALTERATIONS
from antehoc.evaluation import Evaluation
from antehoc.model import Model
from antehoc.report import attributes, cases, figures
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import Group, Row, is_shown, number, percent

_PAIRS, _PEERS, _UNKNOWN_CASES = 12, 3, 5  # of confused pairs, other detectors and unknown images so many are shown
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


def figure_table(groups: Iterable[Group], *, published: bool, prefix: str = "") -> Html:
    """Every figure by name, measured beside published; what is not read first is folded away below."""
    head = ["figure", "what it is", "measured", "95 % interval", *(["published"] if published else [])]
    rows: list[list[str]] = []
    folded: list[list[str]] = []
    for group in groups:
        own = [row for row in group.rows if is_shown(row, prefix)]
        rows += [[group.title], *(_figure(row, published=published) for row in own)] if own else []
        folded += [_figure(row, published=published) for row in group.rows if row not in own]
    parts = [table(head, rows, class_="figures")]
    if folded:
        summary = tag(
            "summary",
            f"{len(folded)} figures more: single doubts, single sets of images, more measures",
        )
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
    pairs = _confused(evaluation, model)
    return join(
        [
            _cases(evaluation, model),
            _decisions(evaluation, model, pairs, name),
            attributes.asked(model.spec, pairs[0][1:] if pairs else ()),
            attributes.read(evaluation),
            _unknown(evaluation),
            _scores(evaluation, model, name),
            _curves(evaluation, name),
            reading(model),
        ]
    )


def _confused(evaluation: Evaluation, model: Model) -> list[tuple[int, str, str]]:
    """How often a true class was taken for another, the most frequent first."""
    classes = model.spec.classes
    pairs = [
        (count, classes[column], classes[row])
        for row, counts in enumerate(evaluation.confusion)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(pairs, key=lambda pair: -pair[0])


def _decisions(evaluation: Evaluation, model: Model, pairs: Sequence[tuple[int, str, str]], name: str) -> Html:
    classes = model.spec.classes
    many = len(classes) > _PAIRS
    words = [f"{truth} taken for {predicted} ({count:,})" for count, truth, predicted in pairs[:5]]
    said = f"The most frequent mistakes: {_listed(words)}." if words else "No mistakes."
    if many:
        said = "Shade: the share of a true class. On the diagonal: decided rightly."
    chart = tag("figure", Html(figures.confusion(evaluation.confusion, classes, name)), tag("figcaption", said))
    parts = [tag("h3", "Decisions"), chart]
    if many and pairs:
        images = dict(zip(classes, map(sum, zip(*evaluation.confusion, strict=True)), strict=True))
        rows = [
            [truth, predicted, f"{count:,}", percent(count / images[truth])]
            for count, truth, predicted in pairs[:_PAIRS]
        ]
        head = ["true class", "taken for", "images", "of that class"]
        parts.append(table(head, rows, caption=f"The most frequent of {len(pairs):,} mistaken pairs", class_="pairs"))
    return join(parts)


def _cell(value: object) -> str:
    return number(value if isinstance(value, float) else None)


def _cases(evaluation: Evaluation, model: Model) -> Html:
    if not evaluation.shown:
        return Html("")
    kind = evaluation.shown[0].decision.explanations[0].kind
    said = {
        "attributes": "Images of this run. The class probabilities come from the classifier; the classes by the"
        " attributes alone from what the mirror sees and the table of what each class asks for; the confidence of a"
        " class by support is the share of its attributes that are seen.",
        "mask": "Images of this run. The class probabilities come from the classifier, which sees the image through"
        " the mask.",
    }[kind]
    known: list[Html] = []
    others: list[Html] = []
    for each in evaluation.shown:
        of_a_set = each.truth is None or each.title.startswith("Altered")
        (others if of_a_set else known).append(cases.case(each, model.spec))
    if len(others) > _UNKNOWN_CASES:
        summary = tag("summary", f"{len(others)} cases more: one of each set of unknown or altered images")
        others = [tag("details", summary, *others)]
    return join([tag("h3", "Cases"), tag("p", said, class_="note"), cases.legend(kind), *known, *others])


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
        rows.append([_set(row), f"{row['images']:,}", *cells])
    said = (
        "The model can only answer with a class it knows; questioned is the most that it can do. Maximum softmax has a"
        " threshold of its own at the same alpha. AUROC: how surely an image of the set scores above a test image;"
        " 0.5 is chance. FPR: test images above the line that catches 95 % of the set; lower is better."
        " Bold: the better."
    )
    changed = [str(row["set"]) for row in evaluation.unknown if row["set"] in ALTERATIONS]
    if changed:
        said += f" {_listed(changed).capitalize()}: test images, altered; their class is known, only harder to see."
    parts = [tag("h3", "Unknown images"), table(head, rows), tag("p", said, class_="note")]
    return join([*parts, *(_peers(evaluation) if evaluation.peers else [])])


def _set(row: Mapping[str, float | str | None]) -> str:
    return _spaced(str(row["set"]))


def _peers(evaluation: Evaluation) -> list[Html]:
    """Detectors of pytorch-ood on the same features: for each set the best, then all of them folded away."""
    rows = []
    for row in evaluation.unknown:
        found = {peer: shares[str(row["set"])] for peer, shares in evaluation.peers.items() if row["set"] in shares}
        best = sorted(found, key=lambda peer: -found[peer])[:_PEERS]
        cells = [f"{found[peer]:.4f} {peer}" for peer in best] + [""] * (_PEERS - len(best))
        rows.append([_set(row), _cell(row.get("auroc")), _cell(row.get("msp_auroc")), *cells])
    said = (
        "Detectors of the library pytorch-ood on the features of the same classifier, fitted on its training images."
        " The best of them on a set is chosen by the very figure that is shown, on the very images: nobody could have"
        " chosen it beforehand, so it is favoured. The verdict was fitted on no image of these sets."
    )
    sets = [str(row["set"]) for row in evaluation.unknown]
    every = sorted(evaluation.peers.items(), key=lambda item: -sum(item[1].values()))
    whole = [[peer, *(_cell(shares.get(name)) for name in sets)] for peer, shares in every]
    return [
        tag("h4", "Other detectors on the same features"),
        table(["AUROC", "verdict", "maximum softmax", "best", "second", "third"], rows, class_="numbers peers"),
        tag("p", said, class_="note"),
        tag("details", tag("summary", f"all {len(every)} detectors"), table(["AUROC", *map(_spaced, sets)], whole)),
    ]


def _spaced(name: str) -> str:
    return name.replace("_", " ")


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
        f" {policy.fit_rows:,} images that had not trained what scored them, {policy.fit_errors:,} of them decided"
        " wrongly.",
        "equal-weights": f"It adds up the evidence of several doubts, {', '.join(policy.doubts)}, which count equally:"
        f" {policy.fit_errors:,} wrong decisions among {policy.fit_rows:,} were too few to fit weights.",
    }.get(policy.method, f"It is the doubt called {policy.method}, as it is.")
    if own := sum(threshold is not None for threshold in policy.class_thresholds):
        made += f" Of the {len(policy.class_thresholds)} classes {own} have a threshold of their own."
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
