"""A recipe's data, checked before anything is trained on them."""

from antehoc import calibration
from antehoc.data import Source
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from antehoc.recipe import Recipe


def load_source(recipe: Recipe, where: str, seed: int) -> tuple[Source, int]:
    """The recipe's data, checked, and how many images occur in two roles.

    Raises:
        DataError: where there are too few calibration images, or images occur in two roles (unless the data set
            allows it).
    """
    source = recipe.source(where, seed)
    rows = calibration.least_rows(recipe.verdict.alpha)
    needed = min(80, rows if recipe.verdict.folds else 2 * rows)  # without folds one half fits the score
    found = len(source.roles["calibration"])
    if found < needed:
        raise DataError(
            f"{where}: calibration has {found} images; give 80 or more"
            f" (at the least {needed} for alpha {recipe.verdict.alpha}), or a larger share of the data."
        )
    shared = leaks(source.roles)
    if shared and not source.shared_images_allowed:
        role, other, name, duplicate = shared[0]
        raise DataError(
            f"{where}: {name} ({role}) and {duplicate} ({other}) are the same image, one of {len(shared)} such pairs;"
            " keep each image in one role, or leave the split out."
        )
    return source, len(shared)
