"""The axes of a grid: what each key of a spec may hold, the values that it takes, and the settings that a cell comes to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import product
from typing import Any

from whygap.errors import InputError
from whygap.trials import Setting

Variant = dict[str, Setting]
"""One value of an axis: a setting and, of a table, those beside its name."""


def as_count(key: str, value: Any) -> int:
    """Return a whole number above 0.

    Raises
    ------
    InputError
        If it isn't one.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{key}: must be a whole number above 0, not {shown(value)}")
    return value


def _count_or_none(key: str, value: Any) -> Setting:
    return 0 if value == 0 and isinstance(value, int) and not isinstance(value, bool) else as_count(key, value)


def _rate(key: str, value: Any) -> Setting:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 < value < math.inf:
        raise InputError(f"{key}: must be a number above 0, not {shown(value)}")
    return float(value)


def _switch(key: str, value: Any) -> Setting:
    if not isinstance(value, bool):
        raise InputError(f"{key}: must be true or false, not {shown(value)}")
    return value


def _regime(key: str, value: Any) -> Setting:
    if value not in ("once", "fresh", "pool"):
        raise InputError(f'{key}: must be "once", "fresh" or "pool", not {shown(value)}')
    return str(value)


def _name(key: str, value: Any) -> Setting:
    if not isinstance(value, str) or not value:
        raise InputError(f"{key}: must be a name, or a table with one: {{ name = ... }}, not {shown(value)}")
    return value


def as_setting(key: str, value: Any) -> Setting:
    """Return a number, a text, or true or false.

    Raises
    ------
    InputError
        If it is anything else, or no finite number.
    """
    if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"{key}: must be a number, a text, or true or false, not {shown(value)}")
    return value


AXES: dict[str, tuple[Callable[[str, Any], Setting], Any]] = {
    "process": (_name, None),
    "model": (_name, None),
    "n": (as_count, None),
    "regime": (_regime, "once"),
    "pool": (as_count, None),
    "epochs": (as_count, None),
    "steps": (as_count, None),
    "every": (as_count, None),
    "looks": (as_count, None),
    "batch_size": (as_count, 100),
    "optimiser": (_name, "adam"),
    "learning_rate": (_rate, 0.001),
    "n_valid": (as_count, 1000),
    "valid_sets": (as_count, 1),
    "n_fresh": (_count_or_none, 1000),
    "shuffle": (_switch, [True]),
}
"""What may be an axis, in the order of a cell's settings: what its values must be, and the default."""

NAMED = {"process", "model", "optimiser"}
"""What may have settings of its own, in a table."""


def read_axis(key: str, value: Any) -> tuple[Variant, ...]:
    """Return the values of an axis: one for each element of a list, and of a table one for each combination in it.

    Raises
    ------
    InputError
        If a value isn't what its key holds, or there is none.
    """
    if isinstance(value, list):
        if not value:
            raise InputError(f"{key}: is empty, and leaves nothing to train")
        if any(isinstance(one, list) for one in value):
            raise InputError(f"{key}: is a list of lists; every list is an axis, and an axis holds single values")
        return tuple(variant for one in value for variant in read_axis(key, one))
    if not isinstance(value, dict):
        return ({key: AXES[key][0](key, value)},)
    if key not in NAMED:
        raise InputError(f"{key}: can't be a table")
    if isinstance(value.get("name"), list) or "name" not in value:
        raise InputError(f"{key}: a table needs one name: {{ name = ... }}; several models are a list of tables")
    beside = []
    for inner, values in value.items():
        if inner == "name":
            continue
        values = values if isinstance(values, list) else [values]
        if not values:
            raise InputError(f"{key}.{inner}: is empty, and leaves nothing to train")
        beside.append([{f"{key}.{inner}": as_setting(f"{key}.{inner}", one)} for one in values])
    name = {key: _name(f"{key}.name", value["name"])}
    return tuple({k: v for part in (name, *parts) for k, v in part.items()} for parts in product(*beside))


def settle(cell: Variant) -> Variant:
    """Return a cell's settings with steps turned into epochs, looks into how often, and without what has no effect.

    Raises
    ------
    InputError
        If `steps` aren't a whole number of epochs, or the looks don't divide these.
    """
    n, batch_size = int(cell["n"]), int(cell["batch_size"])
    if "steps" in cell:
        steps, of_an_epoch = int(cell.pop("steps")), -(-n // batch_size)
        if steps % of_an_epoch:
            raise InputError(
                f"steps: {steps} steps are no whole number of epochs of {of_an_epoch} steps (n = {n}, batches of {batch_size})"
            )
        cell["epochs"] = steps // of_an_epoch
    epochs = int(cell["epochs"])
    if "looks" in cell:
        looks = int(cell.pop("looks"))
        if epochs % looks:
            raise InputError(f"looks: {looks} don't divide {epochs} epochs (n = {n})")
        cell["every"] = epochs // looks
    every = int(cell.setdefault("every", 1))
    if epochs % every:
        raise InputError(f"every: {every} doesn't divide {epochs} epochs (n = {n})")
    if cell["regime"] != "pool":
        cell.pop("pool", None)
    places = {key: place for place, key in enumerate(AXES)}
    return dict(sorted(cell.items(), key=lambda item: places[item[0].partition(".")[0]]))


def shown(value: Any) -> str:
    """Return a wrong value as it would be written, cut short."""
    try:
        text = json.dumps(value)
    except TypeError:  # a date or a time
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
