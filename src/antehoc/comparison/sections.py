"""A comparison as blocks: the table, ranks, curves and the maps themselves."""

import math
from collections.abc import Sequence

from torch import Tensor

from antehoc.blocks import Block, Cell, Lines, Note, Overlay, Picture, Section, Strong, Table
from antehoc.comparison.table import Comparison, Kind, Row
from antehoc.figure import defined, number, percent, span
from antehoc.metrics import COMPARED, MEASURES
from antehoc.metrics.bootstrap import Interval
from antehoc.metrics.placement import max_scaled

TITLES = {  # of the columns
    "aopc_coarse_blur": "AOPC coarse blur", "aopc_fine_gray": "AOPC fine gray", "deletion": "deletion",
    "insertion": "insertion", "pointing": "pointing", "energy": "energy", "iou": "IoU", "pompom": "POMPOM",
    "gini": "Gini", "sensitivity": "sensitivity",
}  # fmt: skip
_GROUPS = {
    "faithful": "Faithful: does the classifier need what the map calls relevant?",
    "placed": "Placed: does the map lie on the object?",
    "sparse": "Sparse: how few pixels hold it?",
    "stable": "Stable: does it stay the same under small noise?",
}
_KINDS: dict[Kind, str] = {
    "own": "The model's own",
    "post hoc": "Post-hoc methods",
    "control": "Controls: maps made without the classifier",
}
_COSTS = ("valid", "passes", "ms", "MiB")


def headline(comparison: Comparison) -> str:
    """How many images were compared, and which explanation is first most often."""
    return f"{_images(comparison)} {_best(comparison)}"


def sections(comparison: Comparison, name: str = "") -> list[Section]:
    """All that a report shows of a comparison; the name tells its charts from those of another one."""
    return [
        _table(comparison),
        *([_grid(comparison)] if comparison.grid else []),
        Section("Ranks", _ranks(comparison)),
        Section("Curves", _curves(comparison, name)),
        Section("The maps", _sheet(comparison)),
        Section("How to read this", _reading()),
    ]


def brief(comparison: Comparison) -> list[Block]:
    """The table without intervals, and what was invalid."""
    used = _used(comparison)
    head = ("", *(TITLES[name] + arrow(name, up=" +", down=" -") for name in used), *_COSTS)
    rows = tuple((row.name, *(_value(row.values[name]) for name in used), *_cost(row)) for row in comparison.rows)
    said = f"{_images(comparison)} +: higher is better; -: lower is better."
    return [Table(head, rows), Note(said), *(Note(f"note: {note}") for note in comparison.notes)]


def against(comparison: Comparison, own: str, measures: Sequence[str]) -> Table:
    """One explanation beside the post-hoc method that is best by each measure, with their 95 % intervals.

    Args:
        comparison: holds both.
        own: name of the explanation's row.
        measures: names of measures.
    """
    (row,) = [row for row in comparison.rows if row.name == own]
    rows = []
    for measure in measures:
        best, mine = comparison.best(measure), row.values[measure]
        theirs = (best.name, *_cells(best.values[measure])) if best else ("none", "-", "")
        rows.append((TITLES[measure] + arrow(measure), *_cells(mine), *theirs))
    head = ("measure", own, "95 % interval", "best post-hoc method", "its value", "95 % interval")
    return Table(head, tuple(rows))


def arrow(measure: str, up: str = " ↑", down: str = " ↓") -> str:
    """A sign for the direction that is better."""
    return up if MEASURES[measure].direction == "higher" else down


def _images(comparison: Comparison) -> str:
    count, known = comparison.images, comparison.with_object
    said = "1 image" if count == 1 else f"{count:,} images"
    return f"{said}; the object's place is known in {f'{known:,} of them' if known else 'none'}."


def _best(comparison: Comparison) -> str:
    """Which explanation is first most often, and by which measures."""
    first: dict[str, list[str]] = {}
    for measure, ranks in comparison.ranks.items():
        for name in [name for name, rank in ranks.items() if rank.place == 1]:
            first.setdefault(name, []).append(TITLES[measure])
    if not first:
        return "No explanation is valid on half of the images."
    best = max(first, key=lambda name: len(first[name]))
    by = sum(bool(ranks) for ranks in comparison.ranks.values())
    return f"“{best}” is first by {len(first[best])} of {by} measures: {', '.join(first[best])}."


