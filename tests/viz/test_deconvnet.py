import numpy as np
import pytest

from pullback import Tensor, max_pool, nn, relu, viz

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2, 9, 9))


def network():
    nn.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(54, 5),
    ).double()


def transposed(conv):
    out, inside, *kernel = conv.weight.shape
    layer = nn.ConvTranspose2d(out, inside, tuple(kernel), padding=conv.padding, bias=False).double()
    layer.weight.data = conv.weight.numpy()
    return layer


def forward(model):
    """Activations before the first and second ReLU, and of the pool with its indices."""
    before = model[0](X).detach()
    second = model[2](relu(before)).detach()
    return before.numpy(), second.numpy(), *max_pool(relu(second), 2, return_indices=True)


def only(pooled, *unit):
    """The pooled activations with one left per sample."""
    kept = np.zeros(pooled.shape)
    for n, sample in enumerate(pooled):
        place = unit if len(unit) == 3 else np.unravel_index(sample.argmax(), sample.shape)
        if len(unit) == 1:
            place = (unit[0], *np.unravel_index(sample[unit[0]].argmax(), sample.shape[1:]))
        kept[(n, *place)] = sample[tuple(place)]
    return kept


def through_layers(model, kept, indices, rectify):
    """Zeiler and Fergus' attached network, layer by layer; `rectify` takes a signal and what ReLU once got."""
    first, second, *_ = forward(model)
    signal = nn.MaxUnpool2d(2)(Tensor(kept), indices, output_size=second.shape).numpy()
    signal = transposed(model[2])(Tensor(rectify(signal, second))).numpy()
    return transposed(model[0])(Tensor(rectify(signal, first))).numpy()


@pytest.mark.parametrize("unit", [(), (2,), (1, 1, 2)])
def test_deconvnet_is_the_attached_network_of_transposed_layers(unit):
    model = network()
    *_, pooled, indices = forward(model)
    kept = only(pooled.numpy(), *unit)
    assert (np.count_nonzero(kept, axis=(1, 2, 3)) <= 1).all() and kept.any()
    expected = through_layers(model, kept, indices, lambda signal, before: np.maximum(signal, 0))
    given = None if not unit else unit[0] if len(unit) == 1 else unit
    found = viz.deconvnet(model, X, 4, given)
    assert found.shape == X.shape and found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.abs(expected).max() > 1e-3

    guided = through_layers(model, kept, indices, lambda signal, before: np.maximum(signal, 0) * (before > 0))
    np.testing.assert_allclose(viz.guided_backprop(model, X, 4, given), guided, rtol=0, atol=1e-12)
    plain = through_layers(model, kept, indices, lambda signal, before: signal * (before > 0))
    for one, other in ((expected, guided), (expected, plain), (guided, plain)):
        assert np.abs(one - other).max() > 1e-3


def test_deconvnet_against_pytorch(torch):
    functional = torch.nn.functional
    model = network()
    w1, b1, w2, b2 = (torch.from_numpy(p.numpy().copy()) for p in list(model.parameters())[:4])
    x = torch.from_numpy(X)
    second = functional.conv2d(functional.conv2d(x, w1, b1).relu(), w2, b2, padding=1)
    pooled, indices = functional.max_pool2d(second.relu(), 2, return_indices=True)
    kept = torch.from_numpy(only(pooled.numpy()))
    signal = functional.max_unpool2d(kept, indices, 2, output_size=second.shape[2:]).relu()
    signal = functional.conv_transpose2d(signal, w2, padding=1).relu()
    np.testing.assert_allclose(
        viz.deconvnet(model, X, 4), functional.conv_transpose2d(signal, w1).numpy(), rtol=0, atol=1e-12
    )


def test_saliency_is_the_gradient_of_a_class_score():
    model = nn.Linear(4, 3)
    weight, x = model.weight.numpy(), RNG.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(viz.saliency(model, x, 1), np.broadcast_to(weight[1], (5, 4)))
    best = (x @ weight.T + model.bias.numpy()).argmax(axis=1)
    np.testing.assert_array_equal(viz.saliency(model, Tensor(x)), weight[best])
    assert viz.saliency(model, x).dtype == np.float32


