"""The page: whole, well-formed, self-contained, and safe whatever things are called."""

import re
from base64 import b64decode
from dataclasses import dataclass, fields, replace
from io import BytesIO
from typing import ClassVar

import pytest
import torch
from PIL import Image

from antehoc.blocks import Block, Lines, Note, Section, Table
from antehoc.errors import ImageError
from antehoc.evaluation import Evaluation, Shown
from antehoc.explanations import AttributeScores
from antehoc.figure import Figure
from antehoc.report import page
from antehoc.report.cases import reason_text
from antehoc.runs.explain import explain
from antehoc.studies import Finding
from antehoc.types import DataSpec, Decision, Reason, Verdict
from pages import Checked, checks, plain_text

HOSTILE = "<script>alert(1)</script>\"'&\x1b\n\udcff"


@dataclass(frozen=True)
class ToyFinding(Finding):
    """What a study found."""

    title: ClassVar[str] = "Does it < work?"

    def figures(self) -> list[Figure]:
        """None of its own."""
        return []

    def blocks(self) -> list[Block]:
        """A note and a chart."""
        return [Note("It does."), Lines({"a": ((0.0, 1.0), (0.0, 1.0))}, "x", "y")]


class ToyComparison:
    """What a page needs of a comparison."""

    def headline(self) -> str:
        """One sentence."""
        return "“own” is first."

    def blocks(self, name: str = "") -> list[Section]:
        """Two sections."""
        return [Section("The table", (Table(("", "AOPC"), (("own", "0.5"),)),)), Section("The maps", (Note("none"),))]

    def brief(self) -> list[Block]:
        """A table."""
        return [Table(("", "AOPC"), (("own", "0.5000"), ("<random>", "-"))), Note("2 images.")]


@pytest.fixture(scope="module")
def report(result) -> str:
    return page.reproduction(result)


def test_a_report_is_a_whole_page(report):
    checks(report)


def test_a_report_holds_every_figure_beside_the_published_one(report, result):
    rows = [row.replace("<wbr>", "") for row in re.findall(r"<tr>.*?</tr>", report, re.DOTALL)]
    for figure in result.figures:
        (row,) = [row for row in rows if f"<code>{figure.name}</code>" in row]
        assert f"<td>{figure}</td>" in row
    (row,) = [row for row in rows if "<code>never_measured</code>" in row]
    assert "<td>-</td>" in row
    (row,) = [row for row in rows if "<code>support_questioned_wrong</code>" in row]
    assert "0.5738" in row
    (row,) = [row for row in rows if "<code>verdict_questioned_wrong</code>" in row]
    assert "0.4000 to 0.9900" in row


def test_a_report_holds_every_case_with_the_truth_in_green(report, evaluation):
    for shown in evaluation.shown:
        assert report.count(f"<h4>{shown.title}</h4>") == 1 + (
            shown is evaluation.shown[0]
        )  # that one in the variant too
    case = report[report.index("Wrong, another class fits better") :]
    bar = re.search(r"<title>square 0\.0700</title>.*?</g>", case, re.DOTALL)
    assert bar
    assert "#009e73" in bar[0]
    assert "· true" in bar[0]


def test_a_report_holds_the_card_the_reading_and_each_note_once(report, result):
    for field in fields(result.models["shapes"].system.card):
        assert f"<dt>{field.name.replace('_', ' ')}</dt>" in report
    assert "<b>Not promised:</b> that" in report
    assert "at most 1.0 % (alpha) of correct decisions" in report
    assert report.count("mnist is absent") == 1
    assert report.count("12 errors are few") == 1


def test_the_headline_and_the_sections_are_those_of_the_evaluation(report, evaluation):
    assert evaluation.headline() in " ".join(Checked(report).said)
    for section in evaluation.sections:
        assert report.count(f"<h3>{section.title}</h3>") == 2  # the variant's, too


def test_a_report_holds_the_findings_of_studies(result, evaluation):
    assert "Studies" not in page.reproduction(result)
    text = page.reproduction(replace(result, findings={"shapes": {"toy": ToyFinding()}}))
    checks(text)
    assert "<h3>Does it &lt; work?</h3>\n<p>It does.</p>" in text
    assert "<h2>Studies</h2>" in text


def test_a_report_shows_training_and_the_recipe(report):
    said = plain_text(report)
    assert "Seconds by part | part | seconds | data | 1.2 | phase 1 | 40.0 | default, phase 1 | 2.0" in said
    assert "everything | 93.4" in said
    assert "Default, phase 1" in said
    assert "data: {name: shapes, train: 6000}" in said


def test_a_real_run_makes_a_page_on_which_every_figure_says_what_it_is(tiny_run):
    found = checks(page.reproduction(tiny_run.result))
    said = set(found.said)
    names = [figure.name for figure in tiny_run.result.figures]
    assert len(names) == len(set(names))
    for figure in tiny_run.result.figures:
        assert figure.group in said
        assert any(text.startswith(figure.meaning) for text in said if figure.meaning)


def test_an_evaluation_is_a_whole_page_without_the_recipes_parts(evaluation, model):
    text = page.evaluation(evaluation, model)
    checks(text)
    assert "Seconds by part" not in text
    assert "Explanation card" in text


