"""Batch normalization over the batches of all processes that train together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import concatenate, sqrt, square, sum
from ..extend import Communicator, DTypeLike, all_reduce, by_single, rescale, world
from .batch_norm import _BatchNorm, _channels, _move
from .module import Module

__all__ = ["SyncBatchNorm"]


class SyncBatchNorm(_BatchNorm):
    """Normalizes each channel of (N, C, ...) over the batches of all processes: `BatchNorm1d`, 2d and 3d at once.

    In training mean and variance are those of all processes' batches together, forward and backward, which may differ
    in size; all processes make the same calls. In evaluation, and where there is one process, it is `BatchNorm`.
    `process_group` is the communicator (None: `extend.world()`).

    >>> from pullback import Tensor, nn
    >>> nn.SyncBatchNorm(1)(Tensor([[2.0], [4.0]])).numpy().round(3).tolist()
    [[-1.0], [1.0]]
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Communicator | None = None,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_shape(self, input: Any) -> None:
        if input.ndim < 2:
            raise self._expected("(N, C, ...)", input)

    def _normalized(self, input: Any, *given: Any) -> Any:
        group = world() if self.process_group is None else self.process_group
        name, running_mean, running_var, weight, bias, training, share, eps = given
        if not training or group.size == 1:
            return super()._normalized(input, *given)
        return _over_all(input, group, name, running_mean, running_var, weight, bias, share, eps)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Communicator | None = None) -> Module:
        """Return the module with all layers of BatchNorm in it replaced by such as are synchronized.

        These have the same parameters and buffers; a module that is itself such a layer is returned as a new one.

        >>> from pullback import nn
        >>> nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))[1]
        SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        """
        if isinstance(module, _BatchNorm):
            return cls._of(module, process_group)
        for child in list(module.modules()):
            for name, part in list(child.named_children()):
                if isinstance(part, _BatchNorm):
                    setattr(child, name, cls._of(part, process_group))
        return module

    @classmethod
    def _of(cls, layer: _BatchNorm, process_group: Communicator | None) -> SyncBatchNorm:
        new = cls.__new__(cls)
        new.__dict__.update(layer.__dict__)
        new.process_group = process_group
        return new


@by_single
def _over_all(
    x: Any,
    group: Communicator,
    name: str,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    share: Any,
    eps: float,
) -> Any:
    axes, channels = (0, *range(2, x.ndim)), x.shape[1]
    own = np.array([x.size // channels if channels else 0], x.dtype)
    sums = all_reduce(concatenate([sum(x, axes), own]), group)
    count = float(sums[-1].item())
    if count == 1:
        raise ValueError(
            f"{name}: Expected more than 1 value per channel of all processes when training, got an input of shape "
            f"{x.shape} here"
        )
    if eps <= 0:
        raise ValueError(f"{name}: eps={eps}; expected a positive number in training")
    means = sums[:-1] / max(count, 1.0)
    distances = square(x - _channels(means, x.ndim))
    variances = all_reduce(sum(distances, axes), group) / max(count, 1.0)
    if count:
        _move(name, running_mean, means, share)
        _move(name, running_var, variances * (count / (count - 1)), share)
    inverse = 1 / sqrt(variances + eps)
    scale = inverse if weight is None else weight * inverse
    shift = np.zeros(channels, x.dtype) if bias is None else bias
    return rescale.apply(x, *(_channels(a, x.ndim) for a in (means, scale, shift)))
