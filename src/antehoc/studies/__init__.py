"""Studies of a trained model by name: each answers one question, and says what its figures can and cannot prove.

To add one, write a file with a function `run(model, source, *, seed, **options) -> Finding`, and name it in `STUDIES`.
The options have defaults of plain types; a recipe sets them. A study that also takes a keyword `context` is given a
`Context`: the unknown images of a run, and a way to train its recipe once more.
"""

from collections.abc import Callable

from antehoc.studies import (
    background,
    compare,
    cost,
    deciding,
    failures,
    leakage,
    masks,
    pretrained_shape_bias,
    repeated_calibration,
    shape_bias,
)
from antehoc.studies.base import Context, Finding

STUDIES: dict[str, Callable[..., Finding]] = {
    "leakage": leakage.run,
    "background": background.run,
    "deciding": deciding.run,
    "repeated_calibration": repeated_calibration.run,
    "failures": failures.run,
    "masks": masks.run,
    "compare": compare.run,
    "cost": cost.run,
    "shape_bias": shape_bias.run,
    "pretrained_shape_bias": pretrained_shape_bias.run,
}

__all__ = ["STUDIES", "Context", "Finding"]
