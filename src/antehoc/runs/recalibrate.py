"""Set the threshold of a trained model again on labelled images, and its rule where they suffice; nothing trains."""

import copy
import logging
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from antehoc import calibration
from antehoc.calibration.choice import ENOUGH
from antehoc.data.examples import Examples
from antehoc.data.labelled import labelled_images
from antehoc.errors import DataError, RecipeError, shown
from antehoc.evaluation import Scored, score
from antehoc.model import Model, load
from antehoc.recipe import Verdicts
from antehoc.results import Questioned, Recalibrated
from antehoc.runs.calibrate import halves, reference, with_policy
from antehoc.runs.recorded import recipe_of
from antehoc.saved import check_new
from antehoc.task import check_labels

Rule = Literal["auto", "keep", "choose"]
LEAST = 20  #: correct decisions without which no threshold is set

log = logging.getLogger(__name__)


def recalibrate(
    model: Model | str | Path,
    images: Examples | str | Path,
    *,
    alpha: float | None = None,
    rule: Rule = "auto",
    seed: int | None = None,
    out: str | Path | None = None,
) -> Recalibrated:
    """A model with its threshold set again on labelled images of the place where it works, without training.

    The images must not have trained the model. Weights, explanations and doubts stay as they are. Where the rule is
    chosen again by the method `auto`, the temperature of the doubt `confidence` is fitted again too.

    Args:
        model: trained, or the folder of a saved one. It is not changed. It may lack a verdict.
        images: labelled, at the model's size and with its classes; or a folder of class folders, a zip of one, or a
            table, see `labelled_images`.
        alpha: the largest expected share of correct decisions that is questioned; None: as before, or that of the
            recipe, or .01. Where the images are too few, the smallest alpha that they can keep is taken.
        rule: `keep`: all images set the threshold. `choose`: one half fits the rule again, as the recipe's `verdict`
            says, and the other half sets the threshold. `auto`: choose where the model has no rule, or where the
            first half has 100 wrong decisions and the second enough correct ones for alpha.
        seed: of the halves, and of the sample of doubts that is kept; None: that of the model's training.
        out: a new folder to save the model in; None: do not save it.
    Returns:
        The new model, with what was found.
    Raises:
        ModelError: the folder holds no model.
        OutputError: `out` exists or cannot be written.
        RecipeError: alpha or rule is not one of those above.
        DataError: there are no images with labels of the model, fewer than 20 decisions are correct (40 to choose a
            rule), or there is no rule to keep.
    Example:
        >>> antehoc.recalibrate("model", "photographs/", alpha=0.05, out="model-here")  # doctest: +SKIP
    """
    if out is not None:
        check_new(out, None if isinstance(model, Model) else model)
    where = "model" if isinstance(model, Model) else shown(model)
    model = model if isinstance(model, Model) else load(model)
    verdict = _verdict(model, alpha)
    _check_rule(rule, model, where)
    given = _given(images, model)
    least = 2 * LEAST if _fits(verdict) and (rule == "choose" or model.policy is None) else LEAST
    _check_count(given, model, least)
    seed = _seed(model) if seed is None else seed
    log.info("recalibration: %d images", len(given.examples))
    rows = score(model.system, given.examples)
    _check_correct(rows, least, given.place)
    result = _recalibrated(model, rows, verdict, _chooses(model, rows, verdict, rule, seed), given, seed)
    if out is not None:
        result.model.save(out)
    return replace(result, folder=None if out is None else Path(out))


def _verdict(model: Model, alpha: float | None) -> Verdicts:
    """How decisions are to be questioned: as the recipe that made the model says, without what needs training."""
    try:
        recorded = recipe_of(model)[0].verdict
    except RecipeError:  # made without a recipe, or by one that this version cannot read
        recorded = Verdicts()
    before = model.policy.asked_alpha if model.policy else recorded.alpha
    return replace(recorded, alpha=before if alpha is None else alpha, folds=0, threshold="split")


def _check_rule(rule: str, model: Model, where: str) -> None:
    if rule not in ("auto", "keep", "choose"):
        raise RecipeError(f"rule: must be auto, keep or choose; got {rule!r}.")
    if rule == "keep" and model.policy is None:
        raise DataError(f"{where}: was never calibrated and has no rule to keep; leave --rule out, or choose one.")


def _fits(verdict: Verdicts) -> bool:
    """Whether choosing the rule fits anything: a doubt by name is taken as it is."""
    return verdict.method in ("auto", "combined")


