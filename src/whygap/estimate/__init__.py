"""Statistics on arrays: means of finite populations, their variances, intervals and when not to trust them.

NumPy and SciPy only: no files, no clock, no globals, so that anybody can call one estimator on two arrays.
"""

from whygap.estimate.finite import (
    estimate_difference,
    estimate_plain,
    is_difference_better,
    mean_by_size,
    variance_of_mean,
)
from whygap.estimate.interval import Variance, add_variances, estimate_from, student_quantile
from whygap.estimate.noise import variance_of_repeats, variance_of_scores
from whygap.estimate.scores import LARGEST, check_scores, is_usable
from whygap.estimate.trust import FEWEST, is_minor, skewness, why_not_reliable, why_not_representative

__all__ = [
    "FEWEST",
    "LARGEST",
    "Variance",
    "add_variances",
    "check_scores",
    "estimate_difference",
    "estimate_from",
    "estimate_plain",
    "is_difference_better",
    "is_minor",
    "is_usable",
    "mean_by_size",
    "skewness",
    "student_quantile",
    "variance_of_mean",
    "variance_of_repeats",
    "variance_of_scores",
    "why_not_reliable",
    "why_not_representative",
]
