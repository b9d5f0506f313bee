"""`joint`: loss terms by hand, what may learn from which, doubts on a planted classifier, masks that say nothing."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from antehoc.errors import DataError, RecipeError
from antehoc.explanations import SaliencyMask
from antehoc.schema import build
from antehoc.systems import Joint
from antehoc.systems.joint import JointOutput
from antehoc.systems.joint.losses import share_outside as outside
from antehoc.systems.joint.settings import GatingSettings
from antehoc.systems.settings import BackboneSettings, regrouped
from antehoc.training.phases import freeze, set_modes
from antehoc.types import Batch, DataSpec

SPEC = DataSpec(("nothing", "fox"), 1, 16, 16, absent="nothing")
ALL = tuple(Joint.weights)


def made(spec, **arguments):
    """A joint system from flat arguments, each put into its group."""
    return build(Joint, regrouped(arguments, Joint.earlier), "here", spec=spec)


def joint(spec=SPEC, **changes):
    torch.manual_seed(0)
    return made(spec, **{"classifier": "tiny", "filters": (4, 8), "losses": ALL, "budget": (0.1, 0.9)} | changes)


def sides(found):
    """The reasons for and against of the only image, about its only class."""
    [of_class] = found
    [reasons] = of_class.values()
    return tuple([reason for reason in reasons if reason.agrees == agrees] for agrees in (True, False))


def output_of(mask, **changes):
    given = {"logits": torch.zeros(len(mask), 2)} | changes
    return JointOutput(mask=mask, gate=mask, features=torch.zeros(len(mask), 8), **given)


def batch_of(label, mask=None):
    return Batch(torch.rand(len(label), 1, 16, 16), torch.tensor(label), torch.zeros(len(label), 0), mask=mask)


def half():
    """One on the left half, nothing on the right."""
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1
    return mask


def test_terms_of_the_mask_by_hand():
    both = torch.cat([half(), torch.zeros(1, 1, 16, 16)])
    terms = joint().loss_terms(output_of(both), batch_of([1, 0], torch.ones(2, 1, 16, 16)))
    assert terms["area"] == 0.25
    assert terms["area_sum"] == 64  # 128 pixels in one of two images
    assert terms["variation"].item() == pytest.approx(16 / (2 * 16 * 15))  # one edge of 16 pixels; 15 neighbors a row
    assert terms["outside"] == 0  # the object is everywhere
    assert terms["empty"] == 0  # the image of the absent class shows nothing
    assert joint().loss_terms(output_of(both), batch_of([0, 1], both))["empty"] == 0.25


def test_the_variation_is_the_mean_step_down_plus_the_mean_step_across():
    mask = torch.rand(3, 1, 16, 16)
    term = joint(losses=("variation",)).loss_terms(output_of(mask), batch_of([1, 0, 1]))["variation"]
    down, across = (np.abs(np.diff(mask.numpy(), axis=axis)).mean() for axis in (2, 3))
    assert term.item() == pytest.approx(down + across, rel=1e-5)


def test_the_budget_is_how_far_a_mask_lies_outside_its_bounds():
    def beyond(low, high, label):
        system = joint(losses=("budget",), budget=(low, high))
        return system.loss_terms(output_of(half()), batch_of([label]))["budget"].item()

    assert beyond(0.2, 0.6, 1) == 0  # it shows one half
    assert beyond(0.6, 0.9, 1) == pytest.approx(0.1)
    assert beyond(0.1, 0.2, 1) == pytest.approx(0.3)
    assert beyond(0.1, 0.2, 0) == 0  # nothing there has no size


def test_of_a_damaged_image_what_the_mask_shows_decides():
    output = output_of(
        torch.zeros(4, 1, 16, 16), damaged=torch.tensor([[0.0, 20.0]] * 2), erased=torch.tensor([False, True])
    )
    term = joint(losses=("damaged",)).loss_terms(output, batch_of([1, 1, 0, 0]))["damaged"]
    assert term.item() == pytest.approx(10, abs=1e-3)  # the first is a fox still, the second is sure of one


class Planted(torch.nn.Module):
    """An explainer that shows a square of 4 pixels in the middle, whatever the image."""

    def forward(self, image):
        gate = torch.zeros(len(image), 1, *image.shape[2:])
        middle = image.shape[2] // 2
        gate[..., middle - 2 : middle + 2, middle - 2 : middle + 2] = 1
        return gate


def damaged(*, left, side=16):
    """64 images and half of them damaged; `left`: a fox is seen without what the mask shows."""
    system = joint()
    system.explainer, system.classifier.network = Planted(), Bright()
    with torch.no_grad():
        system.classifier.network.head.bias.copy_(torch.tensor([-30.0, 30.0] if left else [30.0, -30.0]))
    torch.manual_seed(1)
    image = torch.rand(64, 1, side, side)
    gate = system.explainer(image)
    picture, again, erased = system._damaged(image, gate, system._without(image, gate))
    assert again.equal(gate[:32])
    return erased, (picture != image[:32])[:, 0]


def test_damage_leaves_what_is_shown_or_takes_all_of_it_with_a_margin():
    erased, changed = damaged(left=False)
    assert 0 < erased.sum() < 32
    assert changed[erased][:, 4:12, 4:12].float().mean() > 0.99  # two pixels around
    assert not changed[~erased][:, 4:12, 4:12].any()
    assert changed[~erased][:, 3, 4:12].any(), "and no more"
    assert 0.2 < changed[:, :4].float().mean() < 0.5  # evenly from 0 to .7


def test_the_margin_grows_with_the_image():
    erased, changed = damaged(left=False, side=128)
    assert changed[erased][:, 58:70, 58:70].float().mean() > 0.99, "four pixels around"
    assert not changed[~erased][:, 58:70, 58:70].any()
    assert changed[~erased][:, 57, 58:70].any(), "and no more"


def test_nothing_is_erased_where_without_it_something_is_left():
    assert not damaged(left=True)[0].any()


def test_damage_teaches_the_classifier_alone():
    torch.manual_seed(0)
    system, batch = joint(losses=("damaged",)), batch_of([1, 0, 1, 0])
    system.classifier.eval()  # in a batch norm all pictures of a step feel each other
    system.loss_terms(system.training_pass(batch.image), batch)["damaged"].backward()
    assert any(p.grad is not None and p.grad.any() for p in system.classifier.parameters())
    assert all(p.grad is None or not p.grad.any() for p in system.explainer.parameters())
    freeze(system, ("explainer",))
    set_modes(system, ("explainer",))
    assert system.loss_terms(system.training_pass(batch.image), batch)["damaged"] == 0


def test_a_batch_of_one_has_no_half_to_damage():
    system, batch = joint().eval(), batch_of([1], torch.ones(1, 1, 16, 16))
    terms = system.loss_terms(system.training_pass(batch.image), batch)
    assert all(term.isfinite() for term in terms.values())


def test_outside_is_the_share_of_the_rest_that_is_shown():
    right = half().flip(3)
    assert outside(half(), half()).item() == pytest.approx(0, abs=1e-6)
    assert outside(half(), right).item() == pytest.approx(1, abs=1e-5)
    assert outside(torch.ones(1, 1, 16, 16), half()).item() == pytest.approx(1, abs=1e-5)
    assert outside(torch.cat([half(), half()]), torch.cat([half(), right])).item() == pytest.approx(0.5, abs=1e-5)


def test_outside_needs_object_masks():
    with pytest.raises(DataError, match="object masks"):
        joint().loss_terms(output_of(half()), batch_of([1]))


def test_label_is_the_cross_entropy_of_what_is_seen_through_the_mask():
    terms = joint(losses=("label",)).loss_terms(output_of(half()), batch_of([1]))
    assert terms == {"label": pytest.approx(math.log(2))}


def test_removed_asks_for_the_absent_class_and_without_one_for_no_class():
    sure = torch.tensor([[0.0, 20.0]])
    asked = joint(losses=("removed",)).loss_terms(output_of(half(), removed=sure), batch_of([1]))["removed"]
    assert asked.item() == pytest.approx(20, abs=1e-3)
    other = joint(DataSpec(("cat", "fox"), 1, 16, 16), losses=("removed",))
    assert other.loss_terms(output_of(half(), removed=sure), batch_of([1]))["removed"].item() == pytest.approx(
        math.log(2), abs=1e-3
    )
    unsure = other.loss_terms(output_of(half(), removed=torch.zeros(1, 2)), batch_of([1]))["removed"]
    assert unsure.item() == pytest.approx(0, abs=1e-6)


def test_the_classifier_learns_nothing_from_what_is_removed():
    system, batch = joint(losses=("removed",)), batch_of([1, 0, 1])
    output = system.training_pass(batch.image)
    system.loss_terms(output, batch)["removed"].backward()
    assert all(p.grad is None for p in system.classifier.parameters())
    assert any(p.grad is not None and p.grad.any() for p in system.explainer.parameters())
    assert system.classifier.training


def test_looking_at_what_is_removed_leaves_batch_norm_alone():
    once, twice, image = joint(losses=("label",)), joint(losses=("label", "removed")), torch.rand(4, 1, 16, 16)
    once.training_pass(image)
    twice.training_pass(image)
    assert all(v.equal(twice.state_dict()[k]) for k, v in once.state_dict().items())


@pytest.mark.parametrize("gate_at", ["image", "stages"])
def test_hidden_whole_and_damaged_images_share_a_batch_norm(gate_at):
    system, image = joint(gate_at=gate_at), torch.rand(4, 1, 16, 16)
    system.training_pass(image)
    steps = {int(v) for k, v in system.state_dict().items() if k.endswith("num_batches_tracked")}
    assert steps == {1}
    assert system.explainer.training


def test_a_system_is_in_train_mode_while_one_of_its_parts_learns():
    system = joint().eval()
    set_modes(system, ("explainer",))
    assert system.training
    assert system.explainer.training
    assert not system.classifier.training
    set_modes(system, ())
    assert not system.training


def test_nothing_is_shown_of_what_a_hard_gate_hides():
    system = joint(gate="hard", sharpness=3.0)
    for mode in (system.train(), system.eval()):
        with torch.no_grad():
            mask = mode(torch.rand(2, 1, 16, 16)).mask
        assert ((mask == 0) | (mask > 0.5)).all()
        assert (mask == 0).any()


def test_a_frozen_classifier_stands_still_while_the_explainer_learns():
    system, batch = joint(losses=("label", "area")), batch_of([1, 0, 1])
    freeze(system, ("explainer",))
    set_modes(system, ("explainer",))
    before = {key: value.clone() for key, value in system.classifier.state_dict().items()}
    torch.stack(list(system.loss_terms(system.training_pass(batch.image), batch).values())).sum().backward()
    assert all(value.equal(before[key]) for key, value in system.classifier.state_dict().items())
    assert all(p.grad is None for p in system.classifier.parameters())


def whole(spec=SPEC, losses=ALL):
    """A system that decides on the whole image."""
    torch.manual_seed(0)
    gating, given = {"decides": "whole"}, {"filters": (4, 8)}
    values = {"backbone": "tiny", "gating": gating, "explainer": given, "losses": losses, "budget": (0.1, 0.9)}
    return build(Joint, values, "here", spec=spec)


def test_where_the_whole_image_decides_the_mask_changes_no_decision_and_the_looks_are_those_of_one_that_hides():
    deciding, hiding, image = whole().eval(), joint().eval(), torch.rand(5, 1, 16, 16)
    hiding.load_state_dict(deciding.state_dict())
    with torch.no_grad():
        own, other = (system.look(image, system(image)) for system in (deciding, hiding))
        assert_close(own.logits, deciding.classifier(image).logits)
        assert_close(own.features, other.features)
        assert own.mask.equal(other.mask)
        assert 0 < own.gate.mean() < 1
        for name in ("kept", "removed", "whole"):
            assert_close(getattr(own, name), getattr(other, name), msg=name)
        assert_close(own.whole, own.logits)
        assert_close(deciding.doubts(own)["sufficiency"], 1 - own.kept.softmax(1)[range(5), own.logits.argmax(1)])
        said = [reason.code for one in deciding.reasons(own) for reasons in one.values() for reason in reasons]
    assert {"mask-enough", "mask-not-enough"} & set(said)
    assert not {"whole-agrees", "whole-disagrees"} & set(said), "the decision is that on the whole image"


def test_where_the_whole_image_decides_the_mask_learns_from_what_it_shows():
    deciding, hiding, batch = whole(losses=("label", "whole")), joint(losses=("label", "whole")), batch_of([1, 0, 1, 1])
    hiding.load_state_dict(deciding.state_dict())
    for system in (deciding.eval(), hiding.eval()):
        trained = system.loss_terms(system.training_pass(batch.image), batch)
        looked = system.loss_terms(system.look(batch.image, system(batch.image)), batch)
        for name, term in trained.items():
            assert_close(term, looked[name], msg=name)
    by_both = [system.loss_terms(system.training_pass(batch.image), batch) for system in (deciding, hiding)]
    assert by_both[0]["label"].equal(by_both[1]["label"])
    assert not by_both[0]["label"].equal(by_both[0]["whole"])


@pytest.mark.parametrize("gate_at", ["image", "stages"])
@pytest.mark.parametrize("random", [0.0, 0.5, 1.0])
def test_alone_the_classifier_sees_a_share_of_the_images_through_random_masks(gate_at, random, monkeypatch):
    image, seen = torch.rand(300, 1, 16, 16), []
    system = build(
        Joint, {"backbone": "tiny", "gating": {"at": gate_at, "random": random, "hidden": 0.25}}, "here", spec=SPEC
    )
    monkeypatch.setattr(
        type(system.classifier), "features", lambda own, image, mask: seen.append(mask) or torch.zeros(300, 8)
    )
    system.classifier.training_pass(image)
    whole = [mask.flatten(1).eq(1).all(1).float().mean().item() for mask in seen]
    assert len(whole) == (random > 0)
    assert whole == [pytest.approx(1 - random, abs=0.1)] * len(whole)


def test_a_classifier_that_learned_through_random_masks_shares_no_phase_with_one_that_did_not():
    def shown(**gating):
        return repr(build(Joint, {"backbone": "tiny", "gating": gating}, "here", spec=SPEC).classifier)

    assert shown() == shown(bias=1.0), "what the classifier alone does not use changes nothing"
    assert shown() != shown(random=0.5)


def test_an_explainer_on_the_backbone_starts_from_its_weights_and_keeps_them():
    torch.manual_seed(0)
    given = {"backbone": "tiny", "explainer": {"name": "backbone", "width": 4}, "losses": ("label", "area")}
    system, batch = build(Joint, given, "here", spec=SPEC), batch_of([1, 0, 1])
    freeze(system, ("explainer",))
    set_modes(system, ("explainer",))
    before = {key: value.clone() for key, value in system.state_dict().items()}
    torch.stack(list(system.loss_terms(system.training_pass(batch.image), batch).values())).sum().backward()
    frozen = {name for name, p in system.named_parameters() if p.grad is None}
    assert {name for name in frozen if name.startswith("explainer.")}
    assert all(name.startswith(("classifier.", "explainer.frozen.")) for name in frozen)
    moved = {key for key, value in system.state_dict().items() if not value.equal(before[key])}
    assert not any(key.startswith(("classifier.", "explainer.frozen.")) for key in moved)


@pytest.mark.parametrize("gate_at", ["image", "stages"])
def test_training_and_deciding_see_the_same(gate_at):
    system, image = joint(gate_at=gate_at), torch.rand(3, 1, 16, 16)
    system.eval()
    with torch.no_grad():
        decided = system(image)
        learnt = system.training_pass(image)  # in eval mode, batch norms too
    assert_close(learnt.logits, decided.logits)


def test_on_the_image_a_hidden_pixel_is_never_read():
    system = joint(gate="hard", hidden=1.0).eval()
    image = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        system.explainer = torch.nn.Module()
        system.explainer.forward = lambda x: half().expand(len(x), -1, -1, -1)
        first = system.look(image, system(image))
        changed = image.clone()
        changed[..., 8:] = torch.rand(2, 1, 16, 8)
        second = system.look(changed, system(changed))
    assert first.logits.equal(second.logits)
    assert not first.removed.equal(second.removed)
    assert not first.whole.equal(second.whole)


class Bright(torch.nn.Module):
    """A planted classifier: a fox is what is bright on the left."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-20.0], [20.0]]))
            self.head.bias.copy_(torch.tensor([10.0, -10.0]))

    def features(self, image, mask=None):
        return image[..., :8].mean((2, 3))

    def forward(self, image, mask=None):
        return self.head(self.features(image))


