"""One thin file per framework; each hands the same observation to the ladder. A framework is imported with its own adapter."""

from importlib import import_module
from types import ModuleType

__all__ = ["keras", "torch"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
