"""Where a command runs: the device of `--device`, for Lightning and for torch."""

import argparse
import sys
from typing import TYPE_CHECKING

from antehoc.errors import RecipeError

if TYPE_CHECKING:
    from antehoc.training.loop import Runner

_ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "gpu", "mps": "mps"}  # Lightning's names for them


def check_device(options: argparse.Namespace) -> None:
    """Refuse a device or a number of devices that cannot be; loads no torch unless a GPU is asked for."""
    if options.device not in _ACCELERATORS:
        raise RecipeError(f"--device {options.device}: is not one of {', '.join(_ACCELERATORS)}.")
    if getattr(options, "devices", 1) < 1:
        raise RecipeError(f"--devices {options.devices}: needs 1 or more.")
    if options.device in ("cuda", "mps"):
        import torch

        present = torch.cuda.is_available() if options.device == "cuda" else torch.backends.mps.is_available()
        if not present:
            raise RecipeError(f"--device {options.device}: this machine does not have one; use cpu.")


def runner(options: argparse.Namespace) -> "Runner":
    """Where and how training runs."""
    from antehoc.training.loop import Runner

    check_device(options)
    return Runner(_ACCELERATORS[options.device], options.devices, not options.quiet and sys.stderr.isatty())


def device(options: argparse.Namespace) -> str:
    """The device that a loaded model goes to, by torch's name."""
    import torch

    check_device(options)
    if options.device != "auto":
        return str(options.device)
    return "cuda" if torch.cuda.is_available() else "cpu"
