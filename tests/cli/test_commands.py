"""The command line: what goes well, and for each bad input exit code 2 and one sentence that names the place."""

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from antehoc.data.sets.shapes import draw
from antehoc.figure import values
from antehoc.model import Model, load


def test_evaluate_repeats_the_figures_of_the_run(call, tiny_run, tmp_path):
    path, page = tmp_path / "figures.json", tmp_path / "page.html"
    code, printed, complaint = call("evaluate", tiny_run.model, "--json", path, "--html", page, "--device", "cpu")
    assert (code, complaint) == (0, "")
    written = json.loads(path.read_text())
    assert set(written) == {"figures", "intervals", "notes"}
    measured = values(tiny_run.result.figures)
    assert written["figures"] == {name: measured[name] for name in written["figures"]}
    assert f"{written['figures']['accuracy']:.4f}" in printed
    assert page.read_text().startswith("<!doctype html>")


def test_evaluate_takes_images_of_no_known_class_from_disk(call, tiny_run, square, tmp_path):
    folder = tmp_path / "strange"
    folder.mkdir()
    for number in range(3):
        square.rotate(20 * number).save(folder / f"{number}.png")
    code, printed, _ = call(
        "evaluate", tiny_run.model, "--ood", f"mine={folder}", "--json", tmp_path / "f.json", "--device", "cpu"
    )
    assert code == 0
    assert "mine" in printed
    assert {"ood_mine_questioned", "ood_mine_auroc"} <= set(json.loads((tmp_path / "f.json").read_text())["figures"])


def test_evaluate_takes_changes_to_the_recorded_recipe(call, tiny_run, tmp_path):
    path = tmp_path / "f.json"
    changes = ("--set", "unknown={kinds: [noise]}", "--set", "data.test=40")
    assert call("evaluate", tiny_run.model, *changes, "--json", path, "--device", "cpu")[0] == 0
    assert not any("star" in name for name in json.loads(path.read_text())["figures"])


