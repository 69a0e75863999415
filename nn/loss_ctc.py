"""Connectionist temporal classification, as a function and as a module.

Source: Graves et al., Connectionist temporal classification, 2006. A target of S labels has 2 S + 1 states: blank,
label, blank, ..., label, blank. A path stays, goes to the next state or, between labels that differ, skips a blank.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Tensor, mean, moveaxis, primitive, sum, take_along_axis, where
from ..extend import by_single, floating, folded
from .loss import Loss, check_reduction

__all__ = ["CTCLoss", "ctc_loss"]

_NEVER = -1e30  # the logarithm of 0: finite, so that derivatives of any order are


def _shifted(x: Any, by: int) -> Any:
    """Entries of (N, L) moved by some places along the last axis, to the right or to the left, with _NEVER before."""
    none = np.full((x.shape[0], min(abs(by), x.shape[1])), _NEVER, x.dtype)
    return np.concatenate([none, x[:, :-by]] if by > 0 else [x[:, -by:], none], axis=1)


def _arrivals(x: Any, skip: Any) -> Any:
    """Logarithms of the sums of what arrives in each state, (N, L), from those a step before."""
    return np.logaddexp(np.logaddexp(x, _shifted(x, 1)), np.where(skip, _shifted(x, 2), _NEVER))


def _forward(x: Any, skip: Any) -> Any:
    """Logarithms of the probabilities of all paths to each state up to each time, (N, T, L)."""
    start = np.arange(x.shape[2]) < 2
    steps = [np.where(start, x[:, 0], _NEVER)]
    for t in range(1, x.shape[1]):
        steps.append(_arrivals(steps[-1], skip) + x[:, t])
    return np.stack(steps, axis=1)


def _backward(x: Any, skip: Any, last: Any, length: Any) -> Any:
    """Logarithms of the probabilities of all paths from each state, without its own time, to an end, (N, T, L)."""
    steps: list[Any] = []
    leap = np.concatenate([skip[:, 2:], np.zeros((len(skip), min(2, skip.shape[1])), bool)], axis=1)
    ends = np.where(last, x.dtype.type(0), x.dtype.type(_NEVER))
    for t in reversed(range(x.shape[1])):
        ended = (length == t + 1)[:, None]
        if steps:
            ahead = steps[-1] + x[:, t + 1]
            moved = np.logaddexp(np.logaddexp(ahead, _shifted(ahead, -1)), np.where(leap, _shifted(ahead, -2), _NEVER))
            steps.append(np.where(ended, ends, np.where((length > t + 1)[:, None], moved, _NEVER)))
        else:
            steps.append(np.where(ended, ends, _NEVER))
    return np.stack(steps[::-1], axis=1)


def _at(time: Any, forward: Any) -> Any:
    return np.broadcast_to(time[:, None, None], (len(time), 1, forward.shape[2]))


def _total(forward: Any, last: Any, length: Any) -> Any:
    """Logarithms of the probabilities of all paths, (N,)."""
    at_end = np.take_along_axis(forward, _at(np.maximum(length - 1, 0), forward), axis=1)[:, 0]
    ends = np.where(last, at_end, _NEVER)
    top = np.max(ends, axis=1, keepdims=True)
    total = np.log(np.sum(np.exp(ends - top), axis=1)) + top[:, 0]
    return np.where(length > 0, total, np.where(last[:, 0], 0, _NEVER).astype(total.dtype))


@primitive(name="ctc", residuals=["forward"])
def alignments(x: Any, skip: Any, last: Any, length: Any) -> Any:
    """Return minus the logarithm of the probability of all paths through the states of each sample, (N,).

    `x` (N, T, L) has the logarithms of the probabilities of the states at each time, `skip` (N, L) says which states
    can be reached from the one before the last, `last` (N, L) where paths end, `length` (N,) at which time.

    >>> never = np.zeros((1, 3), bool)
    >>> alignments(np.log(np.full((1, 2, 3), 0.5)), never, np.array([[False, True, True]]), np.array([2]))
    array([0.28768207])
    """
    forward = _forward(x, skip)
    total = _total(forward, last, length)
    return np.where(total < _NEVER / 2, np.inf, -total), forward


@alignments.vjp("x")
def _(g: Any, x: Any, skip: Any, last: Any, length: Any, out: Any, forward: Any) -> Any:
    """Minus the share of the paths that go through each state at each time."""
    forward = forward if x.__class__ is np.ndarray else _forward(x, skip)  # which depends on x
    total = np.where(np.isinf(out), 0, -out)
    share = np.exp(forward + _backward(x, skip, last, length) - total[:, None, None])
    return -g[:, None, None] * share


alignments.batch(folded)


@alignments.strategy
def _(draw: Any) -> Any:
    n, labels = draw.integer(1, 2), draw.integer(0, 2)
    states = 2 * labels + 1
    time = states + draw.integer(0, 1)
    skip = draw.mask((n, states))
    skip[:, :2] = False
    last = np.zeros((n, states), bool)
    last[:, -2:] = True
    length = np.array([draw.integer(states, time) for _ in range(n)])
    return (draw.array((n, time, states), (-3.0, 0.0), dtype=np.float64), skip, last, length), {}


@by_single
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Return minus the logarithm of the probability that labels are read, in any alignment.

    `log_probs` (T, N, C) has the logarithms of the probabilities of the classes at each time, `targets` (N, S) the
    labels, or all of them one behind the other, (sum of target_lengths,); the lengths are (N,). Without N, for one
    sample, lengths are numbers. "mean" divides each loss by the length of its target (or 1) before the mean. A target
    too long for its input has an infinite loss, and no gradient, or with `zero_infinity` 0. ValueError for other
    shapes, and lengths, labels or a blank out of range. Source: Graves et al., 2006.

    >>> ctc_loss(np.log(np.full((2, 1, 2), 0.5)), np.array([[1]]), [2], [1])
    0.28768207...
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
    at = np.arange(states.shape[1])
    last = (at == 2 * count[:, None]) | (at == 2 * count[:, None] - 1)
    emitted = take_along_axis(x, np.broadcast_to(states[:, None], (n, time, states.shape[1])), axis=2)
    losses = alignments.apply(emitted, skip, last, length)
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

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
