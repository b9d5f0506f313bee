"""Pictures of results, nearly all from plain data: SVG that stands alone or inside a page, PNG for pixels."""

import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, Literal, NamedTuple

import matplotlib
import numpy as np
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import FixedLocator, FormatStrFormatter, FuncFormatter, MaxNLocator
from PIL import Image
from torch import Tensor

from antehoc.data.images import shown
from antehoc.evaluation import Shown
from antehoc.explanations import AttributeScores, SaliencyMask
from antehoc.report.look import BLUE, GREEN, GREY, INK, ORANGE, PALE, RED, RULE, clean, drawing, short, styled
from antehoc.report.meanings import AGREE, percent, plain, reason_text
from antehoc.runs import Reproduction
from antehoc.types import DataSpec

COLORS: dict[str, str] = {"plain": GREY, "seen": BLUE, "true": GREEN, "odd": RED}

Role = Literal["plain", "seen", "true", "odd"]

_PERCENT = FuncFormatter(lambda share, _: f"{100 * share:g} %")
_NO_THRESHOLD = 1e300  # the largest float stands for infinity
_NAMED_CELLS, _NAMED_CLASSES = 12, 40  # up to so many classes a confusion matrix shows counts, and names
_SEEN = 0.5  # from this probability on an attribute is said to be present
_SHADES = matplotlib.colormaps["inferno"]  # of every mask and map: black is 0, light yellow is 1
_COLOR = 0.62  # of an overlay is the mask's, the rest the image's in grey
_LINE = 80  # an outline is one part in so many of its image's side
CRISP_PX = 128  # up to this size an image is shown pixel by pixel


class Bar(NamedTuple):
    """One bar: `value` and `mark` (a tick across the bar) in 0..1."""

    label: str
    value: float
    role: Role = "plain"
    note: str = ""  #: after the label, never cut
    mark: float | None = None
    bold: bool = False


def bars(rows: Sequence[Bar], description: str, *, left_out: int = 0, what: str = "more", width_px: int = 208) -> str:
    """Horizontal bars over 0..1, each under its name, as SVG.

    Args:
        rows: from top to bottom.
        description: what a person who does not see it is told.
        left_out: how many rows are not shown; said below.
        what: names these, such as `classes`.
        width_px: of the picture.
    """
    lines = [_bar(row, 32 * index, width_px) for index, row in enumerate(rows)]
    height = 32 * len(rows)
    if left_out:
        lines.append(
            f'<text x="0" y="{height + 12}" fill="{GREY}" font-size="11">and {left_out} {clean(what)} more</text>'
        )
        height += 18
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {max(height, 1)}" width="{width_px}"'
        f' height="{max(height, 1)}" role="img" aria-label="{clean(description)}" font-family="sans-serif">'
        f"{''.join(lines)}</svg>"
    )


def _bar(row: Bar, top: int, width: int) -> str:
    value = min(max(row.value, 0.0), 1.0) if row.value == row.value else 0.0
    room = int((width - 34) / 7) - len(row.note)  # pixels a letter, bold ones and wide fonts among them
    name = shown(plain(row.label))
    cut = name if len(name) <= room else name[: max(room - 1, 1)].rstrip() + "…"
    weight = ' font-weight="600"' if row.bold else ""
    tick = ""
    if row.mark is not None:
        x = min(max(row.mark, 0.0), 1.0) * (width - 2)
        tick = f'<rect x="{x:.1f}" y="{top + 14}" width="2" height="12" fill="{INK}"/>'
    rest = f'height="8" rx="1.5" fill="{COLORS[row.role]}"'
    return (
        f"<g><title>{clean(row.label)} {row.value:.3f}</title>"
        f'<text x="0" y="{top + 11}" font-size="12"{weight} fill="{INK}">'
        f'{clean(cut)}<tspan fill="{COLORS[row.role]}" font-weight="600">{clean(row.note)}</tspan></text>'
        f'<text x="{width}" y="{top + 11}" font-size="12"{weight} text-anchor="end" fill="{INK}">{row.value:.2f}</text>'
        f'<rect x="0" y="{top + 16}" width="{width}" height="8" rx="1.5" fill="{PALE}"/>'
        f'<rect x="0" y="{top + 16}" width="{value * width:.1f}" {rest}/>{tick}</g>'
    )


