"""The joint system: an explainer draws a mask, and the classifier sees the image through that mask alone."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc import task
from antehoc.cards import Card
from antehoc.doubts import masks
from antehoc.errors import RecipeError
from antehoc.explanations import SaliencyMask
from antehoc.nn.damage import fill, squares
from antehoc.nn.explainers import opened
from antehoc.nn.gated import build_gated
from antehoc.systems.base import Explanations, Reasons, System, Trainable
from antehoc.systems.joint.classifier import Classifier
from antehoc.systems.joint.losses import TERMS, Looked, energy
from antehoc.systems.joint.reasons import Looks, mask_reasons
from antehoc.systems.joint.settings import ExplainerSettings, GatingSettings, check_losses
from antehoc.systems.settings import BackboneSettings, DistanceSettings
from antehoc.types import Batch, DataSpec

_MARGIN = 1 / 32  # of the lesser side, two pixels at least: what is erased around what a mask shows
_BESIDE = 0.7  # of what lies beside, the largest share that is damaged
_DEAD, _LAZY, _FLAT = 1e-3, 0.99, 0.01  # of masks: means below and above which nothing is said, and the least contrast


class JointOutput(NamedTuple):
    """What the joint system gives. `forward` gives the first four; the rest are further looks, None where skipped."""

    logits: Tensor  #: (B, K) of the decision: the image seen through the mask
    mask: Tensor  #: (B, 1, H, W) in 0..1
    gate: Tensor  #: (B, 1, H, W) what the classifier is gated by
    features: Tensor  #: (B, D) what the dense layer reads of the whole image or, without looks, of what is shown
    kept: Tensor | None = None  #: (B, K) of the image with everything hidden that the mask hides
    removed: Tensor | None = None  #: (B, K) of the image with everything hidden that the mask shows
    whole: Tensor | None = None  #: (B, K) of the whole image
    damaged: Tensor | None = None  #: (B // 2, K) of the first half's images after damage beside what the mask shows
    erased: Tensor | None = None  #: (B // 2,) bool: of which what the mask shows was erased as well


class Joint(System[JointOutput]):
    """An explainer and a classifier that learn together; what the mask hides, the classifier cannot see.

    Args:
        spec: the data. Where it names an `absent` class, nothing needs to be shown for that one.
        backbone: the classifier: `vgg`, the paper's own; a backbone (`small`, a network of timm); with gating at
            `blocks` a ResNet of timm, gated as in the paper.
        gating: how the mask works on what the classifier sees.
        explainer: the network that draws the mask.
        budget: smallest and largest share of an image that an object covers, as far as is known: for the term `budget`.
        losses: the terms that are computed (`joint.losses.TERMS`).
        look_again: whether a decision comes with the doubts `sufficiency`, `necessity` and `whole`, each for one more
            pass of the classifier (two in all with gating at `image`, else three).
        distance: of the features from the training images of each class. It looks at the whole image: of a strange
            one an empty mask leaves what it leaves of any other.
    Raises:
        RecipeError: where the parts do not fit each other.
    Source:
        "Producing joint decisions and explanations with CNNs" (slides); the authors' PyTorch code; slide "Loss" for
        `label` and `area_sum` / `area`, the code for `variation` and `outside`.
    Differs: `decides: whole`, random masks, gates on the image, hard gates, batch norm and smoothing in the explainer,
        and the terms `budget`, `whole`, `removed`, `damaged` and `empty` are ours. The first stage of training sees
        the whole image; the authors' untrained explainer let 99.5 % through.
    Example:
        >>> spec = DataSpec(("nothing", "fox"), 3, 16, 16, absent="nothing")
        >>> system = Joint(spec, backbone="tiny", explainer=ExplainerSettings(filters=(4, 8))).eval()
        >>> system(torch.rand(2, 3, 16, 16)).mask.shape
        torch.Size([2, 1, 16, 16])
    """

    weights: ClassVar = dict.fromkeys(TERMS, 1.0)
    card: ClassVar = Card(
        explanandum="the class that the classifier decides for on one image",
        process="an explainer network draws a mask, and the classifier sees the image through that mask alone; where "
        "the recipe says `decides: whole`, it decides on the whole image and is asked again through the mask",
        explanation="one saliency mask: how much of each pixel the classifier could see, in 0..1",
        requirement="trust in a single decision: does it rest on the object, or on what surrounds it?",
        may_read="where the evidence was that the classifier could use: what the mask hides on the image had no part "
        "in the decision; with `decides: whole`, whether what the mask shows is enough for the same decision",
        may_not_read="that everything shown was used, that the shape of the mask is the shape of the object, or, "
        "where the gate works on activations, that nothing was seen beyond the mask's edge",
        explainer="the explainer network",
        explanee="the person who is accountable for the decision",
        stage="ante hoc",
        scope="local",
    )
    removed: ClassVar[Mapping[str, object]] = {"grain": 1}
    earlier: ClassVar[Mapping[str, str]] = {  #: where the flat arguments of earlier versions went
        "classifier": "backbone.name",
        **{name: f"backbone.{name}" for name in ("weights", "options", "batch_norm")},
        "gate_at": "gating.at",
        "gate": "gating.kind",
        **{name: f"gating.{name}" for name in ("hidden", "bias", "sharpness", "smooth")},
        "explainer": "explainer.name",
        **{name: f"explainer.{name}" for name in ("filters", "scale", "norm")},
        **{name: f"distance.{name}" for name in ("covariance", "shrinkage")},
    }

    def __init__(
        self,
        spec: DataSpec,
        *,
        backbone: str | BackboneSettings = BackboneSettings(),
        gating: GatingSettings = GatingSettings(),
        explainer: str | ExplainerSettings = ExplainerSettings(),
        budget: tuple[float, float] = (0.0, 1.0),
        losses: Sequence[str] = ("label", "area", "variation"),
        look_again: bool = True,
        distance: DistanceSettings = DistanceSettings(),
    ) -> None:
        super().__init__()
        check_losses(losses, spec, budget)
        if spec.task != "single-label":
            raise RecipeError("the system joint takes one label per image, and these data have several.")
        settings = BackboneSettings.of(backbone)
        self.spec, self.gating, self.budget = spec, gating, budget
        self.losses, self.look_again = tuple(losses), look_again
        self.absent = None if spec.absent is None else spec.classes.index(spec.absent)
        network = build_gated(
            settings.name,
            spec.channels,
            len(spec.classes),
            gate_at=gating.at,
            weights=settings.weights,
            options=settings.options,
            batch_norm=settings.batch_norm,
        )
        self.classifier = Classifier(network, spec.task, gating, frozen_stages=settings.frozen_stages)
        self.explainer = ExplainerSettings.of(explainer).build(spec, gating, settings)
        self.distance = distance.build(len(spec.classes), network.head.in_features)

    def forward(self, image: Tensor) -> JointOutput:
        mask, gate = self._masked(image)
        features = self.classifier.features(image, torch.ones_like(gate) if self._whole else gate)
        return JointOutput(self.classifier.network.head(features), mask, gate, features)

    def look(self, image: Tensor, output: JointOutput) -> JointOutput:
        """The output with the logits of the image kept, removed and whole, all from one more pass."""
        if not self.look_again:
            return output
        network, hide = self.classifier.network, self.classifier.hide
        pictures = [hide(image, 1 - output.gate), hide(image, output.gate) if self._whole else image]
        if self.gating.at != "image":  # else the decision has looked at what is kept
            pictures = [hide(image, output.gate), *pictures]
        features = network.features(torch.cat(pictures), None)
        # a view, not `chunk`: that would fix the batch size in exports
        parts = features.view(len(pictures), image.shape[0], features.shape[1]).unbind(0)
        seen = [network.head(part) for part in parts]
        if self._whole:  # the decision has looked at the whole image
            return output._replace(kept=seen[1], removed=seen[0], whole=output.logits)
        kept = output.logits if self.gating.at == "image" else seen[0]
        return output._replace(features=parts[-1], kept=kept, removed=seen[-2], whole=seen[-1])

    @property
    def _whole(self) -> bool:
        return self.gating.decides == "whole"

    def training_pass(self, image: Tensor) -> JointOutput:
        """The output with the looks that the losses ask for, and no others.

        The classifier sees all its pictures in one pass: batch norm must not meet hidden and whole ones in turn, or
        what it remembers fits neither.
        """
        network = self.classifier.network
        asked = set(self.losses) if network.head.weight.requires_grad else set(self.losses) - {"whole", "damaged"}
        mask, gate = self._masked(image)
        removed = self._without(image, gate) if {"removed", "damaged"} & asked else None
        looks, erased = {"label": (image, gate)}, None
        if "whole" in asked:
            looks["whole"] = image, torch.ones_like(gate)
        if "damaged" in asked and removed is not None:
            picture, again, erased = self._damaged(image, gate, removed)
            looks["damaged"] = picture, again
        features = self.classifier.features(*(torch.cat(parts) for parts in zip(*looks.values(), strict=True)))
        seen = dict(zip(looks, torch.split(features, [len(one) for one, _ in looks.values()]), strict=True))
        logits = {name: network.head(own) for name, own in seen.items()}
        return JointOutput(
            logits["label"],
            mask,
            gate,
            seen["label"],
            kept=logits["label"],
            removed=removed,
            whole=logits.get("whole"),
            damaged=logits.get("damaged"),
            erased=erased,
        )

    @torch.no_grad()
    def _damaged(self, image: Tensor, gate: Tensor, removed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first half of the images with squares replaced beside what the gate shows, and in some of them what it
        shows erased as well; their gates; and which these are, (B // 2,).

        These are drawn at random from those where nothing is left without what the gate shows: in the others, what is
        left must not be called nothing, or masks and what is seen in them shrink together until both are gone. Nor does
        the explainer learn from them: it would, and did, learn to show nothing at all.
        """
        half = len(image) // 2
        image, gate, left = image[:half], gate[:half], task.strongest(removed[:half]) != self.absent
        margin = max(2, round(_MARGIN * min(gate.shape[2:])))
        shown = F.max_pool2d(gate, 2 * margin + 1, 1, margin)
        erased = (torch.rand(half, device=image.device) < 0.5) & ~left
        gone = squares(image, _BESIDE) * (1 - shown) + shown * erased[:, None, None, None]
        picture = torch.lerp(image, fill(image, self.gating.hidden), gone)
        learning = self.explainer.training
        self.explainer.eval()  # its batch norm must not learn the brightness of damage
        found = self._masked(picture)[1]
        self.explainer.train(learning)
        return picture, found, erased

    def _masked(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """What is shown of each pixel, and what the classifier is gated by, (B, 1, H, W) both."""
        mask = self.explainer(image - self.gating.hidden)  # so that the padding at the edges looks like what is hidden
        gate = opened(mask, self.gating.kind)
        return (mask * gate if self.gating.kind == "hard" else mask), gate  # a hard gate shows nothing that it hides

    def _without(self, image: Tensor, gate: Tensor) -> Tensor:
        """Logits of the images with everything hidden that the mask shows, by a classifier that stays as it is."""
        network = self.classifier.network
        training = network.training
        network.eval()
        weights = {name: value.detach() for name, value in network.named_parameters()}
        logits: Tensor = torch.func.functional_call(network, weights, (self.classifier.hide(image, 1 - gate),))
        network.train(training)
        return logits

    def cacheable(self, parts: tuple[str, ...]) -> bool:
        return parts == ("classifier",) and self.classifier.cacheable(parts)

    def learner(self, parts: tuple[str, ...]) -> Trainable[Any]:
        return self.classifier if parts == ("classifier",) else self

    def depth(self, name: str) -> int:
        prefix = "classifier.network.backbone.stages."
        stages = getattr(getattr(self.classifier.network, "backbone", None), "stages", ())
        return len(stages) - int(name.removeprefix(prefix).split(".")[0]) if name.startswith(prefix) else 0

    def loss_terms(self, output: JointOutput, batch: Batch) -> dict[str, Tensor]:
        """The terms of `losses`: see `joint.losses`.

        The mask's terms are those of what the classifier is gated by: of a `hard` gate pixels count, not values.
        Their gradient then is the gate plus the map before it: more than 1 where a pixel is shown, less than a half
        where not.
        """
        shown = opened(output.mask, self.gating.kind)
        through = output.kept if self._whole and output.kept is not None else output.logits
        looked = Looked(
            through, shown, output.whole, output.removed, output.damaged, output.erased, self.absent, self.budget
        )
        return {name: TERMS[name](looked, batch) for name in self.losses}

    def scores(self, output: JointOutput, batch: Batch) -> dict[str, Tensor]:
        flat = output.mask.flatten(1)
        found = {
            "accuracy": task.accuracy(self.spec.task, output.logits, batch.label),
            "mask_area": flat.mean(),
            "mask_contrast": (flat.amax(1) - flat.amin(1)).mean(),
        }
        if batch.mask is not None:
            inside = energy(output.mask, batch.mask)
            found["mask_energy"] = inside[batch.label != self.absent].mean().nan_to_num(0.0)
        return found

    def remarks(self, figures: Mapping[str, float]) -> list[str]:
        area, contrast = figures.get("mask_area"), figures.get("mask_contrast")
        if area is None or contrast is None:
            return []
        if area < _DEAD:
            return [
                f"the explainer is dead: its masks show nothing (mean {area:.2g}); give `area` less weight, or take "
                "gating.kind: sigmoid, which a gradient can open again."
            ]
        if area > _LAZY or contrast < _FLAT:
            return [
                f"the explainer is lazy: its masks show everything alike (mean {area:.3f}, contrast {contrast:.2g}); "
                "start with a lower `gating.bias`, or give `area` more weight."
            ]
        return []

    def explain(self, output: JointOutput) -> list[Explanations]:
        return [(SaliencyMask.of(mask),) for mask in output.mask[:, 0]]

    def doubts(self, output: JointOutput) -> dict[str, Tensor]:
        predicted, found = self.predicted(output), {}
        if output.kept is not None and output.removed is not None and output.whole is not None:
            found = {
                "sufficiency": masks.sufficiency(output.kept, predicted),
                "necessity": masks.necessity(output.removed, predicted, self.absent),
                "whole": masks.whole(output.whole, predicted),
            }
        return {**found, "distance": self.distance(output.features, predicted)}

    def doubt_features(self, output: JointOutput) -> dict[str, Tensor]:
        return {"distance": output.features}

    def fit_doubts(self, features: Mapping[str, Tensor], label: Tensor) -> None:
        self.distance.fit(features["distance"], label)

    def columns(self, output: JointOutput) -> dict[str, Tensor]:
        return {"mask_area": output.mask.mean((1, 2, 3))}

    def dense(self, output: JointOutput) -> tuple[Tensor, nn.Linear]:
        return output.features, self.classifier.network.head

    def shown(self, output: JointOutput) -> Tensor:
        return output.gate

    def through(self, image: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.classifier.network.head(self.classifier.features(image, mask))
        return logits

    def by_explanation(self, output: JointOutput) -> Tensor | None:
        return None if output.kept is None else output.kept.softmax(1)

    def reasons(self, output: JointOutput) -> list[Reasons]:
        if output.kept is None or output.removed is None or output.whole is None:
            return super().reasons(output)
        shares = (look.softmax(1).tolist() for look in (output.kept, output.removed, output.whole))
        rows = [
            Looks(decided, kept, removed, whole, masked=not self._whole)
            for decided, kept, removed, whole in zip(self.predicted(output).tolist(), *shares, strict=True)
        ]
        return [{row.decided: mask_reasons(self.spec, row)} for row in rows]
