"""A finished model: in memory, as a folder, and what it decides."""

from antehoc.model.folder import build_system, grouped_arguments, load
from antehoc.model.model import Model
from antehoc.saved import FILES

__all__ = ["FILES", "Model", "build_system", "grouped_arguments", "load"]
