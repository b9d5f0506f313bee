"""A fault of published code, measured beside the repaired figure when a recipe requests it."""

from collections.abc import Mapping, Sequence

import torch

from antehoc.doubts import rules
from antehoc.evaluation.scoring import Scored
from antehoc.evaluation.unknown import GROUP
from antehoc.evaluation.verdicts import share
from antehoc.evaluation.words import set_words
from antehoc.figure import Figure
from antehoc.spec import DataSpec


def paired(spec: DataSpec, scored: Scored, unknown: Mapping[str, Scored], names: Sequence[str]) -> list[Figure]:
    """Decisions on unknown images, questioned by the explanations of test images.

    Args:
        spec: of the model's data.
        scored: test images.
        unknown: images of no known class by set.
        names: of the sets to pair with test images; sets that are not there are left out.
    """
    if "attributes" not in scored.columns or scored.task != "single-label":
        return []
    return [_paired(spec, scored, name, unknown[name]) for name in names if name in unknown]


def _paired(spec: DataSpec, scored: Scored, name: str, other: Scored) -> Figure:
    count = min(len(other.label), len(scored.label))
    own = torch.tensor(spec.class_attributes)
    pick = torch.randperm(len(scored.label), generator=torch.Generator().manual_seed(0))[:count]
    doubt = rules.support(scored.columns["attributes"][pick], other.predicted[:count], own)
    says = (
        f"share of {set_words(name)} questioned by the support rule, each paired with the explanation of a test image"
    )
    return Figure(f"ood_{name}_support_questioned_paired", share(doubt > 0), says, GROUP, of_set=name)
