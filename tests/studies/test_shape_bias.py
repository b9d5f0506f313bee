"""Shape bias of a trained model and of the network that it began from, on made-up stimuli whose answer is known."""

import json
from itertools import product

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.testing import assert_close

from antehoc.data import Source
from antehoc.data.examples import Tensors
from antehoc.data.sets.cue_conflict import CLASSES, stimuli
from antehoc.errors import DataError, RecipeError
from antehoc.figure import intervals, values
from antehoc.model import Model
from antehoc.nn.rows import whole_network
from antehoc.runs.reproduce import reproduce
from antehoc.studies import STUDIES
from antehoc.studies.pretrained_shape_bias import PretrainedBias, of_pretrained
from antehoc.studies.shape_bias import Bias, TrainedBias, of_model
from antehoc.systems.joint import Joint
from antehoc.systems.joint.settings import ExplainerSettings
from antehoc.types import DataSpec
from studies.wired import rows_of, said, tables

NET, CAT, DOG = "test_resnet", 285, 200  # a small network of timm for 160 pixels; two of ImageNet's classes
RED, BLUE = (255, 0, 0), (0, 0, 255)


def paint(folder, names, shapes, textures, color):
    """Every pair of instances once, in the color that `color` gives a shape and texture with their numbers."""
    for shape, texture, k, m in product(names, names, range(1, shapes + 1), range(1, textures + 1)):
        Image.new("RGB", (5, 4), color(shape, k, texture, m)).save(folder / f"{shape}{k}-{texture}{m}.png")
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Cats and dogs, red by the cat's shape for instance 1 of the shapes and by its texture for instance 2."""

    def color(shape, k, texture, m):
        return RED if (shape if k == 1 else texture) == "cat" else BLUE

    return paint(tmp_path_factory.mktemp("two"), ("cat", "dog"), 2, 2, color)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network of 1000 classes that calls red pictures cats and blue ones dogs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = timm.create_model(NET).eval()
    pictures = torch.stack([torch.tensor(c).view(3, 1, 1).expand(3, 160, 160) / 255 for c in (RED, BLUE)])
    with torch.no_grad():
        red, blue = net.forward_head(net.forward_features(normalized(net, pictures)), pre_logits=True)
        line = 20 * (red - blue) / (red - blue).square().sum()
        net.fc.weight.zero_()
        net.fc.bias.zero_()
        for number, sign in ((CAT, 1), (DOG, -1)):
            net.fc.weight[number] = sign * line
            net.fc.bias[number] = -sign * line @ (red + blue) / 2
    file = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_file(net.state_dict(), file)
    return file


