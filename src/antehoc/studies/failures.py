"""Failures: does the verdict find wrong decisions and unknown images better than other scores of the same network?"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from antehoc import rivals
from antehoc.blocks import Block, Cell, Note, Section, Strong, Table
from antehoc.calibration import Policy
from antehoc.data import Examples, Source
from antehoc.data.corruptions import Corruption, Strength
from antehoc.errors import RecipeError
from antehoc.evaluation import Scored, score
from antehoc.figure import Better, Figure, listed, number
from antehoc.model import Model
from antehoc.rivals.features import PASSES, RATE
from antehoc.seeds import mix
from antehoc.studies.base import Context, Finding, check_one_label
from antehoc.studies.ensembles import (
    ENSEMBLE,
    Decided,
    Ensemble,
    Questioned,
    beside,
    decided,
    further_networks,
    questioned,
)
from antehoc.studies.failing import CLEAN, CORRUPTED, TOGETHER, UNKNOWN, Pool, pool, rows_of, scored_parts
from antehoc.studies.rivalry import (
    MEASURES,
    VERDICT,
    Difference,
    Measured,
    against,
    beaten_by,
    mean_ranks,
    measured,
    standing,
)
from antehoc.systems import System

log = logging.getLogger(__name__)
SOFTMAX = rivals.RIVALS[rivals.SOFTMAX].says
KINDS: Mapping[str, str] = {
    CLEAN: "wrong decisions on clean test images",
    CORRUPTED: "wrong decisions on corrupted test images",
    UNKNOWN: "decisions on unknown images, among correct ones on clean test images",
    TOGETHER: "all failures, among all decisions",
}
MEANING = (
    "AUGRC and AURC: errors among what is accepted, over all thresholds; lower is better. AUROC: how often a failure"
    " scores above another decision; higher is better. Ranks are by AUGRC. Intervals hold 95 % of bootstrap draws of"
    " the images, paired where two scores judge the same decisions; with many rivals some exclude 0 by chance. Rivals"
    " read the same network, were fitted on calibration and training images alone, and have the default settings of"
    f" their authors otherwise. Monte Carlo dropout is {PASSES} passes of the last layer with {RATE:.0%} of the"
    " features left out. All need one pass of the network. The figures hold for these images, these corruptions and"
    " this mixture."
)
_GROUP = "Failures"
_BETTER: Mapping[str, Better] = {"augrc": "lower", "aurc": "lower", "auroc": "higher"}
_NAMES = {"augrc": "AUGRC", "aurc": "AURC", "auroc": "AUROC"}


@dataclass(frozen=True)
class Count:
    """How many decisions a kind of failure looks at, and how many of them are failures."""

    kind: str
    decisions: int
    failures: int


@dataclass(frozen=True)
class Corrupted:
    """One corruption: how many decisions are still correct, and how well errors are found."""

    what: str
    accuracy: float
    verdict_auroc: float | None
    softmax_auroc: float | None


@dataclass(frozen=True)
class Failures(Finding):
    """How well the verdict and its rivals find failures; see `MEANING`."""

    alpha: float
    counts: tuple[Count, ...]
    rows: tuple[Measured, ...]
    mean_ranks: Mapping[str, float]  #: by AUGRC over the kinds of failure, the lowest first
    unknown: Mapping[str, int]  #: unknown images by set
    corrupted: tuple[Corrupted, ...]
    questioned: tuple[Questioned, ...]
    left_out: tuple[str, ...] = ()  #: which rivals are missing, and why
    ensemble: Ensemble | None = None

    title: ClassVar[str] = "Does the verdict find failures better than other scores?"

    def row(self, score: str, kind: str) -> Measured:
        """One score on one kind of failure."""
        return next(row for row in self.rows if (row.score, row.kind) == (score, kind))

    def figures(self) -> list[Figure]:
        """The verdict's measures, its differences to maximum softmax and to the ensemble, and its mean rank."""
        found = []
        for kind, says in KINDS.items():
            own, softmax = self.row(VERDICT, kind), self.row(SOFTMAX, kind)
            for measure, name in _NAMES.items():
                said = f"{name} of the verdict: {says}"
                found.append(Figure(f"failures_{kind}_{measure}", own.values[measure], said, _GROUP, _BETTER[measure]))
                said = f"{name} of the verdict minus that of {SOFTMAX}: {says}"
                label = f"failures_{kind}_{measure}_minus_softmax"
                found.append(_difference(label, softmax.verdict_minus[measure], said, _BETTER[measure]))
        rank = f"mean rank of the verdict's AUGRC among {len(self.mean_ranks)} scores, over the kinds of failure"
        found.append(Figure("failures_mean_rank", self.mean_ranks.get(VERDICT), rank, _GROUP, "lower", headline=True))
        for row in self.ensemble.beside if self.ensemble else ():
            for measure, value in row.verdict_minus.items():
                said = f"{_NAMES[measure]} of the verdict minus that of the ensemble, each on its own decisions:"
                label = f"failures_{row.kind}_{measure}_minus_ensemble"
                found.append(_difference(label, value, f"{said} {KINDS[row.kind]}", _BETTER[measure]))
        return found

    def blocks(self) -> list[Block]:
        better, worse = beaten_by(self.rows, TOGETHER)
        clearly = f"On all failures together {listed(better) if better else 'no score'} {_is(better)} better than the"
        clearly += f" verdict beyond the interval, and the verdict is better than {len(worse)} of {self._rivals}."
        said = " ".join(
            part for part in (standing(self.mean_ranks), against(self.rows, SOFTMAX, SOFTMAX), clearly) if part
        )
        return [
            Note(said),
            self._table("augrc", ranks=True),
            self._table("auroc"),
            Note(self._mixture(), "aside"),
            *(self._beside() if self.ensemble else []),
            Note(f"Shares questioned at alpha {number(self.alpha)}, each score with a threshold of its own:"),
            self._questioned(),
            Section(
                "AURC, differences and corruptions",
                (self._table("aurc"), self._differences(), self._corruptions()),
                folded=True,
            ),
            *(Note(f"Not compared: {said}") for said in self.left_out),
            Note(MEANING, "aside"),
        ]

    @property
    def _rivals(self) -> int:
        return len({row.score for row in self.rows}) - 1

    def _mixture(self) -> str:
        sizes = {count.kind: count for count in self.counts}
        sets = listed(f"{count:,} of {name}" for name, count in self.unknown.items()) or "none"
        corruptions = f" ({len(self.corrupted)} corruptions and strengths)" if self.corrupted else ""
        whole = sizes[TOGETHER]
        return (
            f"Together are {sizes[CLEAN].decisions:,} decisions on clean test images ({sizes[CLEAN].failures:,} wrong),"
            f" {sizes[CORRUPTED].decisions:,} on corrupted ones{corruptions} ({sizes[CORRUPTED].failures:,} wrong), and"
            f" unknown images: {sets}. Of all {whole.decisions:,} decisions {whole.failures:,} are failures."
        )

    def _table(self, measure: str, *, ranks: bool = False) -> Table:
        """A row for each score, the best value of each kind set off."""
        kinds = [*KINDS]
        names = list(self.mean_ranks) or list(dict.fromkeys(row.score for row in self.rows))
        columns = [_set_off([self.row(name, kind).values[measure] for name in names], measure) for kind in kinds]
        rows = [
            (Strong(name) if name == VERDICT else name, *cells, *([f"{self.mean_ranks[name]:.1f}"] if means else []))
            for name, *cells in zip(names, *columns, strict=True)
            for means in [ranks and bool(self.mean_ranks)]
        ]
        head = (_NAMES[measure], *kinds, *(["mean rank"] if ranks and self.mean_ranks else []))
        return Table(head, tuple(rows))

    def _differences(self) -> Table:
        others = [name for name in dict.fromkeys(row.score for row in self.rows) if name != VERDICT]
        rows = [(name, *(_with_interval(self.row(name, k).verdict_minus["augrc"]) for k in KINDS)) for name in others]
        return Table(("AUGRC, verdict minus", *KINDS), tuple(rows), kind="words")

    def _corruptions(self) -> Table:
        rows = [(r.what, number(r.accuracy), number(r.verdict_auroc), number(r.softmax_auroc)) for r in self.corrupted]
        return Table(("corruption and strength", "accuracy", "AUROC of the verdict", f"of {SOFTMAX}"), tuple(rows))

    def _questioned(self) -> Table:
        rows = [
            (r.score, *(number(share) for share in (r.correct, r.wrong, r.corrupted, r.unknown)))
            for r in self.questioned
        ]
        return Table(("questioned of", "correct", "wrong", "wrong, corrupted", "unknown"), tuple(rows))

    def _beside(self) -> list[Block]:
        found = self.ensemble
        assert found is not None
        rows = [
            (
                row.kind,
                *(number(one[m]) for m in ("auroc", "augrc") for one in (row.ensemble, row.verdict)),
                *(_with_interval(row.verdict_minus[m]) for m in ("auroc", "augrc")),
            )
            for row in found.beside
        ]
        said = (
            f"A deep ensemble of {found.networks} networks needs {found.networks} passes for a decision, the verdict"
            f" one pass and its explanation. The ensemble's accuracy is {number(found.accuracy)}, the single network's"
            f" {number(found.single_accuracy)}. {_sides(found)} Each is measured on its own decisions, so AUGRC also"
            " counts how many of them are wrong."
        )
        head = ("failures", "AUROC, ensemble", "verdict", "AUGRC, ensemble", "verdict", "AUROC, verdict minus ensemble")
        return [Note(said), Table((*head, "AUGRC, the same"), tuple(rows), kind="words")]


