"""Random numbers: their distributions by SciPy's, seeds, gradients in parameters, transforms, bad input."""

import threading

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback import random as pr

N = 4000
DRAWS = {
    "normal": (lambda: pr.normal(1.0, 2.0, N), lambda stats: stats.norm(1, 2)),
    "standard_normal": (lambda: pr.standard_normal(N), lambda stats: stats.norm()),
    "uniform": (lambda: pr.uniform(-1.0, 3.0, N), lambda stats: stats.uniform(-1, 4)),
    "random": (lambda: pr.random(N), lambda stats: stats.uniform()),
    "laplace": (lambda: pr.laplace(1.0, 2.0, N), lambda stats: stats.laplace(1, 2)),
    "logistic": (lambda: pr.logistic(1.0, 2.0, N), lambda stats: stats.logistic(1, 2)),
    "gumbel": (lambda: pr.gumbel(1.0, 2.0, N), lambda stats: stats.gumbel_r(1, 2)),
    "exponential": (lambda: pr.exponential(2.0, N), lambda stats: stats.expon(scale=2)),
    "lognormal": (lambda: pr.lognormal(0.5, 0.3, N), lambda stats: stats.lognorm(0.3, scale=np.exp(0.5))),
    "gamma": (lambda: pr.gamma(2.5, 2.0, N), lambda stats: stats.gamma(2.5, scale=2)),
}
FOUR = [0.1, 0.2, 0.3, 0.4]
COUNTS = {
    "integers": (lambda: pr.integers(2, 5, N), lambda stats: stats.randint(2, 5)),
    "integers, endpoint": (lambda: pr.integers(2, 5, N, endpoint=True), lambda stats: stats.randint(2, 6)),
    "bernoulli": (lambda: pr.bernoulli(0.3, N), lambda stats: stats.bernoulli(0.3)),
    "binomial": (lambda: pr.binomial(6, 0.3, N), lambda stats: stats.binom(6, 0.3)),
    "poisson": (lambda: pr.poisson(2.5, N), lambda stats: stats.poisson(2.5)),
    "choice": (
        lambda: pr.choice(4, N, p=[0.1, 0.2, 0.3, 0.4]),
        lambda stats: stats.rv_discrete(values=(range(4), [0.1, 0.2, 0.3, 0.4])),
    ),
    "multinomial": (lambda: pr.multinomial(6, [0.3, 0.7], N)[:, 0], lambda stats: stats.binom(6, 0.3)),
}


@pytest.fixture
def stats():
    return pytest.importorskip("scipy.stats")


@pytest.fixture(autouse=True)
def seeded():
    pb.manual_seed(7)


@pytest.mark.parametrize("name", DRAWS)
def test_distribution(name, stats):
    draw, distribution = DRAWS[name]
    values = draw()
    assert values.shape == (N,) and values.dtype == np.float64
    assert stats.kstest(values.numpy(), distribution(stats).cdf).pvalue > 1e-4


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name, stats):
    draw, distribution = COUNTS[name]
    values = draw().numpy()
    outcomes = np.arange(0, 8)
    shares = distribution(stats).pmf(outcomes)
    expected = np.append(shares, 1 - shares.sum()) * N
    found = np.append([(values == k).sum() for k in outcomes], (values > 7).sum())
    possible = expected > 1e-9
    assert not found[~possible].any()
    assert stats.chisquare(found[possible], expected[possible]).pvalue > 1e-4


def test_one_seed_for_all():
    def drawn():
        pb.manual_seed(3)
        dropped = pb.nn.functional.dropout(Tensor(np.ones(20)))
        return np.concatenate([pr.normal(size=3).numpy(), pb.nn.Linear(2, 2).weight.numpy().ravel(), dropped.numpy()])

    np.testing.assert_array_equal(drawn(), drawn())
    pb.manual_seed(4)
    assert not np.array_equal(pr.normal(size=3).numpy(), drawn()[:3])