@pytest.mark.parametrize(("side", "enough"), [("left", True), ("right", False)])
def test_a_mask_on_the_evidence_is_enough_and_needed_and_elsewhere_neither(side, enough):
    system = joint(hidden=0.0).eval()
    system.classifier.network = Bright()
    mask = half() if side == "left" else half().flip(3)
    system.explainer = torch.nn.Module()
    system.explainer.forward = lambda x: mask
    with torch.no_grad():
        image = torch.ones(1, 1, 16, 16)
        output = system.look(image, system(image))
        fox = output._replace(logits=output.whole)  # what a classifier would say that looks past the mask
        doubts = {name: value.item() for name, value in system.doubts(fox).items()}
        agree, disagree = sides(system.reasons(fox))
    wrong = 0.0 if enough else 1.0
    assert doubts["sufficiency"] == pytest.approx(wrong, abs=1e-3)
    assert doubts["necessity"] == pytest.approx(wrong, abs=1e-3)
    assert doubts["whole"] == pytest.approx(0.0, abs=1e-3)
    codes = [[reason.code for reason in side] for side in (agree, disagree)]
    assert codes == (
        [["mask-enough", "mask-needed", "whole-agrees"], []]
        if enough
        else [["whole-agrees"], ["mask-not-enough", "mask-not-needed"]]
    )


