"""A system run over images, and what an evaluation keeps of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from antehoc import task
from antehoc.calibration import Policy
from antehoc.calibration.product import CONFIDENCE
from antehoc.data.examples import Fetched
from antehoc.errors import DataError
from antehoc.systems.base import System
from antehoc.task import Task
from antehoc.types import CONTRADICTED

BASELINE = "softmax"  #: the doubt that every verdict is compared with: maximum softmax
_PIXELS_AT_ONCE = 2**20  # of one batch and channel: what processor caches hold, large images pass through faster


@dataclass(frozen=True)
class Scored:
    """What is kept of every image of a set: `columns` by name are what the system's `columns` gives.

    With several labels, each label is a decision: what has a row for each image then has a column for each label.
    """

    label: Tensor  #: (n,) class numbers, or (n, K) in 0..1
    attributes: Tensor  #: (n, N) true
    logits: Tensor  #: (n, K)
    doubts: Mapping[str, Tensor]  #: (n,) by name, or (n, K)
    columns: Mapping[str, Tensor]
    task: Task = "single-label"

    @property
    def predicted(self) -> Tensor:
        """(n,) class numbers, or (n, K) True for each label that is decided to be present."""
        return task.predicted(self.task, self.logits)

    def select(self, rows: Tensor) -> "Scored":
        """These images alone, in this order."""
        doubts, columns = ({name: values[rows] for name, values in one.items()} for one in (self.doubts, self.columns))
        return Scored(self.label[rows], self.attributes[rows], self.logits[rows], doubts, columns, self.task)

    @property
    def about(self) -> Tensor:
        """The number of the class that each decision is about, (n,) or (n, K): which of a class's thresholds holds."""
        if self.task == "single-label":
            return self.predicted
        return torch.arange(self.logits.shape[1]).expand(self.logits.shape)

    @property
    def wrong(self) -> Tensor:
        """(n,) True where the decision is wrong, or (n, K) for each label."""
        return task.wrong(self.task, self.logits, self.label)


def with_baseline(rows: Scored, policy: Policy) -> Scored:
    """Scored images whose maximum softmax has the temperature that the verdict's own softmax has, where one was fitted.

    Args:
        rows: scored images.
        policy: of the model that scored them.
    """
    if CONFIDENCE not in policy.doubts:
        return rows
    return replace(rows, doubts={**rows.doubts, BASELINE: rows.doubts[CONFIDENCE]})


@torch.no_grad()
def score(system: System[Any], examples: Fetched, *, features: bool = False) -> Scored:
    """Run a system over examples and keep what an evaluation needs; the images themselves are not kept.

    Args:
        system: in eval mode.
        examples: images with their labels, or their cached activations.
        features: whether the columns also hold what the classifier's dense layer reads, as `features`.
    Raises:
        DataError: there is no example.
    """
    parts: list[tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]] = []
    for output in outputs(system, examples):
        columns = system.columns(output)
        if (fits := system.by_explanation(output)) is not None and system.spec.task == "single-label":
            share, named = fits.max(1)
            columns["contradicted"] = (share >= CONTRADICTED) & (named != system.predicted(output))
        if features and (dense := system.dense(output)):
            columns["features"] = dense[0]
        parts.append((output.logits, system.all_doubts(output), columns))
    return Scored(
        examples.labels,
        examples.attributes,
        torch.cat([part[0] for part in parts]).cpu(),
        {name: torch.cat([part[1][name] for part in parts]).cpu() for name in parts[0][1]},
        {name: torch.cat([part[2][name] for part in parts]).cpu() for name in parts[0][2]},
        system.spec.task,
    )


def outputs(system: System[Any], examples: Fetched) -> Iterator[Any]:
    """A system's output on examples, a batch at a time; from their activations where these were cached.

    Raises:
        DataError: there is no example.
    """
    if not len(examples):
        raise DataError("there are no images to decide on; give a set that holds one or more.")
    device = next(system.parameters()).device
    batch_size = max(8, min(64, _PIXELS_AT_ONCE // (system.spec.height * system.spec.width)))
    for start in range(0, len(examples), batch_size):
        batch = examples.batch(range(start, min(start + batch_size, len(examples))))
        activations = tuple(activation.to(device) for activation in batch.activations)
        if activations:  # their images are gone, and systems that look again cache none
            yield system.from_activations(activations)
        else:
            image = batch.image.to(device)
            yield system.look(image, system(image))
