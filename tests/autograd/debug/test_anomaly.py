"""detect_anomaly: what made the first NaN or Inf is named, with the line, and nothing is left behind."""

import re
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.autograd.core.graph import modes

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

EIGH = "values, vectors = pb.linalg.eigh(a)  # equal values: the vectors have no derivative"
TINY = np.array([1.0, 1e-30], np.float32)  # 1/x is finite in float32, its derivative is not


def leaf(value):
    return Tensor(value, requires_grad=True)


@contextmanager
def found(pattern, line):
    """An anomaly is found inside; its message has the pattern and, last, the source text of the line."""
    with pytest.raises(FloatingPointError) as caught, pb.detect_anomaly():
        yield
    text = str(caught.value)
    assert re.search(pattern, text), text
    assert text.splitlines()[-1].strip() == line and f'File "{__file__}", line ' in text, text


@contextmanager
def anomaly(pattern):
    with pytest.raises(FloatingPointError, match=pattern), pb.detect_anomaly():
        yield


def line_of(text):
    """The text of a File line's number in this file."""
    number = int(re.findall(r"line (\d+), in \w+", text)[-1])
    with open(__file__, encoding="utf-8") as file:
        return file.read().splitlines()[number - 1].strip()


def test_forward():
    x = leaf([1.0, 0.0, 4.0])
    with found(r"^log\(x float64 \(3,\)\) gave Inf in 1 of 3 entries\n", "np.log(y)"):
        y = x * 2.0
        np.log(y)


def test_the_number_of_the_line_is_that_of_the_text():
    with pytest.raises(FloatingPointError) as caught, pb.detect_anomaly():
        Tensor([0.0]) / 0.0
    assert line_of(str(caught.value)) == "Tensor([0.0]) / 0.0"


def test_without_a_graph():
    with (
        found(r"^divide\(a float32 \(2,\), b=0\) gave Inf and NaN in 2 of 2", "Tensor(np.float32([0, 1])) / 0"),
        pb.no_grad(),
    ):
        Tensor(np.float32([0, 1])) / 0


def test_backward_names_the_argument_and_the_line_that_recorded():
    x, y = leaf(TINY), leaf(np.ones((3, 2), np.float32))
    with (
        found(
            r"^backward of divide\(a float32 \(3, 2\), b float32 \(2,\)\) gave Inf in 1 of 2 entries of "
            r"the gradient of b float32 \(2,\)\n",
            "ratio = y / x",
        ),
    ):
        ratio = y / x
        loss = ratio.sum()
        loss.backward()


def test_callers_are_named_too():
    def inner(x):
        return 1 / x

    with pytest.raises(FloatingPointError) as caught, pb.detect_anomaly():
        inner(leaf(TINY)).sum().backward()
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert lines[-1] == "return 1 / x" and "inner(leaf(TINY)).sum().backward()" in lines
    assert not any("primitive.py" in line for line in lines)


def test_a_graph_from_outside():
    y = (1 / leaf(TINY)).sum()
    with anomaly(r"^backward of divide\(\.\.\.\) .*\n\(recorded outside"):
        y.backward()


def test_nan_that_came_in_is_said_to():
    x = leaf([np.nan, 1.0])
    with found(r"exp\(x float64 \(2,\)\) gave NaN in 1 of 2 entries; x has NaN already \(it came in", "np.exp(x)"):
        np.exp(x)


def test_inf_that_came_in_counts_when_it_becomes_nan():
    x = leaf([1.0, 2.0])
    mask = np.array([0.0, -np.inf])
    with pb.detect_anomaly():
        y = pb.softmax(x + mask, axis=0)
        (y * y).sum().backward()
        pb.where(np.array([True, False]), x, -np.inf).max().backward()
        np.nanmean(Tensor([np.nan, 1.0]))
    assert np.isfinite(x.grad.data).all()
    with found(r"subtract\(.*\) gave NaN in 1 of 2 entries; a has Inf already; b has Inf already\n", "masked - masked"):
        masked = x + mask
        masked - masked


def test_what_no_operation_passed_on():
    x = leaf([1.0, 2.0])
    for given in (np.nan, np.inf):
        with anomaly(r"^the gradient of the result of multiply\(.*it was given"):
            (x * 3.0).backward([1.0, given])
    y = leaf(1.0)
    with anomaly(r"^the gradient of a leaf has Inf in 1 of 1 entries of float64 \(\)"):
        (y * 2.0 + y * 3.0).backward(5e307)
    y.register_hook(lambda g: np.nan)
    with anomaly(r"^the gradient of a leaf has NaN in 1 .* made by a hook"):
        (y * 2.0).backward()


