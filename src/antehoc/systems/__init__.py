"""The systems by name."""

from typing import Any

from antehoc.systems.base import Reconsidered, System, Trainable
from antehoc.systems.joint import Joint
from antehoc.systems.mirror import Mirror

SYSTEMS: dict[str, type[System[Any]]] = {"mirror": Mirror, "joint": Joint}

__all__ = ["SYSTEMS", "Joint", "Mirror", "Reconsidered", "System", "Trainable"]