def test_every_thread_has_a_generator_of_its_own():
    pb.manual_seed(0)
    expected = pr.normal(size=4).numpy()
    pb.manual_seed(0)
    first = pr.normal(size=2).numpy()
    thread = threading.Thread(target=lambda: pr.normal(size=100))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(np.append(first, pr.normal(size=2).numpy()), expected)


@pytest.mark.parametrize("name", ["normal", "laplace", "logistic", "gumbel"])
def test_gradients_in_place_and_scale(name):
    loc, scale = Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    values = getattr(pr, name)(loc, scale, 5)
    values.sum().backward()
    np.testing.assert_allclose(loc.grad.numpy(), 5)
    np.testing.assert_allclose(scale.grad.numpy(), ((values.detach().numpy() - 1) / 2).sum())


def test_gradients_in_ends_and_entries():
    low, high = Tensor(1.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    values = pr.uniform(low, high, 5)
    values.sum().backward()
    share = (values.detach().numpy() - 1) / 2
    np.testing.assert_allclose([low.grad.item(), high.grad.item()], [(1 - share).sum(), share.sum()])
    scale = Tensor(2.0, requires_grad=True)
    values = pr.gamma(3.0, scale, 5)
    values.sum().backward()
    np.testing.assert_allclose(scale.grad.numpy(), values.detach().numpy().sum() / 2)
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (pr.permutation(x) * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert sorted(x.grad.tolist()) == [1, 10, 100]
    x.grad = None
    pr.choice(x, 7).sum().backward()
    assert x.grad.sum() == 7


def test_permutations_along_an_axis():
    x = np.arange(12).reshape(3, 4)
    moved = pr.permutation(x, axis=1).numpy()
    assert sorted(map(tuple, moved.T)) == sorted(map(tuple, x.T))
    assert len(set(pr.choice(5, 5, replace=False).tolist())) == 5


def test_inside_vmap():
    with pytest.raises(RuntimeError, match="randomness"):
        pb.vmap(lambda x: pr.normal(x, 1.0))(np.zeros(3))
    same = pb.vmap(lambda x: pr.normal(x, 1.0), randomness="same")(np.zeros(3)).numpy()
    different = pb.vmap(lambda x: pr.normal(x, 1.0), randomness="different")(np.zeros(3)).numpy()
    assert np.ptp(same) == 0 < np.ptp(different)
    rows = pb.vmap(lambda x: pr.permutation(x), randomness="different")(np.tile(np.arange(50), (3, 1))).numpy()
    assert (np.sort(rows) == np.arange(50)).all() and (rows[0] != rows[1]).any()
    p = np.array([0.0, 1.0])
    assert pb.vmap(lambda p: pr.binomial(9, p), randomness="different")(p).tolist() == [0, 9]


def test_a_checkpoint_draws_the_same_again():
    x = Tensor(np.ones(50), requires_grad=True)
    y = pb.checkpoint(lambda x: x * pr.normal(size=50))(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_dtypes():
    assert pr.normal(np.float32(1), size=2).dtype == pr.uniform(size=2, dtype="float32").dtype == np.float32
    assert pr.normal(Tensor([1, 2])).dtype == np.float64
    with pb.default_dtype("float32"):
        assert pr.normal(size=2).dtype == np.float32 and pr.normal(np.ones(2)).dtype == np.float64


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: pr.normal(0.0, -1.0), ValueError, "normal: scale must not be negative"),
        (lambda: pr.normal(np.zeros(3), 1.0, (2,)), ValueError, r"shape \(3,\) do not broadcast to size=\(2,\)"),
        (lambda: pr.normal(size=(-1,)), ValueError, "normal: size=.* negative length"),
        (lambda: pr.normal(dtype=int), TypeError, "normal: dtype int64 is not a float type"),
        (lambda: pr.gamma(Tensor(1.0, requires_grad=True)), ValueError, "no gradient in shape"),
        (lambda: pr.gamma(-1.0), ValueError, "gamma: shape must not be negative"),
        (lambda: pr.choice(2, 3, replace=False), ValueError, "larger sample"),
        (lambda: pr.bernoulli(1.5), ValueError, "p"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
