"""The house stands as it is drawn: what is registered, what is documented, what is a package."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import antehoc
from antehoc.data import DATASETS
from antehoc.errors import AntehocError
from antehoc.explanations import KINDS
from antehoc.metrics import OF_DECISIONS, of_groups
from antehoc.studies import STUDIES
from antehoc.systems import SYSTEMS, System

HOUSE = Path(antehoc.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def public(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes that a file offers."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def modules(package: str) -> Iterator[ModuleType]:
    """Every module file of a package whose name does not begin with an underscore."""
    folder = HOUSE / package
    for info in pkgutil.iter_modules([str(folder)]):
        if not info.name.startswith("_"):
            yield importlib.import_module(f"antehoc.{package}.{info.name}")


def test_every_system_is_in_its_table():
    written = {
        kind
        for module in modules("systems")
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, System)
        and kind.__module__.startswith(module.__name__)
        and not inspect.isabstract(kind)
    }
    assert written == set(SYSTEMS.values())


def functions_that_give(result: str, package: str) -> set[tuple[str, str]]:
    """Module and name of every public function of a package with this return annotation."""
    return {
        (f"antehoc.{package.replace('/', '.')}.{path.stem}", node.name)
        for path in sorted((HOUSE / package).glob("[!_]*.py"))
        for node in public(path)
        if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == result
    }


def test_every_data_set_is_in_its_table():
    assert {(f.__module__, f.__name__) for f in DATASETS.values()} == functions_that_give("Source", "data/sets")


def test_every_study_is_in_its_table():
    named = {module.__name__.split(".")[-1] for module in modules("studies") if hasattr(module, "run")}
    assert named == set(STUDIES)


def test_every_measure_is_in_its_table():
    listed = of_groups(*OF_DECISIONS)
    table = {(entry.function.__module__, entry.function.__name__) for entry in listed.values()}
    assert table == functions_that_give("Figure", "metrics")
    assert all(name == entry.function.__name__ for name, entry in listed.items())
    assert all(entry.function.__module__.endswith(f".{entry.family}") for entry in listed.values())


@pytest.mark.parametrize(
    "path", [*sorted((HOUSE / "doubts").glob("[!_]*.py")), *sorted((HOUSE / "metrics").glob("[!_]*.py"))], ids=name_of
)
def test_public_functions_on_tensors_are_checked(path):
    # asked of the source: under these tests jaxtyping checks every function, whether or not it is checked for users
    unchecked = [
        node.name
        for node in public(path)
        if isinstance(node, ast.FunctionDef) and "checked" not in map(ast.unparse, node.decorator_list)
    ]
    assert unchecked == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_called_as_its_file(name):
    home = f"antehoc.systems.{name.replace('-', '_')}"
    assert SYSTEMS[name].__module__ in (home, f"{home}.system")


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_final(name):
    assert SYSTEMS[name].__subclasses__() == [], "to vary a system, wrap it or write a sibling"


def test_every_directory_with_python_is_a_package():
    missing = {path.parent for path in FILES if not (path.parent / "__init__.py").exists()}
    assert missing == set()


def test_the_package_says_that_it_is_typed():
    assert (HOUSE / "py.typed").exists()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_whatever_is_public_says_what_it_is(path):
    silent = [node.name for node in public(path) if not ast.get_docstring(node)]
    assert silent == []
    if path.name != "__init__.py" or path.read_text(encoding="utf-8").strip():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "the file itself"


def test_what_a_caller_may_catch_is_declared_in_one_place():
    declared = set(AntehocError.__subclasses__())
    while further := {kind for parent in declared for kind in parent.__subclasses__()} - declared:
        declared |= further
    assert {kind.__module__ for kind in declared} == {"antehoc.errors"}


# The shape of the code: what a redesign bought, and a later change should not lose without a word


def test_files_stay_short_enough_to_read():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert [name for name, length in lengths.items() if length > 400] == []


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of every file, with the file's name."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield name_of(path), node


def test_functions_stay_short():
    lengths = {
        (name, node.name): (node.end_lineno or 0) - node.lineno + 1
        for name, node in nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert [name for name, length in lengths.items() if length > 60] == []
    assert sorted(lengths.values())[int(0.95 * len(lengths))] <= 30, "docstrings included"


def test_only_the_task_takes_an_argmax_of_logits():
    calls = [
        (name, ast.unparse(node))
        for name, node in nodes()
        if name != "task.py" and isinstance(node, ast.Call) and ast.unparse(node.func).endswith("argmax")
    ]
    assert [call for call in calls if "logits" in call[1] or "output" in call[1]] == []


def test_only_explanations_ask_for_their_kind():
    kinds = {kind.__name__ for kind in KINDS.values()}
    asked = [
        (name, ast.unparse(node))
        for name, node in nodes()
        if name != "explanations.py"
        and (
            (isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and kinds & words(node.args[1]))
            or (isinstance(node, ast.MatchClass) and ast.unparse(node.cls) in kinds)
        )
    ]
    assert asked == []


def words(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


NAMED = ("shapes", "birds", "triangles", "cue-conflict", "cub", "mirror", "joint", "pentagon")
GENERAL = [path for path in FILES if name_of(path).split("/")[0] in ("cli", "report", "runs", "training", "model")]
GENERAL += [HOUSE / name for name in ("results.py", "recipe.py", "targets.py", "task.py", "figure.py", "blocks.py")]


@pytest.mark.parametrize("path", GENERAL, ids=name_of)
def test_a_general_file_names_no_data_set_recipe_or_system(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert texts & set(NAMED) == set()
