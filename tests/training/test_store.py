"""Activations on disk: what is there is found, what is not is computed, and a name changes with all that counts."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from antehoc.nn.backbones import build_backbone
from antehoc.systems.mirror.classifier import Main
from antehoc.training import store as module
from antehoc.training.store import Store, cache_folder, key

NAMES = [f"image {number}" for number in range(10)]


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 4)


class Computed:
    """Two tensors per image, made from its name, and the names that were asked for."""

    def __init__(self, names):
        self.names, self.calls = names, []

    def __call__(self, positions):
        self.calls.append([self.names[position] for position in positions])
        numbers = torch.tensor([float(self.names[position].split()[1]) for position in positions])
        return numbers[:, None] * torch.ones(3), numbers[:, None, None].expand(-1, 2, 2) + 0.5


def ask(folder, names, **how):
    """What a fresh store gives, and what it computed for that."""
    compute = Computed(names)
    first, second = Store(folder).rows(names, compute, **how)
    wanted = Computed(names)(range(len(names)))
    assert first.equal(wanted[0])
    assert second.equal(wanted[1])
    return compute.calls


def test_what_was_computed_once_is_found_again(tmp_path):
    assert ask(tmp_path, NAMES) == [NAMES[:4], NAMES[4:8], NAMES[8:]]
    assert ask(tmp_path, NAMES) == []
    assert ask(tmp_path, [NAMES[7], NAMES[0], NAMES[7]]) == []


def test_only_what_is_missing_is_computed(tmp_path):
    ask(tmp_path, NAMES[2:5])
    assert ask(tmp_path, NAMES) == [[*NAMES[:2], *NAMES[5:7]], NAMES[7:]]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=9), min_size=1, max_size=5))
def test_whatever_was_asked_before_the_rows_are_right_and_none_is_computed_twice(tmp_path_factory, questions):
    folder, seen = tmp_path_factory.mktemp("store"), set()
    for question in questions:
        names = [NAMES[number] for number in question]
        computed = {name for part in ask(folder, names) for name in part}
        assert computed == set(names) - seen
        seen |= computed


def test_rows_are_computed_in_the_batches_that_they_would_be_without_a_store(tmp_path):
    assert [len(part) for part in ask(tmp_path / "3", NAMES, at_once=3)] == [3, 3, 3, 1]
    assert [len(part) for part in ask(tmp_path / "5", NAMES, at_once=5)] == [5, 5]
    assert [len(part) for part in ask(tmp_path / "2", NAMES, at_once=2)] == [4, 4, 2]


@pytest.mark.parametrize("left", [0.0, 0.02, 0.5, 0.99])
def test_half_a_file_is_computed_again(tmp_path, left):
    ask(tmp_path, NAMES)
    victim = sorted(tmp_path.iterdir())[1]
    content = victim.read_bytes()
    victim.write_bytes(content[: int(left * len(content))])
    [again] = ask(tmp_path, NAMES)
    assert again in (NAMES[:4], NAMES[4:8], NAMES[8:])
    assert ask(tmp_path, NAMES) == []
    assert victim.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_of_others_is_passed_over(tmp_path, content):
    (tmp_path / "0.safetensors").write_bytes(content)
    assert ask(tmp_path, NAMES[:2]) == [NAMES[:2]]


@pytest.mark.parametrize("moment", ["between files", "inside a file"])
def test_a_kill_loses_one_file_at_most(tmp_path, monkeypatch, moment):
    compute = Computed(NAMES)

    def die_at_the_second(positions):
        if compute.calls:
            raise KeyboardInterrupt
        return compute(positions)

    def die_in_the_second(tensors, file, metadata):
        if any(tmp_path.iterdir()):
            Path(file).write_bytes(b"\x99" * 10)
            raise KeyboardInterrupt
        save(tensors, file, metadata)

    save = module.save_file
    with monkeypatch.context() as patch:
        if moment == "inside a file":
            patch.setattr(module, "save_file", die_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            Store(tmp_path).rows(NAMES, die_at_the_second if moment == "between files" else compute)
    assert ask(tmp_path, NAMES) == [NAMES[4:8], NAMES[8:]]


def test_the_folder_is_the_users_choice(monkeypatch, tmp_path):
    monkeypatch.setenv("ANTEHOC_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ANTEHOC_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "antehoc"


def part(seed=0, width=4):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width)).eval()


def test_a_name_changes_with_each_weight_statistic_layer_and_fact():
    weight, statistic = part(), part()
    with torch.no_grad():
        weight[0].bias[2] += 1e-6
        statistic[1].running_var[1] += 1e-6
    layer = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, eps=1e-3)).eval()
    layer.load_state_dict(part().state_dict())
    names = [key(one) for one in (part(), part(1), part(width=5), weight, statistic, layer)]
    names += [key(part(), *facts) for facts in (("crops", 0, 1), ("crops", 0, 2), ("crops", 1, 1), ("thesis", 0, 1))]
    assert len(set(names)) == len(names)
    assert key(part(), "crops", 0, 1) == key(part(), "crops", 0, 1)


def test_the_name_of_frozen_stages_knows_them_and_their_normalisation_alone(tiny_spec):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        main = Main(tiny_spec, build_backbone("test_resnet", 3), frozen_stages=2)
    before = key(main.frozen_part())
    with torch.no_grad():
        main.head.weight += 1
        next(main.backbone.stages[2].parameters()).add_(1)
    assert key(main.frozen_part()) == before, "what comes after them does not count"
    main.backbone.mean += 0.1
    assert key(main.frozen_part()) != before
    main.backbone.mean -= 0.1
    with torch.no_grad():
        next(main.backbone.stages[1].parameters()).add_(1)
    assert key(main.frozen_part()) != before
