"""What people and machines read: terminal, pictures, one HTML page, JSON. All of it from records alone.

Importing this package imports none of rich, altair, vl_convert and jinja2: each name is fetched when it is first used, so that
the command starts fast and a missing optional package is only missed by those who need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whygap.report.as_json import run_as_json
    from whygap.report.experiment_json import experiment_as_json
    from whygap.report.experiment_page import write_experiment_page
    from whygap.report.experiment_pictures import (
        all_turns,
        deviations,
        edge,
        learnt_by_heart,
        real_and_ideal,
        turn_and_forecast,
    )
    from whygap.report.experiment_terminal import print_answers, print_experiment
    from whygap.report.page import write_page
    from whygap.report.pictures import as_png, as_svg, curves, overfitting_over_epochs, terms_over_epochs, waterfall
    from whygap.report.repetition import print_repetition
    from whygap.report.terminal import print_epochs, print_ladder, print_looks, print_runs, print_stretches, print_verdict

__all__ = [
    "all_turns",
    "as_png",
    "as_svg",
    "curves",
    "deviations",
    "edge",
    "experiment_as_json",
    "learnt_by_heart",
    "overfitting_over_epochs",
    "print_answers",
    "print_epochs",
    "print_experiment",
    "print_ladder",
    "print_looks",
    "print_repetition",
    "print_runs",
    "print_stretches",
    "print_verdict",
    "real_and_ideal",
    "run_as_json",
    "terms_over_epochs",
    "turn_and_forecast",
    "waterfall",
    "write_experiment_page",
    "write_page",
]

_HOME = {
    "as_json": ("run_as_json",),
    "page": ("write_page",),
    "pictures": ("as_png", "as_svg", "curves", "overfitting_over_epochs", "terms_over_epochs", "waterfall"),
    "experiment_json": ("experiment_as_json",),
    "experiment_page": ("write_experiment_page",),
    "experiment_pictures": ("all_turns", "deviations", "edge", "learnt_by_heart", "real_and_ideal", "turn_and_forecast"),
    "experiment_terminal": ("print_answers", "print_experiment"),
    "repetition": ("print_repetition",),
    "terminal": ("print_epochs", "print_ladder", "print_looks", "print_runs", "print_stretches", "print_verdict"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
