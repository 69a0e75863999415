from itertools import combinations
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import functional as F
from pullback.testing import check_module, gradcheck

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))


def norm(x: Any, p: float) -> float:
    if p == np.inf:
        return max(abs(v) for v in x)
    return sum(v != 0 for v in x) if p == 0 else sum(abs(v) ** p for v in x) ** (1 / p)


def test_cosines_by_loops() -> None:
    rows = [a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) for a, b in zip(X, Y, strict=True)]
    columns = [a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) for a, b in zip(X.T, Y.T, strict=True)]
    np.testing.assert_allclose(F.cosine_similarity(X, Y), rows, rtol=1e-12)
    np.testing.assert_allclose(nn.CosineSimilarity(0)(Tensor(X), Tensor(Y)).numpy(), columns, rtol=1e-12)
    table = F.cosine_similarity(X[:, None], Y, dim=-1)  # all with all
    assert table.shape == (4, 4)
    np.testing.assert_allclose(np.diagonal(table), rows, rtol=1e-12)
    np.testing.assert_allclose(F.cosine_similarity(X[0], Y, dim=1)[0], rows[0], rtol=1e-12)
    np.testing.assert_allclose(F.cosine_similarity(np.zeros(3), np.ones(3), dim=0), 0)
    np.testing.assert_allclose(F.cosine_similarity(X, Y[:1], 0), F.cosine_similarity(X, np.repeat(Y[:1], 4, 0), 0))
    np.testing.assert_allclose(F.cosine_similarity(np.ones((1, 3)), np.ones((2, 1)), 1), 1)
    tiny = np.array([1e-9, 0.0])  # below eps, which counts in the place of its norm
    np.testing.assert_allclose(F.cosine_similarity(tiny, tiny, 0, 1e-8), 0.01)


@pytest.mark.parametrize("p", [0.0, 1.0, 1.5, 2.0, 3.0, np.inf])
def test_distances_by_loops(p: float) -> None:
    pairs = [norm(a - b + 1e-6, p) for a, b in zip(X, Y, strict=True)]
    np.testing.assert_allclose(F.pairwise_distance(X, Y, p), pairs, rtol=1e-12)
    assert nn.PairwiseDistance(p, keepdim=True)(Tensor(X), Tensor(Y)).shape == (4, 1)
    np.testing.assert_allclose(F.pairwise_distance(X[0], Y[0], p, 0.5), norm(X[0] - Y[0] + 0.5, p), rtol=1e-12)
    np.testing.assert_allclose(F.pdist(X, p), [norm(a - b, p) for a, b in combinations(X, 2)], rtol=1e-12)


@pytest.mark.slow
def test_derivatives() -> None:
    assert check_module(nn.CosineSimilarity(), (X, Y))
    assert check_module(nn.PairwiseDistance(), (X, Y))
    assert gradcheck(F.pdist, [Tensor(X, requires_grad=True)])
    same = Tensor(np.ones((2, 3)), requires_grad=True)  # a kink: the smallest subgradient
    F.pdist(same).sum().backward()
    np.testing.assert_array_equal(same.grad.numpy(), np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtypes_and_no_rows(dtype: Any) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    for f in (F.cosine_similarity, F.pairwise_distance, lambda x, _: F.pdist(x)):
        assert f(x, y).dtype == dtype and f(x[:0], y[:0]).shape == (0,)
    assert F.pdist(x[:1]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: F.cosine_similarity(X, Y[:3]),
            r"cosine_similarity: x1 of shape \(4, 3\) and x2 of shape \(3, 3\) do not",
        ),
        (lambda: F.cosine_similarity(X, Y, 2), r"cosine_similarity: dim=2 for inputs of shapes \(4, 3\) and \(4, 3\)"),
        (lambda: F.pairwise_distance(X, Y[:, :2]), r"pairwise_distance: x1 of shape \(4, 3\) and x2 of shape \(4, 2\)"),
        (lambda: F.pdist(X[0]), r"pdist: an input of shape \(3,\) and p=2.0; expected \(N, M\)"),
        (lambda: F.pdist(X, -1.0), "p=-1.0; expected .* p >= 0"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
