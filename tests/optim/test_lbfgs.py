import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import Tensor
from pullback.optim import LBFGS
from pullback.optim.line_search import Point, strong_wolfe

WOLFE = {"line_search_fn": "strong_wolfe"}


def closing(optimizer, f):
    """The closure of f, and a list with an entry for each of its calls."""
    calls = []

    def closure():
        optimizer.zero_grad()
        loss = f()
        loss.backward()
        calls.append(loss.item())
        return loss

    return closure, calls


def test_rosenbrock():
    x, y = Tensor([-1.2], requires_grad=True), Tensor(1.0, requires_grad=True)
    optimizer = LBFGS([x, y], max_iter=100, tolerance_change=1e-14, **WOLFE)
    closure, calls = closing(optimizer, lambda: (100 * (y - x * x) ** 2 + (1 - x) ** 2).sum())
    assert optimizer.step(closure).item() == pytest.approx(24.2)  # 100 (1 - 1.44)^2 + 2.2^2
    np.testing.assert_allclose([x.item(), y.item()], 1.0, rtol=1e-6)
    state = optimizer.state_dict()["state"]
    assert len(calls) == state[0]["func_evals"] <= 125 and list(state) == [0]


def test_a_quadratic_by_hand():
    """From p = 4 on p^2: a step of min(1, 1 / 8) / 2 times -8, to 3.5; then s = -0.5, y = -1, so that H = 1 / 2."""
    p = Tensor([4.0], requires_grad=True)
    optimizer = LBFGS([p], lr=0.5, max_iter=2, max_eval=9)
    closure, calls = closing(optimizer, lambda: (p * p).sum())
    assert optimizer.step(closure).item() == 16.0
    assert p.tolist() == [3.5 - 0.5 * (0.5 * 7)] and calls == [16.0, 12.25]
    kept = optimizer.state[p]
    assert (kept["n_iter"], kept["H_diag"], kept["ro"], kept["t"]) == (2, 0.5, [2.0], 0.5)
    optimizer.step(closure)
    np.testing.assert_allclose(np.ravel(kept["old_stps"]), [-0.5, -1.75, -0.875], rtol=1e-14)


@pytest.mark.parametrize("memory", [1, 2, 9])
def test_directions_by_the_matrix(memory):
    """The inverse Hessian as a matrix: (y s / y y) I, and updates of it by the pairs (s, y) that are remembered."""
    start, lr = np.array([1.0, -0.5, 2.0]), 0.3
    scales = np.array([1.0, 3.0, 0.5])
    x = Tensor(start, requires_grad=True)
    optimizer = LBFGS([x], lr=lr, max_iter=1, history_size=memory)
    closure, _ = closing(optimizer, lambda: (scales * (x * x + x**4 / 4)).sum())
    p, g, pairs = start, scales * (2 * start + start**3), []
    for step in range(6):
        h = np.eye(3) if step == 0 else np.eye(3) * (pairs[-1][0] @ pairs[-1][1]) / (pairs[-1][1] @ pairs[-1][1])
        for s, y in pairs:
            v = np.eye(3) - np.outer(y, s) / (s @ y)
            h = v.T @ h @ v + np.outer(s, s) / (s @ y)
        after = p - (lr if step else lr * min(1, 1 / abs(g).sum())) * h @ g
        grown = scales * (2 * after + after**3)
        pairs = [*pairs, (after - p, grown - g)][-memory:]
        p, g = after, grown
        optimizer.step(closure)
        np.testing.assert_allclose(x.numpy(), p, rtol=1e-11)
    assert len(optimizer.state[x]["ro"]) == min(memory, 5)


