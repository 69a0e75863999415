"""What all attributions share: layers and their calls, units, several inputs, batches, and a model left as it was."""

import threading

import numpy as np
import pytest

from pullback import Tensor, nn, no_grad, relu, viz

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4))


class Twice(nn.Module):
    """One layer used two times, with a buffer, dropout and a count of calls."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4).double()
        self.norm = nn.BatchNorm1d(4).double()
        self.drop = nn.Dropout(0.5)
        self.register_buffer("calls", Tensor(np.zeros(1)))
        self.register_buffer("last", Tensor(np.zeros(2)))

    def forward(self, x):
        self.calls.data = self.calls.numpy() + 1
        self.last = Tensor(np.full(2, x.numpy().sum()))
        nn.functional.dropout(x, 0.5, training=True)
        return self.drop(self.layer(self.norm(self.layer(x))))


METHODS = {
    "deconvnet": lambda model, x, **settings: viz.deconvnet(model, x, seed=1, **settings),
    "guided_backprop": lambda model, x, **settings: viz.guided_backprop(model, x, seed=1, **settings),
    "saliency": viz.saliency,
    "input_x_gradient": viz.input_x_gradient,
    "integrated_gradients": lambda model, x, **settings: viz.integrated_gradients(model, x, steps=2, **settings),
    "smoothgrad": lambda model, x, **settings: viz.smoothgrad(model, x, samples=2, noise=0, **settings),
    "occlusion": lambda model, x, **settings: viz.occlusion(model, x, window=1, **settings),
}


def network():
    nn.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()


@pytest.mark.parametrize("name", METHODS)
def test_batches_give_what_all_samples_at_once_give(name):
    model, method = network(), METHODS[name]
    whole = method(model, X)
    assert whole.shape == X.shape and whole.any()
    np.testing.assert_allclose(method(model, X, batch_size=2), whole, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(method(lambda x: model(x), X), whole)
    np.testing.assert_array_equal(method(model, X, layer=model[2]), whole)
    assert np.abs(method(model, X, layer="1") - whole).max() > 0.01
    with pytest.raises(ValueError, match="batch_size=0"):
        method(model, X, batch_size=0)


@pytest.mark.parametrize("name", METHODS)
def test_a_model_of_several_inputs(name):
    weights, table = RNG.normal(size=(4, 3)), RNG.normal(size=(7, 3))
    tokens, mask = np.array([3, 1, 6, 0, 2]), np.array([True, False, True, True, True])
    y = RNG.normal(size=(5, 3))

    def model(x, tokens, y, mask):
        return x @ weights + Tensor(table)[tokens] - 2 * y + mask[:, None]

    first, second, third, fourth = METHODS[name](model, (X, tokens, Tensor(y), mask))
    assert second is fourth is None
    best = (X @ weights + table[tokens] - 2 * y).argmax(1)
    gradients = weights[:, best].T, -2 * np.eye(3)[best]
    times_input = name in ("input_x_gradient", "integrated_gradients", "occlusion")
    for found, gradient, given in zip((first, third), gradients, (X, y), strict=True):
        np.testing.assert_allclose(found, gradient * given if times_input else gradient, rtol=1e-9, atol=1e-12)
    unused = METHODS[name](lambda x, y: x, (X, y))[1]
    np.testing.assert_array_equal(unused, np.zeros(y.shape))


@pytest.mark.parametrize("name", METHODS)
def test_an_empty_batch(name):
    for batch_size in (None, 3):
        assert METHODS[name](network(), X[:0], batch_size=batch_size).shape == (0, 4)


def test_inputs_that_are_no_batches():
    with pytest.raises(ValueError, match=r"\(5, 4\), \(3,\) are no batches of one length"):
        viz.saliency(lambda x, y: x, (X, np.ones(3)))
    with pytest.raises(ValueError, match=r"\(\) are no batches"):
        viz.saliency(lambda x: x, 1.0)
    with pytest.raises(ValueError, match=r"output of shape \(\)"):
        viz.saliency(lambda x: x.sum(), X)
    for method in (viz.saliency, viz.deconvnet):
        with pytest.raises(TypeError, match=f"{method.__name__}: x is of int64; expected floats"):
            method(lambda x: x, np.ones((2, 2), np.int64))


# Layers and their calls


def test_which_call_of_a_layer():
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4).double()

        def forward(self, x):
            return self.layer(relu(self.layer(x)))

    model = Reused()
    weight, bias = model.layer.weight.numpy(), model.layer.bias.numpy()
    last = ((X @ weight.T + bias > 0) * weight[2]) @ weight
    np.testing.assert_allclose(viz.saliency(model, X, 2, layer="layer"), last, rtol=1e-12)
    np.testing.assert_allclose(viz.saliency(model, X, 2, layer="layer", call=1), last, rtol=1e-12)
    first = np.broadcast_to(weight[2], X.shape)
    np.testing.assert_allclose(viz.saliency(model, X, 2, layer="layer", call=0), first, rtol=1e-12)
    np.testing.assert_allclose(viz.deconvnet(model, X, "layer", 2, call=-2, seed=1), first, rtol=1e-12)
    for call in (2, -3):
        with pytest.raises(ValueError, match=f"saliency: call={call} of 'layer', which was called 2 times"):
            viz.saliency(model, X, 2, layer="layer", call=call)


def test_a_layer_whose_output_is_written_to_afterwards():
    layer = nn.Identity()

    def model(x):
        y = layer(3 * x)
        y *= 5
        return y

    np.testing.assert_array_equal(viz.saliency(model, X, 1, layer=layer), np.broadcast_to([0, 3, 0, 0], X.shape))
    np.testing.assert_array_equal(viz.saliency(model, X, 1), np.broadcast_to([0, 15, 0, 0], X.shape))
    expected = X * np.array([0, 3, 0, 0])
    np.testing.assert_allclose(viz.occlusion(model, X, 1, window=1, layer=layer), expected, rtol=0, atol=1e-15)


def test_layers_of_a_function_are_modules():
    model = network()
    np.testing.assert_array_equal(
        viz.deconvnet(lambda x: model(x), X, model[1], strongest=None), viz.deconvnet(model, X, 1, strongest=None)
    )
    with pytest.raises(ValueError, match="'1' of a function, which names no layers"):
        viz.deconvnet(lambda x: model(x), X, "1")


def test_outputs_that_are_no_tensors():
    lstm = nn.LSTM(4, 3, batch_first=True).double()
    assert viz.saliency(lstm, X[:, None]).shape == (5, 1, 4)  # the first of a tuple
    with pytest.raises(TypeError, match="gives a dict"):
        viz.saliency(lambda x: {"out": x}, X)


# Units


def test_the_strongest_units_and_whole_maps():
    weights = RNG.normal(size=(4, 2, 3, 3))
    values = np.einsum("nc,ckij->nkij", X, weights)

    def model(x):
        return (x @ weights.reshape(4, -1)).reshape(-1, 2, 3, 3)

    def expected(chosen):
        return np.einsum("nkij,ckij->nc", chosen, weights)

    whole = np.zeros(values.shape)
    whole[:, 1] = 1
    np.testing.assert_allclose(viz.deconvnet(model, X, unit=1, strongest=None, seed=1), expected(whole), rtol=1e-12)
    for count in (1, 3, 9, 20):
        kept = np.zeros(values.shape)
        for n in range(5):
            for place in np.argsort(values[n, 1].ravel())[::-1][:count]:
                kept[n, 1].flat[place] = 1
        np.testing.assert_allclose(viz.saliency(model, X, 1, strongest=count), expected(kept), rtol=1e-12)
    row = np.zeros(values.shape)
    row[:, 0, -1] = 1
    np.testing.assert_allclose(viz.saliency(model, X, (0, -1), strongest=None), expected(row), rtol=1e-12)
    with pytest.raises(ValueError, match="strongest=0"):
        viz.saliency(model, X, strongest=0)
    with pytest.raises(ValueError, match=r"target \(0, 3\) does not exist"):
        viz.saliency(model, X, (0, 3))


# Nothing is changed


@pytest.mark.parametrize("name", [*METHODS, "grad_cam", "activation_maximization"])
def test_a_model_is_left_as_it_was(name):
    model = Twice()
    model.norm.eval()
    model.layer.weight.grad = np.ones((4, 4))
    model.register_forward_hook(lambda *_: None)
    model.calls.data = np.array([7.0])
    last, state = model.last, {key: value.numpy().copy() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    x = Tensor(X, requires_grad=True)

    def look(model):
        if name == "activation_maximization":
            viz.activation_maximization(model, x, unit=1, steps=2)
        elif name == "grad_cam":
            with pytest.raises(ValueError, match="expected maps"):
                viz.grad_cam(model, x, model.layer if model is not called else known.layer)
        else:
            METHODS[name](model, x)

    known = model

    def called(x):
        return known(x)

    for given in (model, called):
        nn.manual_seed(5)
        look(given)
        drawn = nn.init.generator().random()
        assert drawn == nn.manual_seed(5).random()
        assert [module.training for module in model.modules()] == modes
        assert [len(module._forward_hooks) for module in model.modules()] == hooks
        assert model.last is last and model.calls.numpy() == 7
        for key, value in model.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), state[key])
        assert x.grad is None and model.layer.bias.grad is None and (model.layer.weight.grad.numpy() == 1).all()
    called_by_others = nn.Linear(4, 4)
    called_by_others(np.ones((1, 4), np.float32))
    assert called_by_others.training  # no hook of all modules is left


def test_a_model_is_left_as_it_was_after_an_interrupt():
    model = Twice()
    model.last.data = np.array([3.0, 4.0])
    model.layer.forward = lambda x: (_ for _ in ()).throw(KeyboardInterrupt)
    for given in (model, lambda x: model(x)):
        with pytest.raises(KeyboardInterrupt):
            viz.deconvnet(given, X, model.layer)
        assert all(module.training for module in model.modules())
        assert model.last.numpy().tolist() == [3, 4] and model.calls.numpy() == 0
        assert not any(module._forward_hooks for module in model.modules())


def test_gradients_that_a_model_retains_are_not_filled():
    kept = []

    def model(x):
        y = 2 * x
        y.retain_grad()
        kept.append(y)
        return y

    viz.saliency(model, X)
    assert kept[0].grad is None


def test_calls_in_other_threads_are_not_seen():
    layer = nn.Linear(4, 4).double()

    def model(x):
        y = layer(x)
        thread = threading.Thread(target=lambda: layer(7 * X))
        thread.start()
        thread.join()
        return y

    assert viz.saliency(model, X, 1, layer=layer, call=0).any()
    with pytest.raises(ValueError, match="called 1 times"):
        viz.saliency(model, X, layer=layer, call=1)


def test_no_grad_around_makes_no_difference():
    with no_grad():
        inside = viz.saliency(network(), X)
    np.testing.assert_array_equal(inside, viz.saliency(network(), X))
