"""A system, a study, a doubt and a data set, one file each in `extend/`, registered with one line each.

They go through training, calibration, decisions, saving, loading, the report, the comparison and the command line
without another line of the package. Images carry several labels here.
"""

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "extend"))

import recall
from channels import Channels
from flatness import FLATNESS
from squares import COLORS, squares

import antehoc
from antehoc.cli import main
from antehoc.data import DATASETS
from antehoc.doubts import DOUBTS
from antehoc.errors import RecipeError
from antehoc.model import load
from antehoc.studies import STUDIES
from antehoc.systems import SYSTEMS
from antehoc.types import Decision

RECIPE = """
data: {name: squares, images: 200}
system: {name: channels}
phases: [{train: [maps], epochs: 6, batch_size: 16, optimizer: adamw, learning_rate: 0.05}]
verdict: {alpha: 0.1, method: combined, doubts: [softmax, flatness]}
unknown: {kinds: [noise], count: 50}
studies: {recall: {least: 0.4}}
targets: {recall_red: ">= 0.5"}
"""


@pytest.fixture(scope="module")
def registered():
    """The four lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "squares", squares)
        patch.setitem(DOUBTS, "flatness", FLATNESS)
        patch.setitem(SYSTEMS, "channels", Channels)
        patch.setitem(STUDIES, "recall", recall.run)
        yield


@pytest.fixture(scope="module")
def run(registered, tmp_path_factory):
    """The recipe run by the command line: its folder."""
    folder = tmp_path_factory.mktemp("extend")
    (folder / "squares.yaml").write_text(RECIPE)
    arguments = [str(folder / "squares.yaml"), "--quiet", "--device", "cpu", "--out", str(folder / "run")]
    assert main(["reproduce", *arguments, "--json", str(folder / "run.json"), "--html", str(folder / "run.html")]) == 0
    return folder


@pytest.fixture(scope="module")
def model(run):
    return load(run / "run" / "main" / "model")


@pytest.fixture(scope="module")
def images():
    return squares(seed=9, images=20).roles["test"].batch(range(20))


def test_a_run_has_the_figures_of_the_study_beside_those_of_every_run(run):
    found = json.loads((run / "run.json").read_text())
    assert {f"recall_{name}" for name in COLORS} <= set(found["figures"])
    assert found["meanings"]["recall_red"] == "images with red that are found"
    assert found["figures"]["recall_red"] > 0.5
    assert found["targets"]["recall_red"]["met"] is True
    assert found["figures"]["accuracy"] > 0.7  # of label decisions; half of the labels are present
    assert 0 <= found["figures"]["verdict_questioned_correct"] <= 0.2  # alpha is .1; 600 label decisions
    assert found["figures"]["flatness_auroc"] is not None
    assert found["figures"]["ood_noise_questioned"] is not None


def test_the_page_shows_study_doubt_and_maps(run):
    page = (run / "run.html").read_text()
    for said in (recall.Recall.title, "images with green that are found", "flatness", "What the mask lets through"):
        assert said in page, said


def test_every_label_is_a_decision_with_its_doubts_and_its_verdict(model, images):
    decisions = model.decide(images.image)
    for decision in decisions:
        assert list(decision.labels) == list(COLORS)
        named = [name for name, own in decision.labels.items() if own.present]
        assert decision.label == ", ".join(named)
        assert len(decision.explanations) == len(named)
        outcomes = {own.verdict.outcome for own in decision.labels.values()}
        assert (decision.verdict.outcome == "questioned") == ("questioned" in outcomes)
        for name, own in decision.labels.items():
            assert own.probability == pytest.approx(decision.probabilities[name])
            assert set(own.doubts) == {"flatness", "margin", "softmax", "entropy", "confidence", "energy"}
            assert all(decision.doubts[doubt] >= value for doubt, value in own.doubts.items())
    assert {len(decision.explanations) for decision in decisions} > {1}, "some name several labels"


def test_a_reason_of_the_doubt_names_the_label(model):
    with torch.no_grad():  # gray everywhere: no place stands out
        decision = model.decide(torch.full((1, 3, 16, 16), 0.6))[0]
    said = [reason.text for own in decision.labels.values() for reason in own.verdict.reasons]
    assert any("stands out less than in correct decisions" in text for text in said)


def test_a_decision_goes_to_json_and_back(model, images):
    for decision in model.decide(images.image):
        assert Decision.from_plain(json.loads(json.dumps(decision.to_plain()))) == decision


def test_saved_and_loaded_it_decides_the_same(model, images, tmp_path):
    model.save(tmp_path / "again")
    assert load(tmp_path / "again").decide(images.image) == model.decide(images.image)


def test_post_hoc_methods_explain_any_of_its_labels(model, images):
    found = [
        antehoc.attributions(
            model.system.as_classifier(), images.image[:2], method="saliency", target=torch.full((2,), label),
            task="multi-label",
        ).maps
        for label in range(len(COLORS))
    ]  # fmt: skip
    assert not found[0].equal(found[1])


def test_the_commands_take_it(run, images, tmp_path, capsys):
    folder = str(run / "run" / "main" / "model")
    picture = tmp_path / "squares.png"
    Image.fromarray((255 * images.image[0]).byte().permute(1, 2, 0).numpy()).save(picture)
    common = ["--quiet", "--device", "cpu", "--json", str(tmp_path / "out.json"), "--html", str(tmp_path / "out.html")]
    assert main(["explain", folder, str(picture), *common, "--masks", str(tmp_path / "masks")]) == 0
    (row,) = json.loads((tmp_path / "out.json").read_text())["images"]
    assert set(row["labels"]) == set(COLORS)
    assert main(["evaluate", folder, *common]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["figures"]["accuracy"] > 0.7
    assert main(["compare", folder, "--methods", "saliency", "--count", "4", *common]) == 0
    assert "saliency" in (tmp_path / "out.html").read_text()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("system.name=chanels", "no system is called 'chanels'. Did you mean 'channels'?"),
        ("system.kernal=3", "no key 'kernal'. Did you mean 'kernel'?"),
        ("data.image=3", "no key 'image'. Did you mean 'images'?"),
        ("studies={recall: {lest: 0.5}}", "no key 'lest'. Did you mean 'least'?"),
        ("system={name: joint}", "the system joint takes one label per image, and these data have several"),
    ],
)
def test_a_slip_is_named_with_what_is_known(run, tmp_path, capsys, change, says):
    arguments = ["--quiet", "--device", "cpu", "--out", str(tmp_path / "run"), "--set", change]
    assert main(["reproduce", str(run / "squares.yaml"), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_systems_of_one_label_refuse_several():
    spec = squares(seed=0, images=4).spec
    for name in ("mirror", "joint"):
        with pytest.raises(RecipeError, match=r"attributes|one label per image"):
            SYSTEMS[name](spec)
