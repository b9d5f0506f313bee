"""Studies of a finished model: does its mirror see the attributes or repeat the class, what does it read them from,
which decide between two classes, and does the promise of its threshold hold.

Results are plain numbers. `MEANINGS` says what each figure can prove, and what it cannot.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from PIL import Image, ImageChops, ImageDraw, ImageStat
from torch import Tensor

from antehoc.calibration import Policy, with_threshold
from antehoc.data.altered import Altered
from antehoc.data.examples import Examples, Files
from antehoc.doubts import likelihood
from antehoc.errors import DataError, RecipeError, choose
from antehoc.evaluation import Scored, score
from antehoc.metrics import attributes as attribute_metrics
from antehoc.model import Model

MEANINGS: Mapping[str, str] = {
    "follows_decided": "Where the decision is wrong and the true and the decided class differ in an attribute, the "
    "mirror's bit agrees with one of the two. Near 1, and near what repeating the class gives, it follows the decision "
    "rather than the image. A low share cannot prove sight by itself: read it beside the one for calling everything "
    "absent; and one label for a whole class may be false for this very image.",
    "within_class": "The share of an attribute's variance that lies between images of one class. At 0 the mirror gives "
    "all images of a class the same answer; above what repeating the class gives, it tells them apart. It cannot prove "
    "that what tells them apart is the attribute: labels that are equal for a class hold nothing to check it with.",
    "repeated": "How much of the mirror's probabilities a straight line from the classifier's own class probabilities, "
    "taken times the class-attribute matrix, explains. At 1 the mirror adds nothing to the decision. A low share "
    "proves that it adds something, which may be sight or noise.",
    "edits": "Colours are changed and shapes stay. Attributes of colour that change more than the others show that "
    "colour is read where colour is meant. It cannot prove that each colour is read at its own place, and the pictures "
    "are unlike all training images, so that everything may move.",
    "parts": "A disc of the image's mean colour hides a part; the control hides an equal disc elsewhere in the "
    "object's box. Attributes that name the part and change more than under the control are read there. No change "
    "does not prove blindness, since a neighbour or the class may tell the same; the control may fall on background, "
    "and a disc also hides neighbours.",
    "background": "The box of the object filled with the background's mean colour leaves the background alone. An "
    "attribute that is still found above chance is read, at least in part, from the surroundings. It cannot tell a "
    "habitat that goes with the class from the attribute itself, and the filled box still shows the object's size and "
    "place.",
    "deciding": "What each attribute adds, on average, to the log-likelihood ratio of the true class over the other, "
    "on test images of the two. It says which attributes separate the classes for the mirror; it cannot say what the "
    "classifier itself decided by.",
    "repeated_calibration": "Calibration and test are drawn again and again from one pool of images. On average the "
    "share of correct decisions questioned then stays at alpha for any score at all: a mean above it shows a fault of "
    "the code or rows that fitted the score, and nothing here can prove the promise for images unlike the pool. The "
    "draws share one pool, so for new images the larger, binomial error counts.",
}
_ALSO = {"beak": ("beak", "bill")}  # parts whose attributes use another word
_READ = 0.05  # so far above chance an attribute counts as read at all
_RESAMPLES = 1000

_Alter = Callable[[Image.Image, int], Image.Image]
_Box = tuple[int, int, int, int]
_Interval = tuple[float, float]


@dataclass(frozen=True)
class Finding:
    """What a study found: figures and their intervals, for a run's record, and a few lines for a report."""

    def figures(self) -> dict[str, float | None]:
        """By name; a study that only tells of other figures has none of its own."""
        return {}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 %, by the name of their figure."""
        return {}

    def summary(self) -> str:
        """A few lines for a report."""
        raise NotImplementedError

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON: all that was found, but for what only a picture needs."""
        return asdict(self)


@dataclass(frozen=True)
class Change:
    """Mean absolute change of the attributes' probabilities where images are altered, all in 0..1."""

    name: str
    images: int
    named: float  #: of the attributes that the alteration is about
    others: float | None  #: of those that it is not about; None where there are none
    named_minus_others: _Interval | None  #: 95 % of bootstrap resamples of the images
    decisions_changed: float  #: share of the images that are decided otherwise


