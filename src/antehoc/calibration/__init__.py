"""Calibration: doubts to one score, and the score to a threshold with a guarantee, on data held out for it alone."""

from antehoc.calibration.evidence import Evidence, fit_evidence, fit_weights
from antehoc.calibration.policy import Policy, calibrate, with_threshold
from antehoc.calibration.threshold import Guarantee, binomial_threshold, conformal_threshold, least_rows

__all__ = [
    "Evidence", "Guarantee", "Policy", "binomial_threshold", "calibrate", "conformal_threshold", "fit_evidence",
    "fit_weights", "least_rows", "with_threshold",
]  # fmt: skip
