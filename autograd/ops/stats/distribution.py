"""Families of distributions on the real line: the functions that `scipy.stats` has of them, from a few formulas."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from ...core.conversion import lift
from ...core.graph import modes
from ...core.tensor import Tensor
from ...core.tracing import bottom
from .. import random
from ..casting import astype
from ..creation import asarray
from .tails import log_of_part

__all__ = ["Continuous", "Discrete"]

Formula = Callable[..., Any]
_UNDERFLOWS = -800.0  # exp of it is 0
_OPTIONS = ("low", "high", "valid", "stand_in", "draw", "brief")
_BRIEF = {
    "pdf": "The density at `x`",
    "logpdf": "The logarithm of the density at `x`: -inf outside of the support",
    "pmf": "The probability of `k`",
    "logpmf": "The logarithm of the probability of `k`: -inf for what cannot come",
    "cdf": "The probability of values up to `{x}`",
    "logcdf": "The logarithm of the probability of values up to `{x}`",
    "sf": "The probability of values beyond `{x}`, 1 - cdf with all its digits",
    "logsf": "The logarithm of the probability of values beyond `{x}`",
    "ppf": "The value below which lies the part `q` of the distribution, the inverse of `cdf`",
    "rvs": "Draws, from the generator of `pullback.random`",
}


def numbers(*values: Any) -> tuple[Any, ...]:
    """Values in floating-point, Python's numbers and integers in the dtype of the others."""
    lifted = [v if isinstance(v, (int, float)) else lift(v) for v in values]
    kinds = [v.dtype for v in lifted if hasattr(v, "dtype")]
    if any(kind.kind == "c" for kind in kinds):
        raise TypeError("distributions are of real numbers")
    floats = [kind for kind in kinds if kind.kind == "f"]
    default = np.float64 if kinds else modes.floats or np.float64
    dtype = np.result_type(*floats) if floats else np.dtype(default)
    return tuple(
        dtype.type(v) if not hasattr(v, "dtype") else v if v.dtype.kind == "f" else astype(v, dtype) for v in lifted
    )


def _positive(*shapes: Any) -> Any:
    """Whether all parameters are."""
    valid: Any = True
    for shape in shapes:
        valid = np.logical_and(valid, shape > 0)
    return valid


class _Family:
    """The functions of a family: each takes a place, the shapes, then `loc`, and `scale` where there is one."""

    place = "x"
    moved: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        shapes: tuple[str, ...],
        formulas: dict[str, Formula],
        *,
        low: Any = -np.inf,
        high: Any = np.inf,
        valid: Formula = _positive,
        stand_in: tuple[float, ...] = (),
        draw: Formula | None = None,
        brief: str = "",
    ) -> None:
        self.__name__, self.shapes, self.formulas = name, shapes, formulas
        self.low, self.high, self.valid, self.draw = low, high, valid, draw
        self.stand_in = stand_in or (0.5,) * len(shapes)
        self.__doc__ = brief

    def __repr__(self) -> str:
        return f"<the distribution {self.__name__}({', '.join((*self.shapes, *self.moved))})>"

    def _public(self, name: str, run: Callable[..., Any], first: str | None, **options: Any) -> None:
        """Make `run`, of a place and the parameters, a function of the family whose signature says what it takes."""
        kind = Parameter.POSITIONAL_OR_KEYWORD
        named = [Parameter(s, kind) for s in ((first,) if first else ()) + self.shapes]
        moved = [Parameter(s, kind, default=float(s == "scale")) for s in self.moved]
        more = [Parameter(s, kind, default=default) for s, default in options.items()]
        signature = Signature([*named, *moved, *more])

        def function(*args: Any, **kwargs: Any) -> Tensor:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{self.__name__}.{name}{signature}: {error}") from None
            bound.apply_defaults()
            return asarray(run(*bound.args))

        function.__name__, function.__qualname__ = name, f"{self.__name__}.{name}"
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__doc__ = _BRIEF[name].format(x=self.place) + "."
        setattr(self, name, function)

    def _ends(self, shapes: tuple[Any, ...]) -> tuple[Any, Any]:
        return tuple(end(*shapes) if callable(end) else end for end in (self.low, self.high))

    def _sound(self, shapes: tuple[Any, ...], scale: Any) -> tuple[Any, tuple[Any, ...], Any]:
        """Where the parameters are such that there is a distribution, and such ones everywhere."""
        valid = np.logical_and(self.valid(*shapes), scale > 0)
        if np.all(bottom(valid)):
            return None, shapes, scale
        safe = tuple(np.where(valid, s, v) for s, v in zip(shapes, self.stand_in, strict=True))
        return valid, safe, np.where(valid, scale, 1)


