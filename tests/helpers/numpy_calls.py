"""Sample calls of every function of NumPy's that is differentiable in some argument.

`CALLS` maps a qualified name ("numpy.take_along_axis", "numpy.linalg.det", "numpy.add.reduce") to a list of `Call`s.
They follow from the function's signature: what an argument of such a name takes is in `ARRAYS` and `WORDS`, what an
option takes in `OPTIONS`, and a call is one if NumPy itself takes it and gives finite numbers. Of functions whose
signatures do not say it, the strategies beside their definitions draw some (`implements(..., strategy=...)`); in
numpy_odd_calls.py are others.

    for name, calls in CALLS.items():
        function = qualified(name)
        for call in calls:
            call(function)                    # on NumPy's arrays
            call(function, x=Tensor(...))     # with some of them replaced
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from operator import itemgetter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

import pullback  # noqa: F401 - which defines the functions
from pullback.autograd.core.tensor import functions, strategies
from pullback.autograd.ops.nondifferentiable import constants
from pullback.autograd.testing.draw import drawn
from pullback.tests.helpers.calls import (
    HOLES,
    INDEX,
    MASK,
    POINTS,
    SPD,
    X0,
    Z2,
    A,
    B,
    C,
    Call,
    P,
    Q,
    S,
    T,
    U,
    V,
    W,
    Z,
    empty,
    flattened,
)
from pullback.tests.helpers.numpy_odd_calls import ODD

SPACES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft, "numpy.emath": np.emath}
OTHERS = {  # functions that give what is no smooth function of the first array, or is so but for signs
    *(np.argsort, np.empty_like, np.ones_like, np.zeros_like, np.full_like, np.unique_values),
    *(np.linalg.eig, np.linalg.eigh, np.linalg.svd, np.linalg.lstsq),
}

ONE = (A, P, U, P + 1, V, T, SPD, S, C)  # what is tried in turn for one array, and for two
TWO = ((A, B), (P, Q), (A, S), (T, S), (V, W), (S, V[:3]))
ARRAYS = {"val": Z, "z": Z, "q": np.array(0.37), "xp": POINTS, "fp": V, "u": V}  # of these names
SEQUENCES = ("arrays", "tup")  # of arrays
WORDS: dict[str, tuple[Any, ...]] = {  # what other arguments take
    "axis": (-1,), "axis1": (0,), "axis2": (-1,), "condition": (MASK, MASK[0]), "deg": (1,), "destination": (-1,),
    "dtype": (float,), "indices": ([0, 2, 2], INDEX), "indices_or_sections": ([1],), "kth": (1,),
    "new_shape": ((3, 5),), "obj": (1,), "pad_width": (1,), "repeats": (2,), "reps": (2,),
    "shape": ((3, -1), (4, 2, 3)), "shift": (2,), "source": (0,), "window_shape": (2,),
}  # fmt: skip
ARRAY_OPTIONS = dict.fromkeys(("append", "initial", "prepend", "to_begin", "to_end"), X0) | {"weights": P}
OPTIONS: dict[str, dict[str, Any]] = {  # option -> with which others it is tried
    "axis": {"axis": -1}, "axes": {"axes": (1, 0)}, "axis1": {"axis1": 1, "axis2": 0}, "bias": {"bias": True},
    "correction": {"correction": 1.5}, "ddof": {"axis": 1, "ddof": 1}, "decimals": {"decimals": 1},
    "deg": {"deg": True}, "dtype": {"axis": 1, "dtype": np.float64}, "edge_order": {"edge_order": 2},
    "full_matrices": {"full_matrices": False}, "include_initial": {"axis": -1, "include_initial": True},
    "increasing": {"increasing": True}, "initial": {"axis": 1, "where": MASK, "initial": 0.4}, "k": {"k": 1},
    "kind": {"axis": 0, "kind": "stable"}, "m": {"m": 2}, "n": {"n": 2, "axis": 0}, "nan": {"nan": 1.0},
    "norm": {"norm": "ortho"}, "offset": {"offset": 1}, "ord": {"ord": 1}, "order": {"order": "F"},
    "period": {"axis": 0, "period": 3.0}, "rowvar": {"rowvar": False}, "UPLO": {"UPLO": "U"}, "upper": {"upper": True},
    "where": {"axis": 1, "where": MASK},
}  # fmt: skip


SAME = settings(  # with a seed, whatever the speed of the machine
    max_examples=12, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
Argument = Callable[[dict[str, Any]], Any]  # what is given, of the arrays by their names


def results(call: Call, function: Any) -> list[Any] | None:
    """What NumPy gives for a call, or None where it does not take it or there are no, or not only, finite numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = list(flattened(call(function)))
    except Exception:
        return None
    numbers = [o for o in out if getattr(o, "dtype", np.dtype(bool)).kind in "fc"]
    return out if numbers and all(np.isfinite(o).all() for o in numbers) else None


