"""Studies of models whose answer is known: some repeat the class, some read one place, some read colour alone."""

import dataclasses
import json
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from antehoc import questions
from antehoc.calibration import Policy
from antehoc.data.examples import Files
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError, RecipeError
from antehoc.model import Model
from antehoc.studies import MEANINGS, background, deciding_attributes, leakage, repeated_calibration
from antehoc.systems import Mirror, Reconsidered, System
from antehoc.types import AttributeScores, Card, DataSpec

SIDE = 24
SIZE = Preprocessing(3, SIDE, SIDE)
Read = Callable[[torch.Tensor], torch.Tensor]


class Wired(System):
    """A system whose logits and attribute probabilities are given functions of the image."""

    weights: ClassVar = {}
    card: ClassVar[Card] = Mirror.card

    def __init__(self, spec: DataSpec, logits: Read, seen: Read | None) -> None:
        super().__init__()
        self.spec, self._logits, self._seen, self.place = spec, logits, seen, nn.Parameter(torch.zeros(1))

    def activations(self, image):
        return (image,)

    def from_activations(self, activations):
        return Decided(self._logits(activations[0]), activations[0])

    def table(self, output):
        return {"attributes": self._seen(output.image)} if self._seen else {}

    def doubts(self, output):
        return {"softmax": questions.maximum_softmax(output.logits)}

    def explain(self, output):
        return [AttributeScores(self.spec.attributes, tuple(row)) for row in self._seen(output.image).tolist()]

    def reconsider(self, explanans, predicted):
        return Reconsidered({}, torch.zeros(len(predicted), 0), [([], []) for _ in predicted])

    def cacheable(self, parts):
        return False

    def loss_terms(self, output, batch):
        return {}

    def scores(self, output, batch):
        return {}

    def learner(self, parts):
        return self

    def begin_phase(self, parts):
        pass

    def fit_doubts(self, output, label):
        pass


@dataclasses.dataclass
class Decided:
    logits: torch.Tensor
    image: torch.Tensor


OWN = ((1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0))
NAMES = ("has_bill_shape::hooked", "has_wing_pattern::striped", "has_primary_color::red")
SPEC = DataSpec(("auk", "coot", "dove"), 3, SIDE, SIDE, NAMES, OWN)


def wired(logits: Read, seen: Read | None, spec: DataSpec = SPEC) -> Model:
    return Model(Wired(spec, logits, seen), {"name": "wired"}, SIZE)


