"""Losses per example: those of torch.nn laid out for speed are the same numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from whygap.adapters.torch_batch import in_chunks, joined, type_with_rows
from whygap.adapters.torch_scores import Seen, classes_of, per_example, score_seen
from whygap.errors import InputError


@pytest.mark.parametrize("n", [1, 2, 7, 128, 1000])
@pytest.mark.parametrize("classes", [2, 10, 37])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": True}, {"ignore_index": 1}, {"reduction": "sum"}])
def test_cross_entropy_is_that_of_torch(n, classes, options):
    generator = torch.Generator().manual_seed(n)
    output = 3.0 * torch.randn(n, classes, generator=generator)
    target = torch.randint(classes, (n,), generator=generator)
    options = options | ({"weight": torch.rand(classes, generator=generator)} if "weight" in options else {})
    loss = nn.CrossEntropyLoss(**options)
    ours = score_seen({"loss": per_example(loss)}, Seen(output, target, n))["loss"]
    theirs = nn.CrossEntropyLoss(**(options | {"reduction": "none"}))(output, target)
    # a loss near zero is the difference of two numbers as large as the outputs, each rounded once or twice
    rounding = 4 * torch.finfo(torch.float32).eps * float(output.abs().max())
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6, atol=rounding)
    assert loss.reduction == options.get("reduction", "mean")


@pytest.mark.parametrize("shape", [(4, 3, 5), (3,)], ids=["pixels", "one example without its batch"])
def test_cross_entropy_of_other_shapes_is_left_to_torch(shape):
    output, target = torch.randn(shape), torch.zeros(shape[:1] + shape[2:], dtype=torch.long)
    if len(shape) == 1:
        with pytest.raises(InputError, match="a scalar for a batch of 3 examples"):
            score_seen({"loss": per_example(nn.CrossEntropyLoss())}, Seen(output, torch.tensor(1), 3))
        return
    ours = score_seen({"loss": per_example(nn.CrossEntropyLoss())}, Seen(output, target, 4))["loss"]
    theirs = nn.CrossEntropyLoss(reduction="none")(output, target).mean(dim=1)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_probabilities_as_targets_are_left_to_torch():
    output, target = torch.randn(6, 4), torch.softmax(torch.randn(6, 4), dim=1)
    ours = score_seen({"loss": per_example(nn.CrossEntropyLoss())}, Seen(output, target, 6))["loss"]
    np.testing.assert_allclose(ours, nn.CrossEntropyLoss(reduction="none")(output, target).numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "others",
    [
        (torch.zeros(2, 4), torch.zeros(2)),
        (torch.zeros(0, 4), torch.zeros(0)),
        (torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2)),
        (torch.zeros(2, 3), torch.tensor(0.0)),
        (torch.zeros(2, 3), "text"),
        (torch.zeros(2, 3),),
    ],
    ids=["other shapes", "empty and of another shape", "another type", "no axis", "no tensor", "fewer"],
)
def test_what_can_not_be_stacked_is_not(others):
    first = (torch.zeros(3, 3), torch.zeros(3))
    assert joined([first, others]) is None
    x, y = joined([first, first])
    assert (x.shape, y.shape) == ((6, 3), (6,))


def test_dicts_are_stacked_by_their_keys():
    one, other = {"x": torch.zeros(2, 3), "y": torch.ones(2)}, {"y": torch.ones(2), "x": torch.zeros(2, 3)}
    assert joined([one, other]) is None
    assert joined([one, dict(one)])["y"].tolist() == [1.0] * 4


@pytest.mark.parametrize("rows", [(5, 5, 5), (1, 30, 2), (64, 3), (7,), (16, 16)])
@pytest.mark.parametrize(("size", "first"), [(8, 3), (16, 16), (100, 10)])
def test_chunks_hold_the_same_rows_in_order(rows, size, first):
    ends = np.cumsum(rows).tolist()
    batches = [
        (torch.arange(end - n, end), {"y": torch.arange(end - n, end)[:, None]}) for n, end in zip(rows, ends, strict=True)
    ]
    chunks = in_chunks(batches, size, first=first)
    assert torch.cat([x for x, _ in chunks]).tolist() == list(range(ends[-1]))
    assert all(torch.equal(x, extra["y"][:, 0]) for x, extra in chunks)
    lengths = [len(x) for x, _ in chunks]
    assert lengths[0] == min(first, ends[-1])
    assert all(n == size for n in lengths[1:-1])
    assert lengths[-1] <= max(first, size)


def test_what_cannot_be_stacked_stays_as_it_is():
    batches = [(torch.zeros(3, 2), torch.zeros(3)), (torch.zeros(3, 4), torch.zeros(3))]
    assert in_chunks(batches, 4, first=4) == batches


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.int32, torch.bool])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_classes_are_whole_numbers_one_for_each_example(dtype, shape):
    target = torch.tensor([1, 0, 0, 1]).to(dtype).reshape(shape)
    assert classes_of(target, 4).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    "target", [torch.ones(4), torch.ones(4, 3, dtype=torch.int64), torch.ones(4, dtype=torch.complex64), [1, 0, 0, 1]]
)
def test_other_targets_are_no_classes(target):
    assert classes_of(target, 4) is None


class Pair(tuple):
    """A tuple of somebody's own."""


@pytest.mark.parametrize(
    ("batch", "kind"),
    [
        ((torch.ones(3, 2), torch.ones(3)), tuple),
        ([torch.ones(3), None], list),
        (Pair((torch.ones(3, 2), 1)), Pair),
        (torch.ones(3, 2), None),
        ([], None),
        ([torch.tensor(1.0)], None),
        ([[torch.ones(3)], torch.ones(3)], None),
        ({"x": torch.ones(3)}, None),
    ],
)
def test_the_type_of_batches_that_begin_with_a_tensor_of_examples(batch, kind):
    assert type_with_rows(batch) is kind
