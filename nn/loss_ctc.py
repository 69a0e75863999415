"""Connectionist temporal classification, as a function and as a module.

Source: Graves et al., Connectionist temporal classification, 2006. A target of S labels has 2 S + 1 states: blank,
label, blank, ..., label, blank. A path stays, goes to the next state or, between labels that differ, skips a blank.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Tensor, mean, moveaxis, primitive, sum, take_along_axis, where
from ..extend import ArrayLike, TensorLike, by_single, floating, folded
from .loss import Loss, check_reduction

__all__ = ["CTCLoss", "ctc_loss"]

_NEVER = -1e30  # the logarithm of 0: finite, so that derivatives of any order are


def _paths(x: Any, bar: Any) -> Any:
    """Logarithms of the probabilities of all paths to each state up to each time, (N, T, L)."""
    if isinstance(x, np.ndarray):
        return _paths_in_place(x, bar)
    none = np.full((x.shape[0], 2), _NEVER, x.dtype)
    steps = [np.where(np.arange(x.shape[2]) < 2, x[:, 0], _NEVER)]
    for t in range(1, x.shape[1]):
        before = np.concatenate([none, steps[-1]], axis=1)
        ways = np.stack([steps[-1], before[:, 1:-1], before[:, :-2] + bar])
        top = np.max(ways, axis=0)
        steps.append(np.log(np.sum(np.exp(ways - top), axis=0)) + (top + x[:, t]))
    return np.stack(steps, axis=1)


def _paths_in_place(x: Any, bar: Any) -> Any:
    """As `_paths` on arrays, without new ones at each time."""
    n, time, width = x.shape
    steps = np.full((time, n, 2 + width), _NEVER, x.dtype)
    steps[:1, :, 2:4] = x[:, :1, :2].swapaxes(0, 1)
    ways = np.empty((3, n, width), x.dtype)
    for before, after, emitted in zip(steps, steps[1:, :, 2:], x.swapaxes(0, 1)[1:], strict=False):
        ways[0], ways[1] = before[:, 2:], before[:, 1:-1]
        np.add(before[:, :-2], bar, out=ways[2])
        top = np.maximum.reduce(ways)
        ways -= top
        np.exp(ways, out=ways)
        total = np.add.reduce(ways, out=after)
        np.log(total, out=total)
        total += top
        total += emitted
    return steps[:, :, 2:].swapaxes(0, 1)


def _turned(x: Any, states: Any, length: Any) -> Any:
    """x (N, T, L) from the last time and the last state of each sample on."""
    n, time, width = x.shape
    at = (length[:, None] - 1 - np.arange(time)) % time
    state = (states[:, None] - 1 - np.arange(width)) % width
    return x[np.arange(n)[:, None, None], at[:, :, None], state[:, None, :]]


def _shares(x: Any, skip: Any, states: Any, length: Any) -> tuple[Any, Any]:
    """Logarithms of the probabilities of all paths, (N,), and of those through each state at each time, (N, T, L).

    Paths from a state to the end are paths to it, backwards.
    """
    x = np.where(x < _NEVER, x.dtype.type(_NEVER), x)
    n, time, width = x.shape
    there = (np.arange(time) < length[:, None])[:, :, None] & (np.arange(width) < states[:, None])[:, None, :]
    bar = np.where(skip, 0, x.dtype.type(_NEVER))
    leap = np.concatenate([bar[:, 2:], np.full((n, min(width, 2)), _NEVER, x.dtype)], axis=1)
    both = np.concatenate([np.where(there, x, _NEVER), _turned(np.where(there, x, _NEVER), states, length)])
    ways = _paths(both, np.concatenate([bar, _turned(leap[:, None], states, np.ones_like(length))[:, 0]]))
    through = np.where(there, ways[:n] + _turned(ways[n:], states, length) - x, _NEVER)
    first = through[:, 0]
    top = np.max(first, axis=1, keepdims=True)
    total = np.log(np.sum(np.exp(first - top), axis=1)) + top[:, 0]
    return np.where(length > 0, total, np.where(states == 1, x.dtype.type(0), x.dtype.type(_NEVER))), through


@primitive(name="ctc", aux=["shares"])
def alignments(x: Any, skip: Any, states: Any, length: Any) -> Any:
    """Return minus the logarithm of the probability of all paths through the states of each sample, (N,).

    `x` (N, T, L) has the logarithms of the probabilities of the states at each time, `skip` (N, L) says which states
    can be reached from the one before the last, `states` (N,) how many there are (paths end in one of the last two),
    and `length` (N,) how many times.

    >>> alignments(np.log(np.full((1, 2, 3), 0.5)), np.zeros((1, 3), bool), np.array([3]), np.array([2]))
    array([0.28768207])
    """
    total, through = _shares(x, skip, states, length)
    never = total < _NEVER / 2
    shares = np.exp(through - np.where(never, 0, total)[:, None, None])
    return np.where(never, np.inf, -total), shares


@alignments.vjp("x")
def _(g: Any, x: Any, skip: Any, states: Any, length: Any, shares: Any) -> Any:
    """Minus the share of the paths that go through each state at each time."""
    if x.__class__ is not np.ndarray:  # on which they depend
        total, through = _shares(x, skip, states, length)
        shares = np.exp(through - np.where(total < _NEVER / 2, 0, total)[:, None, None])
    return -g[:, None, None] * shares


alignments.batch(folded)


@alignments.strategy
def _(draw: Any) -> Any:
    n, labels = draw.integer(1, 2), draw.integer(0, 2)
    states = 2 * labels + 1
    time = states + draw.integer(0, 1)
    skip = draw.mask((n, states))
    skip[:, :2] = False
    length = np.array([draw.integer(states, time) for _ in range(n)])
    return (draw.array((n, time, states), (-3.0, 0.0), dtype=np.float64), skip, np.full(n, states), length), {}


@by_single
def ctc_loss(
    log_probs: TensorLike,
    targets: ArrayLike,
    input_lengths: ArrayLike,
    target_lengths: ArrayLike,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return minus the logarithm of the probability that labels are read, in any alignment.

    `log_probs` (T, N, C) has the logarithms of the probabilities of the classes at each time, `targets` (N, S) the
    labels, or all of them one behind the other, (sum of target_lengths,); the lengths are (N,). Without N, for one
    sample, lengths are numbers. "mean" divides each loss by the length of its target (or 1) before the mean. A target
    too long for its input has an infinite loss, and no gradient, or with `zero_infinity` 0. ValueError for other
    shapes, and lengths, labels or a blank out of range. Source: Graves et al., 2006.

    >>> float(ctc_loss(np.log(np.full((2, 1, 2), 0.5)), np.array([[1]]), [2], [1]))
    0.287682...
    """
    check_reduction(reduction, "ctc_loss")
    x = floating(log_probs)
    if x.ndim not in (2, 3):
        raise ValueError(f"ctc_loss: log_probs of shape {x.shape}; expected (T, N, C) or (T, C)")
    single = x.ndim == 2
    x = x[None] if single else moveaxis(x, 1, 0)
    n, time, classes = x.shape
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank={blank} is out of range for {classes} classes")
    length = _lengths(input_lengths, n, time, "input_lengths")
    labels, count = _labels(targets, target_lengths, n, classes)
    states = np.full((n, 2 * labels.shape[1] + 1), blank)
    states[:, 1::2] = labels
    skip = np.zeros(states.shape, bool)
    skip[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    emitted = take_along_axis(x, np.broadcast_to(states[:, None], (n, time, states.shape[1])), axis=2)
    losses = alignments.apply(emitted, skip, 2 * count + 1, length)
    if zero_infinity:
        losses = where(np.isinf(losses), 0, losses)
    if reduction == "mean":
        return mean(losses / np.maximum(count, 1).astype(losses.dtype))
    return sum(losses) if reduction == "sum" else losses[0] if single else losses


def _integers(values: Any, name: str) -> Any:
    array = values.numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"ctc_loss: {name} of dtype {array.dtype}; expected integers")
    return array.astype(np.intp)


