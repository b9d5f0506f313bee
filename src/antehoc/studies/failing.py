"""Images on which a model may fail: clean and corrupted test images, and images of no known class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from antehoc.data import Examples, Source
from antehoc.data.corruptions import corrupt
from antehoc.data.examples import Tensors
from antehoc.errors import DataError
from antehoc.evaluation import Scored, score
from antehoc.rivals import Rows
from antehoc.seeds import mix
from antehoc.systems import System

CLEAN, CORRUPTED, UNKNOWN, TOGETHER = "clean", "corrupted", "unknown", "together"
_AT_ONCE = 64  # images that are fetched together


class Part(NamedTuple):
    """Images of one kind that are scored together."""

    kind: str
    what: str  #: the corruption with its strength, or the name of the unknown set
    examples: Examples
    unit: Tensor  #: (n,) number of the image that each was made of: a bootstrap draws these


class Kind(NamedTuple):
    """One kind of failure: the decisions that are looked at, and which of them are failures."""

    rows: Tensor  #: (m,) numbers of the decisions
    failed: Tensor  #: (m,) bool


@dataclass(frozen=True)
class Pool:
    """All decisions of the study, part by part: clean images first, then corrupted and unknown ones."""

    parts: tuple[Part, ...]
    tests: int  #: test images: the first so many units
    units: int  #: test images and unknown ones

    @property
    def unit(self) -> Tensor:
        """(rows,) the image that each decision is about."""
        return torch.cat([part.unit for part in self.parts])

    def of_kind(self, kind: str) -> Tensor:
        """(rows,) bool."""
        return torch.cat([torch.full((len(part.examples),), part.kind == kind) for part in self.parts])

    def kinds(self, wrong: Tensor) -> dict[str, Kind]:
        """The decisions of each kind of failure, and all together.

        Args:
            wrong: (rows,) whether the decision is wrong; what it says of unknown images is not read.
        """
        clean, unknown = self.of_kind(CLEAN), self.of_kind(UNKNOWN)
        failed = wrong | unknown
        looked = {
            CLEAN: clean,
            CORRUPTED: self.of_kind(CORRUPTED),
            UNKNOWN: unknown | (clean & ~wrong),
            TOGETHER: torch.ones_like(clean),
        }
        return {name: Kind(rows.nonzero()[:, 0], failed[rows]) for name, rows in looked.items()}

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, rows) how often each draw holds each decision.

        Images are drawn, test and unknown ones apart, as many as there are: all corruptions of an image share its fate,
        and the mixture stays.
        """
        sizes = (self.tests, self.units - self.tests)
        drawn = [
            torch.zeros(count, size, dtype=torch.int16).scatter_add_(
                1,
                torch.randint(max(size, 1), (count, size), generator=generator),
                torch.ones(count, size, dtype=torch.int16),
            )
            for size in sizes
        ]
        return torch.cat(drawn, 1)[:, self.unit]


def pool(
    source: Source,
    unknown: Mapping[str, Examples],
    *,
    images: int,
    corruptions: Sequence[str],
    strengths: Sequence[int],
    seed: int,
) -> Pool:
    """The images of the study.

    Args:
        source: with test images.
        unknown: sets of no known class. Altered test images, whose class is known, are left out.
        images: so many test images are corrupted, at most.
        corruptions: names in `antehoc.data.corruptions.CORRUPTIONS`.
        strengths: in 1..5.
        seed: of which images are corrupted, and of the noise.
    Raises:
        DataError: there is no test image.
    """
    test = source.roles["test"]
    if not len(test):
        raise DataError("studies: `failures` needs test images, and there are none.")
    drawn = torch.randperm(len(test), generator=torch.Generator().manual_seed(mix(seed, 7)))[:images].sort().values
    parts = [Part(CLEAN, "", test, torch.arange(len(test)))]
    if corruptions and strengths:
        rows = drawn.tolist()
        fetched = [test.images(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)]
        image = torch.cat([(one * 255).round().byte() for one in fetched])
        parts += [
            Part(CORRUPTED, f"{name} {strength}", _corrupted(image, test, drawn, name, strength, seed), drawn)
            for name in corruptions
            for strength in strengths
        ]
    units = len(test)
    for name, examples in unknown.items():
        if not examples.labels_known:
            parts.append(Part(UNKNOWN, name, examples, torch.arange(units, units + len(examples))))
            units += len(examples)
    return Pool(tuple(parts), len(test), units)


def _corrupted(image: Tensor, test: Examples, drawn: Tensor, name: str, strength: int, seed: int) -> Examples:
    changed = corrupt(image, name, strength, seed=seed)
    return Tensors(changed, test.labels[drawn], test.attributes[drawn], names=f"{name} {strength}")


def scored_parts(system: System[Any], found: Pool) -> Scored:
    """All decisions of the pool, with `features` in the columns where the classifier has a dense layer."""
    each = [score(system, part.examples, features=True) for part in found.parts]
    return Scored(
        torch.cat([one.label for one in each]),
        torch.zeros(len(found.unit), 0),
        torch.cat([one.logits for one in each]),
        {name: torch.cat([one.doubts[name] for one in each]) for name in each[0].doubts},
        {name: torch.cat([one.columns[name] for one in each]) for name in each[0].columns if name == "features"},
        each[0].task,
    )


def rows_of(scored: Scored) -> Rows:
    """What a rival reads of scored images."""
    return Rows(scored.logits, scored.columns.get("features"), scored.label)
