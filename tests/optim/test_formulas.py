"""Each optimizer beside its formula as the paper has it, written down once more, entry by entry."""

import math

import numpy as np
import pytest

from pullback import Tensor, optim

SIZES = pytest.mark.parametrize("size", [3, 5000])  # by NumPy, and by machine code where there is some


def direction(g, p, o):
    g = -g if o.get("maximize") else g
    return g if o.get("decoupled_weight_decay") else g + o.get("weight_decay", 0) * p


def shrunk(p, o):
    return p * (1 - o["lr"] * o.get("weight_decay", 0)) if o.get("decoupled_weight_decay") else p


def averages(o, gradients, p, move):
    """m, v and t of Adam at each step, and what `move` makes of p with them."""
    (b1, b2), m, v = o["betas"], 0, 0
    for t, g in enumerate(gradients, 1):
        g = direction(g, p, o)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        p = move(shrunk(p, o), g, m, v, t)
    return p


def adam(p, gradients, o):
    (b1, b2), largest = o["betas"], [0.0]

    def move(p, g, m, v, t):
        largest[0] = np.maximum(largest[0], v) if o.get("amsgrad") else v
        return p - o["lr"] * (m / (1 - b1**t)) / (np.sqrt(largest[0] / (1 - b2**t)) + o["eps"])

    return averages(o, gradients, p, move)


def adamw(p, gradients, o):
    return adam(p, gradients, {**o, "decoupled_weight_decay": True})


def nadam(p, gradients, o):
    (b1, b2), d = o["betas"], o["momentum_decay"]
    mus = [b1 * (1 - 0.5 * 0.96 ** (t * d)) for t in range(len(gradients) + 2)]

    def move(p, g, m, v, t):
        ahead = mus[t + 1] * m / (1 - math.prod(mus[1 : t + 2])) + (1 - mus[t]) * g / (1 - math.prod(mus[1 : t + 1]))
        return p - o["lr"] * ahead / (np.sqrt(v / (1 - b2**t)) + o["eps"])

    return averages(o, gradients, p, move)


def radam(p, gradients, o):
    (b1, b2), full = o["betas"], 2 / (1 - o["betas"][1]) - 1

    def move(p, g, m, v, t):
        rho, m = full - 2 * t * b2**t / (1 - b2**t), m / (1 - b1**t)
        if rho <= 5:
            return p - o["lr"] * m
        r = math.sqrt((rho - 4) * (rho - 2) * full / ((full - 4) * (full - 2) * rho))
        return p - o["lr"] * m * r * math.sqrt(1 - b2**t) / (np.sqrt(v) + o["eps"])

    return averages(o, gradients, p, move)


def adamax(p, gradients, o):
    (b1, b2), m, u = o["betas"], 0, 0
    for t, g in enumerate(gradients, 1):
        g = direction(g, p, o)
        m, u = b1 * m + (1 - b1) * g, np.maximum(b2 * u, abs(g) + o["eps"])
        p = p - o["lr"] / (1 - b1**t) * m / u
    return p


def adagrad(p, gradients, o):
    s = o["initial_accumulator_value"]
    for t, g in enumerate(gradients):
        g = direction(g, p, o)
        s = s + g**2
        p = p - o["lr"] / (1 + t * o["lr_decay"]) * g / (np.sqrt(s) + o["eps"])
    return p


def adadelta(p, gradients, o):
    rho, eps, v, s = o["rho"], o["eps"], 0, 0
    for g in gradients:
        g = direction(g, p, o)
        v = rho * v + (1 - rho) * g**2
        d = np.sqrt((s + eps) / (v + eps)) * g
        s = rho * s + (1 - rho) * d**2
        p = p - o["lr"] * d
    return p


def rmsprop(p, gradients, o):
    alpha, v, a, b = o["alpha"], 0, 0, 0
    for g in gradients:
        g = direction(g, p, o)
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g if o.get("centered") else 0
        b = o.get("momentum", 0) * b + g / (np.sqrt(v - a**2) + o["eps"])
        p = p - o["lr"] * b
    return p


def rprop(p, gradients, o):
    (less, more), (least, most) = o["etas"], o["step_sizes"]
    p, moved = p.copy(), np.empty_like(p)
    for i in range(p.size):
        before, size = 0.0, o["lr"]
        for gradient in gradients:
            g = -gradient[i] if o.get("maximize") else gradient[i]
            if g * before > 0:
                size = min(size * more, most)
            elif g * before < 0:
                size, g = max(size * less, least), 0.0
            p[i] -= np.sign(g) * size
            before = g
        moved[i] = p[i]
    return moved


