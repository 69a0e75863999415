"""A rule of a primitive: how a cotangent comes back to one of its arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..runtime.generated import run
from .graph import BackwardRule, Node
from .tensor import wrap


def shape_of(value: Any) -> Any:
    try:
        return value.shape
    except AttributeError:  # a number, or the arrays of a variadic argument
        return tuple(map(shape_of, value)) if isinstance(value, tuple) else ()


class Rule:
    """How a cotangent is pulled back to one argument, and what of the forward pass that takes.

    `needs` are the names of what the rule's function takes beside the cotangent. `save(out, *aux, *arrays,
    **options)` returns that, in its order, and `saved` is the source of it: a tuple in terms of those names.
    """

    __slots__ = ("primitive", "position", "function", "given", "needs", "saved", "save", "key")

    def __init__(self, primitive: Any, position: int, function: Callable[..., Any], needs: tuple[str, ...]):
        self.primitive, self.position = primitive, position
        self.given = function, needs
        if "position" in needs and primitive.variadic:
            at, needs = needs.index("position"), tuple(name for name in needs if name != "position")
            self.function = lambda g, *saved: function(g, *saved[:at], position, *saved[at:])
        else:
            self.function = function
        self.needs = needs
        self.key = (primitive, position)
        self.saved = f"({''.join(primitive.source(name) + ',' for name in needs)})"
        scope: dict[str, Any] = {"_shape_of": shape_of}
        text = f"def save({primitive.header}): return {self.saved}"
        run(text, f"<pullback {primitive.name}.save{self.saved}>", scope)
        self.save = scope.pop("save")

    def __repr__(self) -> str:
        return f"the rule of {self.primitive.name} for array {self.position}"

    def standing_in(self, recorded: BackwardRule, saved: Any) -> tuple[BackwardRule, Any]:
        """This rule with what it needs out of what `recorded`, one of the same primitive and array, saved."""
        if recorded is self:
            return self, saved
        plain: Any  # of a shortcut the rule for which it stands
        plain, saved = recorded.standing_in(recorded, saved)
        have = dict(zip(plain.needs, saved, strict=True))
        missing = [name for name in self.needs if name not in have]
        if missing:
            raise RuntimeError(
                f"override of {self.primitive.name}: the rule asks for {', '.join(missing)}, which was not kept; "
                "run the forward pass inside the override too"
            )
        return self, tuple(have[name] for name in self.needs)

    def widened(self, other: Rule) -> Rule:
        """This rule, saving also what `other` needs."""
        extra = tuple(name for name in other.needs if name not in self.needs)
        if not extra:
            return self
        function, count = self.function, len(self.needs)
        return Rule(self.primitive, self.position, lambda g, *saved: function(g, *saved[:count]), self.needs + extra)

    def __in_library__(self, library: Any) -> Rule:
        """This rule for arrays of another library."""
        function, needs = self.given
        return Rule(self.primitive, self.position, library.version(function), needs)

    def rewrap(self, node: Node, saved: tuple[Any, ...], parents: dict[int, Node]) -> list[Any]:
        """What was saved, as Tensors of the graph again: for rules that are to be differentiated themselves.

        `parents` are the node's, by the position of the array that they are for.
        """
        arrays, variadic, several = self.primitive.arrays, self.primitive.variadic, self.primitive.several

        def lift(name: str, value: Any) -> Any:
            if name == "out":
                return self.primitive.wrapped(value, node)
            if name in several:
                return self.primitive.wrapped_output(value, node, several.index(name))
            if name == variadic:
                return tuple(wrap(v, parents[i]) if i in parents else v for i, v in enumerate(value, len(arrays)))
            position = arrays.index(name) if name in arrays else None
            return wrap(value, parents[position]) if position in parents else value

        return [lift(name, value) for name, value in zip(self.needs, saved, strict=True)]
