"""Dropout, of entries or whole channels, with zeros or with SELU's lowest value, as functions and as modules.

All draw from this thread's generator, which `nn.manual_seed` starts anew. `inplace` is accepted, but results are new
tensors all the same.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..autograd import Tensor, where
from ..extend import TensorLike, checked, drawn
from . import init
from .module import Module

__all__ = [
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout", "alpha_dropout", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip

_LOWEST = -1.7580993408473766  # what SELU tends to on the left


def dropout(input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each entry with probability `p` and scale the others by 1 / (1 - p), but only in training.

    Draws from this thread's generator, which `nn.manual_seed` starts anew. ValueError unless p is between 0 and 1.
    Source: Srivastava et al., Dropout, 2014.
    """
    check_probability(p, "dropout")
    return _dropped(input, p, training)


def dropout1d(input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each channel of (N, C, L) or (C, L) with probability `p` and scale the others, but only in training.

    ValueError for another number of axes or unless p is between 0 and 1. Source: Tompson et al., 2015.
    """
    check_probability(p, "dropout1d")
    if input.ndim not in (2, 3):
        raise ValueError(f"dropout1d: expected (N, C, L) or (C, L), got an input of shape {input.shape}")
    return _batch(input, 3, p, training)


def dropout2d(input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each channel of (N, C, H, W) with probability `p` and scale the others, but only in training.

    As in PyTorch, three axes are (N, C, L), and these and all numbers of axes but four give a warning. ValueError below
    two or unless p is between 0 and 1. Source: Tompson et al., 2015.
    """
    check_probability(p, "dropout2d")
    if input.ndim != 4:
        _warn_of_axes(input, "dropout2d", "(N, C, H, W)")
    return _dropped(input, p, training, _channels(input, "dropout2d"))


def dropout3d(input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each channel of (N, C, D, H, W) or (C, D, H, W) with probability `p` and scale the others, in training.

    Other numbers of axes are taken as (C, ...), with a warning. ValueError unless p is between 0 and 1.
    Source: Tompson et al., 2015.
    """
    check_probability(p, "dropout3d")
    if input.ndim not in (4, 5):
        _warn_of_axes(input, "dropout3d", "(N, C, D, H, W) or (C, D, H, W)")
    return _batch(input, 5, p, training)


def alpha_dropout(input: TensorLike, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Put SELU's lowest value in the place of each entry with probability `p`, and keep mean and variance, in training.

    ValueError unless p is between 0 and 1. Source: Klambauer et al., Self-normalizing neural networks, 2017.
    """
    check_probability(p, "alpha_dropout")
    return _alpha_dropped(input, p, training, None)


def feature_alpha_dropout(input: TensorLike, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Do as `alpha_dropout`, to whole channels of (N, C, ...). ValueError for less than two axes."""
    check_probability(p, "feature_alpha_dropout")
    return _alpha_dropped(input, p, training, _channels(input, "feature_alpha_dropout"))


def check_probability(p: float, name: str) -> None:
    """Raise ValueError unless p is between 0 and 1."""

    def check(fits: Any) -> None:
        if not np.all(fits):
            raise ValueError(f"{name}: p={p}; expected a probability, 0 to 1")

    checked(check, np.logical_and(p >= 0, p <= 1))


def _warn_of_axes(input: Any, name: str, expected: str) -> None:
    warnings.warn(f"{name}: expected {expected}, got an input of shape {input.shape}", stacklevel=4)


def _channels(input: Any, name: str) -> tuple[int, ...]:
    """The shape of what is drawn for whole channels of (N, C, ...)."""
    if input.ndim < 2:
        raise ValueError(f"{name}: expected (N, C, ...), got an input of shape {input.shape}")
    return (*input.shape[:2], *(1,) * (input.ndim - 2))


def _batch(input: Any, ndim: int, p: float, training: bool) -> Any:
    """Drop channels of a batch, which has `ndim` axes, or of one sample, which has another number of them."""
    shape = input.shape[:2] if input.ndim == ndim else input.shape[:1]
    return _dropped(input, p, training, (*shape, *(1,) * (input.ndim - len(shape))))


def _dropped(input: Any, p: float, training: bool, shape: tuple[int, ...] | None = None) -> Any:
    differs = isinstance(p, Tensor)  # from example to example, it may be
    if not training or not differs and p == 0:
        return input
    if not differs and p == 1:
        return input * input.dtype.type(0)
    kept = _kept(input.shape if shape is None else shape, p)
    return input * np.divide(kept, where(p == 1, 1, 1 - p) if differs else 1 - p, dtype=input.dtype)


def _alpha_dropped(input: Any, p: float, training: bool, shape: tuple[int, ...] | None) -> Any:
    if not training or p == 0:
        return input
    if p == 1:
        return input * input.dtype.type(0)
    kept = _kept(input.shape if shape is None else shape, p)
    scale = ((1 - p) * (1 + p * _LOWEST**2)) ** -0.5
    zero = input.dtype.type(0)
    return input * where(kept, zero + scale, zero) + where(kept, zero, zero + _LOWEST * scale) - p * _LOWEST * scale


def _kept(shape: tuple[int, ...], p: float) -> Any:
    return drawn(lambda shape: init.generator().random(shape, np.float32), shape) >= p


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(p, type(self).__name__)
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """A layer that in training zeros entries with probability `p` and scales the others by 1 / (1 - p).

    Source: Srivastava et al., Dropout, 2014. `inplace` is accepted, but the result is a new tensor all the same.
    """

    def forward(self, input: TensorLike) -> Tensor:
        return dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    """A layer that in training zeros channels of (N, C, L) or (C, L); see `functional.dropout1d`."""

    def forward(self, input: TensorLike) -> Tensor:
        return dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    """A layer that in training zeros channels of (N, C, H, W); see `functional.dropout2d`."""

    def forward(self, input: TensorLike) -> Tensor:
        return dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    """A layer that in training zeros channels of (N, C, D, H, W) or (C, D, H, W); see `functional.dropout3d`."""

    def forward(self, input: TensorLike) -> Tensor:
        return dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    """Dropout for SELU, which keeps mean and variance (Klambauer et al., 2017); see `functional.alpha_dropout`."""

    def forward(self, input: TensorLike) -> Tensor:
        return alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """Alpha dropout of whole channels of (N, C, ...); see `functional.feature_alpha_dropout`."""

    def forward(self, input: TensorLike) -> Tensor:
        return feature_alpha_dropout(input, self.p, self.training)
