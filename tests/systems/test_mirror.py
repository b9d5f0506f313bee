import math
from dataclasses import replace

import pytest
import timm
import torch
from torch import nn
from torch.testing import assert_close

from antehoc.doubts import likelihood
from antehoc.errors import RecipeError
from antehoc.explanations import AttributeScores
from antehoc.schema import build
from antehoc.systems.mirror import Mirror, MirrorOutput
from antehoc.systems.mirror.networks import FullMirror, LightMirror
from antehoc.systems.settings import regrouped
from antehoc.training.phases import freeze
from antehoc.types import Batch, DataSpec

PAPER = {"backbone": "paper-shapes", "mirror": "paper-shapes", "join": "concat", "head": "flatten"}
CIRCLE, RECTANGLE, SQUARE, TRIANGLE = range(4)


def made(spec, **arguments):
    """A mirror from flat arguments, each put into its group."""
    return build(Mirror, regrouped(arguments, Mirror.earlier), "here", spec=spec)


def weights_of(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def keras_count(module):
    """Keras counts batch norm's running mean and variance as parameters; PyTorch keeps them as buffers."""
    statistics = [b.numel() for name, b in module.named_buffers() if name.endswith(("running_mean", "running_var"))]
    return weights_of(module) + sum(statistics)


def pictures(spec, count=2):
    return torch.rand(count, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(0))


def stir(module):
    """Batch norms as after training: statistics and weights that are not 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for value, low, high in (
                (part.running_mean, -0.5, 0.5),
                (part.running_var, 0.5, 2),
                (part.weight.data, 0.5, 2),
                (part.bias.data, -1, 1),
            ):
                value.uniform_(low, high, generator=generator)
    return module


# The thesis's pair


def test_the_paper_pair_has_the_papers_parameters(shapes_spec):
    # thesis, Fig. 3.7, in Keras's count: 1,459 and 1,073; of these 30 and 18 are statistics, which nobody trains
    system = made(shapes_spec, **PAPER)
    assert (weights_of(system.main), weights_of(system.mirror)) == (1_429, 1_055)
    assert (keras_count(system.main), keras_count(system.mirror)) == (1_459, 1_073)
    assert weights_of(system) == 2_484


def test_as_a_classifier_it_leaves_its_mirror_out(shapes_spec, monkeypatch):
    system = made(shapes_spec, **PAPER).eval()
    logits = system(pictures(shapes_spec)).logits
    monkeypatch.setattr(system.mirror, "forward", None)
    assert system.as_classifier()(pictures(shapes_spec)).equal(logits)


def test_the_paper_pair_has_the_papers_sizes(shapes_spec):
    system = made(shapes_spec, **PAPER)
    assert [shape[1] for shape in system.main.shapes] == [30, 13, 5]
    shapes = {"in": [], "conv": [], "pool": []}
    for block in system.mirror.blocks:
        block.register_forward_hook(lambda _, inputs, __: shapes["in"].append(tuple(inputs[0].shape[1:])))
        block[0].register_forward_hook(lambda _, __, output: shapes["conv"].append(tuple(output.shape[1:])))
        block[-1].register_forward_hook(lambda _, __, output: shapes["pool"].append(tuple(output.shape[1:])))
    system(pictures(shapes_spec))
    assert shapes["in"] == [(5, 30, 30), (8, 13, 13), (8, 5, 5)]
    assert shapes["conv"] == [(3, 27, 27), (3, 10, 10), (3, 2, 2)]
    assert shapes["pool"] == [(3, 13, 13), (3, 5, 5), (3, 1, 1)]


def test_the_paper_mirror_joins_its_own_result_first(shapes_spec):
    system = stir(made(shapes_spec, **PAPER)).eval()
    image = pictures(shapes_spec)
    with torch.no_grad():
        _, first, second, third = system.activations(image)
        blocks = system.mirror.blocks
        hidden = blocks[2](torch.cat([blocks[1](torch.cat([blocks[0](first), second], 1)), third], 1))
        by_hand = hidden.flatten(1) @ system.mirror.head.weight.T + system.mirror.head.bias
        assert_close(system(image).attribute_logits, by_hand)


def test_the_paper_mirror_sees_neither_the_image_nor_the_dense_layer(shapes_spec):
    system = made(shapes_spec, **PAPER)
    activations = tuple(a.detach().requires_grad_() for a in system.activations(pictures(shapes_spec)))
    of_logits, *of_stages = torch.autograd.grad(
        system.from_activations(activations).attribute_logits.sum(), activations, allow_unused=True
    )
    assert of_logits is None
    assert all(gradient.any() for gradient in of_stages)
    image = pictures(shapes_spec).requires_grad_()
    stages = [stage.detach() for stage in system.activations(image)]
    output = system.from_activations(tuple(stages))
    parts = [image, *system.main.parameters()]
    assert not any(
        torch.autograd.grad(output.attribute_logits.sum(), parts, allow_unused=True, materialize_grads=False)
    )
    joint = torch.autograd.grad(
        system(image).attribute_logits.sum(), [image, *system.main.head.parameters()], allow_unused=True
    )
    assert joint[0].any(), "joint training reaches the image through the stages"
    assert joint[1:] == (None, None), "the dense layer stays out"


@pytest.mark.parametrize("arguments", [PAPER, {"backbone": "test_resnet", "mirror": "full"}], ids=["paper", "timm"])
def test_both_networks_take_the_batch_norm_momentum(shapes_spec, arguments):
    system = made(shapes_spec, **arguments, batch_norm_momentum=0.01)
    for network in (system.main, system.mirror):
        assert {part.momentum for part in network.modules() if isinstance(part, nn.BatchNorm2d)} == {0.01}


@pytest.mark.parametrize(
    "arguments",
    [PAPER | {"join": "add"}, PAPER | {"backbone": "tiny"}],
    ids=["added", "beside another backbone"],
)
def test_the_paper_mirror_stands_in_its_own_place_only(shapes_spec, arguments):
    with pytest.raises(RecipeError, match="needs the 'paper-shapes' backbone and join: concat"):
        made(shapes_spec, **arguments)


def test_the_paper_pair_takes_images_of_other_sizes(shapes_spec):
    spec = replace(shapes_spec, height=72, width=100)
    assert made(spec, **PAPER)(pictures(spec)).attribute_logits.shape == (2, 5)


# The general form


@pytest.mark.parametrize("join", ["add", "concat"])
def test_a_full_mirror_computes_the_equations_of_the_thesis(shapes_spec, join):
    spec = replace(shapes_spec, channels=3)
    system = stir(made(spec, backbone="test_resnet", mirror="full", join=join)).eval()
    image, backbone = pictures(spec), system.main.backbone
    with torch.no_grad():
        x = [backbone.stages[0]((image - backbone.mean) / backbone.deviation)]
        for stage in list(backbone.stages)[1:]:
            x.append(stage(x[-1]))
        y = x[0]
        for i in range(1, len(x)):  # thesis, Fig. 4.4: y_i = stage_i(y_{i-1}) + x_i
            own = system.mirror.stages[i - 1](y)
            if join == "add":
                y = own + x[i]
            else:
                mix = system.mirror.mixes[i - 1]
                y = torch.einsum("oc,bchw->bohw", mix.weight[:, :, 0, 0], torch.cat([own, x[i]], 1)) + mix.bias.view(
                    -1, 1, 1
                )
        by_hand = y.mean((2, 3)) @ system.mirror.head.weight.T + system.mirror.head.bias
        output = system(image)
        logits = x[-1].mean((2, 3)) @ system.main.head.weight.T + system.main.head.bias
    assert len(x) == 5
    assert_close(output.attribute_logits, by_hand, rtol=1e-4, atol=1e-4)
    assert_close(output.logits, logits, rtol=1e-4, atol=1e-4)


def test_a_full_mirror_is_a_copy_with_weights_of_its_own(shapes_spec):
    system = made(shapes_spec, backbone="test_resnet", mirror="full")
    stages = nn.ModuleList(list(system.main.backbone.stages)[1:])
    assert [p.shape for p in system.mirror.stages.parameters()] == [p.shape for p in stages.parameters()]
    assert not {id(p) for p in system.mirror.parameters()} & {id(p) for p in system.main.parameters()}


@pytest.mark.parametrize("join", ["add", "concat"])
@pytest.mark.parametrize("mirror", ["full", "light"])
@pytest.mark.parametrize("backbone", ["small", "tiny", "test_resnet", "test_convnext"])
def test_every_form_gives_logits_and_attributes(tiny_spec, backbone, mirror, join):
    spec = replace(tiny_spec, height=40, width=72)  # sizes that do not halve evenly
    system = made(spec, backbone=backbone, mirror=mirror, join=join, width=8)
    output = system(pictures(spec))
    assert (output.logits.shape, output.attribute_logits.shape) == ((2, 3), (2, 4))
    assert output.features.shape == system.distance.mean[:2].shape
    output.attribute_logits.sum().backward()
    reached = [parameter.grad is not None for parameter in system.mirror.parameters()]
    assert all(reached)


@pytest.mark.parametrize("join", ["add", "concat"])
def test_a_light_mirror_reads_every_stage(shapes_spec, join):
    torch.manual_seed(0)  # some random weights leave a stage without effect
    system = made(shapes_spec, backbone="test_resnet", mirror="light", join=join, width=8).eval()
    activations = tuple(a.detach().requires_grad_() for a in system.activations(pictures(shapes_spec)))
    of_logits, *of_stages = torch.autograd.grad(
        system.from_activations(activations).attribute_logits.sum(), activations, allow_unused=True
    )
    assert of_logits is None
    assert all(gradient.any() for gradient in of_stages)


def test_a_light_mirror_is_a_fraction_of_a_full_one(tiny_spec):
    light, full = (
        made(replace(tiny_spec, height=64, width=64), backbone="resnet18", mirror=m) for m in ("light", "full")
    )
    assert isinstance(light.mirror, LightMirror)
    assert isinstance(full.mirror, FullMirror)
    assert weights_of(light.mirror) < 0.01 * weights_of(full.mirror)
    assert weights_of(full.mirror) > 0.99 * weights_of(full.main)


def test_the_default_stays_under_a_hundred_thousand_parameters(shapes_spec):
    assert weights_of(made(shapes_spec)) < 100_000


@pytest.mark.parametrize(
    ("side", "arguments"),
    [
        (12, PAPER),  # the classifier's third block has nothing left to read
        (40, PAPER),  # the classifier fits, its mirror does not
        (2, {"backbone": "test_convnext"}),
    ],
    ids=["the classifier", "its mirror", "a network of timm"],
)
def test_images_that_are_too_small_are_refused(shapes_spec, side, arguments):
    spec = replace(shapes_spec, height=side, width=side)
    with pytest.raises(RecipeError, match=r"too small.*take larger ones"):
        made(spec, **arguments)


@pytest.mark.skipif(not timm.is_model("test_maxvit"), reason="this timm has no test_maxvit")
def test_a_network_made_for_another_size_is_refused(tiny_spec):
    with pytest.raises(RecipeError, match="images of 16x20 pixels do not pass"):
        made(tiny_spec, backbone="test_maxvit")


@pytest.mark.parametrize("mirror", ["light", "paper-shapes"])
def test_a_warm_start_needs_stages_to_copy(shapes_spec, mirror):
    with pytest.raises(RecipeError, match="warm_start"):
        made(shapes_spec, **PAPER | {"mirror": mirror, "warm_start": True})


def stages_of(system):
    return nn.ModuleList(list(system.main.backbone.stages)[1:])


def same(left, right):
    return all(a.equal(b) for a, b in zip(left.state_dict().values(), right.state_dict().values(), strict=True))


def test_a_warm_start_copies_the_classifier_when_the_mirrors_phase_begins(shapes_spec):
    system = stir(made(shapes_spec, backbone="test_resnet", mirror="full", warm_start=True))
    assert not same(system.mirror.stages, stages_of(system))
    system.begin_phase(("main",))
    assert not same(system.mirror.stages, stages_of(system)), "the classifier has yet to be trained"
    head = system.mirror.head.weight.clone()
    system.begin_phase(("mirror",))
    assert same(system.mirror.stages, stages_of(system))
    assert system.mirror.head.weight.equal(head)
    with torch.no_grad():
        next(system.main.backbone.stages[1].parameters()).add_(1)
    assert not same(system.mirror.stages, stages_of(system)), "a copy, not the classifier's own"


@pytest.mark.parametrize(("batch_norm", "moves"), [("auto", True), ("fixed", False)])
def test_a_warm_start_takes_over_whether_batch_norms_stand_still(shapes_spec, batch_norm, moves):
    system = made(shapes_spec, backbone="test_resnet", batch_norm=batch_norm, mirror="full", warm_start=True).train()
    system(pictures(shapes_spec, 4))
    norms = [part for part in system.mirror.stages.modules() if isinstance(part, nn.BatchNorm2d)]
    assert {bool(norm.running_mean.any()) for norm in norms} == {moves}


def test_without_a_warm_start_a_phase_begins_with_what_is_there(shapes_spec):
    system = made(shapes_spec, backbone="test_resnet", mirror="full")
    before = {key: value.clone() for key, value in system.state_dict().items()}
    system.begin_phase(("mirror",))
    assert all(value.equal(before[key]) for key, value in system.state_dict().items())


def test_the_classifier_learns_without_its_mirror(shapes_spec):
    system = made(shapes_spec, backbone="tiny")
    assert system.learner(("main",)) is system.main
    assert system.learner(("mirror",)) is system
    assert system.learner(("main", "mirror")) is system


# Frozen stages, depths, and what the mirror teaches

FROZEN = {"backbone": "test_resnet", "frozen_stages": 2}


def test_frozen_stages_never_learn(shapes_spec):
    system = made(shapes_spec, **FROZEN)
    stages = system.main.backbone.stages
    for touch in (lambda: None, system.train, lambda: system.main.requires_grad_(True)):
        touch()
        for number, stage in enumerate(stages):
            assert {part.training for part in stage.modules()} == {number >= 2}
            assert {parameter.requires_grad for parameter in stage.parameters()} == {number >= 2}


def test_with_frozen_stages_the_classifier_stays_the_same_and_the_mirror_reads_the_rest(shapes_spec):
    frozen, free = (stir(made(shapes_spec, **FROZEN | {"frozen_stages": n})).eval() for n in (2, 0))
    free.main.load_state_dict(frozen.main.state_dict())
    image = pictures(shapes_spec)
    with torch.no_grad():
        assert frozen(image).logits.equal(free(image).logits)
        _, *stages = free.activations(image)
        assert [a.tolist() for a in frozen.activations(image)] == [stages[1].tolist()], "the state after two stages"
    assert [part[0].in_channels for part in frozen.mirror.inputs] == [stage.shape[1] for stage in stages[2:]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frozen_stages": 3}, "frozen_stages: 0 to 2 of this backbone; got 3"),
        ({"frozen_stages": -1}, "frozen_stages: 0 to 2 of this backbone; got -1"),
        ({"join": "start"}, "join: start is for a full mirror"),
    ],
)
def test_frozen_stages_that_cannot_be_are_refused(shapes_spec, arguments, message):
    with pytest.raises(RecipeError, match=message):
        made(shapes_spec, backbone="tiny", **arguments)


def test_depths_count_from_the_heads_back_through_the_stages(shapes_spec):
    system = made(shapes_spec, backbone="test_resnet", mirror="full")
    stages = len(system.main.backbone.stages)
    for name, _ in system.named_parameters():
        _, _, place = name.partition("main.backbone.stages.")
        assert system.depth(name) == (stages - int(place[0]) if place else 0), name
    assert system.depth("main.head.weight") == 0
    assert system.depth(f"main.backbone.stages.{stages - 1}.0.weight") == 1


@pytest.mark.parametrize("teaches", [True, False])
@pytest.mark.parametrize("arguments", [{"backbone": "tiny"}, FROZEN, PAPER], ids=["light", "frozen", "paper"])
def test_the_mirror_teaches_the_classifier_only_where_it_may(shapes_spec, arguments, teaches):
    system = made(shapes_spec, **arguments, mirror_teaches=teaches)
    image = pictures(shapes_spec)
    batch = Batch(image, torch.tensor([0, 1]), torch.ones(2, 5))
    system.loss_terms(system(image), batch)["attributes"].backward()
    assert all(parameter.grad is not None for parameter in system.mirror.parameters())
    assert any(p.grad is not None and p.grad.any() for p in system.main.parameters()) == teaches


def test_dropout_stands_before_both_dense_layers(shapes_spec):
    system = made(shapes_spec, backbone="tiny", dropout=0.5)
    for network, read in ((system.main, "logits"), (system.mirror, "attribute_logits")):
        system.eval()
        image = pictures(shapes_spec)
        calm = [getattr(system(image), read) for _ in range(2)]
        network.dropout.train()
        seen: list[torch.Tensor] = []
        network.head.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        assert not getattr(system(image), read).equal(calm[0])
        assert calm[0].equal(calm[1])
        assert 0.2 < (seen[0] == 0).float().mean() < 0.8


# Losses, scores, features, doubts


def output_of(logits, attribute_logits, features=None):
    logits, attribute_logits = torch.tensor(logits), torch.tensor(attribute_logits)
    features = torch.zeros(len(logits), 1) if features is None else features
    return MirrorOutput(logits, attribute_logits, features)


def sides(found):
    """The reasons for and against of the only image, about its only class."""
    [of_class] = found
    [reasons] = of_class.values()
    return tuple([reason for reason in reasons if reason.agrees == agrees] for agrees in (True, False))


def sure(attributes):
    return [6.0 if present else -6.0 for present in attributes]


@pytest.mark.parametrize("positive_weight", [1.0, 2.5])
def test_the_loss_terms_match_the_definition(shapes_spec, positive_weight):
    system = made(shapes_spec, backbone="tiny", positive_weight=positive_weight)
    logits = [[1.0, -2.0, 0.5, 0.0], [0.0, 3.0, 0.0, 1.0]]
    attribute_logits = [[2.0, -1.0, 0.5, 0.0, -3.0], [0.1, 0.2, 0.3, 0.4, 0.5]]
    labels, attributes = [2, 1], [[0.0, 0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0, 0.0]]
    batch = Batch(pictures(shapes_spec), torch.tensor(labels), torch.tensor(attributes))
    terms = system.loss_terms(output_of(logits, attribute_logits), batch)
    label = -sum(
        row[own] - math.log(sum(math.exp(value) for value in row)) for row, own in zip(logits, labels, strict=True)
    )
    bits = [
        -(positive_weight * t * math.log(1 / (1 + math.exp(-z))) + (1 - t) * math.log(1 / (1 + math.exp(z))))
        for row, truth in zip(attribute_logits, attributes, strict=True)
        for z, t in zip(row, truth, strict=True)
    ]
    assert terms["label"].item() == pytest.approx(label / 2, rel=1e-5)
    assert terms["attributes"].item() == pytest.approx(sum(bits) / 10, rel=1e-5)


def test_balanced_weights_are_absent_over_present_classes(tiny_spec):
    spec = replace(tiny_spec, class_attributes=((1.0, 0.0, 1.0, 0.5), (0.0, 0.0, 1.0, 0.5), (0.0, 1.0, 0.0, 0.5)))
    system = made(spec, backbone="tiny", positive_weight="balanced")
    # present in 1, 1, 2 and (three halves) 1.5 of three classes; the authors' 1e-5 moves them by some 3e-5
    assert_close(system.positive_weights, torch.tensor([2.0, 2.0, 0.5, 1.0]), rtol=1e-4, atol=0)
    batch = Batch(pictures(spec, 1), torch.tensor([0]), torch.tensor([[1.0, 0.0, 1.0, 0.0]]))
    term = system.loss_terms(output_of([[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]), batch)["attributes"]
    assert term.item() == pytest.approx(math.log(2) * (2 + 1 + 0.5 + 1) / 4, rel=1e-4)
    never = made(replace(spec, class_attributes=((0.0,) * 4,) * 3), backbone="tiny", positive_weight="balanced")
    assert never.positive_weights.isfinite().all(), "an attribute that no class has"


def test_the_scores_match_their_names(shapes_spec):
    system = made(shapes_spec, backbone="tiny")
    logits = [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0], [3.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]]
    attributes = [list(shapes_spec.class_attributes[label]) for label in (RECTANGLE, SQUARE, TRIANGLE, CIRCLE)]
    seen = [sure(row) for row in attributes]
    seen[0][2] = 7.0  # still right, and the largest
    seen[1][4] = -1.0  # one bit wrong; of the right ones the first is the largest
    seen[2] = sure(shapes_spec.class_attributes[CIRCLE])  # three bits wrong, the largest too
    batch = Batch(
        pictures(shapes_spec, 4), torch.tensor([RECTANGLE, SQUARE, TRIANGLE, CIRCLE]), torch.tensor(attributes)
    )
    scores = {name: score.item() for name, score in system.scores(output_of(logits, seen), batch).items()}
    assert scores == pytest.approx(
        {"accuracy": 3 / 4, "attribute_accuracy": 16 / 20, "attribute_exact": 2 / 4, "argmax_agreement": 3 / 4}
    )


@pytest.mark.parametrize("watch_stages", [False, True])
def test_the_distances_look_at_what_the_dense_layers_read_and_at_every_stage(shapes_spec, watch_stages):
    system = made(shapes_spec, **PAPER, watch_stages=watch_stages).eval()
    image = pictures(shapes_spec)
    seen = []
    system.mirror.blocks[-1].register_forward_hook(lambda _, __, result: seen.append(result))
    output = system(image)
    stages = system.activations(image)[1:]
    assert_close(output.features, torch.cat([stages[-1].flatten(1), seen[0].flatten(1)], 1))
    pools = [pool for stage in stages for pool in (stage.flatten(2).mean(2), stage.flatten(2).max(2).values)]
    assert not output.features.requires_grad
    if watch_stages:
        assert_close(output.statistics, torch.cat(pools, 1))
        assert not output.statistics.requires_grad
    else:
        assert output.statistics is None
    assert ("stages" in system.doubts(output)) == watch_stages


def test_the_doubts_of_an_untouched_system_agree_with_hand_made_outputs(shapes_spec):
    system = made(shapes_spec, backbone="tiny")
    asked = shapes_spec.class_attributes
    features = system.distance.mean[:1].expand(3, -1) + torch.tensor([[1.0], [1.0], [3.0]])
    as_square, as_rectangle = [0.0, 1.0, 4.0, 0.0], [0.0, 4.0, 1.0, 0.0]
    rows = [sure(asked[SQUARE]), sure(asked[RECTANGLE]), sure(asked[RECTANGLE])]
    doubts = system.all_doubts(output_of([as_square, as_square, as_rectangle], rows, features))
    assert_close(doubts["margin"], torch.tensor([-3.0, -3.0, -3.0]))
    assert_close(doubts["support"], torch.tensor([0.0, 1 / 3, 0.0]))
    assert doubts["likelihood"][0] < 0 < doubts["likelihood"][1]
    assert doubts["likelihood"][2] < 0
    assert_close(doubts["distance"], torch.tensor([0.0, 0.0, math.log(9)]))


def test_fitted_on_training_images_a_stranger_is_further_away(shapes_spec):
    system = made(shapes_spec, **PAPER).eval()
    generator = torch.Generator().manual_seed(0)
    image = torch.ones(40, 1, 64, 64)
    image[:, :, 20:44, 20:44] = 0
    image += 0.01 * torch.randn(image.shape, generator=generator)
    noise = torch.rand(40, 1, 64, 64, generator=generator)
    with torch.no_grad():
        known = system(image)
        system.fit_doubts(system.doubt_features(known), system.predicted(known))
        stranger = system(noise)._replace(logits=known.logits)
        assert system.doubts(stranger)["distance"].min() > system.doubts(known)["distance"].max()


# Explanations and reasons


def test_the_explanation_respects_exclusive_groups(shapes_spec):
    system = made(shapes_spec, backbone="tiny")
    [(scores,)] = system.explain(output_of([[0.0, 0.0, 1.0, 0.0]], [[1.0, 1.0, 1.0, 0.0, 2.0]]))
    assert scores.names == shapes_spec.attributes
    assert scores.probabilities == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.5, 1 / (1 + math.exp(-2))], rel=1e-5)


def test_a_rectangle_called_square_is_told_why_not(shapes_spec):
    system = made(shapes_spec, backbone="tiny")
    seen = sure(shapes_spec.class_attributes[RECTANGLE])
    agree, disagree = sides(system.reasons(output_of([[0.0, 0.0, 5.0, 0.0]], [seen])))
    assert [reason.code for reason in disagree] == ["fits-another-class", "attribute-missing"]
    assert disagree[0].text == "the attributes fit the class 'rectangle' (1.00) better than 'square' (0.00)"
    assert disagree[1].text == "'all edges equal' is absent (0.00), but the class 'square' has it"
    assert (disagree[1].attribute, disagree[1].expected) == ("all edges equal", 1.0)
    assert disagree[1].probability == pytest.approx(1 / (1 + math.exp(6)), rel=1e-4)
    assert {reason.attribute for reason in agree} == {"four vertices", "opposite edges parallel"}
    assert agree[0].text.endswith("is present (1.00), and the class 'square' has it")


def test_a_square_called_rectangle_is_told_why_not(shapes_spec):
    system = made(shapes_spec, backbone="tiny")
    _, disagree = sides(system.reasons(output_of([[0.0, 5.0, 0.0, 0.0]], [sure(shapes_spec.class_attributes[SQUARE])])))
    assert [reason.code for reason in disagree] == ["fits-another-class", "attribute-unexpected"]
    assert disagree[1].text == "'all edges equal' is present (1.00), but the class 'rectangle' does not have it"


@pytest.mark.parametrize("label", range(4))
def test_a_decision_that_its_attributes_agree_with_has_nothing_against_it(shapes_spec, label):
    system = made(shapes_spec, backbone="tiny")
    logits = [[5.0 if other == label else 0.0 for other in range(4)]]
    asked = shapes_spec.class_attributes[label]
    agree, disagree = sides(system.reasons(output_of(logits, [sure(asked)])))
    assert disagree == []
    assert {reason.code for reason in agree} == {"attribute-agrees"}
    present = {name for name, share in zip(shapes_spec.attributes, asked, strict=True) if share}
    assert {reason.attribute for reason in agree if reason.expected} == present
    assert all(reason.text.endswith("does not have it") for reason in agree if not reason.expected)


def test_reasons_stand_in_the_order_of_what_they_add_to_the_likelihood_ratio():
    # an attribute adds the difference of the classes' shares times its log-odds
    spec = DataSpec(("cat", "fox"), 1, 16, 16, ("red", "small", "tall"), ((0.6, 0.9, 0.5), (0.4, 0.1, 0.9)))
    system = made(spec, backbone="tiny")
    seen = AttributeScores(spec.attributes, (0.8, 0.9, 0.7))
    log_ratio = 0.2 * math.log(0.8 / 0.2) + 0.8 * math.log(0.9 / 0.1) - 0.4 * math.log(0.7 / 0.3)
    found = system.reconsider([(seen,)], torch.tensor([0]))
    agree, disagree = sides(found.reasons)
    assert [reason.attribute for reason in agree] == ["small", "red"]
    [against] = disagree
    assert against.text == "'tall' is present (0.70), but only 50 % of the class 'cat' have it"
    assert found.by_explanation[0, 0].item() == pytest.approx(1 / (1 + math.exp(-log_ratio)), rel=1e-4)
    assert found.doubts["likelihood"].item() == pytest.approx(-log_ratio, rel=1e-4)
    agree, disagree = sides(system.reconsider([(seen,)], torch.tensor([1])).reasons)
    assert [reason.attribute for reason in disagree] == [None, "small", "red"]
    assert [reason.attribute for reason in agree] == ["tall"]


def test_the_strongest_reason_comes_first(shapes_spec):
    system = made(shapes_spec, backbone="tiny")
    seen = [
        -9.0,
        -9.0,
        9.0,
        -0.5,
        -3.0,
    ]  # a square's: four vertices; parallel edges hardly, equal edges clearly missing
    _, disagree = sides(system.reasons(output_of([[0.0, 0.0, 5.0, 0.0]], [seen])))
    named = [reason.attribute for reason in disagree if reason.attribute]
    assert named == ["all edges equal", "opposite edges parallel"]


def test_the_profile_follows_a_correction_and_is_the_decisions_own_without_one(tiny_spec):
    spec = replace(tiny_spec, exclusive=(), at_most_one=((1, 2),))
    torch.manual_seed(0)
    system = made(spec, backbone="tiny", profile=True).eval()
    image = torch.rand(30, 3, 16, 20)
    system.fit_doubts(system.doubt_features(system(image)), torch.arange(30) % 3)
    output = system(image)
    predicted, told = system.predicted(output), system.explain(output)
    own = system.doubts(output)["profile"]
    assert_close(system.reconsider(told, predicted).doubts["profile"], own, rtol=1e-3, atol=1e-3)
    changed = [(AttributeScores(one.names, (1 - one.probabilities[0], *one.probabilities[1:])),) for (one,) in told]
    assert not system.reconsider(changed, predicted).doubts["profile"].allclose(own, atol=0.05)


def test_log_odds_are_the_logits_again(tiny_spec):
    system = made(replace(tiny_spec, exclusive=(), at_most_one=((1, 2),)), backbone="tiny")
    logits = torch.tensor([[0.5, -2.0, 3.0, 7.0], [-20.0, 1.0, 1.5, 20.0]])
    probabilities = likelihood.attribute_probabilities(logits, (), ((1, 2),))
    assert_close(system._log_odds(probabilities), logits.clamp(-8, 8), rtol=1e-3, atol=1e-3)


@pytest.fixture
def opinion(tiny_spec):
    """A full mirror that begins where the frozen stage ends, and reads nothing after that."""
    torch.manual_seed(0)
    return made(tiny_spec, backbone="tiny", mirror="full", join="start", warm_start=True, frozen_stages=1)


def test_a_full_mirror_begins_where_the_frozen_stages_end(opinion, tiny_spec):
    assert len(opinion.mirror.stages) == len(opinion.main.backbone.stages) - 1
    image = pictures(tiny_spec, 3)
    opinion.eval()
    opinion.begin_phase(("main", "mirror"))
    state = opinion.main.activations(image)
    _, last = opinion.mirror([state[0], *opinion.main.from_activations(state).stages])
    assert_close(last, opinion.main(image).stages[-1])  # warm: the same stages on the same state


def test_a_second_opinion_owes_nothing_to_the_later_stages_of_the_classifier(opinion, tiny_spec):
    freeze(opinion, ("main", "mirror"))
    opinion(pictures(tiny_spec)).attribute_logits.sum().backward()
    assert all(parameter.grad is None for parameter in opinion.main.parameters())
    assert all(parameter.grad is not None for parameter in opinion.mirror.parameters())


def test_stages_that_start_warm_learn_at_the_rate_of_those_they_were_taken_from(opinion):
    depths = {name: opinion.depth(name) for name, _ in opinion.named_parameters()}
    for name, depth in depths.items():
        if name.startswith("mirror.stages."):
            number = int(name.split(".")[2])
            twin = name.replace(f"mirror.stages.{number}", f"main.backbone.stages.{number + 1}")
            assert depth == depths[twin] > 0
    cold = made(opinion.spec, backbone="tiny", mirror="full")
    assert all(cold.depth(name) == 0 for name, _ in cold.named_parameters() if name.startswith("mirror."))
