"""Results for the terminal, in plain ASCII but for the names that people gave."""

from collections.abc import Sequence

from antehoc.blocks import Strong, Table
from antehoc.data.images import shown
from antehoc.evaluation import Evaluation
from antehoc.explanations import AttributeScores, Explanation, SaliencyMask
from antehoc.figure import intervals, values
from antehoc.report.meanings import AGREE, Group, Row, by_variant, grouped, is_of_one_set, is_shown, number, percent
from antehoc.runs import Reproduction, Trained
from antehoc.types import Decision, Reason, Verdict

_TOP = 3  # supporting reasons that an accepted decision shows
_MANY = 8  # reasons that any decision shows
_HEAD = ("measured", "95% interval", "published")


def reproduction(result: Reproduction) -> str:
    """A run's figures, measured beside published."""
    lines = [f"{shown(result.recipe)}: scale {result.scale}, seed {result.seed}, {result.seconds:.0f} s"]
    for name, groups in by_variant(result).items():
        own = name == result.recipe
        lines += [] if own else ["", f"variant {shown(name)}"]
        lines += _tables(groups, result.evaluations.get(name), "" if own else f"{name}_")
    return _joined(lines, result.notes)


def evaluation(evaluation: Evaluation) -> str:
    """A saved model's figures."""
    groups = grouped(values(evaluation.figures), intervals(evaluation.figures))
    return _joined(_tables(groups, evaluation)[1:], evaluation.notes)


def trained(trained: Trained) -> str:
    """What training came to: the last validation figures of each phase, the calibration, the seconds, the folder."""
    lines = []
    for phase, epochs in enumerate(trained.history, 1):
        last = epochs[-1] if epochs else {}
        figures = [
            f"{name.removeprefix('val/')} {value:.4f}" for name, value in last.items() if name.startswith("val/")
        ]
        lines.append(f"phase {phase}: {len(epochs)} epochs, on validation {', '.join(figures) or '-'}")
    if policy := trained.model.policy:
        lines.append(
            f"verdict: {policy.method} of {', '.join(policy.doubts)}; questioned above {policy.threshold:.4g},"
            f" alpha {policy.alpha:.4g}, from {policy.threshold_rows} correct calibration images"
        )
    parts = [f"{name} {seconds:.1f}" for name, seconds in trained.seconds.items()]
    lines += [f"seconds: {', '.join(parts)}", f"model: {shown(trained.folder / 'model')}"]
    return "\n".join(lines) + "\n"


def decision(path: str, decision: Decision) -> str:
    """One image's decision in a line, its reasons below, one to a line.

    Example:
        >>> from antehoc.explanations import AttributeScores
        >>> decision("a.png", Decision("fox", {"cat": 0.2, "fox": 0.8}, (AttributeScores(("red",), (0.9,)),)))
        'a.png  fox 0.80  not calibrated\\n'
    """
    verdict = decision.verdict
    head = f"{shown(path)}  {shown(decision.label)} {decision.probabilities[decision.label]:.2f}  {_verdict(verdict)}"
    below = [*_explanans(decision.explanations[0]), *_reasons(verdict)]
    return "\n".join([head, *(f"    {shown(text)}" for text in below)]) + "\n"


def _explanans(explanans: Explanation) -> list[str]:
    """What no reason says of it: attributes stand in the reasons, of a mask only its size can be said."""
    match explanans:
        case AttributeScores():
            return []
        case SaliencyMask():
            return [f"the mask shows {percent(float(explanans.values().mean()))} of the image"]
        case _:
            raise TypeError(explanans)


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not calibrated"
    if verdict.outcome == "questioned":
        return f"QUESTIONED (score {verdict.score:.1f} > {verdict.threshold:.1f})"
    return f"accepted (score {verdict.score:.1f} <= {_threshold(verdict.threshold)})"


def _threshold(threshold: float) -> str:
    return f"{threshold:.1f}" if threshold < 1e300 else "none"  # the largest float stands for infinity


def _reasons(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return []
    chosen: Sequence[Reason] = verdict.reasons
    if verdict.outcome == "accepted":
        support = [reason for reason in chosen if reason.code in AGREE]
        chosen = [reason for reason in chosen if reason not in support[_TOP:]]
    left = len(chosen) - _MANY
    return [reason.text for reason in chosen[:_MANY]] + ([f"and {left} more"] if left > 0 else [])


def _tables(groups: Sequence[Group], evaluation: Evaluation | None, prefix: str = "") -> list[str]:
    """A block of lines per group, a blank line before each; the table of unknown sets; how many are left out."""
    sets = sorted({figure.of_set for figure in evaluation.figures if figure.of_set}) if evaluation else []
    blocks, left = [], 0
    for group in groups:
        rows = [row for row in group.rows if is_shown(row, prefix)]
        left += sum(not is_of_one_set(row.name, sets, prefix) for row in group.rows if row not in rows)
        if rows:
            blocks.append([[group.title, *_HEAD], *map(_cells, rows)])
    used = [column for column in range(4) if any(row[column] for block in blocks for row in block[1:])]
    lines = _aligned([[[row[column] for column in used] for row in block] for block in blocks])
    lines += _unknown(evaluation) if evaluation else []
    return [*lines, "", f"and {left} figures more in the JSON (--json) and on the page"] if left else lines


def _cells(row: Row) -> list[str]:
    interval = "" if row.interval is None else " to ".join(map(number, row.interval))
    published = "" if row.published is None else number(row.published)
    return [f"  {shown(row.name)}", number(row.measured, row.name), interval, published]


def _unknown(evaluation: Evaluation) -> list[str]:
    """The table of the sets of no known class, one to a line."""
    lines = []
    for block in evaluation.brief():
        if isinstance(block, Table):
            rows = [[cell.text if isinstance(cell, Strong) else str(cell) for cell in row] for row in block.rows]
            lines += ["", *_aligned([[list(block.head), *([f"  {shown(first)}", *rest] for first, *rest in rows)]])[1:]]
    return lines


def _aligned(blocks: Sequence[Sequence[Sequence[str]]]) -> list[str]:
    """Lines of several tables with common widths: the first column to the left, the others to the right."""
    every = [row for block in blocks for row in block]
    widths = [max(len(row[column]) for row in every) for column in range(len(every[0]))] if every else []
    lines = []
    for block in blocks:
        lines.append("")
        for row in block:
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            lines.append("  ".join(cells).rstrip())
    return lines


def _joined(lines: Sequence[str], notes: Sequence[str]) -> str:
    below = ["", *(f"note: {shown(note)}" for note in dict.fromkeys(notes))] if notes else []
    return "\n".join([*lines, *below]) + "\n"
