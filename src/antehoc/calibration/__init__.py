"""Calibration: doubts to one score, and the score to a threshold with a guarantee, on data held out for it alone."""

from antehoc.calibration.choice import Candidate, default_names
from antehoc.calibration.cross import Decisions, cross_conformal, cross_threshold, proven_alpha
from antehoc.calibration.evidence import Evidence, fit_evidence, fit_weights
from antehoc.calibration.policy import Policy, calibrate, calibrate_products, with_threshold
from antehoc.calibration.product import Product, Term, fit_product
from antehoc.calibration.shift import Shift, find_shift, reference_doubts
from antehoc.calibration.threshold import Guarantee, binomial_threshold, conformal_threshold, least_alpha, least_rows

__all__ = [
    "Candidate", "Decisions", "Evidence", "Guarantee", "Policy", "Product", "Shift", "Term", "binomial_threshold",
    "calibrate", "calibrate_products", "conformal_threshold", "cross_conformal", "cross_threshold", "default_names",
    "find_shift", "fit_evidence", "fit_product", "fit_weights", "least_alpha", "least_rows", "proven_alpha",
    "reference_doubts", "with_threshold",
]  # fmt: skip
