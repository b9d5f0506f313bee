"""The systems by name."""

from typing import Any

from antehoc.systems.base import Reconsidered, System, Trainable
from antehoc.systems.mirror import Mirror

SYSTEMS: dict[str, type[System[Any]]] = {"mirror": Mirror}

__all__ = ["SYSTEMS", "Mirror", "Reconsidered", "System", "Trainable"]
