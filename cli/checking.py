"""`pullback check`: the gradients of a user's function."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..testing import GradcheckError, gradcheck, gradgradcheck
from .mistakes import Mistake, nearest

__all__ = ["check"]


def check(options: argparse.Namespace) -> int:
    """Check a function's gradients; 1 if they are wrong."""
    place, _, name = options.function.partition("::")
    module = _module(place)
    functions = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    functions = {n: f for n, f in functions.items() if n != "inputs" and n[0] != "_"}
    if not name:
        raise Mistake(f"which function? Write {place}::{next(iter(functions), 'NAME')}")
    if not callable(function := getattr(module, name, None)):
        raise Mistake(f"{place!r} has no function {name!r}{nearest(name, functions)}")
    inputs = tuple(_tensor(x) for x in _called(place, _inputs, place, module, name, function))
    if not any(x.requires_grad for x in inputs):
        raise Mistake(f"{name}: no input is a float or complex number or array, so that there is no gradient")
    try:
        passed = _called(place, gradcheck, function, inputs, check_forward=options.forward)
        print(f"{name}: {passed}")
        if options.second_order:
            print(f"{name}, second order: {_called(place, gradgradcheck, function, inputs)}")
    except GradcheckError as error:
        print(f"{name}: wrong\n{error}")
        return 1
    return 0


def _module(place: str) -> ModuleType:
    """The user's file, as Python runs it: what lies beside it can be imported."""
    path = Path(place)
    if not path.is_file():
        raise Mistake(f"there is no file {place!r}")
    spec = importlib.util.spec_from_file_location(f"{path.stem}_to_check", path.resolve())
    if spec is None or spec.loader is None:
        raise Mistake(f"{place!r} is no file of Python (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        _called(place, spec.loader.exec_module, module)
    finally:
        del sys.path[0]
    return module


def _inputs(place: str, module: ModuleType, name: str, function: Callable[..., Any]) -> tuple[Any, ...]:
    """Where to check: the defaults of all arguments, or what the file's function `inputs` gives."""
    parameters = inspect.signature(function).parameters.values()
    given = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if given and all(p.default is not p.empty for p in given):
        return tuple(p.default for p in given)
    if not callable(make := getattr(module, "inputs", None)):
        raise Mistake(
            f"where is {name} to be checked? Give its arguments defaults, as {name}(x=np.ones(3)), or {place!r} a "
            "function inputs() that returns them, an array or a tuple"
        )
    found = make()
    return found if isinstance(found, tuple) else (found,)


def _tensor(value: Any) -> Tensor:
    """An input, with a gradient if it may have one."""
    if isinstance(value, Tensor):
        return value if value.requires_grad or value.dtype.kind not in "fc" else Tensor(value, requires_grad=True)
    array = np.asarray(value)
    return Tensor(array, requires_grad=array.dtype.kind in "fc")


def _called(place: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call what runs the user's code; Mistake, with the line in the user's file, for an error in it."""
    try:
        return function(*args, **options)
    except (GradcheckError, Mistake):
        raise
    except SyntaxError as error:
        raise Mistake(f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}") from error
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == Path(place).resolve()]
        where = f"{place}:{frames[-1].lineno}" if frames else place
        raise Mistake(f"{where}: {type(error).__name__}: {error}") from error
