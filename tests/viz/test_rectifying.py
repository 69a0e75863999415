"""Deconvolution and guided backpropagation through rectifiers in all spellings, and what is warned of."""

import threading
import warnings

import numpy as np
import pytest

from pullback import Tensor, checkpoint, nn, registry, relu, viz
from pullback.autograd.core.registry import _primitives
from pullback.extend import primitive

F = nn.functional
RNG = np.random.default_rng(0)
X, W1, B1, W2, B2 = (RNG.normal(size=shape) for shape in [(6, 5), (5, 8), 8, (8, 7), 7])
B2 = np.abs(B2)


def network(rectifier):
    return lambda x: rectifier(rectifier(x @ W1 + B1) @ W2 + B2)


def by_hand(back, slope=0.0, ceiling=np.inf):
    """What `network` gives back from its strongest units, for a rule of the cotangent and of the input."""

    def up(z):
        return np.minimum(np.where(z > 0, z, slope * z), ceiling)

    first = X @ W1 + B1
    second = up(first) @ W2 + B2
    out = up(second)
    seed = np.where(out == out.max(1, keepdims=True), out, 0)
    for z, w in ((second, W2), (first, W1)):
        seed = back(seed * (z < ceiling), z) @ w.T
    return seed


def deconvolved(g, z):
    return np.maximum(g, 0)


def guided(g, z):
    return np.maximum(g, 0) * (z > 0)


def plain(g, z):
    return g * (z > 0)


def rewritten(x):
    y = x + 0
    y[y < 0] = 0
    return y


SPELLINGS = {
    "relu": relu,
    "F.relu": F.relu,
    "nn.ReLU": nn.ReLU(),
    "maximum": lambda x: np.maximum(x, 0),
    "maximum of zeros": lambda x: np.maximum(np.zeros(x.shape), x),
    "fmax": lambda x: np.fmax(0.0, x),
    "clip": lambda x: np.clip(x, 0, None),
    "method clip": lambda x: x.clip(0),
    "clamp": lambda x: x.clamp(min=0),
    "where": lambda x: np.where(x > 0, x, 0),
    "where, zeros first": lambda x: np.where(x < 0, 0, x),
    "where, not below": lambda x: np.where(x >= 0, x, np.zeros(x.shape)),
    "mask": lambda x: x * (x > 0),
    "mask first": lambda x: (x > 0) * x,
    "mask of floats": lambda x: x * (x > 0).astype(float),
    "mask of arrays": lambda x: x * np.heaviside(x.numpy(), 0),
    "select": lambda x: np.select([x > 0], [x], 0),
    "written": rewritten,
    "threshold": lambda x: F.threshold(x, 0, 0),
    "hardtanh": lambda x: F.hardtanh(x, 0, 1e9),
    "leaky": lambda x: F.leaky_relu(x, 0.0),
    "prelu": lambda x: F.prelu(x, Tensor([0.0])),
}


