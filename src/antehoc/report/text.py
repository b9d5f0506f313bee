"""Results for the terminal, in plain ASCII but for the names that people gave."""

from collections.abc import Sequence
from textwrap import fill

from antehoc.blocks import Told
from antehoc.calibration.choice import why
from antehoc.data.images import shown
from antehoc.evaluation import Evaluation
from antehoc.figure import Figure, number, percent
from antehoc.report import blocks_text, figure_tables
from antehoc.report.cases import is_questioned, similar, threshold
from antehoc.results import Proposed, Recalibrated, Reproduction, Trained
from antehoc.types import Decision, LabelDecision, Reason, Verdict

_TOP = 3  # supporting reasons that an accepted decision shows
_MANY = 8  # reasons that any decision shows


def reproduction(result: Reproduction) -> str:
    """A run's figures, measured beside published."""
    seconds = number(result.seconds, "count")
    lines = [f"{shown(result.recipe)}: scale {result.scale}, seed {result.seed}, {seconds} s", ""]
    every = figure_tables.with_published(result.figures, result.published)
    for variant, figures in figure_tables.by_variant(every).items():
        lines += ["", f"variant {shown(variant)}", ""] if variant else []
        lines += _figures(figures, result.evaluations.get(variant or result.recipe), result.published)
    return _joined(lines, result.notes)


def evaluation(evaluation: Evaluation) -> str:
    """A saved model's figures."""
    return _joined(_figures(evaluation.figures, evaluation, {}), evaluation.notes)


def comparison(found: Told, notes: Sequence[str] = ()) -> str:
    """A comparison's table, a line for each explanation, and what was invalid."""
    return _joined(blocks_text.render(found.brief()), notes)


def proposed(found: Proposed) -> str:
    """What was found in labelled images, which systems fit, and where the recipe is."""
    systems = [fill(shown(one), 110, initial_indent="  ", subsequent_indent="    ") for one in found.systems]
    where = f"recipe: {shown(found.file)} (preset {found.preset})" if found.file else f"preset: {found.preset}"
    return _joined([*map(shown, found.inspected.sentences()), "", "systems:", *systems, "", where], found.notes)


def trained(trained: Trained) -> str:
    """What training came to: the last validation figures of each phase, the calibration, seconds, folder, remark."""
    lines = []
    for phase, epochs in enumerate(trained.history, 1):
        last = (epochs[-1] if epochs else {}).items()
        figures = [f"{name.removeprefix('val/')} {number(value)}" for name, value in last if name.startswith("val/")]
        lines.append(f"phase {phase}: {len(epochs)} epochs, on validation {', '.join(figures) or '-'}")
    if policy := trained.model.policy:
        limit = number(policy.threshold, "quantity")
        lines.append(
            f"verdict: {policy.method} of {', '.join(policy.doubts)}; questioned above {limit},"
            f" alpha {percent(policy.alpha)}, from {policy.threshold_rows} correct decisions on"
            f" {'out-of-fold and ' if policy.guarantee == 'cross' else ''}calibration images"
        )
        if chosen := why(policy.method, policy.candidates, policy.fit_errors):
            lines.append(f"verdict: {chosen}")
    parts = [f"{name} {number(seconds, 'score')}" for name, seconds in trained.seconds.items()]
    lines += [f"seconds: {', '.join(parts)}", f"model: {shown(trained.folder / 'model')}"]
    remark = trained.model.about.get("remark")
    return _joined(lines, [remark] if remark else [])


def recalibrated(result: Recalibrated) -> str:
    """What a new threshold was set on, a sentence a line, and where the model is."""
    policy = result.policy
    limit = number(policy.threshold, "quantity")
    lines = [
        f"verdict: {policy.method} of {', '.join(policy.doubts)}; questioned above {limit},"
        f" alpha {percent(policy.alpha)}",
        *map(shown, result.sentences()),
    ]
    if result.chosen and (chosen := why(policy.method, policy.candidates, policy.fit_errors)):
        lines.append(chosen)
    return _joined([*lines, *([f"model: {shown(result.folder)}"] if result.folder else [])], result.notes)


def decision(path: str, decision: Decision) -> str:
    """One image's decision in a line; below it each of several labels, what explains it, and the reasons.

    Example:
        >>> decision("a.png", Decision("fox", {"cat": 0.2, "fox": 0.8}))
        'a.png  fox 0.80  not calibrated\\n'
    """
    share = decision.probabilities.get(decision.label)
    label = shown(decision.label) if decision.label else "no label"
    said = label if share is None else f"{label} {number(share, 'probability')}"
    head = f"{shown(path)}  {said}  {_verdict(decision.verdict)}"
    if other := decision.contradicted_by:
        fits = number(decision.by_explanation[other], "probability")
        head += f"  CONTRADICTED: the explanation says {shown(other)} ({fits})"
    words = [sentence for one in decision.explanations for sentence in one.words()]
    near = [said] if (said := similar(decision)) else []
    below = [*words, *near, *_reasons(decision.verdict)]
    if decision.labels:
        told = {name: one for name, one in decision.labels.items() if one.present or is_questioned(one.verdict)}
        below = [line for name, one in told.items() for line in (_label(name, one), *_reasons(one.verdict))] + words
    return "\n".join([head, *(f"    {shown(text)}" for text in below)]) + "\n"


def _label(name: str, one: LabelDecision) -> str:
    """One of several labels, its probability and its verdict."""
    what = "present" if one.present else "absent"
    return f"{name}: {what}, {number(one.probability, 'probability')}  {_verdict(one.verdict)}"


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not calibrated"
    score = number(verdict.score, "score")
    if verdict.outcome == "questioned":
        return f"QUESTIONED (score {score} > {threshold(verdict)})"
    return f"accepted (score {score} <= {threshold(verdict)})"


def _reasons(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return []
    chosen: Sequence[Reason] = verdict.reasons
    if verdict.outcome == "accepted":
        support = [reason for reason in chosen if reason.agrees]
        chosen = [reason for reason in chosen if reason not in support[_TOP:]]
    left = len(chosen) - _MANY
    return [reason.text for reason in chosen[:_MANY]] + ([f"and {left} more"] if left > 0 else [])


def _figures(figures: Sequence[Figure], evaluation: Evaluation | None, published: figure_tables.Published) -> list[str]:
    """A block of lines per heading; the table of unknown sets; how many figures are left out."""
    lines = figure_tables.lines(figures, published)
    brief = blocks_text.render(evaluation.brief()) if evaluation else []
    lines += ["", *brief] if brief else []
    left = figure_tables.left_out(figures, published)
    return [*lines, "", f"and {left} more figures in the JSON (--json) and on the page"] if left else lines


def _joined(lines: Sequence[str], notes: Sequence[str]) -> str:
    below = ["", *(f"note: {shown(note)}" for note in dict.fromkeys(notes))] if notes else []
    return "\n".join([*lines, *below]) + "\n"
