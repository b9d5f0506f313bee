"""The section of studies: what each found in short tables, and what it can and cannot prove in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from antehoc.bias import Bias, Biases
from antehoc.masks import AgainstPosthoc, Costs, Placed
from antehoc.report import figures, mask_studies
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import number, percent, plain
from antehoc.studies import MEANINGS, Background, Change, HiddenPart, Leakage, RepeatedCalibration

_READINGS = 12  # attributes of the background study that are shown
_OF_BIAS = {  # what each row of the shape biases is of
    "shape_bias": "test stimuli",
    "pretrained_shape_bias": "test stimuli",
    "pretrained_shape_bias_all": "all stimuli",
}


def section(studies: Mapping[str, Any], name: str = "") -> Html:
    """All studies of an evaluation, each under its heading; empty where there are none."""
    return join(join([_study(found, name), _in_words(found)]) for found in studies.values())


def _study(found: object, name: str) -> Html:
    match found:
        case RepeatedCalibration():
            return _guarantee(found, name)
        case Leakage():
            return _leakage(found)
        case Background():
            return _background(found)
        case Placed():
            return mask_studies.placed(found)
        case AgainstPosthoc():
            return mask_studies.against_posthoc(found, name)
        case Costs():
            return mask_studies.costs(found)
        case Biases():
            return _biases(found)
        case _:  # a study that has no section of its own is told in words alone
            return Html("")


def _guarantee(found: RepeatedCalibration, name: str) -> Html:
    said = (
        f"Over {found.draws:,} random calibration sets of {found.rows:,} images, {number(found.questioned_correct)} of"
        f" the correct decisions are questioned on average; promised: at most {found.alpha:.4g}. The standard error is"
        f" {number(found.standard_error)} over the sets, {number(found.pool_standard_error)} for new images."
    )
    return join(
        [
            tag("h3", "Does the promise of the threshold hold?"),
            tag("p", said),
            tag("figure", Html(figures.draws(found.each, found.alpha, name))),
            _note("repeated_calibration"),
        ]
    )


def _leakage(found: Leakage) -> Html:
    head = ["figure", "the mirror", "by repeating the class", "by calling all absent"]
    repeating, absence = found.follows_decided_by_repeating, found.follows_decided_by_absence
    interval = found.follows_decided_interval
    span = f" ({number(interval[0])} to {number(interval[1])})" if interval else ""
    rows = [
        [
            "bits that follow the decided class",
            number(found.follows_decided) + span,
            number(repeating),
            number(absence),
        ],
        ["variance within a class", number(found.within_class), number(found.within_class_by_repeating), ""],
        ["explained by the class (R²)", number(found.repeated), "1", ""],
    ]
    said = (
        f"{found.images:,} images, {found.wrong:,} of them decided wrongly; on these the true and the decided class"
        f" differ in {found.bits:,} bits."
    )
    parts = [tag("h3", "Does the mirror see attributes, or repeat the class?"), tag("p", said), table(head, rows)]
    parts.append(join(_note(key) for key in ("follows_decided", "within_class", "repeated")))
    if found.edits:
        parts += [tag("h4", "Colours changed, shapes left"), _edits(found.edits), _note("edits")]
    if found.parts:
        parts += [tag("h4", "Parts hidden, beside an equal disc elsewhere"), _parts(found.parts), _note("parts")]
    return join(parts)


def _edits(edits: Sequence[Change]) -> Html:
    head = ["edit", "colour attributes change by", "others by", "difference, 95 %", "decisions changed"]
    rows = [
        [edit.name, _change(edit.named), _change(edit.others), _interval(edit.named_minus_others),
         number(edit.decisions_changed)]
        for edit in edits
    ]  # fmt: skip
    return table(head, rows)


def _parts(parts: Sequence[HiddenPart]) -> Html:
    head = ["part", "images", "its attributes change by", "those of other parts", "its own under the control",
            "beyond the control", "95 %"]  # fmt: skip
    rows = [
        [part.part, f"{part.hidden.images:,}", _change(part.hidden.named), _change(part.hidden.others),
         _change(part.control.named), _bold(part.beyond, part.beyond_interval), _interval(part.beyond_interval)]
        for part in sorted(parts, key=lambda part: -part.beyond)
    ]  # fmt: skip
    return table(head, rows, class_="numbers parts")


def _bold(value: float, interval: tuple[float, float]) -> str:
    """Bold where the interval leaves zero out."""
    return tag("b", _change(value)) if interval[0] > 0 or interval[1] < 0 else _change(value)


def _background(found: Background) -> Html:
    said = (
        f"Of {found.images:,} images {number(found.accuracy)} are decided rightly as they are,"
        f" {number(found.accuracy_object_only)} with the object's box alone, and"
        f" {number(found.accuracy_background_only)} with the background alone."
    )
    head = ["attribute", "measure", "chance", "intact", "object only", "background only", "kept by the background"]
    rows = [
        [plain(row.attribute), row.measure, number(row.chance), number(row.intact), number(row.object_only),
         number(row.background_only), number(row.kept)]
        for row in found.readings[:_READINGS]
        if row.kept is not None
    ]  # fmt: skip
    parts = [tag("h3", "What is read from the background?"), tag("p", said)]
    if rows:
        parts.append(table(head, rows, caption="The attributes of which the background alone keeps most"))
    return join([*parts, _note("background")])


def _biases(found: Biases) -> Html:
    before = any(name.startswith("pretrained") for name in found.rows)
    title = "Did the network go by shape before it was trained?" if before else "Does it go by shape or by texture?"
    said = (
        "Each stimulus has the shape of one class and the texture of another; the share by shape is of those that are"
        " given either of the two."
    )
    if found.mask_area is not None:
        said += f" Masks are {percent(found.mask_area)} on average."
    head = ["", "stimuli", "given either", "of these by shape", "95 % interval", "of all by shape", "of all by texture"]
    rows = [[_OF_BIAS.get(name, plain(name)), *_bias(row)] for name, row in found.rows.items()]
    means = found.means.replace("`", "")  # which set code apart in text; a page would show them
    note = f"Tossing a coin gives 0.5. The interval is Wilson's, over the stimuli. {means}"
    return join(
        [tag("h3", title), tag("p", said), table(head, rows, class_="numbers spans"), tag("p", note, class_="note")]
    )


def _bias(row: Bias) -> list[str]:
    span = "" if row.interval is None else f"{number(row.interval[0])} to {number(row.interval[1])}"
    return [f"{row.images:,}", f"{row.decided:,}", number(row.shape_bias), span, number(row.accuracy_shape),
            number(row.accuracy_texture)]  # fmt: skip


def _note(key: str) -> Html:
    return tag("p", MEANINGS[key], class_="note")


def _in_words(found: Any) -> Html:
    return tag("details", tag("summary", "The study's own summary"), tag("pre", found.summary()))


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"


def _change(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 4) + 0.0:.4f}"  # never -0.0000
