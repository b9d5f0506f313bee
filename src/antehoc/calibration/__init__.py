"""Calibration: doubts to one score, and the score to a threshold with a guarantee, on data held out for it alone."""

from antehoc.calibration.cross import Decisions, cross_conformal, cross_threshold, proven_alpha
from antehoc.calibration.evidence import Evidence, fit_evidence, fit_weights
from antehoc.calibration.policy import Policy, calibrate, with_threshold
from antehoc.calibration.threshold import Guarantee, binomial_threshold, conformal_threshold, least_alpha, least_rows

__all__ = [
    "Decisions", "Evidence", "Guarantee", "Policy", "binomial_threshold", "calibrate", "conformal_threshold",
    "cross_conformal", "cross_threshold", "fit_evidence", "fit_weights", "least_alpha", "least_rows", "proven_alpha",
    "with_threshold",
]  # fmt: skip
