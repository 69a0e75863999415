"""`scan`, `while_loop` and `cond`, eagerly and as one operation of a program, beside loops of Python's."""

import pickle
import tracemalloc

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, compile, cond, grad, hessian, jvp, program, scan, value_and_grad, vmap, while_loop
from pullback.autograd.core.pytrees import flatten
from pullback.autograd.programs.trace import TracedValueError

RNG = np.random.default_rng(0)
W, XS, H = RNG.standard_normal((3, 3)) / 2, RNG.standard_normal((7, 3)), RNG.standard_normal(3)


def near(actual, expected, room=1e-11):
    left, right = flatten(actual)[0], flatten(expected)[0]
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=room, atol=room)


def step(w, carry, x):
    h, count = carry
    after = pb.tanh(w @ h + x["x"])
    return (after, count + 1), {"y": (h * after).sum(), "count": count}


def by_scan(w, xs, h, reverse=False):
    (last, count), ys = scan(lambda carry, x: step(w, carry, x), (h, 0), {"x": xs}, reverse=reverse)
    return (last**2).sum() + (ys["y"] * ys["count"]).sum() * count


def by_loop(w, xs, h, reverse=False):
    carry, total = (h, 0), 0
    for x in xs[::-1] if reverse else xs:
        carry, y = step(w, carry, {"x": x})
        total = total + y["y"] * y["count"]
    return (carry[0] ** 2).sum() + total * carry[1]


BATCH = RNG.standard_normal((4, 3, 3)) / 2
DERIVATIVES = {
    "value": lambda f: lambda w, xs, h: f(w, xs, h),
    "gradients": lambda f: value_and_grad(f, (0, 1, 2)),
    "tangent of the constant": lambda f: lambda w, xs, h: jvp(lambda w: f(w, xs, h), (w,), (w * 2,)),
    "tangent of the carry": lambda f: lambda w, xs, h: jvp(lambda h: f(w, xs, h), (h,), (pb.sin(h),)),
    "tangents": lambda f: lambda w, xs, h: jvp(f, (w, xs, h), (w * 2, xs * xs, pb.cos(h))),
    "Hessian": hessian,
    "gradient of gradient": lambda f: grad(lambda w, xs, h: (grad(f, 1)(w, xs, h) ** 2).sum()),
    "batch": lambda f: lambda w, xs, h: vmap(f, (0, None, None))(BATCH, xs, h),
    "gradients of a batch": lambda f: lambda w, xs, h: vmap(grad(f, 2), (0, None, None))(BATCH, xs, h),
}


@pytest.mark.parametrize("name", DERIVATIVES)
@pytest.mark.parametrize("reverse", [False, True])
def test_scan(name, reverse):
    of, given = DERIVATIVES[name], (Tensor(W), Tensor(XS), Tensor(H))
    f, g = (lambda w, xs, h, each=each: each(w, xs, h, reverse) for each in (by_scan, by_loop))
    expected = of(g)(*given)
    for through in (of(f), compile(of(f)), of(compile(f))):
        near(through(*given), expected)


def test_scan_is_one_operation():
    written = program(by_scan)(W, XS, H)
    assert written.operations["scan"] == 1 and "matmul" not in written.operations
    assert "length=7" in str(written) and "    program <lambda>" in str(written) and "matmul(" in str(written)
    back = program(grad(by_scan))(W, np.zeros((1000, 3)), H)
    assert back.operations["scan"] == 3 and sum(back.operations.values()) < 40
    near(pickle.loads(pickle.dumps(written))(W, XS, H), by_loop(W, XS, H))


def test_scan_takes_what_numbers_it_can():
    total, ys = scan(lambda total, x: (total + x, None), 0.0, np.arange(4.0))
    assert total.item() == 6 and ys is None
    last, ys = scan(lambda c, x: (c * 2, (c, x)), Tensor([1.0]), length=3)
    assert last.item() == 8 and ys[1] is None
    np.testing.assert_array_equal(ys[0].data, [[1], [2], [4]])
    carry, ys = scan(lambda c, x: (c, x * np.ones(2)), 1.0, np.zeros(0))
    assert carry.item() == 1 and ys.shape == (0, 2)
    w = Tensor(2.0, requires_grad=True)
    compiled = compile(lambda x: scan(lambda c, x: (c * w + x, c), 1.0, x)[0])
    compiled(Tensor([1.0, 2.0])).backward()
    assert w.grad.item() == 2 * 2 + 1
    assert compile(lambda x: scan(lambda c, x: (c + x, c), 0.0, x, reverse=True))([1.0, 2.0])[1].data.tolist() == [2, 0]


def test_long_scans_by_checkpoints():
    def f(x, n):
        return (scan(lambda c, _: (pb.sin(c) + x, None), x, length=n)[0]).sum()

    def peak(n):
        tracemalloc.start()
        grad(lambda x: f(x, n))(np.ones(1000))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    x = Tensor([0.5, 1.5])
    c = x
    for _ in range(200):
        c = pb.sin(c) + x
    expected = grad(lambda x: f(x, 7))(x)
    near(compile(grad(lambda x: f(x, 7)))(x), expected)
    near(f(x, 200), c.sum())
    near(compile(grad(lambda x: f(x, 200)))(x), grad(lambda x: f(x, 200))(x))
    assert peak(1600) < 8 * peak(100)  # twice as much for four times the steps, and not 16 times as much
    for n, reverse in ((65, True), (100, False), (130, True)):
        xs = RNG.standard_normal((n, 3))
        near(grad(by_scan, (0, 1))(W, xs, H, reverse), grad(by_loop, (0, 1))(W, xs, H, reverse))