def test_a_comparison_is_a_page_of_its_sections():
    text = page.comparison(ToyComparison(), "a name", [("seed", "3")])
    found = checks(text)
    assert {"The table", "The maps", "“own” is first."} <= set(found.said)
    assert "<dt>seed</dt><dd>3</dd>" in text


def test_a_model_without_a_policy_says_that_it_never_was_calibrated(model, accepted, build_model, tmp_path):
    plain = build_model(model.spec, None)
    path = tmp_path / "a.png"
    Image.new("L", (64, 64)).save(path)
    text = page.decisions([(path, replace(accepted, verdict=None))], plain)
    checks(text)
    assert "There is no verdict." in text
    assert "never calibrated: its decisions carry no verdict" in text


def many(classes: int, attributes: int) -> tuple[DataSpec, Evaluation]:
    """A spec of hostile names and an evaluation of it, with cases."""
    names = tuple(f"{HOSTILE} class {index}" for index in range(classes))
    seen = tuple(f"{HOSTILE} attribute {index}" for index in range(attributes))
    spec = DataSpec(names, 3, 32, 32, seen, tuple((0.5,) * attributes for _ in names) if attributes else ())
    reason = Reason("attribute-missing", f"{HOSTILE} is absent")
    verdict = Verdict("questioned", 9.0, 5.0, 0.01, (reason,) * 50)
    explanation = AttributeScores(seen, (0.4,) * attributes)
    decision = Decision(names[-1], dict.fromkeys(names, 1 / classes), (explanation,), {}, verdict)
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    cases = [Shown(HOSTILE, image, decision, names[0]) for _ in range(6)]
    cases += [Shown(HOSTILE, image, decision, None, HOSTILE) for _ in range(6)]
    figures = [Figure(HOSTILE, 0.5, HOSTILE, HOSTILE, of_set=HOSTILE)]
    sections = (Section(HOSTILE, (Table((HOSTILE, HOSTILE), ((HOSTILE, HOSTILE), (HOSTILE,))),)),)
    return spec, Evaluation(figures, [HOSTILE], shown=cases, images=2, wrong=1, sections=sections)


@pytest.mark.parametrize(("classes", "attributes"), [(2, 1), (200, 312)])
def test_a_page_bears_any_number_of_classes_and_attributes_of_any_name(build_model, classes, attributes):
    spec, evaluation = many(classes, attributes)
    text = page.evaluation(evaluation, build_model(spec))
    found = checks(text)
    assert "<script" not in text
    assert any("<script>" in said for said in found.said)
    assert "6 more cases: one of each set of unknown or altered images" in text
    if classes == 200:
        assert "and 195 classes more" in text
        assert "and 302 attributes more" in text


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
    assert "4 images: 1 questioned, 1 skipped, 2 accepted." in text
    assert "this is &lt;b&gt;not&lt;/b&gt; an image." in text
    assert "No picture: " in text  # the file went away after it was decided
    for path in paths:
        assert any(str(path) in said for said in found.said)
    for reason in questioned.verdict.reasons:
        assert any(reason_text(reason, "rectangle") in said for said in found.said)
    assert text.count("<dt>explanandum</dt>") == 1
    assert "likelihood" in text
    assert "margin -1.25" in text


def test_a_decision_by_a_mask_shows_it_over_its_image_with_its_colors_and_says_where(model, masked, tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (96, 64), 255).save(path)  # the model sees it with white above and below
    text = page.decisions([(path, masked), (tmp_path / "gone.png", masked)], model)
    found = checks(text)
    assert '<p class="panel-title">What the mask lets through</p>' in text
    assert "light yellow where the classifier could see it" in text
    assert "Tick mark" not in text
    (alt, alone) = [value for value in found.values("alt") if value.startswith("the mask shows")]
    assert alone == "the mask shows 25.0 % of the image, centered at the top left"
    assert re.fullmatch(r"the mask shows 2\d\.\d % of the image, centered at the top left", alt)
    assert '<li class="against">what the mask shows is not enough: alone it is &#x27;circle&#x27; (0.83)</li>' in text
    assert '<li class="for">the whole image is decided alike: &#x27;square&#x27; (0.91)</li>' in text
    sources = [value for value in found.values("src") if value.startswith("data:image/png")]
    overlay = Image.open(BytesIO(b64decode(sources[1].partition(",")[2])))
    assert overlay.size == (96, 64)
    assert overlay.getpixel((10, 10))[0] > overlay.getpixel((90, 60))[0] + 60


def test_an_image_stands_upright_and_small(model, accepted, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (900, 300)).save(path, exif=exif)
    (source,) = [value for value in checks(page.decisions([(path, accepted)], model)).values("src")]
    assert Image.open(BytesIO(b64decode(source.partition(",")[2]))).size == (213, 640)


def test_decisions_of_a_real_model_make_a_page(model, build_model, tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    Image.new("L", (30, 50), 200).save(paths[0])
    paths[1].write_bytes(b"no image")
    checks(page.decisions(list(explain(build_model(model.spec, None), paths)), model))


def test_a_page_of_nothing_is_a_page(model):
    assert "0 images: none." in page.decisions([], model)
