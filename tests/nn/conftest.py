from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn


def _same(ours: Any, theirs: Any, *inputs: Any, **options: Any) -> None:
    """Give our module PyTorch's state and compare outputs and gradients (of inputs and parameters), in float32."""
    import torch

    if isinstance(ours, nn.Module):
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict(theirs.state_dict())
        assert repr(ours) == repr(theirs)
    xs = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    ts = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y, t = ours(*xs, **options), theirs(*ts, **options)
    if isinstance(t, tuple):
        for index, expected in zip(y[1:], t[1:], strict=True):
            np.testing.assert_array_equal(index.numpy(), expected.numpy())
        y, t = y[0], t[0]
    assert y.dtype == np.float32 and y.shape == tuple(t.shape)
    np.testing.assert_allclose(y.numpy(), t.detach().numpy(), rtol=1e-4, atol=1e-5)
    g = np.random.default_rng(7).normal(size=y.shape).astype(np.float32)
    y.backward(g)
    t.backward(torch.tensor(g))
    for x, expected in zip(xs, ts, strict=True):
        if x.requires_grad:
            np.testing.assert_allclose(x.grad.numpy(), expected.grad.numpy(), rtol=1e-3, atol=1e-5)
    if isinstance(ours, nn.Module):
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
            assert p.grad.dtype == np.float32


@pytest.fixture
def same(torch: Any) -> Callable[..., None]:
    return _same


@pytest.fixture
def both(torch: Any) -> Callable[..., Any]:
    """Our module and PyTorch's of one name, made with the same arguments."""

    def made(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
        tensors = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **tensors)

    return made


@pytest.fixture
def normal() -> Callable[..., Any]:
    """Normal float32 numbers of a shape, always the same ones."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.normal(size=shape).astype(np.float32)
