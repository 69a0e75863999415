import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import Tensor
from pullback.optim import Adam, AdamW

KINDS = [Adam, AdamW]
OPTIONS = [
    {"lr": 0.1, "weight_decay": decay, "amsgrad": amsgrad, "maximize": maximize}
    for decay, amsgrad, maximize in itertools.product((0, 0.1), (False, True), (False, True))
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_and_state_are_pytorchs(both, kind, options, dtype):
    ours, theirs, optimizers = both(kind, [(), (3,), (2, 0), (300, 250)], dtype, options, steps=5)
    near = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        assert p.dtype == dtype and p.shape == tuple(q.shape)
        np.testing.assert_allclose(p.data, q.detach().numpy(), **near)
        state, expected = (optimizer.state_dict()["state"][i] for optimizer in optimizers)
        assert state.keys() == expected.keys()
        for name, value in state.items():
            np.testing.assert_allclose(value, expected[name].numpy(), **near)


@given(
    st.sampled_from(KINDS),
    st.fixed_dictionaries(
        {
            "lr": st.floats(0, 2),
            "betas": st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
            "eps": st.floats(1e-9, 1),
            "weight_decay": st.floats(0, 1),
            "amsgrad": st.booleans(),
            "maximize": st.booleans(),
        }
    ),
    st.integers(1, 4),
)
def test_any_options_are_pytorchs(both, kind, options, steps):
    for p, q in zip(*both(kind, [(4,)], np.float64, options, steps)[:2], strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_by_hand():
    p = Tensor([1.0], requires_grad=True)
    optimizer = Adam([p], lr=0.5, betas=(0.5, 0.75), eps=0.25)
    # m = 1, v = 1, m / 0.5 = 2, sqrt(v / 0.25) = 2;  then m = 0.5 + 1, v = 0.75 + 1, m / 0.75 = 2, v / 0.4375 = 4
    for value in (1 - 0.5 * 2 / 2.25, 1 - 2 * 0.5 * 2 / 2.25):
        p.grad = Tensor([2.0])
        optimizer.step()
        np.testing.assert_allclose(p.data, [value], rtol=1e-15)


def moved(kind, options, start, gradients, size):
    """Where a parameter, all entries of which are alike, is after steps with these gradients."""
    p = Tensor(np.full(size, start), requires_grad=True)
    optimizer = kind([p], **options)
    for gradient in gradients:
        p.grad = Tensor(np.full(size, gradient))
        optimizer.step()
    assert np.ptp(p.data) == 0 and p.shape == (size,)
    return p.data[0]


SIZES = pytest.mark.parametrize("size", [1, 5000])  # by NumPy, and by machine code where there is some


@SIZES
@pytest.mark.parametrize(
    ("kind", "maximize", "expected"),
    [  # betas of 0 and eps = 1: a step of g / (|g| + 1) / 2
        (Adam, False, 2 - (2 / 3) / 2),  # g = 1 + 0.5 * 2
        (Adam, True, 2.0),  # g = -1 + 0.5 * 2
        (AdamW, False, 2 * 0.75 - (1 / 2) / 2),
        (AdamW, True, 2 * 0.75 + (1 / 2) / 2),
    ],
)
def test_weight_decay_and_maximize_by_hand(kind, maximize, expected, size):
    options = {"lr": 0.5, "betas": (0.0, 0.0), "eps": 1.0, "weight_decay": 0.5, "maximize": maximize}
    assert moved(kind, options, 2.0, [1.0], size) == pytest.approx(expected, rel=1e-15)


@SIZES
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("amsgrad", "largest"), [(False, 1.0), (True, 2.0)])
def test_amsgrad_by_hand(kind, amsgrad, largest, size):
    """v is 2, then 1, then 1/2 + 1/2: its largest is that of the first step."""
    options = {"lr": 1.0, "betas": (0.0, 0.5), "eps": 0.0, "weight_decay": 0.0, "amsgrad": amsgrad}
    assert moved(kind, options, 0.0, [2.0, 0.0], size) == -1.0
    expected = -1.0 - 1.0 / np.sqrt(largest / (1 - 0.5**3))
    assert moved(kind, options, 0.0, [2.0, 0.0, 1.0], size) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("kind", "decay"), [(Adam, 0.0), (AdamW, 0.01)])
def test_the_defaults_are_pytorchs(kind, decay):
    defaults = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": decay, "amsgrad": False}
    forms = {"foreach": None, "fused": None, "capturable": False, "differentiable": False}
    optimizer = kind([Tensor([1.0], requires_grad=True)])
    assert optimizer.defaults == {**defaults, **forms, "maximize": False, "decoupled_weight_decay": kind is AdamW}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lr": -0.1}, "lr must not be negative, but is -0.1"),
        ({"eps": -1}, "eps must not be negative"),
        ({"weight_decay": float("nan")}, "weight_decay .* nan"),
        ({"betas": (1.0, 0.9)}, r"betas must be two numbers of at least 0 and below 1, not \(1.0, 0.9\)"),
        ({"betas": (0.9,)}, "betas"),
    ],
)
def test_options_are_checked(kind, options, match):
    with pytest.raises(ValueError, match=f"{kind.__name__}: {match}"):
        kind([Tensor([1.0], requires_grad=True)], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_state_goes_on_to_the_bit(kind):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(4, 50, 30)), rng.normal(size=(6, 50, 30))

    def run(p, optimizer, steps):
        for g in steps:
            p.grad = Tensor(g)
            optimizer.step()

    p = Tensor(start[0], requires_grad=True)
    first = kind([p], lr=0.1, amsgrad=True)
    run(p, first, gradients[:3])
    q = Tensor(p.data, requires_grad=True)
    second = kind([q], lr=5.0)
    second.load_state_dict(first.state_dict())
    run(p, first, gradients[3:])
    run(q, second, gradients[3:])
    np.testing.assert_array_equal(p.data, q.data)


def test_dtypes_stay():
    p = Tensor(np.ones(3, np.float32), requires_grad=True)
    p.grad = Tensor(np.ones(3))
    optimizer = Adam([p], lr=np.float64(0.1), weight_decay=np.float64(0.1))
    optimizer.step()
    assert p.dtype == np.float32 and optimizer.state_dict()["state"][0]["exp_avg"].dtype == np.float32