def test_while_loop():
    def f(x, loop=while_loop):
        return loop(lambda s: (s[0] < 100).all(), lambda s: (s[0] * x, s[1] + 1), (x, 0))

    def plain(going, body, s):
        while going(s):
            s = body(s)
        return s

    for x in (2.0, 3.0, 200.0):
        x = Tensor([x, x + 1])
        expected = f(x, plain)
        near(f(x), expected), near(compile(f)(x), expected)
        along = jvp(lambda x: f(x, plain)[0], (x,), (x * x,))
        near(jvp(lambda x: f(x)[0], (x,), (x * x,)), along)
        near(compile(lambda x: jvp(lambda x: f(x)[0], (x,), (x * x,)))(x), along)
        near(grad(lambda x: f(x)[0].sum())(x), grad(lambda x: f(x, plain)[0].sum())(x))
    assert program(f)(Tensor([2.0])).operations == {"while_loop": 1}
    with pytest.raises(TypeError, match=r"while_loop: .* no gradient by reverse mode"):
        compile(grad(lambda x: f(x)[0].sum()))(Tensor([2.0]))
    xs = Tensor([[2.0], [3.0], [200.0]])
    expected = [f(x, plain) for x in xs]
    for g in (vmap(f), compile(vmap(f)), vmap(compile(f))):
        powers, counts = g(xs)
        near(powers, pb.stack([p for p, _ in expected]))
        np.testing.assert_array_equal(counts.data, [c.item() if isinstance(c, Tensor) else c for _, c in expected])


def test_cond():
    w = Tensor(3.0)

    def f(x, y, choose=cond):
        return choose(x > 1, lambda x, y: (w * x**2, y), lambda x, y: (pb.sin(x) * y, 2 * y), x, y)

    def plain(pred, first, second, *operands):
        return first(*operands) if pred else second(*operands)

    compiled = compile(f)
    for x in (2.0, 0.5, 3.0):
        given = Tensor(x), Tensor([1.0, 2.0])
        if x > 1:  # the results have other shapes
            with pytest.raises(TypeError, match=r"cond: .* gives .*float64\[\].*, and .* gives .*float64\[2\]"):
                compiled(*given)

    def g(x, y, choose=cond):
        return choose(x > 1, lambda x, y: (w * x**2 * y).sum(), lambda x, y: (pb.sin(x) * y).prod(), x, y)

    compiled = compile(value_and_grad(g, (0, 1)))
    for x in (2.0, 0.5, 3.0):
        given = Tensor(x), Tensor([1.0, 2.0])
        expected = value_and_grad(lambda *xs: g(*xs, plain), (0, 1))(*given)
        near(value_and_grad(g, (0, 1))(*given), expected), near(compiled(*given), expected)
        along = jvp(lambda *xs: g(*xs, plain), given, given)
        near(compile(lambda *xs: jvp(g, xs, xs))(*given), along)
        near(compile(hessian(g))(*given), hessian(lambda *xs: g(*xs, plain))(*given))
    assert len(compiled.programs) == 1
    xs, y = Tensor([0.5, 2.0, 3.0]), Tensor([1.0, 2.0])
    expected = pb.stack([g(x, y, plain) for x in xs])
    for each in (g, compile(g)):
        near(vmap(each, (0, None))(xs, y), expected)
        near(compile(vmap(each, (0, None)))(xs, y), expected)
    near(vmap(g, (None, 0))(Tensor(2.0), pb.stack([y, y])), pb.stack([g(Tensor(2.0), y, plain)] * 2))


def test_captured_by_one_branch():
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    f = compile(lambda x: cond(x.sum() > 0, lambda x: x * a, lambda x: x * b + a, x))
    for x in ([1.0, 2.0], [-1.0, -2.0]):
        np.testing.assert_array_equal(f(x).data, np.array(x) * (a.data if x[0] > 0 else b.data) + (x[0] < 0) * a.data)
    a.data = [10.0, 20.0]
    np.testing.assert_array_equal(f([1.0, 1.0]).data, [10, 20])
    g = compile(lambda x: while_loop(lambda s: s.sum() < b.sum(), lambda s: s + a, x))
    np.testing.assert_array_equal(g([0.0, 0.0]).data, [10, 20])


def test_what_is_wrong():
    with pytest.raises(TypeError, match=r"scan: f gives a carry of another kind: leaf 0 is float64 of shape \(2,\)"):

        def f(c, x):
            return c[:1], None

        scan(f, np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="give no one length"):
        scan(lambda c, x: (c, x), 0.0, (np.zeros(3), np.zeros(4)))
    with pytest.raises(ValueError, match="give no one length"):
        scan(lambda c, x: (c, x), 0.0)
    with pytest.raises(TypeError, match="returns a pair"):
        scan(lambda c, x: c, 0.0, np.zeros(3))
    with pytest.raises(TypeError, match="expected a function"):
        while_loop(1, lambda x: x, 0.0)
    with pytest.raises(TypeError, match="the condition is one bool"):
        cond(np.zeros(2), lambda: 0.0, lambda: 1.0)
    noisy = compile(lambda x: scan(lambda c, x: (c + pb.random.normal(), None), 0.0, x)[0])
    with pytest.raises(TracedValueError, match=r"test_control_flow.py:\d+ draws random numbers"):
        noisy(np.zeros(3))
    with pytest.raises(TracedValueError, match="asks for the number"):
        compile(lambda x: scan(lambda c, x: (c if c > 0 else x, None), 0.0, x)[0])(np.zeros(3))