@dataclass(frozen=True)
class HiddenPart:
    """What hiding a part changes beyond hiding an equal disc elsewhere on the same image."""

    part: str
    hidden: Change
    control: Change
    beyond: float  #: mean change of the attributes that name the part, less that under the control
    beyond_interval: _Interval  #: 95 % of bootstrap resamples of the images


@dataclass(frozen=True)
class Leakage(Finding):
    """Whether the mirror sees attributes or repeats the class; see `MEANINGS`."""

    images: int
    wrong: int  #: images decided wrongly
    bits: int  #: of them, attributes in which the true and the decided class differ
    follows_decided: float | None  #: share of these bits; None without any
    follows_decided_interval: _Interval | None  #: 95 % of bootstrap resamples of the images
    follows_true: float | None  #: the rest of these bits
    follows_decided_by_repeating: float | None  #: the same share for softmax x class-attribute matrix
    follows_decided_by_absence: float | None  #: the same share for calling every attribute absent
    within_class: float | None  #: mean over attributes; None where no attribute varies
    within_class_by_repeating: float | None
    repeated: float | None  #: R^2, mean over the attributes that vary
    edits: tuple[Change, ...]  #: none on grey images, and where no attribute names a colour
    parts: tuple[HiddenPart, ...]  #: none where the data give no parts and boxes

    def summary(self) -> str:
        """The figures and what they mean, for people."""
        lines = [
            f"{self.images} images, {self.wrong} decided wrongly; {self.bits} bits in which the two classes differ.",
            f"Bits that follow the decided class: {_show(self.follows_decided)} {_range(self.follows_decided_interval)}"
            f"(by repeating the class {_show(self.follows_decided_by_repeating)}, "
            f"all absent {_show(self.follows_decided_by_absence)}). {MEANINGS['follows_decided']}",
            f"Variance within the class: {_show(self.within_class)} (by repeating the class "
            f"{_show(self.within_class_by_repeating)}). {MEANINGS['within_class']}",
            f"Explained by the class (R^2): {_show(self.repeated)}. {MEANINGS['repeated']}",
        ]
        for edit in self.edits:
            lines.append(
                f"{edit.name}: colour attributes change by {_show(edit.named)}, others by {_show(edit.others)}; "
                f"{edit.decisions_changed:.1%} of the decisions change."
            )
        lines += [MEANINGS["edits"]] if self.edits else []
        for row in self.parts:
            lines.append(
                f"{row.part} hidden ({row.hidden.images} images): its attributes change by {_show(row.hidden.named)}, "
                f"those of other parts by {_show(row.hidden.others)}; under the control {_show(row.control.named)}; "
                f"beyond it {_show(row.beyond)} {_range(row.beyond_interval)}"
            )
        return "\n".join(lines + ([MEANINGS["parts"]] if self.parts else []))


@dataclass(frozen=True)
class Reading:
    """How well one attribute is read from the intact image, from the object's box alone and from the rest alone."""

    attribute: str
    measure: str  #: `average precision`, or `correlation` with the intact image where all images or none have it
    chance: float
    intact: float
    object_only: float | None  #: None where the probability is the same for all images
    background_only: float | None
    kept: float | None  #: share of what is above chance that the background keeps; None where hardly read at all


@dataclass(frozen=True)
class Background(Finding):
    """What a model reads from the background, attributes that keep most first; see `MEANINGS`."""

    images: int
    accuracy: float  #: of the class on intact images
    accuracy_object_only: float
    accuracy_background_only: float
    readings: tuple[Reading, ...]

    def summary(self) -> str:
        """The figures and what they mean, for people."""
        lines = [
            f"Accuracy on {self.images} images: {self.accuracy:.3f} intact, {self.accuracy_object_only:.3f} with the "
            f"object's box alone, {self.accuracy_background_only:.3f} with the background alone.",
            MEANINGS["background"],
            "Read most from the background:",
        ]
        return "\n".join(
            lines
            + [
                f"{row.attribute}: {row.measure} {_show(row.background_only)} of {_show(row.intact)} (chance "
                f"{_show(row.chance)})"
                for row in self.readings[:10]
                if row.kept is not None
            ]
        )


