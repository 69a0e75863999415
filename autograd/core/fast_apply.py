"""The code that runs when a primitive is called, written out for each."""

from __future__ import annotations

import itertools
from types import FunctionType
from typing import Any
from weakref import ref

import numpy as np

from ..runtime.generated import run
from .aliasing import leases, own, owned
from .conversion import lift
from .graph import COMPUTE, TRANSFORM, Node, modes
from .rule import shape_of
from .tensor import Tensor, as_data
from .views import more

_SCALARS = (t for t in np.sctypeDict.values() if issubclass(t, (np.number, np.bool)))
PLAIN = frozenset((bool, int, float, complex, type(None), *_SCALARS))  # what functions take as it is

_versions = itertools.count()

# What is added for a primitive that gives views, of the array {x}: `shares` and `link` of views.py, written out, which
# halves their time. No other thread has a turn between a question and the assignment, as nothing is called there.
_SHARES = """\
        _of = out.base
        if (_of is {x} or out is {x} or _of is not None and _of is {x}.base) and _base is not None: _memory = out"""
_LINK = """\
    if _memory is not None:
        _result._held, _result._view, _known = _memory, (_base, _primitive, {options}), _ref(_result)
        _only = _base._views
        if _only is None or _only.__class__ is _ref and _only() is None and _base._views is _only: _base._views = _known
        else: _more(_base, _known)"""


def scalar(out: Any) -> Any:
    """A result, as a NumPy scalar if it is 0-d."""
    if out.__class__ is complex:  # as 1j * float64 gives
        return np.complex128(out)
    return out[()] if out.__class__ is np.ndarray and not out.ndim else out


def _taken(x: Any, lifted: bool) -> tuple[bool, Node | None, Any]:
    """Whether there is a Tensor among the arguments by now, the node and the array of what can be one."""
    x = lift(x)
    return (True, x._node, x._held) if isinstance(x, Tensor) else (lifted, None, as_data(x))


