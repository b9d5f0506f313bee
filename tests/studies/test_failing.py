"""The images of the study `failures`: which decisions each kind looks at, and how they are drawn again."""

import pytest
import torch

from antehoc.data import Source
from antehoc.data.examples import Tensors
from antehoc.errors import DataError
from antehoc.evaluation import score
from antehoc.studies.failing import CLEAN, CORRUPTED, TOGETHER, UNKNOWN, pool, scored_parts
from studies.wired import OWN, SIZE, SPEC, decide_by, first_pixel, wired


def images(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, SIZE.height, SIZE.width), generator=generator, dtype=torch.uint8)


def source_of(count: int) -> Source:
    labels = torch.arange(count) % 3
    return Source(SPEC, {"test": Tensors(images(count), labels, torch.tensor(OWN)[labels])}, SIZE)


def pool_of(count: int = 6, **more):
    settings = {"images": 4, "corruptions": ("contrast", "gaussian_noise"), "strengths": (1, 5), "seed": 0} | more
    unknown = {"odd": Tensors(images(3, 1)), "dark": Tensors(images(2, 2), torch.tensor([0, 1]))}
    return pool(source_of(count), unknown, **settings)


def test_every_corruption_is_tried_at_every_strength_on_the_same_images():
    found = pool_of()
    assert [(part.kind, part.what) for part in found.parts] == [
        (CLEAN, ""), (CORRUPTED, "contrast 1"), (CORRUPTED, "contrast 5"), (CORRUPTED, "gaussian_noise 1"),
        (CORRUPTED, "gaussian_noise 5"), (UNKNOWN, "odd"),
    ]  # fmt: skip
    drawn = found.parts[1].unit
    assert len(drawn) == 4 == len(set(drawn.tolist()))
    test = source_of(6).roles["test"]
    for part in found.parts[1:5]:
        assert part.unit.equal(drawn)
        assert part.examples.labels.equal(test.labels[drawn])
        assert not part.examples.images(range(4)).equal(test.images(drawn.tolist()))
    assert (found.tests, found.units) == (6, 9)
    assert found.unit.tolist() == [*range(6), *(drawn.tolist() * 4), 6, 7, 8]


def test_altered_test_images_are_of_a_known_class_and_stay_out():
    assert "dark" not in [part.what for part in pool_of().parts]


def test_no_corruption_and_no_unknown_image_leave_the_clean_ones():
    found = pool(source_of(5), {}, images=4, corruptions=(), strengths=(1,), seed=0)
    assert [part.kind for part in found.parts] == [CLEAN]
    kinds = found.kinds(torch.tensor([True, False, False, False, True]))
    assert [len(kinds[name].rows) for name in (CLEAN, CORRUPTED, UNKNOWN, TOGETHER)] == [5, 0, 3, 5]


def test_without_test_images_there_is_nothing_to_decide():
    with pytest.raises(DataError, match="needs test images"):
        pool(source_of(0), {}, images=4, corruptions=(), strengths=(), seed=0)


def test_a_failure_is_a_wrong_decision_or_any_on_an_unknown_image():
    found = pool_of(corruptions=("contrast",), strengths=(1,))
    # 6 clean, 4 corrupted, 3 unknown
    wrong = torch.tensor([1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0]).bool()
    kinds = found.kinds(wrong)
    assert kinds[CLEAN].rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert kinds[CLEAN].failed.tolist() == [True, False, False, True, False, False]
    assert kinds[CORRUPTED].rows.tolist() == [6, 7, 8, 9]
    assert kinds[CORRUPTED].failed.tolist() == [False, True, True, False]
    # correct clean decisions, and every unknown image whatever its label would say
    assert kinds[UNKNOWN].rows.tolist() == [1, 2, 4, 5, 10, 11, 12]
    assert kinds[UNKNOWN].failed.tolist() == [False] * 4 + [True] * 3
    assert kinds[TOGETHER].failed.tolist() == [*wrong[:10].tolist(), True, True, True]


def test_all_versions_of_an_image_are_drawn_together_and_the_mixture_stays():
    found = pool_of()
    draws = found.draws(50, torch.Generator().manual_seed(0)).long()
    for unit in range(found.units):
        own = draws[:, found.unit == unit]
        assert (own == own[:, :1]).all()
    assert (draws[:, :6].sum(1) == 6).all()
    assert (draws[:, -3:].sum(1) == 3).all()
    assert draws[:, 0].unique().tolist() != [1]


def test_all_decisions_are_kept_in_the_order_of_the_parts():
    model, found = wired(decide_by(0), first_pixel), pool_of()
    scored = scored_parts(model.system, found)
    each = [score(model.system, part.examples) for part in found.parts]
    assert scored.logits.equal(torch.cat([one.logits for one in each]))
    assert scored.doubts["softmax"].equal(torch.cat([one.doubts["softmax"] for one in each]))
    assert len(scored.label) == len(found.unit)