@pytest.mark.parametrize("decided", ["nothing", "fox"])
def test_a_whole_image_that_is_decided_otherwise_is_named_with_its_probability(decided):
    nothing, fox = torch.tensor([[0.0, -1.0]]), torch.tensor([[-1.0, 0.0]])
    own, other = (nothing, fox) if decided == "nothing" else (fox, nothing)
    for whole in (own, other):
        given = output_of(half(), logits=own, kept=own, removed=nothing, whole=whole)
        agree, disagree = sides(joint().reasons(given))
        (reason,) = [reason for reason in agree + disagree if reason.code.startswith("whole")]
        assert reason.probability == pytest.approx(1 / (1 + math.exp(-1)))
        if whole is own:
            assert reason in agree
            assert (reason.code, reason.text) == (
                "whole-agrees",
                f"the whole image gets the same class: '{decided}' (0.73)",
            )
        else:
            name = "fox" if decided == "nothing" else "nothing"
            said = f"the whole image gets another class: '{name}' (0.73)"
            assert reason in disagree
            assert (reason.code, reason.text) == ("whole-disagrees", said)


def test_of_the_absent_class_nothing_needs_to_be_shown():
    system = joint()
    nothing, fox = torch.tensor([[5.0, -5.0]]), torch.tensor([[-5.0, 5.0]])
    for removed, doubt in ((nothing, 0.0), (fox, 1.0)):
        given = output_of(half(), logits=nothing, kept=nothing, removed=removed, whole=nothing)
        assert system.doubts(given)["necessity"].item() == pytest.approx(doubt, abs=1e-3)