def compiled(primitive: Any, computed: bool = False) -> FunctionType:
    """`apply` for a fixed number of arrays: `outputs` written out for this primitive, without its loops; or, if that is
    computed already, what takes `_function`'s result first and records it.

    Its own names begin with an underscore, those of the primitive do not. For one with the array x, the option axis and
    the rule `lambda g, out, axis: ...` it reads

        def apply(x, *, axis):
            _dispatch = _modes.dispatch
            if _dispatch is _TRANSFORM: return _bind(x, axis=axis)[0]
            _lifted, _foreign, _n0 = False, False, None
            if isinstance(x, _Tensor): _lifted, _n0, x = True, x._node, x._held
            elif x.__class__ not in _plain:
                _foreign = True
                if x.__class__ is not _ndarray or x.dtype.hasobject:
                    _lifted, _n0, x = _taken(x, _lifted)
            if _dispatch is _COMPUTE: _n0 = None                  # nothing is to be recorded
            out = _function(x, axis=axis)
            if out.__class__ is _ndarray:
                if not out.ndim: out = out[()]
            elif out.__class__ is complex: out = _complex128(out)
            if not _lifted: return out
            _edges = ()
            if (_foreign or _leases) and _n0 is not None: x = _own(x, _foreign and _n0 is None)
            if axis.__class__ not in _plain and _n0 is not None: axis = _owned(axis)
            if _n0 is not None: _edges += ((_n0, _rule_0_7, (out, axis,)),)      # of the seventh code that was made
            _result = _new(_Tensor)                              # wrap(out, ...), without a call
            _result._held = out
            _result._node = _Node(_primitive, _edges, out) if _edges else None
            _result._view = _result._views = None
            return _result

    That of a primitive which gives views (see views.py) also remembers the Tensor x, and links the result to it where
    that is a view; then it holds the array that shares memory, even if that has no axes.
    """
    arrays, options, rules = primitive.arrays, primitive.options, primitive.rules
    call = ", ".join([*arrays, *(f"{o}={o}" for o in options)])
    nodes = [f"_n{i}" for i in range(len(arrays))]
    views = primitive.views
    version = next(_versions)
    named = {i: f"_rule_{i}_{version}" for i in rules}
    lines = [
        f"def apply({', '.join(['_computed'] * computed + [*arrays, *(['*', *options] if options else [])])}):",
        "    _dispatch = _modes.dispatch",
        f"    if _dispatch is _TRANSFORM: return _bind({call})[0]",
        f"    _lifted, _foreign, {', '.join(nodes)} = False, False, {', '.join('None' for _ in nodes)}",
        *["    _base = _memory = None"] * views,
    ]
    for node, x in zip(nodes, arrays, strict=True):
        base, of = ("_base, ", f"{x}, ") if views else ("", "")
        lines += [
            f"    if isinstance({x}, _Tensor): {base}_lifted, {node}, {x} = {of}True, {x}._node, {x}._held",
            f"    elif {x}.__class__ not in _plain:",
            "        _foreign = True",
            f"        if {x}.__class__ is not _ndarray or {x}.dtype.hasobject:",
            f"            _lifted, {node}, {x} = _taken({x}, _lifted)",
        ]
    lines += [
        f"    if _dispatch is _COMPUTE: {' = '.join(nodes)} = None",
        *[f"    if {x}.__class__ is not _ndarray: {x} = _asarray({x})" for x in arrays if views],
        f"    {', '.join(['out', *primitive.aux])} = {'_computed' if computed else f'_function({call})'}",
        "    if out.__class__ is _ndarray:",
        *[_SHARES.format(x=arrays[0])] * views,
        "        if not out.ndim: out = out[()]",
        "    elif out.__class__ is complex: out = _complex128(out)",  # as 1j * float64 gives
        "    if not _lifted: return out",
        "    _edges = ()",
    ]
    for value in (*arrays, *options):
        keepers = " or ".join(f"_n{i} is not None" for i, rule in sorted(rules.items()) if value in rule.needs)
        if keepers and value in arrays:
            foreign = f"_foreign and _n{arrays.index(value)} is None"
            lines.append(f"    if (_foreign or _leases) and ({keepers}): {value} = _own({value}, {foreign})")
        elif keepers:
            lines.append(f"    if {value}.__class__ not in _plain and ({keepers}): {value} = _owned({value})")
    for i, node in enumerate(nodes):
        edge = f"({node}, {named[i]}, {rules[i].saved})" if i in rules else f"_no_rule({i})"
        lines.append(f"    if {node} is not None: _edges += ({edge},)")
    lines += [
        "    _result = _new(_Tensor)",
        "    _result._held = out",
        "    _result._node = _Node(_primitive, _edges, out) if _edges else None",
        "    _result._view = _result._views = None",
        *[_LINK.format(options=", ".join(options))] * views,
        "    return _result",
    ]
    scope: dict[str, Any] = {
        **{
            "__name__": __name__,
            "_modes": modes,
            "_TRANSFORM": TRANSFORM,
            "_COMPUTE": COMPUTE,
            "_Tensor": Tensor,
            "_new": Tensor.__new__,
            "_Node": Node,
            "_plain": PLAIN,
            "_taken": _taken,
            "_leases": leases,
            "_own": own,
            "_owned": owned,
        },
        **{"_primitive": primitive, "_function": primitive.function, "_bind": primitive.bind},
        **{named[i]: rule for i, rule in rules.items()},
        **{"_ndarray": np.ndarray, "_complex128": np.complex128, "_no_rule": primitive.rule, "_shape_of": shape_of},
        **{"_more": more, "_ref": ref, "_asarray": np.asarray},
    }
    run("\n".join(lines), f"<pullback {primitive.name}.{'computed' if computed else 'apply'}>", scope)
    function: FunctionType = scope.pop("apply")
    function.__name__, function.__doc__ = primitive.name, primitive.__doc__
    return function


def renew(function: FunctionType, new: FunctionType) -> None:
    """Let a function that `compiled` has made be the new one for all who hold it.

    It changes at once, as each version of the code has names of its own for its rules; a call that is under way in
    another thread goes on with the code and the rules with which it began.
    """
    function.__globals__.update(new.__globals__)
    function.__code__ = new.__code__
