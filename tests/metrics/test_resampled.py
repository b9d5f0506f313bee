"""Measures of draws against the same measures of the rows written out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from antehoc.metrics import resampled as module
from antehoc.metrics.resampled import resampled
from antehoc.metrics.selective import augrc, aurc, auroc

MEASURES = {"auroc": auroc, "aurc": aurc, "augrc": augrc}


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=9).filter(
        lambda rows: any(times for *_, times in rows)
    )
)
def test_a_row_that_counts_several_times_is_several_rows(rows):
    score, wrong, times = (torch.tensor(column) for column in zip(*rows, strict=True))
    found = resampled(score.double(), wrong, times[None])
    written = torch.arange(len(rows)).repeat_interleave(times)
    for name, measure in MEASURES.items():
        expected = measure(score.double()[written], wrong[written]).item()
        assert found[name].item() == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_each_draw_is_measured_for_itself_however_many_at_once(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    score, wrong = torch.rand(30, generator=generator), torch.rand(30, generator=generator) < 0.4
    counts = torch.randint(0, 3, (7, 30), generator=generator, dtype=torch.int16)
    whole = resampled(score, wrong, counts)
    monkeypatch.setattr(module, "_AT_ONCE", 70)  # two draws at once, and one left over
    parts = resampled(score, wrong, counts)
    for name, values in whole.items():
        assert len(values.unique()) > 1
        assert values.equal(parts[name])


def test_a_draw_without_a_row_to_find_has_no_auroc():
    score, wrong = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([False, False, True])
    found = resampled(score, wrong, torch.tensor([[1, 1, 0]]))
    assert found["auroc"].isnan().all()
    assert (found["aurc"].item(), found["augrc"].item()) == (0, 0)
