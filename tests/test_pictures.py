"""The pictures of README.md are what today's code draws, and their sentences are what it says."""

import importlib
import re
import sys
from pathlib import Path

import matplotlib
import pytest

from antehoc.doubts import DOUBTS
from antehoc.figure import number
from antehoc.systems.joint import reasons as masks
from antehoc.systems.mirror import reasons as attributes

ROOT = Path(__file__).parent.parent
NAMES = ("joint", "mirror")


@pytest.fixture(scope="module")
def pictures():
    """The script that draws them, which is not part of the package."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        return importlib.import_module("pictures")
    finally:
        sys.path.remove(str(ROOT / "docs"))


def test_the_readme_shows_each_recorded_picture_and_no_other(pictures):
    shown = re.findall(r"!\[[^]]+\]\((\S+)\)", (ROOT / "README.md").read_text())
    assert sorted(shown) == [f"docs/images/{name}.png" for name in NAMES]
    assert [path.stem for path in pictures.records()] == sorted(path.stem for path in (ROOT / "docs/images").iterdir())


@pytest.mark.skipif(matplotlib.__version_info__ < (3, 11), reason="matplotlib 3.11 changed the layout of text")
def test_no_picture_is_out_of_date(pictures):
    assert list(pictures.stale()) == [], "run `make pictures`"


def test_another_picture_is_told_from_the_right_one(pictures):
    own, other = (pictures.drawn(path) for path in pictures.records())
    assert pictures.difference(own, own) == 0
    assert pictures.difference(own, other) > pictures.TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_reasons_are_in_todays_words(pictures, name):
    cases, _ = pictures.read(ROOT / "docs/pictures" / f"{name}.json")
    assert [case.decision.verdict.outcome for case in cases] == ["accepted", "questioned"]
    source = Path(masks.__file__).read_text()
    for case in cases:
        label = case.decision.label
        for reason in case.decision.verdict.reasons:
            if reason.attribute:
                own = attributes._reason(
                    reason.attribute, reason.probability, reason.expected, label, against=not reason.agrees
                )
                assert reason == own
            elif reason.probability is not None:  # what the classifier says of another look at the image
                words = re.fullmatch(
                    rf"(.+) '[^']+' \({re.escape(number(reason.probability, 'probability'))}\)", reason.text
                )
                assert f'"{words[1]}"' in source
            elif reason.code != "fits-another-class":
                said = [entry.sentence for entry in DOUBTS.values() if entry.code == reason.code]
                assert reason.text in [sentence.format(name=repr(label)) for sentence in said]
