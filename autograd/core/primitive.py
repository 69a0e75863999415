"""Primitives: functions on arrays with a rule per argument. See signature.py for what a rule can ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from ..runtime.libraries import Library
from . import views
from .aliasing import leases, own, owned
from .batching import NOT_AT_ONCE, by_kind
from .conversion import lift
from .devices import InLibrary, agreed
from .examples import one_by_one
from .fast_apply import PLAIN, compiled, renew, scalar
from .graph import Node, Output, Several, mode, modes
from .registry import Registry, register, registered
from .rule import Rule
from .signature import Signature
from .spellings import are_numpys, translated
from .tensor import Tensor, as_data, functions, strategies, wrap
from .tracing import Tracer, level_of, raw, tracer

_KNOWN = PLAIN | {Tensor, np.ndarray}
Form = TypeVar("Form", bound=Callable[..., Any], covariant=True)
OtherForm = TypeVar("OtherForm", bound=Callable[..., Any])
Function = TypeVar("Function", bound=Callable[..., Any])
Put = TypeVar("Put", bound=Callable[..., Any] | None)
OneResult = Callable[..., Tensor]
AnyForm = Callable[..., object]


class Primitive(Signature, Generic[Form]):
    """A function on arrays through which Tensors can go, because rules say how cotangents come back.

    Calling it takes what users write. What it goes through, from the outermost inwards; each just computes where there
    are no Tensors:

        form        what users call, as a plain function: the one that `public` was given, or `apply`
        apply       takes the one canonical form of the arguments that the function and the rules see; gives the result.
                    Code of its own for each primitive, the quick path of all calls (see fast_apply.py)
        bind        as `apply`, by the general path and in the sight of observers; gives the auxiliary outputs, too
        outputs     as `bind`, unobserved: what tracers ask for at the levels below their own
        function    what computes, on arrays alone

    Beside them stands `computed`: `apply` where the function's result is there already, from a kernel that does several
    operations in one.
    """

    def __init__(
        self,
        function: Callable[..., object],
        name: str,
        arrays: tuple[str, ...] = (),
        aux: Iterable[str] = (),
        outputs: Iterable[str] = (),
    ):
        super().__init__(name, function, arrays, aux, outputs)
        self.function: Callable[..., Any] = function
        self.rules: dict[int, Rule] = {}
        self.forward: dict[int, Rule] = {}
        self.kinds: dict[str, str] = {}  # argument -> "elementwise", "linear", "jointly linear" or "general"
        self.samples: Callable[[Any], Any] | None = None
        self.views = False
        self.put: Callable[..., Any] | None = None
        self.ufunc: Any = None
        self._public: Callable[..., Any] | None = None
        self._batching: Callable[..., Any] | None = None
        self.__name__, self.__doc__ = name, function.__doc__
        register(self)

    def __repr__(self) -> str:
        signature = inspect.signature(self)
        bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        return f"<primitive {self.name}{inspect.Signature(bare)}>"

    if not TYPE_CHECKING:  # or else every name would be there

        def __getattr__(self, name: str) -> Any:
            if name == "__signature__":  # made when `inspect.signature` and `help` ask for it
                return inspect.signature(self._public) if self._public else self.of_call(self.ufunc)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __reduce__(self) -> tuple[object, ...]:
        return registered, (self.name, getattr(self.function, "__module__", None))

    if TYPE_CHECKING:
        __call__: Form
    else:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            if kwargs and not are_numpys(kwargs):
                args, kwargs = translated(self.form, args, kwargs)
            if kwargs and self.ufunc is not None:
                return self.ufunc(*args, **kwargs)  # NumPy's own call, for its options
            try:
                return self.form(*args, **kwargs)
            except NOT_AT_ONCE as error:
                return one_by_one(self.form, args, kwargs, error)

    @property
    def form(self) -> Callable[..., Any]:
        """What users call, as a plain function; see the class."""
        return self._public or self.apply

    def public(self: Primitive[Any], form: OtherForm) -> Primitive[OtherForm]:
        """Decorator: `form` is what users call; it ends in `apply` on arguments in the one canonical form."""
        form.__name__ = form.__qualname__ = self.name
        self._public = form
        form.__doc__ = self.__doc__ = form.__doc__ or self.__doc__
        self.__wrapped__ = form
        return self

    def vjp(self, argument: str, kind: str | None = None) -> Callable[[Function], Function]:
        """Decorator: the rule that pulls a cotangent back to `argument`, an array parameter.

        `kind` says what kind of map the primitive is in it, "general" where nothing else was said. A rule that takes
        another's place is seen by all calls from then on, also through operators and what was taken from here before.
        """
        position = self.position(argument)

        def register(rule: Function) -> Function:
            made = self.make_rule(argument, rule)
            self.kinds[argument] = kind or self.kinds.get(argument, "general")
            if position == len(self.arrays):  # the list's, of which each position has its own (see `rule`)
                self.rules = {at: known for at, known in self.rules.items() if at < position}
            self.rules[position] = made
            self._renew()
            return rule

        return register

    def jvp(self, argument: str) -> Callable[[Function], Function]:
        """Decorator: the rule that pushes a tangent of `argument` forward, where its kind gives none or a slow one."""

        def register(rule: Function) -> Function:
            self.forward[self.position(argument)] = self.make_rule(argument, rule)
            return rule

        return register

    @property
    def batching(self) -> Callable[..., Any]:
        """How this acts on a batch of examples; see batching.py."""
        return self._batching or by_kind(self)

    def batch(self, rule: Function) -> Function:
        """Decorator: the batching rule, where the kind of the primitive does not give it; see batching.py."""
        self._batching = rule
        return rule

    def view(self, put: Put) -> Put:
        """Decorator: results of this, of one array, are views of it where they share its memory, as NumPy says.

        `put(x, value, **options)` is what x becomes when `value` is written into the view; None forbids that.
        """
        self.views, self.put = True, put
        self._renew()
        return put

    def strategy(self, samples: Function) -> Function:
        """Decorator: how the property tests draw `(arrays, options)` for `apply`; see `testing.strategies.Draw`."""
        self.samples = samples
        return samples

    def make_rule(self, argument: str, function: Callable[..., object]) -> Rule:
        """A rule of `argument`, made of a function of the cotangent and of what it asks for by name."""
        return Rule(self, self.position(argument), function, self.needs(argument, function))

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
        """The rule for the array at `position`, so that it saves what an `override` needs, too."""
        rule = self.rule(position)
        substitute: Any = modes.overrides.get(rule.key)
        return rule if substitute is None else rule.widened(substitute)

    def __in_library__(self, library: Library) -> InLibrary:
        """This primitive on arrays of another library."""
        return InLibrary(self, library)

    def kind(self, position: int) -> str:
        """What kind of map this is in the array at `position`."""
        return self.kinds.get(self.argument(position), "general")

    def outputs(self, *args: Any, **options: object) -> tuple[Any, ...]:
        """The result, as `apply` gives it, and the auxiliary outputs; see the class."""
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
                    arg = arg if isinstance(arg._held, Tracer) else arg._held
                elif node.level == level:
                    parents.append((position, node))
                    arg = arg._held
                below = below or isinstance(arg, Tensor)
            elif arg.__class__ not in PLAIN:
                foreign.add(position)
                if arg.__class__ is not np.ndarray or arg.dtype.hasobject:
                    arg = as_data(arg)
            values.append(arg)
        function, library = self.function, None
        if below:
            results = self.outputs(*values, **options)
        else:
            if modes.elsewhere and (library := agreed(self.name, values, foreign)) is not None:
                function, values = library.version(function), [library.taken(value) for value in values]
            results = self._in_form(function(*values, **options))
        if not lifted:
            return results
        if not parents or not modes.recording:
            return self.wrapped(results[0], None), *results[1:]
        version: Any = library.version if library is not None else lambda rule: rule
        rules = [version(self._in_force(position)) for position, _ in parents]
        needed = {name for rule in rules for name in rule.needs}
        if foreign or leases:
            values = [own(v, i in foreign) if self.argument(i) in needed else v for i, v in enumerate(values)]
        options = {name: owned(value) if name in needed else value for name, value in options.items()}
        edges, saved = [], {}
        for (_, parent), rule in zip(parents, rules, strict=True):
            if rule.saved not in saved:
                saved[rule.saved] = rule.save(*results, *values, **options)
            edges.append((parent, rule, saved[rule.saved]))
        node = Node.at(level, self, tuple(edges), Several() if self.several else results[0])
        if self.several:
            node.value = None
        return self.wrapped(results[0], node), *results[1:]

    def _in_form(self, results: Any) -> tuple[Any, ...]:
        """What the function returned, in the form of `outputs`."""
        if self.several:
            count = len(self.several)
            return tuple(map(scalar, results[:count])), *results[count:]
        return (scalar(results[0]), *results[1:]) if self.aux else (scalar(results),)

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

    def bind(self, *args: Any, **options: object) -> tuple[Any, ...]:
        """The result, as `apply` gives it, and the auxiliary outputs, in the sight of observers; see the class."""
        run: Callable[..., Any] = self.outputs
        for observer in modes.observers:
            run = observer.operation(self, run)
        results: tuple[Any, ...] = run(*args, **options)
        if self.views and isinstance(args[0], Tensor) and views.shares_one(self, args[0], options):
            views.link(results[0], args[0], self, options)
        return results

    @cached_property
    def apply(self) -> Callable[..., Any]:
        """The primitive, on arguments in the one form that its function and its rules see."""
        if not (self.variadic or self.several):
            return compiled(self)

        def apply(*args: Any, **options: Any) -> Any:
            return self.bind(*args, **options)[0]

        apply.__name__, apply.__doc__ = self.name, self.__doc__
        return apply

    @cached_property
    def computed(self) -> Callable[..., Any]:
        """As `apply`, given first what the function returns for the arrays, unless `modes.dispatch` is TRANSFORM."""
        return compiled(self, computed=True)

    def _renew(self) -> None:
        """Let the functions that there are already run by the rules that there are now."""
        for name in ("apply", "computed"):
            function = self.__dict__.get(name)
            if function is not None and not (self.variadic or self.several):
                renew(function, compiled(self, name == "computed"))


registry: Mapping[str, Primitive[Callable[..., Any]]] = Registry()


@overload
def primitive(function: Callable[..., object], /) -> Primitive[OneResult]: ...
@overload
def primitive(
    *, name: str | None = None, aux: Iterable[str] = (), outputs: Iterable[str] = ()
) -> Callable[[Callable[..., object]], Primitive[Callable[..., Any]]]: ...
def primitive(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    aux: Iterable[str] = (),
    outputs: Iterable[str] = (),
) -> Any:
    """Decorator: make a function on arrays a primitive, to be given its rules by `.vjp(argument)`.

    Positional parameters are arrays, keyword-only ones options. With `aux` the function returns
    `(out, *aux)`; rules may ask for them by name, as constants of the graph. With `outputs` it returns
    several results (and then the auxiliary ones).

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
        return lambda f: Primitive(f, name or f.__name__, (), aux, outputs)
    return Primitive(function, name or function.__name__, (), aux, outputs)


