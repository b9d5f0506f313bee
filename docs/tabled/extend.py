"""The examples of `docs/howto/extend.md`: the files that `tests/test_extend.py` runs, word for word."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"


def example(name: str) -> str:
    """A whole file of `tests/extend/`, as code."""
    return _code("python", (TESTS / "extend" / f"{name}.py").read_text(encoding="utf-8"))


def registered() -> str:
    """The lines that register the examples."""
    lines = re.findall(r"^ +(patch\.setitem\(.*\))$", _test(), re.MULTILINE)
    return _code("python", "\n".join(lines))


def recipe() -> str:
    """The recipe that trains them."""
    found = re.search(r'^RECIPE = """\n(.*?)"""$', _test(), re.MULTILINE | re.DOTALL)
    assert found
    return _code("yaml", found[1])


def _test() -> str:
    return (TESTS / "test_extend.py").read_text(encoding="utf-8")


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```"
