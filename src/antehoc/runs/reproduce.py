"""Run a recipe from data to figures, with its variants, beside the published ones."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from antehoc.calibration.choice import why
from antehoc.data import Source
from antehoc.evaluation import Evaluation, evaluate, score
from antehoc.figure import Figure, number, prefixed
from antehoc.model import Model
from antehoc.recipe import Recipe, read_recipe, variant
from antehoc.results import Reproduction, Trained
from antehoc.runs.calibrate import observed
from antehoc.runs.checks import check_run
from antehoc.runs.clock import Clock
from antehoc.runs.folder import run_folder
from antehoc.runs.job import Job
from antehoc.runs.sources import load_source
from antehoc.runs.studied import run_studies, study_options
from antehoc.runs.train import train_recipe
from antehoc.runs.unknown import means_of_sets, unknown_sets, with_aliases
from antehoc.studies import Finding
from antehoc.studies.repeated_calibration import of_scored
from antehoc.training.activations import with_activations
from antehoc.training.loop import Runner

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Part:
    """One variant of a reproduction."""

    trained: Trained
    evaluation: Evaluation
    findings: dict[str, Finding]
    figures: list[Figure]
    seconds: dict[str, float]
    notes: list[str]


def reproduce(
    recipe: str,
    *,
    scale: str = "small",
    seed: int | None = None,
    out: str | Path | None = None,
    ood: Mapping[str, Path] | None = None,
    overrides: Sequence[str] = (),
    runner: Runner | None = None,
    resume: bool = False,
    start: float | None = None,
) -> Reproduction:
    """Run a recipe from data to figures, with its variants, and set the figures beside the published ones.

    Args:
        recipe, scale, seed, out, overrides, runner, resume: as for `train`.
        ood: further images of no known class, by name, from disk.
        start: when the job began, by `time.perf_counter`; default: now.
    """
    start = time.perf_counter() if start is None else start
    parsed, values = read_recipe(recipe, scale=scale, overrides=overrides)
    variants = {"": (parsed, values)} | {name: variant(values, name, recipe) for name in parsed.variants}
    for name, (own, _) in variants.items():
        study_options(own, f"{recipe}, variants.{name}" if name else recipe)
    seed = parsed.seed if seed is None else seed
    with run_folder(recipe, scale, seed, out, command="reproduce", resume=resume, values=values) as folder:
        loaded = _loaded(variants, recipe, seed, ood or {})
    parts = _parts(variants, loaded, Job(recipe, folder, seed, scale, runner, resume), ood or {})
    return Reproduction(
        recipe=recipe,
        scale=scale,
        seed=seed,
        seconds=time.perf_counter() - start,
        figures=with_aliases(prefixed({name: part.figures for name, part in parts.items()}), parsed.aliases),
        published=dict(parsed.published),
        notes=named_notes({name: part.notes for name, part in parts.items()}),
        evaluations={name or recipe: part.evaluation for name, part in parts.items()},
        findings={name or recipe: part.findings for name, part in parts.items()},
        models={name or recipe: part.trained.model for name, part in parts.items()},
        history=[epochs for part in parts.values() for epochs in part.trained.history],
        parts=_prefixed({name: part.seconds for name, part in parts.items()}),
        folder=folder,
        targets=dict(parsed.targets),
    )


class _Loaded(NamedTuple):
    """The data of one variant."""

    source: Source
    shared_images: int  #: how many images occur in two roles
    clock: Clock


def _loaded(
    variants: Mapping[str, tuple[Recipe, dict[str, Any]]], where: str, seed: int, ood: Mapping[str, Path]
) -> dict[str, _Loaded]:
    """The data of each variant, equal ones loaded once; all that can be checked before the training is checked."""
    sources: dict[str, tuple[Source, int]] = {}
    found = {}
    for name, (recipe, values) in variants.items():
        clock = Clock()
        key = json.dumps(values["data"], sort_keys=True, default=str)
        sources[key] = sources[key] if key in sources else load_source(recipe, where, seed)
        own = f"{where}, variants.{name}" if name else where
        check_run(recipe, sources[key][0], own, seed, ood=ood)
        clock.lap("data")
        found[name] = _Loaded(*sources[key], clock)
    return found


def _parts(
    variants: Mapping[str, tuple[Recipe, dict[str, Any]]],
    loaded: Mapping[str, _Loaded],
    job: Job,
    ood: Mapping[str, Path],
) -> dict[str, _Part]:
    """The recipe itself, under the empty name, and each variant: trained and measured."""
    parts = {}
    for name, (recipe, values) in variants.items():
        source, shared_images, clock = loaded[name]
        own = Job(job.where, job.folder / (name or "main"), job.seed, job.scale, job.runner, job.resume)
        shared = job.folder / "shared" if len(variants) > 1 else None
        trained = train_recipe(recipe, values, own, source, shared=shared)
        parts[name] = _measured(recipe, trained, source, shared_images, job=job, ood=ood, clock=clock)
    return parts


def _measured(
    recipe: Recipe, trained: Trained, source: Source, shared: int, *, job: Job, ood: Mapping[str, Path], clock: Clock
) -> _Part:
    """Try a trained model on the test images and on images of no known class, and run its studies."""
    clock.restart()
    log.info("evaluation: %d test images", len(source.roles["test"]))
    model, seed, test = trained.model, job.seed, source.roles["test"]
    peers = recipe.unknown.peers
    scored = score(model.system, test, features=peers)
    unknown = unknown_sets(recipe, source, job.where, seed, ood)
    found = evaluate(
        model,
        test,
        unknown=unknown,
        calibration=trained.calibration,
        train_attributes=source.roles["train"].attributes,
        train=with_activations(model.system, source.roles["train"], recipe.phases) if peers else None,
        points=recipe.operating_points,
        scored=scored,
        paired=recipe.unknown.paired,
        seed=seed,
    )
    clock.lap("evaluation")
    means, notes = means_of_sets(recipe.unknown.means, found.figures, found.peers, tuple(ood))
    figures = [*found.figures, *means, _shared_images(shared)]
    findings: dict[str, Finding] = {}
    if recipe.draws:
        repeated = of_scored(model, trained.calibration, scored, seed=seed, draws=recipe.draws)
        findings["repeated_calibration"] = repeated
        figures += repeated.figures()
    for name, finding in run_studies(recipe, trained, source, job, unknown):
        findings[name] = finding
        figures += finding.figures()
        clock.lap("studies")
    notes = [*policy_notes(model), *_observed(trained), *found.notes, *notes, *source.notes]
    return _Part(trained, found, findings, figures, {**trained.seconds, **clock.parts}, notes)


def _shared_images(count: int) -> Figure:
    says = "images that occur in two roles"
    return Figure("twins_across_roles", float(count), says, "Others", "lower", headline=True, written="count")


def _prefixed(by_variant: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """All variants' values in one mapping; a variant's name goes in front of its own."""
    return {
        f"{name}_{key}" if name else key: value for name, values in by_variant.items() for key, value in values.items()
    }


def named_notes(found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The notes on each variant, with its name where that is not the recipe itself; nothing is said twice."""
    main = found[""]
    return (*main, *(f"{name}: {note}" for name, own in found.items() if name for note in own if note not in main))


def _observed(trained: Trained) -> list[str]:
    policy = trained.model.policy
    return [observed(policy, trained.calibration)] if policy and policy.guarantee == "cross" else []


def policy_notes(model: Model) -> list[str]:
    """What a person should know of how a model's verdict was set."""
    policy = model.policy
    if policy is None:
        return []
    notes = []
    if policy.method == "equal-weights" and len(policy.doubts) > 1:  # one doubt has no weights to fit
        notes.append(f"{policy.fit_errors} errors are too few to fit weights: the doubts count equally")
    if chosen := why(policy.method, policy.candidates, policy.fit_errors):
        notes.append(f"verdict: {chosen}")
    if policy.alpha > policy.asked_alpha:
        rows = policy.threshold_rows
        what = "decisions" if policy.guarantee == "cross" else "decisions on calibration images"
        notes.append(f"{rows} correct {what} keep alpha {number(policy.alpha)}, not {policy.asked_alpha}")
    return notes
