"""What a run gives to its studies: the unknown images, and further networks by the same recipe."""

import logging
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from antehoc.blocks import Block
from antehoc.figure import Figure, values
from antehoc.runs.reproduce import reproduce
from antehoc.studies import STUDIES, Finding
from antehoc.training.loop import Runner

RECIPE = """\
data: {name: shapes, side: 16, train: 120, validation: 40, calibration: 160, test: 80}
system: {name: mirror, backbone: {name: tiny}, mirror: {kind: light, width: 4}}
phases: [{train: [main, mirror], epochs: 1, learning_rate: 0.02}]
verdict: {alpha: 0.2}
unknown: {kinds: [noise], count: 20}
"""


@dataclass(frozen=True)
class Seen(Finding):
    title: ClassVar[str] = "What was given?"
    weights: tuple[float, ...]
    sets: tuple[str, ...]

    def figures(self) -> list[Figure]:
        return []

    def blocks(self) -> list[Block]:
        return []


def look(model, source, *, seed, context) -> Seen:
    systems = [model.system, *(context.train(number) for number in (1, 2))]
    weights = [float(torch.cat([one.detach().flatten() for one in system.parameters()]).norm()) for system in systems]
    return Seen(tuple(weights), tuple(context.unknown))


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


def test_a_study_may_train_further_networks_that_differ_and_are_resumed(recipe, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(STUDIES, "look", look)
    options = {"out": tmp_path / "run", "overrides": ["studies=[look]"], "runner": Runner("cpu")}
    first = reproduce(str(recipe), **options).findings[str(recipe)]["look"]
    assert len(set(first.weights)) == 3
    assert first.sets == ("noise",)
    caplog.clear()  # another test may have left the level of the loggers at INFO
    with caplog.at_level(logging.INFO):
        again = reproduce(str(recipe), **options, resume=True).findings[str(recipe)]["look"]
    assert again == first
    assert "epoch 1 of 1" not in caplog.text  # no network was trained again


def test_failures_run_from_a_recipe(recipe, tmp_path):
    study = "{failures: {images: 10, strengths: [3], ensemble: 2, draws: 20}}"
    found = reproduce(str(recipe), out=tmp_path / "run", overrides=[f"studies={study}"], runner=Runner("cpu"))
    finding = found.findings[str(recipe)]["failures"]
    assert finding.unknown == {"noise": 20}
    assert finding.ensemble.networks == 2
    assert (tmp_path / "run" / "main" / "further" / "network-1").is_dir()
    assert values(found.figures)["failures_mean_rank"] == finding.mean_ranks["verdict"]