def asgd(p, gradients, o):
    eta, mu, average = o["lr"], 1.0, 0
    for t, g in enumerate(gradients, 1):
        g = direction(g, p, o)
        p = p * (1 - o["lambd"] * eta) - eta * g
        average = average + mu * (p - average)
        eta, mu = o["lr"] / (1 + o["lambd"] * o["lr"] * t) ** o["alpha"], 1 / max(1, t - o["t0"])
    return p, average


def adafactor(p, gradients, o):
    def rms(x):
        return math.sqrt(np.mean(x**2))

    R = C = V = 0
    (least, scale), vector = o["eps"], p.ndim < 2
    for t, g in enumerate(gradients, 1):
        g = -g if o.get("maximize") else g
        b = t ** o["beta2_decay"]
        size = max(scale, rms(p)) * min(o["lr"], t**-0.5)
        p = p - o["lr"] * o["weight_decay"] * p
        if vector:
            V = (1 - b) * V + b * g**2
        else:
            R = (1 - b) * R + b * np.mean(g**2, -1, keepdims=True)
            C = (1 - b) * C + b * np.mean(g**2, -2, keepdims=True)
            V = R * C / np.maximum(np.mean(R, -2, keepdims=True), least)
        u = g / np.maximum(np.sqrt(V), least)
        p = p - size * u / max(1, rms(u) / o["d"])
    return p


def muon(p, gradients, o):
    v = 0
    a, b, c = o["ns_coefficients"]
    for g in gradients:
        v = o["momentum"] * v + (1 - o["momentum"]) * g
        x = (1 - o["momentum"]) * g + o["momentum"] * v if o["nesterov"] else v
        x = x / np.sqrt(np.sum(x**2))
        for _ in range(o["ns_steps"]):  # (X X^T) X = X (X^T X), so that it is all one which side is taken
            x = a * x + b * (x @ x.T) @ x + c * (x @ x.T) @ (x @ x.T) @ x
        adamw = o["adjust_lr_fn"] == "match_rms_adamw"
        ratio = 0.2 * math.sqrt(max(p.shape)) if adamw else math.sqrt(max(1, p.shape[0] / p.shape[1]))
        p = p - o["lr"] * o["weight_decay"] * p - o["lr"] * ratio * x
    return p


BETAS = {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}
UP, DECOUPLED = {"maximize": True}, {"decoupled_weight_decay": True}
DELTA = {"lr": 0.5, "rho": 0.5, "eps": 1e-2, "weight_decay": 0.1}
GRAD = {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}
MEAN = {"lr": 0.1, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}
PROP = {"lr": 0.1, "etas": (0.4, 1.3), "step_sizes": (0.05, 0.2)}
CASES = [
    *(("Adam", adam, {**BETAS, **o}) for o in (UP, DECOUPLED, {"amsgrad": True})),
    *(("AdamW", adamw, {**BETAS, **o}) for o in (UP, {"amsgrad": True})),
    *(("NAdam", nadam, {**BETAS, "momentum_decay": 0.1, **o}) for o in ({}, UP, DECOUPLED)),
    *(("RAdam", radam, {**BETAS, **o}) for o in ({}, UP, DECOUPLED)),
    *(("Adamax", adamax, {**BETAS, **o}) for o in ({}, UP)),
    *(("Adagrad", adagrad, {**GRAD, **o}) for o in ({}, UP)),
    *(("Adadelta", adadelta, {**DELTA, **o}) for o in ({}, UP)),
    *(("RMSprop", rmsprop, {**MEAN, **o}) for o in ({}, UP, {"centered": True}, {"centered": True, "momentum": 0.5})),
    *(("Rprop", rprop, {**PROP, **o}) for o in ({}, UP)),
]


def drawn(shape, steps):
    rng = np.random.default_rng(0)
    return rng.normal(size=shape), list(rng.normal(size=(steps, *shape)))


def stepped(name, options, start, gradients):
    """The parameter and its optimizer after these steps."""
    p = Tensor(start, requires_grad=True)
    optimizer = getattr(optim, name)([p], **options)
    for g in gradients:
        p.grad = Tensor(g)
        optimizer.step()
    return p, optimizer


@SIZES
@pytest.mark.parametrize(("name", "formula", "options"), CASES, ids=lambda x: getattr(x, "__name__", str(x)))
def test_elementwise(name, formula, options, size):
    start, gradients = drawn((size,), 8)
    p, _ = stepped(name, options, start, gradients)
    np.testing.assert_allclose(p.numpy(), formula(start, gradients, options), rtol=1e-11, atol=1e-12)


@SIZES
def test_asgd_and_its_average(size):
    options = {"lr": 0.1, "lambd": 0.05, "alpha": 0.6, "t0": 3, "weight_decay": 0.1}
    start, gradients = drawn((size,), 8)
    p, optimizer = stepped("ASGD", options, start, gradients)
    for value, expected in zip((p.numpy(), optimizer.state[p]["ax"]), asgd(start, gradients, options), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (2, 3, 2), (70, 50)])
