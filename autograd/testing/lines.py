"""Slopes of a function along a line, each with a bound on its error that holds for the step that was taken.

A line is a function of a number t, whose slope at t = 0 is asked; what is 1 there is as large as what moves.
Steps are powers of two, so that an entry moved by one is moved by just that.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STENCILS: dict[str, tuple[int, dict[int, float]]] = {  # the order of the error, and the weights of f(k h)
    "forward": (1, {0: -1, 1: 1}),
    "backward": (1, {-1: -1, 0: 1}),
    "central": (2, {-1: -1 / 2, 1: 1 / 2}),
    "fourth": (4, {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}),
}
METHODS = (*STENCILS, "richardson", "complex", "auto")
NOISE = 1e3  # what a function may lose to rounding, in units of its result's last digit
COARSE = 2.0**-4  # the largest step of "richardson"


def finite_size(x: Any) -> float:
    """The magnitude of the largest finite entry."""
    return float(np.max(np.abs(x), initial=0, where=np.isfinite(x)))


def noticed(sizes: Any, eps: float) -> Any:
    """The sizes, but the largest of all for what is so small beside it that it may be nothing but its rounding."""
    largest = finite_size(sizes)
    return np.where(sizes > 64 * eps * largest, sizes, largest)


@dataclass(frozen=True)
class Slope:
    """A slope, how far it may be off, the method's name, the step, and what rounding may add to the values used.

    All but the name are for each entry.
    """

    value: Any
    doubt: Any
    method: str
    step: Any
    noise: Any

    def better(self, other: Slope) -> Slope:
        """Entry by entry the one of less doubt, after what the other saw of rounding; it bears the other's name."""
        noise = np.fmax(self.noise, other.noise)
        doubt = self.doubt if self.method == "complex" else np.fmax(self.doubt, noise / self.step)
        take = ~(other.doubt >= doubt)
        pairs = ((self.value, other.value), (doubt, other.doubt), (self.step, other.step))
        value, doubt, step = (np.where(take, theirs, mine) for mine, theirs in pairs)
        return Slope(value, doubt, other.method, step, noise)


class Line:
    """`f` of a number, each value computed once; `eps` is the precision of the numbers that it works with."""

    def __init__(self, f: Callable[[Any], Any], eps: float) -> None:
        self.f, self.eps, self.values = f, eps, dict[Any, Any]()
        self.size: Any = 0.0  # the largest magnitude of each entry so far

    def __call__(self, t: Any) -> Any:
        if t not in self.values:
            self.values[t] = value = np.asarray(self.f(t))
            self.size = np.fmax(self.size, np.abs(value))
        return self.values[t]

    def step(self, method: str) -> float:
        """The step that balances truncation against rounding, a power of two."""
        power = 3 / 2 if method == "complex" else 1 / (1 + STENCILS[method][0])
        return 2.0 ** round(math.log2(self.eps) * power)

    def quotient(self, method: str, h: float) -> Any:
        return sum(weight * self(k * h) for k, weight in STENCILS[method][1].items()) / h

    def noise(self) -> Any:
        """What rounding may have added to each entry of the values."""
        return NOISE * self.eps * noticed(self.size, self.eps)

    def still(self) -> Any:
        """Where no value so far differs from any other."""
        start = self(0.0)
        return np.all([value == start for value in self.values.values()], axis=0)

    def bend(self) -> Any:
        """About how large the second derivative is."""
        h = self.step("central")
        return np.nan_to_num(np.abs(self(h) - 2 * self(0.0) + self(-h)) / h**2, posinf=0)

    def kinks(self) -> tuple[Any, Any]:
        """Where the slopes on both sides differ, and where the values do, while each side alone is straight."""
        h = self.step("central")
        start, (ahead, farther), (behind, back) = self(0.0), (self(h), self(2 * h)), (self(-h), self(-2 * h))
        noise = self.noise()
        bend, step = np.abs(ahead - 2 * start + behind), np.abs(ahead - behind)
        curved = np.fmax(np.abs(farther - 2 * ahead + start), np.abs(back - 2 * behind + start))
        moved = np.fmax(np.abs(farther - ahead), np.abs(back - behind))
        return (bend > noise) & (curved < 1e-2 * bend), (step > 4 * noise) & (moved < 1e-2 * step)


def slope(line: Line, method: str = "central", step: float | None = None) -> Slope:
    """The slope by one method; a second step, twice as large, shows the error of the first."""
    if method == "richardson":
        return extrapolated(line, step)
    if method == "complex":
        h = step or line.step(method)
        value, second = (np.imag(line(1j * s)) / s for s in (h, 3 * h))  # twice h would be rounded alike
        return Slope(
            value, 4 * np.abs(second - value) + line.noise() + NOISE * line.eps * np.abs(value), method, h, line.noise()
        )
    h = step or line.step(method)
    value, second = line.quotient(method, h), line.quotient(method, 2 * h)
    doubt = 4 * np.abs(second - value) + line.noise() / h
    return Slope(value, np.where(np.isnan(doubt), np.inf, doubt), method, h, line.noise())


def extrapolated(line: Line, largest: float | None = None) -> Slope:
    """The slope by Richardson's extrapolation of central differences over a ladder of steps, at the best of them.

    What the smallest steps scatter shows how much the function loses to rounding.
    """
    largest = largest or COARSE
    count = max(6, int(math.log2(largest / line.eps) / 2) - 8)
    steps = largest * 4.0 ** -np.arange(count)
    quotients = np.stack([line.quotient("central", h) for h in steps.tolist()])
    across = steps.reshape(-1, *(1,) * (quotients.ndim - 1))
    scatter = np.abs(np.diff(quotients, axis=0)[-2:]) * across[-2:]
    noise = line.noise() + 4 * np.max(np.nan_to_num(scatter), axis=0)
    values, doubts, places = [], [], []
    for order in range(1, 4):  # of h^2: each level takes one more term of the error away
        quotients = quotients[1:] + np.diff(quotients, axis=0) / (16**order - 1)
        values.append(quotients[:-1])
        doubts.append(4 * np.abs(np.diff(quotients, axis=0)) + noise / across[order:-1])
        places.append(steps[order:-1])
    doubt = np.concatenate(doubts)
    doubt = np.where(np.isnan(doubt), np.inf, doubt)
    best = np.argmin(doubt, axis=0)[None]
    value, least = (np.take_along_axis(x, best, axis=0)[0] for x in (np.concatenate(values), doubt))
    return Slope(value, least, "richardson", np.concatenate(places)[best[0]], noise)


def complex_slope(line: Line, beside: Slope) -> Slope | None:
    """The slope by the complex step, if the function takes complex numbers, and it agrees with real differences and is
    more exact."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exact = slope(line, "complex")
    except Exception:
        return None
    agree = np.abs(exact.value - beside.value) <= beside.doubt + 1e-6 * np.abs(beside.value)
    agree &= ~(exact.doubt > beside.doubt)
    return exact if np.shape(exact.value) == np.shape(beside.value) and np.all(agree) else None


def best_slope(line: Line) -> Slope:
    """The slope by the method that the function allows: the complex step where differences confirm it, central
    differences where they are exact enough, or else Richardson's extrapolation."""
    central = slope(line)
    exact = complex_slope(line, central)
    if exact is not None:
        return exact
    rough = central.doubt > 1e-6 * np.abs(central.value)
    return central.better(extrapolated(line)) if np.any(rough) else central
