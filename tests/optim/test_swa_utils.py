"""Averages of weights beside NumPy's; `tests/parity` compares them with PyTorch's."""

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)

DECAY = 0.75
FUNCTIONS = {  # options, and whether the average is exponential
    "none": (dict, False),
    "swa": (lambda: {"avg_fn": get_swa_avg_fn()}, False),
    "swa of lists": (lambda: {"multi_avg_fn": get_swa_multi_avg_fn()}, False),
    "ema": (lambda: {"avg_fn": get_ema_avg_fn(DECAY)}, True),
    "ema of lists": (lambda: {"multi_avg_fn": get_ema_multi_avg_fn(DECAY)}, True),
}


class Weights(nn.Module):
    """Parameters of some shapes and dtypes."""

    def __init__(self, shapes, dtypes):
        super().__init__()
        self.held = nn.ParameterList(
            nn.Parameter(np.zeros(shape, dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)
        )
        self.register_buffer("seen", Tensor(np.array([0, 0])))

    def draw(self, rng):
        for p in self.held:
            value = rng.normal(size=p.shape) + (1j * rng.normal(size=p.shape) if p.dtype.kind == "c" else 0)
            p.data = np.asarray(value, p.dtype)
        self.seen.data = rng.integers(0, 100, 2)
        return [p.numpy().copy() for p in self.held], self.seen.numpy().copy()


def averages(values, exponential):
    """The average after each update, of a list of arrays."""
    means = [values[0]]
    for n, value in enumerate(values[1:], 1):
        means.append(DECAY * means[-1] + (1 - DECAY) * value if exponential else sum(values[: n + 1]) / (n + 1))
    return means


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("large", [False, True])
def test_averages(kind, large):
    options, exponential = FUNCTIONS[kind]
    shapes = [(300, 300)] * 2 if large else [(2, 3), (), (4,), (3, 0), (5,), (2,)]
    dtypes = [np.float64, np.float32, np.float64, np.float32, np.complex128, np.float16][: len(shapes)]
    model, rng = Weights(shapes, dtypes), np.random.default_rng(0)
    average = AveragedModel(model, **options())
    drawn = []
    for _ in range(6):
        drawn.append(model.draw(rng))
        average.update_parameters(model)
    assert average.n_averaged.item() == 6
    for i, own in enumerate(average.module.held):
        expected = averages([values[i].astype(np.complex128) for values, _ in drawn], exponential)[-1]
        near = {np.float16: 4e-3, np.float32: 1e-6}.get(own.dtype.type, 1e-12)
        np.testing.assert_allclose(own.numpy(), expected, rtol=near, atol=near)
        assert own.dtype == dtypes[i] and own.requires_grad and own.is_leaf
        np.testing.assert_array_equal(model.held[i].numpy(), drawn[-1][0][i])
    np.testing.assert_array_equal(average.module.seen.numpy(), drawn[-1][1])


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_averages_of_buffers(kind):
    options, exponential = FUNCTIONS[kind]
    model, rng = Weights([(2,)], [np.float64]), np.random.default_rng(0)
    average = AveragedModel(model, **options(), use_buffers=True)
    seen = model.draw(rng)[1]
    average.update_parameters(model)
    for n in range(1, 4):
        new = model.draw(rng)[1]
        average.update_parameters(model)
        seen = (DECAY * seen + (1 - DECAY) * new if exponential else seen + (new - seen) / (n + 1)).astype(int)
        np.testing.assert_array_equal(average.module.seen.numpy(), seen)


def test_averages_of_half_precision_are_rounded_once():
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(2, 300)).astype(np.float16)
    average = Tensor(old)
    get_ema_multi_avg_fn(0.75)([average], [Tensor(new)], Tensor(1))
    expected = old.astype(np.float64) + 0.25 * (new.astype(np.float64) - old)
    np.testing.assert_array_equal(average.numpy(), expected.astype(np.float16))


