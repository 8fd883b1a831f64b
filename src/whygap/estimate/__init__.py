"""Statistics on arrays: means of finite populations, the moments of their errors, intervals and when not to trust them.

NumPy and SciPy only: no files, no clock, no globals, so that anybody can call one estimator on two arrays.
"""

from whygap.estimate.bounded import estimate_bounded
from whygap.estimate.design import ENOUGH_UNITS, Design, draw_design
from whygap.estimate.finite import estimate_difference, estimate_plain, estimate_regression, estimate_stratified
from whygap.estimate.interval import Moments, add_moments, estimate_from, reach, student_quantile
from whygap.estimate.noise import error_of_draw
from whygap.estimate.redraws import Components, estimate_redraws, jumps
from whygap.estimate.scores import LARGEST, check_scores, is_usable
from whygap.estimate.several import holm
from whygap.estimate.spread import remember_spread
from whygap.estimate.trust import FEWEST, MOST_SKEWED, is_minor, skewness, why_not_reliable, why_not_representative

__all__ = [
    "ENOUGH_UNITS",
    "FEWEST",
    "LARGEST",
    "MOST_SKEWED",
    "Components",
    "Design",
    "Moments",
    "add_moments",
    "check_scores",
    "draw_design",
    "error_of_draw",
    "estimate_bounded",
    "estimate_difference",
    "estimate_from",
    "estimate_plain",
    "estimate_redraws",
    "estimate_regression",
    "estimate_stratified",
    "holm",
    "is_minor",
    "is_usable",
    "jumps",
    "reach",
    "remember_spread",
    "skewness",
    "student_quantile",
    "why_not_reliable",
    "why_not_representative",
]
