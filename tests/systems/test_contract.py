"""What every system must do, for every entry of `SYSTEMS`, and for more than one form where a system has several."""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load, save
from torch.testing import assert_close

from antehoc import task
from antehoc.cards import Card
from antehoc.doubts import DOUBTS
from antehoc.errors import DataError, RecipeError
from antehoc.explanations import AttributeScores, Explanation, from_plain, of_kind
from antehoc.schema import build as build_from
from antehoc.systems import SYSTEMS, System, Trainable
from antehoc.systems.settings import regrouped
from antehoc.training.phases import freeze, set_modes
from antehoc.types import Batch, DataSpec, Reason


class Form(NamedTuple):
    system: str
    data: str  # the fixture that gives the spec
    arguments: dict[str, Any]


PAPER = {"backbone": "paper-shapes", "mirror": "paper-shapes", "join": "concat", "head": "flatten"}
FORMS = {
    "mirror": Form("mirror", "tiny_spec", {"backbone": "tiny"}),
    "mirror-frozen": Form("mirror", "tiny_spec", {"backbone": "tiny", "frozen_stages": 1}),
    "mirror-paper": Form("mirror", "shapes_spec", PAPER | {"covariance": "class"}),
    "mirror-full": Form("mirror", "shapes_spec", {"backbone": "test_resnet", "mirror": "full", "join": "concat"}),
}
SEEN = {"filters": (4, 8), "losses": tuple(SYSTEMS["joint"].weights), "budget": (0.95, 1.0)}
NARROW = {"classifier": "resnet18", "gate_at": "blocks", "options": {"channels": (8, 8, 16, 16), "stem_width": 8}}
FORMS |= {
    "joint": Form("joint", "scene_spec", SEEN | {"classifier": "tiny"}),
    "joint-whole": Form("joint", "scene_spec", SEEN | {"classifier": "tiny", "gating": {"decides": "whole"}}),
    "joint-frozen": Form("joint", "scene_spec", SEEN | {"backbone": {"name": "tiny", "frozen_stages": 1}}),
    "joint-blocks": Form("joint", "scene_spec", SEEN | NARROW | {"gate": "tanh", "bias": 1.0}),
}
NEED_ATTRIBUTES = {"mirror"}
COUNT = 12


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


@pytest.fixture
def scene_spec() -> DataSpec:
    """Whether something is there, and where; 16x16 gray."""
    return DataSpec(("nothing", "fox"), 1, 16, 16, absent="nothing")


@pytest.fixture
def spec(form: Form, request: pytest.FixtureRequest) -> DataSpec:
    return request.getfixturevalue(form.data)


@pytest.fixture
def build(form: Form, spec: DataSpec) -> Callable[[], System[Any]]:
    kind = SYSTEMS[form.system]
    return lambda: build_from(kind, regrouped(form.arguments, kind.earlier), "here", spec=spec)


@pytest.fixture
def system(build: Callable[[], System[Any]]) -> System[Any]:
    torch.manual_seed(0)  # whatever ran before: some random weights leave a part without effect
    return build()


@pytest.fixture
def batch(spec: DataSpec) -> Batch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(COUNT, spec.channels, spec.height, spec.width, generator=generator)
    label = torch.arange(COUNT) % len(spec.classes)
    if not spec.attributes:
        mask = (torch.rand(COUNT, 1, spec.height, spec.width, generator=generator) < 0.3).float()
        return Batch(image, label, torch.zeros(COUNT, 0), mask=mask)
    shares = torch.tensor(spec.class_attributes)[label]
    return Batch(image, label, (torch.rand(shares.shape, generator=generator) < shares).float())


def parts_of(system: System[Any]) -> tuple[str, ...]:
    return tuple(name for name, part in system.named_children() if any(True for _ in part.parameters()))


def learn(system: System[Any], batch: Batch) -> System[Any]:
    """A few steps, so that weights, batch norms and doubts are no longer those that a constructor makes."""
    optimizer = torch.optim.SGD(system.parameters(), lr=0.01)
    for _ in range(3):
        terms = system.loss_terms(system.training_pass(batch.image), batch)
        optimizer.zero_grad()
        torch.stack([system.weights[name] * term for name, term in terms.items()]).sum().backward()
        optimizer.step()
    system.eval()
    with torch.no_grad():
        fit(system, looked(system, batch.image), batch.label)
    return system


