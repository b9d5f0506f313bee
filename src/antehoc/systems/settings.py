"""Groups of arguments that several systems share, and how the flat arguments of earlier versions map to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from antehoc.doubts import ClassGaussians


@dataclass(frozen=True)
class BackboneSettings:
    """The network that decides. In a recipe its name alone will do: `backbone: small`.

    Args:
        name: `small`, `tiny`, another of the package's networks, or a network of timm.
        weights: start from a file of weights (`.safetensors`), a name on the hub, or timm's own (`true`).
        options: of the network's constructor, such as `{pad_type: same}`.
        batch_norm: `update`, `fixed` on its running statistics, or `auto`: fixed where the weights have none of their
            own (folded batch norm).
        frozen_stages: this many first stages never learn, so that what comes out of them can be cached. A system that
            freezes none refuses this.
    """

    name: str = "small"
    weights: bool | str = False
    options: Mapping[str, Any] = field(default_factory=dict)
    batch_norm: Literal["auto", "update", "fixed"] = "auto"
    frozen_stages: int = 0

    @staticmethod
    def of(given: "str | BackboneSettings") -> "BackboneSettings":
        """The settings, also from a name alone."""
        return BackboneSettings(given) if isinstance(given, str) else given


@dataclass(frozen=True)
class DistanceSettings:
    """How the doubt `distance` models the features of each class (`doubts.ClassGaussians`).

    Args:
        covariance: of each `class`, or one `shared` by all.
        shrinkage: a number, or `ledoit-wolf` where features outnumber training images.
    """

    covariance: Literal["class", "shared"] = "shared"
    shrinkage: float | Literal["ledoit-wolf"] = 0.001

    def build(self, classes: int, features: int) -> ClassGaussians:
        """The model of so many features, not fitted yet."""
        return ClassGaussians(classes, features, covariance=self.covariance, shrinkage=self.shrinkage)


def regrouped(values: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """A system's arguments with flat keys of earlier versions moved into their groups.

    Args:
        values: as a recipe or a saved model holds them.
        places: `group.key` by flat key.
    Example:
        >>> places = {"backbone": "backbone.name", "weights": "backbone.weights"}
        >>> regrouped({"backbone": "small", "weights": True}, places)
        {'backbone': {'name': 'small', 'weights': True}}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in places or (isinstance(value, Mapping) and places[key].split(".")[0] == key):
            found[key] = value
            continue
        group, _, inner = places[key].partition(".")
        found.setdefault(group, {})[inner] = value
    return found