def choices(p: inspect.Parameter) -> list[tuple[tuple[str, ...], Argument]]:
    """What may stand for a parameter: the names of arrays, and the argument made of them."""
    if p.name in WORDS:
        return [((), lambda xs, word=word: word) for word in WORDS[p.name]]
    if p.name in SEQUENCES:
        return [(("x", "y"), lambda xs: [xs["x"], xs["y"]])]
    return [((p.name,), itemgetter(p.name))]


def required(parameters: Iterable[inspect.Parameter]) -> list[list[tuple[tuple[str, ...], Argument]]]:
    """The choices for each argument without which there is no call."""
    by_place = [p for p in parameters if p.kind is not p.KEYWORD_ONLY and p.default is p.empty]
    rest = [p for p in by_place if p.kind is p.VAR_POSITIONAL]
    if by_place and by_place[0] in rest:
        return [[(("x",), itemgetter("x"))], [(("y",), itemgetter("y"))]]
    return [choices(p) for p in by_place if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def made(arguments: Sequence[Argument], arrays: dict[str, Any], shape: Any = None, **options: Any) -> Call:
    """The call with these arguments and options, arrays in ARRAY_OPTIONS among them, and for a shape with `out=`."""

    def run(f: Any, /, **xs: Any) -> Any:
        known = options | {name: x for name, x in xs.items() if name in ARRAY_OPTIONS}
        if shape is not None:
            known["out"] = empty(shape, *xs.values())
        return f(*(argument(xs) for argument in arguments), **known)

    return Call(run, **arrays)


def by_signature(function: Any) -> list[Call]:
    """The calls that a function's signature suggests, of those that NumPy takes."""
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # one that is built in has none before NumPy 2.4
        parameters = inspect.signature(functions[function]).parameters
    for form in product(*required(parameters.values())):
        names, arguments = [name for names, _ in form for name in names], [argument for _, argument in form]
        for xs in zip(ONE) if len(names) == 1 else TWO if len(names) == 2 else ():
            arrays = {name: ARRAYS.get(name, x) for name, x in zip(names, xs, strict=True)}
            if results(made(arguments, arrays), function):
                return with_options(function, arguments, arrays, parameters)
    return []


def with_options(function: Any, arguments: Any, arrays: dict[str, Any], parameters: Any) -> list[Call]:
    """The call without options, and with each one that is known, if NumPy takes it."""
    tried = [made(arguments, arrays)]
    for option in (name for name in parameters if name not in arrays):
        if option in OPTIONS:
            known = {key: value for key, value in OPTIONS[option].items() if key in parameters}
            tried.append(made(arguments, arrays, **known))
        if option in ARRAY_OPTIONS:
            tried.append(made(arguments, arrays | {option: ARRAY_OPTIONS[option]}))
    if "keepdims" in parameters and len(arrays) == 1:
        tried.append(made(arguments, dict.fromkeys(arrays, C), axis=(0, 2), keepdims=True))
    along = {"axis": -1} if "axis" in parameters else {}
    if function.__name__.startswith("nan") and len(arguments) == 1:
        tried.append(made([lambda xs: next(iter(xs.values())) + 0 * HOLES], arrays, **along))
    if "out" in parameters:
        out = (results(made(arguments, arrays, **along), function) or [np.empty(())])[0]
        arrays = dict.fromkeys(arrays, Z) if out.dtype.kind == "c" else arrays
        tried.append(made(arguments, arrays, np.shape(out), **along))
    return [call for call in tried if results(call, function)]


def of_ufunc(ufunc: np.ufunc) -> list[Call]:
    """The calls of a ufunc of one or two arrays, of those that NumPy takes."""
    names = ("x", "y")[: ufunc.nin]
    arguments = [itemgetter(name) for name in names]
    known = ({"x": x} for x in ONE[:4]) if ufunc.nin == 1 else (dict(zip(names, xs, strict=True)) for xs in TWO[:2])
    arrays = next((arrays for arrays in known if results(made(arguments, arrays), ufunc)), None)
    if arrays is None or ufunc.nout > 1 or ufunc.signature:
        return []
    x, y = arrays["x"], arrays.get("y")
    tried = [
        made(arguments, arrays),
        made(arguments, arrays, (2, 3)),
        made(arguments, arrays, dtype=np.float64),
        Call(
            lambda f, *, out, **xs: f(*xs.values(), out=out + empty(out.shape, *xs.values()), where=MASK),
            **arrays,
            out=C[0],
        ),
        made(arguments, dict(zip(names, (Z, Z2), strict=False))),
    ]
    if y is None:
        tried.append(made(arguments, {"x": x[0, 0]}))
    else:
        tried.append(made(arguments, {"x": x, "y": y[0]}))
        tried.append(Call(lambda f, x: f(x, 1.3), x=x))
        tried.append(Call(lambda f, y: f(0.8, y), y=y))
    return [call for call in tried if results(call, ufunc)]


def by_strategy(function: Any, strategy: Any) -> list[Call]:
    """Three calls of a function that a strategy draws, always the same."""
    found: list[Call] = []
    names = list(inspect.signature(functions[function]).parameters)

    @seed(0)
    @settings(SAME)
    @given(drawn(strategy))
    def collect(example: Any) -> None:
        arguments, options = example
        arrays = {
            name if argument is x else f"{name}{i}": x
            for name, argument in zip(names, arguments, strict=False)
            for i, x in enumerate(flattened(argument))
            if is_array(x)
        }
        if arrays and all(x.size for x in arrays.values()):
            found.append(Call(lambda f, **xs: f(*filled(arguments, iter(xs.values())), **options), **arrays))

    collect()
    return found[:3]


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def filled(value: Any, arrays: Iterator[Any]) -> Any:
    """Nested arguments, with these in the place of the arrays."""
    if isinstance(value, (tuple, list)):
        return type(value)(filled(part, arrays) for part in value)
    return next(arrays) if is_array(value) else value


def differentiable() -> Iterator[tuple[str, Any]]:
    """NumPy's functions that run on Tensors and are no constants, by their qualified names."""
    for space, module in SPACES.items():
        for name, function in sorted(vars(module).items()):
            handler = functions.get(function) if callable(function) and name[0] != "_" else None
            if handler is not None and handler not in constants and function not in OTHERS:
                yield f"{space}.{name}", function


def samples() -> dict[str, list[Call]]:
    """The calls that follow from signatures and strategies, and the odd ones."""
    found: dict[str, list[Call]] = {}
    for name, function in differentiable():
        if function in strategies:
            calls = by_strategy(function, strategies[function])
        else:
            calls = of_ufunc(function) if isinstance(function, np.ufunc) else by_signature(function)
        found[name] = calls if name.endswith(f".{function.__name__}") else calls[:1]  # another name of it
        if isinstance(function, np.ufunc) and function.nin == 2:
            found[f"{name}.outer"] = calls[:1]
    for name, calls in ODD.items():
        found[name] = found.get(name, []) + calls
    return {name: calls for name, calls in found.items() if calls}


CALLS = samples()
