"""What a report shows, as plain data: notes, tables, charts, pictures and sections of them.

Evaluations, studies and explanations make blocks; `antehoc.report` turns any block into text, HTML or JSON and knows
nothing of what made it. Text in blocks is plain text: the renderer escapes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Strong:
    """A cell or a part of a note that is set off: the better of two values, say."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A raster image."""

    image: Image.Image
    alt: str  #: what it shows, for a person who does not see it
    caption: str = ""
    size: Literal["small", "large"] = "large"

    @staticmethod
    def of(image: Tensor, alt: str, *, size: Literal["small", "large"] = "large") -> "Picture":
        """From an image (C, H, W) in 0..1."""
        pixels = (image.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        return Picture(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), alt, size=size)


@dataclass(frozen=True)
class Overlay:
    """A map of values in 0..1 over its image, in the one color scale of all maps."""

    values: Tensor  #: (H, W) in 0..1
    alt: str  #: what it shows, for a person who does not see it
    image: Tensor | Image.Image | None = None  #: (C, H, W) in 0..1, or a picture; None: the map stands alone
    outline: Tensor | None = None  #: (H, W) bool: an object to draw a line around
    low: str = "0"  #: what 0 means
    high: str = "1"  #: what 1 means
    caption: str = ""
    size: Literal["small", "large"] = "large"


@dataclass(frozen=True)
class Code:
    """A cell that holds a name as a program writes it."""

    text: str


Cell = str | Strong | Code | Picture | Overlay


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: str
    kind: Literal["text", "aside", "headline"] = "text"  #: an aside explains how to read what stands beside it
    lead: str = ""  #: words in bold in front of it


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first column names the row. A row of a single cell is a heading for those after it."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    kind: Literal["numbers", "words", "pictures", "figures"] = "numbers"


@dataclass(frozen=True)
class Bar:
    """One row of `Bars`."""

    label: str
    value: float  #: 0..1
    mark: Literal["plain", "true", "seen", "odd"] = (
        "plain"  #: true class; attribute that fits the decided class, or not
    )
    note: str = ""
    bold: bool = False
    tick: float | None = None  #: a mark at this value: what is expected


@dataclass(frozen=True)
class Bars:
    """Horizontal bars of values in 0..1."""

    rows: tuple[Bar, ...]
    description: str  #: for a person who does not see it
    left_out: int = 0  #: rows that are not shown
    what: str = "more"  #: what those are called


@dataclass(frozen=True)
class Lines:
    """Curves over a common axis."""

    series: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]  #: x and y by name
    x: str
    y: str
    title: str = ""
    caption: str = ""
    solid: tuple[str, ...] = ()  #: series to draw in front, the others thin and without a name; empty for all alike
    dashed: tuple[str, ...] = ()  #: series to compare with, such as chance: named, dashed and black
    x_percent: bool = False  #: whether x holds shares in 0..1, to be written in percent
    y_percent: bool = False  #: the same for y


@dataclass(frozen=True)
class Strips:
    """How the values of each set are spread, one strip for each set, and a threshold."""

    sets: Mapping[str, tuple[float, ...]]
    threshold: float | None
    x: str
    caption: str = ""
    above: str = "above"  #: what values above the threshold are called


@dataclass(frozen=True)
class Histogram:
    """How often values occur, beside a reference line and their mean."""

    values: tuple[float, ...]
    line: float
    line_name: str
    x: str
    caption: str = ""
    y: str = "count"  #: what is counted
    percent: bool = False  #: whether the values are shares in 0..1, to be written in percent


@dataclass(frozen=True)
class Matrix:
    """Counts with named rows (predicted) and columns (true)."""

    counts: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    caption: str = ""


Chart = Bars | Lines | Strips | Histogram | Matrix


@dataclass(frozen=True)
class Panels:
    """Sections side by side, such as an image, its classes and its explanation."""

    panels: tuple["Section", ...]


@dataclass(frozen=True)
class Section:
    """Blocks under a title."""

    title: str
    blocks: tuple["Block", ...]
    folded: bool = False  #: shown only when asked for, the title is then the summary


Block = Note | Table | Picture | Overlay | Bars | Lines | Strips | Histogram | Matrix | Panels | Section


@runtime_checkable
class Told(Protocol):
    """A result that a report can show as a whole."""

    def headline(self) -> str:
        """What was found, in a few sentences."""

    def blocks(self) -> Sequence[Section]:
        """All that a page shows of it."""

    def brief(self) -> Sequence[Block]:
        """What a terminal shows of it."""
