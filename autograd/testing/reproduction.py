"""Python code that makes once more what was checked: arrays, and functions, by an import or from their source."""

from __future__ import annotations

import ast
import inspect
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np


def literal(x: Any) -> str:
    """Python code for an array (or number), to the last bit; up to 1,000 entries, more only by shape."""
    x = np.asarray(x)
    if x.size > 1000:
        return f"np.ones({x.shape}, np.{x.dtype})"
    if not x.size:
        return f"np.zeros({x.shape}, np.{x.dtype})"
    text = np.array2string(x, separator=", ", threshold=sys.maxsize, floatmode="unique", max_line_width=sys.maxsize)
    text = " ".join(text.split()).replace("nan", "np.nan").replace("inf", "np.inf")
    name = "bool" if x.dtype.kind == "b" else str(x.dtype)
    return f"np.array({text}{'' if x.dtype == np.float64 else f', np.{name}'})"


def named(f: Any, name: str = "f") -> list[str]:
    """Lines of Python that give a function its name: an import, or its source and what that needs, or else a comment
    that says where to find it."""
    called = getattr(f, "__qualname__", getattr(f, "__name__", ""))
    imported = _imported(f, called, name, getattr(f, "__module__", None))
    if imported:
        return [imported]
    try:
        return [*_needed(f, name), *_source(f, name)]
    except (AttributeError, OSError, SyntaxError, RecursionError):  # no function of Python, or no file
        return [f"# {name} is {called or 'the ' + type(f).__name__}{_place(f) or ' that was given'}"]


def _imported(value: Any, attribute: str, name: str, *modules: str | None) -> str | None:
    """An import of the value, as the attribute of one of the modules, by a name."""
    for module in (*modules, __package__.split(".")[0]):
        known = module != "__main__" and attribute.isidentifier()
        if known and getattr(sys.modules.get(module or ""), attribute, None) is value:
            return f"from {module} import {attribute}{'' if attribute == name else f' as {name}'}"
    return None


def _place(f: Any) -> str:
    try:
        return f" of {inspect.getsourcefile(f)}, line {inspect.getsourcelines(f)[1]}"
    except (TypeError, OSError):
        return ""


def _source(f: Any, name: str) -> list[str]:
    """The definition of a function, or the one lambda in its file whose body is where the code says."""
    code = f.__code__
    places = {(line, column) for line, _, column, _ in code.co_positions()}
    for node in ast.walk(ast.parse("".join(inspect.findsource(f)[0]))):
        if isinstance(node, ast.Lambda) and (node.body.lineno, node.body.col_offset) in places:
            return [f"{name} = {ast.unparse(node)}"]
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                node.decorator_list = []
                return [*ast.unparse(node).splitlines(), *([f"{name} = {node.name}"] if node.name != name else [])]
    raise OSError


def _names(code: CodeType) -> set[str]:
    """What the code, and that of functions inside, calls by name."""
    return {*code.co_names}.union(*(_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _needed(f: Any, taken: str) -> list[str]:
    """What a function takes from its surroundings; OSError where that has the name that it is to get."""
    lines = []
    around = {name: f.__globals__[name] for name in sorted(_names(f.__code__)) if name in f.__globals__}
    around |= inspect.getclosurevars(f).nonlocals
    if around.pop(taken, f) is not f:
        raise OSError
    for name, value in around.items():
        imported = _imported(value, name, name, f.__module__, getattr(value, "__module__", None))
        if isinstance(value, ModuleType):
            lines.append(f"import {value.__name__}{'' if value.__name__ == name else f' as {name}'}")
        elif imported:
            lines.append(imported)
        elif isinstance(value, (np.ndarray, np.generic)):
            lines.append(f"{name} = {literal(value)}")
        elif isinstance(value, (bool, int, float, complex, str)):
            lines.append(f"{name} = {value!r}")
        elif isinstance(value, FunctionType):
            lines += named(value, name) if value is not f else []
        else:
            lines.append(f"# {name} is {type(value).__name__}, as it was")
    return lines
