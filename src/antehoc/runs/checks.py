"""What can be checked before a run trains: its system, phases, doubts and unknown images."""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import torch

from antehoc.data import Source
from antehoc.errors import DataError, OutputError, RecipeError, near_miss
from antehoc.model import build_system
from antehoc.recipe import Recipe
from antehoc.runs.unknown import unknown_sets
from antehoc.training.loop import check_phase
from antehoc.types import Role


def check_same_data(folder: Path, source: Source, where: str) -> None:
    """Keep a fingerprint of a run's data, or refuse data that differ from those that the run began with.

    The fingerprint covers the bytes, labels, attributes, group and role of every image, and the class names.

    Args:
        folder: of the run.
        source: its data.
        where: what errors call the recipe.
    Raises:
        DataError: images, labels, attributes or roles are not those that the run began with.
        OutputError: the fingerprint cannot be read, or written.
    """
    digest, counts = blake2b(repr(source.spec.classes).encode(), digest_size=16), []
    for role, examples in source.roles.items():
        counts.append(f"{len(examples)} {role}")
        digest.update(role.encode() + b"".join(examples.content_hashes()))
        for values in (examples.labels, examples.attributes):
            digest.update(values.numpy().tobytes())
        if examples.groups:
            digest.update(repr(examples.groups).encode())
    found, file = f"{digest.hexdigest()} {', '.join(counts)}", folder / "data.txt"
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(found, encoding="utf-8")
        began = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise OutputError(
            f"{file}: cannot be read and written ({error.strerror}); check its permissions, or choose another path"
            " with --out."
        ) from error
    if began != found:
        raise DataError(
            f"{where}: the data are not those that the run in {folder} began with (then"
            f" {began.partition(' ')[2]}; now {', '.join(counts)}); start a new run without --resume."
        )


def check_filled(source: Source, where: str, *roles: Role) -> None:
    """Refuse data without images in one of these roles.

    Raises:
        DataError: naming the first such role.
    """
    if empty := [role for role in roles if not len(source.roles[role])]:
        raise DataError(f"{where}: there are no {empty[0]} images; give the role {empty[0]!r} one or more.")


def check_run(recipe: Recipe, source: Source, where: str, seed: int, *, ood: Mapping[str, Path] | None = None) -> None:
    """Refuse a recipe whose phases, doubts or unknown images cannot work, before anything is trained.

    The system is built once more, with random weights, and decides on one image.

    Args:
        recipe: to be run.
        source: its data.
        where: what errors call the recipe.
        seed: of the run.
        ood: unknown images from disk, by name; None: the run does not evaluate.
    Raises:
        RecipeError, DataError: with one sentence that says what to change.
    """
    with torch.random.fork_rng(), torch.no_grad():
        system = build_system(source.spec, recipe.system, f"{where}, system", weights=False).eval()
        image = source.roles["train"].batch([0]).image
        output = system.look(image, system(image))
        if (read := system.dense(output)) and source.spec.task == "single-label":
            system.training_images.fit(read[0], system.predicted(output))  # as training leaves them
        doubts = system.all_doubts(output)
        verdict = recipe.verdict
        single = verdict.method not in ("auto", "combined")
        chosen = [verdict.method] if single else [*verdict.doubts, *verdict.late]
        for name in chosen:
            if name not in doubts:
                key = "verdict.method" if single else "verdict.doubts"
                hint = near_miss(name, doubts)
                raise RecipeError(f"{where}, {key}: no doubt is called {name!r}.{hint} Known: {', '.join(doubts)}.")
        for number, phase in enumerate(recipe.phases):
            check_phase(system, phase, source.roles, number=number, where=f"{where}, phases.{number}")
    if ood is not None:
        check_filled(source, where, "test")
        unknown_sets(recipe, source, where, seed, ood)
