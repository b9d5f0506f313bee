"""Recipes: what ships parses at every scale, and what is wrong with one of yours is said at its place."""

import pytest
import yaml
from hypothesis import given, settings

from antehoc.errors import RecipeError
from antehoc.recipe import Recipe, build_recipe, read_recipe, upgrade, variant
from antehoc.recipes import known_recipes, merge, overridden
from antehoc.schema import build
from damaged import damaged, said

MINIMAL = "data: {name: shapes}\nsystem: {name: mirror}\nphases: [{train: [main], epochs: 2}]\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def scales():
    for name in known_recipes():
        text = read_recipe(name)[1]
        assert "scales" not in text
        yield name, "small"
        yield name, "paper"


@pytest.mark.parametrize(("name", "scale"), list(scales()))
def test_every_shipped_recipe_parses_at_each_of_its_scales_with_every_variant(name, scale):
    recipe, values = read_recipe(name, scale=scale)
    assert recipe.phases
    assert yaml.safe_load(yaml.safe_dump(values)) == values, "the record in a saved model is the recipe"
    for other in recipe.variants:
        found, merged = variant(values, other, name)
        assert found.phases
        assert not found.variants
        assert merged["data"]["name"] == values["data"]["name"]


def test_the_paper_scale_is_laid_on_the_recipe():
    small, _ = read_recipe("shapes")
    paper, _ = read_recipe("shapes", scale="paper")
    assert (small.phases[0].epochs, paper.phases[0].epochs) == (24, 250)
    assert paper.data["train"] == small.data["train"]
    assert paper.data["validation"] != small.data["validation"]
    assert paper.published == small.published


def test_a_recipe_by_path_takes_the_defaults(written):
    recipe, _ = read_recipe(written(MINIMAL))
    assert recipe.phases[0].train == ("main",)
    assert (recipe.verdict.alpha, recipe.seed, recipe.published) == (0.01, 0, {})


def test_overrides_are_laid_on_one_after_the_other(written):
    overrides = ["data.train=400", "verdict.alpha=0.1", "verdict.doubts=[margin]", "seed=3", "seed=4"]
    recipe, values = read_recipe(written(MINIMAL), overrides=overrides)
    assert (recipe.data["train"], recipe.verdict.alpha, recipe.verdict.doubts, recipe.seed) == (
        400,
        0.1,
        ("margin",),
        4,
    )
    assert values["data"] == {"name": "shapes", "train": 400}, "the record holds them, too"


