"""Whole jobs: a recipe goes in, a typed result comes out."""

import json
import logging
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from antehoc import bias, masks, studies
from antehoc import calibration as calibrations
from antehoc.data import Examples, Files, Source
from antehoc.data.altered import ALTERATIONS, altered
from antehoc.data.drawn import STRANGE
from antehoc.data.examples import Fetched
from antehoc.data.outliers import open_outliers, outliers
from antehoc.data.splits import leaks
from antehoc.errors import AntehocError, DataError, ModelError, OutputError, RecipeError
from antehoc.evaluation import Evaluation, Scored, evaluate, outputs, score
from antehoc.figure import intervals, value_of, values
from antehoc.model import Model, build_system
from antehoc.recipe import Recipe, overridden, read_recipe, variant
from antehoc.schema import build
from antehoc.seeds import mix
from antehoc.systems import System
from antehoc.training.activations import with_activations
from antehoc.training.loop import Runner, run_phase
from antehoc.training.phases import Phase
from antehoc.types import Decision, Role

T = TypeVar("T")

log = logging.getLogger(__name__)
_STUDIED = {"leakage": 100, "background": 500, "compare": 50}  # images: they are looked at 30, 3 and 10,000 times


@dataclass(frozen=True)
class Trained:
    """A trained and calibrated model, and what making it left behind."""

    model: Model
    folder: Path
    history: list[list[dict[str, float]]]  #: figures by phase and epoch
    calibration: Scored
    seconds: dict[str, float]


@dataclass(frozen=True)
class Reproduction:
    """A recipe's measured figures beside the published ones."""

    recipe: str
    scale: str
    seed: int
    seconds: float
    figures: dict[str, float | None]
    published: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    notes: tuple[str, ...]
    evaluations: dict[str, Evaluation]  #: by variant; the recipe itself under its own name
    models: dict[str, Model]
    history: list[list[dict[str, float]]]
    parts: dict[str, float]  #: seconds by part
    folder: Path

    def summary(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "recipe": self.recipe,
            "scale": self.scale,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "figures": self.figures,
            "published": self.published,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "notes": list(self.notes),
            "peers": {name: one.peers for name, one in self.evaluations.items() if one.peers},
            "studies": {
                name: {study: found.to_plain() for study, found in one.studies.items()}
                for name, one in self.evaluations.items()
                if one.studies
            },
            "parts": {name: round(value, 1) for name, value in self.parts.items()},
            "environment": environment(),
        }