def normalized(net, image):
    mean, deviation = (torch.tensor(net.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (image - mean) / deviation


def always(name, images, **arguments):
    """A model that decides for one class, whatever it sees."""
    system = Joint(DataSpec(CLASSES, 3, 16, 16), backbone="tiny", explainer=ExplainerSettings(filters=(4,))).eval()
    with torch.no_grad():
        system.classifier.network.head.weight.zero_()
        system.classifier.network.head.bias.copy_(torch.eye(16)[CLASSES.index(name)])
    return Model(system, {"name": "joint", "backbone": "tiny", **arguments}, images.preprocessing)


def test_a_model_that_always_says_cat_goes_by_whatever_is_a_cats(two):
    images = stimuli(two, size=16)
    by_texture = [row for row, path in enumerate(images.paths) if "-cat" in path.name and path.name[0] == "d"]
    images = images.select([row for row in range(16) if row not in by_texture[1:]])  # of four, one stays
    model = always("cat", images)
    found = of_model(model, images)
    # conflicts: 4 cats with a dog's texture, 1 dog with a cat's; no dog-dog or cat-cat counts
    assert found.rows["shape_bias"].images == 5
    figures = values(found.figures())
    assert figures["shape_bias"] == pytest.approx(0.8)
    assert figures["shape_bias_decided"] == 5
    assert found.rows["shape_bias"].accuracy_texture == pytest.approx(0.2)
    with torch.no_grad():
        masks = model.system(images.images(range(13))).mask
    assert figures["mask_area"] == pytest.approx(float(masks.mean()), abs=1e-5)
    low, high = intervals(found.figures())["shape_bias"]
    assert (round(low, 4), round(high, 4)) == (0.3755, 0.9638)  # Wilson, 4 of 5
    row = rows_of(*tables(found.blocks()))["test stimuli"]
    assert row == ["5", "5", "0.8000", "0.3755 to 0.9638", "0.8000", "0.2000"]


def test_a_model_that_uses_neither_cue_has_no_shape_bias(two):
    images = stimuli(two, size=16)
    found = of_model(always("oven", images), images)
    assert values(found.figures())["shape_bias"] is None
    assert values(found.figures())["shape_bias_decided"] == 0
    assert intervals(found.figures()) == {}
    assert rows_of(*tables(found.blocks()))["test stimuli"][:4] == ["8", "0", "-", ""]


def test_the_pretrained_network_is_asked_on_test_and_on_all_stimuli(two, weights):
    images = stimuli(two, size=16)
    first = [row for row, path in enumerate(images.paths) if path.name[3] == "1"][::-1]
    model = always("cat", images, backbone={"name": NET, "weights": str(weights)})
    found = of_pretrained(model, images.select(first))
    # red goes by shape in all 4 conflicts of instance 1, by texture in the 4 of instance 2
    assert values(found.figures()) == {
        "pretrained_shape_bias": 1.0,
        "pretrained_shape_bias_all": 0.5,
        "pretrained_shape_bias_decided": 4,
        "pretrained_shape_bias_all_decided": 8,
    }


def test_the_whole_network_gives_what_timm_gives(weights):
    network, size = whole_network(NET, weights=str(weights), options={})
    assert size == (160, 160)
    net = timm.create_model(NET, checkpoint_path=str(weights)).eval()
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert_close(network(image), net(normalized(net, image)))


def test_other_data_and_missing_weights_are_refused(two):
    images = stimuli(two, size=16)
    with pytest.raises(DataError, match="cue-conflict stimuli"):
        of_model(always("cat", images), Tensors(torch.zeros(2, 3, 16, 16, dtype=torch.uint8)))
    with pytest.raises(RecipeError, match="--weights"):
        of_pretrained(always("cat", images), images)


def test_all_stimuli_come_with_those_of_a_role(two, weights):
    images = stimuli(two, size=16)
    model = always("cat", images, backbone={"name": NET, "weights": str(weights)})
    source = Source(model.spec, {"test": images.select(range(5))}, images.preprocessing)
    found = STUDIES["pretrained_shape_bias"](model, source, seed=0)
    assert found.rows["pretrained_shape_bias"].images < 5
    assert found.rows["pretrained_shape_bias_all"].images == 8


BIAS = Bias(24, 20, 0.8, (0.58, 0.92), 0.65, 0.1625)
TRAINED = TrainedBias({"shape_bias": BIAS}, "Beside the variant `plain`.", 0.31)


def test_a_shape_bias_stands_with_its_interval_and_its_count():
    blocks = TRAINED.blocks()
    wanted = ["24", "20", "0.8000", "0.5800 to 0.9200", "0.6500", "0.1625"]
    assert rows_of(*tables(blocks))["test stimuli"] == wanted
    assert "Masks are 31.0 % on average." in said(blocks)
    assert "Beside the variant plain." in said(blocks)
    assert TRAINED.title != PretrainedBias.title


def test_each_figure_says_what_it_is_of():
    share, count, area = TRAINED.figures()
    assert (share.name, share.group, share.interval) == ("shape_bias", "Shape or texture", (0.58, 0.92))
    assert (count.name, str(count)) == ("shape_bias_decided", "20")
    assert (area.name, area.group) == ("mask_area", "Explanations")
    assert all(figure.meaning and figure.headline for figure in TRAINED.figures())
    assert set(TRAINED.to_plain()) == {"rows", "means", "mask_area"}


def test_the_recipe_gives_all_shares_with_their_counts(tmp_path, weights):
    names = ("bear", "bird", "cat", "dog")

    def color(shape, k, texture, m):  # the shape says the hue
        red, green, blue = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1))[names.index(shape)]
        level = 200 + 8 * k
        return red * level, green * level, blue * level + (0 if blue else 10 * names.index(texture) + 3 * m)

    (tmp_path / "set").mkdir()
    phase = "{epochs: %d, batch_size: 8, learning_rate: 0.003, train: [%s]}"
    result = reproduce(
        "cue-conflict",
        out=tmp_path / "run",
        seed=0,
        overrides=[
            f"data.path={paint(tmp_path / 'set', names, 6, 3, color)}",
            "data.size=32",
            f"system.backbone.name={NET}",  # another name begins the group anew
            f"system.backbone.weights={weights}",
            "system.backbone.options={replace: true}",
            "system.explainer.filters=[4]",
            "system.explainer.scale=2",
            f"phases=[{phase % (3, 'classifier')}, {phase % (1, 'explainer')}, {phase % (1, 'classifier, explainer')}]",
            f"variants.plain.phases=[{phase % (3, 'classifier')}]",
            "unknown.count=8",
            "data.calibration=0.5",
            "verdict.method=entropy",  # all rows set its threshold: few will do
        ],
    )
    figures = values(result.figures)
    for name in ("shape_bias", "plain_shape_bias", "pretrained_shape_bias"):
        assert 0 <= figures[f"{name}_decided"] <= 24
        assert (figures[name] is None) == (figures[f"{name}_decided"] == 0)
    assert figures["pretrained_shape_bias_all_decided"] <= 4 * 3 * 6 * 3
    assert 0 <= figures["mask_area"] < 1 == figures["plain_mask_area"]
    assert all(figure.meaning for figure in result.figures)
    written = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert written["studies"]["cue-conflict"]["shape_bias"]["rows"]["shape_bias"]["images"] == 24
