"""The processes, models, optimisers and regimes that a spec names, made of its settings.

`MODULE:NAME` in the place of a name is one's own: a process, or a function that takes the settings beside its name and returns
a process, a pair `(init, apply)` or an optax optimiser. What it takes under the names `features`, `shape` and `outputs` is
filled from the process.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from whygap.by_name import find_function, find_named, likely
from whygap.errors import InputError
from whygap.lab.attention import transformer
from whygap.lab.cache import import_jax
from whygap.lab.models import Model, cnn, linear, mlp
from whygap.lab.recurrent import gru, lstm
from whygap.process import (
    MNIST1D,
    AddingProblem,
    Fresh,
    GaussianMixture,
    LabelNoise,
    ModularAddition,
    Once,
    Pool,
    Process,
    Regime,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
)
from whygap.trials import Setting

Settings = Mapping[str, Setting]
Factory = Callable[..., Any]

PROCESSES: dict[str, Factory] = {
    "adding_problem": AddingProblem,
    "gaussian_mixture": GaussianMixture,
    "mnist1d": MNIST1D,
    "modular_addition": ModularAddition,
    "sequence_regression": SequenceRegression,
    "shapes": Shapes,
    "sparse_parity": SparseParity,
    "teacher_student": TeacherStudent,
}


class Sizes(NamedTuple):
    """What a model must fit: the shape of an example, the numbers in it, and those of an output."""

    shape: tuple[int, ...]
    features: int
    outputs: int


def build_process(settings: Settings) -> Process:
    """Return the process of the settings `process` and `process.*`, with wrong labels where there is `process.label_noise`.

    Raises
    ------
    InputError
        If there is none of that name, or it can't be made of these settings.
    """
    name, given = _named(settings, "process")
    share = given.pop("label_noise", None)
    if ":" in name:
        found = _told("process", lambda: find_named(name))
        if not isinstance(found, Process):
            found = _called(_of(PROCESSES, name, "process"), given, "process")
        elif given:
            raise InputError(f"process: {name} is a process, and takes no {', '.join(given)}")
    else:
        found = _called(_of(PROCESSES, name, "process"), given, "process")
    if not isinstance(found, Process):
        raise InputError(f"process: {name} is of type {type(found).__name__}, not a process")
    if share is None:
        return found
    noisy: Process = _told("process.label_noise", lambda: LabelNoise(found, _number("process.label_noise", share)))
    return noisy


def build_model(settings: Settings, process: Process) -> Model:
    """Return the model of the settings `model` and `model.*`, of the sizes that the process needs.

    Raises
    ------
    InputError
        As `build_process`.
    """
    name, given = _named(settings, "model")
    found = _called(_of(MODELS, name, "model"), given, "model", filled=sizes_of(process)._asdict())
    if not isinstance(found, tuple) or len(found) != 2 or not all(map(callable, found)):
        raise InputError(f"model: {name} gives a {type(found).__name__}, not a pair (init, apply)")
    return Model(*found)


def build_optimiser(settings: Settings) -> Any:
    """Return the optimiser of the settings `optimiser`, `optimiser.*` and `learning_rate`: any of optax, or one's own.

    Raises
    ------
    InputError
        As `build_process`.
    MissingPackageError
        If JAX or optax isn't installed.
    """
    import_jax()
    import optax

    name, given = _named(settings, "optimiser")
    known = {n: f for n in dir(optax) if callable(f := getattr(optax, n)) and "learning_rate" in _parameters(f)}
    rate = {"learning_rate": settings["learning_rate"]}
    return _called(_of(known, name, "optimiser"), given, "optimiser", filled=rate)


def build_regime(settings: Settings) -> Regime:
    """Return the regime of the settings `regime`, `n` and, of a pool, `pool`."""
    n = int(settings["n"])
    if settings["regime"] == "pool":
        return Pool(int(settings["pool"]), n)
    return Fresh(n) if settings["regime"] == "fresh" else Once(n)


def sizes_of(process: Process) -> Sizes:
    """Return what a model of a process must fit."""
    x, y = process.draw(np.arange(1, dtype=np.uint32), seed=0)
    return Sizes(x.shape[1:], math.prod(x.shape[1:]), process.classes or math.prod(y.shape[1:]))


def source_of(settings: Settings) -> dict[str, str]:
    """Return a hash of the source of each module of one's own that the settings name: what it makes changes with it."""
    found = {}
    for key in ("process", "model", "optimiser"):
        name = str(settings[key])
        if ":" in name:
            find_named(name)  # which says what is wrong, and imports it
            source = inspect.getsource(sys.modules[name.partition(":")[0]])
            found[key] = hashlib.blake2b(source.encode(), digest_size=12).hexdigest()
    return found


