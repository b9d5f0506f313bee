import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.altered import ALTERATIONS, altered
from antehoc.data.augmentation import Versions
from antehoc.data.examples import Files, Tensors
from antehoc.data.outliers import BUILT_IN, outliers
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.sets.shapes import shapes
from antehoc.data.source import Source
from antehoc.data.splits import by_role, leaks
from antehoc.errors import DataError
from antehoc.seeds import mix
from antehoc.types import DataSpec

TINY = {"train": 8, "validation": 4, "calibration": 4, "test": 4}
SMALL = Preprocessing(3, 16, 16, fit="stretch")


def a_source(test) -> Source:
    return Source(DataSpec(("a", "b"), 3, 16, 16), {"test": test}, SMALL)


@pytest.fixture
def files(tmp_path):
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return Files([tmp_path / f"{number}.png" for number in range(8)], SMALL, torch.arange(8) % 2)


@pytest.mark.parametrize("kind", BUILT_IN)
@pytest.mark.parametrize("variant", ["centred", "free"])
def test_a_data_set_places_strange_shapes_as_its_own(kind, variant):
    source = shapes(seed=0, variant=variant, **TINY)
    found = source.unknown[kind](3, 5)
    wanted = outliers(kind, source.preprocessing, count=3, seed=mix(5, 3), variant=variant)
    assert found.content_hashes() == wanted.content_hashes()
    assert not found.labels_known


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_image_files_can_be_altered_and_keep_their_classes(kind, files):
    found = a_source(files).unknown[kind](5, 2)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(mix(2, 6)))[:5].tolist()
    wanted = altered(kind, files.select(order), seed=mix(2, 3))
    assert found.content_hashes() == wanted.content_hashes()
    assert torch.equal(found.images(range(5)), wanted.images(range(5)))
    assert found.labels_known
    assert found.labels.tolist() == [number % 2 for number in order]


def test_every_data_set_has_noise_and_files_alone_can_be_altered(files):
    memory = a_source(Tensors(torch.zeros(2, 3, 16, 16, dtype=torch.uint8)))
    assert set(memory.unknown) == set(BUILT_IN)
    assert set(a_source(files).unknown) == {*BUILT_IN, *ALTERATIONS}
    assert memory.unknown["noise"](2, 0).images([0]).shape == (1, 3, 16, 16)


def test_own_unknown_images_stand_beside_the_built_in_ones(files):
    own = Source(
        DataSpec(("a", "b"), 3, 16, 16), {"test": files}, SMALL, own_unknown={"halves": lambda count, seed: files}
    )
    assert own.unknown["halves"](1, 0) is files
    assert "noise" in own.unknown


def test_a_data_set_says_whether_roles_may_share_images():
    assert not shapes(seed=0, **TINY).shared_images_allowed
    assert shapes(seed=0, split="random", **TINY).shared_images_allowed


def test_several_labels_go_through_splits_alterations_and_versions(files):
    labels = torch.tensor([[number & 1, number & 2, number & 4] for number in range(8)]).bool().float()
    several = Files(files.paths, SMALL, labels)
    roles = by_role(several, ["train", "validation", "calibration", "test"] * 2)
    assert leaks(roles) == []
    assert leaks({"train": several.select([1, 2]), "test": several.select([2])})[0][:2] == ("train", "test")
    source = Source(DataSpec(("a", "b", "c"), 3, 16, 16, task="multi-label"), roles, SMALL)
    assert torch.equal(source.roles["test"].batch([1]).label, labels[[7]])
    assert source.unknown["dark"](2, 0).batch([0, 1]).label.shape == (2, 3)
    assert torch.equal(Versions(several, "crops", 0).batch([3, 8 + 5]).label, labels[[3, 5]])


def test_labels_that_do_not_fit_the_task_are_refused(files):
    with pytest.raises(DataError, match=r"^test: one label per image needs class numbers \(n,\); got \(8, 2\)"):
        a_source(Files(files.paths, SMALL, torch.ones(8, 2)))
    with pytest.raises(DataError, match=r"^test: class numbers must be in 0\.\.1; got 0 to 7"):
        a_source(Files(files.paths, SMALL, torch.arange(8)))
    with pytest.raises(DataError, match=r"^test: several labels need 0 or 1 for each of 2 classes"):
        Source(DataSpec(("a", "b"), 3, 16, 16, task="multi-label"), {"test": files}, SMALL)
    a_source(files.without_labels())