def _used(comparison: Comparison) -> list[str]:
    """Measures for which any row has a value."""
    return [name for name in COMPARED if any(not math.isnan(row.values[name].estimate) for row in comparison.rows)]


def _value(interval: Interval) -> str:
    return number(defined(interval.estimate))


def _cells(interval: Interval) -> tuple[str, str]:
    """A mean and its interval."""
    return _value(interval), "" if math.isnan(interval.estimate) else span((interval.low, interval.high))


def _cost(row: Row) -> list[str]:
    passes = None if row.forward is None or row.backward is None else row.forward + row.backward
    costs = ["" if cost is None else number(cost, "quantity") for cost in (passes, row.milliseconds, row.peak_mib)]
    return ["" if row.kind == "control" else percent(row.valid), *costs]


def _bold(written: str, comparison: Comparison, measure: str, name: str) -> Cell:
    rank = comparison.ranks[measure].get(name)
    return Strong(written) if rank and rank.place == 1 else written


def _table(comparison: Comparison) -> Section:
    """Every explanation in a row; bold: the best of those that are ranked."""
    used = _used(comparison)
    rows: list[tuple[Cell, ...]] = []
    for kind, title in _KINDS.items():
        own = [row for row in comparison.rows if row.kind == kind]
        rows += [(title,)] if own else []
        for row in own:
            cells = [_bold(_value(row.values[name]), comparison, name, row.name) for name in used]
            rows.append((row.name, *cells, *_cost(row)))
    said = (
        "Means over the images. ↑: higher is better, ↓: lower is better; bold: best of the model's own and the post-hoc"
        " explanations. Passes: images through the classifier, forward and backward, for each image explained; ms:"
        " milliseconds for each image; MiB: the most that new tensors hold at once while one image is explained."
    )
    table = Table(("explanation", *(TITLES[name] + arrow(name) for name in used), *_COSTS), tuple(rows))
    notes = [Note(f"{note}.") for note in comparison.notes]
    intervals = [section for group in _GROUPS for section in _intervals(comparison, group, used)]
    return Section("The table", (table, Note(said, "aside"), *notes, *intervals))


def _intervals(comparison: Comparison, group: str, used: Sequence[str]) -> list[Section]:
    """Values of one group of measures with their intervals, folded; nothing where no measure of it is used."""
    names = [name for name in used if MEASURES[name].group == group]
    if not names:
        return []
    head = ("explanation", *(cell for name in names for cell in (TITLES[name] + arrow(name), "95 % interval")))
    rows = tuple((row.name, *(cell for name in names for cell in _cells(row.values[name]))) for row in comparison.rows)
    says = "; ".join(f"{TITLES[name]}: {MEASURES[name].says}" for name in names)
    return [Section(_GROUPS[group], (Table(head, rows), Note(f"{says}.", "aside")), folded=True)]


def _ranks(comparison: Comparison) -> tuple[Block, ...]:
    used = [name for name in COMPARED if comparison.ranks[name]]
    names = [row.name for row in comparison.rows if any(row.name in comparison.ranks[measure] for measure in used)]
    if not names:
        return (Note("Nothing can be ranked: no explanation is valid on half of the images."),)
    rows = tuple((name, *(_rank(comparison, measure, name) for measure in used)) for name in names)
    said = (
        "The place of each explanation, 1 the best, and the share of 1,000 bootstrap draws of the images in which it"
        " keeps that place. A low share means that other images could have put them in another order. Controls take no"
        " place, and neither does an explanation that is valid on less than half of the images."
    )
    return Table(("explanation", *(TITLES[name] for name in used)), rows), Note(said, "aside")


def _rank(comparison: Comparison, measure: str, name: str) -> Cell:
    rank = comparison.ranks[measure].get(name)
    if rank is None:
        return "-"
    written = f"{rank.place} ({percent(rank.kept)})"
    return Strong(written) if rank.place == 1 else written


