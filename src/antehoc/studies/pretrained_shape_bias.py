"""Pretrained shape bias: did a model's network go by shape before it was trained on cue-conflict stimuli?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from antehoc import task
from antehoc.data import Source
from antehoc.data.examples import Examples
from antehoc.data.sets.cue_conflict import Stimuli
from antehoc.errors import RecipeError
from antehoc.metrics import shape_bias
from antehoc.model import Model
from antehoc.nn.rows import whole_network
from antehoc.studies.shape_bias import Biases, Measured, bias, stimuli_of
from antehoc.systems.settings import BackboneSettings

_AT_ONCE = 32  # images
_IMAGENET = 1000  # classes
_PRETRAINED = (
    "This is the network with ImageNet's 1000 classes, before it saw a stimulus. It says where training begins, and "
    "not what a mask does."
)


@dataclass(frozen=True)
class PretrainedBias(Biases):
    """The shape bias of a network as its weights came."""

    title: ClassVar[str] = "Did the network go by shape before it was trained?"
    measured: ClassVar[Mapping[str, Measured]] = {
        "pretrained_shape_bias": Measured(
            "test stimuli",
            "of the cue conflicts decided by shape or by texture, those decided by shape: the network of ImageNet's"
            " 1000 classes that training began from",
            "cue conflicts decided by shape or by texture by the network that training began from",
        ),
        "pretrained_shape_bias_all": Measured(
            "all stimuli",
            "the same for that network on all stimuli",
            "those of all stimuli decided so by that network",
        ),
    }


def run(model: Model, source: Source, *, seed: int) -> PretrainedBias:
    """`of_pretrained` on the test images of a data set and on all of it.

    Args:
        model: one whose `backbone` is a network of timm that began from weights.
        source: cue-conflict stimuli.
        seed: changes nothing: all stimuli are looked at.
    Raises:
        DataError: where the data are no cue-conflict stimuli.
        RecipeError: where the model's network began from no weights, or from those of other classes than ImageNet's.
    """
    return of_pretrained(model, source.roles["test"])


@torch.no_grad()
def of_pretrained(model: Model, test: Examples) -> PretrainedBias:
    """The shape bias of a model's network as its weights came, on the test stimuli and on all of them.

    Images have the size that the network was pretrained on, not that of the model.

    Args:
        model: one whose `backbone` is a network of timm that began from weights.
        test: stimuli of the test role.
    Raises:
        DataError: where the data are no cue-conflict stimuli.
        RecipeError: where the model's network began from no weights, or from those of other classes than ImageNet's.
    """
    tested, given = stimuli_of(test), _backbone(model)
    if not given.weights:
        raise RecipeError("studies: `pretrained_shape_bias` needs weights that training begins from; give --weights.")
    network, size = whole_network(given.name, weights=given.weights, options=given.options)
    images = tested.everything(size=size, fit=model.preprocessing.fit)
    predicted = _predicted(network, images, given.name)
    place = {name: row for row, name in enumerate(map(str, images.paths))}
    rows = [place[name] for name in map(str, tested.paths)]
    of_test, of_all = bias(predicted[rows], tested), bias(predicted, images)
    return PretrainedBias({"pretrained_shape_bias": of_test, "pretrained_shape_bias_all": of_all}, _PRETRAINED)


def _backbone(model: Model) -> BackboneSettings:
    """The network that the model's own began from, as the model records it: settings, plain values or a name."""
    given = model.arguments.get("backbone", "small")
    return BackboneSettings(**given) if isinstance(given, Mapping) else BackboneSettings.of(given)


def _predicted(network: torch.nn.Module, images: Stimuli, name: str) -> torch.Tensor:
    """(n,) which of the stimuli's 16 classes a network of ImageNet's classes predicts."""
    parts = []
    for start in range(0, len(images), _AT_ONCE):
        logits = network(images.images(range(start, min(start + _AT_ONCE, len(images)))))
        if logits.shape[1] != _IMAGENET:
            raise RecipeError(
                f"studies: `pretrained_shape_bias` needs a network of ImageNet's {_IMAGENET} classes; {name!r} has "
                f"{logits.shape[1]}."
            )
        parts.append(task.strongest(shape_bias.sixteen(logits)))
    return torch.cat(parts)
