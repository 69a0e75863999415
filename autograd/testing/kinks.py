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
FIRST = 8  # points that tell whether there is a kink


class Hull:
    """The slopes along a direction at points around, entry by entry from the least to the greatest.

    `lines(offset)` gives the line in that direction, and one in another that has to do with every kink, from the point
    at an offset, which is what `draw` gives times some steps. Slopes at two distances are extrapolated to none, unless
    a kink comes between (of slopes of some `size`), and may be off by `doubt`.
    """

    def __init__(
        self,
        lines: Callable[[Any], tuple[Line, Line]],
        draw: Callable[[], Any],
        step: float,
        doubt: Any,
        size: Any,
    ) -> None:
        self.lines, self.draw, self.step, self.doubt, self.size = lines, draw, step, doubt, size
        self.low = self.high = np.nan
        self.points = 0
        self.spreads = [Spread(), Spread()]  # of the slopes in this direction, and in the other

    def grow(self) -> None:
        """Look at one more pair of points, opposite to each other."""
        away = self.draw()
        for side in (1, -1):
            far, near = (self.lines([side * self.step * n * u for u in away]) for n in (FAR, NEAR))
            for k in (0, 1) if self.points < FIRST else (0,):
                there, here = (line[k].quotient("central", self.step) for line in (far, near))
                self.spreads[k].add(there, here)
                if not k:
                    drift = (there - here) / (FAR / NEAR - 1)
                    limit = here - np.where(np.abs(drift) <= 0.1 * self.size, drift, 0)
                    self.low, self.high = np.fmin(self.low, limit), np.fmax(self.high, limit)
            self.doubt = np.fmax(self.doubt, near[0].noise() / self.step)
            self.points += 1

    def smooth(self) -> bool:
        """Whether enough was seen, and nothing of it looks like a kink."""
        return self.points >= FIRST and not any(np.any(spread.of_kink(self.doubt)) for spread in self.spreads)

    def wide(self) -> Any:
        """Where the slopes found really differ."""
        return self.spreads[0].of_kink(self.doubt)


class Spread:
    """How far apart slopes are at points far and near: those of a curve are the closer the nearer they are."""

    def __init__(self) -> None:
        self.ranges = [(np.nan, np.nan), (np.nan, np.nan)]

    def add(self, *slopes: Any) -> None:
        self.ranges = [(np.fmin(low, s), np.fmax(high, s)) for (low, high), s in zip(self.ranges, slopes, strict=True)]

    def of_kink(self, doubt: Any) -> Any:
        (far_low, far_high), (low, high) = self.ranges
        apart = high - low > 1e-2 * np.fmax(np.abs(low), np.abs(high)) + 4 * doubt
        return apart & (2 * (high - low) > far_high - far_low)
