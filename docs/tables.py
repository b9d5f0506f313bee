"""The tables of README.md and docs/: rewritten from measured runs and from the code, never by hand.

`python docs/tables.py` rewrites what stands between `<!-- table: NAME -->` and `<!-- end -->`; `--check` writes nothing
and exits with 1 where a file is out of date; `--add FILE...` takes what `antehoc reproduce --json` or
`make bench` wrote into docs/measured/, without what it says of the machine's name and
folders.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from antehoc.metrics import OF_DECISIONS, OF_MAPS, of_groups
from tabled import failures
from tabled.benchmarks import benchmarks, recalibrated
from tabled.chosen import (
    BIRDS,
    CLASSIFIERS,
    EXPLAINERS,
    FAULTS,
    OF_CLASSIFIERS,
    OF_EXPLAINERS,
    TRAINED,
    TRIANGLES_FIRST,
)
from tabled.extend import example, recipe, registered
from tabled.generalize import contradictions, gains, generalize, thresholds
from tabled.headline import headline
from tabled.measured import add
from tabled.recipes import aopc, biases, compared, fault, paper, side_by_side, small, studied, unknown, unknown_birds
from tabled.reference import cli_help, metrics, recipe_keys

HERE = Path(__file__).parent
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

TABLES: dict[str, Callable[[], str]] = {
    "headline": headline,
    "shapes-small": lambda: small("shapes"),
    "shapes-free-small": lambda: small("shapes-free"),
    "shapes-paper": lambda: paper("shapes"),
    "shapes-unknown": lambda: unknown("shapes", ""),
    "shapes-free-unknown": lambda: unknown("shapes-free", "default_"),
    "birds-main": lambda: small("birds", BIRDS),
    "birds-small": lambda: small("birds"),
    "birds-paper": lambda: paper("birds"),
    "birds-unknown": unknown_birds,
    "birds-training": lambda: side_by_side("birds", TRAINED, BIRDS),
    "birds-studies": lambda: studied("birds"),
    "triangles-main": lambda: small("triangles", TRIANGLES_FIRST),
    "triangles-small": lambda: small("triangles"),
    "triangles-classifiers": lambda: side_by_side("triangles", CLASSIFIERS, OF_CLASSIFIERS),
    "triangles-explainers": lambda: side_by_side("triangles", EXPLAINERS, OF_EXPLAINERS),
    "triangles-aopc": aopc,
    "triangles-compare": compared,
    "cue-conflict-small": lambda: small("cue-conflict"),
    "cue-conflict-bias": biases,
    "generalize": generalize,
    "generalize-gains": gains,
    "contradictions": contradictions,
    "thresholds": thresholds,
    "failures-ranks": failures.ranks,
    "failures-ensemble": failures.ensemble,
    "failures-at-alpha": failures.at_alpha,
    "benchmarks": benchmarks,
    "benchmarks-explanations": lambda: benchmarks(explanations=True),
    "recalibrate": recalibrated,
    "cli-help": cli_help,
    "recipe-keys": recipe_keys,
    "metrics": lambda: metrics(of_groups(*OF_DECISIONS)),
    "map-metrics": lambda: metrics(of_groups(*OF_MAPS)),
    "extend-system": lambda: example("channels"),
    "extend-study": lambda: example("recall"),
    "extend-doubt": lambda: example("flatness"),
    "extend-data": lambda: example("squares"),
    "extend-register": registered,
    "extend-recipe": recipe,
    **{name: (lambda name=name: fault(name)) for name in FAULTS},  # type: ignore[misc]
}


def filled(text: str, where: str) -> str:
    """A file's text with every block made again.

    Raises:
        SystemExit: for a block of an unknown name.
    """

    def fill(block: re.Match[str]) -> str:
        if block[2] not in TABLES:
            raise SystemExit(f"{where}: no table is called {block[2]!r}; known: {', '.join(TABLES)}.")
        return f"{block[1]}\n{TABLES[block[2]]()}\n\n{block[3]}"

    return BLOCK.sub(fill, text)


def files() -> list[Path]:
    """The files that may hold a block."""
    return [HERE.parent / "README.md", *sorted(HERE.rglob("*.md"))]


def main(options: Sequence[str] | None = None) -> int:
    """Rewrite the tables, or say which are out of date."""
    parser = argparse.ArgumentParser(description="Rewrite the tables of README.md and docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is out of date")
    parser.add_argument(
        "--add", nargs="+", type=Path, default=[], metavar="FILE", help="measured runs to take in first"
    )
    chosen = parser.parse_args(options)
    for path in chosen.add:
        print(f"taken in: {add(path).relative_to(HERE.parent)}")
    stale = []
    for path in files():
        old = path.read_text(encoding="utf-8")
        new = filled(old, str(path.relative_to(HERE.parent)))
        if new != old:
            stale.append(path)
            if not chosen.check:
                path.write_text(new, encoding="utf-8")
    for path in stale:
        print(f"{'out of date' if chosen.check else 'rewritten'}: {path.relative_to(HERE.parent)}")
    if stale and chosen.check:
        print("python docs/tables.py brings them up to date.")
    return 1 if stale and chosen.check else 0


if __name__ == "__main__":
    sys.exit(main())