def attribute_rows(explanans: AttributeScores, spec: DataSpec, label: str, most: int) -> list[Bar]:
    """Bars of attribute probabilities, a tick at what the decided class asks for, vermilion where they disagree.

    Where there are more than `most`: of each question the surest answer, first what is present and asked for by few
    classes; where no attributes answer one question, those that are surest or most at odds with the class.
    """
    asked = spec.class_attributes[spec.classes.index(label)]
    rows = list(zip(explanans.names, explanans.probabilities, asked, strict=True))
    if len(rows) > most:
        rows = (
            _telling_rows(rows, spec)
            if spec.groups
            else sorted(rows, key=lambda row: -max(row[1], abs(row[1] - row[2])))
        )
    return [
        Bar(name, seen, "odd" if (seen >= _SEEN) != (wanted > 0.5) else "seen", mark=wanted)
        for name, seen, wanted in rows[:most]
    ]


def _telling_rows(rows: Sequence[tuple[str, float, float]], spec: DataSpec) -> list[tuple[str, float, float]]:
    """The surest attribute of each question, and those that answer none, by how far they stand out of all classes."""
    grouped = {number for group in spec.groups for number in group}
    kept = [max(group, key=lambda number: rows[number][1]) for group in spec.groups]
    kept += [number for number in range(len(rows)) if number not in grouped]
    usual = np.mean(spec.class_attributes, 0)
    return [rows[n] for n in sorted(kept, key=lambda n: (rows[n][1] < _SEEN, usual[n] - rows[n][1]))]


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], name: str = "") -> str:
    """Confusion matrix, rows predicted and columns true as in the thesis; shade is the share of a true class."""
    number = len(classes)
    cells = np.array(counts, dtype=float)
    share = cells / np.maximum(cells.sum(0, keepdims=True), 1)
    side = 5.6 if _NAMED_CELLS < number <= _NAMED_CLASSES else 3.9
    with drawing(side + 0.9, side, f"confusion matrix of {number} classes{_of(name)}") as (figure, out):
        axes = figure.subplots()
        shades = LinearSegmentedColormap.from_list("blue", ["#ffffff", "#9cc9e3", BLUE, "#00466e"])
        image = axes.imshow(share, cmap=shades, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
        axes.set(xlabel="true class", ylabel="predicted class")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set(xticks=[], yticks=[])
        if number <= _NAMED_CLASSES:
            names = [short(name, 18) for name in classes]
            axes.set_xticks(range(number), names, rotation=0 if number <= 5 else 90)
            axes.set_yticks(range(number), names)
        if number <= _NAMED_CELLS:
            for (row, column), count in np.ndenumerate(cells):
                color = "white" if share[row, column] > 0.55 else GREY if count == 0 else INK
                axes.text(column, row, f"{int(count):,}", ha="center", va="center", color=color)
        bar = figure.colorbar(image, ax=axes, shrink=0.6, format=_PERCENT, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.set_label("share of the true class")
    return out[0]


def histogram(scores: Mapping[str, Sequence[float]], threshold: float, name: str = "") -> str:
    """Verdict scores by set, one strip each over one axis; what lies right of the threshold is questioned.

    The axis is linear up to the threshold and logarithmic far out, so that neither crowd nor tail is lost.
    """
    finite = {kind: np.array([value for value in values if math.isfinite(value)]) for kind, values in scores.items()}
    sets = {kind: values for kind, values in finite.items() if len(values)} or {"": np.zeros(1)}
    every = np.concatenate(list(sets.values()))
    drawn = threshold < _NO_THRESHOLD
    scale = abs(threshold) if drawn and threshold else float(np.abs(every).max()) or 1.0
    low, high = min(float(every.min()), 0.0), max(float(every.max()), scale)
    edges = np.sinh(np.linspace(np.arcsinh(low / scale), np.arcsinh(1.04 * high / scale), 72)) * scale
    edges = np.unique(np.append(edges, threshold if drawn else low))
    said = f"verdict scores by set of images, with the threshold{_of(name)}"
    with drawing(7.2, 0.6 + 0.42 * len(sets), said) as (figure, out):
        rows = figure.subplots(len(sets), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (kind, values) in zip(rows, sets.items(), strict=True):
            density = np.histogram(values, edges)[0] / np.diff(np.arcsinh(edges / scale)) / len(values)
            split = int(np.searchsorted(edges, threshold)) if drawn else len(edges) - 1
            axes.stairs(density[:split], edges[: split + 1], fill=True, color=GREY)
            axes.stairs(density[split:], edges[split:], fill=True, color=RED)
            if drawn:
                axes.axvline(threshold, color=INK, linewidth=1)
            axes.set_ylabel(short(kind, 22), rotation=0, ha="right", va="center")
            above = f"{float((values > threshold).mean()):.1%} questioned".replace("%", " %")
            axes.annotate(above, (1.01, 0.2), xycoords="axes fraction")
            axes.spines["left"].set_visible(False)
            axes.set_yticks([])
            axes.set_xscale("asinh", linear_width=scale)
            axes.set_xlim(edges[0], edges[-1])
        linear = [tick for tick in MaxNLocator(5).tick_values(low, scale) if low <= tick <= scale]
        rows[-1].xaxis.set_major_locator(FixedLocator([*linear, *_decades(1.6 * linear[-1], high)]))
        rows[-1].xaxis.set_major_formatter(FormatStrFormatter("%g"))
        rows[-1].minorticks_off()
        rows[-1].set_xlabel("verdict score (higher: decision and reasons disagree more); the line is the threshold")
    return out[0]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two numbers, a few at most."""
    if not 0 < low < high:
        return []
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    return inside[:: max(1, len(inside) // 4)]


def draws(shares: Sequence[float], alpha: float, name: str = "") -> str:
    """How often each share of correct decisions was questioned over random calibration sets, alpha as a line."""
    mean = sum(shares) / max(len(shares), 1)
    with drawing(5.4, 2.1, f"shares of correct decisions questioned over {len(shares)} draws{_of(name)}") as (
        figure,
        out,
    ):
        axes = figure.subplots()
        axes.hist(shares, bins=20, color=GREY)
        for place, line, said in ((alpha, "-", f"alpha {alpha:.3g}"), (mean, "--", f"mean {mean:.3g}")):
            axes.axvline(place, color=INK if line == "-" else BLUE, linestyle=line, linewidth=1.4, label=said)
        axes.set(xlabel="share of correct decisions questioned", ylabel="calibration sets", xlim=(0, None))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.legend(loc="upper right", fontsize=8)
    return out[0]


def risk_coverage(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], name: str = "") -> str:
    """Share of wrong decisions among the kept ones, over the share kept, least doubtful first: lower is better."""
    looks = [(BLUE, "-"), (ORANGE, "--"), (GREEN, ":"), (GREY, "-.")]
    with drawing(5.4, 3.1, f"risk over coverage of {' and '.join(curves)}{_of(name)}") as (figure, out):
        axes = figure.subplots()
        for (kind, (coverage, risk)), (color, line) in zip(curves.items(), looks * len(curves), strict=False):
            axes.plot(coverage, risk, line, color=color, linewidth=1.8, label=short(kind, 40))
        axes.set(xlabel="coverage: share of decisions kept", ylabel="risk: wrong among the kept", xlim=(0, 1))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.grid()
        if curves:
            axes.legend(loc="upper left")
    return out[0]


def _of(name: str) -> str:
    return f": {name}" if name else ""


def curves(epochs: Sequence[Mapping[str, float]], title: str) -> str:
    """One phase of training: the losses on the left, the validation figures on the right."""
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch))
    losses = [name for name in ("train/loss", "val/loss") if name in names]
    figures = [name for name in names if name.startswith("val/") and name not in losses]
    looks = [(color, line) for line in ("-", "--", ":") for color in (BLUE, ORANGE, GREEN, RED, GREY)]
    with drawing(7.2, 2.4, f"training curves of {title}") as (figure, out):
        left, right = figure.subplots(1, 2)
        for axes, chosen, label in ((left, losses, "loss"), (right, figures, "share of validation images")):
            for name, (color, line) in zip(chosen, looks * len(chosen), strict=False):
                values = [epoch.get(name, math.nan) for epoch in epochs]
                said = {"train/loss": "training", "val/loss": "validation"}.get(name) or name.removeprefix("val/")
                marker = "o" if len(values) == 1 else ""
                axes.plot(
                    range(1, len(values) + 1), values, line, marker=marker, color=color, label=said.replace("_", " ")
                )
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.grid()
            if chosen:
                axes.legend(fontsize=8)
    return out[0]


def perturbation_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    titles: Mapping[str, str],
    kinds: Mapping[str, str],
    best: Mapping[str, str],
    name: str = "",
) -> str:
    """Probability of the explained class over the share of the image that is replaced, a chart for each measure.

    Args:
        curves: by measure and explanation.
        titles: of the charts, by measure.
        kinds: `own`, `post hoc` or `control`, by explanation; of the controls only `random` is drawn.
        best: the post-hoc method to stress, by measure.
        name: tells this picture from that of another comparison on the same page.
    """
    rows = (len(curves) + 1) // 2
    with drawing(7.6, 2.5 * rows, f"perturbation curves by {', '.join(titles.values())}{_of(name)}") as (figure, out):
        charts = figure.subplots(rows, 2, squeeze=False).flat
        for axes, (measure, own) in zip(charts, curves.items(), strict=False):
            for name, values in sorted(
                own.items(), key=lambda item: (kinds[item[0]] == "own", item[0] == best[measure])
            ):
                if kinds[name] == "control" and name != "random":
                    continue
                color, width, line, said = GREY, 0.7, "-", "_"  # an underscore keeps it out of the legend
                if kinds[name] == "own" or name in (best[measure], "random"):
                    color = {"own": BLUE, "post hoc": ORANGE, "control": INK}[kinds[name]]
                    width, line, said = 1.8, "--" if kinds[name] == "control" else "-", short(name, 24)
                steps = np.linspace(0, 1, len(values))
                axes.plot(steps, values, line, color=color, linewidth=width, label=said)
            axes.set(title=titles[measure], xlim=(0, 1), xlabel="share of the steps", ylabel="probability")
            axes.grid()
            if own:
                axes.legend(fontsize=7.5, reverse=True)
        for axes in charts:
            axes.axis("off")
    return out[0]


def picture(image: Tensor | Image.Image, side_px: int = 384) -> str:
    """An image as a `data:` address, scaled down to at most so many pixels a side.

    Small ones are kept pixel by pixel (PNG), photographs are compressed (JPEG).

    Args:
        image: (C, H, W) in 0..1, or an image of Pillow in mode L or RGB.
        side_px: the longer side at most.
    """
    image = _pixels(image)
    small = max(image.size) <= CRISP_PX
    image = image.copy()
    image.thumbnail((side_px, side_px))
    file = BytesIO()
    if small:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=85)
    return f"data:image/{'png' if small else 'jpeg'};base64,{b64encode(file.getvalue()).decode()}"


def _pixels(image: Tensor | Image.Image) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    pixels = (image.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def overlay(image: Tensor | Image.Image, mask: Tensor) -> Image.Image:
    """An image in grey under the colours of a mask: black where the mask is 0, light yellow where it is 1.

    Every mask and map has these same colours, those of `color_bar`.

    Args:
        image: (C, H, W) in 0..1, or an image of Pillow in mode L or RGB.
        mask: (h, w) in 0..1; of another size than the image it is stretched over it.
    """
    under = _pixels(image).convert("L")
    size = (under.height, under.width)
    over = mask.detach().cpu().float().clamp(0, 1)[None, None]
    if over.shape[2:] != size:
        over = F.interpolate(over, size, mode="bilinear", antialias=True)
    colors = _SHADES(over[0, 0].numpy())[..., :3]
    mixed = _COLOR * colors + (1 - _COLOR) * np.asarray(under, dtype=np.float64)[..., None] / 255
    return Image.fromarray((255 * mixed).round().astype(np.uint8))


def outlined(image: Image.Image, inside: Tensor) -> Image.Image:
    """An image of Pillow with a green line around an object (height, width), just outside of it so as to hide none."""
    width = max(1, round(max(image.size) / _LINE))
    value = inside[None, None].float()
    ring = (F.max_pool2d(value, 2 * width + 1, 1, width) - value)[0, 0] > 0
    pixels = np.array(image.convert("RGB"))
    pixels[ring.numpy()] = [round(255 * part) for part in to_rgb(GREEN)]
    return Image.fromarray(pixels)


def color_bar(low: str = "0: hidden", high: str = "1: shown", *, width_px: int = 208) -> str:
    """The colours of every mask and map from 0 to 1, as SVG, with what the two ends mean."""
    steps = 32
    cells = "".join(
        f'<rect x="{width_px * step / steps:.1f}" y="0" width="{width_px / steps + 0.5:.1f}" height="8"'
        f' fill="{_hex(_SHADES(step / (steps - 1)))}"/>'
        for step in range(steps)
    )
    said = clean(f"colour scale, black: {low}; light yellow: {high}")
    words = f'<text x="0" y="22">{clean(low)}</text><text x="{width_px}" y="22" text-anchor="end">{clean(high)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} 26" width="{width_px}" height="26" role="img"'
        f' aria-label="{said}" font-family="sans-serif" font-size="12" fill="{INK}">{cells}{words}</svg>'
    )


def _hex(color: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color[:3])


def overview(result: Reproduction) -> bytes:
    """Four images of a run with label, verdict, attributes and reasons in words, as a PNG of 1400 x 700 pixels."""
    spec = result.models[result.recipe].spec
    with styled():
        figure = Figure(figsize=(14, 7), dpi=100, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 1400), ylim=(700, 0))  # pixels, from the top left
        axes.axis("off")
        for index, case in enumerate(_telling(result.evaluations[result.recipe].shown)):
            _card(axes, case, spec, 14 + index % 2 * 693, 14 + index // 2 * 343)
        file = BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _telling(shown: Sequence[Shown], most: int = 4) -> list[Shown]:
    """A few cases that tell most: what is right and accepted, wrong and questioned, unknown and questioned."""

    def kind(case: Shown) -> tuple[bool, bool, bool]:
        asked = case.decision.verdict is not None and case.decision.verdict.outcome == "questioned"
        return case.truth is None, case.truth == case.decision.label, asked

    wanted = [(False, True, False), (False, False, True), (False, False, True), (True, False, True)]
    chosen: list[int] = []
    for want in wanted:
        found = [index for index, case in enumerate(shown) if kind(case) == want and index not in chosen]
        chosen += found[-1:] if want[0] else found[:1]  # of unknown images the user's own, which come last
    chosen += [index for index in range(len(shown)) if index not in chosen]
    return [shown[index] for index in chosen[:most]]


def _card(axes: Axes, case: Shown, spec: DataSpec, left: int, top: int) -> None:
    """One case on a card of 679 x 329 pixels."""
    decision, verdict = case.decision, case.decision.verdict
    frame = FancyBboxPatch(
        (left, top), 679, 329, boxstyle="round,pad=0,rounding_size=8", facecolor="white", edgecolor=RULE
    )
    axes.add_patch(frame)

    def write(x: int, y: int, text: str, size_px: int = 15, **look: Any) -> None:
        axes.text(left + x, top + y, text, fontsize=0.72 * size_px, va="center", **look)

    probability = decision.probabilities[decision.label]
    truth = {None: "none of the classes", decision.label: "rightly"}.get(case.truth, f"truly {case.truth}")
    write(22, 34, short(decision.label, 24), 20, weight="bold")
    write(22, 62, f"{percent(probability)}, {short(truth, 36)}", color=GREY)
    if verdict is not None:
        color = RED if verdict.outcome == "questioned" else GREEN
        pill = {"boxstyle": "round,pad=0.42,rounding_size=1", "facecolor": "white", "edgecolor": color}
        write(644, 34, verdict.outcome, 15, ha="right", color=color, weight="bold", bbox=pill)
    pixels = case.image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    how = "nearest" if max(pixels.shape[:2]) <= CRISP_PX else "antialiased"
    extent = (left + 22, left + 160, top + 222, top + 84)
    image = axes.imshow(
        np.broadcast_to(pixels, (*pixels.shape[:2], 3)), extent=extent, aspect="auto", interpolation=how
    )
    image.set_zorder(1)
    axes.add_patch(Rectangle((left + 22, top + 84), 138, 138, facecolor="none", edgecolor=RULE, zorder=2))
    match decision.explanations[0]:
        case AttributeScores():
            _bars_of(axes, write, decision.explanations[0], spec, decision.label, left, top)
        case SaliencyMask():
            _mask_of(axes, write, case.image, decision.explanations[0], left, top)
        case _:
            raise TypeError(decision.explanations)
    for number, reason in enumerate(verdict.reasons[:3] if verdict else ()):
        agrees = reason.code in AGREE
        write(22, 248 + 26 * number, "+" if agrees else "\u2013", 16, color=GREEN if agrees else RED, weight="bold")
        write(40, 248 + 26 * number, short(reason_text(reason, decision.label), 92), 14)


def _bars_of(
    axes: Axes, write: Callable[..., None], explanans: AttributeScores, spec: DataSpec, label: str, left: int, top: int
) -> None:
    """The five attributes of a card that tell most."""
    write(652, 69, "bar: attribute seen; tick: asked for by the class", 12, ha="right", color=GREY)
    for number, row in enumerate(attribute_rows(explanans, spec, label, 5)):
        y = 96 + 29 * number
        write(392, y, short(plain(row.label), 28), ha="right")
        for width, color in ((200, PALE), (200 * row.value, COLORS[row.role])):
            axes.add_patch(Rectangle((left + 406, top + y - 6), width, 12, facecolor=color))
        axes.add_patch(Rectangle((left + 405 + 200 * (row.mark or 0), top + y - 9), 2, 18, facecolor=INK))
        write(652, y, f"{row.value:.2f}", ha="right")


def _mask_of(
    axes: Axes, write: Callable[..., None], image: Tensor, explanans: SaliencyMask, left: int, top: int
) -> None:
    """The mask of a card over its image, with its colours beside it."""
    write(652, 69, "bright: shown to the classifier; dark: hidden", 12, ha="right", color=GREY)
    mask = explanans.values()
    how = "nearest" if max(image.shape[1:]) <= CRISP_PX else "antialiased"
    extent = (left + 190, left + 328, top + 222, top + 84)
    axes.imshow(np.asarray(overlay(image, mask)), extent=extent, aspect="auto", interpolation=how).set_zorder(1)
    axes.add_patch(Rectangle((left + 190, top + 84), 138, 138, facecolor="none", edgecolor=RULE, zorder=2))
    write(360, 110, f"The mask is {percent(float(mask.mean()))} on average.")
    shades = np.linspace(0, 1, 64)[None]
    axes.imshow(_SHADES(shades), extent=(left + 360, left + 652, top + 170, top + 154), aspect="auto").set_zorder(1)
    write(360, 186, "0: hidden", 12, color=GREY)
    write(652, 186, "1: shown", 12, ha="right", color=GREY)
