"""Which attributes decide between two classes, against the likelihood ratio by hand."""

import numpy as np
import pytest
import torch

from antehoc.doubts import likelihood
from antehoc.errors import DataError, RecipeError
from antehoc.studies.deciding import MEANING, Contribution, Deciding, deciding
from studies.wired import NAMES, OWN, codes, decide_by, files, first_pixel, rows_of, said, tables, wired


def test_attributes_that_decide_add_up_to_the_likelihood_ratio(tmp_path):
    rng = np.random.default_rng(0)
    labels = [0, 1, 2, 0, 1, 0]
    test = files(tmp_path, codes(*rng.integers(10, 245, (3, 6))), labels)
    found = deciding(wired(decide_by(0), first_pixel), test, "auk", "coot")
    assert found.images == (3, 2)
    seen = test.images(range(6))[:, :, 0, 0]
    fit = likelihood.log_likelihood(seen, torch.tensor(OWN))
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
    model = wired(decide_by(0), first_pixel)
    with pytest.raises(RecipeError, match="two different classes"):
        deciding(model, test, "auk", "auk")
    with pytest.raises(RecipeError, match="Did you mean 'auk'"):
        deciding(model, test, "auks", "coot")
    with pytest.raises(DataError, match="'dove' has no test image"):
        deciding(model, test, "auk", "dove")


def test_those_that_help_come_first_and_those_that_mislead_last():
    rows = [Contribution(f"has_part::{n}", mean, mean + 1, mean - 1) for n, mean in enumerate((2.0, 0.5, 0.0, -0.25))]
    found = Deciding("auk", "coot", (3, 2), tuple(rows))
    (table,) = tables(found.blocks())
    assert table.head[2:] == ("on auk", "on coot")
    assert [row[0] for row in table.rows] == ["part: 0", "part: 1", "part: 3"]
    assert rows_of(table)["part: 3"] == ["-0.2500", "+0.7500", "-1.2500"]
    assert "auk (3 images) or coot (2 images): part: 0 and part: 1 help most." in said(found.blocks())
    assert MEANING in said(found.blocks())
