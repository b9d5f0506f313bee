"""Does a model go by shape or by texture, and did its network before it was trained on cue-conflict stimuli?"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from antehoc.data.examples import Examples
from antehoc.data.sets.cue_conflict import Stimuli, stimuli
from antehoc.errors import DataError, RecipeError
from antehoc.evaluation import score
from antehoc.metrics import shape_bias
from antehoc.model import Model
from antehoc.nn.rows import whole_network
from antehoc.studies import Finding

_AT_ONCE = 32
_IMAGENET = 1000
_TRAINED = (
    "Training by shape labels alone moves a classifier towards shape, with or without a mask. What gating adds shows "
    "beside the variant `plain`, the same classifier without a mask, trained as long. Slides show masks on such "
    "stimuli and no share; of so few images a difference inside the intervals says nothing for or against them."
)
_PRETRAINED = (
    "This is the network of ImageNet's 1000 classes, before it saw a stimulus: where training begins, and no measure "
    "of what a mask does."
)


@dataclass(frozen=True)
class Bias:
    """How often one classifier goes by shape on cue conflicts, shares in 0..1."""

    images: int  #: cue conflicts
    decided: int  #: those that are given the class of their shape or of their texture
    shape_bias: float | None  #: share of these that go by shape; None for none
    interval: tuple[float, float] | None  #: 95 %, Wilson
    accuracy_shape: float  #: share of all that are given the class of their shape
    accuracy_texture: float  #: share of all that are given the class of their texture

    def words(self) -> str:
        """One line for a report."""
        if self.shape_bias is None or self.interval is None:
            return f"none of {self.images} stimuli is given the class of its shape or of its texture."
        return (
            f"{self.decided} of {self.images} stimuli are given the class of their shape or of their texture, "
            f"{self.shape_bias:.3f} of these by shape ({self.interval[0]:.3f} to {self.interval[1]:.3f}); of all, "
            f"{self.accuracy_shape:.3f} by shape and {self.accuracy_texture:.3f} by texture."
        )


@dataclass(frozen=True)
class Biases(Finding):
    """Shape biases by the name of their figure, and what they mean."""

    rows: dict[str, Bias]
    means: str
    mask_area: float | None = None  #: mean of the masks, where the model draws any

    def figures(self) -> dict[str, float | None]:
        """Each share, and of how many images it is."""
        found = {name: row.shape_bias for name, row in self.rows.items()}
        counts = {f"{name}_decided": float(row.decided) for name, row in self.rows.items()}
        return {**found, **counts, **({} if self.mask_area is None else {"mask_area": self.mask_area})}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """The interval of each share that is defined."""
        return {name: row.interval for name, row in self.rows.items() if row.interval is not None}

    def summary(self) -> str:
        """A few lines for a report."""
        masks = [] if self.mask_area is None else [f"Mean of the masks: {self.mask_area:.3f}."]
        return "\n".join([*(f"{name}: {row.words()}" for name, row in self.rows.items()), *masks, self.means])


def bias(predicted: Tensor, images: Stimuli) -> Bias:
    """The shape bias of decisions (n,) on as many stimuli."""
    found = shape_bias.shape_bias(predicted, images.shapes, images.textures)
    share, low, high = found.shape_bias
    undefined = math.isnan(share)
    return Bias(
        images=int((images.shapes != images.textures).sum()),
        decided=found.decided,
        shape_bias=None if undefined else share,
        interval=None if undefined else (low, high),
        accuracy_shape=found.accuracy_shape,
        accuracy_texture=found.accuracy_texture,
    )


def of_model(model: Model, test: Examples) -> Biases:
    """The shape bias of a model that was trained on cue-conflict stimuli, and how much its masks show.

    Raises:
        DataError: where the data are no cue-conflict stimuli.
    """
    images, scored = _stimuli(test), score(model.system, test)
    area = float(scored.columns["mask_area"].mean()) if "mask_area" in scored.columns else None
    return Biases({"shape_bias": bias(scored.predicted, images)}, _TRAINED, area)


@torch.no_grad()
def of_pretrained(model: Model, test: Examples, path: str) -> Biases:
    """The shape bias of a model's network as its weights came, on the test stimuli and on all of them.

    Images have the size that the network was pretrained on, whatever the model's is.

    Args:
        model: one whose `classifier` is a network of timm that began from weights.
        test: stimuli of the test role.
        path: where all of them lie, as the data set was given it.
    Raises:
        DataError: where the data are no cue-conflict stimuli.
        RecipeError: where the model's network began from no weights, or from those of other classes than ImageNet's.
    """
    tested, given = _stimuli(test), dict(model.arguments.get("backbone") or {})
    if not given.get("weights"):
        raise RecipeError("studies: `pretrained_shape_bias` needs weights that training begins from; give --weights.")
    network, size = whole_network(given["name"], weights=given["weights"], options=given.get("options") or {})
    images = stimuli(path, size=size, fit=model.preprocessing.fit)
    parts = []
    for start in range(0, len(images), _AT_ONCE):
        logits = network(images.images(range(start, min(start + _AT_ONCE, len(images)))))
        if logits.shape[1] != _IMAGENET:
            raise RecipeError(
                f"studies: `pretrained_shape_bias` needs a network of ImageNet's {_IMAGENET} classes; "
                f"{given['name']!r} has {logits.shape[1]}."
            )
        parts.append(shape_bias.sixteen(logits).argmax(1))
    predicted, place = torch.cat(parts), {name: row for row, name in enumerate(map(str, images.paths))}
    rows = [place[name] for name in map(str, tested.paths)]
    of_test, of_all = bias(predicted[rows], tested), bias(predicted, images)
    return Biases({"pretrained_shape_bias": of_test, "pretrained_shape_bias_all": of_all}, _PRETRAINED)


def _stimuli(test: Examples) -> Stimuli:
    if not isinstance(test, Stimuli):
        raise DataError("studies: `shape_bias` needs cue-conflict stimuli, whose names tell shape and texture.")
    return test
