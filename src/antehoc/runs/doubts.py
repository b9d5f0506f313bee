"""What the doubts must know of the training images."""

from typing import Any

import torch
from torch import Tensor

from antehoc.data.examples import Fetched
from antehoc.errors import RecipeError
from antehoc.evaluation import outputs
from antehoc.systems import System

_DENSE = "(what the dense layer reads)"


@torch.no_grad()
def fit_doubts(system: System[Any], examples: Fetched, *, limit: int = 20_000) -> None:
    """Let the doubts know the training images, at most so many of them.

    Only `System.doubt_features` and what the dense layer reads are kept of each image: whole outputs, with maps for
    every class, would fill the memory. With several labels, no similar training images are kept.

    Raises:
        RecipeError: where the network gives NaN or infinity on them.
    """
    parts: dict[str, list[Tensor]] = {}
    count = 0
    for output in outputs(system, examples):
        read = system.dense(output) if system.spec.task == "single-label" else None
        for name, features in (system.doubt_features(output) | ({_DENSE: read[0]} if read else {})).items():
            parts.setdefault(name, []).append(features)
        count += len(output.logits)
        if count >= limit:
            break
    joined = {name: torch.cat(rows)[:limit] for name, rows in parts.items()}
    if not all(bool(rows.isfinite().all()) for rows in joined.values()):
        raise RecipeError(
            "the trained network gives NaN or infinity on training images, so no doubt can be fitted: its training has"
            " diverged; give its phases a lower learning_rate and start a new run."
        )
    label = examples.labels[: min(count, limit)]
    if _DENSE in joined:
        system.training_images.fit(joined.pop(_DENSE), label)
    system.fit_doubts(joined, label)
