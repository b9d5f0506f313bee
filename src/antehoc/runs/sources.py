"""A recipe's data, checked before anything is trained on them."""

import logging
import math
from typing import Literal

from antehoc import calibration
from antehoc.data import Source
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from antehoc.recipe import Recipe, Verdicts
from antehoc.runs.folds import folds_of

log = logging.getLogger(__name__)


def load_source(
    recipe: Recipe, where: str, seed: int, *, few: Literal["refuse", "warn"] = "refuse"
) -> tuple[Source, int]:
    """The recipe's data, checked, and how many images occur in two roles.

    Args:
        recipe: its data and verdict.
        where: what errors call it.
        seed: of the data.
        few: what too few calibration images do: a run that only trains can do without a verdict.
    Raises:
        DataError: where there are too few calibration images, or images occur in two roles (unless the data set
            allows it).
    """
    source = recipe.source(where, seed)
    verdict, found = recipe.verdict, len(source.roles["calibration"])
    rows = calibration.least_rows(verdict.alpha)
    needed = min(80, rows if verdict.folds else 2 * rows)  # without folds one half fits the score
    if found + (len(source.roles["train"]) if verdict.threshold == "cross" else 0) < needed:
        said = (
            f"{where}: calibration has {found} images; give 80 or more"
            f" (at the least {needed} for alpha {verdict.alpha}), or a larger share of the data."
        )
        if few == "refuse":
            raise DataError(said)
        log.warning("%s The model is trained all the same; `antehoc recalibrate` can set its verdict later.", said)
    if verdict.folds:
        folds_of(source.roles["train"], verdict.folds, seed)  # refuses what they cannot share out
    said, enough = rows_for_alpha(verdict, source)
    log.log(logging.INFO if enough else logging.WARNING, "%s", said)
    shared = leaks(source.roles)
    if shared and not source.shared_images_allowed:
        role, other, name, duplicate = shared[0]
        raise DataError(
            f"{where}: {name} ({role}) and {duplicate} ({other}) are the same image, one of {len(shared)} such pairs;"
            " keep each image in one role, or leave the split out."
        )
    return source, len(shared)


def rows_for_alpha(verdict: Verdicts, source: Source) -> tuple[str, bool]:
    """How many correct decisions an alpha needs and how many there can be, in a sentence, and whether they are enough.

    Args:
        verdict: of the recipe.
        source: its data; with several labels, each label of an image is a decision.
    Returns:
        The sentence, which names the smallest alpha that can be kept and what to change where they are too few; and
        whether they are enough if every decision is correct.
    """
    guarantee = verdict.guarantee if verdict.threshold == "split" else "cross"
    held, each = len(source.roles["calibration"]), 1 if source.spec.task == "single-label" else len(source.spec.classes)
    halved = verdict.method in ("auto", "combined") and not verdict.folds
    images = held - held // 2 if halved else held
    of = f"one half of the {held} calibration images, {images}, can" if halved else f"the {held} calibration images can"
    if guarantee == "cross":
        images += len(source.roles["train"])
        of = f"the {images} training and calibration images can"
    needed, found = calibration.least_rows(verdict.alpha, guarantee), images * each
    decisions = "" if each == 1 else f", {found} decisions about their labels"
    said = f"verdict: alpha {verdict.alpha:g} needs {needed} correct decisions, and {of} set the threshold{decisions}"
    if found >= needed:
        return f"{said}.", True
    least = math.ceil(1000 * calibration.least_alpha(found, guarantee)) / 1000
    more = "" if guarantee == "cross" else ", use verdict.folds" if halved else ", use verdict.threshold: cross"
    return (
        f"{said}: too few. The smallest alpha that they can keep is {least:g}; set verdict.alpha to it or more{more},"
        " or give more calibration images."
    ), False
