"""Results built by hand, so that a report can be checked to the letter, and the switch that refreshes golden files.

`pytest tests/report --refresh-golden` writes them anew; review the difference as one reviews code.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from antehoc.blocks import Lines, Matrix, Note, Section, Strips, Strong, Table
from antehoc.calibration import Evidence, Policy
from antehoc.data import Preprocessing
from antehoc.data.drawn import draw
from antehoc.evaluation import Evaluation, Shown
from antehoc.explanations import AttributeScores, SaliencyMask
from antehoc.figure import Figure, prefixed
from antehoc.model import Model
from antehoc.results import Reproduction
from antehoc.systems import Mirror
from antehoc.types import DataSpec, Decision, LabelDecision, Reason, Verdict

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-golden", action="store_true", help="write the reports' golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with a golden file, or write the file."""

    def compare(name: str, text: str) -> None:
        # the option is not there where pytest began in a folder above and met this file later
        if request.config.getoption("--refresh-golden", default=False):
            (GOLDEN / name).write_text(text, encoding="utf-8")
        assert text == (GOLDEN / name).read_text(encoding="utf-8")

    return compare


EVIDENCE = Evidence((0.0, 1.0), (0.0, 0.99), 1.0)
POLICY = Policy(
    "combined",
    ("margin", "likelihood"),
    (EVIDENCE, EVIDENCE),
    (1.2, 0.8),
    5.2,
    0.01,
    0.01,
    "expected",
    24000,
    90,
    23900,
)


def built(spec: DataSpec, policy: Policy | None = POLICY) -> Model:
    system = Mirror(spec, backbone="tiny").eval()
    about = {"recipe": "shapes", "scale": "small", "seed": 3, "values": "data: {name: shapes, train: 6000}\nseed: 3\n"}
    return Model(
        system,
        {"name": "mirror", "backbone": "tiny"},
        Preprocessing(spec.channels, spec.height, spec.width),
        policy,
        about,
    )


@pytest.fixture(scope="session")
def build_model() -> Callable[..., Model]:
    """An untrained model for a spec, calibrated by hand or, with None, not at all."""
    return built


@pytest.fixture(scope="session")
def model(shapes_spec: DataSpec) -> Model:
    torch.manual_seed(0)
    return built(shapes_spec)


def decided(label: str, others: dict[str, float], seen: tuple[float, ...], names: tuple[str, ...]) -> Decision:
    probabilities = {**others, label: 1 - sum(others.values())}
    return Decision(label, probabilities, (AttributeScores(names, seen),), {"support": 0.5, "margin": -1.25})


def agreeing(code: str, text: str) -> Reason:
    return Reason(code, text, agrees=True)


@pytest.fixture(scope="session")
def questioned(shapes_spec: DataSpec) -> Decision:
    reasons = (
        Reason("fits-another-class", "the attributes fit the class 'square' better than 'rectangle'"),
        Reason(
            "attribute-unexpected",
            "'all edges equal' is present (0.98), but the class 'rectangle' does not have it",
            "all edges equal",
            0.98,
            0.0,
        ),
        agreeing("attribute-agrees", "'four vertices' is present (0.99), and the class 'rectangle' has it"),
    )
    others = {"circle": 0.0, "square": 0.07, "triangle": 0.0}
    plain = decided("rectangle", others, (0.0, 0.01, 0.99, 0.97, 0.98), shapes_spec.attributes)
    return replace(plain, verdict=Verdict("questioned", 8.13, 5.2, 0.01, reasons))


@pytest.fixture(scope="session")
def accepted(shapes_spec: DataSpec) -> Decision:
    agree = [
        agreeing("attribute-agrees", f"'{name}' is present (0.99), and the class 'square' has it")
        for name in ("four vertices", "opposite edges parallel", "all edges equal", "a fourth one")
    ]
    against = Reason("attribute-unexpected", "'no vertices' is present (0.52), but the class 'square' does not have it")
    others = {"circle": 0.0, "rectangle": 0.01, "triangle": 0.0}
    plain = decided("square", others, (0.52, 0.0, 0.48, 0.99, 0.99), shapes_spec.attributes)
    return replace(plain, verdict=Verdict("accepted", 1.2, 5.2, 0.01, (*agree, against)))


@pytest.fixture(scope="session")
def masked() -> Decision:
    """A questioned decision explained by a mask that shows the upper left quarter of 64x64 pixels."""
    values = torch.zeros(64, 64)
    values[:32, :32] = 1
    reasons = (
        Reason("mask-not-enough", "what the mask shows is not enough: alone it is 'circle' (0.83)"),
        Reason("mask-not-needed", "what the mask shows is not needed: without it this is still 'square' (0.91)"),
        agreeing("whole-agrees", "the whole image is decided alike: 'square' (0.91)"),
    )
    probabilities = {"circle": 0.0, "rectangle": 0.05, "square": 0.95, "triangle": 0.0}
    doubts = {"sufficiency": 0.83, "necessity": 0.91}
    verdict = Verdict("questioned", 8.0, 5.2, 0.01, reasons)
    return Decision("square", probabilities, (SaliencyMask.of(values),), doubts, verdict)


