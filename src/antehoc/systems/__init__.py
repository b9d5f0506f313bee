"""The systems by name. To add one, write its file or folder here and register it with one line in `SYSTEMS`."""

from typing import Any

from antehoc.systems.base import Reconsidered, System, Trainable
from antehoc.systems.joint import Joint
from antehoc.systems.mirror import Mirror

SYSTEMS: dict[str, type[System[Any]]] = {"mirror": Mirror, "joint": Joint}

__all__ = ["SYSTEMS", "Joint", "Mirror", "Reconsidered", "System", "Trainable"]
