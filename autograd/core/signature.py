"""What a primitive takes and gives, and how a rule asks for that by name.

A rule's first parameter is the cotangent `g`; its others are named after what it needs saved:

    a parameter of the primitive    the array or option itself
    out                             the primitive's result
    a declared auxiliary output     what the primitive returned beside its result
    a declared output               one of several results; `out` is the tuple of all, and so is then `g`, with
                                    None for an output that is not used
    NAME_shape                      only the shape of the parameter NAME, whose array is then not saved
    position                        which of a variadic primitive's arrays the rule serves

A primitive's arrays are its positional parameters, its options are keyword-only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

_KINDS = {
    inspect.Parameter.KEYWORD_ONLY: "a keyword",
    inspect.Parameter.VAR_POSITIONAL: "a list",
    inspect.Parameter.VAR_KEYWORD: "keywords",
}


class Signature:
    """The names of a primitive's arrays (its positional parameters; `variadic` is a list of more), of its options (the
    keyword-only ones), and of what its function returns: `several` outputs, or one, and the auxiliary ones.

    `header` are the parameters of a function that is given all of it.
    """

    listed = True  # in the registry

    def __init__(
        self,
        name: str,
        function: Callable[..., object],
        arrays: tuple[str, ...],
        aux: Iterable[str],
        outputs: Iterable[str],
    ) -> None:
        self.name, self.arrays = name, arrays
        self.aux, self.several = tuple(aux), tuple(outputs)
        self.variadic: str | None = None
        self.options: tuple[str, ...] = ()
        if not arrays:
            parameters = inspect.signature(function).parameters.values()
            self.arrays = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
            self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
            self.options = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        for word in filter(None, (*self.arrays, self.variadic, *self.options, *self.aux, *self.several)):
            if word == "out" or word.startswith("_"):
                raise ValueError(
                    f"{name}: {word!r} names a parameter; rules ask for the result as 'out', and names "
                    "that begin with an underscore are not for them"
                )
        star = ["*" + self.variadic] if self.variadic else ["*"] if self.options else []
        self.header = ", ".join(["out", *self.aux, *self.arrays, *star, *self.options])

    def position(self, argument: str) -> int:
        """The position of the array parameter of that name."""
        names = (*self.arrays, self.variadic)
        if argument not in names:
            raise TypeError(f"{self.name}: no array parameter named {argument!r}; it has {', '.join(map(str, names))}")
        return names.index(argument)

    def argument(self, position: int) -> str:
        """The name of the array parameter to which the array at `position` belongs."""
        return self.arrays[position] if position < len(self.arrays) else str(self.variadic)

    def source(self, need: str) -> str:
        """The expression, in terms of `header`, for what a rule asks for by the name `need`."""
        if need in ("out", self.variadic, *self.aux, *self.arrays, *self.options):
            return need
        if need in self.several:
            return f"out[{self.several.index(need)}]"
        base = need.removesuffix("_shape")
        if base != need and base in (self.variadic, *self.arrays):
            return f"_shape_of({base})"
        raise TypeError(f"{self.name}: a rule asks for {need!r}; there are {self.header.replace('*, ', '')}")

    def needs(self, argument: str, rule: Callable[..., object]) -> tuple[str, ...]:
        """What the rule of `argument` asks for by name: all its parameters after the cotangent."""
        given = inspect.signature(rule).parameters.values()
        for p in given:
            if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                call = ", ".join(q.name for q in given)
                raise TypeError(
                    f"{self.name}: the rule for {argument!r} takes {p.name!r} as {_KINDS[p.kind]}, "
                    f"but rules are called by position: write it as ({call})"
                )
        if not given:
            raise TypeError(f"{self.name}: the rule for {argument!r} takes nothing; it is given the cotangent first")
        return tuple(p.name for p in given)[1:]

    def of_call(self, ufunc: object) -> inspect.Signature:
        """What a call takes that has no form of its own: the arrays, and the options or those of NumPy's ufunc."""
        Parameter = inspect.Parameter
        kind = Parameter.POSITIONAL_OR_KEYWORD if ufunc is None else Parameter.POSITIONAL_ONLY
        parameters = [Parameter(array, kind) for array in self.arrays]
        parameters += [Parameter(self.variadic, Parameter.VAR_POSITIONAL)] if self.variadic else []
        options: dict[str, Any] = {"out": None, "where": True, "dtype": None} if ufunc is not None else {}
        options |= dict.fromkeys(self.options, Parameter.empty)
        parameters += [Parameter(option, Parameter.KEYWORD_ONLY, default=d) for option, d in options.items()]
        return inspect.Signature(parameters)