@pytest.fixture
def labelled(tmp_path):
    """Eight images of each of three classes, one of which the model does not know."""
    for name, kind in (("circle", "circle"), ("square", "square"), ("star", "star")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number, image in enumerate(draw(kind, seed=4, count=8, side=32).image):
            Image.fromarray(image).save(tmp_path / "set" / name / f"{number}.png")
    return tmp_path / "set"


def test_evaluate_measures_every_labelled_image_of_a_folder(call, tiny_run, labelled, tmp_path):
    path, page = tmp_path / "f.json", tmp_path / "f.html"
    code, printed, complaint = call(
        "evaluate", tiny_run.model, labelled, "--json", path, "--html", page, "--device", "cpu", "--quiet"
    )
    assert (code, complaint) == (0, "")
    written = json.loads(path.read_text())
    decided = load(tiny_run.model).decide(labelled)
    correct = [decided[number].label == ("circle", "square")[number // 8] for number in range(16)]
    assert written["figures"]["accuracy"] == sum(correct) / 16
    low, high = written["intervals"]["accuracy"]
    assert low < sum(correct) / 16 < high or sum(correct) in (0, 16)
    assert (written["images"], written["unreadable"]) == (24, 0)
    assert {name: one["images"] for name, one in written["classes"].items()} == {"circle": 8, "square": 8}
    assert written["classes"]["circle"]["correct"] == sum(correct[:8]) / 8
    questioned = sum(one.verdict.outcome == "questioned" for one in decided[16:]) / 8
    assert written["unknown_classes"]["star"]["questioned"] == questioned
    assert written["figures"]["ood_unknown_classes_questioned"] == questioned
    assert "every labelled image of" in printed
    assert "16 of known classes, 8 of unknown ones" in printed
    assert {"circle", "square", "star"} <= {line.split()[0] for line in printed.splitlines() if line}
    assert "Classes</h" in page.read_text()


def test_an_image_that_cannot_be_read_is_reported_and_the_others_are_measured(call, tiny_run, labelled, tmp_path):
    (labelled / "circle" / "8.png").write_bytes(b"no image")
    path = tmp_path / "f.json"
    code, printed, complaint = call("evaluate", tiny_run.model, labelled, "--json", path, "--device", "cpu", "--quiet")
    assert code == 2
    assert complaint.splitlines()[0].startswith(f"antehoc: {labelled / 'circle' / '8.png'}: this is not an image")
    assert complaint.splitlines()[-1] == "antehoc: 1 image was skipped; the line above says why."
    assert (json.loads(path.read_text())["images"], json.loads(path.read_text())["unreadable"]) == (24, 1)
    assert "24 labelled images of" in printed


def test_a_measurement_of_a_part_of_the_data_says_so(call, tiny_run):
    _, printed, _ = call("evaluate", tiny_run.model, "--device", "cpu")
    assert "note: measured are 400 of the 1,520 images of the recipe's data, from the role test" in printed
    assert "`antehoc evaluate MODEL PATH` measures every labelled image" in printed
    _, printed, _ = call("compare", tiny_run.model, "--methods", "saliency", "--count", 1, "--device", "cpu", "--quiet")
    assert "note: measured are 1 of the 1,520 images" in printed


@pytest.mark.parametrize(("option", "value"), [("--data", "."), ("--recipe", "shapes"), ("--set", "data.test=4")])
def test_a_path_takes_the_place_of_a_recipes_data(refused, tiny_run, labelled, option, value):
    said = refused("evaluate", tiny_run.model, labelled, option, value, "--device", "cpu")
    assert said == f"antehoc: {option}: belongs to a recipe's data, and PATH takes their place; leave one of them out."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--out", "d.txt"), "--out d.txt: its name must end in .jsonl or .csv"),
        (("--out", "none/d.csv"), "none/d.csv: its folder does not exist"),
        (("--out", "d.csv", "--html", "p.html"), "--html: keeps all decisions in memory, and --out keeps none"),
        (("--out", "d.csv", "--masks", "m"), "--masks: keeps all decisions in memory"),
        (("--format", "csv"), "--format: belongs to --out"),
        (("--overwrite",), "--overwrite: belongs to --out"),
    ],
)
def test_rows_that_cannot_be_written_are_refused(refused, tiny_run, png, tmp_path, monkeypatch, more, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused("explain", tiny_run.model, png, *more, "--device", "cpu")
    assert [path.name for path in tmp_path.iterdir()] == [png.name]


def test_explain_writes_rows_of_folders_and_patterns(call, tiny_run, labelled, tmp_path):
    (labelled / "star" / "9.png").write_bytes(b"")
    out = tmp_path / "d.jsonl"
    arguments = ("explain", tiny_run.model, labelled / "star", f"{labelled}/c*/*.png", "--out", out, "--device", "cpu")
    code, printed, complaint = call(*arguments)
    assert (code, printed) == (2, "")
    assert complaint.splitlines() == [
        "antehoc: 17 images.", "antehoc: 1 image could not be read; the rows with an error say why.",
    ]  # fmt: skip
    assert [json.loads(line)["kind"] for line in out.read_text().splitlines()] == [
        "model",
        *["decision"] * 8,
        "error",
        *["decision"] * 8,
    ]
    code, _, complaint = call(*arguments)
    assert code == 2, "the rows still hold an error"
    assert "antehoc: 0 images, 17 were there already." in complaint
    code, printed, _ = call(
        "explain", tiny_run.model, labelled / "star" / "1.png", "--out", "-", "--format", "csv", "--device", "cpu"
    )
    assert code == 0
    assert printed.splitlines()[1].startswith(f"{labelled / 'star' / '1.png'},")


def test_a_stopped_run_over_images_says_how_to_go_on(call, tiny_run, png, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("antehoc.runs.explain.explain_to_file", stop)
    code, _, complaint = call("explain", tiny_run.model, png, "--out", tmp_path / "d.csv", "--device", "cpu")
    assert code == 130
    assert complaint == f"antehoc: stopped; the same command goes on from the rows in {tmp_path / 'd.csv'}.\n"


@pytest.mark.parametrize(
    ("command", "change", "key"),
    [
        ("evaluate", "system.mirror.width=9", "system.mirror.width"),
        ("evaluate", "verdict.alpha=0.2", "verdict.alpha"),
        ("evaluate", "verdict={alpha: 0.2}", "verdict.alpha"),
        ("evaluate", "phases=[]", "phases"),
        ("evaluate", "draws=5", "draws"),
        ("evaluate", "studies=[leakage]", "studies"),
        ("evaluate", "unknown.peers=true", "unknown.peers"),
        ("evaluate", "unknown={kinds: [noise], paired: [noise]}", "unknown.paired"),
        ("compare", "unknown.count=5", "unknown.count"),
        ("compare", "verdict.alpha=0.2", "verdict.alpha"),
    ],
)
@pytest.mark.parametrize("named", [False, True], ids=["the recorded recipe", "another one"])
def test_what_a_saved_model_would_not_follow_is_refused(refused, tiny_run, command, change, key, named):
    recipe = ("--recipe", tiny_run.recipe) if named else ()
    takes = {"evaluate": "data, unknown.kinds, unknown.count, unknown.from_disk, unknown.only, unknown.exclude"}
    assert refused(command, tiny_run.model, *recipe, "--set", change, "--device", "cpu") == (
        f"antehoc: --set {key}: `{command}` measures a saved model as it is, and this would change nothing;"
        f" `{command}` takes {takes.get(command, 'data')}."
    )


def test_another_seed_is_no_change_of_the_recipe(refused, tiny_run):
    for command in ("evaluate", "compare"):
        said = refused(command, tiny_run.model, "--set", "seed=3", "--device", "cpu")
        assert said.endswith("this would change nothing; give --seed.")


def test_compare_sets_every_explanation_of_a_model_on_one_table(call, tiny_run, tmp_path):
    path, page = tmp_path / "c.json", tmp_path / "c.html"
    code, printed, _ = call(
        "compare", tiny_run.model, "--methods", "saliency,input-x-gradient", "--count", 2, "--seed", 4, "--json", path,
        "--html", page, "--device", "cpu", "--quiet", "--aopc-grid",
    )  # fmt: skip
    assert code == 0
    written = json.loads(path.read_text())
    assert set(written["aopc_grid"]["uniform 1/56"]) == {"saliency", "input-x-gradient", "random"}
    assert [row["name"] for row in written["rows"] if row["kind"] == "post hoc"] == ["saliency", "input-x-gradient"]
    assert (written["images"], written["seed"]) == (2, 4)
    assert {line.split()[0] for line in printed.splitlines() if line} >= {"saliency", "input-x-gradient", "random"}
    assert page.read_text().startswith("<!doctype html>")


def test_compare_refuses_what_cannot_be(refused, tiny_run):
    said = refused("compare", tiny_run.model, "--methods", "salency", "--device", "cpu")
    assert "no post-hoc method is called 'salency'. Did you mean 'saliency'?" in said
    said = refused("compare", tiny_run.model, "--set", "data.side=64", "--device", "cpu")
    assert "its classes or images are not the model's" in said
    assert "--count and --chunk must be 1 or more" in refused(
        "compare", tiny_run.model, "--count", 0, "--device", "cpu"
    )


ONE_EPOCH = (
    "--set", "data={name: shapes, side: 32, train: 120, validation: 20, calibration: 300, test: 40}",
    "--set", "phases=[{train: [main, mirror], epochs: 1, learning_rate: 0.01}]", "--device", "cpu", "--quiet",
)  # fmt: skip


def test_train_makes_a_model_that_explains(call, tiny_run, png, tmp_path):
    path = tmp_path / "t.json"
    code, printed, complaint = call("train", tiny_run.recipe, "--out", tmp_path / "t", "--json", path, *ONE_EPOCH)
    assert (code, complaint) == (0, "")
    written = json.loads(path.read_text())
    assert written["model"] == str(tmp_path / "t" / "model")
    assert len(written["history"]) == 1
    assert "phase 1: 1 epochs" in printed
    assert call("explain", written["model"], png, "--device", "cpu")[0] == 0


def test_a_training_that_diverges_saves_no_model(refused, tiny_run, tmp_path):
    phases = "phases=[{train: [main, mirror], epochs: 2, learning_rate: 1.0e+30}]"
    for command in ("train", "reproduce"):
        said = refused(command, tiny_run.recipe, "--out", tmp_path / command, *ONE_EPOCH, "--set", phases)
        assert said.startswith("antehoc: phase 1, epoch 1: the loss became NaN or infinite")
        assert not list((tmp_path / command).rglob("*.safetensors"))


def test_reproduce_writes_figures_report_and_model(call, tiny_run, tmp_path):
    path, page, out = tmp_path / "r.json", tmp_path / "r.html", tmp_path / "r"
    code, printed, complaint = call(
        "reproduce", tiny_run.recipe, "--seed", 5, "--out", out, "--json", path, "--html", page, *ONE_EPOCH,
        "--set", "unknown.count=20",
    )  # fmt: skip
    assert (code, complaint) == (0, "")
    written = json.loads(path.read_text())
    assert {"recipe", "scale", "seed", "seconds", "figures", "published", "targets"} <= set(written)
    assert set(written["meanings"]) == set(written["figures"])
    assert written["meanings"]["accuracy"]
    assert (written["seed"], written["scale"]) == (5, "small")
    assert json.loads((out / "figures.json").read_text()) == written
    assert page.read_text() == (out / "report.html").read_text()
    assert str(out / "main" / "model") in printed
    assert load(out / "main" / "model").about["seed"] == 5


def test_a_run_of_another_command_is_not_resumed(refused, tiny_run):
    said = refused("train", tiny_run.recipe, "--out", tiny_run.folder, "--resume", "--device", "cpu", "--quiet")
    assert said == (
        f"antehoc: {tiny_run.folder}: holds a run of `reproduce`, which `train` cannot continue; resume it with"
        " `reproduce`, or start a new run without --resume."
    )


def test_the_path_of_data_reaches_the_recipe_as_it_is(refused, tiny_run, tmp_path):
    text = tiny_run.recipe.read_text()
    start = text.index("data: ")
    recipe = tmp_path / "m.yaml"
    recipe.write_text(text[:start] + "data: {name: manifest}\n" + text[text.index("system: ") :])
    name = tmp_path / "with: colon #and a hash.csv"
    said = refused("train", recipe, "--data", name, "--out", tmp_path / "out", "--device", "cpu")
    assert str(name) in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("system.mirror.widht=8", "tiny.yaml, system.mirror: no key 'widht'. Did you mean 'width'?"),
        ("system.mirror.width=wide", "tiny.yaml, system.mirror.width: got 'wide', needs a whole number."),
        ("system.name=miror", "tiny.yaml, system.name: no system is called 'miror'. Did you mean 'mirror'?"),
        ("system.backbone=smal", "no backbone is called 'smal'. Did you mean 'small'?"),
        ("data.trian=8", "tiny.yaml, data: no key 'trian'. Did you mean 'train'?"),
        ("data.name=shape", "tiny.yaml, data.name: no data set is called 'shape'. Did you mean 'shapes'?"),
        ("data.train=2020-01-02", "tiny.yaml, data.train: got datetime.date(2020, 1, 2), needs a whole number."),
        ("verdict.alpha=2", "tiny.yaml, verdict: alpha must be between 0 and 1; got 2.0."),
        ("verdic.alpha=0.1", "tiny.yaml: no key 'verdic'. Did you mean 'verdict'?"),
        ("seed=-1", "tiny.yaml: a seed must be in 0..2**63 - 1; got -1."),
        ("seed=true", "tiny.yaml, seed: got True, needs a whole number."),
        ("phases=[{train: [nose], epochs: 1}]", "the system has no part 'nose' to train. Known: main, mirror."),
        ("phases=[{train: [main], epochs: 1, weights: {x: 1}}]", "tiny.yaml, phases.0: no loss term is called 'x'"),
        ("phases=[{train: [main], epochs: 1, monitor: acuracy}]", "no figure is called 'acuracy'. Did you mean"),
        (
            "phases=[{train: [main], epochs: 1, cache: true}]",
            "no frozen part whose activations could be cached; leave `cache` out.",
        ),
        ("data.calibration=20", "tiny.yaml: calibration has 20 images; give 80 or more"),
        ("seed", "--set seed: needs KEY=VALUE, such as data.train=2000."),
        ("seed=[1", "--set seed=[1, line 1: is not valid YAML ("),
    ],
)
def test_a_wrong_recipe_is_refused(refused, tiny_run, tmp_path, change, message):
    said = refused(
        "reproduce", tiny_run.recipe, "--set", change, "--out", tmp_path / "out", "--device", "cpu", "--quiet"
    )
    assert message in said


def test_an_unknown_doubt_is_refused(refused, tiny_run, tmp_path):
    said = refused("train", tiny_run.recipe, *ONE_EPOCH, "--set", "verdict.doubts=[margn]", "--out", tmp_path / "o")
    assert "no doubt is called 'margn'" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("reproduce", "shape"), "no recipe is called 'shape'. Did you mean 'shapes'?"),
        (("reproduce", "none.yaml"), "none.yaml: the recipe cannot be read (No such file or directory)"),
        (("reproduce", "shapes", "--scale", "papers"), "shapes.yaml: has no scale 'papers'; it has small, paper."),
        (("train", "shapes", "--device", "tpu"), "--device tpu: is not one of auto, cpu, cuda, mps."),
        (("train", "shapes", "--devices", "0"), "--devices 0: needs 1 or more."),
        (("train", "shapes", "--resume", "--out", "none"), "none: there is no run to resume here"),
        (("reproduce", "shapes", "--seed", "-1"), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--seed", "one"), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--seed", "1.5"), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--seed", "9" * 30), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--ood", "mnist"), "--ood mnist: needs NAME=PATH, such as mnist=data/mnist."),
        (("reproduce", "shapes", "--ood", "mnist=none"), "--ood mnist=none: there is nothing at none; give a folder"),
        (("reproduce", "shapes", "--ood", "a=.", "--ood", "a=."), "--ood a=.: the name 'a' is used twice"),
        (("reproduce",), "the following arguments are required: recipe"),
        (("explain", "model"), "the following arguments are required: IMAGE"),
        (("explain", "model", "image.png"), "model: no such model folder; name one that holds README.md"),
        (("evaluate", "model"), "model: no such model folder"),
        (("improve",), "invalid choice: 'improve'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_word_is_refused(refused, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(refused, tiny_run, png):
    assert refused("explain", tiny_run.model, png, "--device", "cuda") == (
        "antehoc: --device cuda: this machine does not have one; use cpu."
    )


def table(folder: Path, *, labels: tuple[str, ...], attributes: tuple[str, ...], test_label: str | None = None) -> Path:
    """A manifest of drawn shapes and a recipe for it, at the tiny model's size."""
    lines = ["path,label,split" + "".join(f",attribute:{name}" for name in attributes)]
    for split in ("train", "validation", "calibration", "test"):
        for number, label in enumerate(labels):
            name = f"{split}-{number}.png"
            Image.fromarray(draw("circle", seed=len(lines), count=1, side=32).image[0]).save(folder / name)
            shown = test_label if test_label and split == "test" and number == 0 else label
            lines.append(f"{name},{shown},{split}" + "".join(f",{(number + i) % 2}" for i in range(len(attributes))))
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    recipe = folder / "mine.yaml"
    recipe.write_text(
        f"data: {{name: manifest, path: {folder / 'table.csv'}, size: 32, channels: 1}}\n"
        "system: {name: mirror, backbone: tiny}\nphases: [{train: [main, mirror], epochs: 1}]\n"
    )
    return recipe


CLASSES = ("circle", "rectangle", "square", "triangle")


def test_labels_outside_the_models_classes_are_refused(refused, tiny_run, tmp_path):
    recipe = table(tmp_path, labels=(*CLASSES[:3], "hexagon"), attributes=("a", "b"))
    said = refused("evaluate", tiny_run.model, "--recipe", recipe, "--device", "cpu")
    assert said.startswith(f"antehoc: {recipe}: its classes or attributes are not the model's (circle, rectangle")


def test_a_label_that_was_never_trained_is_refused(refused, tmp_path):
    recipe = table(tmp_path, labels=CLASSES, attributes=("a", "b"), test_label="hexagon")
    said = refused("train", recipe, "--out", tmp_path / "out", "--device", "cpu")
    assert "table.csv" in said
    assert "hexagon" in said


@pytest.mark.parametrize("attributes", [("a", "b"), ()])
def test_attribute_columns_that_do_not_match_the_model_are_refused(refused, tiny_run, tmp_path, attributes):
    recipe = table(tmp_path, labels=CLASSES, attributes=attributes)
    said = refused("evaluate", tiny_run.model, "--recipe", recipe, "--device", "cpu")
    assert said.startswith(f"antehoc: {recipe}: its classes or attributes are not the model's")


def test_a_table_without_attributes_cannot_train_a_mirror(refused, tmp_path):
    recipe = table(tmp_path, labels=CLASSES * 3, attributes=())
    said = refused("train", recipe, "--set", "verdict.alpha=0.2", "--out", tmp_path / "out", "--device", "cpu")
    assert "attributes" in said
    assert "add attribute columns" in said


def test_an_attribute_that_is_no_share_is_refused_with_its_row(refused, tmp_path):
    recipe = table(tmp_path, labels=CLASSES, attributes=("a", "b"))
    path = tmp_path / "table.csv"
    path.write_text(path.read_text().replace("train-1.png,rectangle,train,1,", "train-1.png,rectangle,train,7,"))
    said = refused("train", recipe, "--out", tmp_path / "out", "--device", "cpu")
    assert "table.csv, line 3, attribute:a: an attribute is 0, 1 or between; got '7'" in said


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(refused, tiny_run, png, tmp_path, option):
    (tmp_path / "file").write_text("")
    for place, message in (
        (tmp_path / "none" / "out", "its folder does not exist; make it, or choose another path."),
        (tmp_path, "is a folder; name a file."),
        (tmp_path / "file" / "out", "its folder does not exist"),
        (tmp_path / ("long" * 100), "cannot be written (File name too long); choose another path."),
    ):
        said = refused("explain", tiny_run.model, png, option, place, "--device", "cpu")
        assert said.startswith(f"antehoc: {place}: ")
        assert message in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_is_refused(refused, tiny_run, png, tmp_path):
    path = tmp_path / "out.json"
    path.touch(mode=0o400)
    said = refused("explain", tiny_run.model, png, "--json", path, "--device", "cpu")
    assert said == f"antehoc: {path}: cannot be written (Permission denied); choose another path."


def test_a_disk_that_is_full_is_said(refused, tiny_run, png):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    said = refused("explain", tiny_run.model, png, "--json", "/dev/full", "--device", "cpu")
    assert said == "antehoc: /dev/full: cannot be written (No space left on device); choose another path."


def test_a_run_folder_that_cannot_be_made_is_refused(refused, tiny_run, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    said = refused("train", tiny_run.recipe, "--out", out, "--device", "cpu")
    assert said == f"antehoc: {out}: cannot be written (Not a directory); choose another path with --out."


def test_a_damaged_model_is_refused(refused, tiny_run, png, tmp_path):
    model = load(tiny_run.model)
    Model(model.system, model.arguments, model.preprocessing, model.policy, model.about).save(tmp_path / "m")
    with (tmp_path / "m" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    said = refused("explain", tmp_path / "m", png, "--device", "cpu")
    assert said.startswith(f"antehoc: {tmp_path / 'm'}/model.safetensors: its hash is ")


def test_an_uncalibrated_model_explains_and_is_not_evaluated(call, refused, tiny_run, png, tmp_path):
    model = load(tiny_run.model)
    Model(model.system, model.arguments, model.preprocessing, None, model.about).save(tmp_path / "m")
    code, printed, _ = call("explain", tmp_path / "m", png, "--device", "cpu")
    assert code == 0
    assert "not calibrated" in printed
    said = refused("evaluate", tmp_path / "m", "--device", "cpu")
    assert said.startswith("antehoc: the model was never calibrated")


def test_a_stopped_command_says_how_to_go_on(call, tiny_run, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("antehoc.runs.reproduce.reproduce", stop)
    code, _, complaint = call("reproduce", tiny_run.recipe, "--out", tmp_path / "out", "--device", "cpu")
    assert (code, complaint) == (130, "antehoc: stopped; continue a training run with --resume.\n")
