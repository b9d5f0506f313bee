"""A saved model: it decides the same, bit for bit, and whatever was changed in its folder is refused in a sentence."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

import antehoc
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError, ImageError, ModelError, OutputError, RecipeError
from antehoc.figure import number
from antehoc.model import FILES, Model, build_system, grouped_arguments, load
from antehoc.model.folder import model_card, sha256
from antehoc.systems import Mirror
from antehoc.types import DataSpec
from damaged import damaged, said

SPEC = DataSpec(("cat", "fox"), 1, 8, 8, ("red",), ((0.0,), (1.0,)))


@pytest.fixture
def untrained() -> Model:
    return Model(Mirror(SPEC, backbone="tiny").eval(), {"name": "mirror", "backbone": "tiny"}, Preprocessing(1, 8, 8))


@pytest.fixture
def folder(tiny_run, tmp_path) -> Path:
    """A copy of a trained model that a test may damage."""
    return Path(shutil.copytree(tiny_run.model, tmp_path / "model"))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(70, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def change(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder: Path) -> str:
    """The sentence with which a folder is refused, after its place."""
    with pytest.raises(ModelError) as caught:
        load(folder)
    message = str(caught.value)
    assert message.startswith(str(folder))
    assert "\n" not in message
    return message.removeprefix(str(folder))


def test_a_saved_model_decides_the_same_bit_for_bit(tiny_run, tmp_path, images):
    trained = next(iter(tiny_run.result.models.values()))
    first = load(tiny_run.model)
    first.save(tmp_path / "again")
    second = antehoc.load(tmp_path / "again")
    wanted = trained.decide(images)
    assert wanted[0].verdict is not None
    assert first.decide(images) == wanted
    assert second.decide(images) == wanted
    assert (first.policy, first.preprocessing, first.spec) == (trained.policy, trained.preprocessing, trained.spec)
    assert second.about == first.about
    for name in ("config.json", "model.safetensors"):
        assert sha256(tmp_path / "again" / name) == sha256(tiny_run.model / name)


def test_a_folder_of_the_first_schema_decides_the_same(tiny_run, tmp_path, images):
    """Its system's arguments had no groups, its card an `explanans`, its data no task."""
    shutil.copytree(tiny_run.model, tmp_path / "old")
    config = json.loads((tmp_path / "old" / "config.json").read_text())
    assert config["system"] == {
        "name": "mirror",
        "backbone": {"name": "small"},
        "mirror": {"kind": "light", "width": 8},
    }
    card = {"explanans" if key == "explanation" else key: value for key, value in config["card"].items()}
    data = {key: value for key, value in config["data"].items() if key != "task"}
    flat = {"name": "mirror", "backbone": "small", "mirror": "light", "width": 8}
    change(tmp_path / "old", schema=1, system=flat, card=card, data=data)
    assert load(tmp_path / "old").decide(images) == load(tiny_run.model).decide(images)


@pytest.mark.parametrize(("given", "fine"), [({"grain": 1}, True), ({"grain": 8}, False)])
def test_an_argument_that_is_gone_is_refused_where_it_changed_the_system(given, fine):
    old = {"name": "joint", "classifier": "tiny", **given}
    if fine:
        assert grouped_arguments(old) == {"name": "joint", "backbone": {"name": "tiny"}}
    else:
        with pytest.raises(ModelError, match="grain: 8 is no longer supported"):
            grouped_arguments(old)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"width": 8}, "here: 'width' is now a key of 'mirror': mirror: {width: 8}."),
        ({"mirror": "full"}, "here.mirror: needs a mapping, such as {kind: full}; got 'full'."),
    ],
)
def test_a_flat_argument_is_told_where_it_went(given, said):
    with pytest.raises(RecipeError) as caught:
        build_system(SPEC, {"name": "mirror", "backbone": "tiny", **given}, "here")
    assert str(caught.value) == said


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["main.head.weight", "distance.mean", "main.backbone.stages.0.0.1.running_var"])
def test_weights_that_are_not_finite_are_refused(folder, name, value):
    weights = load_file(folder / "model.safetensors")
    weights[name].flatten()[-1] = value
    save_file(weights, folder / "model.safetensors")
    change(folder, weights={"file": "model.safetensors", "sha256": sha256(folder / "model.safetensors")})
    assert refused(folder) == f"/model.safetensors: {name!r} holds NaN or infinity; train the model again."