def linear(*arguments: str, jointly: bool = False) -> Callable[[Callable[..., object]], Primitive[OneResult]]:
    """Decorator: a primitive that is linear in each of the named arguments (the others held fixed).

    With `jointly` it is linear in all of them together: a sum of one linear map of each.
    The rule for a linear argument is its transpose: another linear map, of which this one is the
    transpose in turn. The property tests check <A x, y> = <x, A^T y> to rounding.
    """

    def decorate(function: Callable[..., object]) -> Primitive[OneResult]:
        made = primitive(function)
        made.kinds.update(dict.fromkeys(arguments, "jointly linear" if jointly else "linear"))
        return made

    return decorate


def implements(
    *numpy_functions: object, strategy: Callable[[Any], Any] | None = None
) -> Callable[[Function], Function]:
    """Decorator: what NumPy calls on Tensors in place of its own function or ufunc. Where the signature does not tell
    with what the tests can call that, `strategy` draws `(arguments, options)`, as that of a primitive does."""

    def register(function: Function) -> Function:
        functions.update(dict.fromkeys(numpy_functions, function))
        if strategy is not None:
            strategies.update(dict.fromkeys(numpy_functions, strategy))
        return function

    return register


def override(primitive: Primitive[AnyForm], argument: str, rule: Callable[..., object]) -> mode:
    """Swap a primitive's rule for one argument inside this context, in this thread.

    In force for the backward passes run inside; a rule that asks for more than the ordinary one saves
    needs the forward pass inside, too.

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
