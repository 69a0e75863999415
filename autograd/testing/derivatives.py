"""First derivatives beside numerical ones: the whole Jacobian or projections of it, at kinks with slopes around."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from .case import Case
from .kinks import FAR, Hull
from .lines import COARSE, Line, complex_slope, extrapolated, noticed, slope
from .numerical import joined, parts
from .report import Kink, Passed

RTOL = 1e-6  # of a slope in double precision
FLOOR = 1e-10  # of the largest slope or value of a row: what else a slope may be off
COMPLEX = 1e-8  # beside the complex step: some functions lose digits of tiny imaginary parts
WHOLE = 4096  # the most entries of a Jacobian that is checked as a whole
AWAY = 2.0**-6  # how far from a kink the check is made once more


class Rows:
    """Weighted sums of the entries of a value: each entry alone, or two random sums."""

    def __init__(self, count: int, full: bool, rng: Any) -> None:
        random = rng.choice([-1.0, 1.0], (2, count)) * rng.uniform(0.5, 1.5, (2, count))
        self.full, self.weights = full, np.eye(count) if full else random

    def sum(self, values: Any) -> Any:
        return values if self.full else self.weights @ values

    def size(self, values: Any) -> Any:
        """What the sums may be off where entries are off by so much."""
        return values if self.full else np.abs(self.weights) @ values

    def bounds(self, low: Any, high: Any) -> tuple[Any, Any]:
        if self.full:
            return low, high
        ends = self.weights * low, self.weights * high
        return np.minimum(*ends).sum(axis=-1), np.maximum(*ends).sum(axis=-1)


class Compared:
    """The slopes of all rows in a direction, by the gradient and numerically, and where these are too far apart."""

    def __init__(self, check: Check, direction: dict[int, Any]) -> None:
        self.check, self.direction = check, direction
        self.actual = sum(check.jacobians[i] @ (check.scales[i] * v).ravel() for i, v in direction.items())
        self.line = check.line(direction)
        check.bend = np.fmax(check.bend, check.rows.size(self.line.bend()))
        self.take(slope(self.line, "central" if check.method == "auto" else check.method, check.step))
        bent, broken = self.line.kinks()
        self.broken = check.rows.size(broken) > 0
        self.kinked = bool(np.any(bent) or np.any(broken))
        self.hull: Hull | None = None

    def take(self, found: Any) -> None:
        """Compare with what was found."""
        check, actual = self.check, self.actual
        self.found, self.value, doubt = found, check.rows.sum(found.value), check.rows.size(found.doubt)
        size = np.fmax(np.abs(self.value), np.abs(actual))
        rounding = 30 * check.case.eps
        floor = max(FLOOR, rounding) * check.largest + rounding * check.bend  # of the result, and of the arguments
        self.tolerance = check.tolerance(size, doubt, found.method) + floor
        apart = np.abs(self.value - actual)
        self.apart = np.where(np.isnan(apart), np.inf, apart)
        same = (self.value == actual) | (np.isnan(self.value) & np.isnan(actual) & np.isnan(check.start))
        excess = self.apart - self.tolerance
        self.excess = np.where(same, -1, np.where(np.isnan(excess), np.inf, excess))
        still = (np.abs(actual) <= floor) & (check.rows.size(~self.line.still()) == 0)
        self.rough = ~(doubt <= np.fmax(1e-3 * size, floor)) & ~still & ~(same & ~np.isfinite(actual))
        self.unclear = self.rough & ~(doubt <= FLOOR * check.largest)

    @property
    def ratio(self) -> Any:
        """How many times the tolerance each row is off."""
        ratio = 1 + self.excess / self.tolerance
        return np.where(self.excess > 0, np.where(np.isnan(ratio), np.inf, ratio), 0)

    def refine(self) -> None:
        """Where differences are not exact enough, or do not agree, measure by other methods before judging."""
        if self.kinked:
            return
        auto = self.check.method == "auto"
        if np.any((self.excess > 0) | (self.rough & auto)):
            found = self.found.better(extrapolated(self.line))
            if not np.all(np.isfinite(found.doubt)):  # beyond the domain: closer, or on one side alone
                found = found.better(extrapolated(self.line, COARSE * self.check.nearest(self.direction)))
                found = found.better(slope(self.line, "forward")).better(slope(self.line, "backward"))
            self.take(found)
        elif auto and all(np.all(v) for v in self.direction.values()):
            exact = complex_slope(self.line, self.found)
            if exact is not None:
                self.take(exact)

    def judge(self) -> None:
        """Hold slopes that do not agree, or are not clear, to those at points around; fail where they are beyond.

        Where the value itself has a step, or is not known on any side, there is no slope to hold to.
        """
        known = np.isfinite(self.check.rows.size(self.found.doubt)) & ~self.broken
        asked = ((self.excess > 0) | (self.rough & (not self.kinked))) & known
        if not np.any(asked):
            return
        self.hull = hull = self.check.hull(self)
        for _ in range(self.check.rounds):
            hull.grow()
            low, high = self.check.rows.bounds(hull.low, hull.high)
            size = np.fmax(np.abs(low), np.abs(high))
            room = 1e-3 * (high - low) + self.check.tolerance(size, self.check.rows.size(hull.doubt))
            wrong = asked & (self.excess > 0)
            beyond = wrong & ~(np.fmax(low - self.actual, self.actual - high) <= room)
            if hull.smooth():
                off = np.fmax(low - self.value, self.value - high)  # of what was found here from what is around
                beyond |= wrong & (off <= self.check.rows.size(self.found.doubt) + 1e-2 * size)
                break
            if not np.any(beyond) and np.any(hull.wide()):
                self.kinked = True
                return
        if np.any(beyond):
            self.excess = np.where(beyond, np.fmax(self.excess, 1e-300), -1)
            self.check.failure(self)


class Check:
    """The first derivatives of a case; `run` gives the verdict."""

    def __init__(
        self,
        case: Case,
        *,
        full: bool | None = None,
        method: str = "auto",
        eps: float | None = None,
        atol: float | None = None,
        rtol: float | None = None,
    ) -> None:
        self.options = {"full": full, "method": method, "eps": eps, "atol": atol, "rtol": rtol}
        self.case, self.method, self.step, self.atol, self.rtol = case, method, eps, atol, rtol
        self.rng = np.random.default_rng(0)
        self.scales = dict(zip(case.asked, case.scaled(), strict=True))
        start = parts(case.out).ravel()
        inputs = sum(s.size for s in self.scales.values())
        self.full = inputs * start.size <= WHOLE if full is None else full
        self.rounds = 10 * min(max(inputs, 1), 100)  # that each of so many entries in a tie is once the one that counts
        self.rows = Rows(start.size, self.full, self.rng)
        with np.errstate(all="ignore"):
            self.start = self.rows.sum(start)
        self.bend: Any = 0.0  # the largest second derivative of each row in any direction so far

    def tolerance(self, size: Any, doubt: Any, method: str = "") -> Any:
        """How far apart slopes of some size may be, of which the numerical one may be off by `doubt`."""
        rtol = max(COMPLEX if method == "complex" else RTOL, math.sqrt(self.case.eps))
        return (rtol if self.rtol is None else self.rtol) * size + (doubt if self.atol is None else self.atol)

    def line(self, direction: dict[int, Any], arrays: Any = None) -> Line:
        return self.case.line({i: self.scales[i] * v for i, v in direction.items()}, arrays)

    def moved(self, offset: list[Any]) -> list[Any]:
        arrays = list(self.case.arrays)
        for (i, s), u in zip(self.scales.items(), offset, strict=True):
            arrays[i] = joined(parts(arrays[i]) + s * u, arrays[i]).astype(arrays[i].dtype)
        return arrays

    def directions(self, each: bool) -> Iterator[dict[int, Any]]:
        """What moves: all entries of an argument at random, all alike; all arguments at random; `each` entry alone."""
        filled = {i: s.shape for i, s in self.scales.items() if s.size}
        for i, shape in filled.items():
            for _ in range(2 if math.prod(shape) > 1 else 0):
                yield {i: self.signs(shape)}
            yield {i: np.ones(shape)}
        if len(filled) > 1:
            yield {i: self.signs(shape) for i, shape in filled.items()}
        for i, shape in filled.items() if each else ():
            for unit in np.eye(math.prod(shape)) if math.prod(shape) > 1 else ():
                yield {i: unit.reshape(shape)}

    def signs(self, shape: tuple[int, ...]) -> Any:
        return self.rng.choice([-1.0, -0.5, 0.5, 1.0], shape)

    def draw(self) -> list[Any]:
        """Where to go from here to be off all ties: as far in every entry, but by no two the same."""
        return [self.signs(s.shape) * self.rng.uniform(1, 2, s.shape) for s in self.scales.values()]

    def nearest(self, direction: dict[int, Any]) -> float:
        """How near zero is to what moves, in units of its steps: that far at least most functions are known."""
        ratios = [np.abs(parts(self.case.arrays[i]))[v != 0] / self.scales[i][v != 0] for i, v in direction.items()]
        least = float(np.min(np.concatenate(ratios)))
        return 2.0 ** math.floor(math.log2(least)) if 0 < least < 1 else 1.0

    def hull(self, each: Compared) -> Hull:
        """What there is around; the steps are as small as rounding permits."""
        other = dict(zip(self.scales, self.draw(), strict=True))

        def lines(offset: list[Any]) -> tuple[Line, Line]:
            arrays = self.moved(offset)
            return self.line(each.direction, arrays), self.line(other, arrays)

        found, wrong, step = each.found, each.excess > 0, each.line.step("central")
        if found.method == "richardson":  # it saw no kink as far as its steps reach
            steps = np.broadcast_to(found.step, found.value.shape)
            step = min(step, float(np.min(steps[wrong] if self.full and np.any(wrong) else steps)) / FAR)
        noise = self.rows.size(each.line.noise()) / np.fmax(np.abs(each.value), np.abs(each.actual))
        step = max(step, min(1e2 * float(np.min(noise, initial=COARSE, where=wrong)), COARSE / FAR))
        sides = (each.line.quotient(side, step) for side in ("forward", "backward"))
        return Hull(lines, self.draw, step, found.noise / step, np.fmax(*map(np.abs, sides)))

    def run(self, here: bool = True) -> Passed:
        """Compare, and after a kink once more on both sides of it; GradcheckError names the worst entry."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._run(here)

    def _run(self, here: bool) -> Passed:
        self.jacobians = dict(zip(self.case.asked, self.case.rows(self.rows.weights), strict=True))
        self.largest = np.abs(self.start)
        for i, s in self.scales.items():
            self.largest = np.fmax(self.largest, np.max(np.abs(self.jacobians[i] * s.ravel()), axis=1, initial=0))
        self.largest = noticed(self.largest, self.case.eps)
        compared = [Compared(self, direction) for direction in self.directions(each=here and self.full)]
        for each in compared:
            each.take(each.found)  # once more, as all bends are known now
            each.refine()
        for each in sorted(compared, key=lambda each: -np.max(each.ratio, initial=0)):
            each.judge()
        methods = tuple(dict.fromkeys(each.found.method for each in compared))
        unclear = sum(int(np.sum(each.unclear)) for each in compared if not each.kinked)
        passed = Passed(sum(each.actual.size for each in compared), methods, self.kinks(compared), unclear)
        if passed.kinks and here:
            away = self.draw()
            for side in (AWAY, -AWAY):
                passed += self.elsewhere(self.moved([side * u for u in away]))
        return passed

    def elsewhere(self, arrays: list[Any]) -> Passed:
        """The verdict for other arrays, if the function is defined there."""
        try:
            case = self.case.at(arrays)
            known = case.out.shape == self.case.out.shape
        except Exception:
            known = False
        if not known or np.any(np.isfinite(self.case.out) > np.isfinite(case.out)):
            return Passed()
        passed = Check(case, **self.options).run(here=False)  # type: ignore[arg-type]
        return Passed(passed.slopes, passed.methods)

    def kinks(self, compared: list[Compared]) -> tuple[Kink, ...]:
        kinked = [each.direction for each in compared if each.kinked]
        found: dict[int, dict[tuple[int, ...], None]] = {}
        for direction in [d for d in kinked if len(d) == 1] or kinked:
            for i, v in direction.items():
                at = [tuple(map(int, index[: self.case.arrays[i].ndim])) for index in np.argwhere(v)]
                found.setdefault(i, {}).update(dict.fromkeys(at if len(at) == 1 else ()))
        return tuple(Kink(self.case.names[i], tuple(at)) for i, at in found.items())

    def failure(self, each: Compared) -> NoReturn:
        """The report, of the row and the one entry that are farthest off."""
        row = int(np.argmax(each.ratio))
        parted, i = self.single(each, row)
        (at,) = (index.tolist() for index in np.argwhere(parted.direction[i]))
        size = self.scales[i][tuple(at)] if at or self.scales[i].ndim == 0 else 1.0
        actual, value, tolerance = (float(x[row] / size) for x in (parted.actual, parted.value, parted.tolerance))
        step = float(np.broadcast_to(parted.found.step, np.shape(parted.found.value)).ravel()[row if self.full else 0])
        of = self.case.entry(row) if self.full else "(a weighted sum of the output)"
        times = f", {actual / value:.4g} times as much" if value and math.isfinite(actual / value) else ""
        known = f"step {step * size:.3g}, tolerance {tolerance:.3g}"
        lines = [f"    by the gradient      {actual!r}{times}"]
        lines += [f"    by {parted.found.method + ' steps':<17} {value!r} ({known})"]
        if each.hull is not None and np.any(each.hull.wide()):
            low, high = self.rows.bounds(each.hull.low, each.hull.high)
            lines.append(
                f"    slopes around in the direction that failed: from {low[row]:.6g} to {high[row]:.6g}, "
                f"by the gradient {each.actual[row]:.6g}"
            )
        self.case.failure(f"wrong gradient; the worst entry is d {of} / d {self.case.names[i]}{at or ''}", i, lines)

    def single(self, each: Compared, row: int) -> tuple[Compared, int]:
        """Of what moves in a comparison the one entry in which the row is farthest off, found by halves."""
        places = [(i, tuple(at)) for i, v in each.direction.items() for at in np.argwhere(v)]
        while len(places) > 1:
            halves = places[: len(places) // 2], places[len(places) // 2 :]
            tried = [(self.along(half, each), half) for half in halves]
            each, places = max(tried, key=lambda pair: pair[0].apart[row])
        i, at = places[0]
        one = np.zeros(self.scales[i].shape)
        one[at] = 1
        each = Compared(self, {i: one})
        each.refine()
        return each, i

    def along(self, places: list[tuple[int, tuple[int, ...]]], whole: Compared) -> Compared:
        direction: dict[int, Any] = {}
        for i, at in places:
            direction.setdefault(i, np.zeros(self.scales[i].shape))[at] = whole.direction[i][at]
        return Compared(self, direction)
