"""What a person names on the command line as MODULE:FUNCTION."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from whygap.errors import InputError


def named_function(name: str) -> Callable[..., Any]:
    """Return what is behind MODULE:FUNCTION, looked for in the current folder too.

    Raises
    ------
    InputError
        If there is no such module or nothing of that name in it, importing it fails, or it can't be called.
    """
    module, _, path = name.partition(":")
    if not module or not path:
        raise InputError(f"{name}: name a function as MODULE:FUNCTION, such as data:make_loader")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(f"{name}: there is no module {error.name} here or among the installed packages") from error
    except Exception as error:
        raise InputError(f"{name}: importing {module} failed: {in_one_line(error)}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise InputError(f"{name}: {module} has no {path}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{name} is of type {type(found).__name__}, not a function")
    return cast("Callable[..., Any]", found)


def in_one_line(error: BaseException) -> str:
    """Return the type of an error and the last line of its text."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1]}"