@dataclass(frozen=True)
class Contribution:
    """What one attribute adds to the log-likelihood ratio of the true class over the other, in nats."""

    attribute: str
    mean: float  #: of the two below
    on_a: float  #: mean over images of class a; negative: it speaks for class b
    on_b: float  #: mean over images of class b; negative: it speaks for class a


@dataclass(frozen=True)
class Deciding(Finding):
    """Which attributes decide between two classes, those that help most first; see `MEANINGS`."""

    a: str
    b: str
    images: tuple[int, int]  #: of each class
    contributions: tuple[Contribution, ...]

    def summary(self) -> str:
        """The ten attributes that help most and those that mislead, for people."""
        rows = [row for row in self.contributions[:10] if row.mean > 0]
        rows += [row for row in self.contributions[-3:] if row.mean < 0]
        lines = [f"{self.a} ({self.images[0]} images) or {self.b} ({self.images[1]}): {MEANINGS['deciding']}"]
        return "\n".join(lines + [f"{row.attribute}: {row.mean:+.3f}" for row in rows])


@dataclass(frozen=True)
class RepeatedCalibration(Finding):
    """The share of correct decisions questioned over many random calibration sets; see `MEANINGS`."""

    draws: int
    rows: int  #: of each calibration set
    alpha: float  #: the promise; where a calibration set was too small for what was asked, the largest one kept
    correct: int  #: in the pool
    wrong: int
    questioned_correct: float  #: mean over the draws
    standard_error: float  #: of that mean, over the draws alone
    pool_standard_error: float  #: binomial on the pool's correct decisions: the draws share one pool
    least: float
    most: float
    questioned_wrong: float | None  #: mean over the draws; None where no decision is wrong
    each: tuple[float, ...]  #: share of correct decisions questioned of every draw

    def summary(self) -> str:
        """The figures and what they mean, for people."""
        return (
            f"Over {self.draws} draws of {self.rows} of {self.correct + self.wrong} images, "
            f"{self.questioned_correct:.4f} of the correct decisions are questioned (alpha {self.alpha:.4f}; standard "
            f"error {self.standard_error:.4f} over draws, {self.pool_standard_error:.4f} for new images; "
            f"{self.least:.4f} to {self.most:.4f}), and {_show(self.questioned_wrong)} of the wrong ones. "
            f"{MEANINGS['repeated_calibration']}"
        )


def leakage(model: Model, test: Files, *, seed: int, limit: int | None = None, radius: float = 0.12) -> Leakage:
    """Does the mirror see the attributes, or repeat the class? Four looks, where labels are given per class alone.

    Wrong decisions, the variance within a class, colours changed, and parts hidden.

    Args:
        model: with a mirror.
        test: images that trained nothing; with `parts` and `boxes`, parts are hidden too.
        seed: draws the images where there are more than `limit`, the control discs and the bootstrap.
        limit: how many images to look at, at most.
        radius: of the disc that hides a part, as a share of the square root of the object box's area.
    Raises:
        RecipeError: where the system names no attributes.
    """
    files = _some(test, limit, seed)
    intact = _score(model, files)
    seen, own = intact.columns["attributes"].double(), torch.tensor(model.spec.class_attributes, dtype=torch.float64)
    repeating = intact.logits.double().softmax(1) @ own
    differ = (own > 0.5)[intact.label] != (own > 0.5)[intact.predicted]
    share, interval = _follows(seen, own, intact, differ, seed)
    return Leakage(
        len(files),
        int(intact.wrong.sum()),
        int(differ.sum()),
        share,
        interval,
        None if share is None else 1 - share,
        _follows(repeating, own, intact, differ, seed)[0],
        _follows(torch.zeros_like(seen), own, intact, differ, seed)[0],
        _within(seen, intact.label),
        _within(repeating, intact.label),
        _explained(seen, repeating),
        _edits(model, files, intact, seed),
        _parts(model, files, intact, seed, radius),
    )