def test_the_three_rules_differ_here():
    pictures = [by_hand(rule) for rule in (deconvolved, guided, plain)]
    assert all(np.abs(a - b).max() > 0.1 for i, a in enumerate(pictures) for b in pictures[:i])
    assert all(picture.any(1).all() for picture in pictures)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_rectifiers_in_all_spellings(spelling):
    model = network(SPELLINGS[spelling])
    np.testing.assert_allclose(viz.deconvnet(model, X), by_hand(deconvolved), rtol=0, atol=1e-12)
    np.testing.assert_allclose(viz.guided_backprop(model, X), by_hand(guided), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rectifier", [lambda x: F.leaky_relu(x, 0.25), lambda x: F.prelu(x, Tensor([0.25]))])
def test_leaky_rectifiers_scale_what_is_negative(rectifier):
    def leak(g):
        return np.where(g > 0, g, 0.25 * g)

    model = network(rectifier)
    expected = by_hand(lambda g, z: leak(g), slope=0.25)
    np.testing.assert_allclose(viz.deconvnet(model, X), expected, rtol=0, atol=1e-12)
    expected = by_hand(lambda g, z: leak(g) * np.where(z > 0, 1, 0.25), slope=0.25)
    np.testing.assert_allclose(viz.guided_backprop(model, X), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rectifier", [lambda x: np.clip(x, 0, 6), lambda x: F.hardtanh(x, 0, 6), nn.ReLU6()])
def test_a_ceiling_stops_what_is_above(rectifier):
    model = network(rectifier)
    unit = by_hand(deconvolved, ceiling=6.0)
    assert np.abs(unit - by_hand(deconvolved)).max() > 0.1
    np.testing.assert_allclose(viz.deconvnet(model, X), unit, rtol=0, atol=1e-12)
    np.testing.assert_allclose(viz.guided_backprop(model, X), by_hand(guided, ceiling=6.0), rtol=0, atol=1e-12)


OTHERS = [
    ("abs", lambda x: (abs(x) + x) / 2),
    ("gelu", F.gelu),
    ("elu", F.elu),
    ("silu", F.silu),
    ("tanh", np.tanh),
    ("softplus", F.softplus),
    ("square", np.square),
    ("maximum", lambda x: np.maximum(x, 0.1 * x)),
    ("minimum", lambda x: np.minimum(x, -0.1)),
    ("minimum", lambda x: x - np.minimum(x, 0)),
    ("einsum", lambda x: np.einsum("ij,ij->ij", x, np.heaviside(x.numpy(), 0))),
    ("where", lambda x: np.where(x > 0, x, 0.1 * x)),
    ("where", lambda x: np.where(x > 0.5, x, 0)),
    ("where", lambda x: np.where(x < 0, x, 0)),
    ("multiply", lambda x: x * (x > 0.5)),
    ("threshold", lambda x: F.threshold(x, 0.5, 0)),
    ("hardtanh", lambda x: F.hardtanh(x, -1, 1)),
]


@pytest.mark.parametrize(("name", "bend"), OTHERS)
def test_what_is_no_rectifier_is_named_and_has_its_plain_gradient(name, bend):
    def model(x):
        return bend(x @ W1)

    expected = viz.saliency(model, X, 2)
    for picture in (viz.deconvnet, viz.guided_backprop):
        with pytest.warns(UserWarning, match=f"{picture.__name__}: took the plain gradient of .*{name}"):
            found = picture(model, X, unit=2, seed=1)
        np.testing.assert_array_equal(found, expected)


def test_a_sum_that_rectifies_is_named():
    with pytest.warns(UserWarning, match="took the plain gradient of add,"):
        viz.deconvnet(lambda x: x @ W1 + relu(-(x @ W1)), X, unit=0, seed=1)  # is equal to relu(x @ W1)


def test_a_primitive_of_the_users_is_named():
    @primitive
    def bent(x):
        return np.maximum(x, 0)

    @bent.vjp("x")
    def _(g, x):
        return g * (x > 0)

    try:
        with pytest.warns(UserWarning, match="plain gradient of bent"):
            viz.deconvnet(lambda x: registry["bent"](x @ W1), X, unit=0, seed=1)
    finally:
        del _primitives["bent"]


@pytest.mark.parametrize("picture", [viz.deconvnet, viz.guided_backprop])
def test_what_is_computed_once_more_has_the_same_rules(picture):
    kept = checkpoint(network(lambda x: np.maximum(x, 0)))
    np.testing.assert_array_equal(picture(lambda x: kept(x), X), picture(network(relu), X))
    bent = checkpoint(network(lambda x: np.tanh(relu(x))))
    with pytest.warns(UserWarning, match="plain gradient of tanh"):
        picture(lambda x: bent(x), X)


def test_what_is_linear_or_a_maximum_is_not_warned_of():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.AvgPool2d(2),
        nn.Upsample(scale_factor=2),
        nn.Flatten(),
        nn.Linear(64, 3),
    ).double()

    def scaled(x):
        y = 0.5 * model(x / 2 - 1)
        return np.concatenate([y, -y], 1).reshape(2, 2, 3).max(2).sum(1)

    assert viz.deconvnet(scaled, RNG.normal(size=(2, 2, 8, 8)), seed=1).any()


def test_a_linear_network_has_one_picture_its_adjoint():
    for stride, padding, dilation in [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 1, 2)]:
        model = nn.Sequential(nn.Conv2d(2, 3, 3, stride, padding, dilation), nn.Conv2d(3, 4, 2)).double()
        x, v = RNG.normal(size=(2, 1, 2, 13, 12))
        unit = (1, 0, 1)
        expected = (model(v).numpy() - model(0 * v).numpy())[:, *unit]
        for picture in (viz.deconvnet, viz.guided_backprop):
            found = picture(model, x, 1, unit, seed=1)
            np.testing.assert_allclose((found * v).sum((1, 2, 3)), expected, rtol=1e-12, atol=1e-12)
            np.testing.assert_array_equal(found, viz.saliency(model, x, unit))


