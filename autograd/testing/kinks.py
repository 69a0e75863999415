"""Kinks and ties: where a function has no one slope, the slopes nearby bound those that a gradient may give.

A gradient at a kink should be one of those found nearby, or a mean of them (an element of Clarke's subdifferential;
see Burke, Lewis and Overton, A robust gradient sampling algorithm for nonsmooth, nonconvex optimization, 2005). So its
slope in any direction lies between the least and the greatest of the slopes in that direction at points around.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .lines import Line

FAR, NEAR = 32, 8  # how far points around are, in steps: more than the differences reach
ROUNDS = 100


class Hull:
    """The slopes along a direction at points around, entry by entry from the least to the greatest.

    `lines(offset)` gives the line in that direction, and one in another that has to do with every kink, from the point
    at an offset, which is a draw of `random` times a step. Slopes at two distances are extrapolated to none.
    """

    def __init__(self, lines: Callable[[Any], tuple[Line, Line]], draw: Callable[[], Any], step: float) -> None:
        self.lines, self.draw, self.step = lines, draw, step
        self.low = self.high = self.other_low = self.other_high = np.nan
        self.doubt: Any = 0.0

    def grow(self) -> None:
        """Look at one more pair of points, opposite to each other."""
        away = self.draw()
        with np.errstate(all="ignore"):
            for side in (1, -1):
                far, near = (self.lines([side * self.step * n * u for u in away]) for n in (FAR, NEAR))
                slope = self._limit(far[0], near[0])
                other = near[1].quotient("central", self.step)
                self.doubt = np.fmax(self.doubt, near[0].noise() / self.step)
                self.low, self.high = np.fmin(self.low, slope), np.fmax(self.high, slope)
                self.other_low, self.other_high = np.fmin(self.other_low, other), np.fmax(self.other_high, other)

    def _limit(self, far: Line, near: Line) -> Any:
        far, near = (line.quotient("central", self.step) for line in (far, near))
        drift = (far - near) / (FAR / NEAR - 1)
        return near - np.where(np.abs(drift) <= 0.1 * np.abs(near), drift, 0)

    def smooth(self) -> bool:
        """Whether nothing that was seen so far looks like a kink."""
        pairs = ((self.low, self.high), (self.other_low, self.other_high))
        with np.errstate(all="ignore"):
            return not any(np.any(_apart(low, high, self.doubt)) for low, high in pairs)

    def wide(self) -> Any:
        """Where the slopes found really differ."""
        with np.errstate(all="ignore"):
            return _apart(self.low, self.high, self.doubt)


def _apart(low: Any, high: Any, doubt: Any) -> Any:
    return high - low > 1e-2 * np.fmax(np.abs(low), np.abs(high)) + 4 * doubt
