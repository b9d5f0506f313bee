"""A finished model: in memory, as a folder, and what it decides."""

from antehoc.model.folder import FILES, build_system, load
from antehoc.model.model import Model

__all__ = ["FILES", "Model", "build_system", "load"]