def _check_count(given: "_Given", model: Model, least: int) -> None:
    """Refuse images that are too few even if all decisions are correct."""
    images, each = len(given.examples), 1 if model.spec.task == "single-label" else len(model.spec.classes)
    if images * each < least:
        raise DataError(
            f"{given.place}: {least} correct decisions are needed, and there are {images} images; give more."
        )


def _check_correct(rows: Scored, least: int, place: str) -> None:
    if (correct := int((~rows.wrong).sum())) < least:
        raise DataError(
            f"{place}: {least} correct decisions are needed, and {correct} of {rows.wrong.numel()} are correct; give"
            " more images, or train the classifier further."
        )


class _Given(NamedTuple):
    """The labelled images, what messages call them, and what was left out."""

    examples: Examples
    place: str
    notes: tuple[str, ...]


def _given(images: Examples | str | Path, model: Model) -> _Given:
    if not isinstance(images, Examples):
        found = labelled_images(images, model.spec, model.preprocessing)
        return _Given(found.examples, shown(images), found.notes)
    if not images.labels_known:
        raise DataError("recalibration needs labelled images, and these have no labels.")
    check_labels(model.spec.task, images.labels, len(model.spec.classes), "recalibration")
    return _Given(images, "images", ())


def _seed(model: Model) -> int:
    found = model.about.get("seed")
    return found if isinstance(found, int) else 0


def _recalibrated(
    model: Model, rows: Scored, verdict: Verdicts, chosen: bool, given: _Given, seed: int
) -> Recalibrated:
    """Compare the scored images with the earlier ones, and set rule and threshold."""
    new, counted = (_choose if chosen else _keep)(model, rows, verdict, seed)
    result = Recalibrated(
        model=new,
        place=given.place,
        images=len(rows.label),
        decisions=rows.wrong.numel(),
        correct=int((~rows.wrong).sum()),
        threshold_images=counted,
        chosen=chosen,
        calibrated_before=model.policy is not None,
        before=_questioned(model, rows),
        shift=calibration.find_shift(model.reference, reference(rows, seed)),
        seed=seed,
        notes=given.notes,
    )
    return replace(result, model=replace(new, about={**model.about, "recalibrated": result.to_plain()}))


def _chooses(model: Model, rows: Scored, verdict: Verdicts, rule: Rule, seed: int) -> bool:
    """Whether the rule is chosen again."""
    if rule != "auto" or model.policy is None:
        return rule != "keep"
    first, second = halves(rows, seed)
    enough = int((~second.wrong).sum()) >= calibration.least_rows(verdict.alpha, verdict.guarantee)
    return int(first.wrong.sum()) >= ENOUGH and enough


def _choose(model: Model, rows: Scored, verdict: Verdicts, seed: int) -> tuple[Model, int]:
    """Rule and threshold again, each from one half; and how many images set the threshold."""
    own = replace(model, system=copy.deepcopy(model.system))  # a temperature is fitted in place
    new = with_policy(own, verdict, rows, None, seed).model
    return new, len(halves(rows, seed)[1].label) if _fits(verdict) else len(rows.label)


def _keep(model: Model, rows: Scored, verdict: Verdicts, seed: int) -> tuple[Model, int]:
    """The same rule with a threshold from all images; and how many these are."""
    assert model.policy is not None
    if model.policy.guarantee == "cross":  # these images trained no network: the simple proof holds again
        model = replace(model, policy=replace(model.policy, guarantee="expected"))
    assert model.policy is not None
    policy = calibration.with_threshold(
        model.policy,
        {name: rows.doubts[name] for name in model.policy.doubts},
        rows.wrong,
        verdict.alpha,
        predicted=rows.about if model.policy.class_thresholds else None,
        classes=len(model.spec.classes),
    )
    return replace(model, policy=policy, reference=reference(rows, seed)), len(rows.label)


def _questioned(model: Model, rows: Scored) -> Questioned | None:
    """The shares of correct and of wrong decisions on these images that the old threshold questions."""
    if model.policy is None:
        return None
    questioned = (model.policy.score(rows.doubts) > model.policy.thresholds(rows.about)).double()
    of_wrong = float(questioned[rows.wrong].mean()) if bool(rows.wrong.any()) else None
    return Questioned(float(questioned[~rows.wrong].mean()), of_wrong)
