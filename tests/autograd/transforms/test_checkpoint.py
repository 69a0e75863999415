"""Checkpoints and implicit derivatives: the same numbers as without, less memory, and every order and nesting."""

import inspect
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, checkpoint, fixed_point, grad, hessian, implicit, jvp, linear_solve, nn, vmap

RNG = np.random.default_rng(0)


def leaf(values):
    return Tensor(values, requires_grad=True)


def close(actual, expected, rtol=1e-9):
    np.testing.assert_allclose(actual.numpy(), getattr(expected, "data", expected), rtol=rtol, atol=1e-12)


# checkpoint


def test_a_checkpoint_changes_no_gradient():
    x, w = leaf([0.5, 2.0]), leaf(3.0)

    def f(x):
        return pb.sin(x * w) ** 2 + w

    def gradients(f):
        x.grad = w.grad = None
        f(x).sum().backward()
        return x.grad, w.grad

    for actual, expected in zip(gradients(checkpoint(f)), gradients(f), strict=True):
        close(actual, expected)


def test_what_is_closed_over_and_used_twice_is_counted_once():
    a = leaf(2.0)
    b = a * 3  # both are closed over, and one is made of the other
    checkpoint(lambda x: x * a * b + b)(leaf(5.0)).backward()
    assert a.grad.item() == 3 * (2 * 5 * 2) + 3
    a.grad = None
    checkpoint(lambda: a * a)().backward()
    assert a.grad.item() == 4


def test_nests_of_arguments_and_results():
    p = {"w": leaf([1.0, 2.0]), "b": (leaf(3.0), 2)}

    def f(p, *, k):
        return {"sum": (p["w"] * p["b"][0]).sum() * k, "rest": [p["w"][0], p["b"][1]]}

    out = checkpoint(f)(p, k=10.0)
    assert out["rest"][1] == 2
    (out["sum"] + out["rest"][0]).backward()
    close(p["w"].grad, [31.0, 30.0])
    close(p["b"][0].grad, 30.0)


def test_one_of_several_results_is_enough():
    x = leaf(3.0)
    first, _, same, constant = checkpoint(lambda x: (x**2, x**3, x, Tensor(1.0)))(x)
    assert not constant.requires_grad
    (first + same).backward()
    assert x.grad.item() == 7


def f(x):
    return pb.tanh(x @ x.T).sum(axis=1) * pb.exp(x[:, 0])


X, V = RNG.normal(size=(2, 3, 3))


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: grad(lambda x: f(x).sum())(X),
        lambda f: grad(lambda x: (grad(lambda x: f(x).sum())(x) * V).sum())(X),
        lambda f: jvp(f, (X,), (V,))[1],
        lambda f: jvp(grad(lambda x: f(x).sum()), (X,), (V,))[1],
        lambda f: grad(lambda x: jvp(f, (x,), (V,))[1].sum())(X),
        lambda f: vmap(f)(np.stack([X, V])),
        lambda f: vmap(grad(lambda x: f(x).sum()))(np.stack([X, V])),
        lambda f: grad(lambda x: vmap(f)(x).sum())(np.stack([X, V])),
        lambda f: hessian(lambda x: vmap(f)(x).sum())(np.stack([X, V])),
        lambda f: grad(lambda x: checkpoint(f)(x * x).sum())(X),
    ],
)
def test_composes_with_every_transform(transform):
    close(transform(checkpoint(f)), transform(f))


def test_third_order_and_retained_graphs():
    x = leaf(0.7)
    y = checkpoint(lambda x: pb.sin(x) * x)(x)
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    close(x.grad, 2 * (np.cos(0.7) * 0.7 + np.sin(0.7)))
    third = grad(grad(grad(checkpoint(lambda x: pb.sin(x) * x))))(0.7)
    close(third, -3 * np.sin(0.7) - 0.7 * np.cos(0.7))


