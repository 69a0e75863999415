"""Counts what type checkers know of the public functions.

Mypy itself is asked, through its tree of the package: for each name in the `__all__` of the faces, what a user's
program is told of a function, of a Primitive or another object by its `__call__`, and of a class by its methods and
properties that are not private, those of its bases in the package, too. Counted is each parameter (but for the one
that is bound) and each result, in all overloads, once for what is there by several names. `Any` are those that are
Any, have an Any in them (in a union, a tuple, the values of a dict, the arguments of a callable ...), or have no
annotation. A shape or a dtype that is not known (`np.ndarray[Any, Any]`, NumPy's `DTypeLike`) does not count, nor do
the bounds of a slice and the dots of a parameter `Callable[..., Tensor]`.

    python tests/helpers/counted_types.py ROOT...     where ROOT/pullback is the package; lists what is Any, and counts
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator

from mypy.build import BuildSource, build
from mypy.nodes import Decorator, FuncDef, Node, OverloadedFuncDef, TypeInfo, Var
from mypy.options import Options
from mypy.subtypes import find_member
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Overloaded,
    TupleType,
    Type,
    TypeAliasType,
    TypeType,
    UnionType,
    get_proper_type,
)

FACES = (
    "pullback", "pullback.extend", "pullback.fft", "pullback.linalg", "pullback.nn", "pullback.nn.data",
    "pullback.nn.data.transforms", "pullback.nn.datasets",
    "pullback.nn.functional", "pullback.nn.init", "pullback.nn.utils", "pullback.nn.utils.parametrizations",
    "pullback.nn.utils.parametrize", "pullback.nn.utils.rnn", "pullback.optim", "pullback.optim.lr_scheduler",
    "pullback.optim.swa_utils", "pullback.random", "pullback.special", "pullback.testing",
    "pullback.testing.strategies", "pullback.viz",
)  # fmt: skip

Place = tuple[str, str, bool]  # a function, its parameter or "->", and whether that is Any


def counted(roots: list[str], cache: str) -> list[Place]:
    """All places, sorted."""
    options = Options()
    options.mypy_path, options.cache_dir, options.incremental, options.python_version = roots, cache, True, (3, 12)
    options.ignore_missing_imports, options.ignore_errors, options.python_executable = True, True, sys.executable
    faces = {face: importlib.import_module(home(face)) for face in FACES}
    result = build([BuildSource(None, home(face)) for face in faces], options)
    found: set[Place] = set()
    for face, module in faces.items():
        names = result.files[home(face)].names
        for name in getattr(module, "__all__", ()):
            if name in names and names[name].node is not None:
                found.update(of(names[name].node, f"{face}.{name}"))
    return sorted(found)


def home(face: str) -> str:
    """The module of a face: `testing` is a module on top of a package, `random` is in `ops`."""
    found = face.replace("pullback.testing.", "pullback.autograd.testing.")
    return found.replace("pullback.random", "pullback.autograd.ops.random")


def of(node: Node | None, name: str) -> Iterator[Place]:
    """The places of what a name stands for."""
    if isinstance(node, TypeInfo):
        for info in node.mro:
            if info.fullname.startswith("pullback."):
                for part, symbol in info.names.items():
                    if not (part.startswith("_") and not part.endswith("__")) and not isinstance(symbol.node, TypeInfo):
                        yield from of_method(symbol.node, f"{info.fullname}.{part}")
    elif isinstance(node, (FuncDef, OverloadedFuncDef)):
        yield from of_type(node.type, node.fullname)
    elif isinstance(node, Decorator):
        yield from of_type(node.var.type, node.fullname)
    elif isinstance(node, Var):
        yield from of_type(node.type, node.fullname or name)


def of_method(node: Node | None, name: str) -> Iterator[Place]:
    if isinstance(node, OverloadedFuncDef) and node.is_property:
        for item in node.items:
            yield from of_method(item, name)
    elif isinstance(node, Decorator):
        bound = not node.func.is_static
        yield from of_type(node.func.type if node.func.is_property else node.var.type or node.func.type, name, bound)
    elif isinstance(node, (FuncDef, OverloadedFuncDef)):
        yield from of_type(node.type, name, not node.is_static)


def of_type(given: Type | None, name: str, bound: bool = False) -> Iterator[Place]:
    """The places of a type; of one without parameters only if it is none that mypy knows."""
    found = get_proper_type(given)
    if isinstance(found, Overloaded):
        for item in found.items:
            yield from of_type(item, name, bound)
    elif isinstance(found, CallableType):
        kinds = list(zip(found.arg_names, found.arg_types, strict=True))[bound:]
        for position, (parameter, kind) in enumerate(kinds):
            yield name, parameter or str(position), has_any(kind)
        if not name.endswith(".__init__"):
            yield name, "->", has_any(found.ret_type)
    elif isinstance(found, Instance):
        yield from of_type(find_member("__call__", found, found), name)
    elif isinstance(found, AnyType):
        yield name, "->", True


def has_any(given: Type) -> bool:
    if isinstance(given, TypeAliasType) and given.alias is not None and given.alias.fullname.startswith("numpy."):
        return False
    found = get_proper_type(given)
    parts: list[Type] = []
    if isinstance(found, Instance) and not found.type.fullname.startswith(("numpy.", "builtins.slice")):
        parts = list(found.args)
    elif isinstance(found, (UnionType, TupleType)):
        parts = list(found.items)
    elif isinstance(found, CallableType):
        parts = [*([] if found.is_ellipsis_args else found.arg_types), found.ret_type]
    elif isinstance(found, Overloaded):
        parts = list(found.items)
    elif isinstance(found, TypeType):
        parts = [found.item]
    return isinstance(found, AnyType) or any(map(has_any, parts))


if __name__ == "__main__":
    places = counted(sys.argv[1:], os.devnull)
    for function, parameter, is_any in places:
        if is_any:
            print(function, parameter)
    print(f"{sum(is_any for *_, is_any in places)} of {len(places)} are Any")
