"""Programs as data: how they read, what they refuse, and that running them is what the function does."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, program, registry
from pullback.autograd.programs.program import Equation, InvalidProgram, Program, Slot

F8 = np.dtype("float64")


def test_how_it_reads():
    w = Tensor([[1.0], [2.0], [3.0]])

    def model(x, labels, *, scale):
        h = pb.tanh(x @ w) * scale
        return {"h": h, "hit": h[:, 0] > labels}, None

    written = program(model)(np.ones((2, 3)), np.array([0, 1]), scale=2.5)
    assert str(written).splitlines() == [
        "program model",
        "  input    %0: float64[2,3]",
        "  input    %1: int64[2]",
        "  captured %2: float64[3,1]",
        "  %3: float64[2,1] = matmul(%0, %2)",
        "  %4: float64[2,1] = tanh(%3)",
        "  %5: float64[2,1] = multiply(%4, 2.5)",
        "  %6: float64[2] = getitem(%5, index=(slice(None, None, None), 0))",
        "  %7: bool[2] = greater(%6, %1)",
        "  output   ({'h': %5, 'hit': %7}, None)",
    ]
    assert written.operations == {"getitem": 1, "greater": 1, "matmul": 1, "multiply": 1, "tanh": 1}
    assert written.flops == 2 * 2 * 3 + 2 + 2 + 2 + 2
    assert written.bytes == 3 * 16 + 16 + 2
    assert written.equations[0].line == f"test_program.py:{model.__code__.co_firstlineno + 1}"
    assert written.captured[Slot(2, (3, 1), F8)].tensor is w
    out, nothing = written(np.zeros((2, 3)), np.array([-1, 1]), scale=2.5)
    np.testing.assert_array_equal(out["hit"].data, [True, False])
    assert nothing is None


def test_it_is_for_its_kind_of_arguments():
    written = program(lambda x, n: x * n)(pb.ones(3), 2)
    np.testing.assert_array_equal(written(pb.ones(3) * 5, 2).data, [10, 10, 10])
    with pytest.raises(ValueError, match=r"input 0 is float64 of shape \(4,\), but .* float64 of shape \(3,\)"):
        written(pb.ones(4), 2)
    with pytest.raises(ValueError, match=r"input 0 is float32 of shape \(3,\), but"):
        written(pb.ones(3, dtype="float32"), 2)
    with pytest.raises(ValueError, match=r"arguments .*\*, 3.* given for a program of .*\*, 2"):
        written(pb.ones(3), 3)
    with pytest.raises(ValueError, match="given for a program of"):
        written(pb.ones(3), pb.ones(3))


def test_derivatives_go_through_it():
    w = Tensor([1.0, 2.0], requires_grad=True)
    written = program(lambda x: (w * x**2).sum())([1.0, 1.0])
    x = Tensor([3.0, 4.0], requires_grad=True)
    written(x).backward()
    np.testing.assert_array_equal(x.grad.data, [6, 16])
    np.testing.assert_array_equal(w.grad.data, [9, 16])
    np.testing.assert_array_equal(pb.hessian(written)([3.0, 4.0]).data, [[2, 0], [0, 4]])
    np.testing.assert_array_equal(pb.vmap(written)([[1.0, 0.0], [0.0, 1.0]]).data, [1, 2])
    np.testing.assert_array_equal(pb.jvp(written, ([3.0, 4.0],), ([1.0, 1.0],))[1].data, 22)


def test_gradients_within_it_are_equations():
    written = program(grad(lambda x: pb.sin(x)))(Tensor(0.5))
    assert written.operations["cos"] == 1
    np.testing.assert_array_equal(written(Tensor(2.0)).data, np.cos(2.0))


def test_programs_of_programs():
    inner = program(lambda x: pb.exp(x) + 1)(pb.ones(2))
    outer = program(lambda x: inner(x).sum())(pb.ones(2))
    assert outer.operations == {"add": 1, "exp": 1, "sum": 1}
    assert outer([0.0, 0.0]).item() == 4


def test_equality():
    def f(x):
        return (x * 2).sum()

    assert program(f)(pb.ones(3)) == program(lambda x: (x * 2).sum())(pb.zeros(3))
    others = (
        program(f)(pb.ones(4)),
        program(f)(pb.ones(3, dtype="float32")),
        program(lambda x: (x * 2.0).sum())(pb.ones(3)),
        program(lambda x: (x + 2).sum())(pb.ones(3)),
        program(lambda x: (x * 2).sum(keepdims=True))(pb.ones(3)),
        program(lambda x: (x * 2, x.sum()))(pb.ones(3)),
    )
    assert all(program(f)(pb.ones(3)) != other for other in others)
    assert program(f)(pb.ones(3)) != "program"
    constant, other = (program(lambda x, c=c: x * np.array(c))(pb.ones(2)) for c in ([1.0, np.nan], [1.0, 2.0]))
    assert constant == constant and constant != other


def test_pickles():
    w = Tensor([1.0, 2.0])
    written = program(lambda x: (pb.nonzero(x)[0], w * x, np.arange(2.0) + x))([1.0, 0.0])
    copy = pickle.loads(pickle.dumps(written))
    assert str(copy) == str(written)
    for a, b in zip(copy([3.0, 0.0]), written([3.0, 0.0]), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    with pytest.raises(ValueError, match="arguments"):
        copy([1.0, 0.0], 2)


X, Y = Slot(0, (2,), F8), Slot(1, (2,), F8)
SIN = Equation(registry["sin"], (X,), {}, (Y,))
PROGRAM = Program("p", None, (X,), (SIN,), (Y,))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(PROGRAM, equations=()), r"%1: float64\[2\] is used by the outputs but not defined before"),
        (replace(PROGRAM, inputs=()), r"%0: float64\[2\] is used by %1: float64\[2\] = sin\(%0\) but not"),
        (replace(PROGRAM, equations=(SIN, SIN)), r"%1 is defined twice, the second time as %1"),
        (replace(PROGRAM, inputs=(X, X)), "%0 is defined twice"),
        (replace(PROGRAM, outputs=(Slot(1, (3,), F8),)), r"%1: float64\[3\] is used by the outputs but not"),
        (
            replace(PROGRAM, constants={Slot(5, (1,), F8): np.zeros(2)}),
            r"%5: float64\[1\] stands for float64 of \(2,\)",
        ),
    ],
)
def test_the_verifier(wrong, message):
    PROGRAM.verified()
    with pytest.raises(InvalidProgram, match=message):
        wrong.verified()
