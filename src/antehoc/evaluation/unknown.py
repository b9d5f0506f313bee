"""Sets of no known class: whether they are questioned, and how well they are told from the test images."""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from antehoc.blocks import Cell, Note, Section, Strong, Table
from antehoc.calibration import Policy
from antehoc.evaluation.rules import RULES
from antehoc.evaluation.scoring import BASELINE, Scored
from antehoc.evaluation.verdicts import share
from antehoc.evaluation.words import score_words, set_words, spaced
from antehoc.figure import Better, Figure, defined, listed, number, value_of
from antehoc.metrics.ood import ood_auroc, ood_fpr_at_95_tpr

GROUP = "Images of no known class"
_PREFIXES = {"verdict": "", "msp": "msp_"}  # of the names of figures, by score
_SAID = (
    "The model can only answer with a class that it knows; to question is the most that it can do. Maximum softmax has"
    " a threshold of its own at the same alpha. AUROC: how often an image of the set scores above a test image; 0.5 is"
    " chance. FPR: test images above the line that catches 95 % of the set; lower is better. Bold: the better."
)


def of_image(score: Tensor) -> Tensor:
    """(n,) one score per image: with several labels (n, K) the highest of its labels."""
    return score if score.ndim == 1 else score.amax(1)


def _any(questioned: Tensor) -> Tensor:
    """(n,) True where the image is questioned: with several labels (n, K) where one of them is."""
    return questioned if questioned.ndim == 1 else questioned.any(1)


def figures(
    policy: Policy, scored: Scored, unknown: Mapping[str, Scored], baseline_threshold: float | None = None
) -> list[Figure]:
    """All figures of every set: shares questioned, AUROC and FPR, of the verdict and of maximum softmax.

    Args:
        policy: of the model.
        scored: test images.
        unknown: scored images of no known class, by name of the set.
        baseline_threshold: of maximum softmax; None: its share questioned is left out.
    """
    found: list[Figure] = []
    for name, other in unknown.items():
        if baseline_threshold is not None:
            questioned = _any(other.doubts[BASELINE] > baseline_threshold)
            found.append(_questioned("msp_", name, share(questioned), f" by {score_words('msp')}"))
        questioned = _any(policy.score(other.doubts) > policy.thresholds(other.about))
        found.append(_questioned("", name, share(questioned)))
        found += _by_rules(name, other)
        found += _told_apart("verdict", name, policy.score(scored.doubts), policy.score(other.doubts))
        found += _told_apart("msp", name, scored.doubts[BASELINE], other.doubts[BASELINE])
    return found


def _questioned(prefix: str, name: str, value: float | None, by: str = "") -> Figure:
    says = f"share of {set_words(name)} questioned{by}"
    return Figure(f"{prefix}ood_{name}_questioned", value, says, GROUP, "higher", of_set=name)


def _by_rules(name: str, other: Scored) -> list[Figure]:
    """The share that each rule questions; undefined where the system has no such doubt."""
    found = []
    for rule in (rule for rule in RULES if rule.of_sets):
        questioned = rule.applied(other.doubts, other.logits.shape[1])
        value = None if questioned is None else share(_any(questioned))
        says = f"share of {set_words(name)} questioned by {rule.words}"
        found.append(Figure(f"ood_{name}_{rule.name}_questioned", value, says, GROUP, "higher", of_set=name))
    return found


def _told_apart(score: str, name: str, known: Tensor, other: Tensor) -> list[Figure]:
    known, other, prefix = of_image(known), of_image(other), _PREFIXES[score]
    own = score_words(score)
    ranked = f"AUROC of {own}, {set_words(name)} against test images"
    caught = f"share of test images above the threshold of {own} that finds 95 % of {set_words(name)}"
    measured: list[tuple[str, Tensor, str, Better]] = [
        ("auroc", ood_auroc(known, other), ranked, "higher"),
        ("fpr_at_95_tpr", ood_fpr_at_95_tpr(known, other), caught, "lower"),
    ]
    return [
        Figure(f"{prefix}ood_{name}_{measure}", defined(float(value)), says, GROUP, better, of_set=name)
        for measure, value, says, better in measured
    ]


def table(found: Iterable[Figure], images: Mapping[str, int], *, brief: bool = False) -> Table:
    """A row for each set: questioned, AUROC and FPR, each beside maximum softmax, the better one set off.

    Args:
        found: the figures of the sets.
        images: how many each set has, by name.
        brief: for a terminal: short headings, and the table says what it is.
    """
    by_name, rules = list(found), [rule for rule in RULES if rule.of_sets]
    rules = [r for r in rules if any(value_of(by_name, f"ood_{s}_{r.name}_questioned") is not None for s in images)]
    softmax = "softmax" if brief else "of softmax"
    head = ["Unknown images" if brief else "set", "images", "questioned", "softmax" if brief else "by softmax"]
    head += [rule.name if brief else f"by {rule.name}" for rule in rules]
    head += ["AUROC", softmax, "FPR95" if brief else "FPR at 95 % TPR", softmax]
    rows = []
    for name, count in images.items():
        cells: list[Cell] = [spaced(name), f"{count:,}", *_beside(by_name, name, "questioned")]
        cells += [number(value_of(by_name, f"ood_{name}_{rule.name}_questioned")) for rule in rules]
        cells += [*_beside(by_name, name, "auroc"), *_beside(by_name, name, "fpr_at_95_tpr", lower=True)]
        rows.append(tuple(cells))
    return Table(tuple(head), tuple(rows))


def _beside(found: Sequence[Figure], name: str, measure: str, *, lower: bool = False) -> list[Cell]:
    """Two cells, verdict and maximum softmax, the better one set off."""
    values = [value_of(found, f"{prefix}ood_{name}_{measure}") for prefix in _PREFIXES.values()]
    cells: list[Cell] = [number(value) for value in values]
    own, other = values
    if own is not None and other is not None and own != other:
        index = int((own < other) != lower)
        cells[index] = Strong(number(values[index]))
    return cells


def section(
    found: Iterable[Figure], images: Mapping[str, int], altered: Sequence[str], peers: Sequence[Section] = ()
) -> Section:
    """The table of sets, how to read it, and other detectors.

    Args:
        found: the figures of the sets.
        images: how many each set has, by name.
        altered: those sets that are altered test images, whose class is known.
        peers: sections on other detectors.
    """
    said = _SAID
    if altered:
        said += f" {listed(map(spaced, altered)).capitalize()}: altered test images; their class is known, but harder"
        said += " to see."
    return Section("Unknown images", (table(found, images), Note(said, "aside"), *peers))