def test_without_looks_there_are_fewer_doubts_and_no_reasons():
    system = joint(look_again=False).eval()
    with torch.no_grad():
        image = torch.rand(2, 1, 16, 16)
        output = system.look(image, system(image))
    assert not {"sufficiency", "necessity", "whole"} & set(system.doubts(output))
    assert system.reasons(output) == [{}, {}]


def test_the_explanation_is_the_mask():
    system = joint().eval()
    with torch.no_grad():
        output = system(torch.rand(2, 1, 16, 16))
    for (shown,), mask in zip(system.explain(output), output.mask, strict=True):
        assert isinstance(shown, SaliencyMask)
        assert_close(shown.values(), mask[0], atol=0.003, rtol=0)


def test_a_mask_cannot_be_corrected():
    with pytest.raises(DataError, match="cannot be corrected"):
        joint().reconsider([(SaliencyMask.of(torch.ones(16, 16)),)], torch.tensor([1]))


@pytest.mark.parametrize(
    ("area", "contrast", "said"),
    [(0.0, 0.0, "dead"), (0.999, 0.5, "lazy"), (0.4, 0.009, "lazy"), (0.2, 0.011, None), (0.0011, 0.9, None)],
)
def test_dead_and_lazy_explainers_are_named(area, contrast, said):
    remarks = joint().remarks({"mask_area": area, "mask_contrast": contrast})
    assert [remark for remark in remarks if said and said in remark] == remarks
    assert len(remarks) == (said is not None)


