import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback import Tensor
from pullback.optim import SGD

OPTIONS = [
    {"lr": 0.1, "momentum": momentum, "dampening": dampening, "weight_decay": decay, "maximize": maximize}
    for momentum, dampening, decay, maximize in itertools.product((0, 0.9), (0, 0.3), (0, 0.01), (False, True))
] + [
    {"lr": 0.1, "momentum": 0.9, "weight_decay": decay, "nesterov": True, "maximize": maximize}
    for decay, maximize in itertools.product((0, 0.01), (False, True))
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_are_pytorchs(both, options, dtype):
    for p, q in zip(*both(SGD, [(), (3,), (2, 0), (300, 250)], dtype, options, steps=5)[:2], strict=True):
        assert p.dtype == dtype and p.shape == tuple(q.shape)
        np.testing.assert_allclose(
            p.data, q.detach().numpy(), rtol=8 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps
        )


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "lr": st.floats(0, 2),
            "momentum": st.floats(0, 1),
            "dampening": st.floats(-1, 1),
            "weight_decay": st.floats(0, 1),
            "maximize": st.booleans(),
        }
    ),
    st.integers(1, 4),
)
def test_any_options_are_pytorchs(both, options, steps):
    for p, q in zip(*both(SGD, [(4,)], np.float64, options, steps)[:2], strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_by_hand():
    p = Tensor([1.0], requires_grad=True)
    optimizer = SGD([p], lr=0.5, momentum=0.5, dampening=0.5, weight_decay=1.0)
    # g = 2 + 1 = 3, v = 3, p = 1 - 1.5;  g = 2 - 0.5 = 1.5, v = 1.5 + 0.75, p = -0.5 - 1.125
    for value in (-0.5, -1.625):
        p.grad = Tensor([2.0])
        optimizer.step()
        assert p.tolist() == [value]


@pytest.mark.parametrize("size", [1, 5000, (1 << 15) + 3])  # by NumPy, and by machine code where there is some
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.0, -1.0)),
        ({"maximize": True}, (2.0, 3.0)),
        ({"weight_decay": 1.0}, (-0.5, -1.25)),  # g = 3; g = 2 - 0.5
        ({"weight_decay": 1.0, "maximize": True}, (1.5, 1.75)),  # g = -2 + 1; g = -2 + 1.5
        ({"momentum": 0.5}, (0.0, -1.5)),  # v = 2; v = 1 + 2
        ({"momentum": 0.5, "maximize": True}, (2.0, 3.5)),
        ({"momentum": 0.5, "nesterov": True}, (-0.5, -2.25)),  # g + v / 2 = 3; v = 1 + 2, g + v / 2 = 3.5
    ],
    ids=str,
)
def test_each_option_by_hand(options, expected, size):
    p = Tensor(np.ones(size), requires_grad=True)
    optimizer = SGD([p], lr=0.5, **options)
    for value in expected:
        p.grad = Tensor(np.full(size, 2.0))
        optimizer.step()
        np.testing.assert_array_equal(p.data, np.full(size, value))


def test_the_default_is_pytorchs():
    p = Tensor([1.0], requires_grad=True)
    p.grad = Tensor([1.0])
    SGD([p]).step()
    assert p.tolist() == [1 - 1e-3]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lr": -0.1}, "lr must not be negative, but is -0.1"),
        ({"lr": float("nan")}, "lr .* nan"),
        ({"momentum": -1}, "momentum .* -1"),
        ({"weight_decay": -1e-3}, "weight_decay .* -0.001"),
        ({"nesterov": True}, "nesterov needs a momentum"),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening 0.1"),
    ],
)
def test_options_are_checked_also_in_a_group(options, match):
    p = Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match=match):
        SGD([p], **options)
    with pytest.raises(ValueError, match=match):
        SGD([{"params": [p], **options}])


def test_large_parameters_of_any_layout():
    rng = np.random.default_rng(0)
    start, gradient = rng.normal(size=(400, 300)), rng.normal(size=(300, 400)).T
    for values in (start, np.asfortranarray(start)):
        p = Tensor(values, requires_grad=True)
        p.grad = Tensor(gradient)
        optimizer = SGD([p], lr=0.5, momentum=0.5)
        optimizer.step()
        optimizer.step()
        np.testing.assert_allclose(p.data, start - 0.5 * gradient - 0.5 * 1.5 * gradient, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtypes_stay(dtype):
    p = Tensor(np.ones(3, dtype), requires_grad=True)
    p.grad = Tensor(np.ones(3))
    optimizer = SGD([p], lr=np.float64(0.1), momentum=0.9, weight_decay=0.1, nesterov=True)
    optimizer.step()
    optimizer.step()
    assert p.dtype == dtype and optimizer.state_dict()["state"][0]["momentum_buffer"].dtype == dtype


def test_complex_parameters(torch):
    """PyTorch's gradient is the direction of ascent, ours its conjugate."""
    start, gradient = np.array([1 + 2j, -3j]), np.array([2 - 1j, 0.5])
    for options in ({}, {"momentum": 0.9, "weight_decay": 0.1}):
        p, q = Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
        p.grad, q.grad = Tensor(gradient), torch.tensor(gradient.conj())
        for optimizer in (SGD([p], 0.1, **options), torch.optim.SGD([q], 0.1, **options)):
            optimizer.step()
            optimizer.step()
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-14)


def test_complex_parameters_descend():
    z = Tensor([3 + 4j, -1j], requires_grad=True)
    optimizer = SGD([z], lr=0.25)
    for _ in range(60):
        optimizer.zero_grad()
        (abs(z - (1 - 2j)) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(z.data, 1 - 2j, rtol=1e-12)
