"""Parametrizations that are often needed: weights of norms that are learned or 1, and orthogonal ones."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from ...autograd import Tensor, concatenate, diagonal, exp, eye, swapaxes, tril, triu, trunc, zeros
from ...linalg import matrix_function, solve
from .. import init
from ..module import Module
from ._norms import PowerIteration, lengths, normalized, scaled, spectral_dim
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


def _weight(module: Module, name: str, function: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{function}: {type(module).__name__} has no parameter or buffer {name!r}")
    return weight


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return scaled(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        return lengths(weight, self.dim), weight


class _FromOldKeys:
    """The names of `nn.utils.weight_norm` in a state, made those of the parametrization."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Any, state: dict[str, Any], prefix: str, *args: Any) -> None:
        keys = [f"{prefix}{self.name}_{part}" for part in "gv"]
        if all(key in state for key in keys):
            for i, key in enumerate(keys):
                state[f"{prefix}parametrizations.{self.name}.original{i}"] = state.pop(key)


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Let a weight be g v / ||v||: its lengths along an axis (`original0`) and its directions are learned apart.

    There is one length for each index of the axis `dim`, or one in all for None. A state with the names of the old
    `nn.utils.weight_norm` can be loaded. Source: Salimans and Kingma, Weight normalization, 2016.

    >>> from pullback import nn
    >>> list(weight_norm(nn.Linear(3, 2)).state_dict())
    ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module.register_load_state_dict_pre_hook(_FromOldKeys(name))
    return module


class _SpectralNorm(Module):
    _u: Any
    _v: Any

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(f"spectral_norm: dim={dim} for a weight of shape {weight.shape}")
        self.method = PowerIteration(n_power_iterations, dim % weight.ndim, eps)
        if weight.ndim > 1:
            u, v = self.method.improved(weight, *self.method.drawn(weight), steps=15)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return normalized(weight, self.method.eps)
        if self.training:
            self._u, self._v = self.method.improved(weight, self._u, self._v)
        return self.method.divided(weight, self._u, self._v)

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Let a weight be divided by its largest singular value, which the power method follows in training.

    `dim` is the axis of outputs, 0, or 1 of transposed convolutions. Source: Miyato et al., Spectral normalization for
    generative adversarial networks, 2018.

    >>> from pullback import nn
    >>> layer = spectral_norm(nn.Linear(3, 2), n_power_iterations=50)
    >>> bool(np.isclose(np.linalg.norm(layer.weight.numpy(), 2), 1, atol=1e-3))
    True
    """
    weight = _weight(module, name, "spectral_norm")
    method = _SpectralNorm(weight, n_power_iterations, spectral_dim(module, dim), eps)
    return register_parametrization(module, name, method)


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Any) -> Any:
        wide = x.shape[-2] < x.shape[-1]
        x = swapaxes(x, -1, -2) if wide else x
        q = _householder(x) if self.orthogonal_map == "householder" else self._of_skew(x)
        if self.use_trivialization and self.base is not None:
            q = self.base @ q
        return swapaxes(q, -1, -2) if wide else q

    def _of_skew(self, x: Any) -> Any:
        """The first columns of the orthogonal matrix of a skew-symmetric one, of which x has the lower part."""
        *batch, n, k = x.shape
        x = tril(x)
        if n != k:
            x = concatenate([x, zeros((*batch, n, n - k), dtype=x.dtype)], axis=-1)
        skew = x - swapaxes(x, -1, -2)
        if self.orthogonal_map == "matrix_exp":
            q = matrix_function(skew, exp)
        else:
            one = eye(n, dtype=x.dtype)
            q = solve(one - skew / 2, one + skew / 2)
        return q[..., :k]

    def right_inverse(self, value: Any) -> Any:
        if value.shape != self.shape:
            raise ValueError(
                f"orthogonal: expected matrices of shape {self.shape}, got a tensor of shape {value.shape}"
            )
        q = value.numpy()
        wide = q.shape[-2] < q.shape[-1]
        q = np.swapaxes(q, -1, -2) if wide else q
        if not self.use_trivialization:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    f"orthogonal: {self.orthogonal_map} has no inverse that is known, so that nothing can be assigned; "
                    "with use_trivialization=True it can"
                )
            reflectors = _reflectors(q)
            return Tensor(np.swapaxes(reflectors, -1, -2) if wide else reflectors)
        self.base = Tensor(_completed(q))
        minus = np.zeros(self.shape, q.dtype)
        at = np.arange(min(self.shape[-2:]))
        minus[..., at, at] = -1  # as the Householder form keeps signs on the diagonal: this gives the base itself
        return Tensor(minus)


def _householder(x: Any) -> Any:
    """The first columns of a product of reflections, with signs.

    A column below the diagonal, with 1 on it, is a reflection's axis; the sign is that of what x has on the diagonal.
    I - V S^-1 V^T is the product, with V^T V = S + S^T for an upper triangular S (Joffrin and Low, Collecting
    Householder transformations, 1978, in the form of the UT transform).
    """
    n, k = x.shape[-2:]
    v = tril(x, -1) + eye(n, k, dtype=x.dtype)
    gram = swapaxes(v, -1, -2) @ v
    s = triu(gram, 1) + gram * (eye(k, dtype=x.dtype) / 2)
    q = eye(n, k, dtype=x.dtype) - v @ solve(s, swapaxes(v[..., :k, :], -1, -2))
    signs = trunc(diagonal(x, 0, -2, -1)).detach()
    return q * signs[..., None, :]


def _reflectors(q: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The matrices of which `_householder` makes the orthogonal factors of others."""
    made, tau = np.linalg.qr(q, mode="raw")
    made = np.swapaxes(made, -1, -2).copy()
    at = np.arange(made.shape[-1])
    made[..., at, at] = np.where(tau == 0, -1, 1) * np.sign(made[..., at, at])  # LAPACK's 0: no reflection
    return made


def _completed(q: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Orthogonal square matrices that begin with the columns of others, where these are orthonormal."""
    n, k = q.shape[-2:]
    near = np.allclose(np.swapaxes(q, -1, -2) @ q, np.eye(k), atol=10 * n * np.finfo(q.dtype).eps)
    if n == k and near:
        return q.copy()
    more = init.generator().normal(size=(*q.shape[:-1], n - k)).astype(q.dtype)
    full, r = np.linalg.qr(np.concatenate([q, more], axis=-1))
    return full * np.copysign(1, np.diagonal(r, 0, -2, -1))[..., None, :].astype(q.dtype)


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> M:
    """Let a weight be orthogonal: of orthonormal columns, or rows where there are fewer.

    `orthogonal_map` makes it of what is learned: "matrix_exp" and "cayley" of a skew-symmetric matrix (the first is the
    default for square weights), "householder" of reflections. With `use_trivialization` that is relative to a base, the
    weight at first. ValueError for fewer than two axes, an unknown map or no such weight. Source: Lezcano-Casado,
    Trivializations for gradient-based optimization on manifolds, 2019.

    >>> from pullback import nn
    >>> w = orthogonal(nn.Linear(4, 2)).weight.numpy()
    >>> bool(np.allclose(w @ w.T, np.eye(2), atol=1e-6))
    True
    """
    weight = _weight(module, name, "orthogonal")
    if weight.ndim < 2:
        raise ValueError(f"orthogonal: expected a matrix or several, got a weight of shape {weight.shape}")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        known = "'matrix_exp', 'cayley' or 'householder'"
        raise ValueError(f"orthogonal: orthogonal_map {orthogonal_map!r}; expected {known}")
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
