"""`mirror`: a second network reads the classifier's hidden activations stage by stage and names the attributes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc import questions
from antehoc.cards import Card
from antehoc.errors import RecipeError
from antehoc.nn.backbones import Backbone, PaperShapes, build_backbone, convolution, glorot_, paper_block
from antehoc.systems.base import Reconsidered, System, Trainable
from antehoc.types import AttributeScores, Batch, DataSpec, Explanans, Reason, ReasonCode

Join = Literal["add", "concat", "start"]
_SEEN = 0.5  # from this probability on an attribute is said to be present
_NOTABLE = 0.1  # nats: what an attribute adds to a likelihood ratio is said from here on
_CLAMP = 1e-3  # no attribute is taken for surer than this
_SURE = 8.0  # log odds: surer than this counts as this sure
_MOST = 8  # reasons of attributes, each way


class MirrorOutput(NamedTuple):
    """What one pass of the mirror system gives."""

    logits: Tensor  #: (B, K) of the classes
    attribute_logits: Tensor  #: (B, N) of the attributes
    features: Tensor  #: (B, D) what the dense layers of both networks read, for the doubt `distance`
    statistics: Tensor  #: (B, S) mean and maximum of every stage, for the doubt `stages`; S is 0 without it


class Mirror(System[MirrorOutput]):
    """A classifier and its mirror. The mirror never sees the image, only what the classifier made of it.

    Args:
        spec: the data; `attributes` and `class_attributes` are needed.
        backbone: the classifier's stages: `paper-shapes`, `small`, `tiny` or a network of timm.
        mirror: `paper-shapes` is the thesis's small network (only beside that backbone); `full` copies the
            backbone's stages but the first; `light` is a few small convolutions a stage, at a fraction of the cost.
        join: how the classifier's activation enters the mirror's: `add`ed, or `concat`enated on channels; a full mirror
            may also read it at the `start` alone.
        width: channels of a `light` mirror.
        head: `flatten` feeds the last activation to the dense layer as it is (the thesis's shapes), `pool` its mean.
        warm_start: a `full` mirror starts from the classifier's own stages (as they are when training of the mirror
            starts) instead of from new weights, and learns at their rate.
        weights: start the backbone from a file of weights (`.safetensors`), a name on the hub, or timm's own (`true`).
        options: of the backbone's constructor in timm, such as `{pad_type: same}`.
        batch_norm: of the backbone: `update`, `fixed` on its running statistics, or `auto`: fixed where the weights
            have none of their own (folded batch norm).
        frozen_stages: so many first stages of the backbone never learn; what comes out of them can be cached for every
            phase. The mirror reads the stages after them.
        mirror_teaches: where both networks learn in one phase, whether the mirror's loss reaches the classifier, too;
            without it one phase does what two steps do.
        positive_weight: weight of present attributes in the loss; 1 is plain binary cross-entropy; `balanced`: absent
            over present classes of each attribute, as in the authors' code for birds.
        dropout: share of what the dense layers read that is left out in training.
        covariance: `class` or `shared`, of the feature distance (`questions.ClassGaussians`).
        distance_of: where the feature distance and the doubt `rival` look: at what the dense layers of `both` networks
            read, or that of the `main` one alone.
        profile: add the doubt `profile`: whether the scores of all attributes together lie nearer to those of another
            class's training images than of the decided one's.
        skip: what the classifier's dense layer reads goes to the dense layer of a light mirror, too.
        shrinkage: of that covariance: a number, or `ledoit-wolf` where features outnumber training images.
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
        explanans="probabilities of human-named attributes",
        requirement="trust in a single decision: does what the network has seen fit what the class asks for?",
        may_read="which attributes can be read out of the classifier's activations for this image, and whether they "
        "agree with the decided class",
        may_not_read="that these attributes caused the decision, or, where every image of a class carries the same "
        "attributes, that each was recognised by itself rather than through the class",
        explainer="the mirror network",
        explanee="the person who answers for the decision",
        stage="ante hoc",
        scope="local",
    )

    def __init__(
        self,
        spec: DataSpec,
        *,
        backbone: str = "small",
        mirror: Literal["paper-shapes", "full", "light"] = "light",
        join: Join = "add",
        width: int = 32,
        head: Literal["flatten", "pool"] = "pool",
        warm_start: bool = False,
        weights: bool | str = False,
        options: Mapping[str, Any] | None = None,
        batch_norm: Literal["auto", "update", "fixed"] = "auto",
        frozen_stages: int = 0,
        mirror_teaches: bool = True,
        positive_weight: float | Literal["balanced"] = 1.0,
        dropout: float = 0.0,
        skip: bool = False,
        profile: bool = False,
        distance_of: Literal["both", "main"] = "both",
        covariance: Literal["class", "shared"] = "shared",
        shrinkage: float | Literal["ledoit-wolf"] = 0.001,
        watch_stages: bool = False,
        batch_norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if width < 1:
            raise RecipeError(f"a light mirror needs a width of 1 channel or more; got {width}.")
        if not spec.attributes:
            raise RecipeError("the mirror system needs attributes, and these data have none; add attribute columns.")
        self.spec, self.watch_stages, self.mirror_teaches = spec, watch_stages, mirror_teaches
        given: dict[str, Any] = {"options": options or {}, "batch_norm": batch_norm}
        first = build_backbone(backbone, spec.channels, weights=weights, **given)
        self.main = Main(spec, first, head=head, frozen_stages=frozen_stages, dropout=dropout)
        shapes = self.main.shapes
        if mirror == "paper-shapes":
            self.mirror: nn.Module = PaperMirror(self.main.backbone, shapes, len(spec.attributes), join=join)
        elif mirror == "full":
            if not first.plain:
                raise RecipeError(
                    f"a full mirror copies convolutional stages, and {backbone!r} has none; take a light one."
                )
            fixed = {"batch_norm": "fixed"} if warm_start and first.fixed_statistics else {}
            copy = build_backbone(backbone, spec.channels, **given | fixed)
            taken = max(frozen_stages, 1)  # where the mirror begins
            begun = stage_shapes(self.main.backbone, spec)[taken - 1 :]
            self.mirror = FullMirror(
                list(copy.stages)[taken:],
                begun,
                len(spec.attributes),
                join=join,
                warm_start=warm_start,
                dropout=dropout,
            )
        else:
            self.mirror = LightMirror(shapes, len(spec.attributes), join=join, width=width, dropout=dropout, skip=skip)
        if join == "start" and mirror != "full":
            raise RecipeError(f"join: start is for a full mirror; a {mirror!r} one reads every stage.")
        if warm_start and mirror != "full":
            raise RecipeError(f"warm_start copies the classifier's stages, which a {mirror!r} mirror does not have.")
        own = self.main.head.in_features  # the first so many features are the classifier's
        sizes = {"distance": own + (self.mirror.features if distance_of == "both" else 0)}
        sizes |= {"profile": len(spec.attributes)} if profile else {}
        sizes |= {"stages": 2 * sum(shape[0] for shape in shapes)} if watch_stages else {}
        known = {
            name: questions.ClassGaussians(len(spec.classes), size, covariance=covariance, shrinkage=shrinkage)
            for name, size in sizes.items()
        }
        self.distance, self.profile, self.stages = known["distance"], known.get("profile"), known.get("stages")
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = batch_norm_momentum
        matrix = torch.tensor(spec.class_attributes)
        present = matrix.mean(0)
        balanced = (1 - present) / (present + 1e-5)
        positive = balanced if positive_weight == "balanced" else torch.full_like(present, float(positive_weight))
        self.register_buffer("class_attributes", matrix, persistent=False)
        self.register_buffer("positive_weights", positive, persistent=False)

    class_attributes: Tensor
    positive_weights: Tensor

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.main.frozen_stages:
            return self.main.activations(image)
        output = self.main(image)
        return (output.logits, *output.stages)

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

    def from_activations(self, activations: tuple[Tensor, ...]) -> MirrorOutput:
        if self.main.frozen_stages:
            first = activations if isinstance(self.mirror, FullMirror) else ()  # it begins where the frozen stages end
            activations = (main := self.main.from_activations(activations)).logits, *first, *main.stages
        logits, *stages = activations
        attribute_logits, last = self.mirror(stages if self.mirror_teaches else [stage.detach() for stage in stages])
        features = torch.cat([self.main.read(stages[-1]), _mean(last)], 1)
        watched = stages if self.watch_stages else []
        statistics = [logits[:, :0], *(pool(stage) for stage in watched for pool in (_mean, _maximum))]
        return MirrorOutput(logits, attribute_logits, features.detach(), torch.cat(statistics, 1).detach())

    def loss_terms(self, output: MirrorOutput, batch: Batch) -> dict[str, Tensor]:
        return {
            "label": F.cross_entropy(output.logits, batch.label),
            "attributes": F.binary_cross_entropy_with_logits(
                output.attribute_logits, batch.attributes, pos_weight=self.positive_weights
            ),
        }

    def scores(self, output: MirrorOutput, batch: Batch) -> dict[str, Tensor]:
        right = (output.attribute_logits >= 0) == (batch.attributes > 0.5)
        same = output.attribute_logits.argmax(1) == batch.attributes.argmax(1)
        return {
            "accuracy": _share(output.logits.argmax(1) == batch.label),
            "attribute_accuracy": _share(right),
            "attribute_exact": _share(right.all(1)),
            "argmax_agreement": _share(same),  # what the authors' code called accuracy
        }

    def learner(self, parts: tuple[str, ...]) -> Trainable[Any]:
        return self.main if parts == ("main",) else self

    def begin_phase(self, parts: tuple[str, ...]) -> None:
        if isinstance(self.mirror, FullMirror) and self.mirror.warm_start and "mirror" in parts:
            own = list(self.main.backbone.stages)[-len(self.mirror.stages) :]
            self.mirror.stages.load_state_dict(nn.ModuleList(own).state_dict())

    def attribute_probabilities(self, output: MirrorOutput) -> Tensor:
        """(B, N) in 0..1, groups as softmaxes: what the explanans, the reasons and the likelihood use."""
        return questions.attribute_probabilities(output.attribute_logits, self.spec.exclusive, self.spec.at_most_one)

    def explain(self, output: MirrorOutput) -> list[Explanans]:
        rows = self.attribute_probabilities(output).tolist()
        return [AttributeScores(self.spec.attributes, tuple(row)) for row in rows]

    def doubts(self, output: MirrorOutput) -> dict[str, Tensor]:
        predicted, single = output.logits.argmax(1), output.attribute_logits.sigmoid()
        probabilities, classes = self.attribute_probabilities(output), self.class_attributes
        coded = questions.top_n_class_scores(
            single, classes, groups=self.spec.groups, positive_weight=self.positive_weights
        )
        return {
            "support": questions.support(single, predicted, classes),
            "top-n": questions.top_n(coded, predicted),
            "top-n-centred": questions.top_n(questions.centred_class_scores(probabilities, classes), predicted),
            "likelihood": questions.likelihood(self._log_likelihood(probabilities), predicted),
            **({"profile": self.profile.rival(self._log_odds(probabilities), predicted)} if self.profile else {}),
            "distance": self.distance(self._placed(output), predicted),
            "rival": self.distance.rival(self._placed(output), predicted),
            **({"stages": self.stages(output.statistics, predicted)} if self.stages else {}),
            "margin": questions.margin(output.logits),
            "entropy": questions.entropy(output.logits),
            "softmax": questions.maximum_softmax(output.logits),
        }

    def table(self, output: MirrorOutput) -> dict[str, Tensor]:
        return {"attributes": self.attribute_probabilities(output)}

    def dense(self, output: MirrorOutput) -> tuple[Tensor, nn.Linear]:
        return output.features[:, : self.main.head.in_features], self.main.head

    def fit_doubts(self, output: MirrorOutput, label: Tensor) -> None:
        self.distance.fit(self._placed(output), label)
        if self.profile:
            self.profile.fit(self._log_odds(self.attribute_probabilities(output)), label)
        if self.stages:
            self.stages.fit(output.statistics, label)

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
        return questions.log_likelihood(
            probabilities, self.class_attributes, self.spec.exclusive, _CLAMP, self.spec.at_most_one
        )

    def reconsider(self, explanans: Sequence[Explanans], predicted: Tensor) -> Reconsidered:
        probabilities = self.class_attributes.new_tensor(
            [one.probabilities for one in explanans if isinstance(one, AttributeScores)]
        )
        probabilities = probabilities.view(-1, len(self.spec.attributes))  # of no images, too
        fit, groups = self._log_likelihood(probabilities), (self.spec.exclusive, _CLAMP, self.spec.at_most_one)
        rival = fit.scatter(1, predicted[:, None], -torch.inf).argmax(1)
        adds = questions.contributions(probabilities, self.class_attributes, predicted, rival, *groups)
        clear = (questions.evidence(probabilities, *groups) > 0) == (probabilities >= _SEEN)  # else .4 may lead a group
        shares = fit.softmax(1)
        rows = zip(*(part.tolist() for part in (probabilities, adds * clear, predicted, shares)), strict=True)
        doubts = {"likelihood": questions.likelihood(fit, predicted)}
        if self.profile:
            doubts["profile"] = self.profile.rival(self._log_odds(probabilities), predicted)
        return Reconsidered(doubts, shares, [self._reasons(*row) for row in rows])

    def _reasons(
        self, row: list[float], adds: list[float], predicted: int, shares: list[float]
    ) -> tuple[list[Reason], list[Reason]]:
        """Reasons for and against a decision: what decides between its class and the best other by the attributes.

        Named are attributes that add to the likelihood ratio of the two classes, the more the earlier; after them those
        that the two share: present as asked, or seen quite otherwise than asked.
        """
        name = self.spec.classes[predicted]
        parts: tuple[list[tuple[float, float, Reason]], ...] = ([], [])
        for attribute, p, expected, add in zip(
            self.spec.attributes, row, self.spec.class_attributes[predicted], adds, strict=True
        ):
            seen, wanted, clash = p >= _SEEN, expected > 0.5, abs(p - expected) >= 0.5
            if abs(add) >= _NOTABLE:
                against = add < 0
            elif clash or (seen and wanted):
                against, add = clash, 0.0
            else:
                continue
            reason = _reason(attribute, p, expected, name, against=against)
            parts[against].append((abs(add), abs(p - expected) if against else p, reason))
        agree, disagree = ([r for *_, r in sorted(part, key=lambda s: (-s[0], -s[1]))[:_MOST]] for part in parts)
        best = max(range(len(shares)), key=shares.__getitem__)
        if best != predicted:
            other = self.spec.classes[best]
            text = f"the attributes fit the class {other!r} ({shares[best]:.2f}) better than {name!r}"
            disagree.insert(0, Reason("fits-another-class", f"{text} ({shares[predicted]:.2f})"))
        return agree, disagree


def _reason(attribute: str, p: float, expected: float, name: str, *, against: bool) -> Reason:
    """An attribute for or against a class of which the share `expected` has it."""
    seen = p >= _SEEN
    code: ReasonCode = "attribute-agrees" if not against else "attribute-unexpected" if seen else "attribute-missing"
    if 0.005 < expected < 0.995:
        only = "only " if seen == against else ""
        asks = f"{only}{100 * expected:.0f} % of the class {name!r} have it"
    else:
        asks = f"the class {name!r} {'has it' if expected > 0.5 else 'does not have it'}"
    text = f"'{attribute}' is {'present' if seen else 'absent'} ({p:.2f}), {'but' if against else 'and'} {asks}"
    return Reason(code, text, attribute, p, expected)


class MainOutput(NamedTuple):
    """What one pass of the classifier gives."""

    logits: Tensor  #: (B, K)
    stages: tuple[Tensor, ...]  #: every stage's activation


class Main(Trainable[MainOutput]):
    """The classifier: a backbone and a dense layer."""

    weights: ClassVar = {"label": 1.0}

    def __init__(
        self,
        spec: DataSpec,
        backbone: Backbone,
        *,
        head: Literal["flatten", "pool"] = "pool",
        frozen_stages: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= frozen_stages < len(backbone.stages):
            raise RecipeError(f"frozen_stages: 0 to {len(backbone.stages) - 1} of this backbone; got {frozen_stages}.")
        self.backbone, self.frozen_stages = backbone, frozen_stages
        self.shapes = stage_shapes(backbone, spec)[frozen_stages:]
        channels, height, width = self.shapes[-1]
        flat = channels * height * width if head == "flatten" else channels
        self.pool: nn.Module = nn.Identity() if head == "flatten" else nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(flat, len(spec.classes))
        if isinstance(backbone, PaperShapes):
            glorot_(self.head)
        self.frozen_part().eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Main":
        super().train(mode)
        self.frozen_part().eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Main":
        super().requires_grad_(requires_grad)
        if self.frozen_stages:
            self.frozen_part().requires_grad_(False)
        return self

    def frozen_part(self) -> nn.Module:
        part = nn.Module()
        part.stages = self.backbone.stages[: self.frozen_stages]
        for name, value in self.backbone.named_buffers(recurse=False):  # of its normalisation
            part.register_buffer(name, value)
        return part

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.backbone.begin(image, self.frozen_stages),)

    def from_activations(self, activations: tuple[Tensor, ...]) -> MainOutput:
        stages = self.backbone.finish(activations[0], self.frozen_stages)
        return MainOutput(self.head(self.dropout(self.read(stages[-1]))), stages)

    def read(self, activation: Tensor) -> Tensor:
        """What the dense layer reads of the last activation: (B, features)."""
        features: Tensor = self.pool(activation).flatten(1)
        return features

    def loss_terms(self, output: MainOutput, batch: Batch) -> dict[str, Tensor]:
        return {"label": F.cross_entropy(output.logits, batch.label)}

    def scores(self, output: MainOutput, batch: Batch) -> dict[str, Tensor]:
        return {"accuracy": _share(output.logits.argmax(1) == batch.label)}


def _share(flags: Tensor) -> Tensor:
    return flags.float().mean()


@torch.no_grad()
def stage_shapes(backbone: Backbone, spec: DataSpec) -> list[tuple[int, int, int]]:
    """Channels, height and width of each stage's activation, found by one pass on an empty image."""
    training = backbone.training
    backbone.eval()
    try:
        stages = backbone(torch.zeros(1, spec.channels, spec.height, spec.width))
    except (RuntimeError, AssertionError, AttributeError) as error:  # whatever its convolutions say of the size
        raise RecipeError(
            f"images of {spec.height}x{spec.width} pixels do not pass through this backbone, most likely because they "
            "are too small; take larger ones or another backbone."
        ) from error
    finally:
        backbone.train(training)
    return [tuple(stage.shape[1:]) for stage in stages]


class PaperMirror(nn.Module):
    """The thesis's mirror for shapes: the same plan as the classifier with 3 filters, one scale on; 1,073 parameters.

    Source:
        Thesis, Fig. 3.7.
    """

    def __init__(
        self, backbone: Backbone, shapes: list[tuple[int, int, int]], attributes: int, *, join: Join, filters: int = 3
    ) -> None:
        super().__init__()
        if not isinstance(backbone, PaperShapes) or join != "concat":
            raise RecipeError("the 'paper-shapes' mirror stands beside the 'paper-shapes' backbone, with join: concat.")
        inputs = [shapes[0][0], *(filters + shape[0] for shape in shapes[1:])]
        self.blocks = nn.ModuleList(paper_block(i, filters) for i in inputs)
        height, width = ((side - 3) // 2 for side in shapes[-1][1:])
        if min(height, width) < 1:
            raise RecipeError("the images are too small for the 'paper-shapes' mirror; take larger ones, of 64x64.")
        self.head = nn.Linear(filters * height * width, attributes)
        glorot_(self.head)
        self.features = filters

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = self.blocks[0](stages[0])
        for block, stage in zip(self.blocks[1:], stages[1:], strict=True):
            hidden = block(torch.cat([hidden, stage], 1))
        return self.head(hidden.flatten(1)), hidden


class FullMirror(nn.Module):
    """A copy of the backbone's later stages: stage i reads its own last result joined with the main's.

    It begins at the first activation that it gets: of the first stage, or of the last one that is frozen.

    Source:
        Thesis, Fig. 4.4: y_1 = stage_1(x_0) + x_1, y_i = stage_i(y_{i-1}) + x_i.
    Differs: with `concat`, a 1x1 convolution brings the joined channels back to the stage's own number; with `start`
        nothing is joined after the beginning, so that the mirror is a second opinion rather than an echo.
    """

    def __init__(
        self,
        stages: list[nn.Module],
        shapes: list[tuple[int, int, int]],
        attributes: int,
        *,
        join: Join,
        warm_start: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not stages:
            raise RecipeError("a full mirror copies all stages but the first, and this backbone has only one.")
        self.stages = nn.ModuleList(stages)
        self.mixes = nn.ModuleList(
            nn.Conv2d(2 * shape[0], shape[0], 1) if join == "concat" else nn.Identity() for shape in shapes[1:]
        )
        self.join, self.warm_start, self.dropout = join, warm_start, nn.Dropout(dropout)
        self.head = nn.Linear(shapes[-1][0], attributes)
        self.features = shapes[-1][0]

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = stages[0]
        for stage, mix, activation in zip(self.stages, self.mixes, stages[1:], strict=True):
            own = stage(hidden)
            if self.join == "start":
                hidden = own
            else:
                hidden = own + activation if self.join == "add" else mix(torch.cat([own, activation], 1))
        return self.head(self.dropout(_mean(hidden))), hidden


class LightMirror(nn.Module):
    """A few small convolutions a stage: each activation is brought to `width` channels and joined on the way down."""

    def __init__(
        self,
        shapes: list[tuple[int, int, int]],
        attributes: int,
        *,
        join: Join,
        width: int = 32,
        dropout: float = 0.0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.join, self.dropout = join, nn.Dropout(dropout)
        self.inputs = nn.ModuleList(convolution(shape[0], width, kernel=1) for shape in shapes)
        steps = [max(1, round(above[1] / below[1])) for above, below in pairwise(shapes)]
        joined = width if join == "add" else 2 * width
        self.steps = nn.ModuleList(
            [_step(width if index == 0 else joined, width, stride) for index, stride in enumerate(steps)]
        )
        self.last = _step(joined if steps else width, 2 * width, 1)
        self.skip, self.features = skip, 2 * width
        self.head = nn.Linear(self.features + (shapes[-1][0] if skip else 0), attributes)

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = self.inputs[0](stages[0])
        for step, read, activation in zip(self.steps, self.inputs[1:], stages[1:], strict=True):
            own, seen = step(hidden), read(activation)
            if own.shape != seen.shape:  # an odd size halves to one side or the other
                own = F.adaptive_avg_pool2d(own, seen.shape[-2:])
            hidden = own + seen if self.join == "add" else torch.cat([own, seen], 1)
        hidden = self.last(hidden)
        pooled = torch.cat([_mean(hidden), _mean(stages[-1])], 1) if self.skip else _mean(hidden)
        return self.head(self.dropout(pooled)), hidden


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution: the cheap way to look at a neighbourhood."""
    return nn.Sequential(
        convolution(inputs, inputs, stride=stride, groups=inputs), convolution(inputs, outputs, kernel=1)
    )


def _mean(activation: Tensor) -> Tensor:
    return activation.mean((2, 3))


def _maximum(activation: Tensor) -> Tensor:
    return activation.amax((2, 3))