def _lengths(values: Any, n: int, most: int, name: str) -> Any:
    lengths = _integers(values, name)
    if lengths.size != n or lengths.ndim > 1:
        raise ValueError(f"ctc_loss: {name} of shape {lengths.shape} for {n} samples; expected ({n},)")
    if ((lengths < 0) | (lengths > most)).any():
        raise ValueError(f"ctc_loss: {name} {lengths.tolist()}; expected 0 to {most}, the length there is")
    return lengths.reshape(n)


def _labels(targets: Any, target_lengths: Any, n: int, classes: int) -> tuple[Any, Any]:
    """The labels (N, S), with 0 behind the ends, and how many there are in each row."""
    labels = _integers(targets, "targets")
    if labels.ndim == 2 and len(labels) == n:
        count = _lengths(target_lengths, n, labels.shape[1], "target_lengths")
    elif labels.ndim <= 1:
        count = _lengths(target_lengths, n, labels.size, "target_lengths")
        if count.sum() != labels.size and n != 1:
            raise ValueError(f"ctc_loss: {labels.size} targets for target_lengths that add up to {count.sum()}")
        at = np.cumsum(count)[:, None] - count[:, None] + np.arange(count.max(initial=0))
        labels = np.append(labels, 0)[np.minimum(at, labels.size)]
    else:
        raise ValueError(f"ctc_loss: targets of shape {labels.shape} for {n} samples; expected ({n}, S) or one axis")
    there = np.arange(labels.shape[1]) < count[:, None]
    wrong = there & ((labels < 0) | (labels >= classes))
    if wrong.any():
        raise ValueError(f"ctc_loss: target {labels[wrong][0]} is out of range for {classes} classes")
    return np.where(there, labels, 0), count


class CTCLoss(Loss):
    """The loss of labels of which it is not known when they come; see `functional.ctc_loss`."""

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self, log_probs: TensorLike, targets: ArrayLike, input_lengths: ArrayLike, target_lengths: ArrayLike
    ) -> Tensor:
        return ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
