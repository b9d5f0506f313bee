"""Other detectors: measured on the same features, ranked for each set."""

import pytest

from antehoc.blocks import Note, Section, Table
from antehoc.data.outliers import outliers
from antehoc.evaluation import peers, score
from antehoc.figure import Figure


def test_the_best_detector_of_each_set_is_a_figure(found):
    pytest.importorskip("pytorch_ood")
    system = found.model.system
    few, train = found.test.select(range(50)), found.source.roles["train"]
    noise = outliers("noise", found.model.preprocessing, count=20, seed=5)
    scored, unknown = score(system, few, features=True), {"noise": score(system, noise, features=True)}
    (figure,), table = peers.measured(found.model, train, scored, unknown)
    assert (figure.name, figure.of_set, figure.better) == ("peer_ood_noise_auroc", "noise", "higher")
    assert figure.value == max(row["noise"] for row in table.values())
    assert peers.measured(found.model, train, scored, {}) == ([], {})


def test_detectors_are_ranked_for_each_set_and_all_of_them_folded_away():
    table = {name: {"far_off": value} for name, value in {"A": 0.5, "B": 0.9, "C": 0.75, "D": 0.6}.items()}
    found = [Figure("ood_far_off_auroc", 0.8, "", ""), Figure("msp_ood_far_off_auroc", 0.7, "", "")]
    ranked, note, folded = peers.section(found, table, ["far_off"]).blocks
    assert isinstance(ranked, Table)
    assert ranked.rows == (("far off", "0.8000", "0.7000", "0.9000 B", "0.7500 C", "0.6000 D"),)
    assert isinstance(note, Note)
    assert "It could not have been chosen beforehand" in note.text
    assert isinstance(folded, Section)
    assert folded.folded
    assert folded.title == "all 4 detectors"
    assert folded.blocks[0].rows == (("B", "0.9000"), ("C", "0.7500"), ("D", "0.6000"), ("A", "0.5000"))