def test_saliency_leaves_relus_rule_alone():
    model = network()
    eps, direction = 1e-6, RNG.normal(size=X.shape)
    scores = [model(Tensor(X + sign * eps * direction)).numpy()[:, 3].sum() for sign in (1, -1)]
    slope = np.vdot(viz.saliency(model, X, 3), direction)
    assert slope == pytest.approx((scores[0] - scores[1]) / (2 * eps), rel=1e-6)


@pytest.mark.parametrize("layer", [4, -3, "4"])
def test_layers_by_index_and_name(layer):
    model = network()
    np.testing.assert_array_equal(viz.deconvnet(model, X, layer), viz.deconvnet(model, X, model[4]))


def test_a_layer_inside_another_module():
    inner = network()
    model = nn.Sequential(nn.Identity(), inner)
    np.testing.assert_array_equal(viz.deconvnet(model, X, "1.4"), viz.deconvnet(inner, X, 4))


def test_units_of_a_flat_layer():
    model = network()
    expected = viz.deconvnet(model, X, 6, 3)
    assert expected.shape == X.shape
    np.testing.assert_array_equal(expected, viz.deconvnet(model, X, 6, (3,)))


def test_each_sample_has_its_own_projection():
    model = network()
    together = viz.deconvnet(model, X, 4)
    for i in range(len(X)):
        np.testing.assert_allclose(viz.deconvnet(model, X[i : i + 1], 4), together[i : i + 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "unit", "message"),
    [
        (4, 6, "unit 6 .* shape"),
        (4, (0, 4, 0), "unit"),
        (4, (0, 0, 0, 0), "unit"),
        (7, None, "index 7 .* 7 children"),
        ("nine", None, "'nine'"),
        (nn.ReLU(), None, "not a module of the model"),
    ],
)
def test_what_does_not_exist_is_named(layer, unit, message):
    with pytest.raises(ValueError, match=message):
        viz.deconvnet(network(), X, layer, unit)


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 2))
    model.train()
    model[0].eval()
    model[3].weight.grad = np.ones((2, 4), np.float32)
    x = Tensor(np.ones((2, 4), np.float32), requires_grad=True)
    first = viz.deconvnet(model, x, 3, seed=1)
    np.testing.assert_array_equal(first, viz.deconvnet(model, x, 3, seed=1))  # dropout is off
    viz.saliency(model, x)
    viz.feature_maps(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()).double(), X, 0)
    assert [module.training for module in model.modules()] == [True, False, True, True, True]
    assert x.grad is None and all(p.grad is None for p in model[0].parameters())
    np.testing.assert_array_equal(model[3].weight.grad.numpy(), np.ones((2, 4)))


def test_the_model_is_left_as_it_was_after_an_error():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(4, 4), nn.Linear(4, 4)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            x = self.used(x)
            if self.calls == 1:
                raise OverflowError("broken")
            return x

    model, x = Broken(), np.ones((1, 4), np.float32)
    with pytest.raises(OverflowError, match="broken"):
        viz.deconvnet(model, x, "used")
    with pytest.raises(RuntimeError, match="'spare' took no part"):
        viz.deconvnet(model, x, "spare")
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    negative = Tensor([-1.0], requires_grad=True)
    relu(negative).backward(Tensor([1.0]))
    assert negative.grad.numpy() == 0  # ReLU has its own rule again


def test_an_output_that_does_not_depend_on_the_input():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(np.zeros((1, 3), np.float32))

        def forward(self, x):
            return self.bias * 2

    with pytest.raises(RuntimeError, match="does not depend on the input"):
        viz.saliency(Constant(), np.ones((1, 3), np.float32))
    with pytest.raises(TypeError, match="int"):
        viz.saliency(Constant(), np.ones((1, 3), int))