def test_a_model_of_nan_is_not_saved(untrained, tmp_path):
    untrained.system.main.head.bias.data[1] = torch.nan
    with pytest.raises(ModelError, match=r"m: the weights 'main\.head\.bias' are NaN or infinite, so nothing is saved"):
        untrained.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_an_uncalibrated_model_goes_round_too(untrained, tmp_path):
    untrained.save(tmp_path / "m")
    image = torch.rand(3, 1, 8, 8)
    again = load(tmp_path / "m")
    assert again.policy is None
    assert again.decide(image) == untrained.decide(image)
    assert "Never calibrated: its decisions carry no verdict." in (tmp_path / "m" / "README.md").read_text()


def test_a_loaded_model_is_in_eval_mode_on_its_device(tiny_run):
    model = load(tiny_run.model, device="cpu")
    assert not any(part.training for part in model.system.modules())
    assert model.device == torch.device("cpu")


def test_batch_size_and_company_leave_labels_and_order_alone(tiny_run, images):
    model = load(tiny_run.model)
    assert [d.label for d in model.decide(images, batch_size=7)] == [d.label for d in model.decide(images)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.rand(1, 3, 32, 32), r"images must be \(batch, 1, 32, 32\); got \(1, 3, 32, 32\)"),
        (torch.rand(32, 32), r"torch tensors must be \(channels, height, width\) or .*; got \(32, 32\)\."),
        (torch.rand(2, 1, 32, 32) * 255, r"values must lie in 0\.\.1"),
        (torch.zeros(1, 1, 32, 32, dtype=torch.uint8), "must be floats"),
        (torch.full((1, 1, 32, 32), torch.nan), "NaN pixels"),
    ],
)
def test_tensors_that_no_model_should_see_are_refused(tiny_run, bad, message):
    with pytest.raises(DataError, match=message):
        load(tiny_run.model).decide(bad)


def test_no_image_gives_no_decision(tiny_run):
    model = load(tiny_run.model)
    assert model.decide([]) == []
    assert model.decide(torch.zeros(0, 1, 32, 32)) == []


