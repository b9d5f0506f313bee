"""Contracts of every measure in the table, and of the torchmetrics wrapper around it."""

import importlib
import inspect
import os
import pickle
import pkgutil
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close
from torchmetrics import MetricCollection

from antehoc import metrics
from antehoc.errors import RecipeError
from antehoc.metrics import COMPARED, MEASURES, OF_DECISIONS, OF_MAPS, MapMetric, TableMetric, as_metric, of_groups

DECISIONS = of_groups(*OF_DECISIONS)
INTERVALS = {"bootstrap"}  # about a measure, no measures
TRIVIAL = {"all_zeros_accuracy", "majority_accuracy"}  # look at no prediction
FIXED = {
    "questioned_share": {"threshold": 0.5},
    "share_at": {"questioned_correct": 0.4},
    "group_accuracy": {"groups": ((0, 1), (2,))},
}


def arguments(name, seed=0):
    """Random tensors for a measure, by the names of its arguments; 12 rows, some tied, that give no measure 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    score, bits = torch.rand(12, generator=generator).round(decimals=1), torch.rand(12, 3, generator=generator)
    wrong = torch.arange(12) % 3 == 0
    by_name = {
        "score": score + 0.3 * wrong,
        "known_score": score[:7],
        "unknown_score": score[7:],
        "wrong": wrong,
        "positive": wrong,
        "probabilities": bits,
        "truth": (bits.roll(1, 0) + bits > 1).float(),
        "train_truth": (bits > 0.7).float(),
    }
    return {key: by_name[key] for key in inspect.signature(DECISIONS[name].function).parameters if key in by_name}


def public_functions(families):
    for family in families:
        module = importlib.import_module(f"antehoc.metrics.{family}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                returned = inspect.signature(function).return_annotation
                yield name, family, function, getattr(returned, "dims", None)


def test_every_measure_is_in_the_table():
    """A public function of a family that gives one number is a measure; one that gives a tuple is a curve or table."""
    families = {module.name for module in pkgutil.iter_modules(metrics.__path__)} - INTERVALS
    found = {name: (family, function) for name, family, function, dims in public_functions(families) if dims == ()}
    assert found == {name: (entry.family, entry.function) for name, entry in DECISIONS.items()}


def test_every_measure_of_maps_is_in_the_table():
    """A public function that gives one number for each image is a measure of maps."""
    found = public_functions(("faithfulness", "placement", "robustness"))
    per_image = {function for _, _, function, dims in found if dims is not None and len(dims) == 1}
    assert per_image == {entry.function for entry in of_groups(*OF_MAPS).values()}


def test_a_comparison_takes_its_columns_from_the_table():
    groups = [MEASURES[name].group for name in COMPARED]
    assert list(dict.fromkeys(groups)) == list(OF_MAPS)
    assert len(set(COMPARED)) == len(COMPARED) == 10


def test_any_measure_can_be_a_metric_and_says_what_it_tells():
    for name, entry in MEASURES.items():
        fixed = FIXED.get(name, {})
        kind = TableMetric if entry.group in OF_DECISIONS else MapMetric
        assert isinstance(as_metric(name, **fixed), kind)
        assert entry.says[0].islower()
        assert not entry.says.endswith(".")


@pytest.mark.parametrize("name", DECISIONS)
def test_a_measure_is_one_number_in_double_precision(name):
    figure = DECISIONS[name].function(**arguments(name), **FIXED.get(name, {}))
    assert (figure.shape, figure.dtype) == ((), torch.float64)
    assert 0 < figure < 1


@pytest.mark.parametrize("name", [name for name in DECISIONS if name not in TRIVIAL])
def test_the_direction_is_the_way_that_the_truth_lies(name):
    """Scores and probabilities that follow the truth are better than those that run against it."""
    entry, given = DECISIONS[name], arguments(name)
    if name == "questioned_share":
        good, bad = {"score": torch.tensor([0.1, 0.9])}, {"score": torch.tensor([0.8, 0.9])}
    elif entry.group == "unknown":
        good = {"known_score": torch.zeros(3), "unknown_score": torch.ones(3)}
        bad = {"known_score": torch.ones(3), "unknown_score": torch.zeros(3)}
    else:
        answer, truth = given
        good, bad = given | {answer: given[truth].float()}, given | {answer: 1 - given[truth].float()}
    best, worst = (entry.function(**case, **FIXED.get(name, {})) for case in (good, bad))
    assert (best > worst) if entry.direction == "higher" else (best < worst)


@pytest.mark.parametrize("name", DECISIONS)
def test_batches_together_give_what_all_rows_at_once_give(name):
    given, fixed = arguments(name), FIXED.get(name, {})
    metric = as_metric(name, **fixed)
    for part in range(4):  # rows of every argument, dealt out as they come
        metric.update(**{key: tensor.tensor_split(4)[part] for key, tensor in given.items()})
    assert_close(metric.compute(), DECISIONS[name].function(**given, **fixed), rtol=0, atol=0)
    assert metric.higher_is_better == (DECISIONS[name].direction == "higher")


@pytest.mark.parametrize("name", DECISIONS)
def test_a_metric_starts_again_and_survives_a_copy(name):
    first, second, fixed = arguments(name), arguments(name, seed=1), FIXED.get(name, {})
    metric = as_metric(name, **fixed)
    metric.update(*first.values())
    copy = pickle.loads(pickle.dumps(metric))
    metric.reset()
    metric.update(*second.values())
    assert_close(copy.compute(), DECISIONS[name].function(**first, **fixed))
    assert_close(metric.compute(), DECISIONS[name].function(**second, **fixed))


def test_metrics_of_the_same_tensors_share_an_update():
    collection = MetricCollection({name: as_metric(name) for name in ("aurc", "augrc")})
    given = arguments("aurc")
    for _ in range(2):
        collection.update(**given)
    twice = {key: torch.cat([tensor, tensor]) for key, tensor in given.items()}
    assert collection.compute() == {name: DECISIONS[name].function(**twice) for name in ("aurc", "augrc")}


def test_a_fixed_argument_is_the_same_for_every_batch():
    given = arguments("majority_accuracy")
    metric = as_metric("majority_accuracy", train_truth=given["train_truth"])
    for row in given["truth"]:
        metric.update(row[None])
    assert_close(metric.compute(), DECISIONS["majority_accuracy"].function(**given))


def test_slips_are_refused_where_they_are_made():
    with pytest.raises(RecipeError, match="Did you mean 'aurc'"):
        as_metric("aucr")
    with pytest.raises(TypeError, match="needs questioned_correct"):
        as_metric("share_at")
    with pytest.raises(TypeError, match="treshold"):
        as_metric("aurc", treshold=0.5)
    metric, score = as_metric("aurc"), torch.rand(2)
    for args, kwargs in [((score,), {}), ((score, score > 0, score), {}), ((score,), {"score": score}), ((), {})]:
        with pytest.raises(TypeError, match="an update takes score, wrong"):
            metric.update(*args, **kwargs)


WORKER = """
import sys, torch
from torch import distributed
from antehoc.metrics import as_metric
torch.set_num_threads(1)
rank, place = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
score, wrong = torch.arange(10.0) % 7, torch.arange(10) % 3 == 0
own = slice(0, 3) if rank == 0 else slice(3, 10)  # processes rarely get the same number of rows
metric = as_metric("aurc")
metric.update(score[own], wrong[own])
print(float(metric.compute()).hex())
distributed.destroy_process_group()
"""


@pytest.mark.slow  # two more interpreters import torch: 4 s alone, 20 s on a busy machine
def test_two_processes_see_all_rows(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", WORKER]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    workers = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meet")], stdout=subprocess.PIPE, env=environment)
        for rank in range(2)
    ]
    figures = {float.fromhex(worker.communicate(timeout=60)[0].decode()) for worker in workers}
    assert figures == {float(DECISIONS["aurc"].function(torch.arange(10.0) % 7, torch.arange(10) % 3 == 0))}
