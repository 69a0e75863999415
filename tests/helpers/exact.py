"""Nests of data that are the same to the last bit."""

import numpy as np

from pullback import Tensor


def same(a, b):
    """Of one type, and equal to the last bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert len(a) == len(b)
        for (i, x), (j, y) in zip(a.items(), b.items(), strict=True):
            same(i, j), same(x, y)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, Tensor):
        same(a.numpy(), b.numpy())
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    elif isinstance(a, (float, complex)):
        assert repr(a) == repr(b)
    else:
        assert a == b
