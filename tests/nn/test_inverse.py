import numpy as np
import pytest

from pullback import Tensor, nn, viz
from pullback.nn import functional, models

RNG = np.random.default_rng(0)
POOLS = [(2, 2), (3, 2), (2, 1)]


def random_layers(rng):
    """The layers of a random convolutional net for (N, 2, 14, 11)."""
    layers, channels = [], 2
    for _ in range(rng.integers(1, 4)):
        for _ in range(rng.integers(1, 3)):
            width, kernel = int(rng.integers(1, 3)) * 2, int(rng.integers(1, 4))
            options = [
                {"padding": tuple(rng.integers(0, 3, 2).tolist())},
                {"padding": "same", "dilation": int(rng.integers(1, 3))},
                {"padding": 1, "padding_mode": str(rng.choice(["reflect", "replicate", "circular"]))},
                {"padding": 2, "groups": 2},
                {"padding": 2, "stride": (1, 2) if channels == 2 else 1},
            ]
            layers.append(nn.Conv2d(channels, width, kernel, **options[rng.integers(len(options))]))
            if rng.random() < 0.3:
                norm = nn.BatchNorm2d(width)
                norm.running_mean.data = rng.normal(size=width)
                norm.running_var.data = rng.uniform(0.5, 2, width)
                norm.weight.data = rng.normal(size=width)
                layers.append(norm)
            layers.append(nn.ReLU())
            channels = width
        kernel, stride = POOLS[rng.integers(3)]
        kind = nn.MaxPool2d if rng.random() < 0.7 else nn.AvgPool2d
        layers.append(kind(kernel, stride, padding=kernel // 2, ceil_mode=bool(rng.integers(2))))
        if rng.random() < 0.2:
            layers.append(nn.Dropout(0.5))
    features = nn.Sequential(*layers).double().eval()(np.zeros((1, 2, 14, 11))).size
    layers += [nn.Flatten(), nn.Linear(features, 6), nn.ReLU(), nn.Linear(6, 3)]
    return layers


class HandWritten(nn.Module):
    """The same net, with functions in the place of all layers without parameters."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.layers:
            if isinstance(layer, nn.ReLU):
                x = functional.relu(x)
            elif isinstance(layer, nn.MaxPool2d):
                x = functional.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
            elif isinstance(layer, nn.Flatten):
                x = x.reshape(len(x), -1)
            elif isinstance(layer, nn.Dropout):
                x = functional.dropout(x, layer.p, self.training)
            else:
                x = layer(x)
        return x


def check_random_net(seed):
    rng = np.random.default_rng(seed)
    nn.manual_seed(seed)
    layers = random_layers(rng)
    model, by_hand = nn.Sequential(*layers).double(), HandWritten(layers)
    x = rng.normal(size=(2, 2, 14, 11))
    model.eval()
    outputs = [Tensor(x)]
    for layer in layers:
        outputs.append(layer(outputs[-1]))
    model.train()
    for i, out in enumerate(outputs[1:]):
        activation = out.numpy()
        signal = np.zeros(activation.shape)
        for sample, values in zip(signal, activation, strict=True):
            place = np.unravel_index(values.argmax(), values.shape)
            sample[place] = abs(values[place])
        projected = nn.invert(model, i)(x, signal).numpy()
        if (activation.reshape(2, -1).max(1) > 0).all():
            np.testing.assert_allclose(projected, viz.deconvnet(model, x, i), rtol=0, atol=1e-12)
        if type(layers[i]) in (nn.Conv2d, nn.Linear, nn.BatchNorm2d):  # a call that hand-written forward makes, too
            np.testing.assert_array_equal(nn.invert(by_hand, f"layers.{i}")(x, signal).numpy(), projected)
        assert projected.shape == x.shape
    assert all(module.training for module in model.modules())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_inverse_is_the_overridden_backward_pass(seed):
    check_random_net(seed)


@pytest.mark.thorough
def test_inverse_is_the_overridden_backward_pass_of_many_nets():
    for seed in range(10, 200):
        check_random_net(seed)


def test_by_hand():
    model = nn.Sequential(nn.Conv1d(1, 1, 2, bias=True), nn.ReLU(), nn.MaxPool1d(2, 1)).double()
    model[0].weight.data, model[0].bias.data = np.array([[[1.0, -2.0]]]), np.array([3.0])
    x = np.array([[[0.0, 1.0, 5.0, 1.0]]])  # convolved: 1, -6, 6; rectified: 1, 0, 6; pooled: 1, 6
    for layer, signal, expected in [
        (2, None, [1.0, -2.0, 6.0, -12.0]),
        (2, [1.0, -1.0], [1.0, -2.0, 0.0, 0.0]),
        (1, [-1.0, 2.0, 0.0], [0.0, 2.0, -4.0, 0.0]),
    ]:
        given = None if signal is None else np.array([[signal]])
        np.testing.assert_array_equal(nn.invert(model, layer)(x, given).numpy(), [[expected]])


def test_entries_of_windows_that_overlap_add():
    pool = nn.MaxPool1d(3, 1)
    np.testing.assert_array_equal(nn.invert(pool)(np.array([[[0.0, 1.0, 5.0, 1.0, 0.0]]])), [[[0, 0, 15.0, 0, 0]]])


def test_against_pytorch(torch):
    nn.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    ).double()
    x, signal = RNG.normal(size=(3, 2, 9, 8)), RNG.normal(size=(3, 3))
    own = torch.from_numpy(x)
    w, b, v, _ = (torch.from_numpy(p.numpy().copy()) for p in model.parameters())
    convolved = torch.nn.functional.conv2d(own, w, b, 2, 1)
    pooled, indices = torch.nn.functional.max_pool2d(convolved.relu(), 2, return_indices=True)
    back = (torch.from_numpy(signal) @ v).reshape(pooled.shape)
    back = torch.nn.functional.max_unpool2d(back, indices, 2, output_size=convolved.shape[2:]).relu()
    back = torch.nn.functional.conv_transpose2d(back, w, None, 2, 1, (0, 1))
    np.testing.assert_allclose(nn.invert(model)(x, signal).numpy(), back.numpy(), rtol=0, atol=1e-12)


def test_an_autoencoder_has_convolutions_for_transposed_ones():
    model = nn.Sequential(nn.Conv1d(1, 3, 4, stride=3), nn.ReLU(), nn.ConvTranspose1d(3, 2, 4, 3, output_padding=1))
    layers = dict(nn.invert(model).network(np.ones((1, 1, 10), np.float32)).named_children())
    assert list(layers) == ["2", "1", "0"] and isinstance(layers["2"], nn.Conv1d)
    x, signal = RNG.normal(size=(1, 1, 10)), RNG.normal(size=(1, 2, 11))
    model.double()
    middle = functional.conv1d(Tensor(signal), model[2].weight, stride=3).numpy()
    expected = functional.conv_transpose1d(np.maximum(middle, 0), model[0].weight, stride=3).numpy()
    np.testing.assert_allclose(nn.invert(model)(x, signal).numpy(), expected, rtol=0, atol=1e-12)


def test_weights_are_shared_and_nothing_is_drawn():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    x = np.ones((1, 1, 4, 4), np.float32)
    nn.manual_seed(0)
    drawn = nn.Linear(1, 1).weight.item()
    nn.manual_seed(0)
    network = nn.invert(model).network(x)
    assert nn.Linear(1, 1).weight.item() == drawn
    assert network[0].weight is model[3].weight and network[3].weight is model[0].weight
    before = network(np.ones((1, 2), np.float32)).numpy()
    model[0].weight.data = 2 * model[0].weight.data
    np.testing.assert_array_equal(network(np.ones((1, 2), np.float32)).numpy(), 2 * before)
    network(np.ones((1, 2), np.float32)).sum().backward()
    assert model[3].weight.grad is not None
    assert list(nn.invert(model).state_dict()) == [f"model.{name}" for name in model.state_dict()]


@pytest.mark.slow
@pytest.mark.parametrize("make", [models.tinyml_vgg11, models.tinyml_vgg16])
def test_the_seeds_vggs(make):
    nn.manual_seed(0)
    model = make(hidden=16)
    x = RNG.normal(size=(1, 3, 64, 64)).astype(np.float32)
    network = nn.invert(model, "features").network(x)
    kinds = [type(layer).__name__ for layer in network]
    forwards = [type(layer).__name__ for layer in model.features][::-1]
    names = {"Conv2d": "ConvTranspose2d", "ReLU": "ReLU", "MaxPool2d": "MaxUnpool"}
    assert kinds == [names[kind] for kind in forwards]
    assert list(dict(network.named_children())) == [f"features_{i}" for i in reversed(range(len(forwards)))]
    assert nn.invert(model)(x).shape == x.shape


def test_what_has_no_inverse_is_named():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x):
            return x + self.conv(x)

    x = np.ones((2, 1, 6), np.float32)
    for model, message in [
        (nn.Sequential(nn.Identity(), Block()), "1: Block cannot be undone: 'add' joins branches"),
        (nn.Sequential(nn.Conv1d(1, 1, 3), nn.Sequential(nn.Sigmoid())), "1.0: Sigmoid cannot .* 'sigmoid' is neither"),
        (nn.Sequential(nn.BatchNorm1d(1, track_running_stats=False)), "0: BatchNorm1d cannot be undone"),
    ]:
        with pytest.raises(ValueError, match=message):
            nn.invert(model)(x)
    nn.invert(nn.Sequential(nn.Identity(), Block()), "1.conv")(x)  # below the sum all is a chain
    with pytest.raises(ValueError, match="no module is named 'two'"):
        nn.invert(nn.Identity(), "two")
    with pytest.raises(ValueError, match="index 3 among the model's 1 children"):
        nn.invert(nn.Sequential(nn.ReLU()), 3)
    with pytest.raises(ValueError, match="not a module of the model"):
        nn.invert(nn.Sequential(nn.ReLU()), nn.ReLU())
    with pytest.raises(ValueError, match=r"shape \(2, 2\) for an output of shape \(2, 1, 6\)"):
        nn.invert(nn.ReLU())(x, np.ones((2, 2)))
    spare = Block()
    spare.spare = nn.ReLU()
    with pytest.raises(RuntimeError, match="'spare' took no part"):
        nn.invert(spare, "spare")(x)


def test_the_model_is_left_as_it_was_after_an_error():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    with pytest.raises(ValueError, match="3 features"):
        nn.invert(model)(np.ones((1, 4), np.float32))
    assert all(module.training for module in model.modules())
    assert not nn.hooks.EVERYWHERE


def test_a_layer_that_is_used_twice():
    shared = nn.Conv1d(1, 1, 3, padding=1, bias=False).double()
    model = nn.Sequential(shared, nn.ReLU(), shared)
    x = RNG.normal(size=(1, 1, 5))
    network = nn.invert(model).network(x)
    assert len(network) == 3 and network[0].weight is network[2].weight is shared.weight
