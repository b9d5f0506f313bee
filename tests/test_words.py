"""What people read is plain American English: phrases that were once here and must not come back."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READ = ("*.py", "*.md", "*.yaml", "*.toml", "*.css", "Makefile")
PHRASES = {  # a phrase, as a regular expression, and what to write
    r"decided rightly|\brightly\b|\btruly\b": "correct; true class: ...",
    r"(class|classes) asks? for": "expected for this class",
    r"was let see|is let see": "what the classifier could see",
    r"where nobody|\bnobody\b": "say what happens, or use the passive",
    r"\bby lot\b": "at random",
    r"\bis dear\b|\bmends?\b|\bmended\b|hangs? on\b|goes before it": "is penalized; fix; depends on; overrides it",
    r"\bless (the|that of|maximum|softmax)\b": "minus",
    r", too[.;,:)\"]": "also, too without a comma",
    r"\banew\b": "again, new",
    r"\bat that\b[.,]": "leave it out",
    r"whatever (it|its|the|happens|was|could|changes)": "any, for every",
    r"\bgrey\b|\bcolour|\bcentre[sd]?\b(?<!centred)|neighbour|behaviour|favour(?!ite)": "American spelling",
    r"\b(normal|optim|random|recogn|initial|general|organ|visual|summar|minim|maxim)is(e|es|ed|ing|ation)\b": (
        "American spelling: -ize"
    ),
    r"pip install '?antehoc": "pip install '.[extra]': the package is not published",
    r"name another place|take a whole copy|is no saved model|would do\b": "choose another path; use a complete copy",
}
FREE = {"tests/test_words.py", "src/antehoc/studies/changes.py"}  # the second lists words that users may write


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", *READ], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if name not in FREE and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def lines():
    return [
        (f"{path.relative_to(ROOT)}:{number}", line)
        for path in tracked()
        if not path.relative_to(ROOT).as_posix().startswith("tests/")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


@pytest.mark.parametrize(("phrase", "better"), PHRASES.items(), ids=range(len(PHRASES)))
def test_no_phrase_has_come_back(lines, phrase, better):
    found = [f"{where}: {line.strip()}" for where, line in lines if re.search(phrase, line)]
    assert not found, f"write {better!r} instead:\n" + "\n".join(found)


def test_the_phrases_are_found_where_they_are():
    odd = "It was decided rightly, and the verdict less the softmax is gray, too."
    assert [better for phrase, better in PHRASES.items() if re.search(phrase, odd)] == [
        "correct; true class: ...", "minus", "also, too without a comma",
    ]  # fmt: skip
