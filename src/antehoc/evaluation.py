"""What a model does on images with known answers: figures, tables and examples, each beside its trivial twin."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from antehoc import metrics, task
from antehoc.calibration import Policy, calibrate
from antehoc.data.altered import ALTERATIONS
from antehoc.data.examples import Examples, Fetched
from antehoc.doubts import likelihood, rules
from antehoc.explanations import AttributeScores, of_kind
from antehoc.metrics import attributes as attribute_metrics
from antehoc.metrics import peers as peer_metrics
from antehoc.metrics import selective
from antehoc.metrics.ood import ood_auroc, ood_fpr_at_95_tpr
from antehoc.model import Model
from antehoc.model.decision import decide
from antehoc.systems.base import System
from antehoc.types import Decision

BASELINE = "softmax"  # the doubt that every verdict is measured beside
_PIXELS = 2**20  # of one batch and channel: what processor caches hold, large images pass through faster
_LEVEL = 0.05  # of the test whether an attribute is seen at all
_TOP = 10  # the thesis's rule for birds: questioned where the class is not among so many best by the attributes


@dataclass(frozen=True)
class Scored:
    """What is kept of every image of a set: `columns` by name are what the system's `table` gives."""

    label: Tensor  #: (n,)
    attributes: Tensor  #: (n, N) true
    logits: Tensor  #: (n, K)
    doubts: Mapping[str, Tensor]  #: (n,) by name
    columns: Mapping[str, Tensor]

    @property
    def predicted(self) -> Tensor:
        """(n,) class numbers."""
        return task.predicted("single-label", self.logits)

    @property
    def wrong(self) -> Tensor:
        """(n,) True where the decision is wrong."""
        return self.predicted != self.label


@dataclass(frozen=True)
class Shown:
    """One image with its decision, for a picture."""

    title: str
    image: Tensor  #: (C, H, W) in 0..1
    decision: Decision
    truth: str | None  #: None for an image of no known class
    confidence: tuple[float, ...] = ()  #: of each class by the support rule, where the system names attributes


@dataclass(frozen=True)
class Evaluation:
    """A model's figures, shares in 0..1, None where undefined (`notes` say why), and what pictures are made of."""

    figures: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]  #: 95 % of paired bootstrap resamples, or of a share
    confusion: list[list[int]]  #: rows predicted, columns true
    attribute_table: list[dict[str, float | str | None]]
    curves: dict[str, tuple[list[float], list[float]]]  #: risk over coverage, by score
    unknown: list[dict[str, float | str | None]]  #: a row per set of no known class
    scores: dict[str, list[float]]  #: a sample of verdict scores by set, for the histogram
    shown: list[Shown]
    notes: list[str] = field(default_factory=list)
    peers: dict[str, dict[str, float]] = field(default_factory=dict)  #: AUROC of other detectors, by detector and set
    studies: dict[str, Any] = field(default_factory=dict)  #: findings of `antehoc.studies`, by name


@torch.no_grad()
def score(system: System[Any], examples: Fetched, *, features: bool = False) -> Scored:
    """Run a system over examples and keep what an evaluation needs; the images themselves are let go.

    With `features` the columns also hold what the classifier's dense layer reads, as `features`.
    """
    parts: list[tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]] = []
    for output in outputs(system, examples):
        table = system.columns(output)
        if features and (dense := system.dense(output)):
            table["features"] = dense[0]
        parts.append((output.logits, system.all_doubts(output), table))
    return Scored(
        examples.labels,
        examples.attributes,
        torch.cat([part[0] for part in parts]).cpu(),
        {name: torch.cat([part[1][name] for part in parts]).cpu() for name in parts[0][1]},
        {name: torch.cat([part[2][name] for part in parts]).cpu() for name in parts[0][2]},
    )


