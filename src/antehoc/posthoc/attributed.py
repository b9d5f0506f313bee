"""What `attributions` gives: maps with the class that they explain, which show themselves."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from antehoc.blocks import Cell, Note, Overlay, Picture, Section, Table
from antehoc.display import Displayed
from antehoc.figure import percent
from antehoc.plain import finite
from antehoc.posthoc.checks import Passes

_SHOWN = 16  # images that a picture shows


@dataclass(frozen=True, eq=False)
class Attributions(Displayed):
    """Raw maps of one method for a batch, what they explain, what they cost, and whether they may be looked at."""

    maps: Tensor  #: (B, 1, H, W), higher = more relevant, in the method's own unit; never normalized
    target: Tensor  #: (B,) the class whose logit is explained
    valid: Tensor  #: (B,) bool
    checks: dict[str, Tensor]  #: (B,) by name
    why: tuple[str, ...]  #: for each image: what is wrong, in one sentence; empty where it is valid
    passes: Passes
    method: str
    options: dict[str, object]  #: with the defaults
    probability: Tensor  #: (B,) of the class that is explained, in 0..1; NaN where the logits are not finite
    decided: Tensor  #: (B,) the class with the highest logit
    images: Tensor  #: (B, C, H, W) in 0..1, which the maps lie over: resized and cropped as the classifier takes them
    classes: tuple[str, ...] = ()  #: names of all classes, if they were given
    notes: tuple[str, ...] = ()  #: what else should be known, a sentence each

    @property
    def labels(self) -> tuple[str, ...]:
        """The class that is explained, for each image: its name, or `class 3` where names were not given."""
        return tuple(self._name(number) for number in self.target.tolist())

    def headline(self) -> str:
        """What was explained, by what, and how many maps are valid."""
        count, valid = len(self.maps), int(self.valid.sum())
        images = "1 image" if count == 1 else f"{count:,} images"
        of = ", ".join(self._explained(index) for index in range(min(count, 3)))
        more = f" and {count - 3} more" if count > 3 else ""
        first = next((why for why in self.why if why), "")
        said = "all maps are valid." if valid == count else f"{valid} of {count} maps are valid: {first}"
        return f"{self.method} on {images}; explained: {of}{more}; {said}"

    def blocks(self) -> list[Section]:
        """Each image beside its map, with the class that is explained; the notes below."""
        rows = tuple(self._row(index) for index in range(min(len(self.maps), _SHOWN)))
        table = Table(("explained", "image", "map"), rows, kind="pictures")
        more = [Note(f"and {len(self.maps) - _SHOWN} more images", "aside")] if len(self.maps) > _SHOWN else []
        said = "The positive part of each map is divided by its own largest value; what is negative is drawn as 0."
        return [Section("", (table, *more, Note(said, "aside"), *(Note(note, "aside") for note in self.notes)))]

    def brief(self) -> list[Note]:
        """The headline and the notes."""
        return [Note(self.headline()), *(Note(note) for note in self.notes)]

    def records(self) -> list[dict[str, Any]]:
        """A row for each image: its class, probability, validity and checks; no map."""
        return [
            {
                "method": self.method,
                "target": int(self.target[index]),
                "label": self.labels[index],
                "probability": float(self.probability[index]),
                "decided": int(self.decided[index]),
                "valid": bool(self.valid[index]),
                "why": self.why[index],
                **{f"check: {name}": float(values[index]) for name, values in self.checks.items()},
            }
            for index in range(len(self.maps))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, null for NaN; maps and images are left out."""
        return {
            "method": self.method,
            "options": dict(self.options),
            "passes": self.passes._asdict(),
            "notes": list(self.notes),
            "images": [finite(row) for row in self.records()],
        }

    def _name(self, number: int) -> str:
        return self.classes[number] if self.classes else f"class {number}"

    def _explained(self, index: int) -> str:
        """The class that is explained by number, its name if known, and its probability."""
        number, share = int(self.target[index]), float(self.probability[index])
        name = f"class {number} {self.classes[number]!r}" if self.classes else f"class {number}"
        return f"{name} ({'-' if math.isnan(share) else percent(share)})"

    def _row(self, index: int) -> tuple[Cell, ...]:
        label, said = self.labels[index], self._explained(index)
        decided = int(self.decided[index])
        if decided != int(self.target[index]):
            said += f"; decided: {self._name(decided)}"
        picture = Picture.of(self.images[index].nan_to_num(0), f"image {index + 1}", size="small")
        if not self.valid[index]:
            return said, picture, f"invalid: {self.why[index]}"
        alt = f"map by {self.method} of {label} over image {index + 1}"
        values = _scaled(self.maps[index, 0])
        return said, picture, Overlay(values, alt, self.images[index], low="0: not relevant", high="1: most relevant")


def _scaled(values: Tensor) -> Tensor:
    """The positive part (H, W) divided by its own largest value."""
    positive = values.detach().cpu().clamp(min=0)
    return positive / positive.max().clamp(min=torch.finfo(positive.dtype).tiny)