def test_a_module_with_dropout_draws_the_same_again():
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1))
    x = RNG.normal(size=(5, 6)).astype(np.float32)

    def gradients(model_call):
        nn.init.manual_seed(3)
        model.zero_grad()
        model_call(x).sum().backward()
        after = nn.init.generator().random()
        return [p.grad.numpy() for p in model.parameters()], after

    plain, after = gradients(model)
    again, after_again = gradients(checkpoint(model))
    assert after == after_again
    for a, b in zip(again, plain, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_inside_is_not_kept():
    x = leaf(np.ones(100_000))

    def chain(x):
        for _ in range(10):
            x = pb.sin(x)
        return x

    def held(f):
        tracemalloc.start()
        try:
            y = x
            for _ in range(10):
                y = f(y)
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    assert held(chain) > 95 * x.data.nbytes
    assert held(checkpoint(chain)) < 12 * x.data.nbytes


def test_an_error_inside_passes_through():
    def fails(x):
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        checkpoint(fails)(leaf(1.0))
    with pb.no_grad():
        assert not checkpoint(lambda x: x * 2)(leaf(1.0)).requires_grad


# Implicit derivatives

A = RNG.normal(size=(4, 4))
A = A @ A.T + np.eye(4)
B = RNG.normal(size=4)


def square_root(a):
    return implicit(lambda x: x * x - a, pb.sqrt(pb.asarray(a).detach()))


def babylonian(a):
    return fixed_point(lambda x: (x + a / x) / 2, 1.0)


@pytest.mark.parametrize("f", [square_root, babylonian])
def test_square_roots_at_every_order(f):
    derivatives = [2**0.5, 0.5 * 2**-0.5, -0.25 * 2**-1.5, 0.375 * 2**-2.5]
    for expected in derivatives:
        close(f(2.0) if expected == derivatives[0] else f(2.0), expected, 1e-8)
        f = grad(f)


@pytest.mark.parametrize("f", [square_root, babylonian])
def test_square_roots_in_every_nesting(f):
    close(jvp(f, (2.0,), (1.0,))[1], 0.5 * 2**-0.5)
    close(jvp(lambda a: jvp(f, (a,), (1.0,))[1], (2.0,), (1.0,))[1], -0.25 * 2**-1.5)
    close(jvp(grad(f), (2.0,), (1.0,))[1], -0.25 * 2**-1.5)
    close(grad(lambda a: jvp(f, (a,), (1.0,))[1])(2.0), -0.25 * 2**-1.5)
    close(vmap(f)([2.0, 4.0]), [2**0.5, 2.0])
    close(vmap(grad(f))([2.0, 4.0]), [0.5 * 2**-0.5, 0.25])


def contraction(w):
    return fixed_point(lambda x: pb.tanh(w @ x) / 3 + B, np.zeros(4))


def test_a_fixed_point_of_many_numbers_beside_its_steps_unrolled():
    def unrolled(w):
        x = Tensor(np.zeros(4))
        for _ in range(60):
            x = pb.tanh(w @ x) / 3 + B
        return x

    w = A / np.linalg.norm(A, 2)
    close(contraction(w), unrolled(w))
    for transform in (
        lambda f: grad(lambda w: (f(w) ** 2).sum())(w),
        lambda f: jvp(f, (w,), (A,))[1],
        lambda f: jvp(grad(lambda w: (f(w) ** 2).sum()), (w,), (A,))[1],
        lambda f: grad(lambda w: (grad(lambda w: (f(w) ** 2).sum())(w) * A).sum())(w),
    ):
        close(transform(contraction), transform(unrolled), 1e-8)


def test_a_linear_solve_without_its_matrix():
    def cubes(a, b):
        return (linear_solve(lambda x: a @ x, b) ** 3).sum()

    def expected(a, b):
        return (pb.linalg.solve(a, b) ** 3).sum()

    close(linear_solve(lambda x: A @ x, B), np.linalg.solve(A, B))
    for i in (0, 1):
        close(grad(cubes, i)(A, B), grad(expected, i)(A, B))
    close(hessian(lambda b: cubes(A, b))(B), hessian(lambda b: expected(A, b))(B))
    second = grad(lambda a: (grad(cubes)(a, B) * A).sum())(A)
    close(second, grad(lambda a: (grad(expected)(a, B) * A).sum())(A), 1e-8)


def test_a_root_depends_on_tensors_closed_over():
    a = leaf(9.0)
    implicit(lambda x: x * x - a, 3.0).backward()
    assert a.grad.item() == pytest.approx(1 / 6)
    assert not implicit(lambda x: x * x - 9.0, 3.0).requires_grad
    with pb.no_grad():
        assert not implicit(lambda x: x * x - a, 3.0).requires_grad


def test_errors_name_what_is_wrong():
    with pytest.raises(RuntimeError, match="fixed_point: not within a tolerance of 1e-12 after 50 steps"):
        fixed_point(lambda x: -x, 1.0, most=50)
    with pytest.raises(RuntimeError, match="linear_solve: not within"):
        linear_solve(lambda x: A @ x, B, most=1)
    with pytest.raises(ValueError, match=r"residual of shape \(2,\) for x of shape \(\)"):
        implicit(lambda x: pb.stack([x, x]), 1.0)


def test_a_segment_is_one_node_of_a_picture():
    x, w = leaf(2.0), leaf(3.0)
    for f in (lambda x: pb.sin(x * w), lambda x: (x * w, x)):
        out = checkpoint(f)(x)
        out = sum(out) if isinstance(out, tuple) else out
        source = pb.viz.graph(out, names={"x": x, "w": w}).source
        assert source.count("checkpoint") == 1 and "sin" not in source


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_fixed_point_whose_last_bits_go_to_and_fro(dtype):
    """x = c - s x is c / (1 + s), by whose steps the last bits need not settle; its derivative in c is 1 / (1 + s)."""
    near = max(100 * float(np.finfo(dtype).eps), 1e-10)
    for c in (1, 3, 1000):
        for s in np.linspace(0.5, 0.8 if dtype == np.float16 else 0.97, 20).astype(dtype):
            a = Tensor(dtype(c), requires_grad=True)
            x = fixed_point(lambda x, a=a, s=s: a - s * x, dtype(1), most=3000)
            x.backward()
            assert x.dtype == a.grad.dtype == dtype
            assert x.item() == pytest.approx(c / (1 + float(s)), rel=near)
            assert a.grad.item() == pytest.approx(1 / (1 + float(s)), rel=near)
    with pytest.raises(RuntimeError, match="fixed_point: not within"):
        fixed_point(lambda x: -x, dtype(1), most=50)
    assert fixed_point(lambda x: x // 2, 9).item() == 0


# Found cotangents are of one visit of a node


SEGMENTS = {
    "checkpoint": lambda a, b: checkpoint(lambda a: a * b)(a),
    "implicit": lambda a, b: implicit(lambda x: x - a * b, [3.0 * 5, 4.0 * 6]),
}


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_pass_to_some_of_the_inputs_leaves_nothing_for_the_next(segment):
    a, b = leaf([3.0, 4.0]), leaf([5.0, 6.0])
    y = SEGMENTS[segment](a, b)
    g = np.array([1.0, 10.0])
    y.backward(g, retain_graph=True, inputs=[b])
    close(b.grad, [3.0, 40.0])
    y.backward(g, retain_graph=True, inputs=[b])
    close(b.grad, [6.0, 80.0])
    g[...] = [100.0, 1000.0]
    y.backward(g, retain_graph=True, inputs=[a])
    close(a.grad, [500.0, 6000.0])
    y.backward(g, retain_graph=True)
    close(a.grad, [1000.0, 12000.0])
    close(b.grad, [306.0, 4080.0])


def test_checkpoints_inside_one_another():
    x = leaf(3.0)
    f = checkpoint(lambda x: x * x)
    for _ in range(220):
        f = checkpoint(lambda x, f=f: f(x) + x)
    y = f(x)
    y.backward()
    assert y.item() == 9 + 220 * 3 and x.grad.item() == 6 + 220
    assert pb.autograd.core.graph.modes.checkpoints == 0


def nested(n):
    """x + n by n checkpoints, each inside the one before."""

    def f(x, n):
        return checkpoint(f)(x, n - 1) + 1 if n else x * 1.5

    return lambda x: f(x, n)


DEEP = r"^checkpoint: f holds calls .* deeper than Python's limit of \d+; call checkpointed parts one after the other"


def test_checkpoints_nested_deeper_than_python_calls() -> None:
    x = Tensor(2.0, requires_grad=True)
    for _ in range(2):
        with pytest.raises(RecursionError, match=DEEP) as caught:
            nested(5000)(x)
        assert isinstance(caught.value.__cause__, RecursionError)
        assert "checkpoint" not in str(caught.value.__cause__)  # it is said once
    y = nested(60)(x)
    y.backward()
    assert (y.item(), x.grad.item()) == (63.0, 1.5)


def test_a_backward_pass_through_checkpoints_deeper_than_python_calls() -> None:
    x = Tensor(2.0, requires_grad=True)
    y, before = nested(45)(x), sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)
    try:
        with pytest.raises(RecursionError, match=DEEP):
            y.backward()
    finally:
        sys.setrecursionlimit(before)


def test_5000_nested_checkpoints_where_python_can_go_so_deep() -> None:
    code = """if True:
        import sys, threading
        from pullback import Tensor, checkpoint
        def f(x, n):
            return checkpoint(f)(x, n - 1) + 1 if n else x * 1.5
        def run():
            x = Tensor(2.0, requires_grad=True)
            y = f(x, 5000)
            y.backward()
            print(y.item(), x.grad.item())
        sys.setrecursionlimit(100_000)
        threading.stack_size(512 << 20)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.stdout == "5003.0 1.5\n", run.stderr


@pytest.mark.parametrize("change, refused", [(1e-4, True), (1e-10, True), (1e-15, False), (0.0, False)])
def test_how_far_a_second_run_may_be_off(change, refused):
    """By rounding, about, and no more."""
    runs = []

    def f(x):
        runs.append(1)
        return pb.sin(x) * (1 + change * len(runs))

    x = Tensor(np.linspace(1.0, 2.0, 5), requires_grad=True)
    out = pb.checkpoint(f)(x).sum()
    if refused:
        with pytest.raises(RuntimeError, match="gave other values than before"):
            out.backward()
    else:
        out.backward()
        np.testing.assert_allclose(x.grad.data, np.cos(x.data), rtol=1e-12)
