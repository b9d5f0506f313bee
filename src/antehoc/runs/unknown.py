"""The unknown images that a recipe requests, and what is measured over several sets of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from antehoc.data import Examples, Source
from antehoc.data.outliers import open_outliers
from antehoc.errors import DataError, RecipeError, choose
from antehoc.evaluation.unknown import GROUP
from antehoc.figure import Figure, value_of
from antehoc.recipe import FROM_DISK, Recipe


def unknown_sets(recipe: Recipe, source: Source, where: str, seed: int, ood: Mapping[str, Path]) -> dict[str, Examples]:
    """The recipe's built-in unknown images, those that the data leave out, and those that the user named.

    Args:
        recipe: its section `unknown`.
        source: of the data, whose preprocessing is the model's.
        where: what errors call the recipe.
        seed: of the built-in images.
        ood: images from disk, by name.
    Raises:
        RecipeError, DataError: a kind that the data do not have, a name given twice, or a set without images.
    """
    unknown = recipe.unknown
    made = source.unknown
    try:
        makers = {kind: choose("kind of unknown images in these data", kind, made) for kind in unknown.kinds}
    except RecipeError as error:
        raise RecipeError(f"{where}, unknown.kinds: {error}") from None
    found = {kind: make(unknown.count, seed) for kind, make in makers.items()}
    if source.left_out is not None and len(source.left_out):
        found["left_out"] = source.left_out
    for name, path in (ood if unknown.from_disk else {}).items():
        if name in found:
            raise RecipeError(f"--ood {name}={path}: the recipe has a set of that name; choose another.")
        only, exclude = unknown.only.get(name, ()), unknown.exclude.get(name, ())
        found[name] = open_outliers(path, source.preprocessing, only=only, exclude=exclude)
    if empty := [name for name, examples in found.items() if not len(examples)]:
        raise DataError(f"{where}: the unknown images {empty[0]!r} are none; leave the set out, or give it images.")
    return found


def means_of_sets(
    asked: Mapping[str, tuple[str, ...] | str],
    figures: Sequence[Figure],
    peers: Mapping[str, Mapping[str, float]],
    from_disk: Sequence[str],
) -> tuple[list[Figure], list[str]]:
    """Means of AUROC over sets, each set counting the same; a mean is left out where one of its sets is.

    Args:
        asked: which sets each mean counts, by its name; `from-disk` stands for those that the user named.
        figures: of the single sets.
        peers: AUROC of other detectors, by detector and set. The one that is best by the mean is taken.
        from_disk: names of the sets that the user named.
    Returns:
        The means as figures, and a note for each detector that was chosen by the very figure that it gives.
    """
    means: list[Figure] = []
    notes = []
    for name, chosen in asked.items():
        sets = tuple(from_disk if chosen == FROM_DISK else chosen)
        own = _means(name, sets, figures)
        if own and peers and all(set(sets) <= set(row) for row in peers.values()):
            table = {detector: sum(row[one] for one in sets) / len(sets) for detector, row in peers.items()}
            best = max(table, key=table.__getitem__)
            own.append(_mean("peer_", name, table[best]))
            notes.append(f"the best detector of pytorch-ood on the {name} sets is {best}, chosen by that figure itself")
        means += own
    if "left_out" in next(iter(peers.values()), {}):
        best = max(peers, key=lambda detector: peers[detector]["left_out"])
        notes.append(f"the best detector of pytorch-ood on what was left out is {best}, chosen by its own figure")
    return means, notes


def _means(name: str, sets: Sequence[str], figures: Sequence[Figure]) -> list[Figure]:
    means = []
    for prefix in ("", "msp_"):
        each = [value_of(figures, f"{prefix}ood_{one}_auroc") for one in sets]
        known = [value for value in each if value is not None]
        if known and len(known) == len(each):
            means.append(_mean(prefix, name, sum(known) / len(known)))
    return means


_OF = {
    "": "the verdict",
    "msp_": "maximum softmax",
    "peer_": "the best detector of pytorch-ood (chosen by this figure)",
}


def _mean(prefix: str, name: str, value: float) -> Figure:
    says = f"AUROC of {_OF[prefix]}, {name} sets against test images, mean over the sets"
    return Figure(f"{prefix}ood_{name}_auroc", value, says, GROUP, "higher", headline=True)


def with_aliases(figures: Sequence[Figure], aliases: Mapping[str, str]) -> list[Figure]:
    """Figures of all variants, and those that are defined once more under their second names."""
    by_name = {figure.name: figure for figure in figures}
    seconds = [
        replace(found, name=alias, headline=True, of_set=None, variant="")
        for alias, name in aliases.items()
        if (found := by_name.get(name)) is not None and found.value is not None
    ]
    return [*figures, *seconds]