def background(model: Model, test: Files, *, seed: int, limit: int | None = None) -> Background:
    """Which attributes are read from the background rather than from the object.

    Two versions of each image: the object's box alone, and all but the box. The rest has the mean colour of what is
    left; that of the whole image would tell what was covered.

    Args:
        model: with a mirror.
        test: images that trained nothing, with `boxes`.
        seed: draws the images where there are more than `limit`.
        limit: how many images to look at, at most.
    Raises:
        RecipeError: where the system names no attributes.
        DataError: where the images have no boxes.
    """
    files = _some(test, limit, seed)
    boxes = _boxes(files)
    intact = _score(model, files)
    inside = _score(model, Altered(files, _box_alone(boxes), "the object's box alone"))
    outside = _score(model, Altered(files, _box_filled(boxes), "the object's box filled"))
    scored = (intact, inside, outside)
    readings = _readings(model.spec.attributes, files.attributes > 0.5, [s.columns["attributes"] for s in scored])
    accuracy, object_only, background_only = (1 - float(s.wrong.double().mean()) for s in scored)
    readings.sort(key=lambda row: -math.inf if row.kept is None else row.kept, reverse=True)
    return Background(len(files), accuracy, object_only, background_only, tuple(readings))


def deciding_attributes(model: Model, test: Examples, a: str, b: str) -> Deciding:
    """Which attributes decide between two classes, on the test images of both.

    An attribute counts with the sign by which it speaks for the image's true class: over images of both classes what it
    adds to one fixed ratio would cancel.

    Args:
        model: with a mirror.
        test: images that trained nothing.
        a: name of a class.
        b: name of another.
    Raises:
        RecipeError: where a class is unknown, both are the same, or the system names no attributes.
        DataError: where one has no test image.
    """
    numbers = {name: number for number, name in enumerate(model.spec.classes)}
    pair = [choose("class", name, numbers) for name in (a, b)]
    if a == b:
        raise RecipeError(f"attributes decide between two different classes; got {a!r} twice.")
    rows = [(test.labels == number).nonzero()[:, 0].tolist() for number in pair]
    for name, found in zip((a, b), rows, strict=True):
        if not found:
            raise DataError(f"class {name!r} has no test image; name another or give more images.")
    scored = _score(model, test.select(rows[0] + rows[1]))
    other = torch.tensor(pair[::-1]).repeat_interleave(torch.tensor([len(part) for part in rows]))
    added = likelihood.contributions(
        scored.columns["attributes"],
        torch.tensor(model.spec.class_attributes),
        scored.label,
        other,
        model.spec.exclusive,
        at_most_one=model.spec.at_most_one,
    )
    on_a, on_b = (added[scored.label == number].double().mean(0).tolist() for number in pair)
    found = [
        Contribution(name, (x + y) / 2, x, y) for name, x, y in zip(model.spec.attributes, on_a, on_b, strict=True)
    ]
    return Deciding(a, b, (len(rows[0]), len(rows[1])), tuple(sorted(found, key=lambda row: -row.mean)))