@given(st.integers(2, 5), st.integers(0, 99))
def test_quadratics_of_n_dimensions(n, seed):
    """To the solution of the linear system, to which n steps would lead if each were the best on its line."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, n))
    a, b = a @ a.T + np.eye(n), rng.normal(size=n)
    x = Tensor(np.zeros(n), requires_grad=True)
    optimizer = LBFGS([x], max_iter=200, tolerance_change=1e-14, **WOLFE)
    closure, _ = closing(optimizer, lambda: x @ a @ x / 2 - b @ x)
    optimizer.step(closure)
    np.testing.assert_allclose(x.numpy(), np.linalg.solve(a, b), rtol=1e-5, atol=1e-6)


@given(st.floats(-3, 3), st.floats(0.01, 20), st.sampled_from([np.cosh, lambda x: x**4 - 3 * x, lambda x: x * x]))
def test_the_line_search_keeps_the_strong_wolfe_conditions(start, t, f):
    def slope(x):
        return (f(x + 1e-6) - f(x - 1e-6)) / 2e-6

    down = -slope(start)
    if abs(down) < 1e-3:
        return

    def at(t):
        x = start + t * down
        return Point(t, float(f(x)), np.array([slope(x)]), float(slope(x) * down))

    first = at(0.0)
    found, tried = strong_wolfe(at, first, t, abs(down), 1e-12, 60)
    assert tried < 60 and found.t > 0
    assert found.loss <= first.loss + 1e-4 * found.t * first.slope + 1e-12 * abs(first.loss)
    assert abs(found.slope) <= -0.9 * first.slope + 1e-6


def test_it_ends_where_it_is_told():
    for options, calls, moves in [
        ({"tolerance_grad": 9.0}, 1, False),  # the gradient is 8
        ({"max_iter": 3}, 3, True),
        ({"max_iter": 9, "max_eval": 4}, 4, True),
        ({"max_iter": 9, "lr": 1e-3, "tolerance_change": 0.1}, 2, True),
        ({"max_iter": 0}, 1, False),
    ]:
        p = Tensor([4.0], requires_grad=True)
        optimizer = LBFGS([p], **{"lr": 0.1, **options})
        closure, seen = closing(optimizer, lambda p=p: (p * p).sum())
        optimizer.step(closure)
        assert len(seen) == calls and (p.item() != 4.0) == moves, options


def test_parameters_without_gradient_and_of_other_dtypes():
    p, q = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    h = Tensor(np.array(2.0, np.float16), requires_grad=True)
    z = Tensor(np.array([1 + 2j], np.complex64), requires_grad=True)
    optimizer = LBFGS([p, h, q, z], max_iter=60, **WOLFE)
    closure, _ = closing(optimizer, lambda: (p * p).sum() + h.astype(np.float64) ** 2 + (abs(z - 1j) ** 2).sum())
    optimizer.step(closure)
    assert q.tolist() == [3.0] and [x.dtype for x in (p, h, z)] == [np.float64, np.float16, np.complex64]
    np.testing.assert_allclose(p.numpy(), 0, atol=1e-3)
    np.testing.assert_allclose(h.item(), 0, atol=1e-2)
    np.testing.assert_allclose(z.numpy(), 1j, atol=1e-3)


def test_what_it_refuses():
    p, q = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    for options, match in [
        ({"lr": -1}, "lr must not be negative"),
        ({"line_search_fn": "golden"}, "line_search_fn must be None or 'strong_wolfe', not 'golden'"),
        ({"history_size": 0}, "history_size must be at least 1, but is 0"),
    ]:
        with pytest.raises(ValueError, match=f"LBFGS: {match}"):
            LBFGS([p], **options)
    with pytest.raises(ValueError, match="LBFGS: one group of parameters only"):
        LBFGS([{"params": [p]}, {"params": [q]}])
    optimizer = LBFGS([p])
    with pytest.raises(ValueError, match="one group"):
        optimizer.add_param_group({"params": [q]})
    with pytest.raises(ValueError, match="LBFGS: step needs a closure that clears the gradients"):
        optimizer.step()
    with pytest.raises(TypeError, match="LBFGS: the loss must be a number, not a NoneType"):
        optimizer.step(lambda: None)
    assert len(optimizer.param_groups) == 1 and p.item() == 1.0


def test_a_state_that_does_not_fit():
    def trained(*shapes):
        params = [Tensor(np.ones(s), requires_grad=True) for s in shapes]
        optimizer = LBFGS(params, max_iter=3, lr=0.1)
        optimizer.step(closing(optimizer, lambda: sum((p**4).sum() for p in params))[0])
        return optimizer

    optimizer, saved = trained(2, 3), trained(2, 4).state_dict()
    before = optimizer.state_dict()
    saved["state"][0]["momentum"] = 1
    saved["state"][1] = {"n_iter": 2}
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(saved)
    for text in (
        *(f"parameter 0: {name} of shape (6,) given for 5 numbers" for name in ("d", "old_dirs", "prev_flat_grad")),
        *("parameter 0: unknown momentum", "parameter 1: LBFGS keeps all in the first parameter's state"),
    ):
        assert text in str(caught.value)
    np.testing.assert_equal(optimizer.state_dict(), before)
    assert math.isfinite(before["state"][0]["prev_loss"])
