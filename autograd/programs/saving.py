"""Programs as files without code in them: JSON for the operations, by their names, and arrays beside it, in one NPZ."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.primitive import Primitive, registry
from ..core.tensor import functions
from ..core.tracing import raw
from ..kernels.geometry import Geometry
from .branches import Choice, Loop
from .inner import Inner, Scan
from .program import ARRAY, Equation, Program, Slot

__all__ = ["load_program", "save_program"]

_VERSION = 1
_HOLDERS: dict[str, Callable[..., Inner]] = {"Scan": Scan, "Choice": Choice, "Loop": Loop}
_DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, EOFError, zipfile.BadZipFile)


def save_program(program: Program, path: str | os.PathLike[str]) -> None:
    """Write a program into a file, from which `load_program` gives one that does the same.

    Tensors from outside are written as the constants that they are now. TypeError, with the line, for what is no data:
    random draws, what is done to Tensors outside, and functions that are neither primitives nor NumPy's.

    >>> import tempfile
    >>> from pullback import Tensor, program
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_program(program(lambda x: x * 2)(Tensor(1.0)), f"{folder}/double.npz")
    ...     load_program(f"{folder}/double.npz")(Tensor(4.0))
    Tensor(8.)
    """
    arrays: dict[str, Any] = {}
    text = json.dumps({"version": _VERSION, "program": _written(program, arrays)}, allow_nan=False)
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, program=np.frombuffer(text.encode(), np.uint8), **arrays)


def load_program(path: str | os.PathLike[str]) -> Program:
    """Read the program that `save_program` wrote; ValueError for a file that is damaged or is none.

    Nothing in a file is run but primitives that are registered, and NumPy's functions on arrays.
    """
    try:
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        content = json.loads(arrays.pop("program").tobytes())
        if content["version"] != _VERSION:
            raise ValueError(f"of version {content['version']}, and {_VERSION} is known here")
        return _program(content["program"], arrays)
    except _DAMAGE as error:
        raise ValueError(f"load_program: {os.fspath(path)!r} is no program, or damaged: {error}") from error


def _written(program: Program, arrays: dict[str, Any]) -> Any:
    constants = {slot: raw(source.now) for slot, source in program.captured.items()} | dict(program.constants)
    return {
        "name": program.name,
        "form": _data(program.form, arrays),
        "inputs": _data(program.inputs, arrays),
        "constants": [[_data(slot, arrays), _data(np.asarray(x), arrays)] for slot, x in constants.items()],
        "equations": [_equation(equation, program.name, arrays) for equation in program.equations],
        "outputs": _data(program.outputs, arrays),
    }


def _equation(equation: Equation, name: str, arrays: dict[str, Any]) -> Any:
    try:
        parts = (equation.args, dict(equation.options), equation.outputs)
        return [_operation(equation, arrays), *(_data(part, arrays) for part in parts), equation.line]
    except TypeError as error:
        raise TypeError(f"save_program: {name}: {equation.line}: {error}") from None


def _operation(equation: Equation, arrays: dict[str, Any]) -> Any:
    operation: Any = equation.operation
    if isinstance(operation, Inner):
        made, given = operation.__reduce__()
        return {"$inner": [made.__name__, _data(tuple(given), arrays)]}  # type: ignore[attr-defined, arg-type]
    if isinstance(operation, Primitive):
        return {"$primitive": operation.name}
    if not equation.effect and _numpys().get(_full_name(operation)) is operation:
        return {"$numpy": _full_name(operation)}
    raise TypeError(f"{equation.name} cannot be saved, as it is no operation on arrays by a known name")


def _full_name(function: Any) -> str:
    return f"{getattr(function, '__module__', None) or 'numpy'}.{getattr(function, '__name__', '')}"


def _numpys() -> dict[str, Any]:
    """NumPy's functions that a file can name: ufuncs, and those that run on Tensors, but none that touches files."""
    ufuncs = [f for f in vars(np).values() if isinstance(f, np.ufunc)]
    return {
        _full_name(f): f for f in (*functions, *ufuncs) if not _full_name(f).startswith(("numpy.save", "numpy.load"))
    }


