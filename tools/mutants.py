"""Change formulas at random, one at a time, and see whether their own tests notice.

`python tools/mutants.py [--count 12] [--seed 0] [MODULE ...]` draws so many changes of every module in `TESTS`, or of
those named (`doubts/rules.py`), runs the module's tests and its examples on each in a process of its own, and prints
the changes that none of them noticed. Nothing is written into the source: an import hook hands out the changed module.
`--json FILE` keeps all.
"""

import argparse
import ast
import doctest
import importlib
import importlib.abc
import importlib.machinery
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "antehoc"
TESTS: dict[str, tuple[str, ...]] = {  # modules that hold formulas, and the files or folders of their own tests
    "doubts/neighbors.py": ("doubts/test_neighbors.py",),
    "doubts/temperature.py": ("doubts/test_temperature.py",),
    "calibration/choice.py": ("calibration/test_product.py",),
    "calibration/product.py": ("calibration/test_product.py",),
    "calibration/cross.py": ("calibration/test_cross.py",),
    "data/strata.py": ("data/test_strata.py", "data/test_splits.py"),
    "calibration/evidence.py": ("calibration",),
    "calibration/policy.py": ("calibration",),
    "calibration/threshold.py": ("calibration",),
    "doubts/certainty.py": ("doubts",),
    "doubts/distance.py": ("doubts",),
    "doubts/likelihood.py": ("doubts",),
    "doubts/masks.py": ("doubts",),
    "doubts/rules.py": ("doubts",),
    # not evaluation/curves.py, which only lays out what metrics/selective.py gives
    "evaluation/attributes.py": ("evaluation/test_attributes.py", "evaluation/test_evaluate.py"),
    "evaluation/cases.py": ("evaluation/test_cases.py",),
    "evaluation/expected.py": ("evaluation/test_expected.py",),
    "evaluation/faults.py": ("evaluation/test_faults.py",),
    "evaluation/scoring.py": ("evaluation/test_scoring.py", "evaluation/test_evaluate.py"),
    "evaluation/unknown.py": ("evaluation/test_unknown.py",),
    "evaluation/verdicts.py": ("evaluation/test_verdicts.py", "evaluation/test_evaluate.py"),
    "metrics/attributes.py": ("metrics/test_attributes.py",),
    "metrics/bootstrap.py": ("metrics/test_bootstrap.py",),
    "metrics/controls.py": ("metrics/test_controls.py",),
    "metrics/faithfulness.py": ("metrics/test_faithfulness.py",),
    "metrics/maps.py": ("metrics",),
    "metrics/ood.py": ("metrics/test_ood.py",),
    "metrics/peers.py": ("metrics/test_peers.py",),
    "metrics/placement.py": ("metrics/test_placement.py",),
    "metrics/robustness.py": ("metrics/test_robustness.py",),
    "metrics/selective.py": ("metrics/test_selective.py",),
    "metrics/shape_bias.py": ("metrics/test_shape_bias.py",),
    "nn/blur.py": ("nn/test_blur.py",),
    "nn/damage.py": ("nn/test_damage.py",),
    "nn/explainers.py": ("nn/test_explainers.py",),
    "nn/gated.py": ("nn/test_gated.py",),
    "posthoc/ascent.py": ("posthoc/test_values.py", "posthoc/test_methods.py"),
    "posthoc/cams.py": ("posthoc/test_values.py", "posthoc/test_methods.py"),
    "posthoc/gradients.py": ("posthoc/test_values.py", "posthoc/test_methods.py"),
    "posthoc/masking.py": ("posthoc/test_values.py", "posthoc/test_methods.py"),
    "posthoc/relevance.py": ("posthoc/test_values.py", "posthoc/test_methods.py"),
    "studies/background.py": ("studies/test_background.py",),
    "studies/leakage.py": ("studies/test_leakage.py",),
    "studies/masks.py": ("studies/test_masks.py",),
    "studies/repeated_calibration.py": ("studies/test_repeated_calibration.py",),
    "comparison/ranks.py": ("comparison/test_ranks.py",),
    "systems/joint/losses.py": ("systems/test_joint.py",),
    "systems/joint/system.py": ("systems/test_joint.py", "systems/test_contract.py"),
    "systems/mirror/system.py": ("systems/test_mirror.py", "systems/test_contract.py"),
    "task.py": ("test_task.py",),
    "training/phases.py": ("training/test_phases.py",),
}
BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
CALLED = {
    "mean": "sum", "sum": "mean", "max": "min", "min": "max", "amax": "amin", "amin": "amax", "argmax": "argmin",
    "argmin": "argmax", "all": "any", "any": "all", "maximum": "minimum", "minimum": "maximum", "zeros": "ones",
    "ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like", "exp": "expm1", "log": "log1p",
    "relu": "abs", "logsumexp": "sum", "cumsum": "cumprod", "floor": "ceil", "ceil": "floor", "std": "var",
    "abs": "square",
}  # fmt: skip
NOT_COUNTED = {  # arguments that no figure depends on
    "strict",  # of zip: a guard against rows that do not line up, like an assertion
    "headline", "folded", "x_percent", "y_percent",  # how a report lays its figures out
    "seed",  # of defaults and calls: any other draws as well
    "inplace",  # of layers: only faster
}  # fmt: skip
PASSED = 0  # exit code
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS  # as in pyproject.toml
SECONDS = 300  # for one change: a test that does not end has noticed it