def environment() -> dict[str, str]:
    """What a figure may depend on beside recipe, seed and data."""
    return {
        "antehoc": _version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "machine": platform.machine(),
    }


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("antehoc")
    except PackageNotFoundError:  # run from its folder: the end of a long run is no time to fail
        return "not installed"


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
        scale: `small` or `paper`.
        overrides: `section.key=value`.
        runner: accelerator, devices, progress bar.
        resume: go on with an unfinished run in `out`.
    Raises:
        RecipeError, DataError, OutputError: with one sentence that says what would do.
    """
    parsed, values = read_recipe(recipe, scale=scale, overrides=overrides)
    seed = parsed.seed if seed is None else seed
    folder = run_folder(recipe, scale, seed, out, resume=resume, values=values)
    return train_recipe(parsed, values, recipe, folder, seed=seed, scale=scale, runner=runner, resume=resume).model


def train_recipe(
    recipe: Recipe,
    values: Mapping[str, Any],
    where: str,
    folder: Path,
    *,
    seed: int,
    scale: str,
    runner: Runner | None = None,
    resume: bool = False,
    source: Source | None = None,
    shared: Path | None = None,
) -> Trained:
    """Phase after phase, then the doubts, then the calibration; the model is saved in `folder/model`.

    `shared` is where the variants of a run keep phases that they have in common.
    """
    clock = Clock()
    source = source or load_source(recipe, where, seed)[0]
    clock.lap("data")
    system, history = _train_system(
        recipe, source, source.roles, where, folder, weights_seed=mix(seed, 1), seed=seed, views_seed=seed,
        runner=runner, resume=resume, clock=clock, shared=shared,
    )  # fmt: skip
    log.info("calibration: %d images", len(source.roles["calibration"]))
    fit_doubts(system, with_activations(system, source.roles["train"], recipe.phases))
    scored = score(system, with_activations(system, source.roles["calibration"], recipe.phases))
    fit = None
    if recipe.verdict.folds:
        fit = out_of_fold(recipe, source, where, folder, seed=seed, runner=runner, resume=resume)
        clock.lap("folds")
    about = {
        "recipe": where,
        "scale": scale,
        "seed": seed,
        "values": yaml.safe_dump(dict(values), sort_keys=False),
        **environment(),
    }
    model = Model(system, dict(recipe.system), source.preprocessing, about=about)
    try:
        model = replace(model, policy=_policy(recipe, scored, fit, seed))
    except DataError as error:
        model.save(folder / "model")
        raise DataError(f"{error} The trained model is in {folder / 'model'}, without a verdict.") from error
    model.save(folder / "model")
    clock.lap("calibration")
    return Trained(model, folder, history, scored, clock.parts)


def _train_system(
    recipe: Recipe,
    source: Source,
    roles: Mapping[Role, Examples],
    where: str,
    folder: Path,
    *,
    weights_seed: int,
    seed: int,
    views_seed: int,
    runner: Runner | None,
    resume: bool,
    clock: "Clock | None" = None,
    shared: Path | None = None,
) -> tuple[System[Any], list[list[dict[str, float]]]]:
    """A new system through all phases, in eval mode, and the figures of each phase's epochs.

    Variants that begin alike train alike: a phase of one part alone is trained once, and kept under `shared`.
    """
    with torch.random.fork_rng():  # new weights come from the seed; the caller's random state stays as it is
        torch.manual_seed(weights_seed)
        system = build_system(source.spec, recipe.system, f"{where}, system")
    history = []
    for number, phase in enumerate(recipe.phases):
        log.info("phase %d of %d: %s, %d epochs", number + 1, len(recipe.phases), ", ".join(phase.train), phase.epochs)
        twin = _twin(system, phase, recipe, (number, seed, views_seed), shared) if shared else None
        if twin and (twin / "part.safetensors").exists():
            log.info("phase %d: what it makes is there already", number + 1)
            system.learner(phase.train).load_state_dict(load_file(twin / "part.safetensors"))
            history.append(list(torch.load(twin / "history.pt", weights_only=True)))
        else:
            history.append(
                run_phase(
                    system, phase, roles, folder / f"phase-{number}", number=number, seed=seed, views_seed=views_seed,
                    runner=runner, resume=resume,
                )
            )  # fmt: skip
            if twin:
                twin.mkdir(parents=True, exist_ok=True)
                torch.save(history[-1], twin / "history.pt")
                save_file(system.learner(phase.train).state_dict(), twin / "part.writing")
                (twin / "part.writing").replace(twin / "part.safetensors")  # a kill leaves a whole one or none
        if clock:
            clock.lap(f"phase {number + 1}")
    return system.eval(), history


def _twin(system: System[Any], phase: Phase, recipe: Recipe, numbers: tuple[int, ...], shared: Path) -> Path | None:
    """Where a phase's result lies that is the same for all variants: same part, weights, data, settings and seeds."""
    learner = system.learner(phase.train)
    if learner is system or phase.cache:
        return None
    digest = blake2b(repr((phase, sorted(recipe.data.items()), numbers)).encode(), digest_size=16)
    for name, value in learner.state_dict().items():
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return shared / digest.hexdigest()


def _policy(recipe: Recipe, scored: Scored, fit: Scored | None, seed: int) -> calibrations.Policy:
    return calibrations.calibrate(
        scored.doubts,
        scored.wrong,
        names=recipe.verdict.doubts,
        late=recipe.verdict.late,
        alpha=recipe.verdict.alpha,
        fit=(fit.doubts, fit.wrong) if fit else None,
        predicted=scored.predicted if recipe.verdict.per_class else None,
        classes=scored.logits.shape[1],
        method=recipe.verdict.method,
        guarantee=recipe.verdict.guarantee,
        generator=torch.Generator().manual_seed(mix(seed, 2)),
    )


