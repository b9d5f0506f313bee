"""What a model does on images with known answers: figures, tables and cases, each beside a trivial baseline."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from antehoc.blocks import Section
from antehoc.calibration import Policy
from antehoc.data.examples import Examples, Fetched
from antehoc.errors import DataError
from antehoc.evaluation import attributes, cases, curves, decisions, expected, faults, peers, verdicts
from antehoc.evaluation import unknown as sets
from antehoc.evaluation.cases import Shown
from antehoc.evaluation.reading import reading
from antehoc.evaluation.result import Evaluation
from antehoc.evaluation.scoring import BASELINE, Scored, outputs, score, with_baseline
from antehoc.figure import Figure
from antehoc.model import Model
from antehoc.spec import DataSpec


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
    paired: Sequence[str] = (),
    seed: int = 0,
) -> Evaluation:
    """Measure a calibrated model on a test set and on images of no known class.

    Args:
        model: with its policy.
        test: images that were used for no choice.
        unknown: sets of images of no known class, by name.
        calibration: scored calibration images, to give the maximum-softmax baseline a threshold of its own; fewer than
            20 correct decisions give it none.
        train_attributes: true attributes (n, N) of training images, for the majority predictor.
        train: the training images, to compare with the detectors of pytorch-ood on the same features; None: do not.
        scored: the test images as scored already, with `features` where `train` is given.
        points: shares of correct decisions questioned, at which the shares of wrong ones are compared.
        paired: sets of no known class that are also questioned by the explanations of test images (see `faults`).
        seed: of the bootstrap.
    Raises:
        ValueError: where the model is not calibrated.
        DataError: where the test set, or one of no known class, is empty.
    """
    if (policy := model.policy) is None:
        raise ValueError("evaluate needs a calibrated model.")
    _check_sets(test, unknown)
    features, spec = train is not None, model.spec
    scored = _scored(model, test, features) if scored is None else with_baseline(scored, policy)
    calibration = calibration and with_baseline(calibration, policy)
    others = {name: _scored(model, examples, features) for name, examples in unknown.items()}
    rows = attributes.rows(spec, scored) if attributes.measurable(scored) else []
    of_attributes = attributes.figures(spec, scored, rows, train_attributes) if rows else []
    of_verdicts, of_sets = _verdicts(policy, scored, others, calibration, points, seed)
    of_sets += faults.paired(spec, scored, others, paired)
    of_peers, table = peers.measured(model, train, scored, others) if train is not None else ([], {})
    wrong = int(scored.wrong.sum())
    return Evaluation(
        figures=[*decisions.figures(scored), *of_attributes, *of_verdicts, *of_sets, *of_peers],
        notes=_notes(model, wrong),
        peers=table,
        shown=cases.shown(model, policy, test, scored, unknown),
        images=len(scored.label),
        wrong=wrong,
        sections=(
            *_of_classes(spec, scored),
            *([attributes.section(rows, of_attributes)] if rows else []),
            *_of_sets(of_sets, unknown, table),
            *curves.sections(scored, policy, others),
        ),
        sets=sets.table(of_sets, _counts(unknown), brief=True) if unknown else None,
    )


def _scored(model: Model, examples: Examples, features: bool) -> Scored:
    assert model.policy is not None
    return with_baseline(score(model.system, examples, features=features), model.policy)


def _check_sets(test: Examples, unknown: Mapping[str, Examples]) -> None:
    """Refuse an empty set before any image is decided."""
    if not len(test):
        raise DataError("there are no test images to measure the model on; give one or more.")
    if empty := [name for name, examples in unknown.items() if not len(examples)]:
        raise DataError(f"the unknown images {empty[0]!r} are none; give a set with one or more, or leave it out.")


def _notes(model: Model, wrong: int) -> list[str]:
    """What training remarked of the model, and which figures are undefined."""
    remark = model.about.get("remark")
    none = [] if wrong else ["no test image was decided wrongly: figures on errors are null"]
    return [*([str(remark)] if remark else []), *none]


def _verdicts(
    policy: Policy,
    scored: Scored,
    unknown: Mapping[str, Scored],
    calibration: Scored | None,
    points: Sequence[float],
    seed: int,
) -> tuple[list[Figure], list[Figure]]:
    """Figures on errors, and on sets of no known class."""
    found, threshold = verdicts.figures(scored, policy, seed), None
    if calibration is not None and verdicts.has_baseline(calibration):
        threshold = verdicts.baseline_policy(calibration, policy.alpha).threshold
        found += verdicts.baseline_figures(scored, threshold)
    return found + verdicts.at_points(scored, policy, points), sets.figures(policy, scored, unknown, threshold)


def _of_classes(spec: DataSpec, scored: Scored) -> list[Section]:
    """Which classes are confused, and which attributes are expected for them."""
    found, confused = [], []
    if spec.task == "single-label":
        counts = decisions.confusion(scored, len(spec.classes))
        found.append(decisions.section(counts, spec.classes))
        confused = decisions.confused(counts, spec.classes)
    worst = (confused[0].truth, confused[0].predicted) if confused else ()
    return [*found, *([expected.section(spec, worst)] if spec.attributes else [])]


def _of_sets(found: Sequence[Figure], unknown: Mapping[str, Examples], table: peers.Peers) -> list[Section]:
    """The sets of no known class, and other detectors on them."""
    if not unknown:
        return []
    altered = [name for name, examples in unknown.items() if examples.labels_known]
    beside = [peers.section(found, table, [*unknown])] if table else []
    return [sets.section(found, _counts(unknown), altered, beside)]


def _counts(unknown: Mapping[str, Examples]) -> dict[str, int]:
    return {name: len(examples) for name, examples in unknown.items()}


__all__ = [
    "BASELINE", "Evaluation", "Scored", "Shown", "evaluate", "outputs", "reading", "score",
]  # fmt: skip
