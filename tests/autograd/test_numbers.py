"""What takes a Python number of a Tensor: where a derivative may be asked, it would end there."""

import array
import cmath
import math
import struct
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor


def filled(fill: Any) -> Any:
    a = np.zeros(3)
    fill(a)
    return a[0]


def put(a: Any, t: Any) -> None:
    a[0] = t


def put_flat(a: Any, t: Any) -> None:
    a.flat[0] = t


DOORS: dict[str, tuple[Any, Any]] = {  # and what they give for 2
    "float": (float, 2.0),
    "int": (int, 2),
    "complex": (complex, 2 + 0j),
    "numpy.float64": (np.float64, 2.0),
    "numpy.float32": (np.float32, 2.0),
    "numpy.complex128": (np.complex128, 2 + 0j),
    "numpy.int64": (np.int64, 2),
    "a[0] =": (lambda t: filled(lambda a: put(a, t)), 2.0),
    "a.flat[0] =": (lambda t: filled(lambda a: put_flat(a, t)), 2.0),
    "a.fill": (lambda t: filled(lambda a: a.fill(t)), 2.0),
    "fromiter": (lambda t: np.fromiter([t], float)[0], 2.0),
    "initial of sum": (lambda t: np.sum(np.ones(3), initial=t), 5.0),
    "initial of max": (lambda t: np.max(np.ones(3), initial=t), 2.0),
    "math.sin": (math.sin, math.sin(2)),
    "math.floor": (math.floor, 2),
    "math.hypot": (lambda t: math.hypot(t, 0), 2.0),
    "math.fsum": (lambda t: math.fsum([t, t]), 4.0),
    "cmath.exp": (cmath.exp, cmath.exp(2)),
    "struct": (lambda t: struct.unpack("d", struct.pack("d", t))[0], 2.0),
    "array": (lambda t: array.array("d", [t])[0], 2.0),
    "%": (lambda t: float("%.1f" % (t,)), 2.0),  # noqa: UP031
}
UNTOLD = ("struct", "a.flat[0] =")  # whose errors hide ours
OPEN: dict[str, tuple[Any, Any]] = {
    "item": (lambda t: t.item(), 2.0),
    "bool": (bool, True),
    "comparison": (lambda t: bool(1 < t < 3), True),
    "format": (lambda t: f"{t:.2f}", "2.00"),
    "str": (lambda t: str(t)[:8], "Tensor(2"),
    "numpy()": (lambda t: t.numpy()[()], 2.0),
}


def leaf(value: float) -> Tensor:
    return Tensor(value, requires_grad=True)


def detached(door: Any) -> Any:
    return door(leaf(2.0).detach())


def not_recorded(door: Any) -> Any:
    with pb.no_grad():
        return door(leaf(2.0))


def not_recorded_in_grad(door: Any) -> Any:
    def f(t: Any) -> Any:
        results.append(not_recorded(lambda _: door(t)))
        return t * 1

    results: list[Any] = []
    pb.grad(f)(2.0)
    return results[0]


def inside(transform: Any) -> Any:
    """The door inside of a transform of a function."""

    def run(door: Any) -> Any:
        def f(t: Any) -> Any:
            results.append(door(t))
            return t * 1

        results: list[Any] = []
        transform(f)
        return results[0]

    return run


def jvp_without_recording(f: Any) -> None:
    with pb.no_grad():
        pb.jvp(f, (2.0,), (1.0,))


def with_a_leaf_inside(f: Any) -> None:
    pb.jvp(lambda t: not_recorded(lambda _: f((t * 1).requires_grad_())), (2.0,), (1.0,))


SHUT = {
    "recording": lambda door: door(leaf(1.0) * 2),
    "a leaf": lambda door: door(leaf(2.0)),
    "grad": inside(lambda f: pb.grad(f)(2.0)),
    "vjp": inside(lambda f: pb.vjp(f, 2.0)),
    "jvp": inside(lambda f: pb.jvp(f, (2.0,), (1.0,))),
    "jvp in no_grad": inside(jvp_without_recording),
    "a leaf in jvp in no_grad": inside(with_a_leaf_inside),
    "grad in jvp": inside(lambda f: pb.hvp(f, 2.0, 1.0)),
}
WIDE = {
    "detached": detached,
    "no_grad": not_recorded,
    "no_grad in grad": not_recorded_in_grad,
    "never asked": lambda door: door(Tensor(2.0)),
}


def causes(error: BaseException | None) -> str:
    """The messages of an error and of those behind it: NumPy raises a ValueError from ours."""
    return "" if error is None else f"{error} {causes(error.__cause__ or error.__context__)}"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mode", SHUT)
def test_no_number_where_a_derivative_would_end(mode: str, door: str) -> None:
    with pytest.raises((TypeError, ValueError, struct.error)) as caught:
        SHUT[mode](DOORS[door][0])
    if door not in UNTOLD:
        assert "would lose it" in causes(caught.value) and "stack()" in causes(caught.value)


@pytest.mark.parametrize("kind", [float, int, complex])
def test_the_error_names_what_to_write(kind: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{kind.__name__}\(\) of .* use \.item\(\) .* or stack\(\)"):
        kind(leaf(2.0))


@pytest.mark.parametrize("door", [*DOORS, *OPEN])
@pytest.mark.parametrize("mode", WIDE)
def test_numbers_where_there_is_no_derivative(mode: str, door: str) -> None:
    take, expected = {**DOORS, **OPEN}[door]
    assert WIDE[mode](take) == expected


@pytest.mark.parametrize("door", OPEN)
@pytest.mark.parametrize("mode", [mode for mode in SHUT if mode != "grad in jvp" and "jvp" not in mode])
def test_values_where_a_gradient_may_be_asked(mode: str, door: str) -> None:
    take, expected = OPEN[door]
    assert SHUT[mode](take) == expected


@pytest.mark.parametrize("door", ["item", "bool", "comparison", "numpy()"])
@pytest.mark.parametrize("mode", [mode for mode in SHUT if "jvp" in mode])
def test_values_inside_jvp(mode: str, door: str) -> None:
    take, expected = OPEN[door]
    assert SHUT[mode](take) == expected


@pytest.mark.parametrize("door", [*DOORS, "item", "bool", "numpy()"])
def test_no_number_of_a_batch(door: str) -> None:
    with pytest.raises((TypeError, ValueError, struct.error)) as caught:
        pb.vmap({**DOORS, **OPEN}[door][0])(np.array([2.0, 2.0]))
    if door not in UNTOLD:
        assert "differs from example to example" in causes(caught.value)


def test_integers_have_no_derivative() -> None:
    count = Tensor(2)
    assert [5, 6, 7][count] == 7 and int(count) == float(count) == 2 and range(count) == range(2)
    with pytest.raises(TypeError):
        range(leaf(2.0))  # type: ignore[arg-type]