def repeated_calibration(
    policy: Policy,
    doubts: Mapping[str, Tensor],
    wrong: Tensor,
    *,
    rows: int,
    alpha: float,
    draws: int = 100,
    seed: int,
) -> RepeatedCalibration:
    """Check the promise of a threshold: draw calibration sets from a pool, and count on the rest of it.

    Args:
        policy: its score is taken as it is, its threshold set anew in each draw.
        doubts: (n,) by name, of images that trained and fitted nothing.
        wrong: (n,) True where the decision is wrong.
        rows: images of each calibration set.
        alpha: the largest expected share of correct decisions to be questioned, in 0..1.
        draws: how many calibration sets.
        seed: of the draws.
    Raises:
        DataError: where the pool has no more than `rows` correct decisions, or `rows` or `draws` is too small.
    """
    correct = int((~wrong).sum())
    if not 1 <= rows < correct or draws < 2:
        raise DataError(
            f"repeated calibration needs 2 draws or more, and more correct decisions than the rows of each; "
            f"got {draws} draws of {rows} rows from {correct} correct decisions."
        )
    generator = torch.Generator().manual_seed(seed)
    scores = policy.score(doubts)
    shares, found, kept = [], [], alpha
    for _ in range(draws):
        order = torch.randperm(len(wrong), generator=generator)
        own, rest = order[:rows], order[rows:]
        drawn = with_threshold(policy, {name: doubt[own] for name, doubt in doubts.items()}, wrong[own], alpha)
        questioned = (scores[rest] > drawn.threshold).double()
        shares.append(float(questioned[~wrong[rest]].mean()))
        found.append(float(questioned[wrong[rest]].mean()))
        kept = max(kept, drawn.alpha)
    each = torch.tensor(shares, dtype=torch.float64)
    mean = float(each.mean())
    return RepeatedCalibration(
        draws,
        rows,
        kept,
        correct,
        len(wrong) - correct,
        mean,
        float(each.std()) / math.sqrt(draws),
        math.sqrt(mean * (1 - mean) / correct),
        min(shares),
        max(shares),
        _number(torch.tensor(found, dtype=torch.float64).nanmean()),
        tuple(shares),
    )


def _some(files: Files, limit: int | None, seed: int) -> Files:
    if limit is None or limit >= len(files):
        return files
    drawn = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed))[:limit]
    return files.select(drawn.sort().values.tolist())


def _boxes(files: Files) -> list[_Box]:
    if files.boxes is None:
        raise DataError("the background study needs the object's box in every image, and these data give none.")
    return [(round(x0), round(y0), round(x1), round(y1)) for x0, y0, x1, y1 in files.boxes.tolist()]


def _score(model: Model, examples: Examples) -> Scored:
    scored = score(model.system, examples)
    if "attributes" not in scored.columns:
        raise RecipeError("this study reads attributes, and the system names none; take a model with a mirror.")
    return scored


def _follows(
    seen: Tensor, own: Tensor, scored: Scored, differ: Tensor, seed: int
) -> tuple[float | None, _Interval | None]:
    """Share of the bits that differ which agree with the decided class, and its interval over images."""
    agree = ((seen >= 0.5) == (own > 0.5)[scored.predicted]) & differ
    rows = differ.any(1)
    return _ratio(agree[rows].sum(1), differ[rows].sum(1), seed) if rows.any() else (None, None)


def _ratio(part: Tensor, whole: Tensor, seed: int) -> tuple[float, _Interval]:
    """Sum over sum, and the percentile interval over resampled rows."""
    drawn = torch.randint(len(part), (_RESAMPLES, len(part)), generator=torch.Generator().manual_seed(seed))
    part, whole = part.double(), whole.double()
    low, high = (part[drawn].sum(1) / whole[drawn].sum(1)).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return float(part.sum() / whole.sum()), (low, high)


def _mean(values: Tensor, seed: int) -> tuple[float, _Interval]:
    return _ratio(values, torch.ones_like(values), seed)


def _within(seen: Tensor, label: Tensor) -> float | None:
    """Share of the variance that lies within the classes, mean over the attributes that vary."""
    own = torch.nn.functional.one_hot(label).double()
    means = own.T @ seen / own.sum(0).clamp(min=1)[:, None]
    within, total = ((seen - centre).square().sum(0) for centre in (means[label], seen.mean(0)))
    varies = _varies(seen)
    return _number((within[varies] / total[varies]).mean())


def _explained(seen: Tensor, by: Tensor) -> float | None:
    """R^2 of a straight line for each attribute, mean over those that vary; 0 where what should explain does not."""
    varies = _varies(seen)
    return _number(torch.where(_varies(by), _correlation(seen, by).square(), 0.0)[varies].mean())


