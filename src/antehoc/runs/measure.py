"""A saved model on every labelled image of a place: a folder of class folders, an archive of one, or a table."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from antehoc.data import Examples
from antehoc.data.labelled import EveryLabelled, every_labelled
from antehoc.data.outliers import open_outliers
from antehoc.errors import DataError, ImageError, ModelError, RecipeError, shown
from antehoc.evaluation import Evaluation, evaluate, score
from antehoc.evaluation.classes import of_classes, section
from antehoc.model import Model

log = logging.getLogger(__name__)

UNKNOWN = "unknown_classes"  #: the set of images of classes that the model does not know


@dataclass(frozen=True)
class Measured:
    """What was found on every image that can be read, and why others could not."""

    evaluation: Evaluation
    images: int  #: measured, those of unknown classes included
    errors: tuple[ImageError, ...]


def measure(model: Model, path: str | Path, *, seed: int = 0, ood: Mapping[str, Path] | None = None) -> Measured:
    """Measure a model on every labelled image of a place.

    Images of classes that the model does not know count as unknown: they have no part in the accuracy. An image that
    cannot be read is left out and reported.

    Args:
        model: calibrated.
        path: as in `antehoc.data.labelled.every_labelled`.
        seed: of the bootstrap.
        ood: further images of no known class, by name, from disk.
    Raises:
        ModelError: the model was never calibrated.
        DataError: there are no labelled images of the model's classes, or a set cannot be used.
    """
    if model.policy is None:
        raise ModelError("the model was never calibrated, so it has no verdicts to measure; recalibrate or train it.")
    if UNKNOWN in (ood or {}):
        raise RecipeError(f"--ood {UNKNOWN}: the images of unknown classes have that name; choose another.")
    found = every_labelled(path, model.spec, model.preprocessing)
    others = {name: open_outliers(place, model.preprocessing) for name, place in (ood or {}).items()}
    log.info("%s: %d images of known classes, %d of others", path, len(found.known), len(found.unknown))
    errors: list[ImageError] = []
    try:
        evaluation = _evaluated(model, found, others, seed)
    except ImageError:  # found out by decoding all of them once more, which whole data never pay for
        found, errors = found.readable()
        if not len(found.known):
            raise DataError(f"{shown(path)}: none of its images can be read; {errors[0]}") from None
        evaluation = _evaluated(model, found, others, seed)
    known, unknown = len(found.known), len(found.unknown)
    said = (
        f"every labelled image of {shown(path)} was measured: {known:,} of known classes, {unknown:,} of unknown ones"
    )
    if errors:
        said = f"{known + unknown:,} labelled images of {shown(path)} were measured; {len(errors):,} could not be read"
    notes = [said, *found.notes, *evaluation.notes]
    return Measured(replace(evaluation, notes=notes), known + unknown, tuple(errors))


def _evaluated(model: Model, found: EveryLabelled, others: Mapping[str, Examples], seed: int) -> Evaluation:
    assert model.policy is not None
    scored = score(model.system, found.known)
    sets = ({UNKNOWN: found.unknown} if len(found.unknown) else {}) | dict(others)
    evaluation = evaluate(model, found.known, unknown=sets, scored=scored, seed=seed)
    unknown = score(model.system, found.unknown) if len(found.unknown) else None
    classes = of_classes(model.spec.classes, model.policy, scored, unknown, found.unknown_labels)
    return replace(evaluation, classes=classes, sections=(section(classes), *evaluation.sections))
