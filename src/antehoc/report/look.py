"""The look of all pictures: one palette, one style, and matplotlib's SVG brought to what a page can hold."""

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from threading import Lock

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text

from antehoc.data.images import shown

INK, GREY, PALE, RULE = "#1b1f24", "#7d8790", "#e8ebee", "#c9ced3"
BLUE, GREEN, RED, ORANGE = "#0072b2", "#009e73", "#d55e00", "#e69f00"  # Okabe and Ito's, safe for the color-blind

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.fonttype": "none",  # text stays text: it takes the page's font and can be searched
    "svg.hashsalt": "antehoc",  # the same figure, the same bytes
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}
_LOCK = Lock()  # matplotlib's settings are the process's: one picture at a time


@contextmanager
def styled() -> Iterator[None]:
    """The style of all pictures, for what is drawn inside the `with` block only."""
    with _LOCK, matplotlib.rc_context(_STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        # a script that matplotlib's font lacks: in SVG the reader's own font writes it
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


@contextmanager
def drawing(width_in: float, height_in: float, description: str, key: str) -> Iterator[tuple[Figure, list[str]]]:
    """A figure to draw on; when the block ends, its SVG stands in the list.

    Args:
        width_in: of the figure.
        height_in: of the figure.
        description: for a person who does not see it.
        key: differs between the drawings of one page, so that the ids inside of them do.
    """
    out: list[str] = []
    with styled():
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        yield figure, out
        for text in figure.findobj(Text):  # names of files may hold what Matplotlib cannot encode
            text.set_text(text.get_text().encode("utf-8", "replace").decode())
        file = StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    out.append(_slim(file.getvalue(), description, key))


def _slim(svg: str, description: str, key: str) -> str:
    """Matplotlib's SVG without what a page must not hold twice: prolog, metadata, global style, ids of nothing."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"#([\w.-]+)[\")]", svg))
    own = hashlib.blake2b(f"{key} {description}{svg}".encode(errors="replace"), digest_size=4).hexdigest()
    svg = re.sub(r' id="([\w.-]+)"', lambda found: f' id="{own}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(url\(|href=")#([\w.-]+)', rf"\1#{own}-\2", svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{clean(description)}" stroke-linejoin="round"', 1)


def clean(text: str) -> str:
    """Text as markup holds it, in printable characters."""
    return escape(shown(text))


def short(text: str, most: int) -> str:
    """A name for a picture: printable, not too long."""
    text = shown(text)
    return text if len(text) <= most else text[: most - 1] + "…"