def test_several_outputs():
    def f(a):
        values, vectors = pb.linalg.eigh(a)  # equal values: the vectors have no derivative
        return vectors[0, 0] + values.sum()

    with (
        found(r"^backward of eigh\(a float64 \(2, 2\)\) gave .* of the gradient of a float64 \(2, 2\)", EIGH),
        pb.override(pb.registry["eigh"], "a", lambda g, out: np.inf * g[1]),
    ):
        f(leaf(np.eye(2))).backward()


def test_variadic():
    twins = leaf(np.float32([1.0, 2.0]))
    with found(r"^concatenate\(arrays\[0\] float32 \(2,\), arrays\[1\] float64 \(1,\)\) gave NaN", "pb.concat(parts)"):
        parts = [twins, np.array([np.nan])]
        pb.concat(parts)


def test_forward_mode():
    with found(r"^divide\(a=1, b float32 \(2,\)\) gave Inf in 1 of 4 entries\n", "return 1 / x"):

        def f(x):
            return 1 / x

        pb.jvp(f, (TINY,), (np.ones(2, np.float32),))


def test_batches():
    x = np.array([[1.0, 2.0], [0.0, 4.0]])
    with found(r"^log\(x float64 \(2,\)\) gave Inf in 1 of 4 entries\n", "return np.log(x).sum()"):

        def f(x):
            return np.log(x).sum()

        pb.vmap(f)(x)


def test_batches_of_gradients():
    def f(x):
        return (1 / x).sum()

    with found(r"^backward of divide\(a=1, b float32 \(2,\)\) gave Inf in 1 of 4 .* b ", "return (1 / x).sum()"):
        pb.vmap(pb.grad(f))(np.stack([np.ones(2, np.float32), TINY]))


@pytest.mark.parametrize("transform", [pb.grad, pb.hessian])
def test_gradients(transform):
    def f(x):
        return (1 / x).sum()

    with found(r"divide\(a=1, b float32 \(2,\)\)", "return (1 / x).sum()"):
        transform(f)(TINY)


def test_create_graph():
    x = leaf(np.float32([1e-15]))  # 1/x, -1/x**2 are finite in float32, 2/x**3 is not
    with found("^backward of ", "(1 / x).sum().backward(create_graph=True)"):
        (1 / x).sum().backward(create_graph=True)
        g, x.grad = x.grad, None
        g.sum().backward()


def test_inside_a_checkpoint():
    def f(x):
        return (1 / x).sum()

    with found(r"^backward of divide\(a=1, b float32 \(2,\)\) gave Inf in 1 of 2 .* b ", "return (1 / x).sum()"):
        pb.checkpoint(f)(leaf(TINY)).backward()


def test_nothing_wrong():
    rng = np.random.default_rng(0)

    def f(w, x):
        return (pb.tanh(x @ w) ** 2).mean() + np.linalg.svd(w)[1].sum()

    w, x = rng.standard_normal((3, 3)), rng.standard_normal((5, 3))
    expected = pb.grad(f)(w, x).data, pb.hessian(f)(w, x).data
    with pb.detect_anomaly():
        assert np.array_equal(pb.grad(f)(w, x).data, expected[0])
        assert np.array_equal(pb.hessian(f)(w, x).data, expected[1])
        a = leaf(w)
        total = sum(a[i, 0] * a[i % 2, 1] for i in range(3))
        total.backward()
    assert np.isfinite(a.grad.data).all()


def test_nests_is_scoped_and_undone_by_an_error():
    for _ in range(2):
        with pytest.raises(FloatingPointError), pb.detect_anomaly(), pb.no_grad(), pb.detect_anomaly():
            np.log(Tensor([0.0]))
        assert not modes.dispatch and modes.observers == ()
    assert np.log(Tensor([0.0])).item() == -np.inf
    with pb.detect_anomaly():
        with pb.detect_anomaly():
            pass
        with pytest.raises(FloatingPointError):
            np.log(Tensor([0.0]))

    @pb.detect_anomaly()
    def f():
        return np.log(Tensor([0.0]))

    with pytest.raises(FloatingPointError):
        f()
    assert not modes.dispatch


def test_is_the_threads_own():
    seen = []
    with pb.detect_anomaly():
        thread = threading.Thread(target=lambda: seen.append(np.log(Tensor(0.0)).item()))
        thread.start()
        thread.join()
    assert seen == [-np.inf]
