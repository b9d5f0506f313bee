"""Presets: recipes with blanks, one YAML file each, filled in from what was found in a user's data.

A preset says which data it is for, what a person reads of that, the values that depend on the number of images per
class, and the text of a recipe with `${blanks}`, with pretrained weights and from random ones.
Nothing here loads torch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

from antehoc.errors import choose
from antehoc.plain import read_yaml


@dataclass(frozen=True)
class Preset:
    """One preset, as its file says."""

    name: str
    rank: int  #: the preset of the least rank that the data are for is taken
    fits: str  #: what a person reads where it is taken or could be
    unfit: str  #: and where it cannot be
    sizes: tuple[Mapping[str, Any], ...]  #: values by images per class, up to `upto`; the last has none
    recipe: str
    from_scratch: str
    needs: tuple[str, ...] = ()  #: facts without which it cannot be used: `attributes`, `objects`
    chosen_for: tuple[str, ...] = ()  #: facts without which it is not taken on its own

    def possible(self, facts: Collection[str]) -> bool:
        """Whether data with these facts can be used."""
        return set(self.needs) <= set(facts)

    def values(self, per_class: int) -> Mapping[str, Any]:
        """What depends on the number of images per class."""
        return next(own for own in self.sizes if per_class <= own.get("upto", per_class))

    def text(self, blanks: Mapping[str, object], *, from_scratch: bool) -> str:
        """The recipe with its blanks filled in.

        Raises:
            KeyError: where a blank is not given.
        """
        return Template(self.from_scratch if from_scratch else self.recipe).substitute(blanks)


def presets() -> dict[str, Preset]:
    """The presets by name, the first choice first."""
    folder = resources.files("antehoc") / "presets"
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".yaml"):
            values = read_yaml(file.read_text(encoding="utf-8"), file.name)
            lists = {key: tuple(values[key]) for key in ("sizes", "needs", "chosen_for") if key in values}
            found.append(Preset(file.name.removesuffix(".yaml"), **{**values, **lists}))
    return {preset.name: preset for preset in sorted(found, key=lambda preset: preset.rank)}


def choose_preset(facts: Collection[str], name: str | None = None) -> Preset:
    """The preset of that name, or the first one that is for data with these facts.

    Raises:
        RecipeError: no preset has that name.
    """
    known = presets()
    if name is not None:
        return choose("preset", name, known)
    return next(preset for preset in known.values() if {*preset.needs, *preset.chosen_for} <= set(facts))
