"""What the doubts must know of the training images."""

from typing import Any

import torch

from antehoc.data.examples import Fetched
from antehoc.evaluation import outputs


@torch.no_grad()
def fit_doubts(system: Any, examples: Fetched, *, limit: int = 20_000) -> None:
    """Let the doubts know the training images, at most so many of them."""
    parts, count = [], 0
    for output in outputs(system, examples):
        parts.append(output)
        count += len(output.logits)
        if count >= limit:
            break
    joined = type(parts[0])(*(torch.cat(column)[:limit] for column in zip(*parts, strict=True)))
    system.fit_doubts(joined, examples.labels[: min(count, limit)])
