"""float16, of which 65,504 is the largest number and 2,048 the last to which 1 can be added."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, optim

F = nn.functional
N = 70_000  # more than there are whole numbers


def filled(shape, value):
    return np.full(shape, value, np.float16)


def targets(n):
    return np.zeros(n, int)


# function, input, an entry of the result, an entry of the gradient of its sum; all of them from mathematics
CASES = {
    "mean": (pb.mean, filled(1000, 100), 100, 1 / 1000),
    "mean of many": (pb.mean, filled(N, 2), 2, 1 / N),
    "mean, where": (lambda x: pb.mean(x, where=np.ones(N, bool)), filled(N, 2), 2, 1 / N),
    "nanmean": (pb.nanmean, filled(N, 2), 2, 1 / N),
    "average": (pb.average, filled(N, 2), 2, 1 / N),
    "sum": (pb.sum, filled(4096, 1), 4096, 1),
    "sum along axis 0": (lambda x: pb.sum(x, 0), filled((4096, 3), 1), 4096, 1),
    "cumsum": (lambda x: pb.cumsum(x)[-1], filled(4096, 1), 4096, 1),
    "reversed cumsum": (lambda x: pb.cumsum(x, reverse=True)[0], filled(4096, 1), 4096, 1),
    "max": (pb.max, filled(N, 1), 1, 1 / N),
    "min": (pb.min, filled(N, 1), 1, 1 / N),
    "nanmax": (pb.nanmax, filled(N, 1), 1, 1 / N),
    "norm inf": (lambda x: pb.linalg.norm(x, np.inf), filled(N, 1), 1, 1 / N),
    "softmax": (lambda x: pb.softmax(x)[0], filled(N, 0), 1 / N, 1 / N),
    "log_softmax": (lambda x: pb.log_softmax(x)[0], filled(N, 0), -math.log(N), 1),
    "logsumexp": (pb.logsumexp, filled(N, 0), math.log(N), 1 / N),
    "logsumexp along axis 0": (lambda x: pb.logsumexp(x, 0), filled((4096, 2), 0), math.log(4096), 1 / 4096),
    "var": (pb.var, np.array([0, 400] * 2048, np.float16), 40_000, -400 / 4096),
    "std": (pb.std, np.array([0, 600], np.float16), 300, -0.5),
    "norm": (pb.linalg.norm, np.array([300, 400], np.float16), 500, 0.6),
    "vector_norm": (pb.linalg.vector_norm, np.array([300, 400], np.float16), 500, 0.6),
    "matrix_norm": (pb.linalg.matrix_norm, np.array([[300, 400]], np.float16), 500, 0.6),
    "avg_pool": (lambda x: pb.avg_pool(x, 300), filled((1, 1, 300, 300), 50), 50, 1 / 90_000),
    "adaptive_avg_pool": (lambda x: pb.adaptive_avg_pool(x, 1), filled((1, 1, 300, 300), 50), 50, 1 / 90_000),
    "mse_loss": (lambda x: F.mse_loss(x, filled(N, 0)), filled(N, 100), 10_000, 200 / N),
    "l1_loss": (lambda x: F.l1_loss(x, filled(N, 0)), filled(N, 100), 100, 1 / N),
    "bce": (lambda x: F.binary_cross_entropy_with_logits(x, filled(N, 0)), filled(N, 0), math.log(2), 0.5 / N),
    "cross_entropy": (lambda x: F.cross_entropy(x, targets(N)), filled((N, 2), 0), math.log(2), -0.5 / N),
    "cross_entropy, smooth": (
        lambda x: F.cross_entropy(x, targets(N), label_smoothing=0.5),
        filled((N, 2), 0),
        math.log(2),
        -0.25 / N,
    ),
    "cross_entropy, many classes": (lambda x: F.cross_entropy(x, targets(1)), filled((1, N), 0), math.log(N), -1),
    "nll_loss": (lambda x: F.nll_loss(x, targets(N)), filled((N, 2), -2), 2, -1 / N),
}


@pytest.mark.parametrize("name", CASES)
def test_sums_and_counts(name):
    f, values, expected, slope = CASES[name]
    x = Tensor(values, requires_grad=True)
    out = f(x)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float16
    np.testing.assert_allclose(np.float64(out.numpy().flat[0]), expected, rtol=1e-3, atol=2**-25)
    np.testing.assert_allclose(np.float64(x.grad.numpy().flat[0]), slope, rtol=1e-3, atol=2**-25)
    np.testing.assert_array_equal(f(values), out.numpy())


def test_in_the_other_order_of_bytes():
    x = Tensor(filled(1000, 100).astype(">f2"), requires_grad=True)
    out = pb.mean(x)
    out.backward()
    assert out == 100 and pb.var(x) == 0
    np.testing.assert_allclose(np.float64(x.grad.numpy()), 1 / 1000, rtol=1e-3)


def test_a_cotangent_that_was_broadcast():
    b = Tensor(filled(3, 0), requires_grad=True)
    (b + filled((4096, 3), 1)).backward(filled((4096, 3), 1))
    np.testing.assert_array_equal(b.grad.numpy(), filled(3, 4096))


@pytest.mark.parametrize("f", [pb.mean, pb.var, pb.std, pb.sum])
def test_the_dtype_asked_for(f):
    x = Tensor(filled(5, 3))
    assert f(x, dtype=np.float32).dtype == np.float32 and f(x, dtype=np.float16).dtype == np.float16
    assert getattr(np, f.__name__)(x, None, np.float64).dtype == np.float64


def test_average_with_the_sum_of_weights():
    out, weights = pb.average(Tensor(filled(3000, 30)), returned=True)
    assert out.dtype == weights.dtype == np.float16 and (out.item(), weights.item()) == (30, 3000)


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW])
@pytest.mark.parametrize("gradient, expected", [(300, 0.75), (0, 1), (1e-4, 0.75), (-60_000, 1.25)])
@pytest.mark.parametrize("size", [(), 3])
def test_adams_first_step_is_of_the_size_of_its_rate(make, gradient, expected, size):
    x = Tensor(filled(size, 1), requires_grad=True)
    optimizer = make([x], lr=0.25, weight_decay=0)
    x.grad = filled(size, gradient)
    optimizer.step()
    assert x.dtype == np.float16 and np.all(x.numpy() == expected)
    assert {v.dtype for v in optimizer.state[x].values() if isinstance(v, np.ndarray)} == {np.dtype(np.float32)}


def test_state_is_loaded_as_float32():
    x, y = (Tensor(filled(3, 1), requires_grad=True) for _ in range(2))
    first, second = (optim.Adam([p]) for p in (x, y))
    x.grad = filled(3, 300)
    first.step()
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(second.state[y]["exp_avg_sq"], np.full(3, np.float32(0.001) * 90_000, np.float32))
