"""Train the model of a recipe, calibrate it, and save it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from antehoc.data import Source
from antehoc.errors import DataError
from antehoc.evaluation.controls import beside_controls
from antehoc.model import Model
from antehoc.recipe import Recipe, read_recipe
from antehoc.results import Trained, environment
from antehoc.runs.calibrate import calibrate_model
from antehoc.runs.checks import check_run, check_same_data
from antehoc.runs.clock import Clock
from antehoc.runs.folder import run_folder
from antehoc.runs.job import Job
from antehoc.runs.phases import train_system
from antehoc.runs.sources import load_source
from antehoc.runs.studied import study_options
from antehoc.training.loop import Runner


def train(
    recipe: str,
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    scale: str = "small",
    overrides: Sequence[str] = (),
    runner: Runner | None = None,
    resume: bool = False,
) -> Model:
    """Train and calibrate the model of a recipe, and save it.

    Args:
        recipe: name of a recipe of the package, or path of a YAML file.
        out: folder of the run; the model is saved in its `model/`. Default: `antehoc-runs/<recipe>-<scale>-seed<seed>`,
            numbered where that exists.
        seed: instead of the recipe's.
        scale: `small` or `paper`, or another one that the recipe has.
        overrides: `section.key=value`.
        runner: accelerator, devices, progress bar.
        resume: go on with an unfinished run in `out`.
    Raises:
        RecipeError, DataError, OutputError: with one sentence that says what to change.
    """
    return train_run(recipe, out=out, seed=seed, scale=scale, overrides=overrides, runner=runner, resume=resume).model


def train_run(
    recipe: str,
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    scale: str = "small",
    overrides: Sequence[str] = (),
    runner: Runner | None = None,
    resume: bool = False,
) -> Trained:
    """As `train`, with all that training leaves behind."""
    parsed, values = read_recipe(recipe, scale=scale, overrides=overrides)
    study_options(parsed, recipe)
    seed = parsed.seed if seed is None else seed
    with run_folder(recipe, scale, seed, out, command="train", resume=resume, values=values) as folder:
        clock = Clock()
        source, _ = load_source(parsed, recipe, seed, few="warn")
        check_run(parsed, source, recipe, seed)
        clock.lap("data")
    return train_recipe(parsed, values, Job(recipe, folder, seed, scale, runner, resume), source, clock=clock)


def train_recipe(
    recipe: Recipe,
    values: Mapping[str, Any],
    job: Job,
    source: Source,
    *,
    shared: Path | None = None,
    clock: Clock | None = None,
) -> Trained:
    """Phase after phase, then the calibration; the model is saved in `job.folder/model`.

    Where masks are worse than control masks on validation images, the model's `about` says so under `remark`.

    Args:
        recipe: what to train.
        values: the recipe's plain values, for the record in the model.
        job: name, folder, seed and device.
        source: the recipe's data.
        shared: where the variants of a run keep phases that they have in common.
        clock: with the seconds of what came before.
    Raises:
        DataError: the data cannot be used; where they cannot calibrate, the trained model is saved without a verdict.
    """
    clock, place = clock or Clock(), job.folder / "model"
    clock.restart()
    check_same_data(job.folder, source, job.where)
    system, history = train_system(recipe, source, source.roles, job, clock=clock, shared=shared)
    beside = beside_controls(system, source.roles["validation"])
    remark = {"remark": beside.sentence()} if beside and beside.worse_than() else {}
    model = Model(system, dict(recipe.system), source.preprocessing, about=_about(values, job) | remark)
    try:
        model, rows = calibrate_model(model, recipe, source, job, clock=clock)
    except DataError as error:
        model.save(place)
        raise DataError(
            f"{error} The trained model is in {place}, without a verdict. On labelled images that did not train it,"
            f" `antehoc recalibrate {shlex.quote(str(place))} PATH` gives it one. The same command with --resume"
            " calibrates it again; --set verdict.KEY=VALUE may change the verdict."
        ) from error
    model.save(place)
    clock.lap("calibration")
    return Trained(model, job.folder, history, rows, clock.parts)


def _about(values: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """What a saved model records of its making."""
    recorded = yaml.safe_dump(dict(values), sort_keys=False)
    return {"recipe": job.where, "scale": job.scale, "seed": job.seed, "values": recorded, **environment()}
