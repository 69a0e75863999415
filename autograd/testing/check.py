"""Everything a primitive promises, checked on one example or on examples that Hypothesis draws."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..primitive import Primitive
from ..shaping import concatenate, reshape
from ..tensor import Tensor, wrap
from ..transforms import jvp, vjp, vmap
from .gradcheck import GradcheckError, estimate, gradients_of, worst
from .numerical import joined, parts, units
from .strategies import arguments, hypothesis

_RTOL = 1e-6  # of gradients beside central differences
_EXACT = 1e-10  # of what agrees up to rounding


def check_primitive(
    primitive: Primitive,
    arrays: Any = None,
    options: dict[str, Any] | None = None,
    *,
    reference: Callable[..., Any] | None = None,
    settings: Any = None,
) -> bool:
    """Check a primitive and its rules at `apply(*arrays, **options)`; True, or GradcheckError with a report.

    Without `arrays`, examples are drawn by its `.strategy` with Hypothesis (under its `settings`) and a failing
    one is shrunk. The value is compared with `reference` (default: the primitive's own function), first
    derivatives with central differences and with the complex step where the function allows it, second
    derivatives with differences of the first; forward mode by <J v, g> = <v, J^T g> to rounding, which for a
    linear argument is the identity of a map and its transpose, and forward over reverse; batches by vmap; then
    layouts, float32, a repeated argument, and that nothing is changed, shared or random. Half of the examples that
    are drawn have complex arrays, real ones perhaps among them; those to which the function raises TypeError are left
    out.

    >>> from pullback import multiply
    >>> import numpy as np
    >>> check_primitive(multiply, (np.array([1.0, 2.0]), np.array(3.0)))
    True
    """
    if arrays is not None:
        _check(_Case(primitive, arrays, options or {}, reference))
        return True
    library = hypothesis()

    @library.settings(
        settings, deadline=None, report_multiple_bugs=False, suppress_health_check=list(library.HealthCheck)
    )
    @library.given(arguments(primitive) | arguments(primitive, complex=True))
    def examples(drawn: Any) -> None:
        arrays, options = drawn
        if not refuses(primitive, arrays, options):
            _check(_Case(primitive, arrays, options, reference))

    examples()
    return True


def refuses(primitive: Primitive, arrays: Any, options: dict[str, Any]) -> bool:
    """Whether there are complex arrays among these, for which the function raises TypeError."""
    with contextlib.suppress(TypeError):
        if np.result_type(*arrays).kind == "c":
            primitive.function(*arrays, **options)
        return False
    return True


def _check(case: _Case) -> None:
    for check in _CHECKS if case.asked else (_value,):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check(case)
        except GradcheckError:
            raise
        except Exception as error:
            raise case.failure(f"{type(error).__name__}: {error}", during=check) from error


def _in_a_row(out: Any) -> Any:
    return concatenate([reshape(o, -1) for o in out]) if isinstance(out, tuple) else out


def _as(out: Any, row: Any) -> Any:
    """Entries in a row in the shapes of several outputs again."""
    if not isinstance(out, tuple):
        return row
    parts = np.split(row, np.cumsum([np.size(o) for o in out])[:-1])
    return tuple(part.reshape(np.shape(o))[()] for part, o in zip(parts, out, strict=True))


class _Case:
    """A primitive with arguments for it."""

    def __init__(self, primitive: Primitive, arrays: Any, options: dict[str, Any], reference: Any = None) -> None:
        self.primitive, self.options, self.reference = primitive, options, reference
        self.arrays = [np.asarray(x) for x in arrays]
        self.asked = [i for i, x in enumerate(self.arrays) if x.dtype.kind in "fc" and self._has_rule(i)]
        rng = np.random.default_rng(0)
        self.out = np.asarray(self.value(self.arrays))
        self.g = self.random(rng, self.out)
        self.h = self.random(rng, self.out)
        self.v = [self.random(rng, x) for x in self.arrays]

    @staticmethod
    def random(rng: Any, like: Any) -> Any:
        shape = parts(like).shape
        return np.asarray(joined(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape), like))

    def _has_rule(self, position: int) -> bool:
        with contextlib.suppress(TypeError):
            return bool(self.primitive.rule(position))
        return False

    def name(self, i: int) -> str:
        names = self.primitive.arrays
        return names[i] if i < len(names) else f"{self.primitive.variadic}[{i - len(names)}]"

    def kind(self, i: int) -> str:
        names = (*self.primitive.arrays, self.primitive.variadic)
        return self.primitive.kinds[str(names[min(i, len(names) - 1)])]

    def value(self, arrays: Any) -> Any:
        """What the primitive gives for these arrays (or Tensors); of several outputs, all entries in a row."""
        return _in_a_row(self.primitive.apply(*arrays, **self.options))

    def leaves(self, arrays: Any) -> list[Any]:
        return [wrap(x[()]).requires_grad_(i in self.asked) for i, x in enumerate(arrays)]

    def given(self, arrays: Sequence[Any], values: Any, positions: Any = None) -> list[Any]:
        """The arrays with values in place of those at some positions (those that are asked)."""
        places = dict(zip(self.asked if positions is None else positions, values, strict=True))
        return [places.get(i, x) for i, x in enumerate(arrays)]

    def gradients(self, arrays: Any, g: Any) -> list[Any]:
        """The gradients with respect to the asked arrays, by an ordinary backward pass."""
        leaves = self.leaves(arrays)
        self.value(leaves).backward(g)
        grads = [leaves[i].grad.numpy() for i in self.asked]
        for i, grad in zip(self.asked, grads, strict=True):
            if grad.shape != arrays[i].shape or grad.dtype != arrays[i].dtype:
                raise self.failure(f"gradient is {grad.dtype} {grad.shape}", i)
        return grads

    def differences(self, f: Callable[[Any], Any], i: int, direction: Any) -> Iterator[tuple[str, Any, Any]]:
        """The derivative of `f` of all arrays as array `i` moves in a direction: by central differences and then,
        where it agrees with them, by the complex step, each with its tolerance."""

        def moved(t: Any) -> Any:
            return np.asarray(f([*self.arrays[:i], self.arrays[i] + t * direction, *self.arrays[i + 1 :]]))

        start = np.zeros(())
        slope, doubt = estimate(moved, start)
        tolerance = doubt + _RTOL * np.abs(slope)
        yield "by central differences", slope, tolerance
        if np.result_type(*self.arrays).kind == "c":
            return
        try:
            exact, doubt = estimate(moved, start, "complex")
        except Exception:
            return  # it takes no complex numbers
        if worst(exact, slope, tolerance) is None:
            yield "by the complex step", exact, doubt + _EXACT * _size([exact, moved(0)])

    def compare(self, what: str, actual: Any, beside: str, expected: Any, tolerance: Any, i: int | None = None) -> None:
        """Fail unless what was computed agrees with what it should be, naming the worst entry."""
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.shape != expected.shape:
            raise self.failure(f"{what} has shape {actual.shape}, {beside} {expected.shape}", i)
        at = worst(actual, expected, tolerance)
        if at is not None:
            where = f" at {list(at)}" if at else ""
            raise self.failure(f"{what}{where} is {actual[at].item()!r}, {beside} {expected[at].item()!r}", i)

    def same(self, what: str, actual: Any, beside: str, expected: Any, rtol: float = _EXACT) -> None:
        """Fail unless two lists of gradients agree, each up to `rtol` of its largest entry."""
        for i, a, b in zip(self.asked, actual, expected, strict=True):
            self.compare(what, a, beside, b, rtol * _size(b), i)

    def failure(self, what: str, i: int | None = None, during: Any = None) -> GradcheckError:
        argument = f", argument {self.name(i)}" if i is not None else ""
        when = f" (in the check of {during.__name__.strip('_').replace('_', ' ')})" if during else ""
        lines = [f"{self.primitive.name}{argument}: {what}{when}", "  called with"]
        for j, x in enumerate(self.arrays):
            text = np.array2string(x, separator=", ", threshold=100, prefix="      ")
            lines.append(f"    {self.name(j)}, {x.dtype} {x.shape}:\n      {text}")
        return GradcheckError("\n".join(lines + [f"    {k}={v!r}" for k, v in self.options.items()]))


def _inner(a: Any, b: Any) -> Any:
    """<a, b>: the real part of the sum of products, in which nothing is conjugated."""
    return np.sum(a * b).real


def _size(x: Any) -> Any:
    """The magnitude of the largest entry."""
    return np.max(np.abs(x), initial=0)


def _value(case: _Case) -> None:
    results = case.primitive.function(*case.arrays, **case.options)
    if case.primitive.residuals:
        results = results[: len(case.primitive.several)] or results[0]
    expected, out = np.asarray(_in_a_row(results)), case.value([wrap(x[()]) for x in case.arrays])
    if not isinstance(out, Tensor):
        raise case.failure(f"gives {type(out).__name__} for Tensors")
    if isinstance(case.value(case.arrays), Tensor):
        raise case.failure("gives a Tensor for arrays")
    for kind, actual in (("Tensors", out.numpy()), ("arrays", case.out)):
        rounding = 4 * np.finfo(np.float64).eps * _size(expected)  # NumPy's scalars may differ from its arrays
        case.compare(f"value on {kind}", actual, "of the function itself", expected, rounding)
        if actual.dtype != expected.dtype:
            raise case.failure(f"value on {kind} is {actual.dtype}, of the function itself {expected.dtype}")
    if case.reference is not None:
        expected = _in_a_row(case.reference(*case.arrays, **case.options))
        case.compare("value", case.out, "by the reference", expected, _EXACT * _size(expected))


def _first_order(case: _Case) -> None:
    """<gradient, v> is the derivative of <value, g> in the direction v; a failure is traced to its entry."""

    def weighted(arrays: Any) -> Any:
        return np.sum(case.value(arrays) * case.g)

    for i, grad in zip(case.asked, case.gradients(case.arrays, case.g), strict=True):
        for direction in (case.v[i], np.abs(case.v[i])) if grad.size else ():
            for beside, slope, tolerance in case.differences(weighted, i, direction):
                along = _inner(grad, direction)
                if worst(along, slope.real, tolerance) is not None:
                    for unit in units(grad):
                        at = np.argwhere(unit)[0].tolist()
                        entry = f"gradient at {at}" if at else "gradient"
                        beside, expected, doubt = next(case.differences(weighted, i, unit))
                        case.compare(entry, _inner(grad, unit), beside, expected.real, doubt, i)
                    case.compare("gradient along a direction", along, beside, slope.real, tolerance, i)


def _second_order(case: _Case) -> None:
    """The derivatives of <gradients, v> by arguments and cotangent, from a graph of the backward pass."""
    leaves = case.leaves(case.arrays)
    g = wrap(case.g[()]).requires_grad_()
    inputs = [*(leaves[i] for i in case.asked), g]
    grads = gradients_of([case.value(leaves)], [g], inputs[:-1], create_graph=True)
    ordinary = case.gradients(case.arrays, case.g)
    case.same("gradient with create_graph", [grad.numpy() for grad in grads], "without", ordinary)
    *seconds, forward = gradients_of(grads, [case.v[i] for i in case.asked], inputs, create_graph=False)

    def projected(arrays: Any, g: Any = case.g) -> Any:
        grads = case.gradients(arrays, g)
        return sum(_inner(grad, case.v[i]) for i, grad in zip(case.asked, grads, strict=True))

    for i, second in zip(case.asked, seconds, strict=True):
        if second.size:
            along, expected = _inner(second.numpy(), case.v[i]), next(case.differences(projected, i, case.v[i]))
            case.compare("second derivative along a direction", along, *expected, i)
    along, expected = _inner(forward.numpy(), case.h), projected(case.arrays, case.h)
    size = sum(np.abs(grad).sum() for grad in case.gradients(case.arrays, np.abs(case.h)))
    case.compare("derivative by the cotangent", along, "the gradient is", expected, _EXACT * (size + abs(expected)))


def _linear_in_the_cotangent(case: _Case) -> None:
    first, second = case.gradients(case.arrays, case.g), case.gradients(case.arrays, case.h)
    both = case.gradients(case.arrays, 2 * case.g - 3 * case.h)
    for i, a, b, c in zip(case.asked, first, second, both, strict=True):
        combined, size = 2 * a - 3 * b, _size(a) + _size(b)
        case.compare("gradient of cotangent 2 g - 3 h", c, "combined from those of g and h", combined, _EXACT * size, i)
    zeros = [np.zeros_like(x) for x in first]
    case.same("gradient of a zero cotangent", case.gradients(case.arrays, 0 * case.g), "it must be", zeros)


def _forward(case: _Case) -> None:
    """<J v, g> = <v, J^T g> for each argument and for all at once (for a linear one J is the primitive itself, and
    J^T its transpose), and forward over reverse agrees with reverse over reverse."""

    def pushed(asked: list[int], f: Callable[[list[Any]], Any]) -> Any:
        def moved(*inputs: Any) -> Any:
            return f(case.given([x[()] for x in case.arrays], inputs, asked))

        value, tangent = jvp(moved, [case.arrays[i] for i in asked], [case.v[i] for i in asked])
        return value.numpy(), tangent.numpy()

    grads = dict(zip(case.asked, case.gradients(case.arrays, case.g), strict=True))
    for asked in dict.fromkeys([*((i,) for i in case.asked), tuple(case.asked)]):
        value, tangent = pushed(list(asked), case.value)
        case.compare("value in forward mode", value, "without", case.out, _EXACT * _size(case.out))
        pulled = sum(_inner(case.v[i], grads[i]) for i in asked)
        size = sum(np.sum(np.abs(case.v[i] * grads[i])) for i in asked) + np.sum(np.abs(tangent * case.g))
        case.compare("<J v, g>", _inner(tangent, case.g), "<v, J^T g>", pulled, _EXACT * size, asked[0])

    def pulled_back(arrays: list[Any]) -> Any:
        grads = vjp(lambda *asked: case.value(case.given(arrays, asked)), *(arrays[i] for i in case.asked))[1](case.g)
        return concatenate([reshape(x, -1) for x in grads])

    leaves = case.leaves(case.arrays)
    inputs = [leaves[i] for i in case.asked]
    v = [case.v[i] for i in case.asked]
    first = gradients_of([case.value(leaves)], [case.g], inputs, create_graph=True)
    second = gradients_of(first, v, inputs, create_graph=False)
    terms = np.concatenate([np.ravel(x.numpy() * t) for x, t in zip(second, v, strict=True)])
    along = pushed(case.asked, pulled_back)[1] * np.concatenate([np.ravel(t) for t in v])
    size = sum(np.sum(np.abs(x)) for x in (terms, along, *(g.numpy() for g in first)))
    case.compare("forward over reverse", np.sum(along).real, "reverse over reverse", np.sum(terms).real, _EXACT * size)


def _batched(case: _Case) -> None:
    """vmap over three examples, of one argument or of all, gives what they give in turn: values and gradients."""

    def pulled(*arrays: Any) -> Any:
        value, pull_back = vjp(lambda *asked: case.value(case.given(arrays, asked)), *(arrays[i] for i in case.asked))
        return value, *pull_back(case.g)

    for positions in dict.fromkeys([*((i,) for i in case.asked), tuple(range(len(case.arrays)))]):
        scaled = ([x * s if i in case.asked else x for i, x in enumerate(case.arrays)] for s in (1.0, 0.9, 1.0))
        rows = [case.given(case.arrays, [x[i] for i in positions], positions) for x in scaled]
        columns = [np.stack(x) if i in positions else x[0] for i, x in enumerate(zip(*rows, strict=True))]
        axes = tuple(0 if i in positions else None for i in range(len(columns)))
        batch = vmap(pulled, axes)(*(wrap(x) for x in columns))
        turns = zip(*(pulled(*(x[()] for x in row)) for row in rows), strict=True)
        for i, actual, each in zip((None, *case.asked), batch, turns, strict=True):
            what, expected = "value" if i is None else "gradient", np.stack([x.numpy() for x in each])
            tolerance = _EXACT * max(_size(expected), _size(case.out))
            case.compare(f"{what} in a batch", actual.numpy(), "in turn", expected, tolerance, i)


def _layouts(case: _Case) -> None:
    expected = case.gradients(case.arrays, case.g)
    for name, laid in _LAYOUTS.items():
        arrays, g = [laid(x) for x in case.arrays], laid(case.g)
        case.compare(f"value in {name}", case.value(arrays), "in C order", case.out, _EXACT * _size(case.out))
        case.same(f"gradient in {name}", case.gradients(arrays, g), "in C order", expected)
    flat = np.broadcast_to(case.g.dtype.type(0.75), case.g.shape)
    expected = case.gradients(case.arrays, flat.copy())
    case.same("gradient of a cotangent of zero strides", case.gradients(case.arrays, flat), "of its copy", expected)
    arrays = [
        np.broadcast_to(x.flat[0], x.shape) if i in case.asked and x.size and case.kind(i) != "general" else x
        for i, x in enumerate(case.arrays)
    ]
    expected = case.gradients([x.copy() for x in arrays], case.g)
    case.same("gradient at arrays of zero strides", case.gradients(arrays, case.g), "at copies", expected)


def _gaps(x: Any) -> Any:
    room = np.zeros([2 * n for n in x.shape], x.dtype)
    room[(slice(None, None, 2),) * x.ndim] = x
    return room[(slice(None, None, 2),) * x.ndim]


_LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "Fortran order": lambda x: np.array(x, order="F"),
    "negative strides": lambda x: np.flip(np.flip(x).copy()),
    "memory with gaps": _gaps,
}


def _single(x: Any) -> Any:
    return x.astype({"f": np.float32, "c": np.complex64}.get(x.dtype.kind, x.dtype))[()]


def _dtypes(case: _Case) -> None:
    single = [_single(x) if i in case.asked else x[()] for i, x in enumerate(case.arrays)]
    out, *residuals = case.primitive.outputs(*single, **case.options)
    dtype = case.out.dtype if "dtype" in case.options else _single(case.out).dtype
    row = np.asarray(_in_a_row(out))
    if row.dtype != dtype:
        raise case.failure(f"value is {row.dtype} for float32")
    case.compare("value in float32", row, "in float64", case.out, 1e-4 * _size(case.out))
    g = _single(case.g).astype(dtype)
    for i in case.asked:
        rule = case.primitive.rule(i)
        pulled = rule.function(_as(out, g), *rule.pick(out, *residuals, *single, **case.options))
        if np.finfo(pulled.dtype).dtype != np.finfo(dtype).dtype:
            raise case.failure(f"the rule gives {pulled.dtype} for a cotangent in {dtype}", i)
    double = [x.astype(case.arrays[i].dtype)[()] for i, x in enumerate(single)]
    expected = case.gradients(double, g.astype(case.g.dtype))
    case.same("gradient in float32", case.gradients(single, g), "in float64", expected, 1e-4)
    for one in (case.asked[0], case.asked[-1]):
        mixed = [single[i] if i == one else x for i, x in enumerate(double)]
        case.same("gradient with mixed dtypes", case.gradients(mixed, g), "in float64", expected, 1e-4)


def _repeated_argument(case: _Case) -> None:
    """One Tensor given for two arguments gets the sum of both gradients."""
    for i, j in itertools.combinations(case.asked, 2):
        if case.arrays[i].shape == case.arrays[j].shape and case.arrays[i].dtype == case.arrays[j].dtype:
            arrays = [case.arrays[j] if k == i else x for k, x in enumerate(case.arrays)]
            leaves = case.leaves(arrays)
            leaves[i] = leaves[j]
            with np.errstate(all="ignore"):
                case.value(leaves).backward(case.g)
                each = dict(zip(case.asked, case.gradients(arrays, case.g), strict=True))
            size = _size(each[i]) + _size(each[j])
            what = f"gradient of a Tensor given for {case.name(i)} too"
            case.compare(what, leaves[j].grad.numpy(), "the sum of both", each[i] + each[j], _EXACT * size, j)


def _unchanged_and_unshared(case: _Case) -> None:
    """Nothing given or kept is changed, runs agree to the bit, and gradients share no memory with anything."""
    arrays, g = [x.copy() for x in case.arrays], case.g.copy()
    leaves = case.leaves(arrays)
    out = case.value(leaves)
    held = {case.name(i): x for i, x in enumerate(arrays)} | {"the cotangent": g, "the result": out.numpy()}
    before = {name: x.copy() for name, x in held.items()}
    out.backward(g)
    for name, x in held.items():
        case.compare(f"{name} after a backward pass", x, "before it", before[name], 0)
    runs = [case.gradients(arrays, g) for _ in range(2)]
    case.same("gradient of a second run", runs[1], "of the first", runs[0], 0)
    gradients = {i: leaves[i].grad.numpy() for i in case.asked}
    for i, grad in gradients.items():
        others = {f"the gradient of {case.name(j)}": x for j, x in gradients.items() if j != i}
        others |= held | {f"the gradient of {case.name(i)} in a later run": runs[0][case.asked.index(i)]}
        for name, x in others.items():
            if np.shares_memory(grad, x):
                raise case.failure(f"gradient shares its memory with {name}", i)


_CHECKS = (
    _value,
    _unchanged_and_unshared,
    _first_order,
    _second_order,
    _linear_in_the_cotangent,
    _forward,
    _batched,
    _layouts,
    _dtypes,
    _repeated_argument,
)
