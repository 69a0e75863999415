"""A line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..extend import Array

__all__ = ["Point", "strong_wolfe"]

_DECREASE, _CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """A place on the line: how far, the function there, its gradient, and its slope along the line."""

    t: float
    loss: float
    gradient: Array
    slope: float


def strong_wolfe(
    at: Callable[[float], Point], start: Point, t: float, length: float, tolerance: float, most: int
) -> tuple[Point, int]:
    """A point of the line, tried first at t, where the function has decreased enough and is flat enough; and how many
    points were tried, `most` and one at most. `length` is that of the line's direction (its largest entry): an
    interval shorter than `tolerance` is not divided any more.

    Source: Nocedal and Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6; as in PyTorch.
    """
    with np.errstate(all="ignore"):
        bracket, found, tried = _bracketed(at, start, t, most)
        if not found:
            bracket, tried = _zoomed(at, start, bracket, length, tolerance, most, tried)
    return min(bracket, key=lambda point: point.loss), tried + 1


def _too_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + _DECREASE * point.t * start.slope


def _flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_CURVATURE * start.slope


def _bracketed(at: Callable[[float], Point], start: Point, t: float, most: int) -> tuple[list[Point], bool, int]:
    """Two points around one that is wanted, or that one alone, by larger and larger steps."""
    before, point = start, at(t)
    for i in range(most):
        if _too_high(point, start) or (i > 1 and point.loss >= before.loss):
            return [before, point], False, i
        if _flat(point, start):
            return [point], True, i
        if point.slope >= 0:
            return [before, point], False, i
        bounds = point.t + 0.01 * (point.t - before.t), point.t * 10
        before, point = point, at(_lowest(before, point, bounds))
    return [start, point], False, most


def _zoomed(
    at: Callable[[float], Point], start: Point, bracket: list[Point], length: float, tolerance: float, most: int, i: int
) -> tuple[list[Point], int]:
    """Narrow the bracket down until its lower end is wanted."""
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    stuck = False
    while i < most:
        left, right = sorted(point.t for point in bracket)
        if (right - left) * length < tolerance:
            break
        t = _lowest(bracket[0], bracket[1], (left, right))
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near to an end, where steps may get stuck
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = at(t)
        i += 1
        if _too_high(point, start) or point.loss >= bracket[low].loss:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        if _flat(point, start):
            return [point], i
        if point.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = point
    return [bracket[low]], i


def _lowest(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through two points, with their slopes, is lowest within bounds; or the middle of these."""
    if a.t > b.t:
        a, b = b, a
    inner = a.slope + b.slope - 3 * np.divide(a.loss - b.loss, a.t - b.t)
    square = inner**2 - a.slope * b.slope
    if not square >= 0:
        return (bounds[0] + bounds[1]) / 2
    root = math.sqrt(square) if square < math.inf else square
    t = b.t - (b.t - a.t) * np.divide(b.slope + root - inner, b.slope - a.slope + 2 * root)
    return float(min(max(t, bounds[0]), bounds[1]))
