"""Models whose answer is known, pictures that they read, and what a test asks of blocks."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from antehoc.blocks import Block, Note, Section, Strong, Table
from antehoc.calibration import Policy
from antehoc.data.examples import Files
from antehoc.data.preprocessing import Preprocessing
from antehoc.doubts.certainty import maximum_softmax
from antehoc.explanations import AttributeScores
from antehoc.model import Model
from antehoc.systems import Mirror, System
from antehoc.types import Card, DataSpec

SIDE = 24
SIZE = Preprocessing(3, SIDE, SIDE)
Read = Callable[[torch.Tensor], torch.Tensor]


@dataclasses.dataclass
class Decided:
    logits: torch.Tensor
    image: torch.Tensor


class Wired(System):
    """A system whose logits and attribute probabilities are given functions of the image."""

    weights: ClassVar = {}
    card: ClassVar[Card] = Mirror.card

    def __init__(self, spec: DataSpec, logits: Read, seen: Read | None) -> None:
        super().__init__()
        self.spec, self._logits, self._seen, self.place = spec, logits, seen, nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return Decided(self._logits(image), image)

    def columns(self, output):
        return {"attributes": self._seen(output.image)} if self._seen else {}

    def doubts(self, output):
        return {"softmax": maximum_softmax("single-label", output.logits)}

    def explain(self, output):
        return [(AttributeScores(self.spec.attributes, tuple(row)),) for row in self._seen(output.image).tolist()]

    def loss_terms(self, output, batch):
        return {}

    def scores(self, output, batch):
        return {}


OWN = ((1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0))
NAMES = ("has_bill_shape::hooked", "has_wing_pattern::striped", "has_primary_color::red")
SPEC = DataSpec(("auk", "coot", "dove"), 3, SIDE, SIDE, NAMES, OWN)
POLICY = Policy("doubt", ("doubt",), (), (1.0,), 0.0, 0.1, 0.1, "expected", 0, 0, 0)
TRUE, DECIDED = [0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 0]


def wired(logits: Read, seen: Read | None, spec: DataSpec = SPEC, policy: Policy | None = None) -> Model:
    return Model(Wired(spec, logits, seen), {"name": "wired"}, SIZE, policy)


def files(folder, pictures: np.ndarray, labels: list[int], **more) -> Files:
    """Pictures (n, SIDE, SIDE, 3) written as PNG: they pass the preprocessing bit for bit."""
    paths = [folder / f"{number}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture.astype(np.uint8)).save(path)
    labels = torch.tensor(labels)
    more.setdefault("attributes", torch.tensor(OWN)[labels])
    return Files(paths, SIZE, labels, **more)


def codes(*channels: list[int]) -> np.ndarray:
    """Plain pictures whose channels hold numbers; a `Wired` reads them back with `number`."""
    return np.stack(channels, 1)[:, None, None, :].repeat(SIDE, 1).repeat(SIDE, 2)


def number(image: torch.Tensor, channel: int) -> torch.Tensor:
    return (image[:, channel, 0, 0] * 255).round().long()


def decide_by(channel: int, sure: float = 50.0) -> Read:
    return lambda image: sure * nn.functional.one_hot(number(image, channel) % 3, 3).float()


def first_pixel(image: torch.Tensor) -> torch.Tensor:
    return image[:, :, 0, 0]


BLUE = [250, 220, 190, 160, 130, 100]


def a_bird(folder, without_bill: tuple[int, ...] = ()) -> Files:
    """Blue at the bill and the wings, black elsewhere; each image has its own blue and its own place of the bill."""
    pictures = np.zeros((6, SIDE, SIDE, 3))
    parts = torch.tensor([[(3 + index, 5, 1), (18, 16, 1), (16, 18, 1)] for index in range(6)]).float()
    for picture, places, blue in zip(pictures, parts.long().tolist(), BLUE, strict=True):
        for x, y, _ in places:
            picture[y - 1 : y + 2, x - 1 : x + 2, 2] = blue
    parts[list(without_bill), 0] = 0
    boxes = torch.tensor([[0.0, 0.0, SIDE, SIDE]]).repeat(6, 1)
    names = ("beak", "left wing", "right wing")
    return files(folder, pictures, [0] * 6, boxes=boxes, parts=parts, part_names=names)


def flat(blocks: Iterable[Block]) -> list[Block]:
    """All blocks, those of sections among them."""
    found: list[Block] = []
    for block in blocks:
        found += [block, *flat(block.blocks)] if isinstance(block, Section) else [block]
    return found


def tables(blocks: Iterable[Block]) -> list[Table]:
    return [block for block in flat(blocks) if isinstance(block, Table)]


def said(blocks: Iterable[Block]) -> str:
    return "\n".join(block.text for block in flat(blocks) if isinstance(block, Note))


def rows_of(*given: Table) -> dict[str, list[Any]]:
    """The cells of each row by its name, the first of a name; what is set off is kept as `Strong`."""
    found: dict[str, list[Any]] = {}
    for table in given:
        for name, *cells in table.rows:
            found.setdefault(name.text if isinstance(name, Strong) else str(name), cells)
    return found
