"""A rule of a primitive: how a cotangent comes back to one of its arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .graph import Node
from .tensor import wrap


def shape_of(value: Any) -> Any:
    try:
        return value.shape
    except AttributeError:  # a number, or the arrays of a variadic argument
        return tuple(map(shape_of, value)) if isinstance(value, tuple) else ()


class Rule:
    """How a cotangent is pulled back to one argument, and what of the forward pass that takes.

    `pick(out, *residuals, *arrays, **options)` returns what the rule's function wants, in its order.
    """

    __slots__ = ("primitive", "position", "function", "given", "wants", "kept", "pick", "key")

    def __init__(self, primitive: Any, position: int, function: Callable[..., Any], wants: tuple[str, ...]):
        self.primitive, self.position = primitive, position
        self.given = function, wants
        if "position" in wants and primitive.variadic:
            at, wants = wants.index("position"), tuple(want for want in wants if want != "position")
            self.function = lambda g, *kept: function(g, *kept[:at], position, *kept[at:])
        else:
            self.function = function
        self.wants = wants
        self.key = (primitive, position)
        self.kept = f"({''.join(primitive.source(want) + ',' for want in wants)})"
        self.pick = eval(f"lambda {primitive.header}: {self.kept}", {"_shape_of": shape_of})

    def __repr__(self) -> str:
        return f"the rule of {self.primitive.name} for array {self.position}"

    def standing_in(self, recorded: Rule, kept: tuple[Any, ...]) -> tuple[Rule, tuple[Any, ...]]:
        """This rule with what it wants out of what `recorded` kept."""
        have = dict(zip(recorded.wants, kept, strict=True))
        missing = [want for want in self.wants if want not in have]
        if missing:
            raise RuntimeError(
                f"override of {self.primitive.name}: the rule asks for {', '.join(missing)}, which was not kept; "
                "run the forward pass inside the override too"
            )
        return self, tuple(have[want] for want in self.wants)

    def widened(self, other: Rule) -> Rule:
        """This rule, keeping also what `other` wants."""
        extra = tuple(want for want in other.wants if want not in self.wants)
        if not extra:
            return self
        function, count = self.function, len(self.wants)
        return Rule(self.primitive, self.position, lambda g, *kept: function(g, *kept[:count]), self.wants + extra)

    def rewrap(self, node: Node, kept: tuple[Any, ...], parents: dict[int, Node]) -> list[Any]:
        """What was kept, as Tensors of the graph again: for rules that are to be differentiated themselves.

        `parents` are the node's, by the position of the array that they are for.
        """
        arrays, variadic, several = self.primitive.arrays, self.primitive.variadic, self.primitive.several

        def lift(want: str, value: Any) -> Any:
            if want == "out":
                return self.primitive.wrapped(value, node)
            if want in several:
                return self.primitive.wrapped_output(value, node, several.index(want))
            if want == variadic:
                return tuple(wrap(v, parents[i]) if i in parents else v for i, v in enumerate(value, len(arrays)))
            position = arrays.index(want) if want in arrays else None
            return wrap(value, parents[position]) if position in parents else value

        return [lift(want, value) for want, value in zip(self.wants, kept, strict=True)]
