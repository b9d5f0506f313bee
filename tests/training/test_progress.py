"""What a training without a progress bar logs: figures, and the time left."""

import logging
import re

import pytest

from antehoc.data.sets.shapes import shapes
from antehoc.systems import Mirror
from antehoc.training import progress
from antehoc.training.loop import Runner, run_phase
from antehoc.training.phases import Phase

PHASE = Phase(train=("main",), epochs=3, batch_size=32)


@pytest.fixture(scope="module")
def source():
    return shapes(seed=0, side=32, train=96, validation=40, calibration=40, test=40)


@pytest.fixture
def lines(source, tmp_path, caplog, monkeypatch):
    def lines(every, *, bar=False):
        monkeypatch.setattr(progress, "EVERY", every)
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="antehoc"):
            system = Mirror(source.spec, backbone="tiny")
            run_phase(system, PHASE, source.roles, tmp_path, runner=Runner("cpu", progress=bar))
        return [record.message for record in caplog.records if record.name == progress.__name__]

    return lines


def test_each_epoch_and_each_step_within_it_is_logged_where_lines_are_due(lines):
    found = lines(0.0)
    assert len(found) == 12  # three steps of 32 images and the end of the epoch, three times
    assert re.fullmatch(r"phase 1, epoch 1 of 3, 33%; \d+ s left in this phase", found[0])
    figures = r"loss \d+\.\d{4}, accuracy [01]\.\d{4} on validation images"
    assert re.fullmatch(rf"phase 1, epoch 1 of 3: {figures}; \d+ s left in this phase", found[3])
    assert re.fullmatch(rf"phase 1, epoch 3 of 3: {figures}", found[-1])


def test_at_most_one_line_in_the_interval_and_always_the_last_epoch(lines):
    assert [line.split(":")[0] for line in lines(3600.0)] == ["phase 1, epoch 3 of 3"]


def test_a_bar_takes_the_place_of_the_lines(lines):
    assert lines(0.0, bar=True) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (59.4, "59 s"), (60.0, "1 min 0 s"), (3599.6, "1 h 0 min"), (90061.0, "25 h 1 min")],
)
def test_durations_in_words(seconds, words):
    assert progress.duration(seconds) == words
