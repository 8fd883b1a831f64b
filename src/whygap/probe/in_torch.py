"""Trainings of the probe in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from whygap.errors import InputError, MissingPackageError
from whygap.probe.case import Case, in_one_line
from whygap.probe.examples import Examples
from whygap.probe.training import Regulariser, Scored, constants_of, errors_of, errors_of_constant

if TYPE_CHECKING:
    import torch

ROWS = 1024
"""Examples scored at once."""


class TorchWorkshop:
    """Makes networks of PyTorch.

    Raises
    ------
    MissingPackageError
        If it isn't installed.
    """

    most_parts = 100

    def __init__(self) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingPackageError(f"the probe needs PyTorch ({error}): pip install 'whygap[torch]'") from error
        self.version = f"torch {torch.__version__}"

    def preserved(self) -> AbstractContextManager[None]:
        """Return a context that restores every global random state."""
        from whygap.adapters.torch_state import preserved_random_state

        return preserved_random_state()

    def convert(self, leaf: Any) -> torch.Tensor:
        """Return a tensor; of NumPy's floats in PyTorch's own, of its integers as int64.

        Raises
        ------
        InputError
            If none can be made of it.
        """
        import torch

        if isinstance(leaf, torch.Tensor):
            return leaf
        try:
            array = np.asarray(leaf)
            made = torch.as_tensor(array)
        except Exception as error:
            raise InputError(f"a {type(leaf).__name__} can't be made a tensor: {in_one_line(error)}") from error
        if made.is_floating_point():
            return made.to(torch.get_default_dtype())
        return made.long() if made.dtype in (torch.int8, torch.int16, torch.int32) else made

    def concatenate(self, parts: list[Any]) -> Any:
        """Join tensors."""
        import torch

        return torch.cat(parts)

    def iterable(self, data: Any, batch_size: int) -> Any:
        """Return what gives batches: of a dataset a loader, in order where it is for validation."""
        import torch
        from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

        if isinstance(data, TensorDataset):
            return tuple(data.tensors)
        if isinstance(data, IterableDataset):
            return DataLoader(data, batch_size=batch_size)
        if isinstance(data, Dataset):
            return DataLoader(data, batch_size=batch_size, shuffle=True, generator=torch.Generator().manual_seed(0))
        return data

    def network(self, case: Case, *, seed: int) -> TorchNetwork:
        """Make a model and its optimiser.

        Raises
        ------
        InputError
            If the model is none of PyTorch's, has nothing to train, or the optimiser can't be made.
        """
        import torch

        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - what a model of the user's may draw its weights from
        try:
            model = case.model()
        except Exception as error:
            raise InputError(f"model() failed: {in_one_line(error)}") from error
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"model() returns a {type(model).__name__}, not a torch.nn.Module")
        if case.loss is None:
            raise InputError("a case of PyTorch needs loss=, such as torch.nn.CrossEntropyLoss()")
        if not any(p.requires_grad for p in model.parameters()):
            raise InputError("the model has no parameters to train")
        try:
            optimiser = (case.optimiser or torch.optim.Adam)(model.parameters())
        except Exception as error:
            raise InputError(f"optimiser(parameters) failed: {in_one_line(error)}") from error
        if not hasattr(optimiser, "param_groups"):
            raise InputError(f"optimiser(parameters) returns a {type(optimiser).__name__}, not an optimiser")
        return TorchNetwork(model, optimiser, case.loss)


class TorchNetwork:
    """A model of PyTorch in training.

    Raises
    ------
    InputError
        If the loss can't be called.
    """

    def __init__(self, model: torch.nn.Module, optimiser: Any, loss: Callable[[Any, Any], Any]) -> None:
        from whygap.adapters.torch_batch import device_of
        from whygap.adapters.torch_scores import per_example

        self._model, self._optimiser, self._loss = model, optimiser, loss
        self._each = per_example(loss)
        self._device = device_of(model)
        self.n_parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)

    def can_turn_off(self) -> tuple[Regulariser, ...]:
        """Return "dropout" where a layer has some, and "weight decay" where the optimiser names one above 0."""
        found: list[Regulariser] = []
        if any(rate > 0 for _, _, rate in self._dropouts()):
            found.append("dropout")
        if any(group.get("weight_decay") for group in self._optimiser.param_groups):
            found.append("weight decay")
        return tuple(found)

    def turn_off(self, what: tuple[Regulariser, ...]) -> None:
        """Set rates of dropout, or the weight decay, to 0."""
        if "dropout" in what:
            for module, name, _ in list(self._dropouts()):
                setattr(module, name, 0.0)
        if "weight decay" in what:
            for group in self._optimiser.param_groups:
                group["weight_decay"] = 0.0

    def train(self, examples: Examples, batch_size: int, *, seed: int, check_time: Callable[[], None]) -> float:
        """Train on the examples in their order, once, a step for every batch.

        Raises
        ------
        InputError
            If a step fails.
        """
        import torch

        torch.manual_seed(seed)
        self._model.train()
        total = 0.0
        for at in range(0, examples.n, batch_size):
            check_time()
            batch = examples.picked(slice(at, at + batch_size))
            with _told("a training step"):
                output, y = self._forward(batch)
                loss = self._loss(output, y)
                loss = loss.mean() if loss.ndim else loss
                self._optimiser.zero_grad()
                loss.backward()
                self._optimiser.step()
            total += float(loss.detach()) * batch.n
        return total / examples.n

    def score(self, examples: Examples) -> Scored:
        """Score examples in eval mode; dropout and batch norm as in validation.

        Raises
        ------
        InputError
            If that fails.
        """
        import torch

        self._model.eval()
        losses, errors = [], []
        with torch.no_grad(), _told("scoring examples"):
            for at in range(0, examples.n, ROWS):
                part = examples.picked(slice(at, at + ROWS))
                output, y = self._forward(part)
                losses.append(self._losses(output, y, part.n))
                is_plain = isinstance(output, torch.Tensor) and isinstance(y, torch.Tensor)
                errors.append(errors_of(_host(output), _host(y)) if is_plain else None)
        known = [e for e in errors if e is not None]
        return Scored(np.concatenate(losses), np.concatenate(known) if len(known) == len(errors) else None)

    def score_of_constant(self, examples: Examples) -> Scored | None:
        """Score always naming the most frequent class, or a constant near the mean of the targets.

        Raises
        ------
        InputError
            If scoring fails.
        """
        import torch

        output, y = self._shape_of_output(examples)
        if not isinstance(output, torch.Tensor) or not isinstance(y, torch.Tensor):
            return None
        errors = errors_of_constant(_host(y)) if errors_of(_host(output), _host(y[: len(output)])) is not None else None
        if errors is not None:
            return Scored(np.full(examples.n, np.nan), errors)
        if not y.is_floating_point() or output[0].numel() != y[0].numel():
            return None
        with _told("the loss of a constant"):
            tried = [
                self._losses(torch.as_tensor(c).to(y).reshape(output[:1].shape).expand(len(y), *output.shape[1:]), y, len(y))
                for c in constants_of(_host(y))
            ]
        return Scored(min(tried, key=np.mean))

    def _shape_of_output(self, examples: Examples) -> tuple[Any, Any]:
        import torch

        self._model.eval()
        with torch.no_grad(), _told("scoring examples"):
            output, _ = self._forward(examples.picked(slice(0, 2)))
        y = examples.y
        return output, y.to(self._device) if isinstance(y, torch.Tensor) else y

    def _forward(self, batch: Examples) -> tuple[Any, Any]:
        from whygap.adapters.torch_batch import default_forward, to_device

        output, y = default_forward(self._model, to_device((batch.x, batch.y), self._device))
        return output, y

    def _losses(self, output: Any, y: Any, rows: int) -> Any:
        """Return one loss per example; a loss that gives means is asked for each example by itself."""
        from whygap.adapters.torch_batch import mapped
        from whygap.adapters.torch_scores import one_per_example

        values = self._each(output, y)
        if values.ndim == 0 and rows > 1:
            each = [self._each(*(mapped(part, lambda t, i=i: t[i : i + 1]) for part in (output, y))) for i in range(rows)]  # type: ignore[misc]  # lambdas with defaults
            return np.array([float(value) for value in each])
        return one_per_example(values.reshape(1) if values.ndim == 0 else values, "the loss", rows)

    def _dropouts(self) -> Iterator[tuple[Any, str, float]]:
        """Yield every module with dropout, the name of its rate, and the rate."""
        from torch.nn import MultiheadAttention, RNNBase

        from whygap.adapters.torch_state import DROPOUT

        for module in self._model.modules():
            if isinstance(module, DROPOUT):
                yield module, "p", float(module.p)
            elif isinstance(module, (RNNBase, MultiheadAttention)):
                yield module, "dropout", float(module.dropout)


def _host(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy()


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Say in one line what failed in the user's own code."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{doing} failed: {in_one_line(error)}") from error
