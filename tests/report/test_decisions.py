"""Pages of decisions: what to look at comes first, on screens and on paper; one image in plain words."""

import re
from dataclasses import replace

import pytest
from PIL import Image

from antehoc.errors import ImageError
from antehoc.report import page
from antehoc.report.document import stylesheet
from antehoc.report.single import everyday
from antehoc.types import Reason, Verdict
from pages import checks, plain_text


def test_questioned_images_come_first_then_errors_then_the_accepted_ones_folded(model, questioned, accepted, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for path in paths:
        Image.new("L", (64, 64)).save(path)
    more = replace(questioned, verdict=replace(questioned.verdict, score=99.0))
    broken = replace(questioned, verdict=replace(questioned.verdict, score=float("nan")))
    contradicted = replace(accepted, by_explanation={"square": 0.1, "circle": 0.9})
    items = [accepted, questioned, ImageError("no image"), accepted, more, contradicted, broken, accepted, accepted]
    text = page.decisions(list(zip(paths, items, strict=True)), model)
    found = checks(text)
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == ["Questioned (3)", "Skipped (1)", "Accepted (5)", "How to read this"]
    order = [int(name) for name in re.findall(r"<h3>[^<]*?(\d)\.png</h3>", text)]
    assert order == [6, 4, 1, 2, 5, 0, 3, 7, 8]
    assert found.tags.count("details") == 4  # the accepted ones that nothing contradicts
    assert "9 images: 3 questioned, 1 skipped, 5 accepted." in text


def test_a_few_images_are_all_shown_in_full(model, accepted, tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (64, 64)).save(path)
    assert "<details" not in page.decisions([(path, accepted)] * 2, model)


def test_every_page_has_a_dark_style_and_one_for_paper_and_fetches_nothing(report_pages):
    for text in report_pages:
        checks(text)
        assert "@media screen and (prefers-color-scheme: dark)" in text  # not on paper
        assert "@media print" in text
        assert "@page" in text


@pytest.fixture
def report_pages(result, evaluation, model, questioned, tmp_path):
    path = tmp_path / "a.png"
    return [
        page.reproduction(result),
        page.evaluation(evaluation, model),
        page.decisions([(path, questioned)], model),
        page.decisions([(path, questioned)] * 2, model),
    ]


@pytest.mark.parametrize("file", ["colors.css", "page.css", "blocks.css", "single.css", "print.css"])
def test_a_style_is_balanced_and_names_only_colors_that_are_defined(file):
    text = stylesheet(file)
    assert text.count("{") == text.count("}")
    defined = set(re.findall(r"(--[\w-]+):", stylesheet("colors.css")))
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= defined


def test_the_dark_style_changes_every_color():
    light, dark = stylesheet("colors.css").split("@media", 1)
    names = set(re.findall(r"(--[\w-]+):", light))
    assert names == set(re.findall(r"(--[\w-]+):", dark))


def test_what_one_image_s_page_says(model, questioned, accepted, masked, golden, tmp_path):
    path = tmp_path / "scan.png"
    Image.new("L", (64, 64)).save(path)
    said = []
    for decision in (questioned, accepted, masked, replace(accepted, verdict=None)):
        text = page.decisions([(path, decision)], model)
        checks(text)
        body = re.sub(r"<style>.*?</style>|<details>.*?</details>", "", text, flags=re.DOTALL)
        said.append(re.sub(r" \| ", "\n", plain_text(body)))
    golden("single.txt", "\n\n---\n\n".join(said) + "\n")


def test_a_contradicted_answer_is_to_be_checked_though_it_is_accepted(model, accepted, tmp_path):
    contradicted = replace(accepted, by_explanation={"square": 0.1, "circle": 0.9})
    text = plain_text(page.decisions([(tmp_path / "a.png", contradicted)], model))
    assert "Have a person check this answer." in text
    assert "by itself it points to “circle” (90 %)" in text
    assert "Compare with “circle” first" in text
    assert "You can use this answer" not in text


def test_of_several_labels_each_has_its_reasons(model, several, tmp_path):
    text = plain_text(page.decisions([(tmp_path / "a.png", several)], model))
    assert "it sees “circle” (91 %) and “square” (64 %) in this picture" in text
    assert "square: All doubts together give a score of 8.0, above the limit of 5.2" in text
    assert "Have a person check this answer." in text


def test_an_attribute_is_said_as_people_say_it():
    reasons = [
        Reason("attribute-agrees", "", "has_eyering", 0.999, 1.0, agrees=True),
        Reason("attribute-agrees", "", "has_eyering", 0.03, 0.0, agrees=True),
        Reason("attribute-unexpected", "", "has_eyering", 0.7, 0.0),
        Reason("attribute-missing", "", "has_eyering", 0.2, 1.0),
    ]
    assert [everyday(reason, "robin") for reason in reasons] == [
        "“eyering” is there (more than 99 %), as expected for “robin”.",
        "“eyering” is not there (3 %), as expected for “robin”.",
        "“eyering” is there (70 %); “robin” usually does not have it.",
        "“eyering” is not there (20 %); “robin” usually has it.",
    ]


def test_what_to_check_are_the_attributes_against_the_answer(model, questioned, tmp_path):
    unlike = Reason("attribute-missing", "", "four vertices", 0.1, 1.0)
    verdict = Verdict("questioned", 9.0, 5.2, 0.01, (unlike, *questioned.verdict.reasons))
    text = plain_text(page.decisions([(tmp_path / "a.png", replace(questioned, verdict=verdict))], model))
    assert "Check: is “four vertices” really missing? “rectangle” usually has it." in text
    assert "Check: is “all edges equal” really there? “rectangle” usually does not have it." in text
