"""Everything a primitive promises, checked on one example or on examples that Hypothesis draws."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from ..core.primitive import AnyForm, Primitive
from ..core.tensor import Tensor, wrap
from ..core.tracing import raw
from ..core.types import Inputs
from .case import inner, size_of
from .derivatives import Check
from .draw import arguments, hypothesis
from .gradcheck import arrays_of
from .properties import PROPERTIES
from .report import GradcheckError
from .reproduction import literal
from .tensors import (
    Function,
    as_outputs,
    batched,
    forward,
    forward_over_reverse,
    gradients_of,
    in_a_row,
    one_tensor_twice,
)


def check_primitive(
    primitive: Primitive[AnyForm],
    inputs: Inputs | None = None,
    options: dict[str, object] | None = None,
    *,
    reference: Callable[..., object] | None = None,
    settings: Any = None,
) -> bool:
    """Check a primitive and its rules at `apply(*inputs, **options)`; True, or GradcheckError with a report.

    `inputs` are one array or a tuple. Without them, examples are drawn by its `.strategy` with Hypothesis (under its
    `settings`) and a failing one is shrunk. The value is compared with `reference` (default: the primitive's own
    function), first derivatives with numerical ones as in `gradcheck`, second derivatives with differences of the
    first; forward mode by <J v, g> = <v, J^T g> to rounding, which for a linear argument is the identity of a map and
    its transpose, and forward over reverse; batches by vmap; then layouts, float32, a repeated argument, and that
    nothing is changed, shared or random. Half of the examples that are drawn have complex arrays, real ones perhaps
    among them; those to which the function raises TypeError are left out.

    >>> from pullback import multiply
    >>> import numpy as np
    >>> check_primitive(multiply, (np.array([1.0, 2.0]), np.array(3.0)))
    True
    """
    if not isinstance(primitive, Primitive):
        raise TypeError(f"check_primitive: expected a primitive, not a {type(primitive).__name__}; see gradcheck")
    if inputs is not None:
        arrays = arrays_of(inputs)
        if len(arrays) < len(primitive.arrays) or (len(arrays) > len(primitive.arrays) and not primitive.variadic):
            names = ", ".join(primitive.arrays)
            raise TypeError(
                f"check_primitive: {primitive.name} takes {len(primitive.arrays)} arrays ({names}), "
                f"got {len(arrays)} of shapes {[x.shape for x in arrays]}; write check_primitive(p, ({names},))"
            )
        _check(Case(primitive, arrays, options or {}, reference))
        return True
    library = hypothesis()
    settings = settings or library.settings.default
    settings = library.settings(
        settings,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(library.HealthCheck),
        phases=[phase for phase in settings.phases if phase != library.Phase.explain],  # which lines ran tells nothing
    )

    @settings
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


class Case(Function):
    """A primitive with arguments for it."""

    def __init__(self, primitive: Primitive, arrays: Any, options: dict[str, Any], reference: Any = None) -> None:
        self.primitive, self.options, self.reference = primitive, options, reference
        arrays = [np.asarray(x) for x in arrays]
        asked = [i for i, x in enumerate(arrays) if x.dtype.kind in "fc" and self._has_rule(i)]
        names = [*primitive.arrays, *(f"{primitive.variadic}[{i}]" for i in range(len(arrays)))][: len(arrays)]

        def applied(*tensors: Any) -> Any:
            return primitive.apply(*tensors, **options)

        super().__init__(primitive.name, applied, arrays, asked, names, self._once_more)

    def _has_rule(self, position: int) -> bool:
        with contextlib.suppress(TypeError):
            return bool(self.primitive.rule(position))
        return False

    def _once_more(self, _: Any) -> list[str]:
        options = ", ".join(f"{k!r}: {_written(v)}" for k, v in self.options.items())
        arrays = ", ".join(map(literal, self.arrays))
        name, home = self.primitive.name, getattr(self.primitive.function, "__module__", None) or __name__
        known = home.split(".")[0] in ("__main__", __name__.split(".")[0])
        return [
            "import numpy as np",
            *([] if known else [f"import {home}  # which has {name}"]),
            "from pullback import registry",
            "from pullback.testing import check_primitive",
            f"check_primitive(registry[{name!r}], ({arrays},), {{{options}}})",
        ]

    def at(self, arrays: Any) -> Self:
        return type(self)(self.primitive, arrays, self.options, self.reference)

    def value(self, arrays: Any) -> Any:
        out = self.results(arrays)
        self.shapes = [np.shape(o) for o in out] if isinstance(out, tuple) else None
        return np.asarray(in_a_row(out))


def _written(value: Any) -> str:
    """Python code for an option."""
    if isinstance(value, (np.ndarray, np.generic)):
        return literal(value)
    if isinstance(value, tuple):
        return f"({''.join(_written(v) + ', ' for v in value)})"
    if isinstance(value, (type, np.dtype)):
        return f"np.{np.dtype(value).name}"
    return repr(value).replace("nan", "np.nan").replace("inf", "np.inf") if isinstance(value, float) else repr(value)


def _check(case: Case) -> None:
    for check in _CHECKS if case.asked else (_value,):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check(case)
        except GradcheckError:
            raise
        except Exception as error:
            name = check.__name__.strip("_").replace("_", " ")
            case.failure(f"{type(error).__name__}: {error} (in the check of {name})")


def _value(case: Case) -> None:
    results = case.primitive.function(*case.arrays, **case.options)
    if case.primitive.aux:
        results = results[: len(case.primitive.several)] or results[0]
    expected, out = np.asarray(in_a_row(results)), case.run([wrap(x[()]) for x in case.arrays])
    if not isinstance(out, Tensor):
        case.failure(f"gives {type(out).__name__} for Tensors")
    if isinstance(case.run(case.arrays), Tensor):
        case.failure("gives a Tensor for arrays")
    for kind, actual in (("Tensors", out.numpy()), ("arrays", case.out)):
        rounding = 4 * np.finfo(np.float64).eps * size_of(expected)  # NumPy's scalars may differ from its arrays
        case.compare(f"value on {kind}", actual, "of the function itself", expected, rounding)
        if actual.dtype != expected.dtype:
            case.failure(f"value on {kind} is {actual.dtype}, of the function itself {expected.dtype}")
    if case.reference is not None:
        expected = in_a_row(case.reference(*case.arrays, **case.options))
        case.compare("value", case.out, "by the reference", expected, case.exact * size_of(expected))


def _first_order(case: Case) -> None:
    Check(case, full=False).run()


def _second_order(case: Case) -> None:
    """The derivatives of <gradients, v> by arguments and cotangent, from a graph of the backward pass."""
    leaves = case.leaves(case.arrays)
    g = wrap(case.g[()]).requires_grad_()
    inputs = [*(leaves[i] for i in case.asked), g]
    grads = gradients_of([case.run(leaves)], [g], inputs[:-1], create_graph=True)
    ordinary = case.gradients(case.arrays, case.g)
    case.same("gradient with create_graph", [grad.numpy() for grad in grads], "without", ordinary)
    along = gradients_of(grads, [case.v[i] for i in case.asked], inputs, create_graph=False)[-1]
    size = sum(np.abs(grad).sum() for grad in case.gradients(case.arrays, np.abs(case.h)))
    expected = sum(inner(x, case.v[i]) for i, x in zip(case.asked, case.gradients(case.arrays, case.h), strict=True))
    actual, tolerance = inner(along.numpy(), case.h), case.exact * (size + abs(expected))
    case.compare("derivative by the cotangent", actual, "the gradient is", expected, tolerance)
    Check(Second(case, case.arrays), full=False).run()


class Second(Function):
    """The gradients of a case as a function of its arrays: by an ordinary backward pass, and from a graph of one."""

    def __init__(self, case: Case, arrays: Any) -> None:
        def pulled(*tensors: Any) -> Any:
            xs = [x if x.requires_grad or i not in case.asked else x.requires_grad_() for i, x in enumerate(tensors)]
            asked = [xs[i] for i in case.asked]
            return in_a_row(gradients_of([case.run(xs)], [wrap(case.g[()])], asked, create_graph=True))

        self.case, self.options = case, case.options
        super().__init__(f"{case.title}, second order", pulled, arrays, case.asked, case.names, lambda _: case.again())

    def value(self, arrays: Any) -> Any:
        self.shapes = [np.shape(arrays[i]) for i in self.case.asked]
        return np.concatenate([np.ravel(x) for x in self.case.gradients(arrays, self.case.g)])

    def at(self, arrays: Any) -> Self:
        return type(self)(self.case, arrays)


def _arrays_of_zero_strides(case: Case) -> None:
    """Arrays that a broadcast made have the gradients of their copies."""
    arrays = [
        np.broadcast_to(x.flat[0], x.shape) if i in case.asked and x.size and case.primitive.kind(i) != "general" else x
        for i, x in enumerate(case.arrays)
    ]
    expected = case.gradients([x.copy() for x in arrays], case.g)
    case.same("gradient at arrays of zero strides", case.gradients(arrays, case.g), "at copies", expected)


def _single(x: Any) -> Any:
    return x.astype({"f": np.float32, "c": np.complex64}.get(x.dtype.kind, x.dtype))[()]


def _dtypes(case: Case) -> None:
    single = [_single(x) if i in case.asked else x[()] for i, x in enumerate(case.arrays)]
    out, *aux = case.primitive.outputs(*single, **case.options)
    dtype = case.out.dtype if "dtype" in case.options else _single(case.out).dtype
    row = np.asarray(in_a_row(out))
    if row.dtype != dtype:
        case.failure(f"value is {row.dtype} for float32")
    moves = sum(
        size_of(case.arrays[i] * g) for i, g in zip(case.asked, case.gradients(case.arrays, case.g), strict=True)
    )
    rounding = 1e-4 * size_of(case.out) + np.finfo(np.float32).eps * moves  # of the value, and of the arguments
    case.compare("value in float32", row, "in float64", case.out, rounding)
    g = _single(case.g).astype(dtype)
    for i in case.asked:
        rule = case.primitive.rule(i)
        pulled = rule.function(as_outputs(out, g), *rule.save(out, *aux, *single, **case.options))
        if np.finfo(pulled.dtype).dtype != np.finfo(dtype).dtype:
            case.failure(f"the rule gives {pulled.dtype} for a cotangent in {dtype}", i)
    double = [x.astype(case.arrays[i].dtype)[()] for i, x in enumerate(single)]
    expected = case.gradients(double, g.astype(case.g.dtype))
    case.same("gradient in float32", case.gradients(single, g), "in float64", expected, 1e-4)
    for one in (case.asked[0], case.asked[-1]):
        mixed = [single[i] if i == one else x for i, x in enumerate(double)]
        case.same("gradient with mixed dtypes", case.gradients(mixed, g), "in float64", expected, 1e-4)


def _between(case: Case) -> None:
    """A call between a forward and its backward pass changes no gradient, and a backward pass not the result."""
    leaves = case.leaves(case.arrays)
    out = case.run(leaves)
    held = np.asarray(raw(out))
    before = held.copy()
    case.run(case.leaves(case.given(case.arrays, [0.9 * case.arrays[i] for i in case.asked])))
    out.backward(case.g)
    case.compare("the result after a backward pass", held, "before it", before, 0)
    grads, expected = [leaves[i].grad.numpy() for i in case.asked], case.gradients(case.arrays, case.g)
    case.same("gradient after another call", grads, "without it", expected, 0)


_CHECKS = (
    *PROPERTIES,
    _value,
    _between,
    _first_order,
    _second_order,
    forward,
    forward_over_reverse,
    batched,
    _arrays_of_zero_strides,
    _dtypes,
    one_tensor_twice,
)
