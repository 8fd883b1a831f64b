"""Pictures of a run, and ways to get them out."""

from __future__ import annotations

from whygap.report.curve_picture import curves
from whygap.report.looks_picture import overfitting_over_epochs
from whygap.report.rendering import as_png, as_svg
from whygap.report.terms_picture import terms_over_epochs
from whygap.report.waterfall_picture import waterfall

__all__ = ["as_png", "as_svg", "curves", "overfitting_over_epochs", "terms_over_epochs", "waterfall"]