def load_source(recipe: Recipe, where: str, seed: int) -> tuple[Source, int]:
    """The recipe's data, checked, and how many images occur in two roles.

    Raises:
        DataError: where there are too few calibration images, or images occur in two roles (but for the fault of the
            originals that a recipe may ask for by `split: random`).
    """
    source = recipe.source(where, seed)
    rows = calibrations.least_rows(recipe.verdict.alpha)
    needed = min(80, rows if recipe.verdict.folds else 2 * rows)  # without folds one half fits the score
    found = len(source.roles["calibration"])
    if found < needed:
        raise DataError(
            f"{where}: calibration has {found} images; give 80 or more"
            f" (at the least {needed} for alpha {recipe.verdict.alpha}), or a larger share of the data."
        )
    twins = leaks(source.roles)
    if twins and recipe.data.get("split") != "random":
        role, other, name, twin = twins[0]
        raise DataError(
            f"{where}: {name} ({role}) and {twin} ({other}) are the same image, one of {len(twins)} such pairs;"
            " keep each image in one role, or leave the split out."
        )
    return source, len(twins)


@torch.no_grad()
def fit_doubts(system: Any, examples: Fetched, *, limit: int = 20_000) -> None:
    """Let the doubts know the training images, at most so many of them."""
    parts: dict[str, list[Tensor]] = {}
    count = 0
    for output in outputs(system, examples):  # the features alone are kept: class maps of all images would fill memory
        for name, features in system.doubt_features(output).items():
            parts.setdefault(name, []).append(features)
        count += len(output.logits)
        if count >= limit:
            break
    joined = {name: torch.cat(rows)[:limit] for name, rows in parts.items()}
    system.fit_doubts(joined, examples.labels[: min(count, limit)])


def out_of_fold(
    recipe: Recipe,
    source: Source,
    where: str,
    folder: Path,
    *,
    seed: int,
    runner: Runner | None = None,
    resume: bool = False,
) -> Scored:
    """Every training image, scored by a network that was trained on the other folds alone.

    The folds share out each class evenly, in an order drawn from the seed. The networks are let go; what a resumed run
    needs of them lies in `folder/fold-<number>`.
    """
    train, folds = source.roles["train"], recipe.verdict.folds
    fold = _shared_out(train.labels, folds, seed)
    found = []
    for number in range(folds):
        log.info("fold %d of %d", number + 1, folds)
        place = folder / f"fold-{number + 1}"
        rest, held = (train.select(rows.nonzero()[:, 0].tolist()) for rows in (fold != number, fold == number))
        system, _ = _train_system(
            recipe, source, {**source.roles, "train": rest}, where, place, weights_seed=mix(seed, 1, number + 1),
            seed=mix(seed, number + 1), views_seed=seed, runner=runner, resume=resume,
        )  # fmt: skip
        fit_doubts(system, with_activations(system, rest, recipe.phases))
        found.append(score(system, with_activations(system, held, recipe.phases)))
    return Scored(
        torch.cat([one.label for one in found]),
        torch.cat([one.attributes for one in found]),
        torch.cat([one.logits for one in found]),
        {name: torch.cat([one.doubts[name] for one in found]) for name in found[0].doubts},
        {},
    )


def _shared_out(labels: Tensor, folds: int, seed: int) -> Tensor:
    """The fold of each image: each class is dealt out in turn, in an order drawn from the seed."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(mix(seed, 4)))
    order = order[labels[order].argsort(stable=True)]
    fold = torch.empty_like(labels)
    fold[order] = torch.arange(len(labels)) % folds
    return fold


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
    seed = parsed.seed if seed is None else seed
    folder = run_folder(recipe, scale, seed, out, resume=resume, values=values)
    variants = {"": (parsed, values)} | {name: variant(values, name, recipe) for name in parsed.variants}
    sources: dict[str, tuple[Source, int]] = {}
    parts = {}
    for name, (own, own_values) in variants.items():
        clock = Clock()
        key = json.dumps(own_values["data"], sort_keys=True, default=str)
        sources[key] = sources[key] if key in sources else load_source(own, recipe, seed)
        clock.lap("data")
        trained = train_recipe(
            own, own_values, recipe, folder / (name or "main"),
            seed=seed, scale=scale, runner=runner, resume=resume, source=sources[key][0],
            shared=folder / "shared" if len(variants) > 1 else None,
        )  # fmt: skip
        parts[name] = _measured(own, trained, *sources[key], seed=seed, ood=ood or {}, clock=clock)
    return Reproduction(
        recipe=recipe,
        scale=scale,
        seed=seed,
        seconds=time.perf_counter() - start,
        figures=_with_near(_prefixed({name: part.figures for name, part in parts.items()})),
        published=dict(parsed.published),
        intervals=_prefixed({name: part.intervals for name, part in parts.items()}),
        notes=_named_notes({name: part.notes for name, part in parts.items()}),
        evaluations={name or recipe: part.evaluation for name, part in parts.items()},
        models={name or recipe: part.trained.model for name, part in parts.items()},
        history=[epochs for part in parts.values() for epochs in part.trained.history],
        parts=_prefixed({name: part.seconds for name, part in parts.items()}),
        folder=folder,
    )


def _named_notes(found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What was noted of each variant, with its name where that is not the recipe itself; nothing is said twice."""
    main = found[""]
    return (*main, *(f"{name}: {note}" for name, own in found.items() if name for note in own if note not in main))


