import numpy as np
import pytest

from pullback import Tensor, concatenate, nn, viz
from pullback.nn import functional, models
from pullback.viz.deconvnet import activation

RNG = np.random.default_rng(0)


class Branches(nn.Module):
    """Residual and concatenated branches, dilated, grouped, padded at one side, and a skip over a pooling."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=2)
        self.near, self.far = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=3, dilation=3, groups=2)
        self.pool, self.up = nn.AvgPool2d(3, 2, 1), nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, groups=2)
        self.pad, self.last = nn.ReplicationPad2d((0, 2, 1, 0)), nn.Conv2d(8, 2, 2, padding="same")
        self.down, self.head = nn.AdaptiveAvgPool2d((3, 2)), nn.Linear(12, 5)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        both = concatenate([self.near(x), self.far(x)], 1)
        up = self.up(self.pool(both))
        up = up[:, :, : x.shape[2], : x.shape[3]]
        x = self.last(self.pad(concatenate([up, x[:, :, : up.shape[2], : up.shape[3]]], 1)))
        return self.head(nn.functional.flatten(self.down(x.transpose(0, 1, 3, 2)), 1))


def seen(model, shape, layer, unit):
    """Where the gradient of a unit is not 0, in a model with positive weights and a positive input, as slices."""
    outputs = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, args, out: outputs.append(out))
    x = Tensor(RNG.uniform(1, 2, shape), requires_grad=True)
    model(x)
    handle.remove()
    outputs[0][(0, *unit)].sum().backward()
    places = np.nonzero(x.grad.numpy()[0])
    return tuple(slice(int(i.min()), int(i.max()) + 1) if i.size else slice(0, 0) for i in places)


def positive(model):
    for p in model.parameters():
        p.data = RNG.uniform(0.5, 1, p.shape)
    return model.eval()


@pytest.mark.parametrize("layer", ["stem", "near", "far", "pool", "up", "pad", "last", "down", "head"])
def test_field_is_the_support_of_the_gradient(layer):
    model, shape = positive(Branches()), (1, 2, 19, 16)
    out = activation(model, np.ones(shape), layer).shape[1:]
    places = {tuple(int(RNG.integers(n)) for n in out) for _ in range(8)} | {(0,) * len(out)}
    for unit in [*places, (out[0] - 1,)]:
        assert viz.receptive_field(model, shape, layer, unit) == seen(model, shape, layer, unit), unit


@pytest.mark.parametrize("seed", range(6))
def test_random_chains(seed):
    rng = np.random.default_rng(seed)
    layers, channels = [], 3
    for _ in range(4):
        settings = {"stride": int(rng.integers(1, 3)), "padding": int(rng.integers(0, 2))}
        if rng.random() < 0.6:
            dilation = int(rng.integers(1, 4))
            layers += [nn.Conv2d(channels, 2, (3, 2), dilation=(1, dilation), **settings), nn.ReLU()]
            channels = 2
        else:
            layers.append(nn.AvgPool2d(2, **settings, ceil_mode=bool(rng.integers(2))))
    model, shape = positive(nn.Sequential(*layers)), (1, 3, 40, 37)
    for i, layer in enumerate(layers):
        out = model[: i + 1](np.ones(shape)).shape[1:]
        unit = tuple(int(rng.integers(n)) for n in out)
        assert viz.receptive_field(model, shape, layer, unit) == seen(model, shape, str(i), unit)


def test_vgg16s_known_fields():
    model = models.VGG([(1, 1), (1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)], 2, 1, 4)
    known = [
        {0: 3, 2: 5, 4: 6},
        {5: 10, 7: 14, 9: 16},
        {10: 24, 12: 32, 14: 40, 16: 44},
        {17: 60, 19: 76, 21: 92, 23: 100},
        {24: 132, 26: 164, 28: 196, 30: 212},
    ]
    for block, sizes in enumerate(known):
        for index, size in sizes.items():
            middle = (64 if index == max(sizes) else 128) // 2**block  # the last of each halves the map
            field = viz.receptive_field(model, (1, 3, 256, 256), f"features.{index}", (0, middle, middle))
            assert [s.stop - s.start for s in field[1:]] == [size, size], index


def test_data_and_weights_do_not_matter():
    model = nn.Sequential(nn.Conv1d(1, 1, 3), nn.ReLU(), nn.MaxPool1d(3, 2))
    model[0].weight.data[...] = 0
    assert viz.receptive_field(model, (1, 1, 20), 2, (0, 3)) == (slice(0, 1), slice(6, 11))
    assert viz.receptive_field(model, (8, 1, 20), model[2], (0, -1)) == (slice(0, 1), slice(14, 19))
    assert viz.receptive_field(model, (1, 1, 20), 0, 0) == (slice(0, 1), slice(0, 20))


@pytest.mark.parametrize("layer", [nn.AdaptiveMaxPool1d(3), nn.AdaptiveAvgPool1d(3)])
def test_adaptive_pooling(layer):
    fields = [viz.receptive_field(layer, (1, 1, 11), "", (0, i)) for i in range(3)]
    assert fields == [(slice(0, 1), slice(*ends)) for ends in ((0, 4), (3, 8), (7, 11))]


def test_norms_and_attention_see_all_that_they_mix():
    norm = nn.Sequential(nn.Conv1d(4, 4, 1, groups=4), nn.GroupNorm(2, 4))
    assert viz.receptive_field(norm, (1, 4, 9), 1, (3, 5)) == (slice(2, 4), slice(0, 9))
    assert viz.receptive_field(nn.Sequential(nn.Softmax(1)), (1, 4, 9), 0, (3, 5)) == (slice(0, 4), slice(5, 6))
    flat = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())
    assert viz.receptive_field(flat, (1, 1, 6, 7), 1, 20 + 5 + 2) == (slice(0, 1), slice(1, 4), slice(2, 5))


def test_a_unit_that_sees_nothing_but_padding():
    model = nn.Sequential(nn.ZeroPad1d(3), nn.Conv1d(1, 1, 2))
    assert viz.receptive_field(model, (1, 1, 5), 1, (0, 0)) == (slice(0, 0), slice(0, 0))
    assert viz.receptive_field(model, (1, 1, 5), 1, (0, 2)) == (slice(0, 1), slice(0, 1))


def test_a_number_at_the_end():
    class Total(nn.Module):
        def forward(self, x):
            return x[:, 1:, :3].sum()

    assert viz.receptive_field(Total(), (1, 3, 5), "") == (slice(1, 3), slice(0, 3))


def test_units_that_do_not_exist():
    with pytest.raises(ValueError, match=r"unit \(0, 9\) does not exist in an output of shape \(1, 1, 8\)"):
        viz.receptive_field(nn.Sequential(nn.Conv1d(1, 1, 3)), (1, 1, 10), 0, (0, 9))
    with pytest.raises(ValueError, match="no index 4"):
        viz.receptive_field(nn.Sequential(nn.Conv1d(1, 1, 3)), (1, 1, 10), 4, 0)
