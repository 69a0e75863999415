"""Primitives: functions on arrays with a rule per argument.

A rule's first parameter is the cotangent `g`; its others are named after what it wants kept:

    a parameter of the primitive    the array or option itself
    out                             the primitive's result
    a declared residual             what the primitive returned beside its result
    a declared output               one of several results; `out` is the tuple of all, and so is then `g`, with
                                    None for an output that is not used
    NAME_shape                      only the shape of the parameter NAME, whose array is then not kept
    position                        which of a variadic primitive's arrays the rule serves

A primitive's arrays are its positional parameters, its options are keyword-only.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from . import views
from .aliasing import leases, own, owned
from .batching import NOT_AT_ONCE, by_kind
from .examples import one_by_one
from .fast_apply import PLAIN, compiled
from .graph import Node, Output, Several, mode, modes
from .rule import Rule
from .tensor import Tensor, as_data, functions, lift, wrap
from .tracing import Traced, level_of, raw, tracer

_primitives: dict[str, Primitive] = {}
_KNOWN = PLAIN | {Tensor, np.ndarray}


class _Registry(Mapping[str, "Primitive"]):
    """All primitives by name, read-only."""

    def __getitem__(self, name: str) -> Primitive:
        if name not in _primitives:
            raise KeyError(f"no primitive named {name!r}; registered: {', '.join(sorted(_primitives))}")
        return _primitives[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_primitives)

    def __len__(self) -> int:
        return len(_primitives)


registry = _Registry()


def _registered(name: str, module: str | None) -> Primitive:
    """The primitive of that name, which the module, once imported, has registered: what stands in a pickle."""
    if name not in _primitives and module is not None:
        import_module(module)
    return registry[name]


_KINDS = {
    inspect.Parameter.KEYWORD_ONLY: "a keyword",
    inspect.Parameter.VAR_POSITIONAL: "a list",
    inspect.Parameter.VAR_KEYWORD: "keywords",
}


def _may_replace(old: Any, function: Any) -> None:
    """Whether a primitive may take the place of one of its name: where that was defined in the same place, or both in a
    notebook or session, with a warning, which Python shows once. ValueError where they come from different libraries.
    """
    places = [(getattr(f, "__module__", None), getattr(f, "__qualname__", None)) for f in (old.function, function)]
    if old.function is not function and places[0] != places[1] and {module for module, _ in places} != {"__main__"}:
        raise ValueError(
            f"a primitive named {old.name!r} is registered already, by {places[0][0]}; "
            "give this one another name: primitive(name=...)"
        )
    warnings.warn(f"the primitive {old.name!r} was defined again; the new one takes its place", stacklevel=4)


def _scalar(out: Any) -> Any:
    """A result, as a NumPy scalar if it is 0-d."""
    if out.__class__ is complex:  # as 1j * float64 gives
        return np.complex128(out)
    return out[()] if out.__class__ is np.ndarray and not out.ndim else out


class Primitive:
    """A function on arrays through which Tensors can go, because rules say how cotangents come back.

    Calling it takes what users write (`public`, where there is one); `apply(*arrays, **options)` takes the
    one form that the function and the rules see. On plain arrays both just compute.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        arrays: tuple[str, ...] = (),
        residuals: Iterable[str] = (),
        outputs: Iterable[str] = (),
    ):
        if name in _primitives:
            _may_replace(_primitives[name], function)
        self.name, self.function, self.arrays = name, function, arrays
        self.residuals, self.several = tuple(residuals), tuple(outputs)
        self.variadic: str | None = None
        self.options: tuple[str, ...] = ()
        if not arrays:
            parameters = inspect.signature(function).parameters.values()
            self.arrays = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
            self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
            self.options = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        for word in filter(None, (*self.arrays, self.variadic, *self.options, *self.residuals, *self.several)):
            if word == "out" or word.startswith("_"):
                raise ValueError(
                    f"{name}: {word!r} names a parameter; rules ask for the result as 'out', and names "
                    "that begin with an underscore are not for them"
                )
        star = ["*" + self.variadic] if self.variadic else ["*"] if self.options else []
        self.header = ", ".join(["out", *self.residuals, *self.arrays, *star, *self.options])
        self.rules: dict[int, Rule] = {}
        self.forward: dict[int, Rule] = {}
        self.kinds: dict[str, str] = {}  # argument -> "elementwise", "linear", "jointly linear" or "general"
        self.samples: Callable[[Any], Any] | None = None
        self.views = False
        self.put: Callable[..., Any] | None = None
        self._public: Callable[..., Any] | None = None
        self.ufunc: Any = None
        self.__name__, self.__doc__ = name, function.__doc__
        _primitives[name] = self

    def __repr__(self) -> str:
        signature = inspect.signature(self)
        bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        return f"<primitive {self.name}{inspect.Signature(bare)}>"

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__":  # made when `inspect.signature` and `help` ask for it
            return inspect.signature(self._public) if self._public else self._signature()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def _signature(self) -> inspect.Signature:
        """What a call takes where there is no `public`: the arrays, and the options or those of NumPy's ufunc."""
        Parameter = inspect.Parameter
        kind = Parameter.POSITIONAL_OR_KEYWORD if self.ufunc is None else Parameter.POSITIONAL_ONLY
        parameters = [Parameter(array, kind) for array in self.arrays]
        parameters += [Parameter(self.variadic, Parameter.VAR_POSITIONAL)] if self.variadic else []
        options: dict[str, Any] = {"out": None, "where": True, "dtype": None} if self.ufunc is not None else {}
        options |= dict.fromkeys(self.options, Parameter.empty)
        parameters += [Parameter(option, Parameter.KEYWORD_ONLY, default=d) for option, d in options.items()]
        return inspect.Signature(parameters)

    def __reduce__(self) -> Any:
        return _registered, (self.name, getattr(self.function, "__module__", None))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs and self.ufunc is not None:
            return self.ufunc(*args, **kwargs)  # NumPy's own call, for its options
        try:
            return self.form(*args, **kwargs)
        except NOT_AT_ONCE as error:
            return one_by_one(self.form, args, kwargs, error)

    @property
    def form(self) -> Callable[..., Any]:
        """What users call, as a plain function."""
        return self._public or self.apply

    def public(self, form: Callable[..., Any]) -> Primitive:
        """Decorator: `form` is what users call; it ends in `apply` on arguments in the one canonical form."""
        form.__name__ = form.__qualname__ = self.name
        self._public = form
        form.__doc__ = self.__doc__ = form.__doc__ or self.__doc__
        self.__wrapped__ = form
        return self

    def vjp(self, argument: str, kind: str = "general") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator: the rule that pulls a cotangent back to `argument`, an array parameter."""
        position = self.position(argument)

        def register(rule: Callable[..., Any]) -> Callable[..., Any]:
            self.kinds.setdefault(argument, kind)
            self.rules[position] = self.make_rule(argument, rule)
            self.__dict__.pop("apply", None)
            self.__dict__.pop("computed", None)
            return rule

        return register

    def jvp(self, argument: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator: the rule that pushes a tangent of `argument` forward, where its kind does not give it or a
        faster one is known. It asks for what it needs by name, as the rules of `vjp` do."""

        def register(rule: Callable[..., Any]) -> Callable[..., Any]:
            self.forward[self.position(argument)] = self.make_rule(argument, rule)
            return rule

        return register

    @cached_property
    def batching(self) -> Callable[..., Any]:
        """How this acts on a batch of examples; see batching.py."""
        return by_kind(self)

    def batch(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: the batching rule, where the kind of the primitive does not give it; see batching.py."""
        self.batching = rule
        return rule

    def view(self, put: Callable[..., Any] | None) -> Callable[..., Any] | None:
        """Decorator: results of this, of one array, are views of it where they share its memory, as NumPy says.

        `put(x, value, **options)` is what x becomes when `value` is written into the view; None where that is not
        allowed.
        """
        self.views, self.put = True, put
        return put

    def position(self, argument: str) -> int:
        """The position of the array parameter of that name."""
        names = (*self.arrays, self.variadic)
        if argument not in names:
            raise TypeError(f"{self.name}: no array parameter named {argument!r}; it has {', '.join(map(str, names))}")
        return names.index(argument)

    def strategy(self, samples: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Decorator: how the property tests draw `(arrays, options)` for `apply`; see `testing.strategies.Draw`."""
        self.samples = samples
        return samples

    def make_rule(self, argument: str, function: Callable[..., Any]) -> Rule:
        """A rule of `argument`, made of a function of the cotangent and of what it asks for by name."""
        given = inspect.signature(function).parameters.values()
        for p in given:
            if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                call = ", ".join(q.name for q in given)
                raise TypeError(
                    f"{self.name}: the rule for {argument!r} takes {p.name!r} as {_KINDS[p.kind]}, "
                    f"but rules are called by position: write it as ({call})"
                )
        if not given:
            raise TypeError(f"{self.name}: the rule for {argument!r} takes nothing; it is given the cotangent first")
        return Rule(self, self.position(argument), function, tuple(p.name for p in given)[1:])

    def source(self, want: str) -> str:
        """The expression, in terms of `header`, for what a rule asks for by the name `want`."""
        if want in ("out", self.variadic, *self.residuals, *self.arrays, *self.options):
            return want
        if want in self.several:
            return f"out[{self.several.index(want)}]"
        base = want.removesuffix("_shape")
        if base != want and base in (self.variadic, *self.arrays):
            return f"_shape_of({base})"
        raise TypeError(f"{self.name}: a rule asks for {want!r}; there are {self.header.replace('*, ', '')}")

    def rule(self, position: int) -> Rule:
        """The rule for the array at `position`."""
        rule = self.rules.get(position)
        if rule is None:
            last = self.rules.get(len(self.arrays)) if self.variadic else None
            if last is None:
                raise TypeError(f"{self.name}: no gradient with respect to {self.arrays[position]!r}; detach() it")
            rule = self.rules[position] = Rule(self, position, *last.given)
        return rule

    def _in_force(self, position: int) -> Rule:
        """The rule for the array at `position`, so that it keeps what an `override` wants, too."""
        rule = self.rule(position)
        substitute = modes.overrides.get(rule.key)
        return rule if substitute is None else rule.widened(substitute)

    def argument(self, position: int) -> str:
        """The name of the array parameter to which the array at `position` belongs."""
        return self.arrays[position] if position < len(self.arrays) else str(self.variadic)

    def kind(self, position: int) -> str:
        """What kind of map this is in the array at `position`."""
        return self.kinds.get(self.argument(position), "general")

    def outputs(self, *args: Any, **options: Any) -> tuple[Any, ...]:
        """The result, as `apply` gives it, and the residuals."""
        if not _KNOWN.issuperset(map(type, args)):
            args = tuple(x if x.__class__ in PLAIN else lift(x) for x in args)
        level = 0
        if modes.depth:
            level = max(map(level_of, args))
            for option in options.values():
                if isinstance(option, Tensor):
                    raw(option)  # raises where it differs over a batch
        if level % 2:
            return tracer(args, level).outputs(self, args, options)
        parents: list[tuple[int, Node]] = []
        values: list[Any] = []
        foreign: set[int] = set()
        lifted = below = False
        for position, arg in enumerate(args):
            if isinstance(arg, Tensor):
                lifted = True
                node = arg._node
                if node is None:
                    arg = arg if isinstance(arg._held, Traced) else arg._held
                elif node.level == level:
                    parents.append((position, node))
                    arg = arg._held
                below = below or isinstance(arg, Tensor)
            elif arg.__class__ not in PLAIN:
                foreign.add(position)
                if arg.__class__ is not np.ndarray or arg.dtype.hasobject:
                    arg = as_data(arg)
            values.append(arg)
        if below:
            results = self.outputs(*values, **options)
        else:
            results = self.function(*values, **options)
            if self.several:
                count = len(self.several)
                results = (tuple(map(_scalar, results[:count])), *results[count:])
            else:
                results = (_scalar(results[0]), *results[1:]) if self.residuals else (_scalar(results),)
        if not lifted:
            return results
        if not parents or not modes.recording:
            return self.wrapped(results[0], None), *results[1:]
        rules = [self._in_force(position) for position, _ in parents]
        wanted = {want for rule in rules for want in rule.wants}
        if foreign or leases:
            values = [own(v, i in foreign) if self.argument(i) in wanted else v for i, v in enumerate(values)]
        options = {name: owned(value) if name in wanted else value for name, value in options.items()}
        edges, picked = [], {}
        for (_, parent), rule in zip(parents, rules, strict=True):
            if rule.kept not in picked:
                picked[rule.kept] = rule.pick(*results, *values, **options)
            edges.append((parent, rule, picked[rule.kept]))
        node = Node.at(level, self, tuple(edges), Several() if self.several else results[0])
        if self.several:
            node.value = None
        return self.wrapped(results[0], node), *results[1:]

    def wrapped(self, out: Any, node: Node | None) -> Any:
        """The result as a Tensor of its node, or several as Tensors of nodes on top of theirs."""
        if not self.several:
            return out if node is None and isinstance(out, Tensor) else wrap(out, node)
        if node is None:
            return tuple(o if isinstance(o, Tensor) else wrap(o) for o in out)
        return tuple(self.wrapped_output(o, node, i) for i, o in enumerate(out))

    def wrapped_output(self, out: Any, node: Node, position: int) -> Tensor:
        """One of several results as a Tensor of a node on top of theirs."""
        output = Output(self.several[position], position, len(self.several))
        return wrap(out, Node.at(node.level, output, ((node, output, ()),), out))

    @property
    def watched(self) -> Callable[..., tuple[Any, ...]]:
        """What computes `outputs`, in the sight of those who watch (see watching.py)."""
        run: Callable[..., Any] = self.outputs
        for watcher in modes.watchers:
            run = watcher.operation(self, run)
        return run

    def _apply(self, *args: Any, **options: Any) -> Any:
        out = self.watched(*args, **options)[0]
        if self.views and isinstance(args[0], Tensor) and views.shares_one(self, args[0], options):
            views.link(out, args[0], self, options)
        return out

    @cached_property
    def apply(self) -> Callable[..., Any]:
        """The primitive, on arguments in the one form that its function and its rules see."""
        if self.variadic or self.several:
            return self._apply
        applied = compiled(self)
        applied.__name__, applied.__doc__ = self.name, self.__doc__
        return applied

    @cached_property
    def computed(self) -> Callable[..., Any]:
        """As `apply`, given first what the function returns for the arrays, where `modes.special` is less than 2."""
        return compiled(self, computed=True)


def primitive(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    residuals: Iterable[str] = (),
    outputs: Iterable[str] = (),
) -> Any:
    """Decorator: make a function on arrays a primitive, to be given its rules by `.vjp(argument)`.

    Positional parameters are arrays, keyword-only ones options. With `residuals` the function returns
    `(out, *residuals)`; rules may ask for them by name, as constants of the graph. With `outputs` it returns
    several results (and then the residuals).

    >>> @primitive
    ... def twice(x):
    ...     return 2 * x
    >>> @twice.vjp("x")
    ... def _(g):
    ...     return 2 * g
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> twice(x).sum().backward()
    >>> x.grad
    Tensor([2., 2.])
    """
    if function is None:
        return lambda f: primitive(f, name=name, residuals=residuals, outputs=outputs)
    return Primitive(function, name or function.__name__, (), residuals, outputs)


def linear(*arguments: str, jointly: bool = False) -> Callable[[Callable[..., Any]], Primitive]:
    """Decorator: a primitive that is linear in each of the named arguments (the others held fixed).

    With `jointly` it is linear in all of them together: a sum of one linear map of each.
    The rule for a linear argument is its transpose: another linear map, of which this one is the
    transpose in turn. The property tests check <A x, y> = <x, A^T y> to rounding.
    """

    def decorate(function: Callable[..., Any]) -> Primitive:
        made = primitive(function)
        made.kinds.update(dict.fromkeys(arguments, "jointly linear" if jointly else "linear"))
        return made

    return decorate


def elementwise(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    ufunc: Any = None,
    domain: Any = (-3.0, 3.0),
    kinks: tuple[float, ...] = (),
    **rules: Callable[..., Any],
) -> Primitive:
    """A primitive whose every argument acts entry by entry (with broadcasting), from a table of its rules.

    The derivative is a diagonal, so that one rule per argument serves both directions. The property tests
    draw entries from `domain` (one pair, or one for each argument), not near `kinks`.

    >>> cube = elementwise(lambda x: x * x * x, name="cube", x=lambda g, x: 3 * x * x * g)
    >>> cube(Tensor(2.0))
    Tensor(8.)
    """
    made = Primitive(function, name or function.__name__, tuple(rules))
    for argument, rule in rules.items():
        made.vjp(argument, "elementwise")(rule)
    domains = domain if isinstance(domain[0], tuple) else (domain,) * len(rules)
    made.strategy(lambda draw: (draw.entries(domains, kinks), {}))
    if isinstance(ufunc or function, np.ufunc):
        made.ufunc = ufunc or function
        functions[made.ufunc] = made
    return made


def implements(*numpy_functions: Any) -> Callable[[Any], Any]:
    """Decorator: what NumPy calls on Tensors in place of its own function or ufunc."""

    def register(function: Any) -> Any:
        functions.update(dict.fromkeys(numpy_functions, function))
        return function

    return register


def override(primitive: Primitive, argument: str, rule: Callable[..., Any]) -> mode:
    """Swap a primitive's rule for one argument inside this context, in this thread.

    In force for the backward passes run inside; a rule that asks for more than the ordinary one keeps
    wants the forward pass inside, too.

    >>> from pullback import relu
    >>> x = Tensor([-1.0, 2.0], requires_grad=True)
    >>> with override(relu, "x", lambda g: g.clip(0)):
    ...     relu(x).backward(Tensor([3.0, -3.0]))
    >>> x.grad
    Tensor([3., 0.])
    """
    if not isinstance(primitive, Primitive):
        raise TypeError(f"override: expected a primitive, not {primitive!r}")
    if argument not in primitive.arrays:
        raise TypeError(f"override: {primitive.name} has no array {argument!r}; it has {', '.join(primitive.arrays)}")
    new = primitive.make_rule(argument, rule)
    return mode(overrides=lambda overrides: {**overrides, new.key: new})