@dataclass(frozen=True)
class _Part:
    """One variant of a reproduction."""

    trained: Trained
    evaluation: Evaluation
    figures: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    seconds: dict[str, float]
    notes: list[str]


def _measured(
    recipe: Recipe, trained: Trained, source: Source, twins: int, *, seed: int, ood: Mapping[str, Path], clock: "Clock"
) -> _Part:
    """Try a trained model on the test images and on images of no known class."""
    clock.restart()
    log.info("evaluation: %d test images", len(source.roles["test"]))
    scored = score(trained.model.system, source.roles["test"], features=recipe.unknown.peers)
    found = evaluate(
        trained.model,
        source.roles["test"],
        unknown=unknown_sets(recipe, trained.model, source, seed, ood),
        calibration=trained.calibration,
        train_attributes=source.roles["train"].attributes,
        train=_for_peers(recipe, trained, source),
        points=recipe.operating_points,
        scored=scored,
        faults=recipe.faults,
        seed=seed,
    )
    clock.lap("evaluation")
    figures = values(found.figures)
    figures |= {**_shape_means(figures), **_far_means(found, ood)}
    figures["twins_across_roles"] = float(twins)
    spans = intervals(found.figures)
    if recipe.draws:
        figures |= _over_draws(recipe, trained, scored, seed, found.studies)
    for study in recipe.studies:
        finding = _STUDIES[study](trained.model, source, seed)
        found.studies[study] = finding
        figures |= finding.figures()
        spans |= finding.intervals()
        clock.lap("studies")
    notes = [*_notes(trained.model), *found.notes, *source.notes]
    return _Part(trained, found, figures, spans, {**trained.seconds, **clock.parts}, notes)


def _with_near(figures: dict[str, float | None]) -> dict[str, float | None]:
    """Figures of variant `near` on what its data leave out, under the names of the recipe's own."""
    for prefix in ("", "msp_", "peer_"):
        if (value := figures.get(f"near_{prefix}ood_left_out_auroc")) is not None:
            figures[f"{prefix}ood_near_auroc"] = value
    return figures


