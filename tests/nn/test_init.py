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


@pytest.mark.slow
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


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (0, 2)])
def test_eye(shape: tuple[int, int]) -> None:
    values = init.eye_(Tensor(np.ones(shape, np.float32))).numpy()
    assert values.dtype == np.float32 and all(
        values[i, j] == (i == j) for i in range(shape[0]) for j in range(shape[1])
    )


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    ("channels", "groups"), [((4, 4), 1), ((4, 2), 2), ((6, 1), 3), ((2, 5), 1), ((5, 2), 1), ((4, 3), 2)]
)
def test_dirac_hands_channels_on(dims: int, channels: tuple[int, int], groups: int) -> None:
    conv = getattr(nn.functional, f"conv{dims}d")
    outside, inside = channels
    weight = init.dirac_(Tensor(np.ones((*channels, *(3,) * dims))), groups)
    x = np.random.default_rng(0).normal(size=(2, inside * groups, *(4,) * dims))
    y = conv(x, weight, padding=1, groups=groups).numpy()
    per_group = outside // groups
    for channel in range(outside):
        group, place = divmod(channel, per_group)
        expected = x[:, group * inside + place] if place < inside else np.zeros_like(x[:, 0])
        np.testing.assert_array_equal(y[:, channel], expected)


@pytest.mark.parametrize("shape", [(4, 4, 3), (6, 2, 2), (4, 3, 2), (3, 5, 4, 3), (4, 1, 1, 2, 3)])
def test_what_is_not_drawn_is_pytorchs(torch: Any, shape: tuple[int, ...]) -> None:
    for groups in (g for g in (1, 2, 3, 4) if shape[0] % g == 0):
        expected = torch.nn.init.dirac_(torch.ones(shape), groups)
        np.testing.assert_array_equal(init.dirac_(Tensor(np.ones(shape)), groups).numpy(), expected.numpy())
    for name, args in (("ones_", ()), ("zeros_", ()), ("constant_", (0.3,))):
        expected = getattr(torch.nn.init, name)(torch.empty(shape), *args)
        got = getattr(init, name)(Tensor(np.empty(shape, np.float32)), *args)
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
    np.testing.assert_array_equal(
        init.eye_(Tensor(np.ones(shape[:2]))).numpy(), torch.nn.init.eye_(torch.ones(shape[:2]))
    )


DRAWN = [
    *[(f"xavier_{law}_", {"gain": gain}) for law in ("uniform", "normal") for gain in (1.0, 3.0)],
    *[
        (f"kaiming_{law}_", {"a": a, "mode": mode, "nonlinearity": kind})
        for law in ("uniform", "normal")
        for mode in ("fan_in", "fan_out")
        for a, kind in ((0.0, "relu"), (0.5, "leaky_relu"), (0.0, "selu"), (0.0, "conv_transpose2d"))
    ],
    ("trunc_normal_", {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 3.0}),
    ("uniform_", {"a": -2.0, "b": 5.0}),
    ("normal_", {"mean": 3.0, "std": 0.1}),
    ("orthogonal_", {"gain": 2.0}),
    ("sparse_", {"sparsity": 0.3, "std": 2.0}),
]


@pytest.mark.parametrize(("name", "options"), DRAWN)
def test_drawn_values_have_pytorchs_law(torch: Any, name: str, options: dict[str, Any]) -> None:
    stats = pytest.importorskip("scipy.stats")
    torch.manual_seed(0)
    for shape in ((60, 40), (20, 10, 3, 2)):
        if len(shape) > 2 and name == "sparse_":
            continue
        ours = getattr(init, name)(Tensor(np.zeros(shape)), **options, generator=np.random.default_rng(0)).numpy()
        theirs = getattr(torch.nn.init, name)(torch.zeros(shape, dtype=torch.float64), **options).numpy()
        assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 1e-3
        if "uniform" in name:
            np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], rtol=0.02)


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.0, 0), (0.1, 1), (0.25, 3), (0.5, 5), (1.0, 10)])
def test_sparse(sparsity: float, zeros: int) -> None:
    values = init.sparse_(Tensor(np.zeros((10, 400))), sparsity, std=3.0, generator=np.random.default_rng(0)).numpy()
    assert set((values == 0).sum(axis=0)) == {zeros}
    assert zeros == 10 or abs(values[values != 0].std() / 3 - 1) < 0.05
    if 0 < zeros < 10:  # in every row as often
        assert abs((values == 0).mean(axis=1) - zeros / 10).max() < 0.1


def test_the_law_of_xavier_and_kaiming() -> None:
    stats = pytest.importorskip("scipy.stats")
    weight = Tensor(np.zeros((50, 60, 2, 2)))
    for name, options, std in (
        ("xavier_normal_", {"gain": 2.0}, 2 * math.sqrt(2 / 440)),
        ("kaiming_normal_", {"nonlinearity": "relu"}, math.sqrt(2 / 240)),
    ):
        values = getattr(init, name)(weight, **options, generator=np.random.default_rng(1)).numpy()
        assert stats.kstest(values.ravel(), stats.norm(0, std).cdf).pvalue > 1e-3
    bound = math.sqrt(6 / 440)
    values = init.xavier_uniform_(weight, generator=np.random.default_rng(1)).numpy()
    assert stats.kstest(values.ravel(), stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3


def test_old_names() -> None:
    names = "constant dirac eye kaiming_normal kaiming_uniform normal orthogonal sparse uniform"
    names += " xavier_normal xavier_uniform"
    for name in names.split():
        old, new = getattr(init, name), getattr(init, name + "_")
        args = {"constant": (2.0,), "sparse": (0.5,)}.get(name, ())
        shape = (2, 2, 3) if name == "dirac" else (2, 2)
        nn.manual_seed(0)
        with pytest.warns(FutureWarning, match=f"nn.init.{name} is deprecated"):
            got = old(Tensor(np.zeros(shape)), *args)
        nn.manual_seed(0)
        np.testing.assert_array_equal(got.numpy(), new(Tensor(np.zeros(shape)), *args).numpy())


def test_errors_of_matrices_and_convolutions() -> None:
    for fill, args in ((init.eye_, ()), (init.sparse_, (0.1,))):
        with pytest.raises(ValueError, match=r"expected 2 dimensions, got a tensor of shape \(2, 2, 2\)"):
            fill(Tensor(np.zeros((2, 2, 2))), *args)
    with pytest.raises(ValueError, match=r"expected 3, 4 or 5 dimensions, got a tensor of shape \(2, 2\)"):
        init.dirac_(Tensor(np.zeros((2, 2))))
    with pytest.raises(ValueError, match=r"shape \(3, 1, 2\) is no multiple of groups=2"):
        init.dirac_(Tensor(np.zeros((3, 1, 2))), groups=2)
    with pytest.raises(ValueError, match="nonlinearity 'convolution'; known: linear, sigmoid, conv1d"):
        init.calculate_gain("convolution")