def _is(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"


def _difference(name: str, found: Difference | None, says: str, better: Better) -> Figure:
    value, interval = (None, None) if found is None else (found.value, (found.low, found.high))
    return Figure(name, value, says, _GROUP, better, interval, written="difference")


def _with_interval(found: Difference | None) -> str:
    if found is None:
        return "-"
    return (
        f"{number(found.value, 'difference')} ({number(found.low, 'difference')} to {number(found.high, 'difference')})"
    )


def _set_off(values: list[float | None], measure: str) -> list[Cell]:
    """A column, its best values set off."""
    known = [value for value in values if value is not None]
    best = (max if measure == "auroc" else min)(known, default=None)
    return [Strong(number(value)) if value is not None and value == best else number(value) for value in values]


def _sides(found: Ensemble) -> str:
    """Where the verdict's AUROC is above or below the ensemble's, in a sentence."""
    kinds: dict[str, list[str]] = {"above": [], "below": [], "not clearly different from": []}
    for row in found.beside:
        if (own := row.verdict_minus["auroc"]) is not None:
            side = "above" if own.low > 0 else "below" if own.high < 0 else "not clearly different from"
            kinds[side].append(row.kind)
    parts = [f"{side} the ensemble's on {listed(names)}" for side, names in kinds.items() if names]
    return f"The verdict's AUROC is {'; '.join(parts)}." if parts else ""


def run(
    model: Model,
    source: Source,
    *,
    seed: int,
    context: Context | None = None,
    images: int = 300,
    corruptions: tuple[Corruption, ...] = (
        "gaussian_noise", "gaussian_blur", "contrast", "brightness", "jpeg", "pixelate",
    ),
    strengths: tuple[Strength, ...] = (1, 3, 5),
    ensemble: Literal[0, 2, 3, 4, 5, 10] = 0,
    draws: int = 1000,
) -> Failures:  # fmt: skip
    """`failures` on the test images of a data set and on unknown images.

    Args:
        model: calibrated, with one label per image.
        source: its training and calibration images fit the rivals, its test images are decided.
        seed: of which images are corrupted, of the noise, of dropout and of the bootstrap.
        context: the unknown images of a run, and how to train further networks; without it noise is the unknown set.
        images: how many test images are corrupted, at most; each by every corruption at every strength.
        corruptions: by name; none leaves this kind of failure out.
        strengths: of each corruption, 1 (light) to 5 (strong).
        ensemble: networks of a deep ensemble to compare with, this one included; 0: none. The others are trained by the
            same recipe, which takes as long as it did for this one.
        draws: of the bootstrap of all intervals.
    Raises:
        RecipeError: for a model that is not calibrated or gives several labels, a number out of its range, or an
            ensemble where nothing can train.
        DataError: where there is no test image, or a class has no training image.
    """
    policy, train = _checked(model, context, images, draws, ensemble)
    unknown = context.unknown if context else {"noise": source.unknown["noise"](images, seed)}
    found = pool(source, unknown, images=images, corruptions=corruptions, strengths=strengths, seed=seed)
    log.info("failures: %d decisions", len(found.unit))
    scored = scored_parts(model.system, found)
    calibration = score(model.system, source.roles["calibration"], features=True)
    compared = _rivals(model, source.roles["train"], calibration, scored, seed)
    scores = {VERDICT: policy.score(scored.doubts), **compared.by_rival}
    kinds = found.kinds(scored.predicted != scored.label)
    drawn = found.draws(draws, torch.Generator().manual_seed(mix(seed, 8)))
    rows = measured(scores, kinds, drawn)
    held = source.roles["calibration"]
    pair = _decided(scored, calibration, further_networks(ensemble - 1, train, found, held)) if train else None
    return Failures(
        policy.alpha,
        tuple(Count(name, len(own.failed), int(own.failed.sum())) for name, own in kinds.items()),
        rows,
        mean_ranks(rows),
        {part.what: len(part.examples) for part in found.parts if part.kind == UNKNOWN},
        _by_corruption(found, scored, {name: scores[name] for name in (VERDICT, SOFTMAX)}),
        questioned(model, found, scored, calibration, pair),
        compared.left_out,
        _ensemble(ensemble, found, scored, scores[VERDICT], pair[0], drawn) if pair else None,
    )


def _checked(
    model: Model, context: Context | None, images: int, draws: int, ensemble: int
) -> tuple[Policy, Callable[[int], System[Any]] | None]:
    """The model's policy, and what trains further networks where an ensemble is asked for."""
    check_one_label(model, "failures")
    if model.policy is None:
        raise RecipeError("studies: 'failures' needs a calibrated model; this one has no threshold.")
    for name, value in (("images", images), ("draws", draws)):
        if value < 1:
            raise RecipeError(f"studies: 'failures' needs {name} of 1 or more; got {value}.")
    train = context.train if context else None
    if ensemble and train is None:
        raise RecipeError("studies: 'failures' can train no ensemble here; run a recipe with `reproduce`.")
    return model.policy, train if ensemble else None


def _decided(scored: Scored, calibration: Scored, further: list[tuple[Tensor, Tensor]]) -> tuple[Decided, Decided]:
    """The ensemble of this network and further ones on all images, and on the calibration images."""
    own, held = zip((scored.logits, calibration.logits), *further, strict=True)
    return decided([*own]), decided([*held])


def _rivals(model: Model, train: Examples, calibration: Scored, scored: Scored, seed: int) -> rivals.Scores:
    own = score(model.system, train, features=True)
    image = train.batch([0]).image.to(model.device)
    with torch.no_grad():
        dense = model.system.dense(model.system.look(image, model.system(image)))
    generator = torch.Generator().manual_seed(mix(seed, 9))
    known = rivals.Known(rows_of(own), rows_of(calibration), dense[1] if dense else None, generator)
    return rivals.rival_scores(known, rows_of(scored))


def _ensemble(
    networks: int, found: Pool, scored: Scored, verdict: Tensor, ensemble: Decided, draws: Tensor
) -> Ensemble:
    clean = found.of_kind(CLEAN)
    accuracy, single = (
        float((predicted == scored.label)[clean].double().mean())
        for predicted in (ensemble.predicted, scored.predicted)
    )
    rows = beside(found, scored.label, Decided(scored.predicted, verdict), ensemble, draws)
    return Ensemble(networks, accuracy, single, rows)


def _by_corruption(found: Pool, scored: Scored, scores: Mapping[str, Tensor]) -> tuple[Corrupted, ...]:
    rows, start = [], 0
    wrong = scored.predicted != scored.label
    for part in found.parts:
        own = slice(start, start := start + len(part.examples))
        if part.kind == CORRUPTED:
            values = (float(MEASURES["auroc"](score[own], wrong[own])) for score in scores.values())
            aurocs = (None if value != value else value for value in values)
            rows.append(Corrupted(part.what, float((~wrong[own]).double().mean()), *aurocs))
    return tuple(rows)


__all__ = ["ENSEMBLE", "KINDS", "MEANING", "Corrupted", "Count", "Failures", "run"]
