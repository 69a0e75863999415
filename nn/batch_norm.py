"""Normalization of each channel, over a batch or in each sample alone, with running statistics.

Running statistics are no part of the graph. A call in training moves them once: transforms that run the function once,
such as `grad` and `jvp`, change nothing about that, and the second run of a `checkpoint` leaves them alone. Inside
`vmap` examples have statistics of their own, which only buffers can hold that differ from example to example, too.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd import Tensor, expand_dims, mean, no_grad, reshape, sqrt, squeeze
from ..extend import ArrayLike, DTypeLike, TensorLike, by_single, captures, layout, rescale, standardize
from . import init
from .factory import empty
from .module import Module, Parameter
from .normalization import real, shape_of

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "batch_norm",
    "instance_norm",
]


class _Calls(threading.local):
    again = False  # a function runs once more as it ran before


_calls = _Calls()


@contextmanager
def _again() -> Iterator[None]:
    """Inside this context, in this thread, running statistics stay as they are."""
    before, _calls.again = _calls.again, True
    try:
        yield
    finally:
        _calls.again = before


captures.append(lambda: _again)


def batch_norm(
    input: TensorLike,
    running_mean: TensorLike | None,
    running_var: TensorLike | None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    training: bool = False,
    momentum: ArrayLike = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return input (N, C, ...) less the mean of each channel, divided by sqrt(variance + eps), times weight, plus bias.

    `training` takes mean and variance of the batch, and moves `running_mean` and `running_var`, which it writes into,
    by the share `momentum` towards them (the variance is divided by n - 1 there); or else these two are taken. Weight,
    bias and running statistics are (C,) or None. ValueError for other shapes, for one value per channel in training,
    and for no running statistics where they are to be taken.
    Source: Ioffe and Szegedy, Batch normalization, 2015.

    >>> batch_norm(Tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-9)
    Tensor([[-1.],
            [ 1.]])
    """
    input = real(input, "batch_norm")
    if input.ndim < 2:
        raise ValueError(f"batch_norm: input of shape {input.shape}; expected (N, C, ...)")
    _check_channels("batch_norm", input, running_mean, running_var, weight, bias)
    return _batch_norm(input, "batch_norm", running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: TensorLike,
    running_mean: TensorLike | None = None,
    running_var: TensorLike | None = None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    use_input_stats: bool = True,
    momentum: ArrayLike = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return input (N, C, ...) normalized as by `batch_norm`, but each sample by its own mean and variance.

    Running statistics, if given, move towards the means of these over the batch, and are taken in their place unless
    `use_input_stats`. ValueError for other shapes, and for one value per channel of a sample.
    Source: Ulyanov et al., Instance normalization, 2016.

    >>> instance_norm(Tensor([[[1.0, 3.0]]]), eps=1e-9)
    Tensor([[[-1.,  1.]]])
    """
    input = real(input, "instance_norm")
    if input.ndim < 3:
        raise ValueError(f"instance_norm: input of shape {input.shape}; expected (N, C, ...)")
    _check_channels("instance_norm", input, running_mean, running_var, weight, bias)
    given = running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    return _instance_norm(input, "instance_norm", *given)


def _check_channels(name: str, input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any) -> None:
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for what, value in given.items():
        if value is not None and shape_of(value) != (input.shape[1],):
            raise ValueError(
                f"{name}: {what} of shape {shape_of(value)} for an input of shape {input.shape}; "
                f"expected ({input.shape[1]},), a number for each channel"
            )


@by_single
def _batch_norm(
    x: Any,
    name: str,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    share: Any,
    eps: float,
) -> Any:
    if not training:
        return _by_running(name, x, running_mean, running_var, weight, bias, eps)
    shape = x.shape
    count = math.prod(shape) // shape[1] if shape[1] else 0
    if count == 1:
        raise ValueError(f"{name}: Expected more than 1 value per channel when training, got an input of shape {shape}")
    if eps <= 0:
        raise ValueError(f"{name}: eps={eps}; expected a positive number in training")
    out, means, variances = _by_own(x, (0, *range(2, x.ndim)), weight, bias, eps)
    if count:
        _move(name, running_mean, reshape(means, -1), share)
        _move(name, running_var, reshape(variances, -1) * (count / (count - 1)), share)
    return out


@by_single
def _instance_norm(
    x: Any, name: str, running_mean: Any, running_var: Any, weight: Any, bias: Any, own: bool, share: Any, eps: float
) -> Any:
    if not own:
        return _by_running(name, x, running_mean, running_var, weight, bias, eps)
    shape = x.shape
    count = math.prod(shape[2:])
    if count == 1:
        raise ValueError(f"{name}: Expected more than 1 spatial element when training, got an input of shape {shape}")
    out, means, variances = _by_own(x, tuple(range(2, x.ndim)), weight, bias, eps)
    if x.size:
        _move(name, running_mean, mean(reshape(means, shape[:2]), 0), share)
        _move(name, running_var, mean(reshape(variances, shape[:2]), 0) * (count / (count - 1)), share)
    return out


def _by_own(x: Any, axes: tuple[int, ...], weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The result, and the means and variances over the axes."""
    weight, bias = (_channels(a, x.ndim) for a in (weight, bias))
    out, means, variances, _ = standardize.bind(x, weight, bias, axes=axes, eps=eps, centered=True)
    return out, means, variances


def _by_running(name: str, x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, eps: float) -> Any:
    if running_mean is None or running_var is None:
        raise ValueError(f"{name}: no running_mean or running_var, which are taken where the input's own are not")
    inverse = 1 / sqrt(running_var + eps)
    scale = inverse if weight is None else weight * inverse
    bias = np.zeros(x.shape[1:2], x.dtype) if bias is None else bias
    return rescale.apply(x, *(_channels(a, x.ndim) for a in (running_mean, scale, bias)))


def _channels(a: Any, ndim: int) -> Any:
    """What there is for each channel, to be broadcast over (N, C, ...)."""
    return a if a is None or ndim == 2 else reshape(a, (-1, *(1,) * (ndim - 2)))


def _move(name: str, running: Any, value: Any, share: Any) -> None:
    """Write into a running statistic its mean with a new value, which counts by its share."""
    if running is None or _calls.again:
        return
    if layout(value).ndim > max(np.ndim(value), layout(running).ndim):
        raise ValueError(
            f"{name}: inside vmap the examples have statistics of their own, and running ones cannot follow all; call "
            "eval(), make the layer with track_running_stats=False, or give each example its own buffers (by "
            "functional_call)"
        )
    with no_grad():
        running[...] = (1 - share) * running + share * value


class _Norm(Module):
    """Base of the layers with running statistics; a subclass names the numbers of axes of its inputs."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _dims: int

    def __init_subclass__(cls, dims: int | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if dims is not None:
            cls._dims = dims

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = empty(num_features, device, dtype, name=name) if affine else None
        self.bias = empty(num_features, device, dtype, name=name) if affine and bias else None
        for buffer in ("running_mean", "running_var"):
            held = empty(num_features, device, dtype, name=name).detach() if track_running_stats else None
            self.register_buffer(buffer, held)
        self.register_buffer("num_batches_tracked", Tensor(np.int64(0)) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running means to 0, the running variances to 1 and the number of batches to 0."""
        for buffer, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            held = getattr(self, buffer)
            if held is not None:
                held.data = np.full(held.shape, value, held.dtype)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0, and start the running statistics anew."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _expected(self, what: str, input: Any) -> ValueError:
        return ValueError(f"{type(self).__name__} expected {what}, got an input of shape {input.shape}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Norm):
    def forward(self, input: TensorLike) -> Tensor:
        input = real(input, type(self).__name__)
        self._check_shape(input)
        if input.shape[1] != self.num_features:
            raise self._expected(f"{self.num_features} channels", input)
        tracked = self.training and self.track_running_stats
        share: Any = self.momentum
        seen = None if self.num_batches_tracked is None else self.num_batches_tracked + 1
        if share is None:
            share = 1 / seen if tracked and seen is not None else 0.0
        running = (None, None) if self.training and not tracked else (self.running_mean, self.running_var)
        given = *running, self.weight, self.bias, self.training or self.running_mean is None, share, self.eps
        out = self._normalized(input, type(self).__name__, *given)
        if tracked and seen is not None and not _calls.again:
            with no_grad():
                self.num_batches_tracked[...] = seen  # type: ignore[index]
        return out

    def _check_shape(self, input: Any) -> None:
        """ValueError for an input of another number of axes."""
        if input.ndim != self._dims + 2 and not (self._dims == 1 and input.ndim == 2):
            shapes = ("(N, C) or (N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)")
            raise self._expected(shapes[self._dims - 1], input)

    def _normalized(self, input: Any, *given: Any) -> Any:
        """What `_batch_norm` makes of the input and all else that it takes."""
        return _batch_norm(input, *given)


class BatchNorm1d(_BatchNorm, dims=1):
    """Normalizes each channel of (N, C) or (N, C, L) over the batch; see `functional.batch_norm`.

    In evaluation by running statistics, which calls in training move by `momentum` (None: they are means over all
    batches). Without `track_running_stats` there are none, without `affine` no `weight` and `bias`. ValueError for
    inputs of another shape, and for one value per channel in training.

    >>> from pullback import nn
    >>> layer = nn.BatchNorm1d(1, momentum=0.5)
    >>> layer(Tensor([[2.0], [4.0]])).numpy().round(3).tolist()
    [[-1.0], [1.0]]
    >>> layer.running_mean, layer.running_var
    (Tensor([1.5], dtype=float32), Tensor([1.5], dtype=float32))
    """


class BatchNorm2d(_BatchNorm, dims=2):
    """Normalizes each channel of (N, C, H, W) over the batch; see `BatchNorm1d`."""


class BatchNorm3d(_BatchNorm, dims=3):
    """Normalizes each channel of (N, C, D, H, W) over the batch; see `BatchNorm1d`."""


class _InstanceNorm(_Norm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: TensorLike) -> Tensor:
        input = real(input, type(self).__name__)
        if input.ndim not in (self._dims + 1, self._dims + 2):
            axes = ("L", "H, W", "D, H, W")[self._dims - 1]
            raise self._expected(f"(N, C, {axes}) or (C, {axes})", input)
        if input.shape[-1 - self._dims] != self.num_features:
            wrong = self._expected(f"{self.num_features} channels", input)
            if self.affine or self.track_running_stats:
                raise wrong
            warnings.warn(f"{wrong}; without affine it makes no difference", stacklevel=2)
        single = input.ndim == self._dims + 1
        out = _instance_norm(
            expand_dims(input, 0) if single else input,
            type(self).__name__,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return squeeze(out, 0) if single else out


class InstanceNorm1d(_InstanceNorm, dims=1):
    """Normalizes each channel of each sample of (N, C, L), or of (C, L); see `functional.instance_norm`.

    With `track_running_stats` evaluation takes running statistics, which calls in training move by `momentum` (None:
    they do not move, as in PyTorch). ValueError for inputs of another shape; without `affine` and running statistics
    another number of channels is only a warning.

    >>> from pullback import nn
    >>> nn.InstanceNorm1d(2)(Tensor([[[1.0, 3.0], [5.0, 5.0]]])).numpy().round(3).tolist()
    [[[-1.0, 1.0], [0.0, 0.0]]]
    """


class InstanceNorm2d(_InstanceNorm, dims=2):
    """Normalizes each channel of each sample of (N, C, H, W), or of (C, H, W); see `InstanceNorm1d`."""


class InstanceNorm3d(_InstanceNorm, dims=3):
    """Normalizes each channel of each sample of (N, C, D, H, W), or of (C, D, H, W); see `InstanceNorm1d`."""