def files(folder, pictures: np.ndarray, labels: list[int], **more) -> Files:
    """Pictures (n, SIDE, SIDE, 3) written as PNG: they pass the preprocessing bit for bit."""
    paths = [folder / f"{number}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture.astype(np.uint8)).save(path)
    labels = torch.tensor(labels)
    more.setdefault("attributes", torch.tensor(OWN)[labels])
    return Files(paths, SIZE, labels, **more)


def codes(*channels: list[int]) -> np.ndarray:
    """Plain pictures whose channels hold numbers; a `Wired` reads them back with `number`."""
    return np.stack(channels, 1)[:, None, None, :].repeat(SIDE, 1).repeat(SIDE, 2)


def number(image: torch.Tensor, channel: int) -> torch.Tensor:
    return (image[:, channel, 0, 0] * 255).round().long()


def decide_by(channel: int, sure: float = 50.0) -> Read:
    return lambda image: sure * nn.functional.one_hot(number(image, channel) % 3, 3).float()


TRUE, DECIDED = [0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 0]


@pytest.fixture
def half_wrong(tmp_path) -> Files:
    """Red holds the class that will be decided, green the true one."""
    return files(tmp_path, codes(DECIDED, TRUE, [0] * 6), TRUE)


def test_a_mirror_that_repeats_the_class_is_found_out(half_wrong):
    decide = decide_by(0, sure=3.0)
    model = wired(decide, lambda image: decide(image).softmax(1) @ torch.tensor(OWN))
    found = leakage(model, half_wrong, seed=0)
    assert (found.images, found.wrong, found.bits) == (6, 3, 6)
    assert found.follows_decided == found.follows_decided_by_repeating == 1
    assert found.follows_decided_interval == (1, 1)
    assert found.follows_true == 0
    assert found.repeated == pytest.approx(1)
    assert found.within_class == pytest.approx(found.within_class_by_repeating) != 0


def test_a_mirror_that_sees_the_true_attributes_is_believed(half_wrong):
    found = leakage(wired(decide_by(0), lambda image: torch.tensor(OWN)[number(image, 1)]), half_wrong, seed=0)
    assert (found.follows_decided, found.follows_true) == (0, 1)
    assert found.follows_decided_by_repeating == 1
    # each of the three wrong pairs differs in two bits; the decided class lacks just one of them
    assert found.follows_decided_by_absence == 0.5
    assert found.within_class == 0 < found.within_class_by_repeating
    # by hand: each attribute's true and decided bits agree with covariance 0 over the six images
    bits = np.array(OWN)
    by_hand = [np.corrcoef(bits[TRUE, i], bits[DECIDED, i])[0, 1] ** 2 for i in range(3)]
    assert found.repeated == pytest.approx(np.mean(by_hand), abs=1e-9)


def test_shares_that_are_neither_have_an_interval_over_images(tmp_path):
    # twenty wrong images with two bits each: fifteen follow the decision, five the truth
    believed = [0] * 15 + [1] * 5
    test = files(tmp_path, codes([1] * 20, believed, [0] * 20), [0] * 20)

    def seen(image):
        return torch.where(number(image, 1)[:, None] == 0, torch.tensor(OWN[1]), torch.tensor(OWN[0]))

    found = leakage(wired(decide_by(0), seen), test, seed=0)
    assert found.follows_decided == 0.75
    low, high = found.follows_decided_interval
    # two bits of an image come together: the error is that of 20 images, sqrt(.75 * .25 / 20) = .097, not of 40 bits
    assert 0.14 < 0.75 - low < 0.25
    assert 0.14 < high - 0.75 < 0.25


def test_variance_within_a_class_by_hand(tmp_path):
    # attribute 0 is 0, .2 in class 0 and .8, 1 in class 1: .04 of .68 about the means; the others never vary
    test = files(tmp_path, codes([0, 51, 204, 255], [0, 0, 1, 1], [0] * 4), [0, 0, 1, 1])

    def seen(image):
        return torch.stack([image[:, 0, 0, 0], torch.ones(len(image)), torch.zeros(len(image))], 1)

    found = leakage(wired(decide_by(1), seen), test, seed=0)
    assert found.within_class == pytest.approx(0.04 / 0.68)
    assert found.repeated == pytest.approx(1 - 0.04 / 0.68), "the decided class explains what lies between the classes"
    assert found.within_class_by_repeating == pytest.approx(0, abs=1e-9)
    assert (found.wrong, found.bits, found.follows_decided, found.follows_true) == (0, 0, None, None)
    assert "undefined" in found.summary()


def redness(image: torch.Tensor) -> torch.Tensor:
    return (image[:, 0] - image[:, 2]).clamp(min=0).mean((1, 2))


def shape(image: torch.Tensor) -> torch.Tensor:
    return (image.amax(1) > 0.2).float().mean((1, 2))


def test_colour_edits_change_what_reads_colour_alone(tmp_path):
    pictures = np.zeros((4, SIDE, SIDE, 3))
    for index, width in enumerate((4, 8, 12, 16)):
        pictures[index, :, :width] = (255, 102, 51)
    test = files(tmp_path, pictures, [0] * 4)
    model = wired(
        lambda image: torch.stack([redness(image), 0.01 + 0 * redness(image), -redness(image)], 1),
        lambda image: torch.stack([shape(image), shape(image) ** 2, redness(image)], 1),
    )
    hue, grey = leakage(model, test, seed=0).edits
    share = np.mean([4, 8, 12, 16]) / SIDE
    for edit in (hue, grey):
        assert edit.images == 4
        assert edit.named == pytest.approx(share * 204 / 255, abs=1e-6), "no red is left of orange"
        assert edit.others == 0
        assert edit.named_minus_others[0] > 0.1
        assert edit.decisions_changed == 1, "the class hung on redness too"


def test_where_no_colour_is_named_or_none_is_there_nothing_is_edited(tmp_path, half_wrong):
    spec = dataclasses.replace(SPEC, attributes=("has_bill_shape::hooked", "has_colored::no", "tall"))
    assert leakage(wired(decide_by(0), lambda image: image[:, :, 0, 0], spec), half_wrong, seed=0).edits == ()


def bill_seen(image: torch.Tensor) -> torch.Tensor:
    return image[:, 2, :12, :12].amax((1, 2))


def wing_seen(image: torch.Tensor) -> torch.Tensor:
    return image[:, 2, 12:, 12:].amax((1, 2))


BLUE = [250, 220, 190, 160, 130, 100]


def a_bird(folder, without_bill: tuple[int, ...] = ()) -> Files:
    """Blue at the bill and the wings, black elsewhere; each image has its own blue and its own place of the bill."""
    pictures = np.zeros((6, SIDE, SIDE, 3))
    parts = torch.tensor([[(3 + index, 5, 1), (18, 16, 1), (16, 18, 1)] for index in range(6)]).float()
    for picture, places, blue in zip(pictures, parts.long().tolist(), BLUE, strict=True):
        for x, y, _ in places:
            picture[y - 1 : y + 2, x - 1 : x + 2, 2] = blue
    parts[list(without_bill), 0] = 0
    boxes = torch.tensor([[0.0, 0.0, SIDE, SIDE]]).repeat(6, 1)
    names = ("beak", "left wing", "right wing")
    return files(folder, pictures, [0] * 6, boxes=boxes, parts=parts, part_names=names)


def test_hiding_a_part_changes_what_is_read_there_and_the_control_does_not(tmp_path):
    def seen(image):
        return torch.stack([bill_seen(image), wing_seen(image), 0.5 * torch.ones(len(image))], 1)

    found = leakage(wired(decide_by(0), seen), a_bird(tmp_path, without_bill=(1, 4)), seed=0)
    bill, wing = found.parts
    assert (bill.part, bill.hidden.images, bill.control.images) == ("beak", 4, 4), "only where it is visible"
    assert (wing.part, wing.hidden.images) == ("wing", 6), "both wings at once"
    # 26 of 576 pixels are blue (the wings share one): the mean colour is .045 of the blue, to the nearest 1/255
    for row, shown in ((bill, [0, 2, 3, 5]), (wing, range(6))):
        blue = np.array(BLUE)[list(shown)]
        assert row.hidden.named == pytest.approx(np.mean(blue - np.rint(blue * 26 / 576)) / 255, abs=1e-6)
        assert row.hidden.others == row.control.named == row.control.others == 0
        assert row.beyond == pytest.approx(row.hidden.named)
        assert row.beyond_interval[0] > 0.3


def test_a_mirror_that_reads_another_place_does_not_pass_for_one_that_sees_the_part(tmp_path):
    def seen(image):
        return torch.stack([wing_seen(image), bill_seen(image), wing_seen(image)], 1)  # the wrong way round

    for row in leakage(wired(decide_by(0), seen), a_bird(tmp_path), seed=0).parts:
        assert row.hidden.named == 0 < row.hidden.others
        assert row.beyond <= 0


def test_without_parts_or_without_room_for_a_control_no_part_is_hidden(tmp_path, half_wrong):
    model = wired(decide_by(0), lambda image: image[:, :, 0, 0])
    assert leakage(model, half_wrong, seed=0).parts == ()
    assert leakage(model, a_bird(tmp_path), seed=0, radius=2.0).parts == ()


def test_what_the_background_tells_is_told_from_what_the_object_tells(tmp_path):
    # the object (red) says the class and attribute 0, its surroundings (blue) attribute 1; all images have attribute 2
    labels = [0, 1] * 8
    around = [0, 0, 1, 1] * 4
    pictures = np.zeros((16, SIDE, SIDE, 3))
    for index, (label, blue) in enumerate(zip(labels, around, strict=True)):
        pictures[index, :, :, 2] = 200 * blue
        pictures[index, 8:16, 8:16] = (200 * label, 0, 100)
    attributes = torch.tensor([labels, around, [1] * 16]).T.float()
    boxes = torch.tensor([[7.7, 8.2, 16.0, 15.8]]).repeat(16, 1)
    test = files(tmp_path, pictures, labels, boxes=boxes, attributes=attributes)

    def seen(image):
        return torch.stack([image[:, 0, 12, 12], image[:, 2, 0, 0], image[:, 0, 12, 12]], 1)

    model = wired(
        lambda image: torch.stack([0.5 - image[:, 0, 12, 12], image[:, 0, 12, 12], 0 * image[:, 0, 0, 0]], 1), seen
    )
    found = background(model, test, seed=0)
    assert (found.images, found.accuracy, found.accuracy_object_only) == (16, 1, 1)
    assert found.accuracy_background_only == 0.5
    rows = {row.attribute: row for row in found.readings}
    object_, surroundings, constant = (rows[name] for name in NAMES)
    assert found.readings[0] is surroundings
    precision = ("average precision", 0.5)  # all images tie at chance where the place that is read is covered
    assert dataclasses.astuple(surroundings)[1:] == (*precision, 1.0, 0.5, 1.0, 1.0)
    assert dataclasses.astuple(object_)[1:] == (*precision, 1.0, 1.0, 0.5, 0.0)
    assert dataclasses.astuple(constant)[1:] == ("correlation", 0, pytest.approx(1), pytest.approx(1), None, None)
    assert NAMES[1] in found.summary()


def test_the_background_study_needs_boxes(half_wrong):
    with pytest.raises(DataError, match="needs the object's box"):
        background(wired(decide_by(0), lambda image: image[:, :, 0, 0]), half_wrong, seed=0)


def test_attributes_that_decide_add_up_to_the_likelihood_ratio(tmp_path):
    rng = np.random.default_rng(0)
    labels = [0, 1, 2, 0, 1, 0]
    test = files(tmp_path, codes(*rng.integers(10, 245, (3, 6))), labels)
    found = deciding_attributes(wired(decide_by(0), lambda image: image[:, :, 0, 0]), test, "auk", "coot")
    assert found.images == (3, 2)
    seen = test.images(range(6))[:, :, 0, 0]
    fit = questions.log_likelihood(seen, torch.tensor(OWN))
    true = [torch.tensor(labels) == label for label in (0, 1)]
    ratios = [(fit[true[0], 0] - fit[true[0], 1]).mean(), (fit[true[1], 1] - fit[true[1], 0]).mean()]
    assert sum(row.on_a for row in found.contributions) == pytest.approx(float(ratios[0]), abs=1e-5)
    assert sum(row.on_b for row in found.contributions) == pytest.approx(float(ratios[1]), abs=1e-5)
    row = next(row for row in found.contributions if row.attribute == NAMES[1])  # auk has it not, coot has it
    assert row.on_a == pytest.approx(float(-seen[true[0], 1].logit().mean()), abs=1e-5)
    assert row.on_b == pytest.approx(float(seen[true[1], 1].logit().mean()), abs=1e-5)
    means = [row.mean for row in found.contributions]
    assert means == sorted(means, reverse=True)
    assert next(row.mean for row in found.contributions if row.attribute == NAMES[2]) == 0, "both classes have it"


def test_classes_that_cannot_be_set_apart_are_refused(tmp_path):
    test = files(tmp_path, codes([0, 1], [0, 1], [0, 1]), [0, 1])
    model = wired(decide_by(0), lambda image: image[:, :, 0, 0])
    with pytest.raises(RecipeError, match="two different classes"):
        deciding_attributes(model, test, "auk", "auk")
    with pytest.raises(RecipeError, match="Did you mean 'auk'"):
        deciding_attributes(model, test, "auks", "coot")
    with pytest.raises(DataError, match="'dove' has no test image"):
        deciding_attributes(model, test, "auk", "dove")


def test_a_system_without_attributes_cannot_be_studied(half_wrong):
    with pytest.raises(RecipeError, match="names none"):
        leakage(wired(decide_by(0), None), half_wrong, seed=0)


POLICY = Policy("doubt", ("doubt",), (), (1.0,), 0.0, 0.1, 0.1, "expected", 0, 0, 0)


def test_the_promise_holds_over_draws_and_each_draw_is_what_it_says():
    generator = torch.Generator().manual_seed(0)
    doubt, wrong = torch.rand(500, generator=generator), torch.arange(500) >= 420
    doubt[wrong] += 0.5
    found = repeated_calibration(POLICY, {"doubt": doubt}, wrong, rows=150, alpha=0.1, seed=3)
    assert (found.draws, found.rows, found.correct, found.wrong, found.alpha) == (100, 150, 420, 80, 0.1)
    # of n correct calibration rows the threshold is the ceil((n + 1) * .9)-th, so n + 1 less that lie above, of n + 1
    assert 0.085 < found.questioned_correct < 0.1 + 2 * found.standard_error
    assert found.questioned_wrong == pytest.approx(0.6, abs=0.1)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(3))
    own, rest = order[:150], order[150:]
    correct = np.sort(doubt[own][~wrong[own]].numpy())
    threshold = correct[int(np.ceil((len(correct) + 1) * 0.9 - 1e-9)) - 1]
    assert found.each[0] == pytest.approx(np.mean(doubt[rest][~wrong[rest]].numpy() > threshold))
    assert (found.least, found.most) == (min(found.each), max(found.each))
    assert found.questioned_correct == pytest.approx(np.mean(found.each))
    assert found.standard_error == pytest.approx(np.std(found.each, ddof=1) / 10)
    share = found.questioned_correct
    assert found.pool_standard_error == pytest.approx((share * (1 - share) / 420) ** 0.5)
    assert found.pool_standard_error > found.standard_error


