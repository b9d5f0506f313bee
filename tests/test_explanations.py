"""The kinds of explanation describe themselves: in words, as blocks, as maps and as plain data."""

import json
import re
from base64 import b64encode
from io import BytesIO

import pytest
import torch
from PIL import Image

from antehoc.blocks import Bars, Overlay
from antehoc.errors import RecipeError
from antehoc.explanations import KINDS, AttributeScores, Explanation, SaliencyMask, from_plain, of_kind
from antehoc.spec import DataSpec


@pytest.fixture
def explained(shapes_spec: DataSpec) -> dict[str, Explanation]:
    """One explanation of each kind."""
    return {
        "attributes": AttributeScores(shapes_spec.attributes, (0.0, 0.01, 0.99, 0.97, 0.4)),
        "mask": SaliencyMask.of(torch.linspace(0, 1, 64).expand(64, 64)),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_describes_itself(kind, explained, shapes_spec):
    one = explained[kind]
    assert (one.kind, KINDS[kind]) == (kind, type(one))
    assert all(text.strip() for text in (one.source, one.note, one.legend))
    assert all(section.title and section.blocks for section in one.blocks(shapes_spec, "square"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_itself_back_from_json(kind, explained):
    written = json.loads(json.dumps(explained[kind].to_plain()))
    assert from_plain(written, "a decision") == explained[kind]
    with pytest.raises(RecipeError, match="no key 'color'"):
        from_plain({**written, "color": 1}, "a decision")


def png(mode="L", size=(64, 64), cut=0) -> str:
    buffer = BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return b64encode(buffer.getvalue()[: len(buffer.getvalue()) - cut]).decode()


GIF = b64encode(b"GIF89a").decode()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("!!", r"PNG in base64; got '!!', which is none; decide on the image again\."),
        ("", "PNG in base64; got '', which is none"),
        ("é", "PNG in base64; got 'é', which is none"),
        (GIF, f"PNG in base64; got '{GIF}', which is none"),
        (png(cut=30), r"PNG in base64; got '.{37}\.\.\.', which is none"),
        (f"{png()[:40]}\n{png()[40:]}", "PNG in base64"),
        (png("RGB"), "gray PNG of 64 x 64 pixels, .*; got 64 x 64 pixels of mode RGB"),
        (png(size=(64, 3)), "gray PNG of 64 x 64 pixels, .*; got 64 x 3 pixels of mode L"),
    ],
)
def test_a_mask_that_is_no_picture_is_not_read_back(explained, given, says):
    written = explained["mask"].to_plain()
    assert from_plain({**written, "png": png()}, "here").values().sum() == 0
    with pytest.raises(RecipeError, match=f"^a decision: png holds a {says}"):
        from_plain({**written, "png": given}, "a decision")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "masks"}, "here.kind: no kind of explanation is called 'masks'. Did you mean 'mask'?"),
        ({"kind": None}, "here.kind: no kind of explanation is called None."),
        ({"name": "attributes"}, "here: no key 'name'."),
        ({"kind": "attributes", "probabilities": []}, "here: attributes need a probability each; got 5 and 0."),
    ],
)
def test_an_error_names_the_key_that_was_given(explained, change, says):
    with pytest.raises(RecipeError, match=f"^{re.escape(says)}"):
        from_plain(explained["attributes"].to_plain() | change, "here")


def test_an_explanation_without_a_kind_is_refused():
    says = "here: key 'kind' is missing; it names the kind of explanation. Known: attributes, mask."
    with pytest.raises(RecipeError, match=f"^{re.escape(says)}$"):
        from_plain({"height": 3}, "here")


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_changed_and_nothing_else(kind, explained):
    one = explained[kind]
    assert one.resampled(lambda values: values) == one
    halved = one.resampled(lambda values: values[::2, ::2])
    assert {name: values.shape for name, values in halved.maps().items()} == dict.fromkeys(one.maps(), (32, 32))


def test_the_first_of_a_kind_is_found(explained):
    both = tuple(explained.values())
    assert of_kind(both, SaliencyMask) is explained["mask"]
    assert of_kind(both[:1], SaliencyMask) is None


def test_bars_stand_beside_what_is_expected_of_the_class(explained, shapes_spec):
    first, support = explained["attributes"].blocks(shapes_spec, "square")
    (bars,) = first.blocks
    assert isinstance(bars, Bars)
    assert [(row.mark, row.tick) for row in bars.rows] == [
        ("seen", 0.0), ("seen", 0.0), ("seen", 1.0), ("seen", 1.0), ("odd", 1.0)
    ]  # fmt: skip
    (shares,) = support.blocks
    assert {row.label: row.value for row in shares.rows}["square"] == pytest.approx(2 / 3)
    assert [row.label for row in shares.rows if row.bold] == ["square"]


def test_of_312_attributes_the_surest_and_those_at_odds_are_shown():
    names = tuple(f"attribute {number}" for number in range(312))
    expected = tuple(float(number == 300) for number in range(312))
    spec = DataSpec(("cat", "fox"), 3, 8, 8, names, (expected, (0.0,) * 312))
    seen = tuple(0.97 if number == 200 else 0.01 for number in range(312))
    rows = AttributeScores(names, seen).bars(spec, "cat", 10)
    assert len(rows) == 10
    assert [(row.label, row.mark) for row in rows[:2]] == [("attribute 300", "odd"), ("attribute 200", "odd")]
    assert rows[0].tick == 1.0
    (section, _) = AttributeScores(names, seen).blocks(spec, "cat")
    assert section.blocks[0].left_out == 302


def test_of_each_question_the_most_probable_answer_is_shown_what_few_classes_have_first():
    names = ("has_eye::black", "has_eye::red", "has_wing::blue", "has_wing::brown", "crested", "has_size::small")
    rows = ((1.0, 0.0, 0.0, 1.0, 0.0, 1.0), (1.0, 0.0, 1.0, 0.0, 0.0, 1.0))
    spec = DataSpec(("cat", "fox"), 3, 8, 8, names, rows, groups=((0, 1), (2, 3)))
    seen = AttributeScores(names, (0.99, 0.9, 0.8, 0.7, 0.45, 0.6))
    assert [(row.label, row.mark) for row in seen.bars(spec, "cat", 4)] == [
        ("wing: blue", "odd"),  # 0.8 minus a half of the classes
        ("eye: black", "seen"),  # 0.99 minus all
        ("size: small", "seen"),  # 0.6 minus all
        ("crested", "seen"),  # absent, so after what is present
    ]


def test_without_attributes_nothing_is_shown(shapes_spec):
    assert AttributeScores((), ()).blocks(shapes_spec, "square") == []


def test_a_mask_says_where_it_lies_and_how_much_it_shows():
    values = torch.zeros(64, 64)
    values[:32, :32] = 1
    mask = SaliencyMask.of(values)
    spec = DataSpec(("cat", "fox"), 1, 64, 64)
    (overlay,) = mask.blocks(spec, "cat")[0].blocks
    assert isinstance(overlay, Overlay)
    assert overlay.alt == "the mask shows 25.0 % of the image, centered at the top left"
    assert torch.equal(overlay.values, values)
    assert mask.words() == ["the mask shows 25.0 % of the image"]
    nothing = SaliencyMask.of(torch.zeros(4, 4)).blocks(spec, "cat")[0].blocks[0]
    assert nothing.alt.endswith("nothing anywhere")
