"""A comparison of explanations for the terminal and as one self-contained page: tables, curves and a sheet of maps."""

import math
from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from antehoc.comparison import MEASURES, Comparison, Row
from antehoc.data.images import shown
from antehoc.metrics.bootstrap import Interval
from antehoc.metrics.placement import max_scaled
from antehoc.report import figures
from antehoc.report.document import document, kicker
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import percent
from antehoc.report.sections import pairs

_TITLES = {  # of the columns, short
    "aopc_coarse_blur": "AOPC coarse blur", "aopc_fine_gray": "AOPC fine gray", "deletion": "deletion",
    "insertion": "insertion", "pointing": "pointing", "energy": "energy", "iou": "IoU", "pompom": "POMPOM",
    "gini": "Gini", "sensitivity": "sensitivity",
}  # fmt: skip
_GROUPS = {
    "faithful": "Faithful: does the classifier need what the map calls relevant?",
    "placed": "Placed: does the map lie on the object?",
    "sparse": "Sparse: how few pixels hold it?",
    "stable": "Stable: does it stay under small noise?",
}
_KINDS = {"own": "The model's own", "post hoc": "Post-hoc methods", "control": "Controls: no classifier made these"}
_SIDE_PX = 116  # of a picture on the sheet
_WIDE = 1000  # a sensitivity has no upper bound