def test_a_promise_that_too_few_rows_cannot_keep_is_told():
    doubt, wrong = torch.arange(50.0), torch.zeros(50, dtype=torch.bool)
    found = repeated_calibration(POLICY, {"doubt": doubt}, wrong, rows=9, alpha=0.01, draws=5, seed=0)
    assert found.alpha == pytest.approx(0.1)
    assert found.questioned_wrong is None
    with pytest.raises(DataError, match="more correct decisions than the rows"):
        repeated_calibration(POLICY, {"doubt": doubt}, doubt > 8, rows=9, alpha=0.1, seed=0)


def test_a_limit_draws_images_by_the_seed(tmp_path):
    rng = np.random.default_rng(0)
    test = files(tmp_path, codes(*rng.integers(0, 255, (3, 30))), [0, 1, 2] * 10)
    model = wired(decide_by(0), lambda image: image[:, :, 0, 0])
    once, again, other = (leakage(model, test, seed=seed, limit=12) for seed in (1, 1, 2))
    assert once == again != other
    assert once.images == 12


def test_every_study_runs_on_a_real_mirror_and_says_what_it_means(tmp_path):
    torch.manual_seed(0)
    system = Mirror(SPEC, backbone="tiny").eval()
    model = Model(system, {"name": "mirror", "backbone": "tiny"}, SIZE)
    test = a_bird(tmp_path)
    test = Files(
        test.paths, SIZE, torch.tensor([0, 1, 2] * 2), torch.tensor(OWN * 2), boxes=test.boxes, parts=test.parts,
        part_names=test.part_names,
    )  # fmt: skip
    doubt, wrong = torch.rand(60), torch.zeros(60, dtype=torch.bool)
    found = [
        leakage(model, test, seed=0),
        background(model, test, seed=0),
        deciding_attributes(model, test, "auk", "dove"),
        repeated_calibration(POLICY, {"doubt": doubt}, wrong, rows=30, alpha=0.1, seed=0),
    ]
    said = "\n".join(study.summary() for study in found)
    assert all(meaning in said for meaning in MEANINGS.values())
    for study in found:
        json.dumps(dataclasses.asdict(study), allow_nan=False)