def _grid(comparison: Comparison) -> Section:
    """AOPC by what replaces a patch of which size; bold: the best of the model's own and the methods."""
    controls = {row.name for row in comparison.rows if row.kind == "control"}
    names = [row.name for row in comparison.rows if any(row.name in own for own in comparison.grid.values())]
    rows: list[tuple[Cell, ...]] = []
    for kind, own in comparison.grid.items():
        most = max((mean for name, mean in own.items() if name not in controls), default=math.nan)
        cells = [number(own.get(name)) for name in names]
        bold = [own.get(name) == most for name in names]
        rows.append((kind, *(Strong(cell) if best else cell for cell, best in zip(cells, bold, strict=True))))
    said = (
        "Mean fall of the class's probability while patches are replaced, most relevant first, in 100 steps at most;"
        " higher is better. Rows: what replaces a patch, and its side as a share of the image's."
    )
    return Section("AOPC by patch and perturbation", (Table(("replaced by", *names), tuple(rows)), Note(said, "aside")))


def _curves(comparison: Comparison, name: str) -> tuple[Block, ...]:
    """A chart for each measure; of the controls only the random one is drawn."""
    if not any(comparison.curves.values()):
        return (Note("No map is valid: there are no curves."),)
    kinds = {row.name: row.kind for row in comparison.rows}
    charts = []
    for measure, own in comparison.curves.items():
        best = comparison.best(measure)
        drawn = {row: curve for row, curve in own.items() if kinds[row] != "control" or row == "random"}
        front = [row for row in drawn if kinds[row] == "own" or (best is not None and row == best.name)]  # own first
        series = {row: (_steps(len(curve)), tuple(curve)) for row, curve in drawn.items()}
        title = f"{TITLES[measure]}{arrow(measure)}{f': {name}' if name else ''}"
        charts.append(
            Lines(series, "share of the steps", "probability", title, solid=tuple(front), dashed=("random",),
                  x_percent=True)
        )  # fmt: skip
    said = (
        "Mean probability of the explained class while patches are replaced, most relevant first (for insertion: while"
        " they come back). A faithful map makes it fall fast, and rise fast for insertion. In front: the model's own"
        " explanation and the best post-hoc method by that measure. Thin: other methods. Dashed: the random control."
    )
    return (*charts, Note(said, "aside"))


def _steps(points: int) -> tuple[float, ...]:
    return tuple(step / max(points - 1, 1) for step in range(points))


def _sheet(comparison: Comparison) -> tuple[Block, ...]:
    """Every map of a few images, in one table of pictures."""
    sheet = comparison.sheet
    columns = range(len(sheet.explained))
    pictures: list[Cell] = [Picture.of(sheet.image[n], f"image {n + 1}", size="small") for n in columns]
    rows: list[tuple[Cell, ...]] = [("image", *pictures)]
    for name, maps in sheet.maps.items():
        rows.append((name, *(_map(sheet.image[n], maps[n], name, n, sheet.why[name][n]) for n in columns)))
    said = (
        "Every map on one color scale. A map has no unit, so its positive part is divided by its own largest value;"
        " what is negative is drawn as 0. An invalid map is not drawn: the reason stands in its place."
    )
    head = ("", *(f"predicted: {name}" for name in sheet.explained))
    return Note(said, "aside"), Table(head, tuple(rows), kind="pictures")


def _map(image: Tensor, values: Tensor | None, name: str, row: int, why: str) -> Cell:
    if values is None:
        return f"invalid: {why}"
    scaled = max_scaled(values[None, None])[0, 0]
    alt = f"map by {name} over image {row + 1}"
    return Overlay(scaled, alt, image, low="0: not relevant", high="1: most relevant", size="small")


def _reading() -> tuple[Block, ...]:
    rows = tuple((TITLES[name], MEASURES[name].says, MEASURES[name].direction) for name in COMPARED)
    said = (
        "The class that the classifier predicted is explained, correct or not. All explanations are of the same"
        " images.",
        "Controls are maps made without the classifier, or from the answer. Ones and zeros are flat, so that their"
        " patches go in random order; perfect is the object's own mask. An explanation that does not beat box,"
        " gaussian and random says nothing about this classifier. Zeros has the best POMPOM, and so has any map"
        " without a positive value: read POMPOM beside energy.",
        "Faithful measures ask the classifier about pictures unlike those that it was trained on, and the probability"
        " may fall for that reason alone. The random control shows by how much.",
        "An explanation can be faithful and lie off the object: then the classifier itself looks elsewhere.",
    )
    table = Table(("measure", "what it is", "better"), rows, kind="words")
    return table, *(Note(one) for one in said)
