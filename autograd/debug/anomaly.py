"""`detect_anomaly`: finds the operation that made the first NaN or Inf, and the line of the user's code."""

from __future__ import annotations

import sys
from itertools import islice
from traceback import StackSummary, walk_stack
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..core.graph import Node, mode
from ..core.observers import Observer, arrays, nodes

__all__ = ["detect_anomaly"]

_PACKAGE = __name__.partition(".")[0]
_LINES = 4  # of the user's callers, innermost last
_recorded: WeakKeyDictionary[Node, tuple[str, StackSummary]] = WeakKeyDictionary()  # the call, and the user's lines


def detect_anomaly() -> mode:
    """Raise FloatingPointError at the first NaN or Inf, in this context (or decorated function) and thread.

    It names the operation, shapes and dtypes, in a backward pass the argument whose gradient it was, and the lines of
    the user's code that recorded it, if that was in such a context, too. What counts is what goes from one operation to
    the next, not what a primitive or a rule computes in between:

    - forward, in values and in tangents, every NaN, and an Inf unless an argument has one already, as a mask of -inf;
    - backward every NaN and Inf, in a gradient that an operation passes on or that comes together in a leaf.

    A NaN in an argument, which no operation made, counts, and the error says so. The graph of a forward pass outside of
    the context knows no lines; nothing is slower there.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0, 0.0])
    >>> with np.errstate(all="ignore"), detect_anomaly():
    ...     x / x
    Traceback (most recent call last):
    FloatingPointError: divide(a float64 (2,), b float64 (2,)) gave NaN in 1 of 2 entries...
    """
    return mode(observers=lambda observers: (*observers, _Anomalies()))


class _Anomalies(Observer):
    def ran(
        self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any], out: Any, seconds: float | None
    ) -> None:
        names = [_argument(primitive, i) for i in range(len(args))]
        call = f"{primitive.name}({', '.join(map(_described, names, args))})"
        place = _place()
        for node in nodes(out):
            _recorded.setdefault(node, (call, place))
        if seconds is None:
            return
        made = _faults(out)
        given = {name: _faults(x) for name, x in zip([*names, *options], [*args, *options.values()], strict=True)}
        if "NaN" in made or made - set().union(*given.values()):
            raise FloatingPointError(f"{call} gave {_counted(out)}" + _already(given, made) + _at(place))

    def pulled(
        self, rule: Any, node: Node, g: Any, saved: tuple[Any, ...], cotangent: Any, seconds: float | None
    ) -> None:
        if seconds is None:
            return
        call, place = _recorded.get(node, (f"{node.primitive.name}(...)", None))
        if _faults(g):
            raise FloatingPointError(f"the gradient of the result of {call} has {_counted(g)}: " + _SUM + _at(place))
        if made := _faults(cotangent):
            argument = _described(_argument(rule.primitive, rule.position), cotangent)
            given = {f"{name}, which was kept,": _faults(x) for name, x in zip(rule.needs, saved, strict=True)}
            raise FloatingPointError(
                f"backward of {call} gave {_counted(cotangent)} of the gradient of {argument}"
                + _already(given, made)
                + _at(place)
            )

    def arrived(self, node: Node, g: Any) -> None:
        if _faults(g):
            raise FloatingPointError(f"the gradient of a leaf has {_counted(g)} of {_described('', g)}: " + _SUM)


_SUM = "every operation passed on finite numbers, so it was given to backward, made by a hook, or is a sum too large"


def _faults(x: Any) -> set[str]:
    """Which of NaN and Inf occur."""
    found: set[str] = set()
    for array in arrays(x):
        if not np.isfinite(array).all():
            found |= {name for name, test in (("NaN", np.isnan), ("Inf", np.isinf)) if np.any(test(array))}
    return found


def _counted(x: Any) -> str:
    bad = [np.logical_not(np.isfinite(array)) for array in arrays(x)]
    return f"{' and '.join(sorted(_faults(x)))} in {sum(map(np.sum, bad))} of {sum(map(np.size, bad))} entries"


def _already(given: dict[str, set[str]], made: set[str]) -> str:
    """For an error: which arguments had NaN or Inf already."""
    said = [f"{name} has {' and '.join(sorted(faults))} already" for name, faults in given.items() if faults]
    came = any("NaN" in faults for faults in given.values()) and "NaN" in made
    return "".join(f"; {text}" for text in said) + (" (it came in: no operation here made it)" if came else "")


def _argument(primitive: Any, position: int) -> str:
    names = primitive.arrays
    return names[position] if position < len(names) else f"{primitive.variadic}[{position - len(names)}]"


def _described(name: str, x: Any) -> str:
    return f"{name} {x.dtype} {x.shape}".strip() if hasattr(x, "dtype") else f"{name}={x!r}"


def _place() -> StackSummary:
    """The user's lines that led here, as in a traceback."""
    frames = ((frame, line) for frame, line in walk_stack(sys._getframe()) if not _ours(frame))
    lines = StackSummary.extract(islice(frames, _LINES), lookup_lines=False)
    lines.reverse()
    return lines


def _ours(frame: Any) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE


def _at(place: StackSummary | None) -> str:
    if place is None:
        return "\n(recorded outside of detect_anomaly: run the forward pass inside, too, to be told where)"
    return "\nrecorded at\n" + "".join(place.format()).rstrip()