def test_a_phase_without_masks_has_nothing_to_remark():
    for known in ({"accuracy": 1.0}, {"mask_area": 1e-9}, {"mask_contrast": 0.0}):
        assert joint().remarks(known) == []


def test_scores_tell_how_much_of_the_mask_lies_on_the_object():
    found = joint().scores(output_of(torch.ones(2, 1, 16, 16)), batch_of([1, 0], torch.cat([half(), half() * 0])))
    assert found["mask_energy"] == 0.5  # of the fox alone: the other image holds no object
    assert found["mask_area"] == 1
    assert found["mask_contrast"] == 0


def test_the_paper_form_is_the_published_network():
    system = made(
        DataSpec(("no", "yes"), 3, 224, 224), classifier="resnet18", gate_at="blocks", filters=(32, 64, 128),
        gate="tanh", bias=3.0, norm=False, look_again=False, losses=("label", "area", "variation", "outside"),
    )  # fmt: skip
    assert sum(p.numel() for p in system.classifier.parameters()) == 11_177_538  # ResNet-18 of two classes
    assert system.eval()(torch.rand(1, 3, 224, 224)).mask.mean() > 0.9


@pytest.mark.parametrize(
    ("spec", "changes", "says"),
    [
        (SPEC, {"losses": ("label", "aera")}, "Did you mean 'area'"),
        (DataSpec(("cat", "fox"), 1, 16, 16), {"losses": ("empty",)}, "nothing is there"),
        (DataSpec(("cat", "fox"), 1, 16, 16), {"losses": ("label", "damaged")}, "`damaged` .* nothing is there"),
        (SPEC, {"budget": (0.5, 0.2)}, "two shares of the image"),
        (SPEC, {"budget": (0.0, 1.0)}, "needs its bounds"),
        (SPEC, {"smooth": -1.0}, "0 or more; got -1"),
        (SPEC, {"hidden": 1.5}, "brightness in 0..1"),
        (SPEC, {"gating": {"decides": "whole", "at": "stages"}}, "goes with gating.at: image; got 'stages'"),
        (SPEC, {"gating": {"random": 1.5}}, "share of the images in 0..1; got 1.5"),
        (SPEC, {"classifier": "vgg", "explainer": "backbone"}, "'vgg' is none; take `unet`"),
        (DataSpec(("cat", "fox"), 1, 18, 16), {"losses": ("label",)}, "multiples of 4 pixels; got 18x16"),
    ],
)
def test_what_does_not_fit_is_said(spec, changes, says):
    with pytest.raises(RecipeError, match=says):
        joint(spec, **changes)


