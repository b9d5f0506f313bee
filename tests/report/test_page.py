"""The page: whole, well-formed, self-contained, and safe whatever things are called."""

import re
from base64 import b64decode
from dataclasses import fields, replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise

import pytest
import torch
from PIL import Image

from antehoc import runs
from antehoc.blocks import Section, Strips
from antehoc.errors import ImageError
from antehoc.evaluation import Evaluation, Shown, decisions, unknown
from antehoc.evaluation import attributes as evaluated
from antehoc.figure import Figure
from antehoc.report import page
from antehoc.report.meanings import number, reason_text
from antehoc.types import AttributeScores, DataSpec, Decision, Reason, Verdict

VOID = {"img", "meta", "wbr"}
HOSTILE = "<script>alert(1)</script>\"'&\x1b\n\udcff"


class Checked(HTMLParser):
    """Reads a page and keeps what a test asks for; tags that do not balance are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for _, key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def report(result) -> str:
    return page.reproduction(result)


def checks(text: str) -> Checked:
    """What holds for every page."""
    found = Checked(text)
    assert text.startswith("<!doctype html>")
    text.encode("utf-8")
    assert "script" not in found.tags
    assert len(text) < 3_000_000
    fetched = [value for name in ("src", "href", "xlink:href", "action", "srcset") for value in found.values(name)]
    assert [value for value in fetched if not value.startswith(("data:image/", "#"))] == []
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in fetched if value.startswith("#")} <= set(ids)
    headings = [int(tag[1]) for tag in found.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert found.tags.count("img") == len([value for value in found.values("alt") if value])
    assert ("html", "lang", "en") in found.attributes
    return found


def test_a_report_is_a_whole_page(report):
    checks(report)


def test_a_report_holds_every_figure_beside_the_published_one(report, result):
    rows = re.findall(r"<tr>.*?</tr>", report, re.DOTALL)
    plain = [re.sub(r"<wbr>", "", row) for row in rows]
    for name in {*result.figures, *result.published}:
        (row,) = [row for row in plain if f"<code>{name}</code>" in row]
        assert f"<td>{number(result.figures.get(name), name)}</td>" in row
    (row,) = [row for row in plain if "<code>support_questioned_wrong</code>" in row]
    assert "0.5738" in row
    (row,) = [row for row in plain if "<code>verdict_questioned_wrong</code>" in row]
    assert "0.4000 to 0.9900" in row


def test_a_report_holds_every_case_with_the_truth_in_green(report, evaluation):
    for shown in evaluation.shown:
        assert report.count(f"<h4>{shown.title}</h4>") == 1 + (
            shown is evaluation.shown[0]
        )  # that one in the variant too
    case = report[report.index("Wrong, another class fits better") :]
    bar = re.search(r"<title>square 0\.070</title>.*?</g>", case, re.DOTALL)
    assert bar
    assert "#009e73" in bar[0]
    assert "· true" in bar[0]


def test_a_report_holds_the_card_the_reading_and_each_note_once(report, result):
    for field in fields(result.models["shapes"].system.card):
        assert f"<dt>{field.name.replace('_', ' ')}</dt>" in report
    assert "Not promised: " in report
    assert "at most 1.0 % (alpha) of correct decisions" in report
    assert report.count("mnist is absent") == 1
    assert report.count("12 errors are few") == 1


def test_the_headline_is_made_of_the_figures(report):
    assert "99.5 % of the decisions on 2,000 test images are correct." in report
    assert "questions 86.0 % of the 10 wrong decisions and 99.3 % of the unknown images (noise)" in report


def test_an_evaluation_is_a_whole_page_without_the_recipes_parts(evaluation, model):
    text = page.evaluation(evaluation, model)
    checks(text)
    assert "Seconds by part" not in text
    assert "Explanation card" in text


def test_a_model_without_a_policy_says_that_it_never_was_calibrated(model, accepted, build_model, tmp_path):
    plain = build_model(model.spec, None)
    path = tmp_path / "a.png"
    Image.new("L", (64, 64)).save(path)
    text = page.decisions([(path, replace(accepted, verdict=None))], plain)
    checks(text)
    assert "1 image: 1 not calibrated." in text
    assert "never calibrated: its decisions carry no verdict" in text


def many(classes: int, attributes: int) -> tuple[DataSpec, Evaluation]:
    """A spec of hostile names and an evaluation of it, with one case."""
    names = tuple(f"{HOSTILE} class {index}" for index in range(classes))
    seen = tuple(f"{HOSTILE} attribute {index}" for index in range(attributes))
    spec = DataSpec(names, 3, 32, 32, seen, tuple((0.5,) * attributes for _ in names) if attributes else ())
    reason = Reason("attribute-missing", f"{HOSTILE} is absent")
    explanans = AttributeScores(seen, (0.4,) * attributes)
    decision = Decision(
        names[-1],
        dict.fromkeys(names, 1 / classes),
        explanans,
        {},
        Verdict("questioned", 9.0, 5.0, 0.01, (reason,) * 50),
    )
    shown = Shown(HOSTILE, torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)), decision, names[0])
    counts = tuple(tuple(int(abs(row - column) < 2) for column in range(classes)) for row in range(classes))
    found = [Figure("accuracy", 0.5, "", ""), Figure(f"ood_{HOSTILE}_questioned", 1.0, "", "", of_set=HOSTILE)]
    rows = [evaluated.Row(name, 0.5, None, None, 0.5, 0.0) for name in seen]
    sections = (
        decisions.section(counts, names),
        evaluated.section(rows, found),
        unknown.section(found, {HOSTILE: 3}, ()),
        Section("Verdict scores", (Strips({HOSTILE: (1.0, 9.0)}, 5.0, "score"),)),
    )
    return spec, Evaluation(found, [HOSTILE], shown=[shown] * 12, images=10, sections=sections)


@pytest.mark.parametrize(("classes", "attributes"), [(2, 1), (200, 312)])
def test_a_page_bears_any_number_of_classes_and_attributes_of_any_name(build_model, classes, attributes):
    spec, evaluation = many(classes, attributes)
    text = page.evaluation(evaluation, build_model(spec))
    found = checks(text)
    assert "<script" not in text
    assert any("<script>" in said for said in found.said)
    if classes == 200:
        assert "and 195 classes more" in text
        assert "and 302 attributes more" in text
        assert f"{312 - 2 * 15} attributes more" in text
        assert "312 attributes are never found" in text
        assert "The most frequent of 398 confused pairs" in text


def test_decisions_hold_each_image_its_reasons_and_each_error(model, questioned, accepted, tmp_path):
    folder = tmp_path / "<script>&"
    folder.mkdir()
    paths = [folder / f"{name}.png" for name in ("turned", "square", "broken", "gone")]
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by a quarter
    Image.new("RGB", (900, 300)).save(paths[0], exif=exif)
    Image.new("L", (64, 64)).save(paths[1])
    error = ImageError(f"{paths[2]}: this is <b>not</b> an image.")
    results = [(paths[0], questioned), (paths[1], accepted), (paths[2], error), (paths[3], accepted)]
    text = page.decisions(results, model)
    found = checks(text)
    assert "4 images: 2 accepted, 1 questioned, 1 skipped." in text
    assert "this is &lt;b&gt;not&lt;/b&gt; an image." in text
    assert "No picture: " in text  # the file went away after it was decided
    for path in paths:
        assert any(str(path) in said for said in found.said)
    for reason in questioned.verdict.reasons:
        assert any(reason_text(reason, "rectangle") in said for said in found.said)
    assert text.count("<dt>explanandum</dt>") == 1
    assert "likelihood" in text
    assert "margin -1.25" in text


def test_a_decision_by_a_mask_shows_it_over_its_image_with_its_colours_and_says_where(model, masked, tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (96, 64), 255).save(path)  # the model sees it with white above and below
    text = page.decisions([(path, masked), (tmp_path / "gone.png", masked)], model)
    found = checks(text)
    assert '<p class="panel-title">What the mask lets through</p>' in text
    assert "light yellow where the classifier was let see" in text
    assert "Black tick" not in text
    (alt, alone) = [value for value in found.values("alt") if value.startswith("mask over the image")]
    assert alone == "mask over the image: 25.0 % on average, centred at the top left"
    assert re.fullmatch(r"mask over the image: 2\d\.\d % on average, centred at the top left", alt)
    assert '<li class="against">what the mask shows is not enough: alone it is &#x27;circle&#x27; (0.83)</li>' in text
    assert '<li class="for">the whole image is decided alike: &#x27;square&#x27; (0.91)</li>' in text
    sources = [value for value in found.values("src") if value.startswith("data:image/png")]
    overlay = Image.open(BytesIO(b64decode(sources[1].partition(",")[2])))
    assert overlay.size == (96, 64)
    assert overlay.getpixel((10, 10))[0] > overlay.getpixel((90, 60))[0] + 60


def test_a_case_by_a_mask_is_part_of_an_evaluation(model, masked, evaluation):
    shown = [replace(each, decision=masked) for each in evaluation.shown]
    text = page.evaluation(replace(evaluation, shown=shown), model)
    found = checks(text)
    assert len([value for value in found.values("alt") if value.startswith("mask over the image")]) == 3
    assert "sees the image through the mask" in text


def birds(classes: int = 12) -> tuple[DataSpec, Decision]:
    """Attributes that answer two questions, and a decision that they do not bear out."""
    names = tuple(f"bird {index}" for index in range(classes))
    attributes = (*(f"has_wing_color::color_{index}" for index in range(11)), "has_size::small", "has_size::large")
    rows = tuple(tuple(float(index in (row % 11, 11 + row % 2)) for index in range(13)) for row in range(classes))
    spec = DataSpec(names, 3, 16, 16, attributes, rows, groups=(tuple(range(11)), (11, 12)))
    fits = {name: (index + 1) / 78 for index, name in enumerate(names)}
    seen = AttributeScores(attributes, (*(index / 20 for index in range(11)), 0.9, 0.1))
    text = "'has_size::large' is absent (0.10), but the class 'bird 3' has it"
    verdict = Verdict("questioned", 9.0, 5.0, 0.05, (Reason("attribute-missing", text, "has_size::large", 0.1, 1.0),))
    return spec, Decision("bird 3", dict.fromkeys(names, 1 / classes), seen, {}, verdict, by_explanation=fits)


def test_a_decision_stands_beside_the_classes_that_its_attributes_fit(build_model, tmp_path):
    spec, decision = birds()
    text = page.decisions([(tmp_path / "a.png", decision)], build_model(spec))
    checks(text)
    named = text[text.index("Classes by the attributes") :]
    shown = re.findall(r"<title>(bird \d+) ", named)
    assert shown == ["bird 11", "bird 10", "bird 9", "bird 8", "bird 3"]  # the four that fit best, and the decided one
    assert "Decided class: place 9 of 12" in named
    assert "size: large is absent (0.10), but the class has it" in named
    assert "Corrected" not in text


def test_a_correction_by_a_person_is_said(build_model, tmp_path):
    spec, decision = birds()
    text = page.decisions(
        [(tmp_path / "a.png", replace(decision, corrected={"has_size::large": 1.0}))], build_model(spec)
    )
    assert "<b>Corrected by a person: </b>size: large (1.00)." in text


def test_an_image_stands_upright_and_small(model, accepted, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (900, 300)).save(path, exif=exif)
    (source,) = [value for value in checks(page.decisions([(path, accepted)], model)).values("src")]
    assert Image.open(BytesIO(b64decode(source.partition(",")[2]))).size == (107, 320)


def test_decisions_of_a_real_model_make_a_page(model, build_model, tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    Image.new("L", (30, 50), 200).save(paths[0])
    paths[1].write_bytes(b"no image")
    checks(page.decisions(list(runs.explain(build_model(model.spec, None), paths)), model))


def test_a_page_of_nothing_is_a_page(model):
    assert "0 images: none." in page.decisions([], model)