def _varies(values: Tensor) -> Tensor:
    return values.amax(0) - values.amin(0) > 1e-6


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Of each column; NaN where one does not vary."""
    a, b = (values - values.mean(0) for values in (a.double(), b.double()))
    return (a * b).sum(0) / (a.square().sum(0) * b.square().sum(0)).sqrt()


def _edits(model: Model, files: Files, intact: Scored, seed: int) -> tuple[Change, ...]:
    colour = _naming(model.spec.attributes, ("color", "colour", "colors", "colours"))
    if model.spec.channels == 1 or not colour.any():
        return ()
    changes = {"hue turned by half a circle": _hue_turned, "greyscale": _greyscale}
    return tuple(
        _change(name, intact, _score(model, Altered(files, alter, name)), colour, ~colour, seed)
        for name, alter in changes.items()
    )


def _change(name: str, before: Scored, after: Scored, named: Tensor, others: Tensor, seed: int) -> Change:
    moved = _moved(before, after)
    own, rest = moved[:, named].mean(1), moved[:, others].mean(1)
    return Change(
        name,
        len(moved),
        float(own.mean()),
        _number(rest.mean()),
        _mean(own - rest, seed)[1] if others.any() else None,
        float((before.predicted != after.predicted).double().mean()),
    )


def _moved(before: Scored, after: Scored) -> Tensor:
    return (after.columns["attributes"].double() - before.columns["attributes"].double()).abs()


def _parts(model: Model, files: Files, intact: Scored, seed: int, radius: float) -> tuple[HiddenPart, ...]:
    """Parts of one kind together: both wings are hidden at once."""
    if files.parts is None or files.boxes is None:
        return ()
    kinds: dict[str, list[int]] = {}
    for number, name in enumerate(files.part_names):
        kinds.setdefault(name.lower().split()[-1], []).append(number)
    naming = {kind: _naming(model.spec.attributes, _ALSO.get(kind, (kind,))) for kind in kinds}
    generator = torch.Generator().manual_seed(seed)
    found = []
    for kind, numbers in kinds.items():
        others = torch.stack(list(naming.values())).any(0) & ~naming[kind]
        discs = _discs(files.parts[:, numbers], files.boxes, radius, generator)
        if naming[kind].any() and discs:
            found.append(_hidden(model, files, intact, kind, discs, (naming[kind], others), seed))
    return tuple(found)


@dataclass(frozen=True)
class _Discs:
    """Where one image is covered: places in pixels of the file."""

    row: int
    hidden: list[list[float]]
    control: list[list[float]]
    radius: float


def _discs(parts: Tensor, boxes: Tensor, radius: float, generator: torch.Generator) -> list[_Discs]:
    """Discs on the visible parts (n, P, 3), and as many elsewhere in the box that touch none of them.

    Images without a visible part, or without room for the control, are left out.
    """
    found = []
    for row, (part, box) in enumerate(zip(parts.double(), boxes.double(), strict=True)):
        places, size = part[part[:, 2] > 0, :2], box[2:] - box[:2]
        length = radius * float(size.clamp(min=0).prod().sqrt())
        drawn = box[:2] + size * torch.rand(256, 2, generator=generator, dtype=torch.float64)
        free = drawn[(torch.cdist(drawn, places) > 2 * length).all(1)]
        if length > 0 and 0 < len(places) <= len(free):
            found.append(_Discs(row, places.tolist(), free[: len(places)].tolist(), length))
    return found


def _hidden(
    model: Model,
    files: Files,
    intact: Scored,
    kind: str,
    discs: list[_Discs],
    masks: tuple[Tensor, Tensor],
    seed: int,
) -> HiddenPart:
    rows = [disc.row for disc in discs]
    before, chosen = _rows(intact, rows), files.select(rows)
    hide = _covering([disc.hidden for disc in discs], [disc.radius for disc in discs])
    elsewhere = _covering([disc.control for disc in discs], [disc.radius for disc in discs])
    after = _score(model, Altered(chosen, hide, f"{kind} hidden"))
    control = _score(model, Altered(chosen, elsewhere, f"an equal disc beside the {kind}"))
    own = [_moved(before, scored)[:, masks[0]].mean(1) for scored in (after, control)]
    return HiddenPart(
        kind,
        _change(f"{kind} hidden", before, after, *masks, seed),
        _change("control", before, control, *masks, seed),
        *_mean(own[0] - own[1], seed),
    )


def _rows(scored: Scored, rows: list[int]) -> Scored:
    columns = {name: column[rows] for name, column in scored.columns.items()}
    doubts = {name: doubt[rows] for name, doubt in scored.doubts.items()}
    return Scored(scored.label[rows], scored.attributes[rows], scored.logits[rows], doubts, columns)


def _naming(attributes: Sequence[str], words: Sequence[str]) -> Tensor:
    """(N,) True where an attribute's question has one of the words; `has_bill_shape::hooked` asks has, bill, shape."""
    asked = [re.split(r"[^a-z]+", name.lower().split("::")[0]) for name in attributes]
    return torch.tensor([not set(words).isdisjoint(question) for question in asked])