def test_frozen_stages_give_what_the_whole_classifier_gives_and_never_learn():
    spec = DataSpec(("cat", "fox"), 3, 16, 16)
    system = Joint(spec, backbone=BackboneSettings("tiny", frozen_stages=2), explainer="none", losses=("label",))
    image = torch.rand(4, 3, 16, 16)
    classifier = system.learner(("classifier",)).eval()
    assert_close(classifier.from_activations(classifier.activations(image)).logits, classifier(image).logits)
    assert system.cacheable(("classifier",))
    assert not system.cacheable(("classifier", "explainer"))
    system.train()
    system.classifier.requires_grad_(True)
    stages = system.classifier.network.backbone.stages
    assert [any(p.requires_grad for p in stage.parameters()) for stage in stages] == [False, False, True]
    assert [stage[1].training for stage in stages] == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": BackboneSettings("tiny", frozen_stages=3)}, "frozen_stages: 0 to 2 of this backbone; got 3"),
        ({"backbone": BackboneSettings("vgg", frozen_stages=1)}, "joint freezes stages of a backbone"),
        (
            {"backbone": BackboneSettings("tiny", frozen_stages=1), "gating": GatingSettings(at="first")},
            "joint freezes stages of a backbone",
        ),
    ],
)
def test_stages_that_cannot_be_frozen_are_refused(arguments, message):
    with pytest.raises(RecipeError, match=message):
        Joint(DataSpec(("cat", "fox"), 3, 16, 16), **arguments)