def test_an_override_may_hold_an_equals_sign_and_spaces():
    assert overridden({}, ["data.path=a b=c"]) == {"data": {"path": "a b=c"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "phasess: []\n", "no key 'phasess'. Did you mean 'phases'?"),
        ("data: {name: shapes}\nsystem: {name: mirror}\n", "key 'phases' is missing"),
        (MINIMAL + "seed: one\n", ", seed: got 'one', needs a whole number."),
        (MINIMAL + "seed: true\n", ", seed: got True, needs a whole number."),
        (MINIMAL + "seed: -1\n", "a seed must be in 0..2**63 - 1; got -1."),
        (MINIMAL + "verdict: {alpha: 0}\n", ", verdict: alpha must be between 0 and 1; got 0.0."),
        (MINIMAL + "verdict: {alpha: .nan}\n", ", verdict.alpha: got nan, needs a finite number."),
        (MINIMAL + "verdict: {alfa: 0.1}\n", ", verdict: no key 'alfa'. Did you mean 'alpha'?"),
        (
            MINIMAL + "verdict: {method: combined}\n",
            ", verdict: the method `combined` needs `doubts`",
        ),
        (MINIMAL + "verdict: {guarantee: binomal}\n", "Did you mean 'binomial'?"),
        (MINIMAL + "verdict: {guarantee: cross}\n", ", verdict.guarantee: "),
        (MINIMAL + "verdict: {threshold: cross}\n", ", verdict: threshold `cross` needs `folds`, 2 or more"),
        (
            MINIMAL + "verdict: {threshold: cross, folds: 5, guarantee: binomial}\n",
            ", verdict: the binomial guarantee needs threshold `split`; got `cross`.",
        ),
        (MINIMAL + "unknown: {count: 0}\n", ", unknown: count must be 1 or more; got 0."),
        (MINIMAL + "unknown: {means: {far: disk}}\n", ", unknown.means.far: got 'disk', needs"),
        (MINIMAL + "targets: {accuracy: high}\n", ", targets.accuracy: 'high' is not a target; write >= or <="),
        (MINIMAL + "targets: {accuracy: 0.9}\n", ", targets.accuracy: got 0.9, needs text."),
        (MINIMAL + "studies: 5\n", ", studies: got 5, needs"),
        (MINIMAL + "studies: {masks: 5}\n", ", studies.masks: got 5, needs"),
        (MINIMAL.replace("epochs: 2", "epochs: 2.5"), ", phases.0.epochs: got 2.5, needs a whole number."),
        (MINIMAL.replace("epochs: 2", "epochs: 0"), ", phases.0: epochs must be above 0; got 0."),
        (MINIMAL.replace("[main]", "main"), ", phases.0.train: got 'main', needs a list"),
        (MINIMAL.replace("[main]", "[]"), ", phases.0: a phase trains at least one part; `train` is empty."),
        (MINIMAL.replace("[{train: [main], epochs: 2}]", "[]"), "a recipe has one phase or more"),
        ("- data\n", "a recipe must be a mapping; got list."),
        ("", "a recipe must be a mapping; got NoneType."),
    ],
)
def test_what_is_wrong_is_said_at_its_place(written, text, message):
    path = written(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"), [("data: {name: shapes\nsystem: 1\n", 2), (MINIMAL + "seed: [1\n", 5), ("a: b: c\n", 1)]
)
def test_what_is_not_yaml_names_file_and_line(written, text, line):
    path = written(text)
    with pytest.raises(RecipeError, match=rf"mine\.yaml, line {line}: is not valid YAML"):
        read_recipe(path)


@pytest.mark.parametrize("text", ["seed: 2020-13-45\n", "seed: \x00\n"])
def test_what_yaml_itself_cannot_read_is_refused(written, text):
    with pytest.raises(RecipeError, match=r"mine\.yaml.*is not valid YAML"):
        read_recipe(written(MINIMAL + text))


def test_a_recipe_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("none.yaml", "bytes.yaml", "folder.yaml"):
        with pytest.raises(RecipeError, match=rf"{name}: the recipe cannot be read \(.*\); name a YAML file"):
            read_recipe(str(tmp_path / name))


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(RecipeError, match=r"no recipe is called 'shape'\. Did you mean 'shapes'"):
        read_recipe("shape")
    with pytest.raises(RecipeError, match=r"no data set is called 'shape'\. Did you mean 'shapes'"):
        read_recipe("shapes", overrides=["data.name=shape"])[0].source("shapes", 0)
    with pytest.raises(RecipeError, match=r"data: key 'name' is missing; it names the data set\. Known: "):
        build(Recipe, {"data": {}, "system": {}, "phases": [{"train": ["main"], "epochs": 1}]}, "w").source("w", 0)


def test_the_values_of_data_are_checked_against_the_data_set():
    for override, message in (
        ("data.trian=5", "shapes, data: no key 'trian'. Did you mean 'train'"),
        ("data.train=many", "shapes, data.train: got 'many', needs a whole number"),
        ("data.variant=fre", "shapes, data.variant: 'fre' is not one of its choices. Did you mean 'free'"),
        ("data.seed=5", "shapes, data: no key 'seed'"),
        ("data.name=[shapes]", r"no data set is called \['shapes'\]"),
    ):
        with pytest.raises(RecipeError, match=message):
            read_recipe("shapes", overrides=[override])[0].source("shapes", 0)


@pytest.mark.parametrize("override", ["seed", "=5", "  =5", "seed=[1", "seed=2020-13-45"])
def test_an_override_of_another_form_is_refused(override):
    with pytest.raises(RecipeError, match=r"^--set "):
        read_recipe("shapes", overrides=[override])


def test_an_unknown_scale_is_refused_with_those_there_are(written):
    with pytest.raises(RecipeError, match=r"has no scale 'papers'; it has small, paper\."):
        read_recipe("shapes", scale="papers")
    for scales in ("5", "[paper]", "{paper: 5}", "{1: {}}"):
        with pytest.raises(RecipeError, match=r"has no scale 'paper'; it has small"):
            read_recipe(written(f"{MINIMAL}scales: {scales}\n"), scale="paper")


def test_a_variant_that_is_no_mapping_is_refused(written):
    _, values = read_recipe(written(MINIMAL + "variants: {other: 5}\n"))
    with pytest.raises(RecipeError, match=r"mine, variants\.other: needs a mapping; got 5\."):
        variant(values, "other", "mine")


def test_merging_goes_mapping_by_mapping_and_replaces_the_rest():
    base = {"data": {"name": "shapes", "train": 1, "deep": {"a": 1, "b": 2}}, "phases": [1, 2], "seed": 0}
    over = {"data": {"train": 2, "deep": {"b": 3}}, "phases": [3], "new": {"x": 1}}
    assert merge(base, over) == {
        "data": {"name": "shapes", "train": 2, "deep": {"a": 1, "b": 3}}, "phases": [3], "seed": 0, "new": {"x": 1},
    }  # fmt: skip


def test_a_mapping_of_another_name_replaces_the_whole():
    base = {"system": {"name": "mirror", "width": 8}}
    assert merge(base, {"system": {"name": "joint"}}) == {"system": {"name": "joint"}}
    assert merge(base, {"system": {"name": "mirror", "join": "add"}})["system"]["width"] == 8
    assert merge(base, {"system": {"replace": True, "name": "mirror"}}) == {"system": {"name": "mirror"}}


def test_merging_changes_neither_of_the_two():
    base, over = {"a": {"x": 1}}, {"a": {"replace": True, "y": 2}, "b": {"replace": True, "z": 1}}
    for _ in range(2):
        assert merge(base, over) == {"a": {"y": 2}, "b": {"z": 1}}
    assert base == {"a": {"x": 1}}
    assert over == {"a": {"replace": True, "y": 2}, "b": {"replace": True, "z": 1}}


def test_a_list_of_studies_stands_for_their_default_options(written):
    listed, values = read_recipe(written(MINIMAL + "studies: [masks, compare]\n"))
    assert listed.studies == {"masks": {}, "compare": {}}
    assert values["studies"] == ["masks", "compare"], "the record is what was written"
    mapped, _ = read_recipe(written(MINIMAL + "studies: {compare: {count: 5}}\n"), overrides=["studies.masks={}"])
    assert mapped.studies == {"compare": {"count": 5}, "masks": {}}


def test_a_list_of_studies_in_a_variant_replaces_those_of_the_recipe(written):
    text = MINIMAL + "studies: {compare: {count: 5}, cost: {}}\nvariants: {other: {studies: [compare]}}\n"
    assert variant(read_recipe(written(text))[1], "other", "mine")[0].studies == {"compare": {}}


def test_targets_belong_to_the_small_scale():
    for name in known_recipes():
        assert not read_recipe(name, scale="paper")[0].targets
    assert read_recipe("shapes")[0].targets["accuracy"] == ">= 0.995"


def test_a_recipe_as_an_older_version_recorded_it_is_read():
    old = yaml.safe_load(MINIMAL) | {"faults": ["ood-pairing"], "studies": ["masks"], "unknown": {"kinds": ["noise"]}}
    recipe = build_recipe(upgrade(old), "old")
    assert recipe.unknown.paired == ("noise",)
    assert recipe.unknown.kinds == ("noise",)
    assert recipe.studies == {"masks": {}}
    assert "faults" in old, "the record itself stays"
    assert upgrade(yaml.safe_load(MINIMAL)) == yaml.safe_load(MINIMAL)


OLD = {
    **yaml.safe_load(MINIMAL),
    "faults": ["ood-pairing"],
    "unknown": {"kinds": ["noise"]},
    "phases": [{"train": ["main"], "epochs": 1, "average": 0.1, "layer_decay": 0.2}],
}


@settings(max_examples=200)
@given(damaged(OLD))
def test_a_damaged_recipe_of_an_older_version_is_refused_in_a_sentence_or_is_good(values):
    said(lambda: build_recipe(upgrade(values), "old.yaml"))


@pytest.mark.parametrize(
    ("base", "over", "both"),
    [
        ({"backbone": "small"}, {"backbone": {"weights": True}}, {"backbone": {"name": "small", "weights": True}}),
        ({"backbone": {"name": "a", "weights": True}}, {"backbone": "b"}, {"backbone": {"name": "b", "weights": True}}),
        (
            {"explainer": {"name": "unet", "scale": 2}},
            {"explainer": {"name": "none"}},
            {"explainer": {"name": "none", "scale": 2}},
        ),
        (
            {"backbone": {"name": "a", "weights": True}},
            {"backbone": {"replace": True, "name": "b"}},
            {"backbone": {"name": "b"}},
        ),
    ],
)
def test_inside_a_system_another_name_of_a_group_leaves_its_other_keys(base, over, both):
    assert merge({"system": {"name": "x", **base}}, {"system": over}) == {"system": {"name": "x", **both}}


def test_another_system_starts_anew():
    assert merge({"system": {"name": "x", "head": "pool"}}, {"system": {"name": "y"}}) == {"system": {"name": "y"}}


def test_options_of_a_study_keep_the_studies_that_a_list_names():
    found = merge({"studies": ["masks", "compare"]}, {"studies": {"compare": {"count": 5}}})
    assert found == {"studies": {"masks": {}, "compare": {"count": 5}}}
    assert merge({"studies": {"masks": {}, "cost": {}}}, {"studies": ["cost"]}) == {"studies": ["cost"]}