@pytest.mark.parametrize("up", [False, True])
def test_adafactor(shape, up):
    options = {"lr": 0.1, "beta2_decay": -0.6, "eps": (1e-2, 0.5), "d": 1.1, "weight_decay": 0.1, "maximize": up}
    start, gradients = drawn(shape, 6)
    p, _ = stepped("Adafactor", options, start, gradients)
    np.testing.assert_allclose(p.numpy(), adafactor(start, gradients, options), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(2, 5), (6, 3), (4, 4), (1, 3)])
@pytest.mark.parametrize("ratio", [None, "match_rms_adamw"])
def test_muon(shape, ratio):
    settings = {"ns_coefficients": (3.4445, -4.775, 2.0315), "ns_steps": 5, "adjust_lr_fn": ratio}
    for nesterov in (True, False):
        options = {"lr": 0.1, "weight_decay": 0.2, "momentum": 0.7, "nesterov": nesterov, **settings}
        start, gradients = drawn(shape, 4)
        p, _ = stepped("Muon", options, start, gradients)
        np.testing.assert_allclose(p.numpy(), muon(start, gradients, options), rtol=1e-9, atol=1e-10)


def test_muon_in_bfloat16(torch):
    """As PyTorch makes it: to the eight bits of its products, of which there are fifteen one after the other."""
    start, (gradient,) = drawn((40, 30), 1)
    p, _ = stepped("Muon", {"lr": 1.0, "weight_decay": 0.0}, start, [gradient])
    q = torch.tensor(start, requires_grad=True)
    q.grad = torch.tensor(gradient)
    torch.optim.Muon([q], lr=1.0, weight_decay=0.0).step()
    moved, expected = p.numpy() - start, q.detach().numpy() - start
    assert np.linalg.norm(moved - expected) < 15 * 2**-8 * np.linalg.norm(expected)


def test_muon_and_what_has_no_direction():
    start = np.ones((2, 3))
    for value, expected in ((0.0, 1.0), (np.nan, np.nan)):
        p, _ = stepped("Muon", {"lr": 0.5, "weight_decay": 0.0}, start, [np.full((2, 3), value)])
        np.testing.assert_array_equal(p.numpy(), np.full((2, 3), expected))


def test_sparse_adam_moves_touched_rows_alone():
    start, gradients = drawn((5, 3), 4)
    touched = [[0, 2], [2], [], [0, 1, 2]]
    for g, rows in zip(gradients, touched, strict=True):
        g[[i for i in range(5) if i not in rows]] = 0
    gradients[0][0, 1:] = -0.0
    options = {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}
    p, optimizer = stepped("SparseAdam", options, start, gradients)
    expected, m, v = start.copy(), np.zeros((5, 3)), np.zeros((5, 3))
    for t, (g, rows) in enumerate(zip(gradients, touched, strict=True), 1):
        for i in rows:
            m[i], v[i] = 0.5 * m[i] + 0.5 * g[i], 0.9 * v[i] + 0.1 * g[i] ** 2
            expected[i] -= 0.1 * math.sqrt(1 - 0.9**t) / (1 - 0.5**t) * m[i] / (np.sqrt(v[i]) + 1e-3)
    np.testing.assert_allclose(p.numpy(), expected, rtol=1e-13)
    assert optimizer.state[p]["step"] == 4
    np.testing.assert_array_equal(p.numpy()[3:], start[3:])


def test_rprop_forgets_an_infinite_gradient():
    """Where the sign has changed the entry stays, and the next step is one as the first."""
    p, optimizer = stepped("Rprop", {"lr": 0.1}, np.zeros(3), [np.full(3, g) for g in (1.0, -np.inf, 1.0)])
    np.testing.assert_allclose(p.numpy(), np.full(3, -0.1 - 0.05))
    assert optimizer.state[p]["prev"].tolist() == [1.0] * 3


@pytest.mark.parametrize(
    "name", ["Adagrad", "Adadelta", "RMSprop", "NAdam", "RAdam", "Adamax", "Adafactor", "SparseAdam"]
)
def test_half_precision_is_moved_in_single(name):
    """Where a square of the gradient is too large for float16."""
    moved = [stepped(name, {"lr": 0.5}, np.ones(3, dtype), [np.full(3, 300, dtype)])[0] for dtype in ("f2", "f4")]
    assert moved[0].dtype == np.float16 and np.all(np.isfinite(moved[0].numpy()))
    np.testing.assert_array_equal(moved[0].numpy(), moved[1].numpy().astype(np.float16))