def outputs(system: System[Any], examples: Fetched) -> Iterator[Any]:
    """A system's output on examples, a batch at a time; from their activations where these were cached."""
    device = next(system.parameters()).device
    batch_size = max(8, min(64, _PIXELS // (system.spec.height * system.spec.width)))
    for start in range(0, len(examples), batch_size):
        batch = examples.batch(range(start, min(start + batch_size, len(examples))))
        activations = tuple(activation.to(device) for activation in batch.activations)
        if activations:  # their images are gone, and systems that look again cache none
            yield system.from_activations(activations)
        else:
            image = batch.image.to(device)
            yield system.look(image, system(image))


def evaluate(
    model: Model,
    test: Examples,
    *,
    unknown: Mapping[str, Examples],
    calibration: Scored | None = None,
    train_attributes: Tensor | None = None,
    train: Fetched | None = None,
    points: Sequence[float] = (),
    scored: Scored | None = None,
    faults: tuple[str, ...] = (),
    seed: int = 0,
) -> Evaluation:
    """Measure a calibrated model on a test set and on images of no known class.

    Args:
        model: with its policy.
        test: images that chose nothing.
        unknown: sets of images of no known class, by name.
        calibration: scored calibration images, to give the maximum-softmax baseline a threshold of its own.
        train_attributes: true attributes (n, N) of training images, for the majority predictor.
        train: the training images, to compare with the detectors of pytorch-ood on the same features; None: do not.
        scored: the test images as scored already, with `features` where `train` is given.
        points: shares of correct decisions questioned, at which the shares of wrong ones are compared.
        faults: faults of the originals to measure beside the repaired figure.
        seed: of the bootstrap.
    """
    if model.policy is None:
        raise ValueError("evaluate needs a calibrated model")
    scored = score(model.system, test, features=train is not None) if scored is None else scored
    verdict = model.policy.score(scored.doubts)
    unknown_scored = {
        name: score(model.system, examples, features=train is not None) for name, examples in unknown.items()
    }
    figures: dict[str, float | None] = {"accuracy": _value(1 - scored.wrong.double().mean())}
    table = _attributes(model, scored, train_attributes, figures)
    intervals = _verdicts(scored, verdict, model.policy, figures, seed)
    if calibration is not None and BASELINE in calibration.doubts:
        _baseline(scored, calibration, unknown_scored, model.policy.alpha, figures)
    rows = _unknown(model.policy, scored, verdict, unknown_scored, figures)
    _at_points(scored, verdict, points, figures)
    peers = _peers(model, train, scored, unknown_scored, figures) if train is not None else {}
    if "ood-pairing" in faults and "noise" in unknown_scored:
        figures["ood_noise_support_questioned_paired"] = _paired(model, scored, unknown_scored["noise"])
    curves = {
        "verdict": _curve(verdict, scored.wrong),
        "maximum softmax": _curve(scored.doubts[BASELINE], scored.wrong),
    }
    samples = {name: _sample(model.policy.score(s.doubts)) for name, s in unknown_scored.items()}
    samples = {"correct": _sample(verdict[~scored.wrong]), "wrong": _sample(verdict[scored.wrong]), **samples}
    notes = [] if bool(scored.wrong.any()) else ["no test image was decided wrongly: figures on errors are null"]
    return Evaluation(
        figures,
        intervals,
        _confusion(scored, len(model.spec.classes)),
        table,
        curves,
        rows,
        samples,
        _shown(model, test, scored, unknown),
        notes,
        peers,
    )


def _at_points(scored: Scored, verdict: Tensor, points: Sequence[float], figures: dict[str, float | None]) -> None:
    """The share of wrong decisions questioned by each score at the threshold that questions a share of the correct."""
    named = {"verdict": verdict, "msp": scored.doubts[BASELINE].double()}
    for point in points:
        place = f"{point:.4f}".removeprefix("0.").rstrip("0")
        for name, values in named.items():
            figures[f"{name}_questioned_wrong_at_{place}"] = _value(selective.share_at(values, scored.wrong, point))


def _peers(
    model: Model,
    train: Fetched,
    scored: Scored,
    unknown: Mapping[str, Scored],
    figures: dict[str, float | None],
) -> dict[str, dict[str, float]]:
    """Detectors of pytorch-ood on the features of the same classifier: AUROC by detector and set."""
    dense = model.system.dense(next(outputs(model.system, train)))
    if dense is None or not unknown:
        return {}
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
    for name, (_, value) in peer_metrics.best_peer(scores).items():
        figures[f"peer_ood_{name}_auroc"] = value
    return peer_metrics.peer_table(scores)


def _value(number: Tensor | float) -> float | None:
    value = float(number)
    return None if math.isnan(value) else value


def _attributes(
    model: Model, scored: Scored, train_attributes: Tensor | None, figures: dict[str, float | None]
) -> list[dict[str, float | str | None]]:
    """Attribute figures beside the all-zeros and the majority predictor, and a row per attribute."""
    if "attributes" not in scored.columns or not scored.attributes.shape[1]:
        return []
    probabilities, truth = scored.columns["attributes"], _hard(scored.attributes)
    for name in ("attribute_accuracy", "attribute_exact", "argmax_agreement"):
        figures[name] = _value(metrics.METRICS[name].function(probabilities, truth))
    figures["attribute_map"] = _value(attribute_metrics.mean_average_precision(probabilities, truth))
    figures["attribute_balanced_accuracy"] = _value(attribute_metrics.balanced_accuracy(probabilities, truth))
    figures["attribute_f1"] = _value(attribute_metrics.macro_f1(probabilities, truth))
    if model.spec.groups:
        figures["attribute_group_accuracy"] = _value(
            attribute_metrics.group_accuracy(probabilities, truth, model.spec.groups)
        )
    repeated = scored.logits.softmax(1) @ torch.tensor(model.spec.class_attributes)
    figures["class_repeat_map"] = _value(attribute_metrics.mean_average_precision(repeated.clamp(0, 1), truth))
    figures["all_zeros_accuracy"] = _value(attribute_metrics.all_zeros_accuracy(truth))
    if train_attributes is not None:
        figures["majority_accuracy"] = _value(attribute_metrics.majority_accuracy(truth, _hard(train_attributes)))
    unseen = _unseen(probabilities, truth, scored.label, len(model.spec.classes))
    figures["attributes_unseen"] = float(unseen.count("yes"))
    columns = attribute_metrics.per_attribute(probabilities, truth)._asdict()
    return [
        {"attribute": name, "unseen": unseen[index], **{key: _value(column[index]) for key, column in columns.items()}}
        for index, name in enumerate(model.spec.attributes)
    ]


def _hard(attributes: Tensor) -> Tensor:
    """Shares as bits: half and more counts as present."""
    return (attributes >= 0.5).float()


def _unseen(probabilities: Tensor, truth: Tensor, label: Tensor, classes: int) -> list[str | None]:
    """For each attribute whether the mirror is blind to it, `yes` or `no`; None where these images cannot tell.

    Where all images of a class share their attributes, the classes are the rows that count, not the images; of few
    classes even a perfect order would be no evidence.
    """
    own = torch.nn.functional.one_hot(label, classes).double()
    own = own[:, own.any(0)] / own.sum(0)[own.any(0)]
    means = own.T @ truth.double()
    if bool(((means < 1e-9) | (means > 1 - 1e-9)).all()):
        probabilities, truth = (own.T @ probabilities.double()).clamp(0, 1), means.round()
    found = attribute_metrics.unseen_attributes(probabilities, truth)
    possible = [math.comb(len(truth), int(count)) > 1 / _LEVEL for count in truth.sum(0)]  # orders of the rows
    flags = zip(found.unseen.tolist(), possible, strict=True)
    return [("yes" if blind else "no") if may else None for blind, may in flags]


def _verdicts(
    scored: Scored, verdict: Tensor, policy: Policy, figures: dict[str, float | None], seed: int
) -> dict[str, tuple[float, float]]:
    wrong, softmax = scored.wrong, scored.doubts[BASELINE]
    if "support" in scored.doubts:
        questioned = scored.doubts["support"] > 0
        figures["support_questioned_wrong"] = _share(questioned[wrong])
        figures["support_questioned_correct"] = _share(questioned[~wrong])
    if "top-n" in scored.doubts and scored.logits.shape[1] > _TOP:
        for name, least in (("topn", _TOP), ("topn_centred", rules.default_n(scored.logits.shape[1]))):
            questioned = scored.doubts[name.replace("topn", "top-n").replace("_", "-")] >= least
            figures[f"{name}_questioned_wrong"] = _share(questioned[wrong])
            figures[f"{name}_questioned_correct"] = _share(questioned[~wrong])
    questioned = verdict > policy.thresholds(scored.predicted)
    figures["verdict_questioned_wrong"] = _share(questioned[wrong])
    figures["verdict_questioned_correct"] = _share(questioned[~wrong])
    for name, values in {"verdict": verdict, "msp": softmax, **_others(scored)}.items():
        figures[f"{name}_auroc"] = _value(selective.auroc(values, wrong))
    for name, values in {"verdict": verdict, "msp": softmax}.items():
        figures[f"{name}_aurc"] = _value(selective.aurc(values, wrong))
        figures[f"{name}_augrc"] = _value(selective.augrc(values, wrong))
        figures[f"{name}_fpr_at_95_tpr"] = _value(selective.fpr_at_95_tpr(values, wrong))
    intervals = {}
    for name in ("questioned_wrong", "questioned_correct"):
        flags = questioned[wrong if name.endswith("wrong") else ~wrong]
        if len(flags):
            intervals[f"verdict_{name}"] = metrics.share_interval(flags)[1:]
    if bool(wrong.any()) and not bool(wrong.all()):
        generator = torch.Generator().manual_seed(seed)
        for measure in ("auroc", "aurc"):
            found = metrics.paired_interval(measure, verdict, softmax.double(), wrong, generator=generator)
            figures[f"verdict_{measure}_minus_msp"] = found.estimate
            intervals[f"verdict_{measure}_minus_msp"] = (found.low, found.high)
    return intervals


def _others(scored: Scored) -> dict[str, Tensor]:
    return {name: value for name, value in scored.doubts.items() if name != BASELINE}


def _share(flags: Tensor) -> float | None:
    return _value(flags.double().mean()) if len(flags) else None


def _baseline(
    scored: Scored, calibration: Scored, unknown: Mapping[str, Scored], alpha: float, figures: dict[str, float | None]
) -> None:
    """Maximum softmax with a threshold of its own at the same alpha: what a verdict must beat."""
    policy = calibrate(
        {BASELINE: calibration.doubts[BASELINE]},
        calibration.wrong,
        names=(),
        method=BASELINE,
        alpha=alpha,
        generator=torch.Generator(),
    )
    questioned = scored.doubts[BASELINE] > policy.threshold
    figures["msp_questioned_wrong"] = _share(questioned[scored.wrong])
    figures["msp_questioned_correct"] = _share(questioned[~scored.wrong])
    for name, rows in unknown.items():
        figures[f"msp_ood_{name}_questioned"] = _share(rows.doubts[BASELINE] > policy.threshold)


def _unknown(
    policy: Policy,
    scored: Scored,
    verdict: Tensor,
    unknown: Mapping[str, Scored],
    figures: dict[str, float | None],
) -> list[dict[str, float | str | None]]:
    """A row per set of no known class: how it separates from the test images, and what share is questioned."""
    rows: list[dict[str, float | str | None]] = []
    for name, other in unknown.items():
        score_ = policy.score(other.doubts)
        row = {
            "questioned": _share(score_ > policy.thresholds(other.predicted)),
            "support_questioned": _share(other.doubts["support"] > 0) if "support" in other.doubts else None,
            "auroc": _value(ood_auroc(verdict, score_)),
            "msp_auroc": _value(ood_auroc(scored.doubts[BASELINE], other.doubts[BASELINE])),
            "fpr_at_95_tpr": _value(ood_fpr_at_95_tpr(verdict, score_)),
            "msp_fpr_at_95_tpr": _value(ood_fpr_at_95_tpr(scored.doubts[BASELINE], other.doubts[BASELINE])),
        }
        for key, value in row.items():
            figures[f"msp_ood_{name}_{key[4:]}" if key.startswith("msp_") else f"ood_{name}_{key}"] = value
        rows.append({"set": name, "images": len(other.label), **row})
    return rows


def _paired(model: Model, scored: Scored, noise: Scored) -> float | None:
    """The originals' fault: the noise images' decisions set beside the explanations of test images."""
    count = min(len(noise.label), len(scored.label))
    own = torch.tensor(model.spec.class_attributes)
    pick = torch.randperm(len(scored.label), generator=torch.Generator().manual_seed(0))[:count]
    doubt = rules.support(scored.columns["attributes"][pick], noise.predicted[:count], own)
    return _share(doubt > 0)


def _curve(score_: Tensor, wrong: Tensor, points: int = 200) -> tuple[list[float], list[float]]:
    curve = selective.risk_coverage(score_, wrong)
    pick = torch.linspace(0, len(curve.coverage) - 1, min(points, len(curve.coverage))).long()
    return curve.coverage[pick].tolist(), curve.risk[pick].tolist()


def _sample(values: Tensor, count: int = 2000) -> list[float]:
    pick = torch.linspace(0, max(len(values) - 1, 0), min(count, len(values))).long()
    return [float(value) for value in values[pick]]


def _confusion(scored: Scored, classes: int) -> list[list[int]]:
    cells = torch.bincount(scored.predicted * classes + scored.label, minlength=classes**2)
    return [[int(value) for value in row] for row in cells.view(classes, classes)]


def _shown(model: Model, test: Examples, scored: Scored, unknown: Mapping[str, Examples]) -> list[Shown]:
    """Real cases of this run, as in the thesis's figures 3.8 to 3.12 and 4.5 to 4.8, and one of each further set."""
    cases = _cases(model, scored)
    shown = [_show(model, title, test, index, scored.label) for title, index in cases.items() if index is not None]
    for name, examples in unknown.items():
        known = name in ALTERATIONS  # the class of an altered test image is known
        labels = examples.labels if known else None
        shown.append(_show(model, f"{'Altered' if known else 'Unknown'}: {name}", examples, 0, labels))
    return shown


def _cases(model: Model, scored: Scored) -> dict[str, int | None]:
    """Which images to show: the thesis's cases where classes are few, else one of each kind of decision and verdict."""
    if "attributes" not in scored.columns:
        return {"A wrong decision": _first(scored.wrong), "A correct decision": _first(~scored.wrong)}
    many = scored.logits.shape[1] > _TOP
    return _by_verdict(model, scored) if many else _by_support(model, scored)


def _by_verdict(model: Model, scored: Scored) -> dict[str, int | None]:
    """One image of each kind, the one in the middle of its kind by score: neither the best nor the worst."""
    spec, wrong, policy = model.spec, scored.wrong, model.policy
    if policy is None:
        return {}
    verdict = policy.score(scored.doubts)
    questioned = verdict > policy.thresholds(scored.predicted)
    own = torch.tensor(spec.class_attributes)
    fit = likelihood.log_likelihood(
        scored.columns["attributes"], own, spec.exclusive, at_most_one=spec.at_most_one
    ).argmax(1)
    found = wrong & questioned
    return {
        "Correct and accepted": _middle(~wrong & ~questioned, verdict),
        "Wrong and questioned: the attributes fit the true class best": _middle(found & (fit == scored.label), verdict),
        "Wrong and questioned: the attributes fit a third class best": _middle(
            found & (fit != scored.label) & (fit != scored.predicted), verdict
        ),
        "Wrong and questioned, though the attributes fit the decided class best": _middle(
            found & (fit == scored.predicted), verdict
        ),
        "Correct, but questioned": _middle(~wrong & questioned, verdict),
        "Wrong, but accepted": _middle(wrong & ~questioned, verdict),
    }


def _middle(flags: Tensor, score_: Tensor) -> int | None:
    found = flags.nonzero()[:, 0]
    return int(found[score_[found].argsort(stable=True)[len(found) // 2]]) if len(found) else None


def _by_support(model: Model, scored: Scored) -> dict[str, int | None]:
    """The cases of the thesis's section 3.5."""
    wrong, own = scored.wrong, torch.tensor(model.spec.class_attributes)
    confidence = rules.support_confidence(scored.columns["attributes"], own)
    mine = confidence.gather(1, scored.predicted[:, None])[:, 0]
    top = confidence.amax(1)
    tied = (confidence == top[:, None]).sum(1) > 1
    return {
        "Wrong, no attribute of the class is seen (case 1)": _first(wrong & (mine == 0) & (top > 0)),
        "Wrong, the attributes tie (case 2)": _first(wrong & (mine == top) & tied),
        "Wrong, another class fits better (case 3)": _first(wrong & (mine > 0) & (mine < top)),
        "Wrong, and the attributes agree with it": _first(wrong & (mine == top) & ~tied),
        "Correct": _first(~wrong & (mine == top)),
    }


def _first(flags: Tensor) -> int | None:
    found = flags.nonzero()
    return int(found[0]) if len(found) else None


def _show(model: Model, title: str, examples: Examples, index: int, labels: Tensor | None) -> Shown:
    image = examples.batch([index]).image
    decision = decide(model.system, model.policy, image.to(model.device))[0]
    truth = model.spec.classes[int(labels[index])] if labels is not None else None
    confidence: tuple[float, ...] = ()
    if seen := of_kind(decision.explanations, AttributeScores):
        confidence = tuple(seen.support(model.spec).values())
    return Shown(title, image[0], decision, truth, confidence)
