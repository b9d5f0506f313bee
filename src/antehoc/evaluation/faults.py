"""Faults of published code, measured beside the repaired figure: a recipe asks for them by name."""

from collections.abc import Callable, Mapping

import torch

from antehoc.doubts import rules
from antehoc.evaluation.scoring import Scored
from antehoc.evaluation.unknown import GROUP
from antehoc.evaluation.verdicts import share
from antehoc.evaluation.words import set_words
from antehoc.figure import Figure
from antehoc.spec import DataSpec

_PAIRED = "noise"  # the set whose decisions were paired with the explanations of other images


def paired(spec: DataSpec, scored: Scored, unknown: Mapping[str, Scored]) -> list[Figure]:
    """Decisions on unknown images, questioned by the explanations of test images.

    Args:
        spec: of the model's data.
        scored: test images.
        unknown: images of no known class by set.
    """
    if _PAIRED not in unknown or "attributes" not in scored.columns:
        return []
    other = unknown[_PAIRED]
    count = min(len(other.label), len(scored.label))
    own = torch.tensor(spec.class_attributes)
    pick = torch.randperm(len(scored.label), generator=torch.Generator().manual_seed(0))[:count]
    doubt = rules.support(scored.columns["attributes"][pick], other.predicted[:count], own)
    says = f"{set_words(_PAIRED)} questioned by the support rule, each paired with the explanation of a test image"
    name = f"ood_{_PAIRED}_support_questioned_paired"
    return [Figure(name, share(doubt > 0), says, GROUP, of_set=_PAIRED)]


FAULTS: dict[str, Callable[[DataSpec, Scored, Mapping[str, Scored]], list[Figure]]] = {"ood-pairing": paired}