def _prefixed(by_variant: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """All variants' values in one mapping; a variant's name goes in front of its own."""
    return {
        f"{name}_{key}" if name else key: value for name, values in by_variant.items() for key, value in values.items()
    }


def _for_peers(recipe: Recipe, trained: Trained, source: Source) -> Fetched | None:
    return (
        with_activations(trained.model.system, source.roles["train"], recipe.phases) if recipe.unknown.peers else None
    )


def _leakage(model: Model, source: Source, seed: int) -> studies.Finding:
    return studies.leakage(model, _files(source, "leakage"), seed=seed, limit=_STUDIED["leakage"])


def _background(model: Model, source: Source, seed: int) -> studies.Finding:
    return studies.background(model, _files(source, "background"), seed=seed, limit=_STUDIED["background"])


def _masks(model: Model, source: Source, seed: int) -> studies.Finding:
    return masks.placed(model, source.roles["validation"], source.roles["test"], seed=seed)


def _compare(model: Model, source: Source, seed: int) -> studies.Finding:
    return masks.against_posthoc(model, source.roles["test"], count=_STUDIED["compare"], seed=seed)


def _cost(model: Model, source: Source, seed: int) -> studies.Finding:
    return masks.costs(seed=seed)


def _shape_bias(model: Model, source: Source, seed: int) -> studies.Finding:
    return bias.of_model(model, source.roles["test"])


def _pretrained(model: Model, source: Source, seed: int) -> studies.Finding:
    return bias.of_pretrained(model, source.roles["test"], recipe_of(model)[0].data["path"])


_STUDIES: dict[str, Callable[[Model, Source, int], studies.Finding]] = {
    "leakage": _leakage,
    "background": _background,
    "masks": _masks,
    "compare": _compare,
    "cost": _cost,
    "shape_bias": _shape_bias,
    "pretrained_shape_bias": _pretrained,
}


def _files(source: Source, need: str) -> Files:
    test = source.roles["test"]
    if not isinstance(test, Files):
        raise RecipeError(f"studies: {need!r} needs image files with boxes, and these images are in memory.")
    return test


def _over_draws(
    recipe: Recipe, trained: Trained, test: Scored, seed: int, found: dict[str, Any]
) -> dict[str, float | None]:
    """The promise of the threshold over random calibration sets, of the images that fitted nothing."""
    policy, calibration = trained.model.policy, trained.calibration
    if policy is None:
        return {}
    pool = {name: torch.cat([values, test.doubts[name]]) for name, values in calibration.doubts.items()}
    repeated = studies.repeated_calibration(
        policy,
        pool,
        torch.cat([calibration.wrong, test.wrong]),
        rows=len(calibration.wrong),
        alpha=recipe.verdict.alpha,
        draws=recipe.draws,
        seed=mix(seed, 5),
    )
    found["repeated_calibration"] = repeated
    return {
        "verdict_questioned_correct_over_draws": repeated.questioned_correct,
        "verdict_questioned_correct_over_draws_standard_error": repeated.standard_error,
        "verdict_questioned_wrong_over_draws": repeated.questioned_wrong,
    }


def unknown_sets(
    recipe: Recipe, model: Model, source: Source, seed: int, ood: Mapping[str, Path]
) -> dict[str, Examples]:
    """The recipe's built-in images of no known class, those that the data leave out, and those that the user named."""
    where, unknown = recipe.data.get("variant", "centred"), recipe.unknown
    found: dict[str, Examples] = {}
    for kind in unknown.kinds:
        if kind in ALTERATIONS:
            test = _files(source, kind)
            order = torch.randperm(len(test), generator=torch.Generator().manual_seed(mix(seed, 6)))
            found[kind] = altered(kind, test.select(order[: unknown.count].tolist()), seed=mix(seed, 3))
        else:
            found[kind] = outliers(kind, model.preprocessing, count=unknown.count, seed=mix(seed, 3), variant=where)
    if source.left_out is not None and len(source.left_out):
        found["left_out"] = source.left_out
    for name, path in (ood if unknown.from_disk else {}).items():
        if name in found:
            raise RecipeError(f"--ood {name}={path}: the recipe has a set of that name; choose another.")
        only, exclude = unknown.only.get(name, ()), unknown.exclude.get(name, ())
        found[name] = open_outliers(path, model.preprocessing, only=only, exclude=exclude)
    return found


def _far_means(found: Evaluation, ood: Mapping[str, Path]) -> dict[str, float | None]:
    """Means over the sets from disk, each counting the same; of the peers, the best one by that mean."""
    means: dict[str, float | None] = {}
    for prefix in ("", "msp_"):
        each = [value_of(found.figures, f"{prefix}ood_{name}_auroc") for name in ood]
        if ood and all(value is not None for value in each):
            means[f"{prefix}ood_far_auroc"] = sum(v for v in each if v is not None) / len(each)
    if means and found.peers:
        table = {detector: sum(row[name] for name in ood) / len(ood) for detector, row in found.peers.items()}
        best = max(table, key=table.__getitem__)
        means["peer_ood_far_auroc"] = table[best]
        found.notes.append(f"the best detector of pytorch-ood on the far sets is {best}, chosen by that figure itself")
    if "left_out" in next(iter(found.peers.values()), {}):
        best = max(found.peers, key=lambda detector: found.peers[detector]["left_out"])
        found.notes.append(f"the best detector of pytorch-ood on what was left out is {best}, chosen by its own figure")
    return means


def _shape_means(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """The mean over the four strange shapes, where all were tried."""
    means: dict[str, float | None] = {}
    for prefix in ("", "msp_"):
        values = [figures.get(f"{prefix}ood_{kind}_auroc") for kind in STRANGE]
        if all(value is not None for value in values):
            means[f"{prefix}ood_shapes_auroc"] = sum(v for v in values if v is not None) / len(values)
    return means


def _notes(model: Model) -> list[str]:
    policy = model.policy
    if policy is None:
        return []
    notes = []
    if policy.method == "equal-weights" and len(policy.doubts) > 1:  # one doubt has no weights to fit
        notes.append(f"{policy.fit_errors} errors are too few to fit weights: the doubts count equally")
    if policy.alpha > policy.asked_alpha:
        rows = policy.threshold_rows
        notes.append(f"{rows} correct calibration images keep alpha {policy.alpha:.4f}, not {policy.asked_alpha}")
    return notes


def evaluate_model(
    model: Model, recipe: Recipe, where: str, *, seed: int, ood: Mapping[str, Path] | None = None
) -> Evaluation:
    """Measure a saved model on the test role of a recipe's data."""
    if model.policy is None:
        raise ModelError("the model was never calibrated, so it has no verdicts to measure; train it by a recipe.")
    source = recipe.source(where, seed)
    if source.spec.classes != model.spec.classes or source.spec.attributes != model.spec.attributes:
        raise DataError(
            f"{where}: its classes or attributes are not the model's ({', '.join(model.spec.classes[:5])} …)."
        )
    if source.preprocessing != model.preprocessing:
        raise DataError(f"{where}: brings images to another size or mode than the model's; use the model's own.")
    return evaluate(
        model,
        source.roles["test"],
        unknown=unknown_sets(recipe, model, source, seed, ood or {}),
        calibration=score(model.system, source.roles["calibration"]),
        train_attributes=source.roles["train"].attributes,
        seed=seed,
    )


def recipe_of(model: Model, overrides: Sequence[str] = ()) -> tuple[Recipe, str, int]:
    """The recipe that a saved model was made by, as recorded in it and overridden, with its name and seed."""
    try:
        values, name, seed = yaml.safe_load(model.about["values"]), str(model.about["recipe"]), int(model.about["seed"])
    except (KeyError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise RecipeError("the model does not say by which recipe it was made; name one with --recipe.") from error
    if not isinstance(values, dict):
        raise RecipeError("the recipe recorded in the model is damaged; name one with --recipe.")
    return build(Recipe, overridden(values, overrides), name), name, seed


def explain(model: Model, paths: Iterable[str | Path]) -> Iterator[tuple[Path, Decision | AntehocError]]:
    """A decision for every image, or the error of one that cannot be read; the others come out all the same."""
    listed = [Path(path) for path in paths]
    yield from zip(listed, model.decide_each(listed), strict=True)


def run_folder(
    recipe: str, scale: str, seed: int, out: str | Path | None, *, resume: bool, values: Mapping[str, Any]
) -> Path:
    """The folder of a run, made and marked with what it runs; nothing that exists is overwritten.

    Raises:
        OutputError: it cannot be made, or `resume` finds another run in it.
    """
    stem = Path(recipe).stem
    mark = {"recipe": recipe, "scale": scale, "seed": seed, "values": dict(values)}
    base = Path(out) if out else Path("antehoc-runs") / f"{stem}-{scale}-seed{seed}"
    base = base if base.name else base.resolve()  # "." has no name to number
    candidates = [base, *(base.parent / f"{base.name}-{number}" for number in range(2, 1000))]
    written = json.dumps(mark, indent=1, default=str)  # YAML knows dates
    folder = base
    try:
        existing = [path for path in candidates if (path / "run.json").exists()]
        if resume:
            if not existing:
                raise OutputError(f"{base}: there is no run to resume here; leave --resume out to start one.")
            folder = existing[-1]
            if (folder / "run.json").read_text() != written:
                raise OutputError(
                    f"{folder}: holds a run with another recipe, scale or seed; name its own to resume it."
                )
            return folder
        folder = next(path for path in candidates if not path.exists() or (path.is_dir() and not any(path.iterdir())))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json.part").write_text(written)
        (folder / "run.json.part").replace(folder / "run.json")  # a kill leaves a whole one or none
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); name another place with --out.") from error
    return folder


class Clock:
    """Seconds by part of a job."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.last = time.perf_counter()

    def restart(self) -> None:
        """Begin a part now, and leave out the time since the last one."""
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a part: the time since the last one is its."""
        now = time.perf_counter()
        self.parts[name] = self.parts.get(name, 0.0) + now - self.last
        self.last = now
