"""Groups of attributes whose names share what stands before `::`: the answers to one question."""

from collections.abc import Callable, Sequence


def exclusive_groups(names: Sequence[str], holds: Callable[[list[int]], bool]) -> tuple[tuple[int, ...], ...]:
    """Those of the `attribute_groups` that a test on their attributes' numbers holds for."""
    return tuple(group for group in attribute_groups(names) if holds(list(group)))


def attribute_groups(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Groups of attributes that share the text before `::`, two or more: the answers to one question.

    Example:
        >>> attribute_groups(["bill::hooked", "bill::dagger", "crest"])
        ((0, 1),)
    """
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if "::" in name:
            groups.setdefault(name.split("::")[0], []).append(number)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