def text(comparison: Comparison) -> str:
    """The table for the terminal: a line for each explanation, then what was invalid."""
    used = _used(comparison)
    head = ["", *(_TITLES[name] + _arrow(name, up=" +", down=" -") for name in used), "valid", "passes", "ms", "MiB"]
    lines = [head]
    for row in comparison.rows:
        lines.append([shown(row.name), *(_value(row.values[name]) for name in used), *_cost(row)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    written = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    ]
    below = [f"note: {shown(note)}" for note in comparison.notes]
    said = f"{_images(comparison)} +: higher is better; -: lower is better."
    return "\n".join([*written, "", said, *below]) + "\n"


def page(comparison: Comparison, name: str, about: Sequence[tuple[str, str]] = ()) -> str:
    """One self-contained page.

    Args:
        comparison: what `antehoc.comparison.compare` gave.
        name: of the model.
        about: names and values that say what ran, such as the seed.
    """
    head = [
        kicker("comparison of explanations"),
        tag("h1", name),
        tag("p", headline(comparison), class_="headline"),
        pairs(about),
    ]
    return document(f"{name}: comparison", head, parts(comparison))


def headline(comparison: Comparison) -> str:
    """Of how many images it is, and which explanation is first most often."""
    return f"{_images(comparison)} {_best(comparison)}"


def parts(comparison: Comparison, name: str = "") -> list[tuple[str, Html]]:
    """All that a comparison shows, each part with its title; the name tells its charts from those of another."""
    return [
        ("The table", _table(comparison)),
        *([("AOPC by patch and perturbation", _grid(comparison))] if comparison.grid else []),
        ("Ranks", _ranks(comparison)),
        ("Curves", _curves(comparison, name)),
        ("The maps themselves", _sheet(comparison)),
        ("How to read this", _reading()),
    ]


def against(comparison: Comparison, own: str, measures: Sequence[str]) -> Html:
    """One explanation beside the post-hoc method that is best by each measure, with their 95 % intervals."""
    (row,) = [row for row in comparison.rows if row.name == own]
    rows = []
    for measure in measures:
        best, mine = comparison.best(measure), row.values[measure]
        cells = [_value(mine), _span(mine)]
        cells += [best.name, _value(best.values[measure]), _span(best.values[measure])] if best else ["none", "-", ""]
        rows.append([_TITLES[measure] + _arrow(measure), *cells])
    head = ["measure", own, "95 % interval", "best post-hoc method", "its value", "95 % interval"]
    return table(head, rows, class_="numbers spans")


def _images(comparison: Comparison) -> str:
    count, known = comparison.images, comparison.with_object
    said = "1 image" if count == 1 else f"{count:,} images"
    where = f"of {known:,} of them the object's place is known" if known else "of none is the object's place known"
    return f"{said}; {where}."


def _best(comparison: Comparison) -> str:
    """Which explanation is first most often, and by which measures."""
    first: dict[str, list[str]] = {}
    for measure, ranks in comparison.ranks.items():
        for name in [name for name, rank in ranks.items() if rank.place == 1]:
            first.setdefault(name, []).append(_TITLES[measure])
    if not first:
        return "No explanation is valid on half of the images."
    best = max(first, key=lambda name: len(first[name]))
    by = sum(bool(ranks) for ranks in comparison.ranks.values())
    return f"First by {len(first[best])} of {by} measures is “{best}”: {', '.join(first[best])}."


def _used(comparison: Comparison) -> list[str]:
    """Measures that any row has an answer to."""
    return [name for name in MEASURES if any(not math.isnan(row.values[name].estimate) for row in comparison.rows)]


def _arrow(measure: str, up: str = " ↑", down: str = " ↓") -> str:
    return up if MEASURES[measure].direction == "higher" else down


def _value(interval: Interval) -> str:
    return "-" if math.isnan(interval.estimate) else _digits(interval.estimate)


def _digits(value: float) -> str:
    """Three decimals, never -0.000; three digits where a value would burst its column."""
    written = f"{value:.3f}" if abs(value) < _WIDE else f"{value:.3g}"
    return "0.000" if written == "-0.000" else written


def _cost(row: Row) -> list[str]:
    passes = None if row.forward is None or row.backward is None else row.forward + row.backward
    numbers = [_number(value) for value in (passes, row.milliseconds, row.peak_mib)]
    return ["" if row.kind == "control" else percent(row.valid), *numbers]


def _number(value: float | None) -> str:
    """Three digits are enough for a cost."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(comparison: Comparison) -> Html:
    """Every explanation in a line; bold: the best of those that are ranked."""
    used = _used(comparison)
    head = ["explanation", *(_TITLES[name] + _arrow(name) for name in used), "valid", "passes", "ms", "MiB"]
    rows: list[list[str]] = []
    for kind, title in _KINDS.items():
        own = [row for row in comparison.rows if row.kind == kind]
        rows += [[title]] if own else []
        for row in own:
            cells = [_bold(_value(row.values[name]), comparison, name, row.name) for name in used]
            rows.append([row.name, *cells, *_cost(row)])
    said = (
        "Means over the images. ↑: higher is better, ↓: lower is better; bold: best of the model's own and the post-hoc"
        " explanations. Passes: images through the classifier, forward and backward, for each image explained; ms:"
        " milliseconds for each image; MiB: the most that new tensors hold at once while one image is explained."
    )
    parts = [table(head, rows, class_="numbers compared"), tag("p", said, class_="note"), _notes(comparison)]
    parts += [_intervals(comparison, group, used) for group in _GROUPS]
    return join(parts)


def _bold(written: str, comparison: Comparison, measure: str, name: str) -> str:
    rank = comparison.ranks[measure].get(name)
    return tag("b", written) if rank and rank.place == 1 else written


def _notes(comparison: Comparison) -> Html:
    return tag("ul", *(tag("li", note) for note in comparison.notes), class_="notes") if comparison.notes else Html("")


def _intervals(comparison: Comparison, group: str, used: Sequence[str]) -> Html:
    names = [name for name in used if MEASURES[name].group == group]
    if not names:
        return Html("")
    rows = [
        [row.name, *(cell for name in names for cell in (_value(row.values[name]), _span(row.values[name])))]
        for row in comparison.rows
    ]
    head = ["explanation", *(cell for name in names for cell in (_TITLES[name] + _arrow(name), "95 % interval"))]
    says = "; ".join(f"{_TITLES[name]}: {MEASURES[name].says}" for name in names)
    summary = tag("summary", _GROUPS[group])
    return tag("details", summary, table(head, rows, class_="numbers spans"), tag("p", f"{says}.", class_="note"))


def _span(interval: Interval) -> str:
    return "" if math.isnan(interval.estimate) else f"{_digits(interval.low)} to {_digits(interval.high)}"


def _ranks(comparison: Comparison) -> Html:
    used = [name for name in MEASURES if comparison.ranks[name]]
    names = [row.name for row in comparison.rows if any(row.name in comparison.ranks[measure] for measure in used)]
    if not names:
        return tag("p", "Nothing can be ranked: no explanation is valid on half of the images.")
    rows = [[name, *(_rank(comparison, measure, name) for measure in used)] for name in names]
    said = (
        "The place of each explanation, 1 the best, and in what share of 1,000 bootstrap draws of the images it keeps"
        " that place: a low share says that other images could as well have ordered them otherwise. Controls take no"
        " place, nor does what is valid on less than half of the images."
    )
    head = ["explanation", *(_TITLES[name] for name in used)]
    return join([table(head, rows, class_="numbers compared"), tag("p", said, class_="note")])


def _grid(comparison: Comparison) -> Html:
    """AOPC by what replaces a patch of which size; bold: the best of the model's own and the methods."""
    controls = {row.name for row in comparison.rows if row.kind == "control"}
    names = [row.name for row in comparison.rows if any(row.name in own for own in comparison.grid.values())]
    rows = []
    for kind, own in comparison.grid.items():
        most = max((mean for name, mean in own.items() if name not in controls), default=math.nan)
        cells = [_digits(own[name]) if name in own else "-" for name in names]
        rows.append(
            [
                kind,
                *(tag("b", cell) if own.get(name) == most else cell for name, cell in zip(names, cells, strict=True)),
            ]
        )
    said = (
        "Mean fall of the class's probability while patches are replaced, most relevant first, in 100 steps at most;"
        " higher is better. Rows: what replaces a patch, and its side as a share of the image's."
    )
    return join([table(["replaced by", *names], rows, class_="numbers compared"), tag("p", said, class_="note")])


def _rank(comparison: Comparison, measure: str, name: str) -> str:
    rank = comparison.ranks[measure].get(name)
    if rank is None:
        return "-"
    place = tag("b", "1") if rank.place == 1 else str(rank.place)
    return tag("span", place, tag("span", f" {100 * rank.kept:.0f} %", class_="kept"))


def _curves(comparison: Comparison, name: str) -> Html:
    kinds = {row.name: row.kind for row in comparison.rows}
    titles = {name: _TITLES[name] + _arrow(name) for name in comparison.curves}
    if not any(comparison.curves.values()):
        return tag("p", "No map is valid: there are no curves.")
    best = {}
    for measure in comparison.curves:
        row = comparison.best(measure)
        best[measure] = row.name if row else ""
    said = (
        "Mean probability of the explained class while patches are replaced, most relevant first (for insertion: while"
        " they come back). A faithful map makes it fall fast, and rise fast for insertion. Blue: the model's own;"
        " orange: the best post-hoc method by that measure; thin grey: the other methods; dashed: the random control."
    )
    chart = figures.perturbation_curves(comparison.curves, titles, kinds, best, name)
    return tag("figure", Html(chart), tag("figcaption", said))


def _sheet(comparison: Comparison) -> Html:
    """Every map of a few images, in one table of pictures."""
    sheet = comparison.sheet
    columns = range(len(sheet.explained))
    head = ["", *(f"decided: {name}" for name in sheet.explained)]
    rows: list[list[str]] = [["image", *(small(sheet.image[n], f"image {n + 1}") for n in columns)]]
    for name, maps in sheet.maps.items():
        cells = [_map(sheet.image[n], maps[n], name, n, sheet.why[name][n]) for n in columns]
        rows.append([name, *cells])
    said = (
        "Every map on one colour scale. A map has no unit, so its positive part is divided by its own largest value;"
        " what is negative is drawn as 0. An invalid map is not drawn: its reason stands in its place."
    )
    bar = tag("figure", Html(figures.color_bar("0: not relevant", "1: most relevant", width_px=320)))
    return join([tag("p", said, class_="note"), bar, table(head, rows, class_="sheet")])


def _map(image: Tensor, values: Tensor | None, name: str, number: int, why: str) -> Html:
    if values is None:
        return tag("div", tag("b", "invalid: "), why, class_="invalid")
    scaled = max_scaled(values[None, None])[0, 0]
    return small(figures.overlay(image, scaled), f"map by {name} over image {number + 1}")


def small(image: Tensor | Image.Image, alt: str) -> Html:
    """A picture for a table of pictures."""
    size = image.shape[-2:] if isinstance(image, Tensor) else image.size
    how = "crisp" if max(size) <= figures.CRISP_PX else "smooth"
    return tag("img", src=figures.picture(image, 2 * _SIDE_PX), alt=alt, class_=how, width=_SIDE_PX)


def _reading() -> Html:
    rows = [[_TITLES[name], measure.says, measure.direction] for name, measure in MEASURES.items()]
    said = [
        "Explained is the class that the classifier decided, right or wrong. All explanations are of the same images.",
        "Controls are maps that look at no classifier, or at the answer: ones and zeros are flat, so that their patches"
        " go in random order; perfect is the object's own mask. An explanation that does not beat box, gaussian and"
        " random has told nothing. Zeros has the best POMPOM, and so has any map without a positive value: read it"
        " beside energy.",
        "Faithful measures ask the classifier about pictures that it was not trained on; a fall may come from that"
        " alone. The random control shows how much.",
        "An explanation can be faithful and lie off the object: then it is the classifier that looks elsewhere.",
    ]
    return join([table(["measure", "what it is", "better"], rows, class_="words"), *(tag("p", one) for one in said)])
