"""`checkpoint_sequential`: as the modules in turn, but for what is kept."""

import numpy as np
import pytest

from pullback import Tensor, nn

PARTS = 9


def build():
    nn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(27, 5), nn.Tanh(), nn.Linear(5, 2),
    ).double()  # fmt: skip


def trained(run):
    """What is found by a pass through the model, and what it leaves in it."""
    model = build()
    nn.manual_seed(3)
    x = Tensor(np.random.default_rng(0).normal(size=(4, 1, 8, 8)), requires_grad=True)
    y = run(model, x)
    (y * y).sum().backward()
    return [y, x.grad, *[p.grad for p in model.parameters()], *model.buffers()]


@pytest.mark.parametrize("segments", range(1, PARTS + 1))
@pytest.mark.parametrize("kind", [lambda model: model, list], ids=["module", "list"])
def test_as_one_after_the_other(segments, kind):
    expected = trained(lambda model, x: model(x))
    found = trained(lambda model, x: nn.checkpoint_sequential(kind(model), segments, x, use_reentrant=False))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("segments", [1, 2, 3, 4])
def test_what_runs_again(segments):
    """Of ten functions the segments but the last run twice; the last one has what is left over."""
    calls = []
    functions = [lambda x, i=i: (calls.append(i), x * 2)[1] for i in range(10)]
    x = Tensor(1.0, requires_grad=True)
    nn.checkpoint_sequential(functions, segments, x).backward()
    again = (segments - 1) * (10 // segments)
    assert sorted(calls) == sorted([*range(10), *range(again)])
    assert x.grad == 2**10


def test_no_functions():
    assert nn.checkpoint_sequential([], 1, 3.0) == 3.0


@pytest.mark.parametrize("segments", [0, -1, PARTS + 1, 2.0, None])
def test_segments(segments):
    with pytest.raises(ValueError, match=rf"segments={segments} is not from 1 to {PARTS} functions"):
        nn.checkpoint_sequential(build(), segments, Tensor(np.ones((4, 1, 8, 8))))


@pytest.mark.parametrize("segments", [1, 3])
def test_errors_say_where(segments):
    with pytest.raises(ValueError, match="^6: Linear expected"):
        nn.checkpoint_sequential(build(), segments, Tensor(np.ones((4, 1, 9, 10))))
