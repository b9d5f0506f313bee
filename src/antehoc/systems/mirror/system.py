"""The mirror system: a classifier, and a second network that reads its activations and predicts the attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc import task
from antehoc.cards import Card
from antehoc.doubts import ClassGaussians, rules
from antehoc.doubts import likelihood as likelihoods
from antehoc.errors import RecipeError
from antehoc.explanations import PRESENT, AttributeScores, of_kind
from antehoc.nn.backbones import Backbone, build_backbone
from antehoc.systems.base import Explanations, Reasons, Reconsidered, System, Trainable
from antehoc.systems.mirror.classifier import Main, stage_shapes
from antehoc.systems.mirror.networks import FullMirror, Join, LightMirror, PaperMirror, mean
from antehoc.systems.mirror.reasons import Read, attribute_reasons
from antehoc.systems.settings import BackboneSettings, DistanceSettings
from antehoc.types import Batch, DataSpec

_CLAMP = 1e-3  # no attribute is taken for surer than this
_SURE = 8.0  # log odds: surer than this counts as this sure


class MirrorOutput(NamedTuple):
    """What one pass of the mirror system gives."""

    logits: Tensor  #: (B, K) of the classes
    attribute_logits: Tensor  #: (B, N) of the attributes
    features: Tensor  #: (B, D) what the dense layers of both networks read, for the doubt `distance`
    statistics: Tensor | None = None  #: (B, S) mean and maximum of every stage, for the doubt `stages`; None without it


@dataclass(frozen=True)
class MirrorSettings:
    """The second network.

    Args:
        kind: `paper-shapes` is the thesis's small network (only beside that backbone); `full` copies the backbone's
            stages but the first; `light` is a few small convolutions per stage, at a fraction of the cost.
        join: how the classifier's activation enters the mirror's: `add`ed, or `concat`enated on channels; a full mirror
            may also read it at the `start` alone.
        width: channels of a `light` mirror.
        warm_start: a `full` mirror starts from the classifier's own stages (as they are when training of the mirror
            starts) instead of from new weights, and learns at their rate.
        teaches: where both networks learn in one phase, whether the mirror's loss also reaches the classifier; without
            it one phase does what two steps do.
    """

    kind: Literal["paper-shapes", "full", "light"] = "light"
    join: Join = "add"
    width: int = 32
    warm_start: bool = False
    teaches: bool = True

    def __post_init__(self) -> None:
        if self.width < 1:
            raise RecipeError(f"a light mirror needs a width of 1 channel or more; got {self.width}.")
        if self.join == "start" and self.kind != "full":
            raise RecipeError(f"join: start is for a full mirror; a {self.kind!r} one reads every stage.")
        if self.warm_start and self.kind != "full":
            raise RecipeError(f"warm_start copies the classifier's stages, which a {self.kind!r} mirror does not have.")


@dataclass(frozen=True)
class MirrorDistanceSettings(DistanceSettings):
    """As for every system, and where `distance` and `rival` look.

    Args:
        of: what the dense layers of `both` networks read, or that of the `main` one alone.
    """

    of: Literal["both", "main"] = "both"


class Mirror(System[MirrorOutput]):
    """A classifier and its mirror. The mirror never sees the image, only the classifier's activations.

    Args:
        spec: the data; `attributes` and `class_attributes` are needed.
        backbone: the classifier's stages: `paper-shapes`, `small`, `tiny` or a network of timm, by name or in a group.
        mirror: the second network.
        head: `flatten` feeds the last activation to the dense layer as it is (the thesis's shapes), `pool` its mean.
        dropout: share of what the dense layers read that is left out in training.
        positive_weight: weight of present attributes in the loss; 1 is plain binary cross-entropy; `balanced`: absent
            over present classes of each attribute, as in the authors' code for birds.
        distance: of the features from the training images of each class.
        profile: add the doubt `profile`: whether the scores of all attributes together are closer to those of another
            class's training images than to the decided one's.
        watch_stages: add the doubt `stages`: how unlike the training images the mean and maximum of every stage are.
            It sees what is strange from the first stage on, such as noise; its memory grows with the square of all
            stages' channels.
        batch_norm_momentum: of both networks, in PyTorch's sense (Keras's default of 0.99 is 0.01 here).
    Raises:
        RecipeError: where the parts do not fit each other.
    Source:
        Thesis, Fig. 3.7 (`concat`) and Fig. 4.4 (`add`); slides, "Mirror CNN".
    Differs: `light`, `likelihood` and `distance` are ours.
    Example:
        >>> spec = DataSpec(("cat", "fox"), 1, 8, 8, ("red",), ((0.0,), (1.0,)))
        >>> Mirror(spec, backbone="tiny")(torch.rand(2, 1, 8, 8)).attribute_logits.shape
        torch.Size([2, 1])
    """

    weights: ClassVar = {"label": 1.0, "attributes": 1.0}
    card: ClassVar = Card(
        explanandum="the class that the classifier decides for on one image",
        process="a second network reads the classifier's hidden activations stage by stage, in the same forward pass, "
        "and gives each human-named attribute a probability",
        explanation="probabilities of human-named attributes",
        requirement="trust in a single decision: do the predicted attributes fit the attributes expected of the class?",
        may_read="which attributes can be read from the classifier's activations for this image, and whether they "
        "agree with the decided class",
        may_not_read="that these attributes caused the decision, or, where every image of a class carries the same "
        "attributes, that each was recognized by itself rather than through the class",
        explainer="the mirror network",
        explanee="the person who is accountable for the decision",
        stage="ante hoc",
        scope="local",
    )
    removed: ClassVar[Mapping[str, object]] = {"skip": False}
    earlier: ClassVar[Mapping[str, str]] = {  #: where the flat arguments of earlier versions went
        "backbone": "backbone.name",
        **{name: f"backbone.{name}" for name in ("weights", "options", "batch_norm", "frozen_stages")},
        "mirror": "mirror.kind",
        **{name: f"mirror.{name}" for name in ("join", "width", "warm_start")},
        "mirror_teaches": "mirror.teaches",
        "distance_of": "distance.of",
        **{name: f"distance.{name}" for name in ("covariance", "shrinkage")},
    }

    class_attributes: Tensor
    positive_weights: Tensor

    def __init__(
        self,
        spec: DataSpec,
        *,
        backbone: str | BackboneSettings = BackboneSettings(),
        mirror: MirrorSettings = MirrorSettings(),
        head: Literal["flatten", "pool"] = "pool",
        dropout: float = 0.0,
        positive_weight: float | Literal["balanced"] = 1.0,
        distance: MirrorDistanceSettings = MirrorDistanceSettings(),
        profile: bool = False,
        watch_stages: bool = False,
        batch_norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if not spec.attributes:
            raise RecipeError("the system mirror needs attributes, and these data have none; add attribute columns.")
        if spec.task != "single-label":
            raise RecipeError("the system mirror takes one label per image, and these data have several.")
        self.spec, self.watch_stages, self.mirror_teaches = spec, watch_stages, mirror.teaches
        settings = BackboneSettings.of(backbone)
        first = _build_backbone(settings, spec)
        self.main = Main(spec, first, head=head, frozen_stages=settings.frozen_stages, dropout=dropout)
        self.mirror = self._build_mirror(settings, first, mirror, dropout)
        self._add_doubts(distance, profile)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = batch_norm_momentum
        matrix = torch.tensor(spec.class_attributes)
        present = matrix.mean(0)
        balanced = (1 - present) / (present + 1e-5)
        positive = balanced if positive_weight == "balanced" else torch.full_like(present, float(positive_weight))
        self.register_buffer("class_attributes", matrix, persistent=False)
        self.register_buffer("positive_weights", positive, persistent=False)

    def _build_mirror(
        self, settings: BackboneSettings, first: Backbone, mirror: MirrorSettings, dropout: float
    ) -> nn.Module:
        attributes, shapes = len(self.spec.attributes), self.main.shapes
        if mirror.kind == "paper-shapes":
            return PaperMirror(self.main.backbone, shapes, attributes, join=mirror.join)
        if mirror.kind == "light":
            return LightMirror(shapes, attributes, join=mirror.join, width=mirror.width, dropout=dropout)
        if not first.plain:
            raise RecipeError(
                f"a full mirror copies convolutional stages, and {settings.name!r} has none; take a light one."
            )
        fixed = mirror.warm_start and first.fixed_statistics
        copy = _build_backbone(settings, self.spec, weights=False, batch_norm="fixed" if fixed else None)
        taken = max(settings.frozen_stages, 1)  # where the mirror begins
        return FullMirror(
            list(copy.stages)[taken:],
            stage_shapes(self.main.backbone, self.spec)[taken - 1 :],
            attributes,
            join=mirror.join,
            warm_start=mirror.warm_start,
            dropout=dropout,
        )

    def _add_doubts(self, distance: MirrorDistanceSettings, profile: bool) -> None:
        spec, own = self.spec, self.main.head.in_features  # the first so many features are the classifier's
        mirrored = self.mirror.features if distance.of == "both" else 0
        assert isinstance(mirrored, int)
        classes = len(spec.classes)
        stages = 2 * sum(shape[0] for shape in self.main.shapes)
        self.distance = distance.build(classes, own + mirrored)
        self.profile = distance.build(classes, len(spec.attributes)) if profile else None
        self.stages = distance.build(classes, stages) if self.watch_stages else None

    def forward(self, image: Tensor) -> MirrorOutput:
        return self.from_activations(self.activations(image))

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.main.frozen_stages:
            return self.main.activations(image)
        output = self.main(image)
        return (output.logits, *output.stages)

    def from_activations(self, activations: tuple[Tensor, ...]) -> MirrorOutput:
        if self.main.frozen_stages:
            first = activations if isinstance(self.mirror, FullMirror) else ()  # it begins where the frozen stages end
            activations = (main := self.main.from_activations(activations)).logits, *first, *main.stages
        logits, *stages = activations
        attribute_logits, last = self.mirror(stages if self.mirror_teaches else [stage.detach() for stage in stages])
        features = torch.cat([self.main.read(stages[-1]), mean(last)], 1)
        if not self.watch_stages:
            return MirrorOutput(logits, attribute_logits, features.detach())
        statistics = torch.cat([pool(stage) for stage in stages for pool in (mean, _maximum)], 1)
        return MirrorOutput(logits, attribute_logits, features.detach(), statistics.detach())

    def decision(self, image: Tensor) -> Tensor:
        """(B, K) logits of the main classifier, without its mirror."""
        logits: Tensor = self.main(image).logits
        return logits

    def frozen_part(self) -> nn.Module:
        return self.main.frozen_part() if self.main.frozen_stages else self.main

    def cacheable(self, parts: tuple[str, ...]) -> bool:
        return bool(self.main.frozen_stages) or "main" not in parts

    def depth(self, name: str) -> int:
        rows = {"main.backbone.stages.": self.main.backbone.stages}
        if isinstance(self.mirror, FullMirror) and self.mirror.warm_start:
            rows["mirror.stages."] = self.mirror.stages
        for prefix, stages in rows.items():
            if name.startswith(prefix):
                return len(stages) - int(name.removeprefix(prefix).split(".")[0])
        return 0

    def learner(self, parts: tuple[str, ...]) -> Trainable[Any]:
        return self.main if parts == ("main",) else self

    def begin_phase(self, parts: tuple[str, ...]) -> None:
        if isinstance(self.mirror, FullMirror) and self.mirror.warm_start and "mirror" in parts:
            own = list(self.main.backbone.stages)[-len(self.mirror.stages) :]
            self.mirror.stages.load_state_dict(nn.ModuleList(own).state_dict())

    def loss_terms(self, output: MirrorOutput, batch: Batch) -> dict[str, Tensor]:
        return {
            "label": task.loss(self.spec.task, output.logits, batch.label),
            "attributes": F.binary_cross_entropy_with_logits(
                output.attribute_logits, batch.attributes, pos_weight=self.positive_weights
            ),
        }

    def scores(self, output: MirrorOutput, batch: Batch) -> dict[str, Tensor]:
        correct = (output.attribute_logits >= 0) == (batch.attributes > 0.5)
        same = task.strongest(output.attribute_logits) == batch.attributes.argmax(1)
        return {
            "accuracy": task.accuracy(self.spec.task, output.logits, batch.label),
            "attribute_accuracy": _share(correct),
            "attribute_exact": _share(correct.all(1)),
            "argmax_agreement": _share(same),  # what the authors' code called accuracy
        }

    def attribute_probabilities(self, output: MirrorOutput) -> Tensor:
        """(B, N) in 0..1, groups as softmaxes: what the explanation, the reasons and the likelihood use."""
        return likelihoods.attribute_probabilities(output.attribute_logits, self.spec.exclusive, self.spec.at_most_one)

    def explain(self, output: MirrorOutput) -> list[Explanations]:
        rows = self.attribute_probabilities(output).tolist()
        return [(AttributeScores(self.spec.attributes, tuple(row)),) for row in rows]

    def doubts(self, output: MirrorOutput) -> dict[str, Tensor]:
        predicted, single = self.predicted(output), output.attribute_logits.sigmoid()
        probabilities, classes = self.attribute_probabilities(output), self.class_attributes
        coded = rules.top_n_class_scores(
            single, classes, groups=self.spec.groups, positive_weight=self.positive_weights
        )
        found = {
            "support": rules.support(single, predicted, classes),
            "top-n": rules.top_n(coded, predicted),
            "top-n-centred": rules.top_n(rules.centred_class_scores(probabilities, classes), predicted),
            "likelihood": likelihoods.likelihood(self._log_likelihood(probabilities), predicted),
        }
        if self.profile:
            found["profile"] = self.profile.rival(self._log_odds(probabilities), predicted)
        found["distance"] = self.distance(self._placed(output), predicted)
        found["rival"] = self.distance.rival(self._placed(output), predicted)
        if self.stages and output.statistics is not None:
            found["stages"] = self.stages(output.statistics, predicted)
        return found

    def doubt_features(self, output: MirrorOutput) -> dict[str, Tensor]:
        found = {"distance": self._placed(output)}
        if self.profile:
            found["profile"] = self._log_odds(self.attribute_probabilities(output))
        if output.statistics is not None:
            found["stages"] = output.statistics
        return found

    def fit_doubts(self, features: Mapping[str, Tensor], label: Tensor) -> None:
        models: dict[str, ClassGaussians | None] = {
            "distance": self.distance, "profile": self.profile, "stages": self.stages,
        }  # fmt: skip
        for name, model in models.items():
            if model is not None:
                model.fit(features[name], label)

    def columns(self, output: MirrorOutput) -> dict[str, Tensor]:
        return {"attributes": self.attribute_probabilities(output)}

    def dense(self, output: MirrorOutput) -> tuple[Tensor, nn.Linear]:
        return output.features[:, : self.main.head.in_features], self.main.head

    def by_explanation(self, output: MirrorOutput) -> Tensor:
        return self._log_likelihood(self.attribute_probabilities(output)).softmax(1)

    def reasons(self, output: MirrorOutput) -> list[Reasons]:
        return self._reconsidered(self.attribute_probabilities(output), self.predicted(output)).reasons

    def reconsider(self, explanations: Sequence[Explanations], predicted: Tensor) -> Reconsidered:
        rows = [one.probabilities for own in explanations if (one := of_kind(own, AttributeScores))]
        probabilities = self.class_attributes.new_tensor(rows).view(-1, len(self.spec.attributes))  # also for no images
        return self._reconsidered(probabilities, predicted)

    def _reconsidered(self, probabilities: Tensor, predicted: Tensor) -> Reconsidered:
        fit, groups = self._log_likelihood(probabilities), (self.spec.exclusive, _CLAMP, self.spec.at_most_one)
        rival = task.strongest(fit.scatter(1, predicted[:, None], -torch.inf))
        adds = likelihoods.contributions(probabilities, self.class_attributes, predicted, rival, *groups)
        said = likelihoods.evidence(probabilities, *groups) > 0
        clear = said == (probabilities >= PRESENT)  # else an attribute with .4 may lead its group
        shares = fit.softmax(1)
        rows = zip(*(part.tolist() for part in (probabilities, adds * clear, predicted, shares)), strict=True)
        doubts = {"likelihood": likelihoods.likelihood(fit, predicted)}
        if self.profile:
            doubts["profile"] = self.profile.rival(self._log_odds(probabilities), predicted)
        reads = [Read(*row) for row in rows]
        return Reconsidered(doubts, shares, [{read.decided: attribute_reasons(self.spec, read)} for read in reads])

    def _placed(self, output: MirrorOutput) -> Tensor:
        """The features that the feature distance reads."""
        return output.features[:, : self.distance.mean.shape[1]]

    def _log_odds(self, probabilities: Tensor) -> Tensor:
        """(B, N) log odds of each attribute against none of its group, within what single precision can tell."""
        against = 1 - probabilities
        for group in self.spec.at_most_one:
            members = list(group)
            against[:, members] = (1 - probabilities[:, members].sum(1, keepdim=True)).expand(-1, len(members))
        return (probabilities.clamp(min=1e-6).log() - against.clamp(min=1e-6).log()).clamp(-_SURE, _SURE)

    def _log_likelihood(self, probabilities: Tensor) -> Tensor:
        return likelihoods.log_likelihood(
            probabilities, self.class_attributes, self.spec.exclusive, _CLAMP, self.spec.at_most_one
        )


def _build_backbone(
    settings: BackboneSettings,
    spec: DataSpec,
    *,
    weights: bool | None = None,
    batch_norm: Literal["fixed"] | None = None,
) -> Backbone:
    return build_backbone(
        settings.name,
        spec.channels,
        weights=settings.weights if weights is None else weights,
        options=settings.options,
        batch_norm=batch_norm or settings.batch_norm,
    )


def _share(flags: Tensor) -> Tensor:
    return flags.float().mean()


def _maximum(activation: Tensor) -> Tensor:
    return activation.amax((2, 3))
