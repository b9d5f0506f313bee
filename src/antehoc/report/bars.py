"""Horizontal bars over 0..1 as SVG, each under its name, with text in the color of the text around them."""

from antehoc.blocks import Bar, Bars
from antehoc.data.images import shown
from antehoc.figure import number
from antehoc.report.look import BLUE, GREEN, GREY, RED, clean

COLORS: dict[str, str] = {"plain": GREY, "seen": BLUE, "true": GREEN, "odd": RED}  #: of a bar, by its mark
_WIDTH_PX = 208


def bars(block: Bars, width_px: int = _WIDTH_PX) -> str:
    """The bars from top to bottom; below them how many are not shown."""
    lines = [_bar(row, 32 * index, width_px) for index, row in enumerate(block.rows)]
    height = 32 * len(block.rows)
    if block.left_out:
        said = f"and {block.left_out} {block.what}" + (" more" if block.what != "more" else "")
        lines.append(
            f'<text x="0" y="{height + 12}" fill="currentColor" fill-opacity="0.65" font-size="11">{clean(said)}</text>'
        )
        height += 18
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {max(height, 1)}" width="{width_px}"'
        f' height="{max(height, 1)}" role="img" aria-label="{clean(block.description)}" font-family="sans-serif">'
        f"{''.join(lines)}</svg>"
    )


def _bar(row: Bar, top: int, width: int) -> str:
    name = _name(row, width)
    weight = ' font-weight="600"' if row.bold else ""
    value = _inside(row.value)
    color = COLORS[row.mark]
    tick = ""
    if row.tick is not None:
        x = f"{_inside(row.tick) * (width - 2):.1f}"
        tick = f'<rect x="{x}" y="{top + 14}" width="2" height="12" fill="currentColor"/>'
    written = number(row.value, "probability")
    right = f'x="{width}" y="{top + 11}" text-anchor="end"'
    return (
        f"<g><title>{clean(f'{row.label} {number(row.value)}')}</title>"
        f'<text x="0" y="{top + 11}" font-size="12"{weight} fill="currentColor">'
        f'{name}<tspan fill="{color}" font-weight="600">{clean(row.note)}</tspan></text>'
        f'<text {right} font-size="12"{weight} fill="currentColor">{written}</text>'
        f'<rect x="0" y="{top + 16}" width="{width}" height="8" rx="1.5" fill="currentColor" opacity="0.1"/>'
        f'<rect x="0" y="{top + 16}" width="{value * width:.1f}" height="8" rx="1.5" fill="{color}"/>{tick}</g>'
    )


def _name(row: Bar, width: int) -> str:
    """The label, cut where it would run into the note or the value."""
    room = int((width - 34) / 7) - len(row.note)  # pixels a letter, bold ones and wide fonts among them
    name = shown(row.label)
    return clean(name if len(name) <= room else name[: max(room - 1, 1)].rstrip() + "…")


def _inside(value: float) -> float:
    return min(max(value, 0.0), 1.0) if value == value else 0.0
