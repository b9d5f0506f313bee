"""Every explanation on one table: measured as by hand, invalid ones named, ranks that say how sure they are."""

import json
import math
from typing import ClassVar, NamedTuple

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from antehoc.comparison import OWN, Comparison, Row, compare
from antehoc.data import Preprocessing
from antehoc.data.examples import Tensors
from antehoc.errors import DataError, RecipeError
from antehoc.metrics import COMPARED, faithfulness, placement
from antehoc.model import Model
from antehoc.systems import Joint, Mirror, System
from antehoc.systems.joint.settings import ExplainerSettings
from antehoc.types import DataSpec

SIDE = 28
METHODS = ("saliency", "input-x-gradient")


class Patch(nn.Module):
    """Two classes by the brightness of one square, which is all that it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(8.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.weight * (images[:, :, 8:16, 4:12].mean((1, 2, 3)) - 0.3)
        return torch.stack([seen, -seen], 1)


class Labelled(System):
    """Several labels by the brightness of the same square, without an explanation of its own."""

    weights: ClassVar = {}
    card: ClassVar = Mirror.card

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec, self.patch = spec, Patch()

    def forward(self, image):
        return Decided(self.patch(image))

    def loss_terms(self, output, batch):
        return {}

    def scores(self, output, batch):
        return {}

    def explain(self, output):
        return [()] * len(output.logits)

    def doubts(self, output):
        return {}


class Decided(NamedTuple):
    logits: torch.Tensor


def where(count: int) -> torch.Tensor:
    """The square that `Patch` reads; the last image has none."""
    mask = torch.zeros(count, 1, SIDE, SIDE, dtype=torch.uint8)
    mask[:-1, :, 8:16, 4:12] = 255
    return mask


def square(images: torch.Tensor) -> torch.Tensor:
    return where(len(images) + 1)[:-1].float() / 255


def examples(count: int = 6) -> Tensors:
    image = torch.randint(256, (count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Tensors(image, masks=where(count))


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(Patch(), examples(), methods=METHODS, own=square, chunk=4)


def row(found: Comparison, name: str) -> Row:
    return next(one for one in found.rows if one.name == name)


def test_every_row_has_every_measure_in_order_of_its_kind(found):
    names = [one.name for one in found.rows]
    assert names[:3] == [OWN, *METHODS]
    assert set(names[3:]) == {"ones", "zeros", "box", "gaussian", "random", "edges", "perfect"}
    assert [one.kind for one in found.rows[:3]] == ["own", "post hoc", "post hoc"]
    assert all(list(one.values) == list(COMPARED) for one in found.rows)
    assert (found.images, found.with_object) == (6, 5)


def test_figures_are_those_of_the_measures_called_by_themselves(found):
    images = examples().images(range(6))
    target = Patch()(images).argmax(1)
    curve = faithfulness.morf(Patch(), images, square(images), target, patch=1 / 7, perturbation="blur")
    assert row(found, OWN).values["aopc_coarse_blur"].estimate == pytest.approx(float(faithfulness.aopc(curve).mean()))
    assert_close(torch.tensor(found.curves["aopc_coarse_blur"][OWN]).double(), curve.mean(0))
    assert row(found, OWN).values["gini"].estimate == pytest.approx(float(placement.gini(square(images)).mean()))


def test_a_mask_where_the_evidence_is_is_perfectly_placed_and_beats_what_is_not(found):
    for name in (OWN, "perfect"):
        values = row(found, name).values
        assert [values[key].estimate for key in ("pointing", "energy", "iou", "pompom")] == [1, 1, 1, 0]
    assert found.ranks["energy"][OWN].place == 1
    assert row(found, OWN).values["deletion"].high < row(found, "box").values["deletion"].low
    random = row(found, "random").values["energy"]
    assert random.low <= random.estimate <= random.high
    assert random.estimate == pytest.approx(64 / SIDE**2, abs=0.02)  # the square's share of the image


def test_costs_are_told_of_what_was_run_and_controls_have_none(found):
    saliency = row(found, "saliency")
    assert (saliency.forward, saliency.backward) == (1, 1)
    assert saliency.milliseconds > 0
    assert saliency.peak_mib >= SIDE**2 * 4 / 2**20  # the map, at the least
    assert row(found, "ones").milliseconds is None


def test_no_figure_depends_on_the_chunk_and_the_classifier_comes_back_as_it_was(found):
    classifier = Patch().train()
    again = compare(classifier, examples(), methods=METHODS, own=square, chunk=1)
    assert classifier.training
    assert classifier.weight.requires_grad
    for one, other in zip(found.rows, again.rows, strict=True):
        for name in COMPARED:  # a batch is summed in another order
            assert one.values[name].estimate == pytest.approx(other.values[name].estimate, abs=1e-5, nan_ok=True)


def test_controls_take_no_rank_and_equal_rows_share_a_place(found):
    assert set(found.ranks["energy"]) == {OWN, *METHODS}
    places = [found.ranks["energy"][name].place for name in (OWN, *METHODS)]
    assert places == [1, 1, 1]  # neither method shows anything outside the square
    assert found.best("gini", "control").name in ("perfect", "edges")
    assert found.best("deletion") is not None


def test_the_grid_holds_aopc_by_every_published_patch_and_perturbation(found):
    assert found.grid == {}
    assert "aopc_grid" not in found.to_plain()
    asked = compare(Patch(), examples(), methods=METHODS, own=square, chunk=4, grid=True)
    assert len(asked.grid) == 5 * 4
    assert all(list(own) == [OWN, *METHODS, "random"] for own in asked.grid.values())
    assert asked.grid["blur 1/7"][OWN] == pytest.approx(row(found, OWN).values["aopc_coarse_blur"].estimate)
    assert asked.grid["gray 1/14"]["random"] == pytest.approx(row(found, "random").values["aopc_fine_gray"].estimate)
    assert asked.grid["black 1/14"][OWN] > asked.grid["black 1/14"]["random"]
    assert asked.to_plain()["aopc_grid"] == asked.grid


def test_what_is_invalid_is_measured_by_nothing_ranked_nowhere_shown_never_and_named():
    class Flat(Patch):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) * 0 + torch.tensor([1.0, 0.0])

    none = lambda images: images[:, :1] * torch.nan  # noqa: E731
    found = compare(Flat(), examples(3), methods=("saliency",), own=none, grid=True)
    for name in ("saliency", OWN):
        flat = row(found, name)
        assert flat.valid == 0
        assert all(math.isnan(value.estimate) for value in flat.values.values())
        assert found.sheet.maps[name] == (None,) * 3
        assert flat.why == found.sheet.why[name][0] != ""
        assert not any(name in ranks for ranks in found.ranks.values())
        assert any(note.startswith(f"{name}: 3 of 3 maps are invalid: ") for note in found.notes)
    assert found.best("deletion") is None
    assert all(list(own) == ["random"] for own in found.grid.values())
    json.dumps(found.to_plain(), allow_nan=False)


def test_where_the_own_mask_shows_nothing_no_row_is_measured():
    def shy(images: torch.Tensor) -> torch.Tensor:
        return square(images) * (torch.arange(len(images)) < 4)[:, None, None, None]

    found = compare(Patch(), examples(6), methods=METHODS, own=shy, chunk=6)
    four = examples(6).select(range(4))
    alone = compare(Patch(), four, methods=METHODS, own=square, chunk=6)
    assert row(found, OWN).valid == pytest.approx(4 / 6)
    for name in ("aopc_fine_gray", "deletion", "energy", "gini"):
        for one in (OWN, *METHODS, "box"):
            expected = row(alone, one).values[name].estimate
            assert row(found, one).values[name].estimate == pytest.approx(expected, abs=1e-6), (name, one)
    assert "all rows are measured on the 4 images whose own mask is valid" in found.notes


def test_a_method_that_cannot_be_used_is_a_row_that_says_why():
    found = compare(Patch(), examples(2), methods=("grad-cam", "saliency"))  # Patch has no feature maps
    assert row(found, "grad-cam").valid == 0
    assert row(found, "grad-cam").why.endswith(".")
    assert row(found, "grad-cam").milliseconds is None
    assert row(found, "saliency").valid == 1


def test_without_object_masks_the_placement_is_left_open_and_said():
    plain = Tensors(examples().image)
    found = compare(Patch(), plain, methods=("saliency",))
    assert math.isnan(row(found, "saliency").values["pointing"].estimate)
    assert found.with_object == 0
    assert found.sheet.mask is None
    assert "no image says where its object is" in found.notes[-1]
    assert "perfect" not in found.sheet.maps


def test_a_count_draws_images_by_the_seed():
    shown = [compare(Patch(), examples(), methods=(), count=2, seed=seed).sheet.image for seed in (0, 0, 1)]
    assert shown[0].shape == (2, 1, SIDE, SIDE)
    assert shown[0].equal(shown[1])
    assert not shown[0].equal(shown[2])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"methods": ("salency",)}, RecipeError, "no post-hoc method is called 'salency'. Did you mean 'saliency'?"),
        ({"count": 0}, RecipeError, "--count and --chunk must be 1 or more; got 0 and 16."),
        ({"chunk": 0}, RecipeError, "--count and --chunk must be 1 or more; got 32 and 0."),
    ],
)
def test_what_cannot_be_is_refused(options, error, said):
    with pytest.raises(error) as caught:
        compare(Patch(), examples(), **options)
    assert str(caught.value).startswith(said)
    with pytest.raises(DataError, match="one image or more"):
        compare(Patch(), examples(2).select([]), methods=())


def test_a_model_brings_its_own_mask_if_it_has_one(tiny_spec):
    torch.manual_seed(0)
    images = Tensors(torch.randint(256, (2, 3, 16, 20)).to(torch.uint8))
    for system, has in (
        (Joint(tiny_spec, backbone="tiny", explainer=ExplainerSettings(filters=(4, 8))), True),
        (Mirror(tiny_spec), False),
    ):
        model = Model(system.eval(), {"name": "any"}, Preprocessing(3, 16, 20))
        found = compare(model, images, methods=())
        assert (found.rows[0].name == OWN) == has
        assert set(found.sheet.explained) <= set(tiny_spec.classes)
        if has:
            wanted = system(found.sheet.image).mask[:, 0]
            assert_close(torch.stack(found.sheet.maps[OWN]), wanted, atol=1e-5, rtol=0)


def test_the_class_with_the_highest_logit_is_explained_where_labels_are_several():
    spec = DataSpec(("light", "dark"), 1, SIDE, SIDE, task="multi-label")
    found = compare(Model(Labelled(spec), {"name": "any"}, Preprocessing(1, SIDE, SIDE)), examples(), methods=METHODS)
    logits = Patch()(examples().images(range(6))).detach()
    assert found.sheet.explained == tuple(spec.classes[number] for number in logits.argmax(1)[:4])
    # both labels have a sigmoid: the probability that falls is that of the explained label alone
    assert found.curves["deletion"]["saliency"][0] == pytest.approx(float(logits.amax(1).sigmoid().mean()))
