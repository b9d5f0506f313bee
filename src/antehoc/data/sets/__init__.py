"""The data sets, one file each, and the table of their names."""

from collections.abc import Callable

from antehoc.data.sets.cifar import cifar
from antehoc.data.sets.coco import coco
from antehoc.data.sets.cub import cub
from antehoc.data.sets.cue_conflict import cue_conflict
from antehoc.data.sets.folder import folder
from antehoc.data.sets.idx import idx
from antehoc.data.sets.manifest import manifest
from antehoc.data.sets.pets import pets
from antehoc.data.sets.shapes import shapes
from antehoc.data.sets.textures import textures
from antehoc.data.sets.triangles import triangles
from antehoc.data.sets.voc import voc
from antehoc.data.source import Source

DATASETS: dict[str, Callable[..., Source]] = {
    "shapes": shapes,
    "folder": folder,
    "manifest": manifest,
    "idx": idx,
    "cub": cub,
    "triangles": triangles,
    "cue-conflict": cue_conflict,
    "cifar": cifar,
    "pets": pets,
    "voc": voc,
    "coco": coco,
    "textures": textures,
}

__all__ = ["DATASETS"]
