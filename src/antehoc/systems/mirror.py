"""`mirror`: a second network reads the classifier's hidden activations stage by stage and names the attributes."""

from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc import questions
from antehoc.cards import Card
from antehoc.errors import RecipeError
from antehoc.nn.backbones import Backbone, PaperShapes, build_backbone, convolution, glorot_, paper_block
from antehoc.systems.base import System, Trainable
from antehoc.types import AttributeScores, Batch, DataSpec, Explanans, Reason

Join = Literal["add", "concat"]
_SEEN = 0.5  # from this probability on an attribute is said to be present


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
        join: how the classifier's activation enters the mirror's: `add`ed, or `concat`enated on channels.
        width: channels of a `light` mirror.
        head: `flatten` feeds the last activation to the dense layer as it is (the thesis's shapes), `pool` its mean.
        warm_start: a `full` mirror starts from the classifier's own stages (as they are when training of the mirror
            starts) instead of from new weights.
        pretrained: start the backbone from timm's published weights.
        positive_weight: weight of present attributes in the loss; 1 is plain binary cross-entropy.
        covariance: `class` or `shared`, of the feature distance (`questions.ClassGaussians`).
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
    cacheable: ClassVar = frozenset({"main"})
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
        pretrained: bool = False,
        positive_weight: float = 1.0,
        covariance: Literal["class", "shared"] = "shared",
        watch_stages: bool = False,
        batch_norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if width < 1:
            raise RecipeError(f"a light mirror needs a width of 1 channel or more; got {width}.")
        if not spec.attributes:
            raise RecipeError("the mirror system needs attributes, and these data have none; add attribute columns.")
        self.spec, self.positive_weight, self.watch_stages = spec, positive_weight, watch_stages
        self.main = Main(spec, build_backbone(backbone, spec.channels, pretrained=pretrained), head=head)
        shapes = self.main.shapes
        if mirror == "paper-shapes":
            self.mirror: nn.Module = PaperMirror(self.main.backbone, shapes, len(spec.attributes), join=join)
        elif mirror == "full":
            self.mirror = FullMirror(
                build_backbone(backbone, spec.channels), shapes, len(spec.attributes), join=join, warm_start=warm_start
            )
        else:
            self.mirror = LightMirror(shapes, len(spec.attributes), join=join, width=width)
        if warm_start and mirror != "full":
            raise RecipeError(f"warm_start copies the classifier's stages, which a {mirror!r} mirror does not have.")
        features, statistics = self.main.head.in_features + self.mirror.features, 2 * sum(shape[0] for shape in shapes)
        self.distance = questions.ClassGaussians(len(spec.classes), features, covariance=covariance)
        if watch_stages:
            self.stages = questions.ClassGaussians(len(spec.classes), statistics, covariance=covariance)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = batch_norm_momentum
        self.register_buffer("class_attributes", torch.tensor(spec.class_attributes), persistent=False)

    class_attributes: Tensor

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        output = self.main(image)
        return (output.logits, *output.stages)

    def from_activations(self, activations: tuple[Tensor, ...]) -> MirrorOutput:
        logits, *stages = activations
        attribute_logits, last = self.mirror(stages)
        features = torch.cat([self.main.read(stages[-1]), _mean(last)], 1)
        watched = stages if self.watch_stages else []
        statistics = [logits[:, :0], *(pool(stage) for stage in watched for pool in (_mean, _maximum))]
        return MirrorOutput(logits, attribute_logits, features.detach(), torch.cat(statistics, 1).detach())

    def loss_terms(self, output: MirrorOutput, batch: Batch) -> dict[str, Tensor]:
        weight = torch.full_like(output.attribute_logits[0], self.positive_weight)
        return {
            "label": F.cross_entropy(output.logits, batch.label),
            "attributes": F.binary_cross_entropy_with_logits(
                output.attribute_logits, batch.attributes, pos_weight=weight
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
        if isinstance(self.mirror, FullMirror) and self.mirror.warm_start and parts == ("mirror",):
            self.mirror.stages.load_state_dict(nn.ModuleList(list(self.main.backbone.stages)[1:]).state_dict())

    def attribute_probabilities(self, output: MirrorOutput) -> Tensor:
        """(B, N) in 0..1, exclusive groups as softmaxes: what the explanans, the reasons and the likelihood use."""
        return questions.attribute_probabilities(output.attribute_logits, self.spec.exclusive)

    def explain(self, output: MirrorOutput) -> list[Explanans]:
        rows = self.attribute_probabilities(output).tolist()
        return [AttributeScores(self.spec.attributes, tuple(row)) for row in rows]

    def doubts(self, output: MirrorOutput) -> dict[str, Tensor]:
        predicted = output.logits.argmax(1)
        return {
            "support": questions.support(output.attribute_logits.sigmoid(), predicted, self.class_attributes),
            "likelihood": questions.likelihood(self._log_likelihood(output), predicted),
            "distance": self.distance(output.features, predicted),
            **({"stages": self.stages(output.statistics, predicted)} if self.watch_stages else {}),
            "margin": questions.margin(output.logits),
            "softmax": questions.maximum_softmax(output.logits),
        }

    def table(self, output: MirrorOutput) -> dict[str, Tensor]:
        return {"attributes": self.attribute_probabilities(output)}

    def _log_likelihood(self, output: MirrorOutput) -> Tensor:
        probabilities = self.attribute_probabilities(output)
        return questions.log_likelihood(probabilities, self.class_attributes, self.spec.exclusive)

    def fit_doubts(self, output: MirrorOutput, label: Tensor) -> None:
        self.distance.fit(output.features, label)
        if self.watch_stages:
            self.stages.fit(output.statistics, label)

    def reasons(self, output: MirrorOutput) -> list[tuple[list[Reason], list[Reason]]]:
        predicted = output.logits.argmax(1).tolist()
        likelihoods = self._log_likelihood(output).tolist()
        rows = self.attribute_probabilities(output).tolist()
        return [self._reasons(*row) for row in zip(rows, predicted, likelihoods, strict=True)]

    def _reasons(self, row: list[float], predicted: int, fit: list[float]) -> tuple[list[Reason], list[Reason]]:
        name, asked = self.spec.classes[predicted], self.spec.class_attributes[predicted]
        agree: list[tuple[float, Reason]] = []
        disagree: list[tuple[float, Reason]] = []
        for attribute, p, expected in zip(self.spec.attributes, row, asked, strict=True):
            seen, wanted = p >= _SEEN, expected > 0.5
            is_, asks = ("is present" if seen else "is absent"), ("has it" if wanted else "does not have it")
            but = "and" if seen == wanted else "but"
            text = f"'{attribute}' {is_} ({p:.2f}), {but} the class {name!r} {asks}"
            code = "attribute-agrees" if seen == wanted else "attribute-unexpected" if seen else "attribute-missing"
            strength = abs(p - expected)
            reason = Reason(code, text, attribute, p, expected)  # type: ignore[arg-type]
            if seen != wanted:
                disagree.append((strength, reason))
            elif seen:
                agree.append((p, reason))
        best = max(range(len(fit)), key=fit.__getitem__)
        if best != predicted:
            other = self.spec.classes[best]
            text = f"the attributes fit the class {other!r} better than {name!r}"
            disagree.append((2.0, Reason("fits-another-class", text)))
        return tuple([r for _, r in sorted(part, key=lambda s: -s[0])] for part in (agree, disagree))  # type: ignore[return-value]


class MainOutput(NamedTuple):
    """What one pass of the classifier gives."""

    logits: Tensor  #: (B, K)
    stages: tuple[Tensor, ...]  #: every stage's activation


class Main(Trainable[MainOutput]):
    """The classifier: a backbone and a dense layer."""

    weights: ClassVar = {"label": 1.0}

    def __init__(self, spec: DataSpec, backbone: Backbone, *, head: Literal["flatten", "pool"] = "pool") -> None:
        super().__init__()
        self.backbone = backbone
        self.shapes = stage_shapes(backbone, spec)
        channels, height, width = self.shapes[-1]
        flat = channels * height * width if head == "flatten" else channels
        self.pool: nn.Module = nn.Identity() if head == "flatten" else nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(flat, len(spec.classes))
        if isinstance(backbone, PaperShapes):
            glorot_(self.head)

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        stages: tuple[Tensor, ...] = self.backbone(image)
        return stages

    def from_activations(self, activations: tuple[Tensor, ...]) -> MainOutput:
        return MainOutput(self.head(self.read(activations[-1])), activations)

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
    """A copy of the backbone's stages but the first: stage i reads its own last result joined with the main's.

    Source:
        Thesis, Fig. 4.4: y_1 = stage_1(x_0) + x_1, y_i = stage_i(y_{i-1}) + x_i.
    Differs: with `concat`, a 1x1 convolution brings the joined channels back to the stage's own number.
    """

    def __init__(
        self,
        copy: Backbone,
        shapes: list[tuple[int, int, int]],
        attributes: int,
        *,
        join: Join,
        warm_start: bool = False,
    ) -> None:
        super().__init__()
        if len(copy.stages) < 2:
            raise RecipeError("a full mirror copies all stages but the first, and this backbone has only one.")
        self.stages = nn.ModuleList(list(copy.stages)[1:])
        self.mixes = nn.ModuleList(
            nn.Conv2d(2 * shape[0], shape[0], 1) if join == "concat" else nn.Identity() for shape in shapes[1:]
        )
        self.join, self.warm_start = join, warm_start
        self.head = nn.Linear(shapes[-1][0], attributes)
        self.features = shapes[-1][0]

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = stages[0]
        for stage, mix, activation in zip(self.stages, self.mixes, stages[1:], strict=True):
            own = stage(hidden)
            hidden = own + activation if self.join == "add" else mix(torch.cat([own, activation], 1))
        return self.head(_mean(hidden)), hidden


class LightMirror(nn.Module):
    """A few small convolutions a stage: each activation is brought to `width` channels and joined on the way down."""

    def __init__(self, shapes: list[tuple[int, int, int]], attributes: int, *, join: Join, width: int = 32) -> None:
        super().__init__()
        self.join = join
        self.inputs = nn.ModuleList(convolution(shape[0], width, kernel=1) for shape in shapes)
        steps = [max(1, round(above[1] / below[1])) for above, below in pairwise(shapes)]
        joined = width if join == "add" else 2 * width
        self.steps = nn.ModuleList(
            [_step(width if index == 0 else joined, width, stride) for index, stride in enumerate(steps)]
        )
        self.last = _step(joined if steps else width, 2 * width, 1)
        self.head = nn.Linear(2 * width, attributes)
        self.features = 2 * width

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = self.inputs[0](stages[0])
        for step, read, activation in zip(self.steps, self.inputs[1:], stages[1:], strict=True):
            own, seen = step(hidden), read(activation)
            if own.shape != seen.shape:  # an odd size halves to one side or the other
                own = F.adaptive_avg_pool2d(own, seen.shape[-2:])
            hidden = own + seen if self.join == "add" else torch.cat([own, seen], 1)
        hidden = self.last(hidden)
        return self.head(_mean(hidden)), hidden


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution: the cheap way to look at a neighbourhood."""
    return nn.Sequential(
        convolution(inputs, inputs, stride=stride, groups=inputs), convolution(inputs, outputs, kernel=1)
    )


def _mean(activation: Tensor) -> Tensor:
    return activation.mean((2, 3))


def _maximum(activation: Tensor) -> Tensor:
    return activation.amax((2, 3))
