"""The code that runs when a primitive is called, written out for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Node, modes
from .lending import leases, own, owned
from .tensor import Tensor, as_data, lift

if TYPE_CHECKING:
    from .primitive import Primitive

_SCALARS = (t for t in np.sctypeDict.values() if issubclass(t, (np.number, np.bool)))
PLAIN = frozenset((bool, int, float, complex, type(None), *_SCALARS))  # what functions take as it is


def shape_of(value: Any) -> Any:
    try:
        return value.shape
    except AttributeError:  # a number, or the arrays of a variadic argument
        return tuple(map(shape_of, value)) if isinstance(value, tuple) else ()


def _taken(x: Any, lifted: bool) -> tuple[bool, Node | None, Any]:
    """Whether there is a Tensor among the arguments by now, the node and the array of what can be one."""
    x = lift(x)
    return (True, x._node, x._held) if isinstance(x, Tensor) else (lifted, None, as_data(x))


def compiled(primitive: Primitive) -> Callable[..., Any]:
    """`apply` for a fixed number of arrays: `outputs` written out for this primitive, without its loops.

    For one with the array x, the option axis and the rule `lambda g, out, axis: ...` it reads

        def apply(x, *, axis):
            special = modes.special
            if special > 1: return slow(x, axis=axis)
            lifted, foreign, n0 = False, False, None
            if isinstance(x, Tensor): lifted, n0, x = True, x._node, x._held
            elif x.__class__ not in plain:
                foreign = True
                if x.__class__ is not ndarray or x.dtype.hasobject: lifted, n0, x = taken(x, lifted)
            if special: n0 = None                                # nothing is to be recorded
            out = function(x, axis=axis)
            if out.__class__ is ndarray:
                if not out.ndim: out = out[()]
            elif out.__class__ is complex: out = complex128(out)
            if not lifted: return out
            edges = ()
            if (foreign or leases) and n0 is not None: x = own(x, foreign and n0 is None)
            if axis.__class__ not in plain and n0 is not None: axis = owned(axis)
            if n0 is not None: edges += ((n0, rules[0], (out, axis,)),)
            result = new(Tensor)                                 # wrap(out, ...), without a call
            result._held = out
            result._node = Node(primitive, edges, out) if edges else None
            return result
    """
    arrays, options, rules = primitive.arrays, primitive.options, primitive.rules
    call = ", ".join([*arrays, *(f"{o}={o}" for o in options)])
    nodes = [f"n{i}" for i in range(len(arrays))]
    lines = [
        f"def apply({', '.join([*arrays, *(['*', *options] if options else [])])}):",
        "    special = modes.special",
        f"    if special > 1: return slow({call})",
        f"    lifted, foreign, {', '.join(nodes)} = False, False, {', '.join('None' for _ in nodes)}",
    ]
    for node, x in zip(nodes, arrays, strict=True):
        lines += [
            f"    if isinstance({x}, Tensor): lifted, {node}, {x} = True, {x}._node, {x}._held",
            f"    elif {x}.__class__ not in plain:",
            "        foreign = True",
            f"        if {x}.__class__ is not ndarray or {x}.dtype.hasobject: lifted, {node}, {x} = taken({x}, lifted)",
        ]
    lines += [
        f"    if special: {' = '.join(nodes)} = None",
        f"    {', '.join(['out', *primitive.residuals])} = function({call})",
        "    if out.__class__ is ndarray:",
        "        if not out.ndim: out = out[()]",
        "    elif out.__class__ is complex: out = complex128(out)",  # as 1j * float64 gives
        "    if not lifted: return out",
        "    edges = ()",
    ]
    for value in (*arrays, *options):
        keepers = " or ".join(f"n{i} is not None" for i, rule in sorted(rules.items()) if value in rule.wants)
        if keepers and value in arrays:
            foreign = f"foreign and n{arrays.index(value)} is None"
            lines.append(f"    if (foreign or leases) and ({keepers}): {value} = own({value}, {foreign})")
        elif keepers:
            lines.append(f"    if {value}.__class__ not in plain and ({keepers}): {value} = owned({value})")
    for i, node in enumerate(nodes):
        edge = f"({node}, rules[{i}], {rules[i].kept})" if i in rules else f"no_rule({i})"
        lines.append(f"    if {node} is not None: edges += ({edge},)")
    lines += [
        "    result = new(Tensor)",
        "    result._held = out",
        "    result._node = Node(primitive, edges, out) if edges else None",
        "    return result",
    ]
    scope: dict[str, Any] = {
        **{
            "__name__": __name__,
            "modes": modes,
            "Tensor": Tensor,
            "new": Tensor.__new__,
            "Node": Node,
            "plain": PLAIN,
            "taken": _taken,
            "leases": leases,
            "own": own,
            "owned": owned,
        },
        **{"primitive": primitive, "function": primitive.function, "slow": primitive._apply, "rules": dict(rules)},
        **{"ndarray": np.ndarray, "complex128": np.complex128, "no_rule": primitive.rule, "shape_of": shape_of},
    }
    exec("\n".join(lines), scope)
    return scope["apply"]