@dataclass
class Mutant:
    """One change of one module, and what its tests said."""

    module: str
    number: int  #: of the change among all of the module
    line: int
    before: str
    after: str
    noticed: bool | None = None
    seconds: float = 0.0


class Changes(ast.NodeVisitor):
    """All places of a module where a change may be made, in order; each is made by a function of no arguments."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.AST, str, object]] = []  # node, field, new value

    def visit_Raise(self, node: ast.Raise) -> None:
        """Messages of errors are no formulas."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Nor are remarks to the type checker."""

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """Nor is how such a message is put together from another error's."""
        if not isinstance(node.body[-1], ast.Raise):
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """How much is worked out at once is a matter of memory: the results are the same."""
        if not any(isinstance(target, ast.Name) and "AT_ONCE" in target.id for target in node.targets):
            self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg not in NOT_COUNTED:
            self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Decorators, such as `dataclass(frozen=True)`, are no formulas."""
        for statement in node.body:
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        named = [*node.args.posonlyargs, *node.args.args]
        defaults = [*zip(named[len(named) - len(node.args.defaults) :], node.args.defaults, strict=True)]
        defaults += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)  # type: ignore[arg-type]
        for argument, default in defaults:
            if default is not None and argument.arg not in NOT_COUNTED:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Texts are no formulas."""

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in BINARY and not isinstance(node.left, ast.JoinedStr):
            self.found.append((node, "op", BINARY[type(node.op)]()))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if type(node.op) in BINARY:
            self.found.append((node, "op", BINARY[type(node.op)]()))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operator in enumerate(node.ops):
            self.found.append((node, "ops", [*node.ops[:index], COMPARED[type(operator)](), *node.ops[index + 1 :]]))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.found.append((node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.found.append((node, "op", ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()))
        if isinstance(node.op, (ast.Not, ast.Invert)):
            self.found.pop()
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if not all(isinstance(statement, ast.Raise) for statement in node.body):
            self.found.append((node, "test", ast.UnaryOp(ast.Not(), node.test)))
            self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.found.append((node, "test", ast.UnaryOp(ast.Not(), node.test)))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.found.append((node, "value", not value))
        elif isinstance(value, int):
            self.found.append((node, "value", value + 1))
        elif isinstance(value, float):
            self.found.append((node, "value", value * 2 if value else 1.0))

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in CALLED:
            field = "attr" if isinstance(node.func, ast.Attribute) else "id"
            self.found.append((node.func, field, CALLED[name]))
        self.generic_visit(node)


def changed(module: str, number: int) -> tuple[ast.Module, Mutant]:
    """The module with change `number` made, and its description."""
    tree = ast.parse((SOURCE / module).read_text(encoding="utf-8"))
    changes = Changes()
    changes.visit(tree)
    node, field, value = changes.found[number]
    line = getattr(node, "lineno", 0)
    before = ast.unparse(node)
    setattr(node, field, value)
    return ast.fix_missing_locations(tree), Mutant(module, number, line, before[:110], ast.unparse(node)[:110])


def places(module: str) -> int:
    """How many changes can be made in a module."""
    changes = Changes()
    changes.visit(ast.parse((SOURCE / module).read_text(encoding="utf-8")))
    return len(changes.found)


class Handed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An import hook that hands out one module as changed."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.path, self.tree = SOURCE / module, tree
        self.name = self.named(module)

    @staticmethod
    def named(module: str) -> str:
        """The name by which a module is imported."""
        parts = Path(module).with_suffix("").parts
        return ".".join(("antehoc", *(parts[:-1] if parts[-1] == "__init__" else parts)))

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)


def tested(module: str, number: int | None) -> None:
    """In a process of its own: run the module's tests on one change, or on none; the exit code says what they found."""
    import pytest
    import torch

    torch.set_num_threads(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if number is not None:
        sys.meta_path.insert(0, Handed(module, changed(module, number)[0]))
    files = [str(ROOT / "tests" / name) for name in TESTS[module]]
    options = ["-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "-W", "ignore:Module already imported"]
    failed = int(pytest.main([*options, *files]))
    if not failed:  # pytest would read the module from its file again to collect its examples
        failed = doctest.testmod(importlib.import_module(Handed.named(module)), optionflags=FLAGS).failed
    os._exit(int(failed > 0))


def run(module: str, number: int | None) -> tuple[bool, float]:
    """Whether the tests failed, or did not end, and how long they took."""
    start = time.perf_counter()
    process = multiprocessing.get_context("fork").Process(target=tested, args=(module, number))
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode != PASSED, time.perf_counter() - start


def drawn(modules: Sequence[str], count: int, seed: int) -> Iterator[Mutant]:
    """So many changes of each module, or all where there are fewer."""
    for module in modules:
        numbers = range(places(module))
        chosen = random.Random(f"{seed} {module}").sample(numbers, min(count, len(numbers)))
        for number in sorted(chosen):
            yield changed(module, number)[1]


def main() -> int:
    """Try the changes; exit with 1 where more than 1 in 20 passed unnoticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", default=list(TESTS))
    parser.add_argument("--count", type=int, default=12, help="changes of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--json", type=Path, help="file for all changes and what the tests said")
    given = parser.parse_args()
    unknown = [name for name in given.modules if name not in TESTS]
    if unknown:
        parser.error(f"{unknown[0]} is not in TESTS; known: {', '.join(TESTS)}")
    import lightning  # noqa: F401
    import scipy.stats  # noqa: F401
    import timm  # noqa: F401

    os.chdir(ROOT)
    with ThreadPoolExecutor(given.jobs) as pool:
        for module, (failed, seconds) in zip(
            given.modules, pool.map(lambda m: run(m, None), given.modules), strict=True
        ):
            if failed:
                raise SystemExit(f"the tests of {module} fail without any change.")
            print(f"{seconds:5.1f} s  {module} ({places(module)} places)", flush=True)
        mutants = list(drawn(given.modules, given.count, given.seed))
        for mutant, (noticed, seconds) in zip(
            mutants, pool.map(lambda m: run(m.module, m.number), mutants), strict=True
        ):
            mutant.noticed, mutant.seconds = noticed, seconds
            if not noticed:
                print(f"{mutant.module}:{mutant.line}: {mutant.before}  ->  {mutant.after}", flush=True)
    missed = sum(not mutant.noticed for mutant in mutants)
    print(f"{len(mutants) - missed} of {len(mutants)} changes noticed")
    if given.json:
        given.json.write_text(json.dumps([asdict(mutant) for mutant in mutants], indent=1), encoding="utf-8")
    return int(20 * missed > len(mutants))


if __name__ == "__main__":
    sys.exit(main())