class Continuous(_Family):
    """A family with a density. The formulas are of z = (x - loc) / scale and the shapes, inside of the support.

    At an end of the support the density is as the distance to it to the power `powers`: -inf or inf where that is not
    0, and there no gradient.
    """

    moved = ("loc", "scale")
    pdf: Callable[..., Tensor]
    logpdf: Callable[..., Tensor]
    cdf: Callable[..., Tensor]
    logcdf: Callable[..., Tensor]
    sf: Callable[..., Tensor]
    logsf: Callable[..., Tensor]
    ppf: Callable[..., Tensor]
    rvs: Callable[..., Tensor]

    def __init__(
        self, name: str, shapes: tuple[str, ...], *, powers: tuple[Any, Any] = (0, 0), **formulas: Any
    ) -> None:
        options = {k: formulas.pop(k) for k in _OPTIONS if k in formulas}
        super().__init__(name, shapes, formulas, **options)
        self.powers = powers
        self._public("logpdf", lambda *args: self._density(args, True), "x")
        self._public("pdf", lambda *args: self._density(args, False), "x")
        if "cdf" in formulas:
            log = {f"log{name}": self._logarithm(name) for name in ("cdf", "sf")}
            for name, below, above in (("cdf", 0, 1), ("sf", 1, 0), ("logcdf", -np.inf, 0), ("logsf", 0, -np.inf)):
                formula = formulas.get(name) or log[name]
                run = lambda *args, formula=formula, below=below, above=above: self._part(args, formula, below, above)  # noqa: E731
                self._public(name, run, "x")
        if "ppf" in formulas:
            self._public("ppf", self._quantile, "q")
        if "ppf" in formulas or self.draw:
            self._public("rvs", self._draws, None, size=None)

    def _logarithm(self, name: str) -> Formula:
        part, rest = (self.formulas[n] for n in ((name, "sf") if name == "cdf" else (name, "cdf")))
        return lambda z, *shapes: log_of_part(part(z, *shapes), rest(z, *shapes))

    def _standard(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """z, which is finite, with what it is in truth; the sound shapes and scale and where they are not."""
        x, *given, loc, scale = numbers(*args)
        valid, shapes, scale = self._sound(tuple(given), scale)
        if not np.any(bottom(np.isinf(x))):
            z = (x - loc) / scale
            return z, z, shapes, scale, valid
        z = (np.where(np.isinf(x), 0, x) - loc) / scale
        return z, np.where(np.isinf(x), x, z), shapes, scale, valid

    def _inner(self, low: Any, high: Any) -> Any:
        """A place inside of the support."""
        middle = np.where(np.isinf(high), low + 1, np.where(np.isinf(low), high - 1, 0.5 * (low + high)))
        return np.where(np.logical_and(np.isinf(low), np.isinf(high)), 0, middle)

    def _inside(self, formula: Formula, z: Any, inside: Any, shapes: tuple[Any, ...], ends: Any) -> Any:
        if np.all(bottom(inside)):
            return formula(z, *shapes)
        with np.errstate(invalid="ignore"):
            return formula(np.where(inside, z, astype(self._inner(*ends), z.dtype)), *shapes)

    def _density(self, args: tuple[Any, ...], logarithm: bool) -> Any:
        z, place, shapes, scale, valid = self._standard(args)
        low, high = ends = self._ends(shapes)
        powers = [p(*shapes) if callable(p) else p for p in self.powers]
        inside = np.logical_and(
            np.logical_and(place > -np.inf, place < np.inf),
            np.logical_and(
                np.logical_or(place > low, np.logical_and(place == low, powers[0] == 0)),
                np.logical_or(place < high, np.logical_and(place == high, powers[1] == 0)),
            ),
        )
        with np.errstate(over="warn" if logarithm else "ignore"):
            out = self._inside(self.formulas["logpdf"], z, inside, shapes, ends)
        if not logarithm and np.any(bottom(out < _UNDERFLOWS)):
            inside = np.logical_and(inside, out >= _UNDERFLOWS)
            out = self._inside(self.formulas["logpdf"], z, inside, shapes, ends)
        poles = np.logical_or(np.logical_and(place == low, powers[0] < 0), np.logical_and(place == high, powers[1] < 0))
        out = out - np.log(scale) if logarithm else np.exp(out) / scale
        outside = np.where(poles, np.inf, -np.inf if logarithm else 0)
        return _finished(out, inside, np.where(place != place, np.nan, outside), valid)

    def _part(self, args: tuple[Any, ...], formula: Formula, below: float, above: float) -> Any:
        z, place, shapes, _, valid = self._standard(args)
        low, high = ends = self._ends(shapes)
        inside = np.logical_and(place > low, place < high)
        out = self._inside(formula, z, inside, shapes, ends)
        outside = np.where(place <= low, below, np.where(place >= high, above, np.nan))
        return _finished(out, inside, outside, valid)

    def _quantile(self, *args: Any) -> Any:
        q, *given, loc, scale = numbers(*args)
        valid, shapes, scale = self._sound(tuple(given), scale)
        low, high = self._ends(shapes)
        inside = np.logical_and(q > 0, q < 1)
        out = self.formulas["ppf"](np.where(inside, q, 0.5), *shapes) * scale + loc
        ends = [np.where(np.isinf(end), end, np.where(np.isinf(end), 0, end) * scale + loc) for end in (low, high)]
        outside = np.where(q == 0, ends[0], np.where(q == 1, ends[1], np.nan))
        return _finished(out, inside, outside, valid)

    def _draws(self, *args: Any) -> Any:
        *parameters, size = args
        *shapes, loc, scale = numbers(*parameters)
        dtype = np.result_type(*(p.dtype for p in (*shapes, loc, scale)))
        shape = np.broadcast_shapes(*(np.shape(p) for p in (*shapes, loc, scale))) if size is None else size
        if self.draw:
            return self.draw(*shapes, shape, dtype) * scale + loc
        q = random.uniform(0.0, 1.0, shape, dtype=dtype)
        return self.formulas["ppf"](np.where(q == 0, np.finfo(dtype).tiny, q), *shapes) * scale + loc


class Discrete(_Family):
    """A family on whole numbers. The formulas are of k - loc and the shapes; the gradient in k is that of the formula
    with gamma functions in place of factorials, and cdf, which has steps, has none in it."""

    place = "k"
    moved = ("loc",)
    pmf: Callable[..., Tensor]
    logpmf: Callable[..., Tensor]
    cdf: Callable[..., Tensor]
    logcdf: Callable[..., Tensor]
    sf: Callable[..., Tensor]
    logsf: Callable[..., Tensor]
    rvs: Callable[..., Tensor]

    def __init__(self, name: str, shapes: tuple[str, ...], **formulas: Any) -> None:
        options = {k: formulas.pop(k) for k in _OPTIONS if k in formulas}
        super().__init__(name, shapes, formulas, **options)
        self._public("logpmf", self._logarithm, "k")
        self._public("pmf", lambda *args: np.exp(self._logarithm(*args)), "k")
        cdf, sf = formulas["cdf"], formulas["sf"]
        for part, formula, below, above in (
            ("cdf", cdf, 0, 1),
            ("sf", sf, 1, 0),
            ("logcdf", formulas.get("logcdf") or (lambda *args: log_of_part(cdf(*args), sf(*args))), -np.inf, 0),
            ("logsf", formulas.get("logsf") or (lambda *args: log_of_part(sf(*args), cdf(*args))), 0, -np.inf),
        ):
            run = lambda *args, formula=formula, below=below, above=above: self._part(args, formula, below, above)  # noqa: E731
            self._public(part, run, "k")
        if self.draw:
            self._public("rvs", self._draws, None, size=None)

    def _given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        k, *given, loc = numbers(*args)
        valid, shapes, _ = self._sound(tuple(given), 1)
        low, high = self._ends(shapes)
        return k - loc, shapes, valid, low, high

    def _logarithm(self, *args: Any) -> Any:
        k, shapes, valid, low, high = self._given(args)
        inside = np.logical_and(np.logical_and(k >= low, k <= high), np.logical_and(k == np.floor(k), k < np.inf))
        out = self.formulas["logpmf"](np.where(inside, k, low), *shapes)
        return _finished(out, inside, np.where(k != k, np.nan, -np.inf), valid)

    def _part(self, args: tuple[Any, ...], formula: Formula, below: float, above: float) -> Any:
        k, shapes, valid, low, high = self._given(args)
        inside = np.logical_and(k >= low, k < high)
        out = formula(np.floor(np.where(inside, k, low)), *shapes)
        outside = np.where(k < low, below, np.where(k >= high, above, np.nan))
        return _finished(out, inside, outside, valid)

    def _draws(self, *args: Any) -> Any:
        *shapes, loc, size = args
        return self.draw(*shapes, size) + loc


def _finished(out: Any, inside: Any, outside: Any, valid: Any) -> Any:
    """What was computed inside of the support, what is so outside of it, and NaN where there is no distribution."""
    out = np.where(inside, out, astype(lift(outside), out.dtype))
    return out if valid is None else np.where(valid, out, out.dtype.type(np.nan))