def test_a_network_without_negative_numbers_has_one_picture():
    weights = np.abs(W1), np.abs(W2)
    x = np.abs(X)

    def model(x):
        return relu(relu(x @ weights[0]) @ weights[1])

    expected = np.broadcast_to((weights[0] @ weights[1])[:, 3], X.shape)
    for found in (viz.deconvnet(model, x, unit=3, seed=1), viz.guided_backprop(model, x, unit=3, seed=1)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_pictures_stay_inside_the_receptive_field():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.ReLU(), nn.MaxPool2d(2)).double()
    x = RNG.normal(size=(1, 1, 14, 14))
    channel, row, column = np.unravel_index(model(x).numpy()[0].argmax(), (3, 5, 5))
    field = np.zeros(x.shape, bool)  # of a pool of 2 with stride 2 on two convolutions of 3: six entries at 2 i
    field[..., 2 * row : 2 * row + 6, 2 * column : 2 * column + 6] = True
    for picture in (viz.deconvnet, viz.guided_backprop):
        found = picture(model, x, 4, (channel, row, column))
        assert found.any() and not found[~field].any()
        # what covers all units of the map reaches further
        assert picture(model, x, 4, channel, strongest=None)[~field].any()


# An activation that is not positive


def test_activations_that_are_not_positive_are_warned_of():
    def model(x):
        return x @ np.array([[1.0, -1.0, 0.0]])

    x = np.array([[2.0], [3.0]])
    assert viz.deconvnet(model, x, unit=0).tolist() == [[2.0], [3.0]]
    with pytest.warns(UserWarning, match=r"not positive, of 2 samples and down to -3.*seed=1"):
        assert viz.deconvnet(model, x, unit=1).tolist() == [[2.0], [3.0]]
    with pytest.warns(UserWarning, match="of 2 samples and down to 0"):
        assert not viz.guided_backprop(model, x, unit=2).any()
    with pytest.warns(UserWarning, match="down to -3"):
        viz.deconvnet(model, x, strongest=None)
    assert viz.deconvnet(model, x, unit=1, seed=1).tolist() == [[-1.0], [-1.0]]
    assert viz.deconvnet(model, x, unit=1, seed=2.5).tolist() == [[-2.5], [-2.5]]
    with pytest.raises(ValueError, match="'max'"):
        viz.deconvnet(model, x, seed="max")


# Nothing of it is left, nor seen elsewhere


def test_rules_are_as_before_after_an_error():
    def broken(x):
        relu(x)
        raise OverflowError("broken")

    with pytest.raises(OverflowError, match="broken"):
        viz.deconvnet(broken, X)
    for spelling in ("relu", "maximum", "where", "mask", "leaky"):
        x = Tensor([-1.0, 2.0], requires_grad=True)
        SPELLINGS[spelling](x).backward(Tensor([1.0, -1.0]))
        assert x.grad.tolist() == [0, -1]


def test_other_threads_have_their_own_rules():
    seen = []

    def elsewhere():
        x = Tensor([-1.0, 2.0], requires_grad=True)
        relu(x).backward(Tensor([1.0, -1.0]))
        seen.append(x.grad.tolist())

    def model(x):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return relu(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        viz.deconvnet(model, X)
    assert seen == [[0, -1]]


def test_captums_constants():
    """The one-convolution network of Captum's tests, with its values for deconvolution and guided backpropagation."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4), nn.ReLU()).double()
    model[0].weight.data = np.ones((2, 1, 3, 3))
    model[0].bias.data = np.array([-50.0, -75.0])
    model[3].weight.data = np.concatenate([np.ones((4, 5)), -np.ones((4, 3))], 1)
    model[3].bias.data = np.zeros(4)
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    deconvolved = [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]
    np.testing.assert_array_equal(viz.deconvnet(model, x, unit=0, seed=1)[0, 0], deconvolved)
    guided = [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]
    np.testing.assert_array_equal(viz.guided_backprop(model, x, unit=0, seed=1)[0, 0], guided)
