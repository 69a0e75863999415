"""Bags of embeddings: sums, means or largest entries of rows of a table, as a function and as a module."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .. import autograd
from ..autograd import Tensor, where
from ..extend import ArrayLike, DTypeLike, TensorLike, lift, raw
from .embedding import Table, check_numbers, looked_up, padding_number, pretrained, rows_added, shorten

__all__ = [
    "EmbeddingBag",
    "embedding_bag",
]

_MODES = ("sum", "mean", "max")


def embedding_bag(
    input: ArrayLike,
    weight: TensorLike,
    offsets: ArrayLike | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: ArrayLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return the sum, mean or largest entries of the rows of `weight` (V, E) in each bag: shape (bags, E).

    Each row of an `input` (bags, n) has the numbers of a bag; or `input` is (n,), and `offsets` has the position at
    which each bag begins (and, with `include_last_offset`, at the end n). It is 0 for an empty bag. `padding_idx` is
    left out. `per_sample_weights`, in the shape of `input`, multiply the rows, if `mode` is "sum". All else is as for
    `embedding`. ValueError for shapes, offsets or a mode that do not fit.

    >>> embedding_bag(np.array([0, 1, 2]), np.array([[1.0], [2.0], [3.0]]), np.array([0, 2]), mode="sum")
    array([[3.],
           [3.]])
    """
    return bagged(
        "embedding_bag",
        input,
        weight,
        offsets,
        max_norm,
        norm_type,
        scale_grad_by_freq,
        mode,
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )


def bagged(
    name: str,
    input: Any,
    weight: Any,
    offsets: Any,
    max_norm: float | None,
    norm_type: float,
    scale_grad_by_freq: bool,
    mode: str,
    sparse: bool,
    per_sample_weights: Any,
    include_last_offset: bool,
    padding_idx: int | None,
) -> Any:
    """See `embedding_bag`; errors begin with `name`."""
    input, weight = _concrete(input), lift(weight)
    check_numbers(input, len(weight), name)
    if mode not in _MODES:
        raise ValueError(f"{name}: mode={mode!r}; expected 'sum', 'mean' or 'max'")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError(f"{name}: mode='max' goes with neither scale_grad_by_freq nor sparse")
    if per_sample_weights is not None:
        per_sample_weights = lift(per_sample_weights)
        if mode != "sum":
            raise NotImplementedError(f"{name}: per_sample_weights go with mode='sum', not with {mode!r}")
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                f"{name}: per_sample_weights of shape {per_sample_weights.shape} for an input of {input.shape}"
            )
        per_sample_weights = per_sample_weights.reshape(-1)
    bags, lengths = _bags(name, input, offsets, include_last_offset)
    input = input.reshape(-1)
    if max_norm is not None:
        shorten(weight, input, max_norm, norm_type)
    if padding_idx is not None:
        kept = np.flatnonzero(input != padding_number(padding_idx, len(weight), name))
        input, bags = input[kept], bags[kept]
        lengths = np.bincount(bags, minlength=len(lengths))
        per_sample_weights = None if per_sample_weights is None else per_sample_weights[kept]
    rows = looked_up(name, input, weight, None, None, norm_type, scale_grad_by_freq)
    if mode == "max":
        return _largest(rows, lengths)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[:, None]
    sums = rows_added.apply(rows, bags, count=len(lengths))
    return sums / np.maximum(lengths, 1).astype(sums.dtype)[:, None] if mode == "mean" else sums


def _concrete(x: Any) -> Any:
    x = lift(x)
    return raw(x) if isinstance(x, Tensor) else x


def _bags(name: str, input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, Any]:
    """The number of the bag to which each entry of the flattened input belongs, and the lengths of the bags."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(f"{name}: offsets with an input of shape {input.shape}, whose rows are the bags")
        lengths = np.full(input.shape[0], input.shape[1])
    elif input.ndim != 1:
        raise ValueError(f"{name}: input of shape {input.shape}; expected (bags, n), or (n,) with offsets")
    elif offsets is None:
        raise ValueError(f"{name}: an input of shape {input.shape} needs offsets, where each bag begins")
    else:
        offsets = _concrete(offsets)
        if offsets.ndim != 1 or offsets.dtype.kind not in "iu":
            raise ValueError(
                f"{name}: offsets of shape {offsets.shape} and dtype {offsets.dtype}; expected integers (bags,)"
            )
        ends = offsets if include_last_offset else np.append(offsets, len(input))
        lengths = np.diff(ends)
        if not len(ends) or ends[0] != 0 or ends[-1] != len(input) or (lengths < 0).any():
            last = f"end at {len(input)}" if include_last_offset else f"do not go beyond {len(input)}"
            raise ValueError(f"{name}: offsets {offsets}; expected some that begin at 0, do not fall and {last}")
    return np.repeat(np.arange(len(lengths)), lengths), lengths


def _largest(rows: Any, lengths: Any) -> Any:
    """The largest entries of the rows of each bag, 0 where there are none; bags are filled up to the longest."""
    if not len(rows):
        return autograd.zeros((len(lengths), rows.shape[-1]), dtype=rows.dtype) + rows.sum(0)
    at = np.zeros((len(lengths), lengths.max()), np.intp)
    there = np.arange(at.shape[1]) < lengths[:, None]
    at[there] = np.arange(len(rows))
    filled = where(there[..., None], rows[at], -np.inf)
    some = (lengths > 0)[:, None]
    return where(some, np.max(where(some[:, None], filled, 0), axis=1), 0).astype(rows.dtype)


class EmbeddingBag(Table):
    """A table of vectors, of which the sum, mean or largest entries of each bag are taken.

    See `functional.embedding_bag`, also for `input`, `offsets` and `per_sample_weights` of a call.

    >>> from pullback import nn
    >>> nn.EmbeddingBag(10, 3)(np.array([[1, 2], [4, 5]])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: TensorLike | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, _weight, device, dtype
        )
        if mode not in _MODES:
            raise ValueError(f"EmbeddingBag: mode={mode!r}; expected 'sum', 'mean' or 'max'")
        self.mode, self.sparse, self.include_last_offset = mode, sparse, include_last_offset

    def forward(
        self, input: ArrayLike, offsets: ArrayLike | None = None, per_sample_weights: ArrayLike | None = None
    ) -> Tensor:
        return bagged(
            "EmbeddingBag",
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: TensorLike,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """Make an EmbeddingBag of a table (num_embeddings, embedding_dim), which gets no gradient if `freeze`."""
        return pretrained(
            cls,
            cls.__name__,
            embeddings,
            freeze,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        parts += [f"max_norm={self.max_norm!r}"] if self.max_norm is not None else []
        parts += [f"norm_type={self.norm_type!r}"] if self.norm_type != 2 else []
        parts += ["scale_grad_by_freq=True"] if self.scale_grad_by_freq else []
        parts += [f"mode={self.mode!r}"]
        parts += [f"padding_idx={self.padding_idx!r}"] if self.padding_idx is not None else []
        return ", ".join(parts)
