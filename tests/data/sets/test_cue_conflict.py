import os
import zipfile
from itertools import combinations, product
from pathlib import Path

import pytest
import torch
from PIL import Image

from antehoc.data.sets.cue_conflict import CLASSES, cue_conflict, stimuli
from antehoc.errors import DataError

ANIMALS = ("bear", "bird", "cat", "dog")
REAL = Path(os.environ.get("ANTEHOC_DATA", "/nowhere")) / "cue-conflict"


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Four classes with six shape and three texture instances each, every pair of instances once; no pixel differs."""
    top = tmp_path_factory.mktemp("stimuli")
    for shape, texture in product(ANIMALS, ANIMALS):
        for k, m in product(range(1, 7), range(1, 4)):
            place = top / "set" / shape / f"{shape}{k}-{texture}{m}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (5, 4), (10 * k, 10 * m, 0)).save(place)
    return top


def instances(files):
    return set(files.instances("shape")), set(files.instances("texture"))


def check_disjoint(source):
    """Test shares nothing with the others, and no two roles share what gave the shape."""
    seen = {role: instances(files) for role, files in source.roles.items()}
    for one, other in combinations(seen, 2):
        assert not seen[one][0] & seen[other][0], (one, other)
    for role in ("train", "validation", "calibration"):
        assert not seen["test"][1] & seen[role][1], role


@pytest.mark.parametrize("fold", range(9))
@pytest.mark.parametrize("seed", [0, 1])
def test_a_test_image_shares_neither_cue_with_another_role(made_up, fold, seed):
    source = cue_conflict(made_up, size=8, fold=fold, seed=seed)
    check_disjoint(source)
    # of a class: 2 of 6 shape instances and 1 of 3 texture instances are tested, 1 validates, 1 calibrates
    sizes = {role: len(files) for role, files in source.roles.items()}
    assert sizes == {"train": 4 * 2 * 4 * 2, "validation": 4 * 3 * 2, "calibration": 4 * 3 * 2, "test": 4 * 2 * 3}
    for role, files in source.roles.items():
        assert set(files.labels.tolist()) == {CLASSES.index(name) for name in ANIMALS}
        assert bool((files.shapes == files.textures).any()) == (role == "train")
    # 8 tested shapes x 8 other textures, 16 other shapes x 4 tested textures; a quarter of 96 agrees outside train
    assert "Left out: 128 images with the shape or the texture of a test image, 24 outside train" in source.notes[1]
    assert "64 train, 24 validation, 24 calibration, 24 test." in source.notes[0]


def test_the_first_folds_test_every_instance_once_and_all_of_them_every_image(made_up):
    tests = [cue_conflict(made_up, size=8, fold=fold, agreeing=True).roles["test"] for fold in range(9)]
    paths = [path for files in tests for path in files.paths]
    assert len(paths) == len(set(paths)) == 288
    for place in (0, 1):
        names = [name for files in tests[:3] for name in instances(files)[place]]
        assert len(names) == len(set(names)) == (24, 12)[place]


def test_another_seed_draws_other_parts(made_up):
    tests = [instances(cue_conflict(made_up, size=8, seed=seed).roles["test"]) for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_labels_say_the_cue_that_is_asked_for_and_both_are_kept(made_up):
    everything = stimuli(made_up, size=8)
    assert len(everything) == 288
    assert torch.equal(everything.labels, everything.shapes)
    assert torch.equal(stimuli(made_up, size=8, label="texture").labels, everything.textures)
    chosen = everything.select([200, 7])
    assert [Path(name).stem for name in chosen.names([0, 1])] == [
        "-".join(pair) for pair in zip(chosen.instances("shape"), chosen.instances("texture"), strict=True)
    ]
    assert chosen.textures.tolist() == everything.textures[[200, 7]].tolist()
    by_texture = cue_conflict(made_up, size=8, label="texture").roles["test"]
    assert torch.equal(by_texture.labels, by_texture.textures)


def test_a_role_knows_all_stimuli(made_up):
    test = cue_conflict(made_up, size=8, label="texture").roles["test"]
    for part in (test, test.select([3, 0])):
        found = part.everything(size=6, fit="crop")
        wanted = stimuli(made_up, size=6, fit="crop")
        assert found.paths == wanted.paths
        assert found.preprocessing == wanted.preprocessing
        assert torch.equal(found.labels, wanted.labels)
    assert stimuli(made_up, size=8).labels_known


def test_a_zip_and_the_folder_around_it_are_read_as_well(made_up, tmp_path):
    with zipfile.ZipFile(tmp_path / "stimuli.zip", "w") as archive:
        for path in made_up.rglob("*.png"):
            archive.write(path, path.relative_to(made_up))
    with zipfile.ZipFile(tmp_path / "edges.zip", "w") as archive:
        archive.writestr("edges/cat/cat1.png", b"")
    wanted = stimuli(made_up, size=8)
    for place in (tmp_path, tmp_path / "stimuli.zip"):
        found = stimuli(place, size=8)
        assert found.instances("texture") == wanted.instances("texture")
        assert torch.equal(found.images([100]), wanted.images([100]))
    with pytest.raises(DataError, match="a cue-conflict stimulus is called"):
        stimuli(tmp_path / "edges.zip")


def test_foreign_files_and_too_few_instances_are_refused(made_up, tmp_path):
    with pytest.raises(DataError, match="4 folds need as many instances of a class; 'bear' has 3"):
        cue_conflict(made_up, folds=4)
    with pytest.raises(DataError, match=r"4 shape instances of '.*' leave none to train on"):
        cue_conflict(made_up, validation=0.5, calibration=0.49)
    with pytest.raises(DataError, match="fold 0 to folds² - 1; got 3 and 9"):
        cue_conflict(made_up, fold=9)
    with pytest.raises(DataError, match="shares, 0 or more"):
        cue_conflict(made_up, calibration=-0.1)
    for name in ("cat1.png", "cat1-yak2.png"):
        folder = tmp_path / name
        folder.mkdir()
        Image.new("RGB", (2, 2)).save(folder / name)
        with pytest.raises(DataError, match=f"{name}: a cue-conflict stimulus is called <shape><number>"):
            stimuli(folder)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs $ANTEHOC_DATA/cue-conflict")
def test_the_published_stimuli_are_read():
    everything = stimuli(REAL)
    assert len(everything) == 1280  # the counts are those of the public repository
    assert int((everything.shapes == everything.textures).sum()) == 80
    assert torch.bincount(everything.shapes * 16 + everything.textures).tolist() == [5] * 256
    assert everything.images([0]).shape == (1, 3, 224, 224)
    sources = [cue_conflict(REAL, fold=fold) for fold in range(9)]
    for source in sources:
        check_disjoint(source)
        assert all(len(files.labels.unique()) == 16 for files in source.roles.values())
    assert sum(len(source.roles["test"]) for source in sources) == 1200


def test_a_damaged_zip_beside_the_stimuli_is_passed_over(made_up, tmp_path):
    (tmp_path / "damaged.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(DataError, match="it holds no image"):
        stimuli(tmp_path, label="shape", size=8)
    with pytest.raises(DataError, match=r"it cannot be opened \(File name too long\); give a folder"):
        stimuli(tmp_path / ("long" * 999), label="shape", size=8)