@pytest.fixture(scope="session")
def several(masked: Decision) -> Decision:
    """A decision of several labels: two present, of which one is questioned, as is one that is absent."""
    questioned, accepted = Verdict("questioned", 8.0, 5.2, 0.01), Verdict("accepted", 1.2, 5.2, 0.01)
    labels = {
        "circle": LabelDecision(True, 0.91, {"margin": 0.5}, accepted),
        "rectangle": LabelDecision(False, 0.02, {"margin": 0.1}, accepted),
        "square": LabelDecision(True, 0.64, {"margin": 2.5}, questioned),
        "triangle": LabelDecision(False, 0.45, {"margin": 2.4}, questioned),
    }
    probabilities = {name: one.probability for name, one in labels.items()}
    return replace(masked, label="circle, square", probabilities=probabilities, labels=labels)


HIGHER = {"better": "higher", "headline": True}
FIGURES = [
    Figure("accuracy", 0.995, "test images that are decided correctly", "Decisions", **HIGHER),
    Figure("attribute_exact", 0.9941, "images with every attribute correct", "Attributes", **HIGHER),
    Figure("all_zeros_accuracy", 0.6, "baseline: no image has any attribute", "Attributes", "higher"),
    Figure("verdict_questioned_wrong", 0.86, "wrong decisions questioned by the verdict", "Verdicts on errors",
           interval=(0.4, 0.99), **HIGHER),
    Figure("verdict_questioned_correct", None, "correct decisions questioned by the verdict", "Verdicts on errors",
           "lower", headline=True),
    Figure("verdict_auroc_minus_msp", 0.006, "the verdict minus maximum softmax", "Verdicts on errors",
           interval=(-0.001, 0.013), written="difference", **HIGHER),
    Figure("support_questioned_wrong", 0.605, "wrong decisions questioned by the support rule", "Verdicts on errors",
           "higher"),
    Figure("verdict_augrc", 0.001, "chance of wrong and accepted, of the verdict", "Verdicts on errors", "lower"),
    Figure("ood_noise_questioned", 0.993, "noise questioned", "Images of no known class", "higher", of_set="noise"),
]  # fmt: skip


@pytest.fixture(scope="session")
def evaluation(shapes_spec: DataSpec, questioned: Decision, accepted: Decision) -> Evaluation:
    image = torch.from_numpy(draw("square", seed=0, count=1).image).float()[:, None] / 255
    shown = [
        Shown("Wrong, another class fits better (case 3)", image[0], questioned, "square"),
        Shown("Correct", image[0], accepted, "square"),
        Shown("Unknown: noise", 1 - image[0], questioned, None, "noise"),
    ]
    counts = ((500, 0, 0, 0), (0, 495, 2, 3), (0, 5, 498, 0), (0, 0, 0, 497))
    sets = Table(("set", "images", "questioned", "by softmax"), (("noise", "2,500", Strong("0.9930"), "0.2500"),))
    curves = {"verdict": ((0.5, 1.0), (0.0, 0.005)), "maximum softmax": ((0.5, 1.0), (0.001, 0.005))}
    scores = {"correct": (0.1, 0.5, 2.0, 6.0), "wrong": (4.0, 7.0, 40.0), "noise": (9.0, 900.0)}
    sections = (
        Section("Decisions", (Matrix(counts, shapes_spec.classes, "The most frequent mistakes: none."),)),
        Section("Unknown images", (sets, Note("Bold: the better.", "aside"))),
        Section("Verdict scores", (Strips(scores, 5.2, "verdict score"),)),
        Section("Risk and coverage", (Lines(curves, "coverage", "risk"),)),
    )
    notes = ["no correct decision: figures on them are null"]
    return Evaluation(FIGURES, notes, shown=shown, images=2000, wrong=10, sections=sections, sets=sets)


@pytest.fixture(scope="session")
def result(evaluation: Evaluation, model: Model) -> Reproduction:
    duplicates = Figure("twins_across_roles", 0.0, "images that occur in two roles", "Others", headline=True,
                        written="count")  # fmt: skip
    variant = [figure for figure in FIGURES if figure.value is not None]
    epochs = [{"val/accuracy": 0.5 + 0.1 * step, "val/loss": 1 / step, "train/loss": 1.1 / step} for step in (1, 2, 3)]
    return Reproduction(
        recipe="shapes",
        scale="small",
        seed=3,
        seconds=93.4,
        figures=prefixed({"": [*FIGURES, duplicates], "default": variant}),
        published={
            "accuracy": 0.991,
            "support_questioned_wrong": 0.5738,
            "never_measured": 0.5,
            "default_accuracy": None,
        },
        notes=("12 errors are few", "12 errors are few", "mnist is absent: its figures are null"),
        evaluations={"shapes": evaluation, "default": replace(evaluation, shown=evaluation.shown[:1], notes=[])},
        models={"shapes": model, "default": model},
        history=[epochs, epochs[:1]],
        parts={"data": 1.2, "phase 1": 40.0, "default_phase 1": 2.0, "evaluation": 3.3},
        folder=Path("antehoc-runs/shapes-small-seed3"),
    )
