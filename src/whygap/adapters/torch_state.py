"""Leave no trace: whatever a forward pass may touch in PyTorch is as it was afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from whygap.adapters.random_state import preserved_host_random_state
from whygap.errors import InputError

DROPOUT = (torch.nn.modules.dropout._DropoutNd,)
"""The types of dropout: all of torch.nn's derive from this one."""

BATCH_NORM = (torch.nn.modules.batchnorm._BatchNorm,)
"""The types of batch norm, also the synchronised one."""

_PLAIN = (bool, int, float, str, bytes, type(None))


def _uses_cuda() -> bool:
    return torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]  # torch's own


@contextlib.contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore the random state of torch (all devices in use), NumPy and Python on leaving, whatever happens in between."""
    devices = list(range(torch.cuda.device_count())) if _uses_cuda() else []
    with preserved_host_random_state(), torch.random.fork_rng(devices=devices):
        yield


def seed_masks(seed: int) -> None:
    """Seed what our own passes draw from, within a context that restores it.

    Not by `torch.manual_seed`, which also asks every kind of device that there might be: 0.8 ms.
    """
    torch.default_generator.manual_seed(seed)
    if _uses_cuda():
        torch.cuda.manual_seed_all(seed)


@contextlib.contextmanager
def preserved_loader(loader: Any) -> Iterator[None]:
    """Restore the generators that a DataLoader and its samplers own: walking the loader draws from them."""
    sampler, batch_sampler = getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)
    owners = (loader, sampler, batch_sampler, getattr(batch_sampler, "sampler", None))
    generators = [g for g in (getattr(o, "generator", None) for o in owners) if isinstance(g, torch.Generator)]
    states = [g.get_state() for g in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


@contextlib.contextmanager
def preserved_module(model: torch.nn.Module) -> Iterator[None]:
    """Restore buffers, modes and plain attributes of every submodule on leaving, and record no gradients in between.

    Buffers are batch-norm statistics and the like. Plain attributes are numbers, strings, flags (`training` is one of them) and
    tensors that a module's own forward may count with. Gradients and parameters are not touched by a forward pass.
    """
    modules = list(model.modules())
    attributes: list[dict[str, Any]] = []
    tensors: list[tuple[torch.Tensor, torch.Tensor]] = []
    buffers: list[dict[str, torch.Tensor | None]] = []
    for module in modules:
        attributes.append({k: v for k, v in vars(module).items() if isinstance(v, (*_PLAIN, torch.Tensor))})
        buffers.append(dict(module._buffers))
        loose = [v for v in attributes[-1].values() if isinstance(v, torch.Tensor)]
        tensors += [(t, t.detach().clone()) for t in (*loose, *module._buffers.values()) if t is not None]
    try:
        with torch.no_grad():
            yield
    finally:
        for module, plain, old_buffers in zip(modules, attributes, buffers, strict=True):
            for name in [k for k, v in vars(module).items() if isinstance(v, (*_PLAIN, torch.Tensor)) and k not in plain]:
                delattr(module, name)  # came into being during our pass
            module.__dict__.update(plain)
            module._buffers.clear()
            module._buffers.update(old_buffers)
        with torch.no_grad():
            for tensor, value in tensors:
                tensor.copy_(value)  # in place, as batch norm wrote them (without a trace in their version counters)


@contextlib.contextmanager
def other_weights(model: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Let parameters and buffers have the values of a state dict for a while.

    Raises
    ------
    InputError
        If the state has a tensor that the model lacks or that has another shape.
    """
    own = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    for name, value in state.items():
        if name not in own or own[name].shape != value.shape:
            raise InputError(f"weights has {name} of shape {tuple(value.shape)}, which the model lacks")
    before = [(own[name], own[name].data) for name in state]
    try:
        for name, value in state.items():
            # the tensors stay the same objects: an LSTM keeps references to its own
            own[name].data = value.detach().to(own[name])
        yield
    finally:
        for tensor, data in before:
            tensor.data = data


Modes = Mapping[torch.nn.Module, bool]
Types = tuple[type, ...]


def modes_of(model: torch.nn.Module) -> Modes:
    """Return whether each submodule is in train mode."""
    return {module: module.training for module in model.modules()}


def set_modes(model: torch.nn.Module, modes: Modes, *, in_eval: Types = ()) -> None:
    """Put every submodule into the mode that it had, those of the types `in_eval` into eval mode.

    Each by itself: `train()` of a parent would reach the children too, and a frozen batch norm stays frozen.
    """
    for module in model.modules():
        module.training = modes.get(module, True) and not isinstance(module, in_eval)


def has_active(modes: Modes, types: Types) -> bool:
    """Return whether a submodule of one of `types` is in train mode."""
    return any(training and isinstance(module, types) for module, training in modes.items())
