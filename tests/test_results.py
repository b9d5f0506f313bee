"""What a run records of itself: targets with whether they were met, and what each figure is."""

from dataclasses import replace

from antehoc.figure import Figure


def test_a_run_records_which_of_its_targets_were_met(tiny_run):
    result = replace(
        tiny_run.result,
        seconds=50.0,
        figures=[
            Figure("accuracy", 0.9, "test images decided correctly", "Decisions", interval=(0.85, 0.95)),
            Figure("msp_auroc", 0.8, "", "Verdicts"),
            Figure("verdict_auroc", 0.79, "", "Verdicts"),
            Figure("iou", None, "", "Explanations"),
        ],
        targets={
            "accuracy": ">= 0.9",
            "verdict_auroc": ">= 0.5 and >= msp_auroc",
            "iou": ">= 0.5",
            "never_measured": ">= 0.5",
            "accuracy_low": ">= 0.8",
            "seconds": "<= 60",
        },
    )
    summary = result.summary()
    assert summary["targets"] == {
        "accuracy": {"target": ">= 0.9", "met": True},
        "verdict_auroc": {"target": ">= 0.5 and >= msp_auroc", "met": False},
        "iou": {"target": ">= 0.5", "met": None},
        "never_measured": {"target": ">= 0.5", "met": None},
        "accuracy_low": {"target": ">= 0.8", "met": True},
        "seconds": {"target": "<= 60", "met": True},
    }
    assert summary["figures"] == {"accuracy": 0.9, "msp_auroc": 0.8, "verdict_auroc": 0.79, "iou": None}
    assert summary["intervals"] == {"accuracy": [0.85, 0.95]}
    assert summary["meanings"]["accuracy"] == "test images decided correctly"


def test_a_run_without_targets_has_none(tiny_run):
    assert tiny_run.result.summary()["targets"] == {}
