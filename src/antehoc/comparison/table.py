"""The result of a comparison: plain data, which `sections` turns into what a report shows."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from torch import Tensor

from antehoc.blocks import Block, Section
from antehoc.display import Displayed
from antehoc.errors import choose
from antehoc.metrics import COMPARED, MEASURES
from antehoc.metrics.bootstrap import Interval
from antehoc.plain import finite

Kind = Literal["own", "post hoc", "control"]
OWN = "own mask"
RANKED = 0.5  #: a row takes part in ranks, and can be best, where at least this share of its maps is valid


@dataclass(frozen=True)
class Row:
    """One explanation: what was measured of its valid maps, and what it costs."""

    name: str
    kind: Kind
    values: dict[str, Interval]  #: by measure: mean over images, 95 % bootstrap interval; NaN where it has no answer
    valid: float  #: share of the maps that passed their checks, in 0..1
    why: str = ""  #: what is wrong with the first map that did not
    forward: float | None = None  #: images through the classifier for each that is explained
    backward: float | None = None
    milliseconds: float | None = None  #: for each image
    peak_mib: float | None = None  #: most that new tensors hold at once while one image is explained

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, null for NaN."""
        values = {
            name: None if math.isnan(one.estimate) else {"estimate": one.estimate, "interval": [one.low, one.high]}
            for name, one in self.values.items()
        }
        return {
            "name": self.name, "kind": self.kind, "values": values, "valid": self.valid, "why": self.why,
            "forward": self.forward, "backward": self.backward, "milliseconds": self.milliseconds,
            "peak_mib": self.peak_mib,
        }  # fmt: skip


class Rank(NamedTuple):
    """The place of a row by one measure, 1 the best, and the share of bootstrap draws in which it keeps it."""

    place: int
    kept: float


@dataclass(frozen=True)
class Sheet:
    """A few images with every map of them, for a picture."""

    image: Tensor  #: (n, C, H, W) in 0..1
    explained: tuple[str, ...]  #: the class that is explained, for each image
    mask: Tensor | None  #: (n, 1, H, W) bool
    maps: dict[str, tuple[Tensor | None, ...]]  #: raw (H, W) by row and image; None where invalid
    why: dict[str, tuple[str, ...]]  #: what is wrong, in one sentence; empty where a map is valid


@dataclass(frozen=True)
class Comparison(Displayed):
    """Every explanation of one classifier, measured on the same images."""

    rows: tuple[Row, ...]  #: own mask, post-hoc methods, controls
    curves: dict[str, dict[str, list[float]]]  #: mean probability by measure and row, over the steps
    ranks: dict[str, dict[str, Rank]]  #: by measure and row; controls take no place
    sheet: Sheet
    images: int
    with_object: int  #: images whose object's place is known
    notes: tuple[str, ...] = ()
    grid: dict[str, dict[str, float]] = field(default_factory=dict)  #: mean AOPC by `GRID` and row, if asked for

    def best(self, measure: str, kind: Kind = "post hoc") -> Row | None:
        """The row of a kind that is best by a measure; None where none has an answer.

        As for ranks, at least half of its maps must be valid: means over different images do not compare.
        """
        name = choose("measure", measure, {name: name for name in COMPARED})
        better = 1 if MEASURES[name].direction == "higher" else -1
        known = [
            row
            for row in self.rows
            if row.kind == kind and row.valid >= RANKED and not math.isnan(row.values[measure].estimate)
        ]
        return max(known, key=lambda row: better * row.values[measure].estimate, default=None)

    def headline(self) -> str:
        """How many images were compared, and which explanation is first most often."""
        from antehoc.comparison import sections  # which needs this class

        return sections.headline(self)

    def blocks(self, name: str = "") -> list[Section]:
        """All that a report shows of it; the name tells its charts from those of another comparison on the page."""
        from antehoc.comparison import sections

        return sections.sections(self, name)

    def brief(self) -> list[Block]:
        """What a terminal shows of it: one line for each explanation, and what was invalid."""
        from antehoc.comparison import sections

        return sections.brief(self)

    def records(self) -> list[dict[str, Any]]:
        """A row for each explanation: every measure with its 95 % interval, then what it costs."""
        return [
            {
                "name": row.name,
                "kind": row.kind,
                "valid": row.valid,
                **{
                    column: value
                    for name, one in row.values.items()
                    for column, value in ((name, one.estimate), (f"{name}_low", one.low), (f"{name}_high", one.high))
                },
                "forward": row.forward,
                "backward": row.backward,
                "milliseconds": row.milliseconds,
                "peak_mib": row.peak_mib,
                "why": row.why,
            }
            for row in self.rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, null for NaN and infinity: those of `to_plain`."""
        return dict(finite(self.to_plain()))

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, null for NaN; the sheet's images are left out."""
        measures = {name: MEASURES[name] for name in COMPARED}
        return {
            "images": self.images,
            "with_object": self.with_object,
            "measures": {
                name: {"group": measure.group, "direction": measure.direction, "says": measure.says}
                for name, measure in measures.items()
            },
            "rows": [row.to_plain() for row in self.rows],
            "ranks": {name: {row: rank._asdict() for row, rank in ranks.items()} for name, ranks in self.ranks.items()},
            "curves": self.curves,
            "notes": list(self.notes),
            **({"aopc_grid": self.grid} if self.grid else {}),
        }
