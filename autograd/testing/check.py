"""Everything a primitive promises, checked on one example or on examples that Hypothesis draws."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..levels import raw
from ..primitive import Primitive
from ..shaping import concatenate, reshape
from ..tensor import Tensor, wrap
from ..transforms import jvp, vjp, vmap
from .case import EXACT, Case, as_outputs, in_a_row, inner, size_of
from .gradcheck import GradcheckError, gradients_of, worst
from .numerical import units
from .strategies import arguments, hypothesis


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
        _check(Case(primitive, arrays, options or {}, reference))
        return True
    library = hypothesis()

    @library.settings(
        settings, deadline=None, report_multiple_bugs=False, suppress_health_check=list(library.HealthCheck)
    )
    @library.given(arguments(primitive) | arguments(primitive, complex=True))
    def examples(drawn: Any) -> None:
        arrays, options = drawn
        if not refuses(primitive, arrays, options):
            _check(Case(primitive, arrays, options, reference))

    examples()
    return True


def refuses(primitive: Primitive, arrays: Any, options: dict[str, Any]) -> bool:
    """Whether there are complex arrays among these, for which the function raises TypeError."""
    with contextlib.suppress(TypeError):
        if np.result_type(*arrays).kind == "c":
            primitive.function(*arrays, **options)
        return False
    return True


def _check(case: Case) -> None:
    for check in _CHECKS if case.asked else (_value,):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check(case)
        except GradcheckError:
            raise
        except Exception as error:
            raise case.failure(f"{type(error).__name__}: {error}", during=check) from error


def _value(case: Case) -> None:
    results = case.primitive.function(*case.arrays, **case.options)
    if case.primitive.residuals:
        results = results[: len(case.primitive.several)] or results[0]
    expected, out = np.asarray(in_a_row(results)), case.value([wrap(x[()]) for x in case.arrays])
    if not isinstance(out, Tensor):
        raise case.failure(f"gives {type(out).__name__} for Tensors")
    if isinstance(case.value(case.arrays), Tensor):
        raise case.failure("gives a Tensor for arrays")
    for kind, actual in (("Tensors", out.numpy()), ("arrays", case.out)):
        rounding = 4 * np.finfo(np.float64).eps * size_of(expected)  # NumPy's scalars may differ from its arrays
        case.compare(f"value on {kind}", actual, "of the function itself", expected, rounding)
        if actual.dtype != expected.dtype:
            raise case.failure(f"value on {kind} is {actual.dtype}, of the function itself {expected.dtype}")
    if case.reference is not None:
        expected = in_a_row(case.reference(*case.arrays, **case.options))
        case.compare("value", case.out, "by the reference", expected, EXACT * size_of(expected))


def _first_order(case: Case) -> None:
    """<gradient, v> is the derivative of <value, g> in the direction v; a failure is traced to its entry."""

    def weighted(arrays: Any) -> Any:
        return np.sum(case.value(arrays) * case.g)

    for i, grad in zip(case.asked, case.gradients(case.arrays, case.g), strict=True):
        for direction in (case.v[i], np.abs(case.v[i])) if grad.size else ():
            for beside, slope, tolerance in case.differences(weighted, i, direction):
                along = inner(grad, direction)
                if worst(along, slope.real, tolerance) is not None:
                    for unit in units(grad):
                        at = np.argwhere(unit)[0].tolist()
                        entry = f"gradient at {at}" if at else "gradient"
                        by, expected, doubt = next(case.differences(weighted, i, unit))
                        case.compare(entry, inner(grad, unit), by, expected.real, doubt, i)
                    case.compare("gradient along a direction", along, beside, slope.real, tolerance, i)


def _second_order(case: Case) -> None:
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
        return sum(inner(grad, case.v[i]) for i, grad in zip(case.asked, grads, strict=True))

    for i, second in zip(case.asked, seconds, strict=True):
        if second.size:
            along, expected = inner(second.numpy(), case.v[i]), next(case.differences(projected, i, case.v[i]))
            case.compare("second derivative along a direction", along, *expected, i)
    along, expected = inner(forward.numpy(), case.h), projected(case.arrays, case.h)
    size = sum(np.abs(grad).sum() for grad in case.gradients(case.arrays, np.abs(case.h)))
    case.compare("derivative by the cotangent", along, "the gradient is", expected, EXACT * (size + abs(expected)))


def _linear_in_the_cotangent(case: Case) -> None:
    first, second = case.gradients(case.arrays, case.g), case.gradients(case.arrays, case.h)
    both = case.gradients(case.arrays, 2 * case.g - 3 * case.h)
    for i, a, b, c in zip(case.asked, first, second, both, strict=True):
        combined, size = 2 * a - 3 * b, size_of(a) + size_of(b)
        case.compare("gradient of cotangent 2 g - 3 h", c, "combined from those of g and h", combined, EXACT * size, i)
    zeros = [np.zeros_like(x) for x in first]
    case.same("gradient of a zero cotangent", case.gradients(case.arrays, 0 * case.g), "it must be", zeros)


def _forward(case: Case) -> None:
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
        case.compare("value in forward mode", value, "without", case.out, EXACT * size_of(case.out))
        pulled = sum(inner(case.v[i], grads[i]) for i in asked)
        size = sum(np.sum(np.abs(case.v[i] * grads[i])) for i in asked) + np.sum(np.abs(tangent * case.g))
        case.compare("<J v, g>", inner(tangent, case.g), "<v, J^T g>", pulled, EXACT * size, asked[0])

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
    case.compare("forward over reverse", np.sum(along).real, "reverse over reverse", np.sum(terms).real, EXACT * size)


def _batched(case: Case) -> None:
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
            tolerance = EXACT * max(size_of(expected), size_of(case.out))
            case.compare(f"{what} in a batch", actual.numpy(), "in turn", expected, tolerance, i)


def _layouts(case: Case) -> None:
    expected = case.gradients(case.arrays, case.g)
    for name, laid in _LAYOUTS.items():
        arrays, g = [laid(x) for x in case.arrays], laid(case.g)
        case.compare(f"value in {name}", case.value(arrays), "in C order", case.out, EXACT * size_of(case.out))
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


def _dtypes(case: Case) -> None:
    single = [_single(x) if i in case.asked else x[()] for i, x in enumerate(case.arrays)]
    out, *residuals = case.primitive.outputs(*single, **case.options)
    dtype = case.out.dtype if "dtype" in case.options else _single(case.out).dtype
    row = np.asarray(in_a_row(out))
    if row.dtype != dtype:
        raise case.failure(f"value is {row.dtype} for float32")
    moves = sum(
        size_of(case.arrays[i] * g) for i, g in zip(case.asked, case.gradients(case.arrays, case.g), strict=True)
    )
    rounding = 1e-4 * size_of(case.out) + np.finfo(np.float32).eps * moves  # of the value, and of the arguments
    case.compare("value in float32", row, "in float64", case.out, rounding)
    g = _single(case.g).astype(dtype)
    for i in case.asked:
        rule = case.primitive.rule(i)
        pulled = rule.function(as_outputs(out, g), *rule.pick(out, *residuals, *single, **case.options))
        if np.finfo(pulled.dtype).dtype != np.finfo(dtype).dtype:
            raise case.failure(f"the rule gives {pulled.dtype} for a cotangent in {dtype}", i)
    double = [x.astype(case.arrays[i].dtype)[()] for i, x in enumerate(single)]
    expected = case.gradients(double, g.astype(case.g.dtype))
    case.same("gradient in float32", case.gradients(single, g), "in float64", expected, 1e-4)
    for one in (case.asked[0], case.asked[-1]):
        mixed = [single[i] if i == one else x for i, x in enumerate(double)]
        case.same("gradient with mixed dtypes", case.gradients(mixed, g), "in float64", expected, 1e-4)


def _repeated_argument(case: Case) -> None:
    """One Tensor given for two arguments gets the sum of both gradients."""
    for i, j in itertools.combinations(case.asked, 2):
        if case.arrays[i].shape == case.arrays[j].shape and case.arrays[i].dtype == case.arrays[j].dtype:
            arrays = [case.arrays[j] if k == i else x for k, x in enumerate(case.arrays)]
            leaves = case.leaves(arrays)
            leaves[i] = leaves[j]
            with np.errstate(all="ignore"):
                case.value(leaves).backward(case.g)
                each = dict(zip(case.asked, case.gradients(arrays, case.g), strict=True))
            size = size_of(each[i]) + size_of(each[j])
            what = f"gradient of a Tensor given for {case.name(i)} too"
            case.compare(what, leaves[j].grad.numpy(), "the sum of both", each[i] + each[j], EXACT * size, j)


def _unchanged_and_unshared(case: Case) -> None:
    """Nothing given or kept is changed, runs agree to the bit, and gradients share no memory with anything."""
    arrays, g = [x.copy() for x in case.arrays], case.g.copy()
    leaves = case.leaves(arrays)
    out = case.value(leaves)
    held = {case.name(i): x for i, x in enumerate(arrays)} | {"the cotangent": g, "the result": np.asarray(raw(out))}
    before = {name: x.copy() for name, x in held.items()}
    out.backward(g)
    for name, x in held.items():
        case.compare(f"{name} after a backward pass", x, "before it", before[name], 0)
    runs = [case.gradients(arrays, g) for _ in range(2)]
    case.same("gradient of a second run", runs[1], "of the first", runs[0], 0)
    gradients = {i: np.asarray(raw(leaves[i].grad)) for i in case.asked}
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
