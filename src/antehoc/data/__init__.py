"""Data sets by name: each gives a `Source` of four roles that never share an image."""

from collections.abc import Callable

from antehoc.data import cub, cue_conflict, folder, manifest, shapes, triangles
from antehoc.data.examples import Examples, Files, Source, Tensors
from antehoc.data.images import Preprocessing

DATASETS: dict[str, Callable[..., Source]] = {
    "shapes": shapes.shapes,
    "folder": folder.folder,
    "manifest": manifest.manifest,
    "cub": cub.cub,
    "triangles": triangles.triangles,
    "cue-conflict": cue_conflict.cue_conflict,
}

__all__ = ["DATASETS", "Examples", "Files", "Preprocessing", "Source", "Tensors"]
