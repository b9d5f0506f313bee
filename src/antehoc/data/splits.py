"""Which role each image plays, and whether one image plays two."""

from collections.abc import Mapping, Sequence

import torch

from antehoc.data.examples import Examples, Files
from antehoc.data.strata import label_sets, stratified, together
from antehoc.errors import DataError, near_miss
from antehoc.types import ROLES, Role

SHARES = (0.6, 0.1, 0.15, 0.15)  #: of train, validation, calibration and test, where no split is given
ROLE_NAMES: Mapping[str, Role] = {role: role for role in ROLES} | {"val": "validation"}


def complete_split(
    files: Files,
    roles: Sequence[Role],
    *,
    shares: Sequence[float],
    seed: int,
    where: str,
) -> tuple[list[Role], tuple[str, ...]]:
    """A role for each file: the given one, but a role without a file is taken from train.

    Where every file is in train the whole split is drawn. It is drawn class by class, in an order by a seeded hash of
    the files' bytes (`stratified`), so that every class keeps its shares and at least one training image. Equal files
    share a role, and so do the files of a group. The split depends on seed, shares, bytes, classes and groups alone,
    not on names or on the order of the files; with files added or removed it may differ for every file.

    Args:
        files: all files, with their labels and groups.
        roles: the given role of each.
        shares: of train, validation, calibration and test; those of train and the missing roles count, as ratios.
        seed: another seed draws another split.
        where: what a message puts in front.
    Returns:
        The roles, and notes of what was drawn: none where nothing was.
    Raises:
        DataError: if the shares cannot be used, a given split divides a group, or a role gets no image.
        ImageError: if a file that must be hashed cannot be read.
    """
    if len(shares) != len(ROLES) or not all(share > 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise DataError(f"shares: four numbers above 0 that sum to 1 are needed ({', '.join(ROLES)}); got {[*shares]}.")
    if "train" not in roles:
        raise DataError(f"{where}: there is no image in the role train; the other roles are not enough.")
    if files.groups:
        check_groups(files.groups, roles, where=where)
    missing = [role for role in ROLES if role not in roles]
    if not missing:
        return list(roles), ()
    wanted = [role for role in ROLES if role == "train" or role in missing]
    trained = [index for index, role in enumerate(roles) if role == "train"]
    own = files.select(trained)
    labels = label_sets(own.labels)
    units = together(own.content_hashes(), own.groups)
    parts = stratified(own.content_hashes(), labels, units, [shares[ROLES.index(role)] for role in wanted], seed=seed)
    result = list(roles)
    for index, part in zip(trained, parts, strict=True):
        result[index] = wanted[part]
    if empty := [role for role in wanted if role not in result]:
        raise DataError(
            f"{where}: {len(trained)} images{_in_groups(own)} are too few to draw {', '.join(wanted)} from;"
            f" {empty[0]} got none; give more images or other shares."
        )
    drawn = [result[index] for index in trained]
    return result, _notes(drawn, wanted, labels, seed, _in_groups(own))


def _in_groups(files: Files) -> str:
    return f" in {len(named)} groups" if (named := {group for group in files.groups or () if group}) else ""


def _notes(
    drawn: Sequence[Role], wanted: Sequence[Role], labels: Sequence[Sequence[int]], seed: int, groups: str
) -> tuple[str, ...]:
    """What was drawn, and which roles lack a class."""
    counts = ", ".join(f"{drawn.count(role)} {role}" for role in wanted)
    kept = ", groups kept together" if groups else ""
    notes = [
        f"The split was drawn class by class, by a hash of each file's bytes (seed {seed}), from {len(drawn)}"
        f" images{groups}{kept}: {counts}."
    ]
    classes = {label for own in labels for label in own}
    for role in wanted[1:]:
        found = {label for own, part in zip(labels, drawn, strict=True) if part == role for label in own}
        if len(found) < len(classes):
            notes.append(f"{len(classes) - len(found)} of {len(classes)} classes have too few images for {role}.")
    return tuple(notes)


def check_groups(groups: Sequence[str], roles: Sequence[Role], *, where: str) -> None:
    """Refuse a given split that divides a group.

    Args:
        groups: the name of each image's group, empty where it has none.
        roles: of each image.
        where: what a message puts in front.
    Raises:
        DataError: naming the first such group and two of its roles.
    """
    first: dict[str, Role] = {}
    for group, role in zip(groups, roles, strict=True):
        if group and (other := first.setdefault(group, role)) != role:
            raise DataError(
                f"{where}: the group {group!r} has images in {other} and in {role}; keep a group in one role, or leave"
                " the split out."
            )


def official_roles(
    examples: Examples,
    tested: Sequence[bool],
    *,
    validation: float,
    calibration: float,
    share: float = 1.0,
    seed: int,
    where: str,
) -> tuple[dict[Role, Examples], tuple[str, ...]]:
    """Roles for a data set with a test split of its own, which is kept whole; the others are drawn from the rest.

    Validation and calibration are drawn class by class, in an order by a seeded hash of each image's bytes
    (`stratified`); equal images share a role. Images of the rest that equal a test image are left out.

    Args:
        examples: all images, with their labels.
        tested: which of them are the test split.
        validation, calibration: shares of the rest, 0 for none.
        share: of the rest that is used at all, above 0 and at most 1.
        seed: another seed draws other images.
        where: what a message puts in front.
    Returns:
        The images of each role, and notes of what was drawn and left out.
    Raises:
        DataError: if the shares cannot be used, or a split has no image.
        ImageError: if a file that must be hashed cannot be read.
    """
    check_held_out(where, validation, calibration)
    if not 0 < share <= 1:
        raise DataError(f"{where}: share, of the train split, is above 0 and at most 1; got {share}.")
    hashes = examples.content_hashes()
    test = [index for index, own in enumerate(tested) if own]
    seen = {hashes[index] for index in test}
    rest = [index for index, own in enumerate(tested) if not own]
    trained = [index for index in rest if hashes[index] not in seen]
    if not test or not trained:
        missing = "test" if not test else "train"
        raise DataError(f"{where}: its {missing} split has no image; use a complete copy.")
    parts: dict[Role | None, float] = {
        "train": share * (1 - validation - calibration),
        "validation": share * validation,
        "calibration": share * calibration,
        None: 1 - share,
    }
    wanted = [role for role, own in parts.items() if own > 0]
    own = [hashes[index] for index in trained]
    labels = label_sets(examples.labels[torch.as_tensor(trained)])
    drawn = stratified(own, labels, together(own), [parts[role] for role in wanted], seed=seed)
    roles: dict[Role, Examples] = {}
    for role in ROLES:
        of_role = [index for index, part in zip(trained, drawn, strict=True) if wanted[part] == role]
        roles[role] = examples.select(test if role == "test" else of_role)
    counts = ", ".join(f"{len(roles[role]):,} {role}" for role in ROLES)
    notes = [f"Roles but test were drawn from the train split by a hash of each image's bytes (seed {seed}): {counts}."]
    if doubled := len(rest) - len(trained):
        notes.append(f"Images of the train split that equal a test image were left out: {doubled}.")
    return roles, tuple(notes)


def check_held_out(where: str, validation: float, calibration: float) -> None:
    """Refuse shares of the training images that leave none to train on.

    Args:
        where: what a message puts in front.
        validation: the share that becomes validation, in 0..1.
        calibration: the share that becomes calibration, in 0..1.
    Raises:
        DataError: naming both shares.
    """
    if not (validation >= 0 and calibration >= 0 and validation + calibration < 1):
        raise DataError(
            f"{where}: validation and calibration are shares, 0 or more, that leave train some; got {validation} and "
            f"{calibration}."
        )


def check_trained(labels: Sequence[str], roles: Sequence[Role], places: Sequence[str], *, where: str) -> None:
    """Refuse a label that no training image has.

    Args:
        labels: of each image.
        roles: of each image.
        places: what a message calls each image.
        where: what a message puts in front.
    Raises:
        DataError: naming the first such image.
    """
    trained = {label for label, role in zip(labels, roles, strict=True) if role == "train"}
    for label, role, place in zip(labels, roles, places, strict=True):
        if label not in trained:
            raise DataError(
                f"{where}: the label {label!r} ({place}, role {role}) has no image in train; give it some."
                f"{near_miss(label, trained)}"
            )


def by_role(files: Files, roles: Sequence[Role]) -> dict[Role, Files]:
    """The files of each role, in their order."""
    return {role: files.select([index for index, own in enumerate(roles) if own == role]) for role in ROLES}


def leaks(roles: Mapping[Role, Examples]) -> list[tuple[Role, Role, str, str]]:
    """Images that occur in two roles, byte for byte; none should.

    Images in memory are compared by their pixels, files by their content, one kind never with the other.

    Args:
        roles: the images of each role.
    Returns:
        For each image of a role that an earlier role has already: the earlier role, this role, the name of the first
        such image there, and its name here.
    Raises:
        ImageError: if a file cannot be read.
    Example:
        >>> import torch
        >>> from antehoc.data import Tensors
        >>> black = Tensors(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), names="black")
        >>> leaks({"train": black, "test": black})
        [('train', 'test', 'black #0', 'black #0')]
    """
    found = []
    earlier: list[tuple[Role, Examples, dict[bytes, int]]] = []
    for role, examples in roles.items():
        hashes = examples.content_hashes()
        for other_role, other, first in earlier:
            duplicates = [index for index, digest in enumerate(hashes) if digest in first]
            there = other.names([first[hashes[index]] for index in duplicates])
            found += [(other_role, role, *names) for names in zip(there, examples.names(duplicates), strict=True)]
        # from the last to the first, so that the first of equal images stays
        earlier.append((role, examples, {hashes[index]: index for index in reversed(range(len(hashes)))}))
    return found
