"""Distributions of vectors: values of SciPy, derivatives by formulas of matrices, batches."""

import numpy as np
import pytest

from pullback import Tensor, grad, hessian, manual_seed, stats, vmap
from pullback.testing import gradcheck, gradgradcheck

theirs = pytest.importorskip("scipy.stats")
MEAN = np.array([0.5, -1.0, 2.0])
COV = np.array([[2.0, 0.3, -0.4], [0.3, 1.0, 0.2], [-0.4, 0.2, 1.5]])
X = np.array([[0.0, 0.5, 1.0], [2.0, -3.0, 2.5]])


def test_the_normal_distribution_is_scipys():
    for mean, cov in ((MEAN, COV), (MEAN, np.diag(COV).copy()), (MEAN, 2.5), (0.0, COV)):
        frozen = theirs.multivariate_normal(np.broadcast_to(mean, 3), cov)
        np.testing.assert_allclose(stats.multivariate_normal.logpdf(X, mean, cov).numpy(), frozen.logpdf(X), 1e-13)
        np.testing.assert_allclose(stats.multivariate_normal.pdf(X[0], mean, cov).item(), frozen.pdf(X[0]), 1e-13)


def test_reprs_have_the_names():
    assert repr(stats.multivariate_t) == "<the distribution multivariate_t>" and stats.dirichlet.__doc__


def test_gradients_of_the_normal_distribution():
    """-S d in x, S d in the mean, and in the covariance (S d d' S - S) / 2 for its inverse S and d = x - mean."""
    x = X[0]
    by_x, by_mean, by_cov = grad(stats.multivariate_normal.logpdf, (0, 1, 2))(x, MEAN, COV)
    inverse = np.linalg.inv(COV)
    solved = inverse @ (x - MEAN)
    np.testing.assert_allclose(by_x.numpy(), -solved, 1e-12)
    np.testing.assert_allclose(by_mean.numpy(), solved, 1e-12)
    both = by_cov.numpy() + by_cov.numpy().T  # of a symmetric matrix, whichever triangle is read
    np.testing.assert_allclose(both, np.outer(solved, solved) - inverse, 1e-12, 1e-14)
    second = hessian(lambda x: stats.multivariate_normal.logpdf(x, MEAN, COV))(x)
    np.testing.assert_allclose(second.numpy(), -inverse, 1e-12)


def test_batches_of_normal_distributions():
    covs = np.stack([COV, np.eye(3)])
    found = stats.multivariate_normal.logpdf(X[:, None], MEAN, covs).numpy()
    expected = [[theirs.multivariate_normal(MEAN, cov).logpdf(x) for cov in covs] for x in X]
    np.testing.assert_allclose(found, expected, 1e-13)
    mapped = vmap(stats.multivariate_normal.logpdf, in_axes=(0, None, 0))(X, MEAN, covs).numpy()
    np.testing.assert_allclose(mapped, np.diagonal(expected), 1e-13)
    single = stats.multivariate_normal.logpdf(X.astype(np.float32), np.float32(0), COV.astype(np.float32))
    assert single.dtype == np.float32
    with pytest.raises(ValueError, match="multivariate_normal"):
        stats.multivariate_normal.logpdf(np.zeros(2), MEAN, COV)
    with pytest.raises(np.linalg.LinAlgError):
        stats.multivariate_normal.logpdf(X, MEAN, -COV)


def test_draws_of_normal_distributions():
    manual_seed(0)
    mean = Tensor(MEAN, requires_grad=True)
    draws = stats.multivariate_normal.rvs(mean, COV, size=20_000)
    assert draws.shape == (20_000, 3)
    np.testing.assert_allclose(np.cov(draws.detach().numpy().T), COV, 0, 0.06)
    draws.sum().backward()
    assert mean.grad.tolist() == [20_000] * 3


def test_t_is_scipys():
    frozen = theirs.multivariate_t(MEAN, COV, 4.5)
    np.testing.assert_allclose(stats.multivariate_t.logpdf(X, MEAN, COV, 4.5).numpy(), frozen.logpdf(X), 1e-13)
    inputs = [Tensor(x, requires_grad=True) for x in (X[0], MEAN, np.array(4.5))]
    f = lambda x, loc, df: stats.multivariate_t.logpdf(x, loc, COV, df)  # noqa: E731
    assert gradcheck(f, inputs) and gradgradcheck(f, inputs)


def test_dirichlet_is_scipys():
    alpha, x = np.array([2.0, 1.0, 0.7]), np.array([[0.2, 0.1], [0.3, 0.6], [0.5, 0.3]])
    np.testing.assert_allclose(stats.dirichlet.logpdf(x, alpha).numpy(), theirs.dirichlet(alpha).logpdf(x), 1e-13)
    by_x, by_alpha = grad(stats.dirichlet.logpdf, (0, 1))(x[:, 0], alpha)
    digamma = pytest.importorskip("scipy.special").digamma
    np.testing.assert_allclose(by_x.numpy(), (alpha - 1) / x[:, 0], 1e-13, 1e-15)
    np.testing.assert_allclose(by_alpha.numpy(), np.log(x[:, 0]) + digamma(alpha.sum()) - digamma(alpha), 1e-13)
    outside = stats.dirichlet.logpdf(np.array([[0.5, -0.1, 0.0], [0.6, 0.6, 0.4], [0.0, 0.5, 0.6]]), alpha)
    assert outside.tolist() == [-np.inf] * 3
    assert (grad(lambda x: np.sum(np.exp(stats.dirichlet.logpdf(x, alpha))))([0.5, 0.6, 0.2]).numpy() == 0).all()
    with pytest.raises(ValueError, match="dirichlet: x of shape"):
        stats.dirichlet.logpdf([0.5, 0.5], alpha)


def test_multinomial_is_scipys():
    p, x = np.array([0.2, 0.3, 0.5]), np.array([[1, 2, 3], [6, 0, 0], [1, 1, 1], [7, -1, 0]])
    found = stats.multinomial.logpmf(x, 6, p).numpy()
    np.testing.assert_allclose(found, theirs.multinomial(6, p).logpmf(x), 1e-12)
    by_p = grad(lambda p: stats.multinomial.logpmf(x[0], 6, p))(p)
    np.testing.assert_allclose(by_p.numpy(), x[0] / p, 1e-13)
    impossible = stats.multinomial.logpmf([1, 1], 2, [1.0, 0.0])
    assert impossible.item() == -np.inf and stats.multinomial.pmf([2, 0], 2, [1.0, 0.0]).item() == 1
    manual_seed(0)
    assert stats.multinomial.rvs(6, p, size=5).sum(axis=1).tolist() == [6] * 5
