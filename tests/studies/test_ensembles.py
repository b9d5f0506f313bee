"""A deep ensemble on its own decisions, each number by hand."""

import dataclasses

import pytest
import torch

from antehoc.calibration import Policy
from antehoc.data.examples import Tensors
from antehoc.evaluation import Scored
from antehoc.metrics.selective import augrc, auroc
from antehoc.studies.ensembles import Decided, beside, decided, further_networks, logits_of, questioned
from antehoc.studies.failing import CLEAN, CORRUPTED, UNKNOWN, Part, Pool
from studies.wired import SIZE, decide_by, first_pixel, wired


def pool_of(clean: int, corrupted: int, unknown: int) -> Pool:
    def part(kind: str, count: int, start: int) -> Part:
        image = torch.zeros(count, 3, SIZE.height, SIZE.width, dtype=torch.uint8)
        image[:, 0] = torch.arange(count, dtype=torch.uint8)[:, None, None]
        return Part(kind, kind, Tensors(image), torch.arange(start, start + count))

    parts = (part(CLEAN, clean, 0), part(CORRUPTED, corrupted, 0), part(UNKNOWN, unknown, clean))
    return Pool(parts, clean, clean + unknown)


def test_probabilities_are_averaged_not_logits():
    shares = torch.tensor([[[0.9, 0.1, 0.0001]], [[0.2, 0.8, 0.0001]], [[0.2, 0.8, 0.0001]]])
    found = decided([*shares.log()])
    # of the means .433 and .567 the second is larger, although the first network is the surest
    assert found.predicted.tolist() == [1]
    assert found.doubt.tolist() == pytest.approx([1 - 1.7 / 3], abs=1e-3)
    one = decided([shares[0].log()])
    assert (one.predicted.tolist(), one.doubt.tolist()) == ([0], pytest.approx([0.1], abs=1e-3))


def test_further_networks_decide_on_every_image_and_on_the_calibration_images():
    found, calibration = pool_of(4, 2, 3), pool_of(5, 0, 0).parts[0].examples
    trained = []

    def train(number: int):
        trained.append(number)
        return wired(decide_by(0, sure=float(number)), first_pixel).system

    each = further_networks(2, train, found, calibration)
    assert trained == [1, 2]
    for number, (own, held) in enumerate(each, 1):
        # an image's class is its number modulo 3, as sure as the network's number
        rows = torch.tensor([0, 1, 2, 3, 0, 1, 0, 1, 2]) % 3
        assert own.equal(number * torch.eye(3)[rows])
        assert held.equal(logits_of(wired(decide_by(0, sure=float(number)), first_pixel).system, calibration))


def test_each_is_measured_on_its_own_errors():
    found, label = pool_of(6, 0, 2), torch.tensor([0, 0, 0, 1, 1, 1, 0, 0])
    single = Decided(torch.tensor([0, 0, 1, 1, 1, 0, 0, 0]), torch.tensor([0.1, 0.2, 0.9, 0.3, 0.4, 0.15, 0.8, 0.7]))
    ensemble = Decided(torch.tensor([0, 0, 0, 1, 0, 1, 0, 0]), torch.tensor([0.1, 0.2, 0.3, 0.4, 0.9, 0.6, 0.5, 0.05]))
    draws = torch.randint(0, 3, (30, 8), generator=torch.Generator().manual_seed(0), dtype=torch.int16)
    rows = {row.kind: row for row in beside(found, label, single, ensemble, draws)}
    clean = rows[CLEAN]
    wrong = {"verdict": torch.tensor([2, 5]), "ensemble": torch.tensor([4])}
    for name, one in {"verdict": single, "ensemble": ensemble}.items():
        flags = torch.zeros(6).bool()
        flags[wrong[name]] = True
        expected = {"auroc": float(auroc(one.doubt[:6], flags)), "augrc": float(augrc(one.doubt[:6], flags))}
        assert getattr(clean, name) == expected
    assert clean.verdict["auroc"] == 5 / 8
    assert clean.ensemble["auroc"] == 1
    assert clean.verdict_minus["auroc"].value == pytest.approx(-3 / 8)
    assert clean.verdict_minus["auroc"].low < clean.verdict_minus["auroc"].high
    # unknown images against each one's own correct decisions: four of six, and five of six
    assert rows[UNKNOWN].verdict["auroc"] == 1
    assert rows[UNKNOWN].ensemble["auroc"] == pytest.approx(4 / 10)  # .5 above four of five, .05 above none
    assert rows[CORRUPTED].verdict["auroc"] is None
    assert rows[CORRUPTED].verdict_minus["auroc"] is None


def test_all_are_questioned_at_one_alpha():
    # maximum softmax of two classes: a logit of x has the doubt 1 / (1 + exp(x))
    def scored(sure: list[float], label: list[int]) -> Scored:
        logits = torch.stack([torch.tensor(sure), torch.zeros(len(sure)), torch.full((len(sure),), -50.0)], 1)
        doubt = 1 - logits.softmax(1).amax(1)
        return Scored(torch.tensor(label), torch.zeros(len(sure), 0), logits, {"softmax": doubt}, {})

    found = pool_of(4, 2, 2)
    everything = scored([3.0, 2.0, 1.0, 0.5, 0.4, 3.0, 0.1, 2.5], [0, 0, 0, 1, 1, 0, 0, 0])
    calibration = scored([4.0, 3.0, 2.0, 1.5, 0.1], [0, 0, 0, 0, 1])
    policy = Policy("softmax", ("softmax",), (), (1.0,), 0.3, 0.2, 0.2, "expected", 0, 0, 4)
    model = wired(decide_by(0), first_pixel, policy=policy)
    verdict, softmax = questioned(model, found, everything, calibration, None)
    # by the policy above .3: logits below .847; by the four correct calibration decisions above that of 1.5
    assert dataclasses.astuple(verdict) == ("verdict", 0.0, 1.0, 1.0, 0.5)
    assert dataclasses.astuple(softmax)[1:] == (pytest.approx(1 / 3), 1.0, 1.0, 0.5)
    own = Decided(torch.zeros(8, dtype=torch.int64), torch.tensor([0.1, 0.2, 0.3, 0.9, 0.2, 0.9, 0.9, 0.9]))
    held = Decided(torch.zeros(5, dtype=torch.int64), torch.tensor([0.1, 0.2, 0.15, 0.25, 0.9]))
    *_, ensemble = questioned(model, found, everything, calibration, (own, held))
    # its threshold is .25, the largest of its four correct calibration decisions
    assert dataclasses.astuple(ensemble) == ("ensemble", pytest.approx(1 / 3), 1.0, 0.0, 1.0)
