"""Why do a training score and a validation score differ, in this run, and by how much for each reason?

Each name is fetched when it is first used: importing this package imports no framework and takes no time worth speaking of.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whygap import adapters
    from whygap.errors import InputError, WhygapError, WhygapWarning
    from whygap.ladder import build_epoch_gap
    from whygap.observation import Observation
    from whygap.records import EpochGap, Estimate, Run, Score, Term, Verdict
    from whygap.store import Store
    from whygap.verdict import judge

__version__ = "0.1.0"

__all__ = [
    "EpochGap",
    "Estimate",
    "InputError",
    "Observation",
    "Run",
    "Score",
    "Store",
    "Term",
    "Verdict",
    "WhygapError",
    "WhygapWarning",
    "adapters",
    "build_epoch_gap",
    "judge",
]

_HOME = {
    "errors": ("InputError", "WhygapError", "WhygapWarning"),
    "ladder": ("build_epoch_gap",),
    "observation": ("Observation",),
    "records": ("EpochGap", "Estimate", "Run", "Score", "Term", "Verdict"),
    "store": ("Store",),
    "verdict": ("judge",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "adapters":
        return import_module("whygap.adapters")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