def _data(x: Any, arrays: dict[str, Any]) -> Any:
    """A nest of slots, constants and options as what JSON has; arrays go beside it."""
    if x is None or isinstance(x, (bool, str)) or type(x) is int:
        return x
    if isinstance(x, list):
        return [_data(part, arrays) for part in x]
    if isinstance(x, Slot):
        return {"$slot": [x.number, list(x.shape), x.dtype.str]}
    if isinstance(x, Geometry):
        return {"$windows": [_data(part, arrays) for part in x]}
    if type(x) is tuple:
        return {"$tuple": [_data(part, arrays) for part in x]}
    if type(x) is dict:
        return {"$dict": [[_data(key, arrays), _data(part, arrays)] for key, part in x.items()]}
    if type(x) is float:
        return {"$float": x.hex()}
    if isinstance(x, (np.ndarray, np.generic, complex)):
        arrays[f"a{len(arrays)}"] = np.asarray(x, order="C")
        kind = "$array" if isinstance(x, np.ndarray) else "$complex" if type(x) is complex else "$scalar"
        return {kind: f"a{len(arrays) - 1}"}
    if isinstance(x, slice):
        return {"$slice": [_data(part, arrays) for part in (x.start, x.stop, x.step)]}
    if isinstance(x, np.dtype) or isinstance(x, type) and issubclass(x, (np.generic, bool, int, float, complex)):
        return {"$dtype" if isinstance(x, np.dtype) else "$type": np.dtype(x).str}
    if x is Ellipsis or x is ARRAY:
        return {"$dots" if x is Ellipsis else "$here": None}
    if isinstance(x, Program):
        return {"$program": _written(x, arrays)}
    raise TypeError(f"{x!r} of type {type(x).__name__} cannot be saved")


def _program(content: Any, arrays: dict[str, Any]) -> Program:
    read = lambda x: _read(x, arrays)  # noqa: E731
    equations = tuple(
        Equation(_named(operation, arrays), read(args), read(options), read(outputs), line=line)
        for operation, args, options, outputs, line in content["equations"]
    )
    constants = {read(slot): read(value) for slot, value in content["constants"]}
    parts = read(content["form"]), read(content["inputs"]), equations, read(content["outputs"])
    return Program(content["name"], *parts, constants=constants).verified()


def _named(x: Any, arrays: dict[str, Any]) -> Any:
    ((kind, name),) = x.items()
    if kind == "$inner":
        return _HOLDERS[name[0]](*_read(name[1], arrays))
    return registry[name] if kind == "$primitive" else _numpys()[name]


def _read(x: Any, arrays: dict[str, Any]) -> Any:
    """What `_data` made this of."""
    if isinstance(x, list):
        return [_read(part, arrays) for part in x]
    if not isinstance(x, dict):
        return x
    ((kind, content),) = x.items()
    made: dict[str, Callable[[], Any]] = {
        "$slot": lambda: Slot(content[0], tuple(content[1]), np.dtype(content[2])),
        "$windows": lambda: Geometry(*_read(content, arrays)),
        "$tuple": lambda: tuple(_read(content, arrays)),
        "$dict": lambda: {_read(key, arrays): _read(part, arrays) for key, part in content},
        "$float": lambda: float.fromhex(content),
        "$array": lambda: arrays[content],
        "$scalar": lambda: arrays[content][()],
        "$complex": lambda: complex(arrays[content]),
        "$slice": lambda: slice(*_read(content, arrays)),
        "$dtype": lambda: np.dtype(content),
        "$type": lambda: np.dtype(content).type,
        "$dots": lambda: Ellipsis,
        "$here": lambda: ARRAY,
        "$program": lambda: _program(content, arrays),
    }
    return made[kind]()
