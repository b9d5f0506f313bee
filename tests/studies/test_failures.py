"""The study `failures` on real systems, and how it tells what it found."""

import dataclasses
import json

import pytest
import torch

from antehoc.blocks import Note, Strong
from antehoc.calibration import Policy
from antehoc.data import Source
from antehoc.data.examples import Tensors
from antehoc.errors import RecipeError
from antehoc.figure import values
from antehoc.model import Model
from antehoc.rivals import RIVALS
from antehoc.studies import STUDIES, Context
from antehoc.studies.failures import KINDS, MEANING, SOFTMAX, Failures
from antehoc.studies.rivalry import VERDICT, Difference, ranks
from antehoc.systems import Mirror
from studies.wired import OWN, SIZE, SPEC, decide_by, first_pixel, rows_of, said, tables, wired

POLICY = Policy("softmax", ("softmax",), (), (1.0,), 0.5, 0.1, 0.1, "expected", 0, 0, 0)
SMALL = {"images": 10, "corruptions": ("contrast", "jpeg"), "strengths": (1, 5), "draws": 40}


def images(count: int, seed: int) -> Tensors:
    """Plain pictures: the color is the class, with noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    color = torch.eye(3)[labels] * 120 + 40
    noise = torch.randn(count, 3, SIZE.height, SIZE.width, generator=generator) * 40
    return Tensors((color[:, :, None, None] + noise).clamp(0, 255).byte(), labels, torch.tensor(OWN)[labels])


def source() -> Source:
    roles = {"train": images(60, 0), "calibration": images(45, 1), "test": images(30, 2)}
    return Source(SPEC, roles, SIZE)


def mirror(seed: int = 0) -> Mirror:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Mirror(SPEC, backbone="tiny").eval()


def model(policy: Policy | None = POLICY) -> Model:
    return Model(mirror(), {"name": "mirror", "backbone": "tiny"}, SIZE, policy)


@pytest.fixture(scope="module")
def found() -> Failures:
    context = Context({"odd": images(12, 5).without_labels()}, mirror)
    return STUDIES["failures"](model(), source(), seed=0, context=context, ensemble=3, **SMALL)


def test_every_score_is_measured_on_every_kind_of_failure(found):
    scores = {row.score for row in found.rows}
    assert {VERDICT, *(rival.says for rival in RIVALS.values())} <= scores
    assert {(row.score, row.kind) for row in found.rows} == {(score, kind) for score in scores for kind in KINDS}
    assert [(count.kind, count.decisions) for count in found.counts][:2] == [("clean", 30), ("corrupted", 40)]
    assert found.counts[3].decisions == 30 + 40 + 12
    assert found.counts[3].failures == found.counts[0].failures + found.counts[1].failures + 12
    assert found.unknown == {"odd": 12}
    assert [row.what for row in found.corrupted] == ["contrast 1", "contrast 5", "jpeg 1", "jpeg 5"]
    json.dumps(found.to_plain(), allow_nan=False)


def test_a_verdict_of_softmax_ranks_as_untempered_softmax_does(found):
    name = RIVALS["doctor_beta"].says
    for kind in KINDS:
        own, same = found.row(VERDICT, kind), found.row(name, kind)
        assert own.values["auroc"] == pytest.approx(same.values["auroc"], abs=0.01)  # single against double precision
    assert found.mean_ranks[VERDICT] == pytest.approx(
        sum(ranks({r.score: r.values["augrc"] for r in found.rows if r.kind == kind})[VERDICT] for kind in KINDS) / 4
    )


def test_the_ensemble_is_this_network_and_the_further_ones(found):
    from antehoc.evaluation import score

    test = source().roles["test"]
    shares = torch.stack([score(mirror(seed), test).logits.softmax(1) for seed in (0, 1, 2)]).mean(0)
    accuracy = float((shares.argmax(1) == test.labels).double().mean())
    assert found.ensemble.accuracy == pytest.approx(accuracy)
    assert found.ensemble.single_accuracy == pytest.approx(1 - found.counts[0].failures / 30)
    assert found.ensemble.networks == 3
    assert [row.score for row in found.questioned] == ["verdict", "maximum softmax", "ensemble"]


def test_its_figures_are_the_verdicts_and_its_differences(found):
    own = values(found.figures())
    assert own["failures_clean_auroc"] == found.row(VERDICT, "clean").values["auroc"]
    minus = found.row(SOFTMAX, "unknown").verdict_minus["augrc"]
    assert own["failures_unknown_augrc_minus_softmax"] == minus.value
    assert own["failures_mean_rank"] == found.mean_ranks[VERDICT]
    beside = {row.kind: row for row in found.ensemble.beside}
    assert own["failures_together_auroc_minus_ensemble"] == beside["together"].verdict_minus["auroc"].value
    by_name = {figure.name: figure for figure in found.figures()}
    assert by_name["failures_unknown_augrc_minus_softmax"].interval == (minus.low, minus.high)
    assert {figure.better for name, figure in by_name.items() if "auroc" in name} == {"higher"}
    assert {figure.better for name, figure in by_name.items() if "auroc" not in name} == {"lower"}


def test_its_table_has_a_row_for_each_score_and_sets_off_the_best(found):
    table = tables(found.blocks())[0]
    assert table.head == ("AUGRC", "clean", "corrupted", "unknown", "together", "mean rank")
    assert [row[-1] for row in table.rows] == [f"{rank:.1f}" for rank in found.mean_ranks.values()]
    column = [row[1] for row in table.rows]
    best = min(found.row(score, "clean").values["augrc"] for score in found.mean_ranks)
    assert {cell.text for cell in column if isinstance(cell, Strong)} == {f"{best:.4f}"}
    assert Strong("verdict") in [row[0] for row in table.rows]
    assert MEANING in said(found.blocks())


def altered(found: Failures, difference: Difference) -> Failures:
    minus = dict.fromkeys(("augrc", "aurc", "auroc"), difference)
    rows = [row if row.score == VERDICT else dataclasses.replace(row, verdict_minus=minus) for row in found.rows]
    return dataclasses.replace(found, rows=tuple(rows))


def first_note(found: Failures) -> str:
    note = found.blocks()[0]
    assert isinstance(note, Note)
    return note.text


def test_the_sentence_is_right_whichever_way_it_falls(found):
    rivals = len(found.mean_ranks) - 1
    better = first_note(altered(found, Difference(-0.1, -0.2, -0.05)))
    assert "the verdict's AUGRC is better on clean, corrupted, unknown and together." in better
    assert (
        f"no score is better than the verdict beyond the interval, and the verdict is better than {rivals} " in better
    )
    worse = first_note(altered(found, Difference(0.1, 0.05, 0.2)))
    assert "the verdict's AUGRC is worse on clean, corrupted, unknown and together." in worse
    assert "are better than the verdict beyond the interval, and the verdict is better than 0 of" in worse
    unclear = first_note(altered(found, Difference(0.1, -0.05, 0.2)))
    assert "not clearly different (the interval includes 0) on clean, corrupted, unknown and together." in unclear


def test_the_ensemble_is_beside_the_verdict_in_words(found):
    minus = {"auroc": Difference(-0.1, -0.2, -0.05), "augrc": Difference(0.1, 0.05, 0.2)}
    rows = tuple(dataclasses.replace(row, verdict_minus=minus) for row in found.ensemble.beside)
    below = dataclasses.replace(found, ensemble=dataclasses.replace(found.ensemble, beside=rows))
    assert "The verdict's AUROC is below the ensemble's on clean, corrupted, unknown and together." in said(
        below.blocks()
    )
    assert rows_of(*tables(below.blocks())[2:3])["clean"][-2:] == [
        "-0.1000 (-0.2000 to -0.0500)",
        "+0.1000 (+0.0500 to +0.2000)",
    ]
    alone = dataclasses.replace(found, ensemble=None)
    assert "ensemble" not in said(alone.blocks())


def test_without_a_run_noise_is_the_unknown_set_and_nothing_can_train():
    found = STUDIES["failures"](model(), source(), seed=0, **SMALL)
    assert found.unknown == {"noise": 10}
    assert found.ensemble is None
    assert len(found.questioned) == 2
    with pytest.raises(RecipeError, match="can train no ensemble here; run a recipe with `reproduce`"):
        STUDIES["failures"](model(), source(), seed=0, ensemble=5, **SMALL)


def test_a_classifier_without_a_dense_layer_is_compared_with_what_reads_logits():
    bare = wired(decide_by(0, sure=2.0), first_pixel, policy=POLICY)
    found = STUDIES["failures"](bare, source(), seed=0, context=Context(), **SMALL)
    assert len(found.mean_ranks) == 8
    assert "trust score" in said(found.blocks())
    assert found.row(VERDICT, "unknown").values["auroc"] is None


def test_what_cannot_be_is_refused():
    with pytest.raises(RecipeError, match="needs a calibrated model"):
        STUDIES["failures"](model(None), source(), seed=0, **SMALL)
    for name in ("images", "draws"):
        with pytest.raises(RecipeError, match=f"needs {name} of 1 or more; got 0"):
            STUDIES["failures"](model(), source(), seed=0, **{**SMALL, name: 0})