def _mlp(features: int, outputs: int, *, width: int, layers: int = 2, residual: bool = False) -> Model:
    return mlp(features, *[width] * layers, outputs, residual=residual)


def _cnn(shape: tuple[int, ...], outputs: int, *, channels: int = 25, layers: int = 3, kernel: int = 5) -> Model:
    steps, of_a_step = _sequence(shape)
    return cnn(steps, outputs, channels=channels, in_channels=of_a_step, layers=layers, kernel=kernel)


def _gru(shape: tuple[int, ...], outputs: int, *, width: int, bidirectional: bool = False, all_steps: bool = False) -> Model:
    steps, of_a_step = _sequence(shape)
    return gru(of_a_step, width, outputs, bidirectional=bidirectional, all_steps=steps if all_steps else None)


def _lstm(shape: tuple[int, ...], outputs: int, *, width: int, bidirectional: bool = False, all_steps: bool = False) -> Model:
    steps, of_a_step = _sequence(shape)
    return lstm(of_a_step, width, outputs, bidirectional=bidirectional, all_steps=steps if all_steps else None)


def _transformer(
    shape: tuple[int, ...], outputs: int, *, width: int = 32, heads: int = 4, layers: int = 2, tokens: int | None = None
) -> Model:
    steps, of_a_step = _sequence(shape)
    return transformer(of_a_step, outputs, steps=steps, width=width, heads=heads, layers=layers, tokens=tokens)


def _sequence(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the steps of an example and the features of each; numbers in a row are steps of one feature."""
    if not 1 <= len(shape) <= 2:
        raise InputError(f"this model reads steps, or steps by features, not examples of shape {shape}")
    return shape[0], shape[1] if len(shape) == 2 else 1


MODELS: dict[str, Factory] = {
    "cnn": _cnn,
    "gru": _gru,
    "linear": linear,
    "lstm": _lstm,
    "mlp": _mlp,
    "transformer": _transformer,
}


def _named(settings: Settings, key: str) -> tuple[str, dict[str, Setting]]:
    """Return the name under `key` and the settings beside it."""
    beside = {k.removeprefix(f"{key}."): v for k, v in settings.items() if k.startswith(f"{key}.")}
    return str(settings[key]), beside


def _of(known: Mapping[str, Factory], name: str, key: str) -> Factory:
    """Return the factory of that name, or one's own behind MODULE:NAME."""
    if ":" in name:
        own: Factory = _told(key, lambda: find_function(name))
        return own
    if name not in known:
        raise InputError(f"{key}: there is no {key} {name}{likely(name, known)}; your own is MODULE:NAME")
    return known[name]


def _called(factory: Factory, given: Mapping[str, Setting], key: str, *, filled: Mapping[str, Any] | None = None) -> Any:
    """Call a factory with what was given, and what is filled in where it takes that; say which setting is wrong."""
    takes = _parameters(factory)
    filled = {name: value for name, value in (filled or {}).items() if name in takes}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    arguments = dict[str, Any]()
    for name, value in given.items():
        if name in filled or (name not in takes and not open_ended):
            raise InputError(f"{key}.{name}: no such setting{likely(name, takes.keys() - filled.keys())}")
        arguments[name] = _of_type(f"{key}.{name}", value, takes[name].annotation) if name in takes else value
    if missing := [n for n, p in takes.items() if _must_be_given(p) and n not in arguments and n not in filled]:
        raise InputError(f"{key}.{missing[0]}: is missing; say {key} = {{ name = ..., {missing[0]} = ... }}")
    return _told(key, lambda: factory(**filled, **arguments))


def _told(key: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (InputError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{key}: {' '.join(str(error).split())}") from error


def _parameters(factory: Factory) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(factory).parameters)
    except (TypeError, ValueError):  # some callables in C have no signature
        return {}


def _must_be_given(p: inspect.Parameter) -> bool:
    return p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)


def _of_type(key: str, value: Setting, annotation: object) -> Setting:
    """Return a setting as the type that it is taken as; what no type is known of stays as it is."""
    wanted = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    match wanted.removesuffix(" | None"):
        case "int" if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{key}: must be a whole number, not {value!r}")
        case "float":
            return _number(key, value)
        case "bool" if not isinstance(value, bool):
            raise InputError(f"{key}: must be true or false, not {value!r}")
    return value


def _number(key: str, value: Setting) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{key}: must be a number, not {value!r}")
    return float(value)
