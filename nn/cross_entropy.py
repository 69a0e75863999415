"""Losses of classification, as functions and as modules: cross-entropy with class numbers is one primitive, all else
is composed."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..autograd import (
    Tensor,
    astype,
    log_softmax,
    moveaxis,
    primitive,
    reshape,
    softmax,
    sum,
    take,
    take_along_axis,
    where,
)
from ..extend import (
    TensorLike,
    added,
    bottom,
    by_single,
    checked,
    floating,
    folded,
    is_foreign,
    is_later,
    layout,
    lift,
    plain,
    surely,
    wrap,
)
from .loss import WeightedLoss, reduction_of

__all__ = [
    "CrossEntropyLoss",
    "NLLLoss",
    "cross_entropy",
    "nll_loss",
]

_FEW = 32  # classes for which it is faster to have the logits of one class beside one another


@primitive(name="cross_entropy", aux=["z", "total"])
def class_cross_entropy(x: Any, hit: Any, *, mean: bool) -> Any:
    """Return log(sum_c exp(x_nc)) - x_nt for every row n of x (N, C), or the mean of them.

    Here t is the class in which row n of the mask `hit` (N, C) is True.

    >>> class_cross_entropy(np.array([[0.0, 0.0]]), np.array([[False, True]]), mean=False)
    array([0.69314718])
    """
    if x.shape[1] <= _FEW:
        x = x.copy("F")
    shifted = x - np.maximum.reduce(x, axis=1, keepdims=True)
    chosen = shifted[hit]
    z = np.exp(shifted, out=shifted)
    total = added(z, 1)
    losses = np.log(total) - chosen
    return added(losses, 0) / len(x) if mean else losses, z, total


@class_cross_entropy.vjp("x")
def _(g: Any, x: Any, hit: Any, mean: bool, z: Any, total: Any) -> Any:
    p = z / total[:, None] if x.__class__ is np.ndarray else softmax(x, 1)  # which depends on x
    return (p - hit.astype(p.dtype)) * (g / len(x) if mean else g[:, None])


@class_cross_entropy.batch
def _(call: Any, n: int, values: Any, batched: set[int], /, *, mean: bool) -> Any:
    losses, *aux = folded(call, n, values, batched, mean=False)
    return np.mean(losses, axis=1) if mean else losses, *aux


@class_cross_entropy.strategy
def _(draw: Any) -> Any:
    n, c, mean = draw.integer(1, 3), draw.integer(1, 3), draw.flag()
    target = np.array([[draw.integer(0, c - 1)] for _ in range(n)])
    return (draw.array(shape=(n, c)), target == np.arange(c)), {"mean": mean}


_apply = class_cross_entropy.apply


@by_single
def cross_entropy(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return -log softmax(input) at the target class, for logits (C,), (N, C) or (N, C, d1, ...).

    `target` holds class numbers, in the input's shape without C (entries equal to `ignore_index` do not count),
    or class probabilities in the input's shape. `weight` has an entry for each class; with class numbers the
    mean is weighted by it. ValueError for targets out of range or of another shape, TypeError for those of
    another dtype.

    >>> from pullback import Tensor
    >>> cross_entropy(Tensor([[2.0, 2.0], [1.0, 1.0]]), np.array([0, 1]))
    Tensor(0.69314718)
    """
    input, target = floating(input), lift(target)
    reduction = reduction_of("cross_entropy", reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing={label_smoothing}; expected 0 to 1")
    if target.dtype.kind == "f":
        return _with_probabilities(input, target, weight, reduction, label_smoothing)
    target = plain(target) if isinstance(target, Tensor) else target
    classes = _check_target(input, target, "cross_entropy")
    rows, flat = _rows(input), target.reshape(-1)
    asked = not is_later(flat) and not is_foreign(bottom(flat).__class__)  # of which to ask would be to wait
    if asked and weight is None and not label_smoothing and not 0 <= ignore_index < classes:
        numbers, few = _numbers(classes), classes <= _FEW  # then class by class in memory, as the logits will be
        hit: Any = np.equal(numbers, flat).T if few else np.equal(flat[:, None], numbers[:, 0])
        known = bottom(hit)
        if known.size and np.count_nonzero(known) * classes == known.size:  # a class was hit in every row: all count
            hit = hit if hit.__class__ is Tensor else wrap(hit)  # an array would be copied
            if reduction == "mean":
                return _apply(rows, hit, mean=True)
            return _reduce(_apply(rows, hit, mean=False), target.shape, reduction, flat.size)

    counted, chosen = _valid(flat, classes, ignore_index, "cross_entropy")
    by_class = _class_weights(weight, classes, input, "cross_entropy")
    weights = take(by_class, chosen)
    numbers = np.arange(classes, like=layout(chosen))
    losses = _apply(rows, chosen[:, None] == numbers, mean=False) * weights
    if label_smoothing:
        smooth = -sum(log_softmax(rows, 1) * by_class, axis=1)
        losses = (1 - label_smoothing) * losses + (label_smoothing / classes) * smooth
    return _reduce(where(counted, losses, 0), target.shape, reduction, sum(where(counted, weights, 0)))


@by_single
def nll_loss(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return -input at the target class, for log-probabilities (C,), (N, C) or (N, C, d1, ...).

    Targets are class numbers; they, `weight`, `ignore_index` and errors are as for `cross_entropy`.
    """
    input, target = floating(input), lift(target)
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    classes = _check_target(input, target, "nll_loss")
    counted, chosen = _valid(reshape(target, -1), classes, ignore_index, "nll_loss")
    losses = -take_along_axis(_rows(input), chosen[:, None], axis=1)[:, 0]
    if weight is None and surely(counted):
        return _reduce(losses, target.shape, reduction, losses.size)
    weights = take(_class_weights(weight, classes, input, "nll_loss"), chosen)
    losses = losses * weights
    return _reduce(where(counted, losses, 0), target.shape, reduction, sum(where(counted, weights, 0)))


@functools.lru_cache(64)
def _numbers(classes: int) -> np.ndarray[Any, Any]:
    return np.arange(classes)[:, None]


def _check_target(input: Any, target: Any, name: str) -> int:
    """The number of classes; an error for targets that are not class numbers of the right shape."""
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: target of dtype {target.dtype}; expected integers, the class numbers")
    shape = input.shape
    axis = min(len(shape) - 1, 1)
    if axis < 0 or target.shape != shape[:axis] + shape[axis + 1 :]:
        raise ValueError(
            f"{name}: target of shape {target.shape} for an input of shape {shape}; expected the input's shape "
            "without its axis of classes, which is axis 1, or the only one"
        )
    return shape[axis]


def _valid(target: Any, classes: int, ignore_index: int, name: str) -> tuple[Any, Any]:
    """Which targets (N,) count, and all with 0 for those that do not, (N,); ValueError for one out of range, where to
    ask that is not to wait for another device."""
    counted = target != ignore_index
    chosen = where(counted, target, 0)

    def check(known: Any) -> None:
        wrong = (known < 0) | (known >= classes)
        if wrong.any():
            raise ValueError(f"{name}: target {known[wrong][0]} is out of range for {classes} classes")

    checked(check, chosen)
    return counted, chosen


def _class_weights(weight: Any, classes: int, input: Any, name: str) -> Any:
    if weight is None:
        return np.ones(classes, input.dtype, like=layout(input))
    weight = astype(lift(weight), input.dtype)
    if weight.shape != (classes,):
        raise ValueError(f"{name}: weight of shape {weight.shape} for {classes} classes")
    return weight


def _rows(x: Any) -> Any:
    """Logits as (N, C): a single sample is a row, and so is every place of the axes after C."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return reshape(x, (1, -1))
    x = moveaxis(x, 1, -1)
    return reshape(x, (-1, x.shape[-1])) if x.size else reshape(x, (0, x.shape[-1]))


def _reduce(losses: Any, shape: tuple[int, ...], reduction: str, count: Any) -> Any:
    """The losses in the target's shape, or summed, or summed and divided by `count` (nan for 0)."""
    if reduction == "none":
        return reshape(losses, shape)
    total = sum(losses)
    if reduction == "sum":
        return total
    if count.__class__ is int and count:
        return total / count
    count = astype(lift(count), total.dtype)
    some = count != 0
    return where(some, total / where(some, count, 1), np.nan)


def _with_probabilities(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Any:
    if target.shape != input.shape:
        raise ValueError(
            f"cross_entropy: target of shape {target.shape} and dtype {target.dtype} for an input of shape "
            f"{input.shape}; probabilities have the input's shape, class numbers are integers"
        )
    axis = 0 if input.ndim == 1 else 1
    classes = input.shape[axis]
    by_class = _class_weights(weight, classes, input, "cross_entropy")
    by_class = by_class.reshape(-1, *(1,) * (input.ndim - 1 - axis))
    if target.dtype != input.dtype:
        target = target.astype(input.dtype)
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / classes
    losses = -sum(log_softmax(input, axis) * target * by_class, axis=axis)
    return _reduce(losses, losses.shape, reduction, losses.size)


class CrossEntropyLoss(WeightedLoss):
    """The cross-entropy loss, -log softmax(logits) at the target class; see `functional.cross_entropy`.

    >>> loss = CrossEntropyLoss()
    >>> loss(Tensor([[1.0, 1.0]]), np.array([0]))
    Tensor(0.69314718)
    """

    def __init__(
        self,
        weight: TensorLike | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return cross_entropy(
            input, target, self.weight, None, self.ignore_index, None, self.reduction, self.label_smoothing
        )


class NLLLoss(WeightedLoss):
    """The negative log-likelihood loss, -log_probability at the target class; see `functional.nll_loss`."""

    def __init__(
        self,
        weight: TensorLike | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return nll_loss(input, target, self.weight, None, self.ignore_index, None, self.reduction)
