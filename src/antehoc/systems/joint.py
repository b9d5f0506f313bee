"""`joint`: an explainer draws a mask, and the classifier sees the image through it alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc import questions
from antehoc.cards import Card
from antehoc.errors import DataError, RecipeError, near_miss
from antehoc.nn.damage import fill, squares
from antehoc.nn.explainers import Gate, Gating, build_explainer, opened
from antehoc.nn.gated import Gated, build_gated
from antehoc.systems.base import Reconsidered, System, Trainable
from antehoc.types import Batch, DataSpec, Explanans, Reason, ReasonCode, SaliencyMask

_TINY = 1e-6  # of the share of the mask outside the object, as published
_MARGIN = 1 / 32  # of the lesser side, two pixels at least: what is erased around what a mask shows
_BESIDE = 0.7  # of what lies beside, the largest share that is damaged
_DEAD, _LAZY, _FLAT = 1e-3, 0.99, 0.01  # of masks: means below and above which nothing is said, and the least contrast


class JointOutput(NamedTuple):
    """What the joint system gives. The last five are looks, (B, 0) where nobody looked.

    In training only what the losses ask for is looked at, in use `kept`, `removed` and `whole` or, without
    `look_again`, nothing.
    """

    logits: Tensor  #: (B, K) of the decision: the image seen through the mask
    mask: Tensor  #: (B, 1, H, W) in 0..1
    features: Tensor  #: (B, D) what the dense layer reads of the whole image or, without looks, of what is shown
    kept: Tensor  #: (B, K) of the image with all hidden that the mask hides
    removed: Tensor  #: (B, K) of the image with all hidden that the mask shows
    whole: Tensor  #: (B, K) of the whole image
    damaged: Tensor  #: (B // 2, K) of the first half's images after damage beside what the mask shows
    erased: Tensor  #: (B // 2,) bool: of which what the mask shows was taken as well; (B, 0) where nobody looked


class Joint(System[JointOutput]):
    """An explainer and a classifier that learn together; what the mask hides, the classifier cannot see.

    Args:
        spec: the data. Where it names an `absent` class, nothing needs to be shown for that one.
        classifier: `vgg`, the paper's own; a backbone (`small`, a network of timm); with `gate_at: blocks` a ResNet of
            timm, gated as in the paper.
        gate_at: where the mask works: on the `image`'s pixels, so that nothing of a hidden one is read; on the `first`
            stage's activations, on those of all `stages`, or after the stem and every residual block (`blocks`,
            the paper's).
        hidden: brightness in 0..1 of a hidden pixel.
        explainer: `unet` (the paper's), or `smp/ARCHITECTURE/ENCODER` of segmentation-models-pytorch.
        filters: of the U-Net's levels.
        scale: the U-Net reads the image averaged over squares of so many pixels; at 2 it costs a quarter.
        norm: batch norm in the U-Net; without it (the paper's) it learns slowly.
        gate: `tanh` (the paper's), `sigmoid`, or `hard`: the classifier sees a pixel or does not.
        bias: before the gate, at the start: 3 shows all (the paper's), and lets 1 % of the gradient through a tanh.
        sharpness: how far the masks' values reach at the start (1 is the paper's); masks of a small one stay grey.
        smooth: deviation in pixels of a Gaussian that evens out the U-Net's map before the gate: masks are highest
            inside what they show, and single pixels do not stand out. 0 (the paper's) is none.
        budget: least and largest share of an image that an object covers, as far as is known: for the term `budget`.
        losses: the terms that are computed; `Joint.weights` has their names and default weights.
        look_again: whether a decision comes with the doubts `sufficiency`, `necessity` and `whole`, each for one more
            pass of the classifier (two in all with `gate_at: image`, else three).
        weights, options, batch_norm: of the classifier's backbone, as for `mirror`.
        covariance, shrinkage: of the feature distance (`questions.ClassGaussians`). It looks at the whole image: of a
            strange one an empty mask leaves what it leaves of any other.
    Raises:
        RecipeError: where the parts do not fit each other.
    Source:
        "Producing joint decisions and explanations with CNNs" (slides); the authors' PyTorch code; slide "Loss" for
        `label` and `area_sum` / `area`, the code for `variation` and `outside`.
    Differs: gates on the image, hard gates, batch norm and smoothing in the explainer, and the terms `budget`,
        `whole`, `removed`, `damaged` and `empty` are ours. The first stage of training sees the whole image; the
        authors' untrained explainer let 99.5 % through.
    Example:
        >>> spec = DataSpec(("nothing", "fox"), 3, 16, 16, absent="nothing")
        >>> system = Joint(spec, classifier="tiny", filters=(4, 8)).eval()
        >>> system(torch.rand(2, 3, 16, 16)).mask.shape
        torch.Size([2, 1, 16, 16])
    """

    weights: ClassVar = {
        "label": 1.0,
        "area": 1.0,
        "area_sum": 1.0,
        "budget": 1.0,
        "variation": 1.0,
        "outside": 1.0,
        "whole": 1.0,
        "removed": 1.0,
        "damaged": 1.0,
        "empty": 1.0,
    }
    card: ClassVar = Card(
        explanandum="the class that the classifier decides for on one image",
        process="an explainer network draws a mask, and the classifier sees the image through that mask alone",
        explanans="one saliency mask: how much of each pixel the classifier was let see, in 0..1",
        requirement="trust in a single decision: does it rest on the object, or on what stands around it?",
        may_read="where the evidence lay that the classifier was let use: what the mask hides on the image had no part "
        "in the decision",
        may_not_read="that all that is shown was used, that the shape of the mask is the shape of the object, or, "
        "where the gate works on activations, that nothing was seen beyond the mask's edge",
        explainer="the explainer network",
        explanee="the person who answers for the decision",
        stage="ante hoc",
        scope="local",
    )

    def __init__(
        self,
        spec: DataSpec,
        *,
        classifier: str = "small",
        gate_at: Literal["image", "first", "stages", "blocks"] = "image",
        hidden: float = 0.5,
        explainer: str = "unet",
        filters: Sequence[int] = (16, 32, 64),
        scale: int = 1,
        norm: bool = True,
        gate: Gate = "sigmoid",
        bias: float = 0.0,
        sharpness: float = 1.0,
        smooth: float = 0.0,
        budget: tuple[float, float] = (0.0, 1.0),
        losses: Sequence[str] = ("label", "area", "variation"),
        look_again: bool = True,
        weights: bool | str = False,
        options: Mapping[str, Any] | None = None,
        batch_norm: Literal["auto", "update", "fixed"] = "auto",
        covariance: Literal["class", "shared"] = "shared",
        shrinkage: float | Literal["ledoit-wolf"] = 0.001,
    ) -> None:
        super().__init__()
        for name in losses:
            if name not in self.weights:
                raise RecipeError(
                    f"losses: no term is called {name!r}.{near_miss(name, [*self.weights])} "
                    f"Known: {', '.join(self.weights)}."
                )
        if spec.absent is None and (wrong := [name for name in ("empty", "damaged") if name in losses]):
            raise RecipeError(
                f"losses: `{wrong[0]}` is for data with a class that means nothing is there; these have none."
            )
        if not 0 <= hidden <= 1:
            raise RecipeError(f"hidden is a brightness in 0..1; got {hidden}.")
        if len(budget) != 2 or not 0 <= budget[0] <= budget[1] <= 1:
            raise RecipeError(f"budget is two shares of the image, the lesser first; got {[*budget]}.")
        if "budget" in losses and tuple(budget) == (0, 1):
            raise RecipeError("losses: `budget` needs its bounds, such as budget: [0.03, 1.0].")
        if smooth < 0:
            raise RecipeError(f"smooth is a deviation in pixels, 0 or more; got {smooth}.")
        self.budget = budget
        self.spec, self.gate_at, self.hidden, self.gate = spec, gate_at, hidden, gate
        self.losses, self.look_again = tuple(losses), look_again
        self.absent = None if spec.absent is None else spec.classes.index(spec.absent)
        network = build_gated(
            classifier,
            spec.channels,
            len(spec.classes),
            gate_at=gate_at,
            weights=weights,
            options=options or {},
            batch_norm=batch_norm,
        )
        self.classifier = Classifier(network)
        gating = Gating(gate, bias, sharpness, smooth)
        self.explainer = build_explainer(explainer, spec.channels, gating, filters=filters, scale=scale, norm=norm)
        side = self.explainer.smallest
        if spec.height % side or spec.width % side:
            raise RecipeError(
                f"this explainer takes images whose sides are multiples of {side} pixels; "
                f"got {spec.height}x{spec.width}."
            )
        self.distance = questions.ClassGaussians(
            len(spec.classes), network.head.in_features, covariance=covariance, shrinkage=shrinkage
        )

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)

    def from_activations(self, activations: tuple[Tensor, ...]) -> JointOutput:
        (image,) = activations
        if self.training:
            return self._to_learn(image)
        mask, gate = self._masked(image)
        features = self._seen(image, gate)
        logits = self.classifier.network.head(features)
        if not self.look_again:
            return JointOutput(logits, mask, features, *(logits[:, :0],) * 5)
        features, kept, removed, whole = self._looks(image, gate, logits)
        return JointOutput(logits, mask, features, kept, removed, whole, *(logits[:, :0],) * 2)

    def _to_learn(self, image: Tensor) -> JointOutput:
        """The output with the looks that the losses ask for, and no others.

        The classifier sees all its pictures in one pass: batch norm must not meet hidden and whole ones turn by turn,
        or what it remembers fits neither.
        """
        network, none = self.classifier.network, image.new_zeros(len(image), 0)
        asked = set(self.losses) if network.head.weight.requires_grad else set(self.losses) - {"whole", "damaged"}
        mask, gate = self._masked(image)
        removed = self._without(image, gate) if {"removed", "damaged"} & asked else none
        looks, erased = {"label": (image, gate)}, none
        if "whole" in asked:
            looks["whole"] = image, torch.ones_like(gate)
        if "damaged" in asked:
            picture, again, erased = self._damaged(image, gate, removed)
            looks["damaged"] = picture, again
        features = self._seen(*(torch.cat(parts) for parts in zip(*looks.values(), strict=True)))
        seen = dict(zip(looks, torch.split(features, [len(one) for one, _ in looks.values()]), strict=True))
        logits = {name: network.head(own) for name, own in seen.items()}
        whole, damaged = logits.get("whole", none), logits.get("damaged", none)
        return JointOutput(logits["label"], mask, seen["label"], none, removed, whole, damaged, erased)

    @torch.no_grad()
    def _damaged(self, image: Tensor, gate: Tensor, removed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first half of the images with squares replaced beside what the gate shows, and of some all that it shows
        as well; their gates; and which these are, (B // 2,).

        These are drawn at random from those where nothing is left without what the gate shows: of the others, what is
        left must not be called nothing, or masks and what is seen in them shrink together until both are gone. Nor does
        the explainer learn from them: it would, and did, learn to show nothing at all.
        """
        half = len(image) // 2
        image, gate, left = image[:half], gate[:half], removed[:half].argmax(1) != self.absent
        margin = max(2, round(_MARGIN * min(gate.shape[2:])))
        shown = F.max_pool2d(gate, 2 * margin + 1, 1, margin)
        erased = (torch.rand(half, device=image.device) < 0.5) & ~left
        gone = squares(image, _BESIDE) * (1 - shown) + shown * erased[:, None, None, None]
        picture = torch.lerp(image, fill(image, self.hidden), gone)
        learning = self.explainer.training
        self.explainer.eval()  # its batch norm must not learn the brightness of damage
        found = self._masked(picture)[1]
        self.explainer.train(learning)
        return picture, found, erased

    def decision(self, image: Tensor) -> Tensor:
        """(B, K) logits of images seen through their masks, without the looks of the doubts."""
        logits: Tensor = self.classifier.network.head(self._seen(image, self._masked(image)[1]))
        return logits

    def _masked(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """What is shown of each pixel, and what the classifier is gated by, (B, 1, H, W) both."""
        mask = self.explainer(image - self.hidden)  # so that the padding at the edges looks like what is hidden
        gate = opened(mask, self.gate)
        return (mask * gate if self.gate == "hard" else mask), gate  # a hard gate shows nothing of what it hides

    def cacheable(self, parts: tuple[str, ...]) -> bool:
        return False

    def learner(self, parts: tuple[str, ...]) -> Trainable[Any]:
        return self.classifier if parts == ("classifier",) else self

    def begin_phase(self, parts: tuple[str, ...]) -> None:
        """Nothing: each phase goes on from the weights that the last one left."""

    def depth(self, name: str) -> int:
        prefix = "classifier.network.backbone.stages."
        stages = getattr(getattr(self.classifier.network, "backbone", None), "stages", ())
        return len(stages) - int(name.removeprefix(prefix).split(".")[0]) if name.startswith(prefix) else 0

    def loss_terms(self, output: JointOutput, batch: Batch) -> dict[str, Tensor]:
        """The terms of `losses`; each a mean over the images.

        The mask's terms are those of what the classifier is gated by: of a `hard` gate pixels count, not values.
        Their gradient then is the gate plus the map before it: more than 1 where a pixel is shown, less than a half
        where not.

        `label`: cross-entropy of the decision. `area`: mean of the mask (the L1 budget); `area_sum`: its sum over the
        pixels. `budget`: how far the mask's mean lies outside `budget`, but for the absent class. `variation`: mean
        absolute difference of neighbours, down plus across. `outside`: share of what lies outside the object that the
        mask shows (`hybrid`). `whole`: cross-entropy on the whole image, which keeps the classifier from learning the
        mask's shape instead of what it shows (in training 0 while the classifier is frozen). `removed`: with all
        hidden that the mask shows, cross-entropy with the absent class or, without one, how far from uniform the
        classes are (in nats); it teaches the explainer alone. `damaged`: cross-entropy of the decision on damaged
        images, with their label where what the mask shows was left, with the absent class where it was erased:
        neither damage nor what the explainer shows of it must look like something. It teaches the classifier alone (0
        while that is frozen, and in validation). `empty`: mean of the mask on images of the absent class.

        Raises:
            DataError: `outside` is asked for, and the data have no object masks.
        """
        shown = opened(output.mask, self.gate)
        terms = {
            "label": lambda: F.cross_entropy(output.logits, batch.label),
            "area": lambda: shown.mean(),
            "area_sum": lambda: shown.sum((1, 2, 3)).mean(),
            "budget": lambda: self._beyond(shown, batch.label),
            "variation": lambda: _variation(shown),
            "outside": lambda: outside(shown, _object(batch)),
            "whole": lambda: (
                F.cross_entropy(output.whole, batch.label) if output.whole.shape[1] else output.whole.sum()
            ),
            "removed": lambda: self._removed(output.removed),
            "damaged": lambda: self._despite_damage(output, batch.label),
            "empty": lambda: (shown.mean((1, 2, 3)) * (batch.label == self.absent)).mean(),
        }
        return {name: terms[name]() for name in self.losses}

    def scores(self, output: JointOutput, batch: Batch) -> dict[str, Tensor]:
        flat = output.mask.flatten(1)
        found = {
            "accuracy": (output.logits.argmax(1) == batch.label).float().mean(),
            "mask_area": flat.mean(),
            "mask_contrast": (flat.amax(1) - flat.amin(1)).mean(),
        }
        if batch.mask is not None:
            inside = (flat * batch.mask.flatten(1)).sum(1) / flat.sum(1).clamp(min=_TINY)
            found["mask_energy"] = inside[batch.label != self.absent].mean().nan_to_num(0.0)
        return found

    def remarks(self, figures: Mapping[str, float]) -> list[str]:
        area, contrast = figures.get("mask_area"), figures.get("mask_contrast")
        if area is None or contrast is None:
            return []
        if area < _DEAD:
            return [
                f"the explainer is dead: its masks show nothing (mean {area:.2g}); give `area` less weight, or take "
                "gate: sigmoid, which a gradient can open again."
            ]
        if area > _LAZY or contrast < _FLAT:
            return [
                f"the explainer is lazy: its masks show everything alike (mean {area:.3f}, contrast {contrast:.2g}); "
                "start with a lower `bias`, or give `area` more weight."
            ]
        return []

    def explain(self, output: JointOutput) -> list[Explanans]:
        return [SaliencyMask.of(mask) for mask in output.mask[:, 0]]

    def doubts(self, output: JointOutput) -> dict[str, Tensor]:
        predicted = output.logits.argmax(1)
        found = {}
        if output.kept.shape[1]:
            found = {
                "sufficiency": 1 - questions.probability(output.kept, predicted),
                "necessity": self._necessity(output.removed, predicted),
                "whole": 1 - questions.probability(output.whole, predicted),
            }
        return {
            **found,
            "distance": self.distance(output.features, predicted),
            "margin": questions.margin(output.logits),
            "entropy": questions.entropy(output.logits),
            "softmax": questions.maximum_softmax(output.logits),
        }

    def table(self, output: JointOutput) -> dict[str, Tensor]:
        return {"mask_area": output.mask.mean((1, 2, 3))}

    def dense(self, output: JointOutput) -> tuple[Tensor, nn.Linear]:
        return output.features, self.classifier.network.head

    def fit_doubts(self, output: JointOutput, label: Tensor) -> None:
        self.distance.fit(output.features, label)

    def considered(self, output: JointOutput, explanans: Sequence[Explanans]) -> Reconsidered:
        """Class probabilities by what the mask shows alone, and what the looks with, without and past it say."""
        predicted, kept = output.logits.argmax(1), output.kept.softmax(1)
        if not output.kept.shape[1]:
            return Reconsidered({}, kept, [([], [])] * len(predicted))
        looks = (look.softmax(1).tolist() for look in (output.kept, output.removed, output.whole))
        reasons = [self._reasons(*row) for row in zip(predicted.tolist(), *looks, strict=True)]
        return Reconsidered({}, kept, reasons)

    def reconsider(self, explanans: Sequence[Explanans], predicted: Tensor) -> Reconsidered:
        raise DataError("a mask says nothing without its image, and cannot be corrected; decide on another image.")

    def _reasons(
        self, decided: int, kept: list[float], removed: list[float], whole: list[float]
    ) -> tuple[list[Reason], list[Reason]]:
        """For and against, by what is seen with the mask alone, without it, and on the whole image."""

        def say(code: ReasonCode, text: str, look: list[float]) -> Reason:
            seen = _largest(look)
            return Reason(code, f"{text} {self.spec.classes[seen]!r} ({look[seen]:.2f})", probability=look[seen])

        agree, disagree = [], []
        if _largest(kept) == decided:
            agree.append(say("mask-enough", "what the mask shows is enough: alone it is", kept))
        else:
            disagree.append(say("mask-not-enough", "what the mask shows is not enough: alone it is", kept))
        needed = _largest(removed) != decided
        if decided != self.absent and needed:
            agree.append(say("mask-needed", "what the mask shows is needed: without it this is", removed))
        elif decided != self.absent:
            text = "what the mask shows is not needed: without it this is still"
            disagree.append(say("mask-not-needed", text, removed))
        if _largest(whole) == decided:
            agree.append(say("whole-agrees", "the whole image is decided alike:", whole))
        else:
            disagree.append(say("whole-disagrees", "the whole image is decided otherwise:", whole))
        return agree, disagree

    def _necessity(self, removed: Tensor, predicted: Tensor) -> Tensor:
        """The decided class's probability once all is hidden that the mask shows; of the absent class: the others'."""
        left = questions.probability(removed, predicted)
        return left if self.absent is None else torch.where(predicted == self.absent, 1 - left, left)

    def _seen(self, image: Tensor, mask: Tensor) -> Tensor:
        """What the dense layer reads of an image through a mask."""
        network = self.classifier.network
        if self.gate_at == "image":
            return network.features(self._hide(image, mask), None)
        return network.features(image, mask)

    def _hide(self, image: Tensor, mask: Tensor) -> Tensor:
        """Images with every pixel as far at the brightness `hidden` as the mask does not show it."""
        return self.hidden + (image - self.hidden) * mask

    def _looks(self, image: Tensor, mask: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of the whole image, and the logits of the image kept, removed and whole, in one pass."""
        network, pictures = self.classifier.network, [self._hide(image, 1 - mask), image]
        if self.gate_at != "image":  # else the decision has looked at what is kept
            pictures = [self._hide(image, mask), *pictures]
        parts = network.features(torch.cat(pictures), None).chunk(len(pictures))
        seen = [network.head(part) for part in parts]
        kept = logits if self.gate_at == "image" else seen[0]
        return parts[-1], kept, seen[-2], seen[-1]

    def _removed(self, logits: Tensor) -> Tensor:
        """Raised by what is left to see without what the mask shows; 0 where nobody looked."""
        if not logits.shape[1]:
            return logits.sum()
        if self.absent is not None:
            return F.cross_entropy(logits, torch.full((len(logits),), self.absent, device=logits.device))
        uniform: Tensor = math.log(logits.shape[1]) - questions.entropy(logits)
        return uniform.mean()

    def _despite_damage(self, output: JointOutput, label: Tensor) -> Tensor:
        """Cross-entropy on damaged images; 0 where nobody looked."""
        if not output.damaged.numel():
            return output.damaged.sum()
        assert self.absent is not None
        return F.cross_entropy(output.damaged, label[: len(output.erased)].where(~output.erased, self.absent))

    def _beyond(self, shown: Tensor, label: Tensor) -> Tensor:
        """How far more or less is shown than the budget allows."""
        area, (low, high) = shown.mean((1, 2, 3)), self.budget
        beyond = (low - area).relu() + (area - high).relu()
        return beyond.mean() if self.absent is None else (beyond * (label != self.absent)).mean()

    def _without(self, image: Tensor, gate: Tensor) -> Tensor:
        """Logits of the images with all hidden that the mask shows, by a classifier that stands still."""
        network = self.classifier.network
        training = network.training
        network.eval()
        weights = {name: value.detach() for name, value in network.named_parameters()}
        logits: Tensor = torch.func.functional_call(network, weights, (self._hide(image, 1 - gate),))
        network.train(training)
        return logits


class ClassifierOutput(NamedTuple):
    """What one pass of the classifier alone gives."""

    logits: Tensor  #: (B, K)


class Classifier(Trainable[ClassifierOutput]):
    """The classifier alone, as the first stage trains it: on the whole image."""

    weights: ClassVar = {"label": 1.0}

    def __init__(self, network: Gated) -> None:
        super().__init__()
        self.network = network

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)

    def from_activations(self, activations: tuple[Tensor, ...]) -> ClassifierOutput:
        return ClassifierOutput(self.network(activations[0]))

    def loss_terms(self, output: ClassifierOutput, batch: Batch) -> dict[str, Tensor]:
        return {"label": F.cross_entropy(output.logits, batch.label)}

    def scores(self, output: ClassifierOutput, batch: Batch) -> dict[str, Tensor]:
        return {"accuracy": (output.logits.argmax(1) == batch.label).float().mean()}


def outside(mask: Tensor, inside: Tensor) -> Tensor:
    """The share of what lies outside the object that a mask shows, as a mean over the images.

    Args:
        mask: (B, 1, H, W) in 0..1.
        inside: (B, 1, H, W) in 0..1, 1 on the object.
    Source:
        The authors' PyTorch code: the term gamma of the hybrid loss.
    Differs: theirs divides the sums over a whole batch; ours weighs every image alike.
    """
    beyond = 1 - inside
    return ((beyond * mask).sum((1, 2, 3)) / (beyond.sum((1, 2, 3)) + _TINY)).mean()


def _variation(mask: Tensor) -> Tensor:
    return mask.diff(dim=2).abs().mean() + mask.diff(dim=3).abs().mean()


def _object(batch: Batch) -> Tensor:
    if batch.mask is None:
        raise DataError("the loss `outside` needs object masks or boxes, and these data have none; leave it out.")
    return batch.mask


def _largest(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