def looked(system: System[Any], image: torch.Tensor) -> Any:
    """The output with its looks, as for a decision."""
    return system.look(image, system(image))


def fit(system: System[Any], output: Any, label: torch.Tensor) -> None:
    system.fit_doubts(system.doubt_features(output), label)


def everything(system: System[Any], image: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        output = looked(system, image)
        tensors = {name: value for name, value in output._asdict().items() if value is not None}
        return {**tensors, **{f"doubt {name}": doubt for name, doubt in system.all_doubts(output).items()}}


def same(one: Any, other: Any) -> bool:
    """Whether two outputs hold the same tensors, bit for bit."""
    return all((a is None and b is None) or a.equal(b) for a, b in zip(one, other, strict=True))


def test_every_system_stands_here():
    assert {form.system for form in FORMS.values()} == set(SYSTEMS)
    assert {name for name in FORMS if name in SYSTEMS} == set(SYSTEMS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_constructor_takes_the_spec_and_then_plain_values_by_keyword(name):
    first, *rest = inspect.signature(SYSTEMS[name]).parameters.values()
    assert first.annotation is DataSpec
    assert 0 < len(rest) <= 10, "more belong into groups"
    for parameter in rest:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        plain = isinstance(parameter.default, bool | int | float | str | tuple | None)
        assert plain or dataclasses.is_dataclass(parameter.default), parameter.name


def test_a_system_that_looks_again_caches_no_activations(system):
    # a cache holds no images, so there would be nothing to look at
    if type(system).look is not System.look:
        learners = {name: system.learner((name,)) for name in parts_of(system) if system.cacheable((name,))}
        assert all(type(learner).look is Trainable.look for learner in learners.values())


@pytest.mark.parametrize("name", sorted(NEED_ATTRIBUTES))
def test_a_system_that_needs_attributes_says_so(name):
    with pytest.raises(RecipeError, match="attributes"):
        SYSTEMS[name](DataSpec(("cat", "fox"), 1, 16, 16))


def test_a_system_keeps_its_spec_and_shows_its_card(system, spec):
    assert system.spec is spec
    assert isinstance(system.card, Card)
    assert all(vars(system.card).values()), "no line of the card is empty"


def test_every_loss_term_has_a_default_weight_and_reaches_parameters(system, batch):
    terms = system.loss_terms(system.training_pass(batch.image), batch)
    assert set(terms) == set(system.weights)
    reached = set()
    for name, term in terms.items():
        assert term.shape == ()
        assert term.isfinite()
        system.zero_grad()
        term.backward(retain_graph=True)
        moved = {key for key, p in system.named_parameters() if p.grad is not None and p.grad.any()}
        assert moved, f"{name} teaches nothing"
        reached |= moved
    # a convolution's bias that a batch norm takes out again gets a gradient of 0, so parts are asked, not parameters
    parts = {".".join(key.split(".")[:2]) for key, _ in system.named_parameters()}
    assert {".".join(key.split(".")[:2]) for key in reached} == parts


def test_loss_terms_are_raw(system, batch, monkeypatch):
    output = looked(system.eval(), batch.image)
    before = system.loss_terms(output, batch)
    monkeypatch.setattr(type(system), "weights", dict.fromkeys(system.weights, 7.0))
    after = system.loss_terms(output, batch)
    assert all(before[name].equal(after[name]) for name in before)


def test_every_part_has_a_learner_that_trains_it(system, batch):
    assert system.learner(parts_of(system)) is system
    for name in parts_of(system):
        learner = system.learner((name,))
        assert isinstance(learner, Trainable)
        system.zero_grad()
        terms = learner.loss_terms(learner.training_pass(batch.image), batch)
        assert set(terms) <= set(learner.weights)
        torch.stack(list(terms.values())).sum().backward()
        assert any(p.grad is not None and p.grad.any() for p in getattr(system, name).parameters())


def test_a_learner_is_a_part_of_its_system_that_decides_the_same(system, batch):
    system.eval()
    for name in parts_of(system):
        if name == "classifier":
            continue  # of `joint`: alone it sees the whole image
        with torch.no_grad():
            assert system.learner((name,))(batch.image).logits.equal(system(batch.image).logits)


def test_scores_are_shares_of_what_is_right(system, batch, spec):
    system.eval()
    with torch.no_grad():
        output = system(batch.image)
        predicted = system.predicted(output)
        scores = system.scores(output, batch._replace(label=predicted))
        worst = system.scores(output, batch._replace(label=(predicted + 1) % len(spec.classes)))
    assert (scores["accuracy"], worst["accuracy"]) == (1, 0)
    for name, score in scores.items():
        assert score.shape == (), name
        assert 0 <= score <= 1, name


def test_the_columns_keep_a_row_per_image(system, batch):
    with torch.no_grad():
        rows = system.eval().columns(system(batch.image))
    assert rows
    assert all(len(column) == COUNT and column.isfinite().all() for column in rows.values())


def test_a_batch_and_its_images_one_by_one_agree(system, batch):
    learn(system, batch)
    together = everything(system, batch.image)
    alone = [everything(system, image[None]) for image in batch.image]
    for name, value in together.items():
        # a batch is summed in another order than one image: single precision keeps some five digits through a network
        assert_close(
            torch.cat([one[name] for one in alone]), value, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_forward_is_its_two_halves(system, batch):
    system.eval()
    with torch.no_grad():
        activations = system.activations(batch.image)
        assert all(len(activation) == COUNT for activation in activations), "the batch comes first"
        halves, whole = system.from_activations(activations), system(batch.image)
    assert whole._fields == halves._fields
    assert same(whole, halves)


def test_activations_can_be_cached_row_by_row(system, batch):
    system.eval()
    order = torch.arange(COUNT).flip(0)
    with torch.no_grad():
        cached = system.activations(batch.image)
        shuffled = system.from_activations(tuple(activation[order] for activation in cached))
        assert_close(shuffled.logits, system(batch.image).logits[order])


def test_as_a_classifier_it_gives_the_logits(system, batch, spec):
    classifier = system.as_classifier().eval()
    with torch.no_grad():
        logits = classifier(batch.image)
        assert logits.equal(system(batch.image).logits)
    assert logits.shape == (COUNT, len(spec.classes))
    assert not system.training, "it is the same model, not a copy"


def test_saved_and_loaded_it_decides_the_same_bit_for_bit(system, build, batch):
    before = everything(learn(system, batch), batch.image)
    other = build().eval()
    fresh = everything(other, batch.image)
    assert not fresh["logits"].equal(before["logits"])
    other.load_state_dict(load(save({key: value.contiguous() for key, value in system.state_dict().items()})))
    after = everything(other, batch.image)
    assert [name for name in before if not before[name].equal(after[name])] == []


def test_doubts_are_one_finite_number_per_image(system, batch):
    for stage in (system.eval(), learn(system.train(), batch)):
        with torch.no_grad():
            doubts = stage.all_doubts(looked(stage, batch.image))
        assert doubts
        assert set(doubts) <= set(DOUBTS), "each has its code and its sentence"
        for name, doubt in doubts.items():
            assert doubt.shape == (COUNT,), name
            assert doubt.isfinite().all(), name
    # noise, white and black: whatever comes in, a number comes out
    extremes = torch.stack([torch.rand_like(batch.image[0]), batch.image[0] * 0, batch.image[0] * 0 + 1])
    assert all(doubt.isfinite().all() for doubt in system.all_doubts(looked(system, extremes)).values())


def test_fitting_the_doubts_leaves_the_decision_alone(system, batch):
    system.eval()
    with torch.no_grad():
        before = system(batch.image)
        weights = [parameter.clone() for parameter in system.parameters()]
        fit(system, before, batch.label)
        after = system(batch.image)
    assert same(before, after)
    assert all(a.equal(b) for a, b in zip(weights, system.parameters(), strict=True))


def test_every_image_has_explanations_and_reasons(system, batch, spec):
    learn(system, batch)
    with torch.no_grad():
        output = looked(system, batch.image)
    explanations, reasons = system.explain(output), system.reasons(output)
    assert len(explanations) == len(reasons) == COUNT
    for own in explanations:
        assert own
        for one in own:
            assert isinstance(one, Explanation)
            assert from_plain(one.to_plain(), "here") == one
            assert one.blocks(spec, spec.classes[0])
            assert all(values.shape == (spec.height, spec.width) for values in one.maps().values())
    for found, number in zip(reasons, system.predicted(output).tolist(), strict=True):
        assert set(found) <= {number}
        for reason in found.get(number, []):
            assert isinstance(reason, Reason)
            assert reason.text
            assert reason.attribute is None or reason.attribute in spec.attributes


def test_attributes_are_probabilities_that_respect_exclusive_groups(system, batch, spec):
    with torch.no_grad():
        found = [of_kind(own, AttributeScores) for own in system.eval().explain(system(batch.image))]
    for one in filter(None, found):
        assert one.names == spec.attributes
        assert all(0 <= probability <= 1 for probability in one.probabilities)
        for group in spec.exclusive:
            assert math.isclose(sum(one.probabilities[member] for member in group), 1, rel_tol=1e-5)


def test_reconsidered_the_same_explanations_say_the_same(system, batch, spec):
    learn(system, batch)
    with torch.no_grad():
        output = looked(system, batch.image)
        explained, predicted = system.explain(output), system.predicted(output)
        if not spec.attributes:
            with pytest.raises(DataError, match="cannot be corrected"):
                system.reconsider(explained, predicted)
            return
        again, doubts = system.reconsider(explained, predicted), system.doubts(output)
    assert again.doubts
    for name, doubt in again.doubts.items():
        # an explanation holds the probabilities as Python's numbers, in which single precision is exact
        assert_close(doubt, doubts[name])
    assert again.reasons == system.reasons(output)
    assert_close(again.by_explanation.sum(1), torch.ones(COUNT))
    assert_close(again.by_explanation, system.by_explanation(output))


def test_a_system_refuses_outputs_that_do_not_line_up(system, batch):
    output = looked(system.eval(), batch.image)
    with pytest.raises(TypeError):  # one image short
        system.all_doubts(output._replace(logits=output.logits[:-1]))
    with pytest.raises(TypeError):  # one image, which would broadcast without a word
        system.all_doubts(output._replace(logits=output.logits[:1]))


def test_no_graph_runs_through_what_is_frozen(system, batch):
    every = parts_of(system)
    cached = [parts for parts in ((name,) for name in every) if system.cacheable(parts)]
    assert cached or not system.cacheable(every)
    for parts in (*cached, every):
        freeze(system, parts)
        set_modes(system, parts)
        learner = system.learner(parts)
        activations = learner.activations(batch.image)
        learns = any(activation.requires_grad or activation.grad_fn for activation in activations)
        assert learns != system.cacheable(parts) or activations[0] is batch.image
        system.zero_grad()
        terms = learner.loss_terms(
            learner.from_activations(activations) if system.cacheable(parts) else learner.training_pass(batch.image),
            batch,
        )
        torch.stack([term for term in terms.values() if term.requires_grad]).sum().backward()
        assert {p.requires_grad for p in system.parameters() if p.grad is not None} == {True}


def test_depths_count_back_from_the_head(system):
    depths = {name: system.depth(name) for name, _ in system.named_parameters()}
    assert set(depths.values()) == set(range(max(depths.values()) + 1)), "no stage is left out"


def test_forward_and_doubts_leave_a_model_in_eval_mode_as_it_was(system, batch):
    learn(system, batch)
    before = {key: value.clone() for key, value in system.state_dict().items()}
    everything(system, batch.image)
    assert all(value.equal(before[key]) for key, value in system.state_dict().items())


class Graph(torch.nn.Module):
    """Decision, explanation and doubts of a system as one graph of tensors."""

    def __init__(self, system: System[Any]) -> None:
        super().__init__()
        self.system = system

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        output = looked(self.system, image)
        tensors = {name: value for name, value in output._asdict().items() if value is not None}
        shares = task.probabilities(self.system.spec.task, output.logits)
        return {
            **tensors,
            "probabilities": shares,
            **self.system.columns(output),
            **{f"doubt {name}": doubt for name, doubt in self.system.all_doubts(output).items()},
        }


def test_decision_explanation_and_doubts_export_with_any_batch_size(system, batch):
    graph = Graph(learn(system, batch)).eval()
    output = looked(system, batch.image)
    system.training_images.fit(system.dense(output)[0], batch.label)
    assert {"doubt neighbors", "doubt knn"} <= set(graph(batch.image))
    free = ({0: torch.export.Dim("batch", min=1, max=64)},)
    exported = torch.export.export(graph, (batch.image[:3],), dynamic_shapes=free).module()
    for count in (1, 4, COUNT):
        with torch.no_grad():
            eager, traced = graph(batch.image[:count]), exported(batch.image[:count])
        assert set(traced) == set(eager)
        for name, value in eager.items():
            # fused steps may round otherwise; a fixed batch size would change whole rows
            assert_close(traced[name], value, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
