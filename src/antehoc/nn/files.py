"""Weights on disk: written whole or not at all, readable as the user's other files are."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor


def not_finite(weights: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds NaN or infinity; None where all are finite."""
    return next((name for name, value in weights.items() if not bool(value.isfinite().all())), None)


def write_weights(weights: Mapping[str, Tensor], path: Path, facts: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors: tied and strided ones as copies, with the permissions of a new file.

    A kill leaves the old file or the new one, never half of one.

    Args:
        weights: by name.
        path: of the file.
        facts: plain text to keep with them.
    """
    own = {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in weights.items()
    }
    part = path.with_name(f"{path.name}.part")
    save_file(own, part, dict(facts) if facts else None)
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o666 & ~mask)  # safetensors writes files that only their owner may read
    part.replace(path)
