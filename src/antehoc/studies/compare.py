"""Compare: does a model's own mask explain better than post-hoc methods on the same classifier?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from antehoc.blocks import Block, Note
from antehoc.comparison import OWN, Comparison, Row, compare
from antehoc.comparison.sections import against
from antehoc.data import Source
from antehoc.data.examples import Examples
from antehoc.errors import DataError
from antehoc.figure import Figure, defined
from antehoc.metrics import MEASURES
from antehoc.model import Model
from antehoc.posthoc import METHODS
from antehoc.studies.base import Finding

MEANING = (
    "By each measure the post-hoc method that is best on these same images stands beside the mask. It could not have "
    "been named beforehand, so the comparison favors it. Overlapping intervals settle nothing, because both rows use "
    "the same images; "
    "the ranks say how often the order holds in other draws of them. The classifier learned to see images through "
    "masks; on another classifier, methods and masks may rank otherwise."
)
_GROUP = "Explanations"
_HALF = 0.5
_CHUNK = 64  # images that the classifier sees at once: small ones go faster so
_PLACED = ("pointing", "energy", "iou", "pompom")
_FALLS = ("aopc_coarse_blur", "aopc_fine_gray")
_SAYS: Mapping[str, str] = {
    "pointing": "maps whose highest value lies on the object",
    "energy": "share of the map that lies on the object",
    "iou": "overlap of map and object, at the threshold that is best on other images",
    "pompom": "share of what is not the object that the map shows at all",
    "aopc_coarse_blur": "AOPC, patches of 1/7 of the side blurred",
    "aopc_fine_gray": "AOPC, patches of 1/14 of the side made gray",
}


@dataclass(frozen=True)
class AgainstPosthoc(Finding):
    """The model's own mask beside the best post-hoc method by each measure."""

    comparison: Comparison = field(repr=False)  #: of the own mask, all methods and the controls

    title: ClassVar[str] = "Does the mask explain better than post-hoc methods?"

    @property
    def own(self) -> dict[str, float | None]:
        """The own mask's means over the images, by measure."""
        return {name: defined(self._own.values[name].estimate) for name in _SAYS}

    @property
    def best(self) -> dict[str, float | None]:
        """The same of the post-hoc method that is best by that measure; None where none has an answer."""
        return {name: defined(row.values[name].estimate) if row else None for name, row in self._best.items()}

    @property
    def best_name(self) -> dict[str, str]:
        """Its name, by measure."""
        return {name: row.name for name, row in self._best.items() if row}

    @property
    def _own(self) -> Row:
        return next(row for row in self.comparison.rows if row.name == OWN)

    @property
    def _best(self) -> dict[str, Row | None]:
        return {name: self.comparison.best(name) for name in _SAYS}

    def figures(self) -> list[Figure]:
        """AOPC of the own mask, all measures of the best methods, and the own mask's placement on the same images.

        The best method is chosen on these very images, and its interval does not account for that choice.
        """
        images = f": own mask on the {self.comparison.images} images of the comparison with post-hoc methods"
        own = [_figure(name, name, self._own, "") for name in _FALLS]
        best = [_figure(f"posthoc_{name}", name, row, ", the best post-hoc method") for name, row in self._best.items()]
        more = "is measured on more"
        fewer = [_figure(f"compared_{name}", name, self._own, f"{images} (`{name}` {more})") for name in _PLACED]
        return [*own, *best, *fewer]

    def blocks(self) -> list[Block]:
        return [
            Note(self.comparison.headline()),
            against(self.comparison, OWN, tuple(_SAYS)),
            Note(MEANING, "aside"),
            *self.comparison.blocks(),
        ]

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, the whole table under `table`; the sheet's images are left out."""
        table = self.comparison.to_plain()
        return {"own": self.own, "best": self.best, "best_name": self.best_name, "table": table}


def _figure(name: str, measure: str, row: Row | None, of: str) -> Figure:
    """A measure of a row; undefined where there is no row."""
    value = row.values[measure] if row else None
    interval = None if value is None or math.isnan(value.low) else (value.low, value.high)
    estimate = None if value is None else defined(value.estimate)
    direction = MEASURES[measure].direction
    return Figure(name, estimate, _SAYS[measure] + of, _GROUP, direction, interval, headline=True)


def run(
    model: Model, source: Source, *, seed: int, count: int = 50, methods: tuple[str, ...] = tuple(METHODS)
) -> AgainstPosthoc:
    """`against_posthoc` on the test images of a data set.

    Args:
        model: one that explains by masks.
        source: with object masks.
        seed: of the draw and of the methods.
        count: how many images, at most: some methods ask the classifier thousands of times for each.
        methods: names in `antehoc.posthoc.METHODS`.
    Raises:
        RecipeError: for an unknown method, or a count below 1.
        DataError: where the data have no object masks, or the model draws no masks.
    """
    return against_posthoc(model, source.roles["test"], count=count, seed=seed, methods=methods)


def against_posthoc(
    model: Model, test: Examples, *, count: int, seed: int, methods: tuple[str, ...] = tuple(METHODS)
) -> AgainstPosthoc:
    """Compare a model's masks with post-hoc methods on its own classifier, on images that hold an object.

    Args:
        model: one that explains by masks.
        test: images that chose nothing, with object masks.
        count: of the images.
        seed: of the draw and of the methods.
        methods: names in `antehoc.posthoc.METHODS`.
    Raises:
        RecipeError: for an unknown method, or a count below 1.
        DataError: where the data have no object masks, or the model draws no masks.
    """
    objects = test.object_masks(range(len(test)))
    if objects is None:
        raise DataError("studies: `compare` needs data with object masks.")
    positive = (objects > _HALF).flatten(1).any(1).nonzero()[:, 0].tolist()
    found = compare(model, test.select(positive), methods=methods, count=count, chunk=_CHUNK, seed=seed)
    if not any(row.name == OWN for row in found.rows):
        raise DataError("studies: `compare` needs a system that draws masks.")
    return AgainstPosthoc(found)
