"""What a user names as MODULE:NAME, in a command or a spec: found in the current folder, or among the installed packages."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from whygap.errors import InputError


def find_named(name: str) -> Any:
    """Return what is behind MODULE:NAME.

    Raises
    ------
    InputError
        If there is no such module or name, or importing the module fails.
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
        text = (str(error).strip().splitlines() or [""])[-1]
        raise InputError(f"{name}: importing {module} failed: {type(error).__name__}: {text}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise InputError(f"{name}: {module} has no {path}")
        found = getattr(found, part)
    return found


def find_function(name: str) -> Callable[..., Any]:
    """Return the function behind MODULE:FUNCTION.

    Raises
    ------
    InputError
        As `find_named`, or if it can't be called.
    """
    found = find_named(name)
    if not callable(found):
        raise InputError(f"{name} is of type {type(found).__name__}, not a function")
    return cast("Callable[..., Any]", found)


def likely(name: str, known: Iterable[str]) -> str:
    """Return what a mistaken name may have meant, as the end of a sentence: "; did you mean width?", or what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(known) or 'none'}"