def test_the_average_is_a_copy_of_the_model():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = AveragedModel(model, "cpu")
    keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    names = ["0.weight", "0.bias", *(f"1.{key}" for key in keys)]
    assert list(average.state_dict()) == ["n_averaged", *(f"module.{name}" for name in names)]
    x = np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(average(x).numpy(), model(x).numpy())
    model[0].weight.data = model[0].weight.data + 1
    assert not np.array_equal(average.module[0].weight.numpy(), model[0].weight.numpy())
    other = AveragedModel(model)
    average.update_parameters(model)
    other.load_state_dict(average.state_dict())
    assert other.n_averaged.item() == 1


def test_functions_of_users():
    model = nn.Linear(1, 1, bias=False).double()
    calls = []

    def greatest(averaged, current, num_averaged):
        calls.append((averaged.item(), current.item(), num_averaged.item()))
        return np.maximum(averaged, current)

    def doubled(averaged, current, num_averaged):
        for a, c in zip(averaged, current, strict=True):
            a[...] = a + 2 * c

    one, other = AveragedModel(model, avg_fn=greatest), AveragedModel(model, multi_avg_fn=doubled)
    for value in (3.0, 1.0, 4.0):
        model.weight.data = np.array([[value]])
        one.update_parameters(model)
        other.update_parameters(model)
    assert calls == [(3.0, 1.0, 1), (3.0, 4.0, 2)] and one.module.weight.item() == 4.0
    assert other.module.weight.item() == 13.0 and other.module.weight.is_leaf


def test_bad_averages():
    for make in (get_ema_avg_fn, get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=f"{make.__name__}: decay must be between 0 and 1, but is 1.5"):
            make(1.5)
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="avg_fn and multi_avg_fn given; give one of them"):
        AveragedModel(model, avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn())
    average = AveragedModel(model)
    before = average.module.weight.numpy().copy()
    with pytest.raises(ValueError, match=r"parameters of shapes .* given for averages of shapes \[\(2, 2\), \(2,\)\]"):
        average.update_parameters(nn.Linear(2, 2, bias=False))
    with pytest.raises(ValueError, match="buffers of shapes"):
        AveragedModel(nn.BatchNorm1d(2)).update_parameters(nn.BatchNorm1d(2, track_running_stats=False))
    assert average.n_averaged.item() == 0 and np.array_equal(average.module.weight.numpy(), before)


def test_update_bn():
    rng = np.random.default_rng(0)
    batches = [rng.normal(i, i + 1, size=(6, 3)) for i in range(4)]
    inner = nn.BatchNorm1d(3, momentum=0.25).double()
    model = nn.Sequential(nn.Dropout(0.0), inner)
    model[0].eval()
    inner(batches[3])
    update_bn([[batches[0], "label"], (batches[1],), batches[2], Tensor(batches[3])], model)
    np.testing.assert_allclose(inner.running_mean.numpy(), np.mean(batches, (0, 1)), rtol=1e-12)
    np.testing.assert_allclose(inner.running_var.numpy(), np.var(batches, 1, ddof=1).mean(0), rtol=1e-12)
    assert inner.num_batches_tracked.item() == 4 and inner.momentum == 0.25
    assert (model.training, model[0].training, inner.training) == (True, False, True)
    update_bn(iter([]), nn.Linear(2, 2))  # nothing to do


def test_update_bn_that_fails():
    model = nn.BatchNorm1d(2).eval()
    model.running_mean.data = np.float32([3.0, 4.0])
    with pytest.raises(ValueError, match="update_bn: the loader gives no batch"):
        update_bn([], model)
    assert model.running_mean.tolist() == [3.0, 4.0]
    with pytest.raises(ValueError, match="BatchNorm1d expected 2 channels"):
        update_bn([np.ones((3, 4), np.float32)], model)
    assert model.momentum == 0.1 and not model.training
