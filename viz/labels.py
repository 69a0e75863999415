"""Words and numbers for pictures: names, shapes, values, norms, options of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from .form import Operation, Value

SMALL = 4  # tensors of up to so many entries are shown with their values
_LONGEST = 60  # characters of a name
INFIX = {"subtract": "−", "divide": "÷", "matmul": "@", "power": "**"}
SYMBOLS = {
    "add": "+",
    "multiply": "×",
    "negative": "−",
    "affine": "linear",
    "class_cross_entropy": "cross_entropy",
    **INFIX,
}
SYMMETRIC = {"add", "multiply", "maximum", "minimum", "hypot", "logaddexp"}
_QUIET = {"stride": 1, "padding": 0, "dilation": 1}  # what is not said of windows where it is so


def number(value: Any) -> str:
    """A number of four digits, with a real minus sign; integers and bools whole."""
    whole = isinstance(value, (bool, np.bool_, int, np.integer))
    return (str(value) if whole else f"{value:.4g}").replace("-", "−")


def numbers(values: Any) -> str:
    """A number, or a nest of brackets of them."""
    if np.ndim(values):
        return f"[{' '.join(map(numbers, values))}]"
    return number(values)


def norm(values: Any) -> Any:
    """The Euclidean norm in double precision, scaled: no square is too small or too large."""
    sizes = np.abs(np.asarray(values, np.result_type(values, np.float64)))
    largest = sizes.max(initial=0)
    return largest * np.linalg.norm(sizes / largest) if 0 < largest < np.inf else largest


def statistics(values: Any) -> str:
    """Least, mean and largest entry, and how many are NaN or infinite, if any."""
    values = np.asarray(values)
    if values.dtype.kind == "c":
        values = np.abs(values)
    if values.size == 1:
        return number(values.item())
    finite = values[np.isfinite(values)].astype(np.float64)
    parts = [f"{number(finite.min())} … {number(finite.max())}, mean {number(finite.mean())}"] if finite.size else []
    for name, count in (("NaN", np.isnan(values).sum()), ("Inf", np.isinf(values).sum())):
        if count:
            parts.append(f"{count} {name}")
    return ", ".join(parts) or "empty"


def shape(value: Value) -> str:
    """As in `(4, 3) float32`; nothing of what was not recorded."""
    return "" if value.shape is None else f"{value.shape} {value.dtype}"


def name(names: Iterable[str]) -> str:
    """Names as one, printable, a long one without its middle: beginning and end tell it from others."""
    return shortened(printable(" = ".join(names)))


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int = _LONGEST) -> str:
    if len(text) <= longest:
        return text
    head = (longest - 1) // 3
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def minus(text: str) -> str:
    """Text with real minus signs before numbers and in their exponents."""
    return re.sub(r"(?<![\w)\]-])-(?=\.?\d|inf)|(?<=\de)-(?=\d)", "−", text)


def lines(text: str, longest: int = 44) -> list[str]:
    """A list with commas, on as many lines as it needs, with real minus signs."""
    text = minus(text)
    found = [""]
    for part in text.split(", "):
        if found[-1] and len(found[-1]) + len(part) > longest:
            found[-1] += ","
            found.append("")
        found[-1] += f", {part}" if found[-1] else part
    return list(map(shortened, found))


def duration(seconds: float) -> str:
    """A time, as in `12.3 µs`."""
    unit, size = next(((unit, size) for unit, size in (("s", 1.0), ("ms", 1e-3)) if seconds >= size), ("µs", 1e-6))
    return f"{seconds / size:.3g} {unit}"


def size(count: float) -> str:
    """A number of bytes, as in `1.5 MB`, of a thousand thousand."""
    for unit, large in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * large:  # three digits of less are not a thousand
            return f"{count / large:.3g} {unit}"
    return f"{count:.0f} B"


def symbol(operation: Operation) -> str:
    """What stands for an operation: +, ×, or its name."""
    return SYMBOLS.get(operation.name, operation.name)


def role(operation: Operation, position: int) -> str:
    """The name of an argument, where the arguments are not alike."""
    if operation.name in SYMMETRIC or len(operation.arguments) == 1:
        return ""
    if operation.name in INFIX:
        return "" if is_inlined(operation.arguments[1 - position].value) else ("left", "right")[position]
    return operation.arguments[position].role


def is_inlined(value: Value) -> bool:
    """Whether a value is told in the text of its operation."""
    return value.kind == "constant" and value.maker is None and value.shape in ((), None) and not value.names


def inlined(operation: Operation) -> list[str]:
    """Scalar constants, as part of an operation's text."""
    found = []
    for i, (_, value) in enumerate(operation.arguments):
        if is_inlined(value):
            text = "…" if value.data is None else number(value.data)
            found.append(f"({text} left)" if i == 0 and operation.name in INFIX else text)
    return found


def options(operation: Operation) -> list[str]:
    """An operation's options as text, but those that are as they mostly are."""
    found: dict[str, Any] = {}
    for key, value in operation.options.items():
        if hasattr(value, "kernel"):  # the geometry of windows
            found |= geometry(value)
        elif value is not None and _USUAL.get(key) != value:
            found[key] = value
    return [f"{key}={shortened(printable(minus(text(value))), 40)}" for key, value in found.items()]


def geometry(geo: Any) -> dict[str, Any]:
    """What windows have: the kernel, and what is not as it mostly is; what is alike in all directions as one number."""
    found = {"kernel": _even(geo.kernel)} | {key: _even(getattr(geo, key)) for key in _QUIET}
    return {key: value for key, value in found.items() if _QUIET.get(key) != value}


def _even(values: Any) -> Any:
    flat = np.unique(np.asarray(values)).tolist()
    return flat[0] if len(flat) == 1 else values


def text(value: Any) -> str:
    """An option's value."""
    if isinstance(value, slice):
        parts = ["" if part is None else str(part) for part in (value.start, value.stop, value.step)]
        return ":".join(parts[:2] if value.step is None else parts)
    if isinstance(value, tuple):
        return f"({', '.join(map(text, value))}{',' if len(value) == 1 else ''})"
    if value is Ellipsis:
        return "..."
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return number(value) if isinstance(value, float) else str(value)


_USUAL = {"keepdims": False, "correction": 0, "groups": 1, "order": "C", "mean": True}