def _readings(attributes: Sequence[str], truth: Tensor, seen: Sequence[Tensor]) -> list[Reading]:
    """A row per attribute, from its probabilities on the intact images, the objects and the backgrounds."""
    precision = [attribute_metrics.per_attribute(p, truth.float()).average_precision for p in seen]
    alike = [_correlation(p, seen[0]) for p in seen]
    prevalence, varied = truth.double().mean(0), truth.any(0) & ~truth.all(0)
    rows = []
    for index, name in enumerate(attributes):
        figures = precision if varied[index] else alike
        intact, inside, outside = (_number(figure[index]) for figure in figures)
        chance = float(prevalence[index]) if varied[index] else 0.0
        above = (intact or 0.0) - chance
        kept = (outside - chance) / above if outside is not None and above > _READ else None
        measure = "average precision" if varied[index] else "correlation"
        rows.append(Reading(name, measure, chance, intact or 0.0, inside, outside, kept))
    return rows


def _mean_colour(image: Image.Image, mask: Image.Image | None = None) -> tuple[int, ...]:
    return tuple(round(value) for value in ImageStat.Stat(image, mask).mean)


def _hue_turned(image: Image.Image, _: int) -> Image.Image:
    hue, *rest = image.convert("HSV").split()
    return Image.merge("HSV", [hue.point([(level + 128) % 256 for level in range(256)]), *rest]).convert("RGB")


def _greyscale(image: Image.Image, _: int) -> Image.Image:
    return image.convert("L").convert("RGB")


def _covering(places: list[list[list[float]]], radii: list[float]) -> _Alter:
    def cover(image: Image.Image, index: int) -> Image.Image:
        covered, radius = image.copy(), radii[index]
        for x, y in places[index]:
            box = (x - radius, y - radius, x + radius, y + radius)
            ImageDraw.Draw(covered).ellipse(box, fill=_mean_colour(image))
        return covered

    return cover


def _box_alone(boxes: Sequence[_Box]) -> _Alter:
    return lambda image, index: _only(image, _box_mask(image, boxes[index]))


def _box_filled(boxes: Sequence[_Box]) -> _Alter:
    return lambda image, index: _only(image, ImageChops.invert(_box_mask(image, boxes[index])))


def _box_mask(image: Image.Image, box: _Box) -> Image.Image:
    mask = Image.new("L", image.size)
    mask.paste(255, box)
    return mask


def _only(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The image where the mask is white; elsewhere the mean colour of what is left, grey where that is nothing."""
    colour = _mean_colour(image, mask) if mask.getbbox() else (128, 128, 128)
    return Image.composite(image, Image.new(image.mode, image.size, colour), mask)


def _number(value: Tensor) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def _show(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _range(interval: _Interval | None) -> str:
    return "" if interval is None else f"[{interval[0]:.3f}, {interval[1]:.3f}] "