def test_a_bad_file_raises_or_stands_in_its_place(tiny_run, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.new("L", (9, 9), 77).save(good)
    bad.write_bytes(b"no image")
    model = load(tiny_run.model)
    with pytest.raises(ImageError, match=r"bad\.png"):
        model.decide([good, bad])
    mixed = list(model.decide_each([good, bad, good, good], batch_size=2))
    assert [type(item) for item in mixed] == [type(mixed[0]), ImageError, type(mixed[0]), type(mixed[0])]
    assert mixed[0].label == model.decide([str(good)])[0].label


def test_a_person_corrects_an_attribute_of_a_decision(tiny_run, images):
    model = load(tiny_run.model)
    before = model.decide(images[:1])[0]
    name = before.explanations[0].names[-1]
    opposite = before.explanations[0].probabilities[-1] < 0.5
    after = model.intervene(before, {name: opposite})
    assert after.corrected == {name: opposite}
    assert after.label == before.label
    assert after.by_explanation != before.by_explanation
    assert after.doubts["likelihood"] != before.doubts["likelihood"]
    assert after.verdict.score == model.policy.score({k: torch.tensor([v]) for k, v in after.doubts.items()})
    assert model.intervene(after, {name: opposite}) == after
    with pytest.raises(DataError, match="Did you mean"):
        model.intervene(before, {name[:-1]: True})


def test_a_folder_with_a_changed_byte_of_weights_is_refused(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert refused(folder).startswith("/model.safetensors: its hash is ")


@pytest.mark.parametrize("schema", [3, "1", None, [1]])
def test_another_schema_is_refused(folder, schema):
    change(folder, schema=schema)
    assert refused(folder) == (
        f"/config.json: its schema is {schema!r}, and this version of antehoc reads 1 and 2; "
        "use the version that saved it, or save it again."
    )


@pytest.mark.parametrize("name", ["schema", "system", "data", "preprocessing", "policy", "card", "about", "weights"])
def test_a_missing_key_is_named(folder, name):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config[name]
    path.write_text(json.dumps(config))
    wanted = "its schema is None" if name == "schema" else f"key {name!r} is missing"
    assert wanted in refused(folder)


def test_an_unknown_key_is_named(folder):
    change(folder, polizy=1)
    assert refused(folder) == "/config.json: key 'polizy' is unknown; save the model again."


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"is not a saved model: {name!r} is missing" in refused(folder)


def test_a_folder_that_is_none_is_refused(tmp_path):
    assert "no such model folder" in refused(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert "no such model folder" in refused(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "is not a saved model" in refused(tmp_path / "empty")


@pytest.mark.parametrize("place", ["main/model", "model"])
def test_the_folder_of_a_run_names_the_model_in_it(folder, tmp_path, place):
    run = tmp_path / "run"
    run.joinpath(place).parent.mkdir(parents=True)
    folder.rename(run / place)
    assert f"the model of this run is {run / place}." in refused(run)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is not valid JSON ("), (b"{", "is not valid JSON ("), (b"\xff\xfe", "cannot be read (not text)"),
     (b"schema: 1", "is not valid JSON ("), (b'{"policy": 1, "policy": null}', "the key 'policy' is given twice"),
     (b'{"schema": NaN}', "NaN is not a number in JSON"), (b"[" * 5000, "is nested too deep"),
     (b'{"schema": ' + b"9" * 5000 + b"}", "is not valid JSON (")],
)  # fmt: skip
def test_a_config_that_is_not_json_is_refused(folder, content, said):
    (folder / "config.json").write_bytes(content)
    assert refused(folder).startswith("/config.json: ")
    assert said in refused(folder)


@pytest.mark.parametrize("content", [b"[]", b"5", b"null", b'"text"'])
def test_a_config_that_is_no_mapping_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    assert refused(folder).startswith("/config.json: its schema is ")


class Marker:
    """Leaves a trace where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["model.pkl", "model.py", "__init__.py", "pytorch_model.bin"])
def test_whatever_could_be_executed_is_refused_and_not_executed(folder, tmp_path, name):
    trace = tmp_path / "trace"
    code = f"open({str(trace)!r}, 'w')".encode()
    (folder / name).write_bytes(code if name.endswith(".py") else pickle.dumps(Marker(trace)))
    assert f"contains another file {name!r}" in refused(folder)
    assert not trace.exists()


BESIDE = (".gitattributes", ".gitignore", ".DS_Store", "._config.json", "Thumbs.db", "desktop.ini", "LICENSE", "Icon\r")


@pytest.mark.parametrize("name", [*BESIDE, ".git/config", ".cache/huggingface/x.lock", "__MACOSX/._config.json"])
def test_what_systems_and_hubs_leave_beside_a_model_is_ignored(folder, untrained, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"anything")
    model = load(folder)
    model.save(folder)  # into a clone of a hub, say
    assert load(folder).policy == model.policy
    assert (folder / name).read_bytes() == b"anything"


def test_the_readme_of_a_hub_takes_the_place_of_the_model_card(folder):
    (folder / "README.md").write_text("---\nlicense: mit\n---\nOur model.\n")
    assert load(folder).policy is not None


def test_a_pickle_in_the_place_of_weights_is_refused_and_not_executed(folder, tmp_path):
    trace = tmp_path / "trace"
    torch.save(Marker(trace), folder / "model.safetensors")
    assert "its hash is" in refused(folder)
    change(folder, weights={"file": "model.safetensors", "sha256": sha256(folder / "model.safetensors")})
    assert "does not fit the system in config.json" in refused(folder)
    assert not trace.exists()


def test_weights_of_another_architecture_are_refused(folder):
    change(folder, system={"name": "mirror", "backbone": "tiny"})
    assert refused(folder).startswith("/model.safetensors: does not fit the system in config.json (")


def test_weights_that_lack_one_tensor_are_refused(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights.pop("main.head.bias")
    save_file(weights, path)
    change(folder, weights={"file": "model.safetensors", "sha256": sha256(path)})
    assert "does not fit" in refused(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("policy", "threshold"), "high", "/config.json, policy.threshold: got 'high', needs a number."),
        (("policy", "weights"), [1.0, True], "/config.json, policy.weights.1: got True, needs a number."),
        (("policy", "guarantee"), "binomal", "/config.json, policy.guarantee: 'binomal' is not one of its choices."),
        (("policy", "doubts"), ["rival"], "one weight and one evidence per doubt"),
        (("policy", "class_thresholds"), [1.0], "class_thresholds needs one for each class, or none"),
        (("policy",), [], "/config.json, policy: needs a mapping; got []."),
        (("system", "name"), "miror", "/config.json, system.name: no system is called 'miror'. Did you mean 'mirror'?"),
        (("system", "name"), ["mirror"], "/config.json, system.name: no system is called ['mirror']."),
        (("system", "mirror", "width"), "wide", "/config.json, system.mirror.width: got 'wide', needs a whole number."),
        (("system", "mirror", "widht"), 8, "/config.json, system.mirror: no key 'widht'. Did you mean 'width'?"),
        (("system", "heda"), "pool", "/config.json, system: no key 'heda'. Did you mean 'head'?"),
        (("system",), [], "/config.json: 'system', 'weights', 'card' and 'about' must be mappings"),
        (("data", "classes"), ["circle"], "/config.json: a classifier needs two or more classes"),
        (("data", "height"), 64.5, "/config.json, data.height: got 64.5, needs a whole number."),
        (("preprocessing", "fit"), "pads", "/config.json, preprocessing.fit: 'pads' is not one of its choices."),
        (("preprocessing", "height"), 64, "/config.json: 'preprocessing' and 'data' name images of different sizes"),
        (("card", "stage"), "after", "/config.json, card.stage: 'after' is not one of its choices."),
        (("weights",), {}, "config.json says None"),
    ],
)
def test_values_of_wrong_types_are_refused_at_their_place(folder, path, value, message):
    config = json.loads((folder / "config.json").read_text())
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "config.json").write_text(json.dumps(config))
    assert message in refused(folder)


def test_a_system_without_a_name_is_refused(folder):
    change(folder, system={"backbone": "tiny"})
    assert "system: key 'name' is missing; it names the system. Known: joint, mirror." in refused(folder)


def test_loading_fetches_no_published_weights():
    arguments = {"name": "mirror", "backbone": {"name": "test_resnet", "weights": True}}
    assert build_system(SPEC, arguments, "here", weights=False) is not None  # the network is out of reach here


def test_saving_beside_something_else_is_refused(untrained, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'notes.txt', which is not part of a model; choose an empty folder"):
        untrained.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_saving_over_a_model_replaces_it(untrained, folder):
    untrained.save(folder)
    assert load(folder).spec == SPEC


def test_saving_under_a_file_is_refused(untrained, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "model"):
        with pytest.raises(OutputError, match=r"the model cannot be written here \(.*\); choose another path"):
            untrained.save(place)


def test_the_model_card_says_what_a_reader_must_know(tiny_run):
    text = (tiny_run.model / "README.md").read_text()
    model = load(tiny_run.model)
    assert text == model_card(model)
    assert text.startswith("# mirror: circle, rectangle, square, triangle\n")
    assert "An image classifier of 4 classes" in text
    for field in dataclasses.fields(model.system.card):
        assert str(getattr(model.system.card, field.name)) in text, "the explanation card, line by line"
    policy = model.policy
    limit = number(policy.threshold, "quantity")
    assert f"Score `{policy.method}` of {', '.join(policy.doubts)}; questioned above {limit}." in text
    assert f"At most 5.0 % of correct decisions are questioned (expected), as set on {policy.threshold_rows}" in text
    for line in (f"- recipe: {tiny_run.recipe}", "- scale: small", "- seed: 0", f"- torch: {torch.__version__}"):
        assert line in text


def test_what_a_model_says_of_itself_is_plain(tiny_run):
    about = load(tiny_run.model).about
    assert {"recipe", "scale", "seed", "values", "torch", "antehoc"} <= set(about)
    assert "name: small" in about["values"]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_config_with_one_thing_wrong_is_refused_in_a_sentence_or_decides(tiny_run, folder, data):
    config = json.loads((tiny_run.model / "config.json").read_text())
    changed = data.draw(damaged(config))
    (folder / "config.json").write_text(json.dumps(changed))

    def use() -> None:
        model = load(folder)
        model.decide(torch.zeros(1, model.spec.channels, model.spec.height, model.spec.width))

    said(use)


@pytest.mark.parametrize(
    ("part", "changes", "says"),
    [
        ("data", {"exclusive": [[]]}, "exclusive groups name one attribute or more each; got ((),)."),
        ("data", {"groups": [[0], []]}, "question groups name one attribute or more each; got ((0,), ())."),
        ("weights", {"sha256": "\n"}, r"config.json says '\n'…; the weights were changed or damaged"),
    ],
)
def test_what_damaged_configs_led_to_is_said(folder, part, changes, says):
    config = json.loads((folder / "config.json").read_text())
    change(folder, **{part: config[part] | changes})
    assert says in refused(folder)
