from functools import partial

import numpy as np
import pytest

from pullback import Tensor


def _both(torch, kind, shapes, dtype, options, steps, seed=0):
    rng = np.random.default_rng(seed)
    starts = [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]
    ours = [Tensor(start, requires_grad=True) for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]
    optimizers = kind(ours, **options), getattr(torch.optim, kind.__name__)(theirs, **options)
    for _ in range(steps):
        for p, q in zip(ours, theirs, strict=True):
            gradient = rng.normal(size=p.shape) + 1j * rng.normal(size=p.shape)
            gradient = np.asarray(gradient if np.dtype(dtype).kind == "c" else gradient.real, dtype)
            p.grad, q.grad = Tensor(gradient), torch.tensor(np.conj(gradient))
        for optimizer in optimizers:
            optimizer.step()
    return ours, theirs, optimizers


@pytest.fixture(scope="session")
def both(torch):
    """The parameters after some steps with the same gradients, ours and PyTorch's, and both optimizers."""
    return partial(_both, torch)
