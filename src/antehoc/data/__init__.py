"""Data sets by name: each gives a `Source` of four roles that never share an image."""

from antehoc.data.examples import Examples, Files, Tensors
from antehoc.data.instances import Instance
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.sets import DATASETS
from antehoc.data.source import Source

__all__ = ["DATASETS", "Examples", "Files", "Instance", "Preprocessing", "Source", "Tensors"]
