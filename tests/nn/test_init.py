import math
import threading
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import init


def _check_range(values: Any, low: float, high: float) -> None:
    """Uniform between low and high: the extremes come near, the variance is right."""
    assert low <= values.min() < low + 0.02 * (high - low) and high - 0.02 * (high - low) < values.max() <= high
    np.testing.assert_allclose(values.std(), (high - low) / math.sqrt(12), rtol=0.05)


@pytest.mark.parametrize(
    ("make", "fan"),
    [
        (lambda: nn.Linear(50, 80), 50),
        (lambda: nn.Conv1d(20, 30, 5), 100),
        (lambda: nn.Conv2d(20, 30, 3, groups=2), 90),
        (lambda: nn.Conv3d(8, 20, 3), 216),
        (lambda: nn.ConvTranspose2d(20, 30, 3), 270),
        (lambda: nn.ConvTranspose1d(20, 30, 5, groups=2), 75),
    ],
)
def test_layers_start_as_pytorchs_do(make: Any, fan: int) -> None:
    nn.manual_seed(0)
    layers = [make() for _ in range(20)]
    bound = 1 / math.sqrt(fan)
    for name in ("weight", "bias"):
        values = np.concatenate([getattr(layer, name).numpy().ravel() for layer in layers])
        assert values.dtype == np.float32
        _check_range(values, -bound, bound)


def test_bounds_agree_with_pytorchs_layers(torch: Any) -> None:
    for name, args in (("Linear", (3, 2000)), ("Conv2d", (3, 500, 2)), ("ConvTranspose2d", (500, 4, 2))):
        ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
        for key in ("weight", "bias"):
            a, b = abs(getattr(ours, key).numpy()).max(), float(getattr(theirs, key).detach().abs().max())
            if getattr(ours, key).size > 100:
                np.testing.assert_allclose(a, b, rtol=0.02)


@pytest.mark.parametrize(
    ("name", "options", "std"),
    [
        ("xavier_uniform_", {"gain": 2.0}, 2 * math.sqrt(2 / (60 * 4 + 50 * 4))),
        ("xavier_normal_", {}, math.sqrt(2 / (60 * 4 + 50 * 4))),
        ("kaiming_uniform_", {"nonlinearity": "relu"}, math.sqrt(2 / 240)),
        ("kaiming_normal_", {"a": 1.0}, math.sqrt(1 / 240)),
        ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "tanh"}, 5 / 3 / math.sqrt(200)),
        ("normal_", {"mean": 0.0, "std": 0.3}, 0.3),
        ("uniform_", {"a": -1.0, "b": 1.0}, 1 / math.sqrt(3)),
    ],
)
def test_distributions(name: str, options: dict[str, Any], std: float) -> None:
    weight = nn.Parameter(np.zeros((50, 60, 2, 2), np.float32))
    assert getattr(init, name)(weight, **options, generator=np.random.default_rng(0)) is weight
    values = weight.numpy()
    assert values.dtype == np.float32 and weight.requires_grad
    np.testing.assert_allclose(values.std(), std, rtol=0.03)
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    if "uniform" in name:
        assert abs(values).max() <= std * math.sqrt(3) * (1 + 1e-6)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0, 1, -2, 2), (0, 0.02, -2, 2), (1, 2, 0, 1.5), (0, 1, 6, 100), (0, 1, -9, -3)]
)
def test_trunc_normal(mean: float, std: float, a: float, b: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = init.trunc_normal_(Tensor(np.zeros((100, 50))), mean, std, a, b, np.random.default_rng(0)).numpy()
    assert a <= values.min() and values.max() <= b
    law = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert stats.kstest(values.ravel(), law.cdf).pvalue > 1e-3
    with pytest.raises(ValueError, match="a=2, b=-2"):
        init.trunc_normal_(Tensor([0.0]), a=2, b=-2)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(Tensor(np.zeros(shape)), gain=3.0).numpy().reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 9 * np.eye(len(gram)), atol=1e-12)


def test_constants_and_dtype() -> None:
    p = nn.Parameter(np.zeros((2, 2), np.float32))
    assert init.constant_(p, 0.1) is p and p.dtype == np.float32 and (p.numpy() == np.float32(0.1)).all()
    assert init.ones_(p).numpy().all() and not init.zeros_(p).numpy().any()
    assert p.data.flags.writeable


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gain(torch: Any, name: str) -> None:
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_errors() -> None:
    for fill in (init.xavier_normal_, init.kaiming_uniform_, init.orthogonal_):
        with pytest.raises(ValueError, match=r"shape \(3,\).*at least 2 dimensions"):
            fill(Tensor(np.zeros(3)))
    with pytest.raises(ValueError, match="mode 'fan'"):
        init.kaiming_normal_(Tensor(np.zeros((3, 3))), mode="fan")
    with pytest.raises(ValueError, match="nonlinearity 'softmax'"):
        init.calculate_gain("softmax")
    with pytest.raises(TypeError, match="ndarray"):
        init.zeros_(np.zeros(3))  # type: ignore[arg-type]


def test_every_thread_has_its_generator() -> None:
    nn.manual_seed(5)
    other: list[Any] = []

    def run() -> None:
        nn.manual_seed(5)
        other.append(nn.Linear(3, 3).weight.numpy())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(nn.Linear(3, 3).weight.numpy(), other[0])


def test_an_own_generator_leaves_the_default_alone() -> None:
    nn.manual_seed(5)
    init.normal_(Tensor(np.zeros(9)), generator=np.random.default_rng(1))
    assert init.generator().random() == np.random.default_rng(5).random()
