"""Other detectors of unknown images, on the features of the same classifier."""

from collections.abc import Mapping, Sequence

from antehoc.blocks import Note, Section, Table
from antehoc.data.examples import Fetched
from antehoc.evaluation.scoring import Scored, outputs, score
from antehoc.evaluation.unknown import GROUP
from antehoc.evaluation.words import set_words, spaced
from antehoc.figure import Figure, number, value_of
from antehoc.metrics import peers as peer_metrics
from antehoc.model import Model

Peers = dict[str, dict[str, float]]  #: AUROC by detector and set

_SHOWN = ("best", "second", "third")
_SAID = (
    "Detectors of the library pytorch-ood on the features of the same classifier, fitted on its training images. The"
    " best of them on a set is chosen by the figure that is shown, on the same images. It could not have been chosen"
    " beforehand, so the comparison favors it. The verdict was fitted on no image of these sets."
)


def measured(model: Model, train: Fetched, scored: Scored, unknown: Mapping[str, Scored]) -> tuple[list[Figure], Peers]:
    """The best detector's AUROC on each set, and those of all detectors.

    Args:
        model: with a dense layer that ends its classifier; without one nothing is measured.
        train: the images that trained it, with one label each.
        scored: test images, with `features`.
        unknown: images of no known class by set, with `features`.
    """
    dense = model.system.dense(next(outputs(model.system, train)))
    if dense is None or not unknown or scored.task != "single-label":
        return [], {}
    own = score(model.system, train, features=True)
    sets = {"test": scored, **unknown}
    head = dense[1]
    bias = head.bias if head.bias is not None else head.weight.new_zeros(len(head.weight))
    scores = peer_metrics.peer_scores(
        own.columns["features"],
        own.logits,
        own.label,
        head.weight,
        bias,
        {name: (one.columns["features"], one.logits) for name, one in sets.items()},
    )
    best = peer_metrics.best_peer(scores).items()
    return [_figure(name, value) for name, (_, value) in best], peer_metrics.peer_table(scores)


def _figure(name: str, value: float) -> Figure:
    says = f"AUROC of the best detector of pytorch-ood (chosen by this figure), {set_words(name)} against test images"
    return Figure(f"peer_ood_{name}_auroc", value, says, GROUP, "higher", of_set=name)


def section(found: Sequence[Figure], peers: Peers, sets: Sequence[str]) -> Section:
    """For each set the best detectors beside verdict and maximum softmax; all of them folded away.

    Args:
        found: the figures of the sets.
        peers: AUROC by detector and set.
        sets: their names.
    """
    rows = []
    for name in sets:
        own = {detector: shares[name] for detector, shares in peers.items() if name in shares}
        best = sorted(own, key=lambda detector: -own[detector])[: len(_SHOWN)]
        cells = [f"{number(own[detector])} {detector}" for detector in best] + [""] * (len(_SHOWN) - len(best))
        ours = (number(value_of(found, f"{prefix}ood_{name}_auroc")) for prefix in ("", "msp_"))
        rows.append((spaced(name), *ours, *cells))
    every = sorted(peers.items(), key=lambda item: -sum(item[1].values()))
    whole = [(detector, *(number(shares.get(name)) for name in sets)) for detector, shares in every]
    all_of_them = Table(("AUROC", *map(spaced, sets)), tuple(whole))
    return Section(
        "Other detectors on the same features",
        (
            Table(("AUROC", "verdict", "maximum softmax", *_SHOWN), tuple(rows)),
            Note(_SAID, "aside"),
            Section(f"all {len(every)} detectors", (all_of_them,), folded=True),
        ),
    )
