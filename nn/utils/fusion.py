"""A convolution or linear layer and the batch normalization behind it as one layer, for evaluation."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np

from ...autograd import Tensor
from ...extend import ArrayLike, TensorLike
from ..batch_norm import _Norm
from ..module import Module, Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

Layer = TypeVar("Layer", bound=Module)


def fuse_conv_bn_eval(conv: Layer, bn: _Norm, transpose: bool = False) -> Layer:
    """Return a copy of a convolution (of a transposed one, if `transpose`) that also does what `bn` does behind it.

    ValueError unless both are in evaluation and `bn` has running statistics for as many channels as come out.

    >>> from pullback import nn
    >>> conv, bn = nn.Conv1d(2, 3, 1).eval(), nn.BatchNorm1d(3).eval()
    >>> x = np.ones((1, 2, 4), np.float32)
    >>> np.allclose(fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
    True
    """
    _check("fuse_conv_bn_eval", conv, bn, conv.out_channels, (conv.out_channels,))
    fused = copy.deepcopy(conv)
    given: Any = bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    fused.weight, fused.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *given)
    return fused


def fuse_conv_bn_weights(
    conv_w: TensorLike,
    conv_b: TensorLike | None,
    bn_rm: ArrayLike,
    bn_rv: ArrayLike,
    bn_eps: float,
    bn_w: ArrayLike | None,
    bn_b: ArrayLike | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Return weight and bias of the fused convolution; conv_w is (K, C, ...), or (C, K, ...) if `transpose`.

    The others are (K,); conv_b, bn_w and bn_b may be None.
    """
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: Layer, bn: _Norm) -> Layer:
    """Return a copy of a linear layer that also does what `bn` does behind it.

    ValueError unless both are in evaluation and `bn` has running statistics for as many features as come out, or one.
    """
    _check("fuse_linear_bn_eval", linear, bn, linear.out_features, (linear.out_features, 1))
    fused = copy.deepcopy(linear)
    given: Any = bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    fused.weight, fused.bias = fuse_linear_bn_weights(linear.weight, linear.bias, *given)
    return fused


def fuse_linear_bn_weights(
    linear_w: TensorLike,
    linear_b: TensorLike | None,
    bn_rm: ArrayLike,
    bn_rv: ArrayLike,
    bn_eps: float,
    bn_w: ArrayLike | None,
    bn_b: ArrayLike | None,
) -> tuple[Parameter, Parameter]:
    """Return weight and bias of the fused linear layer; linear_w is (K, C), the others (K,) or (1,).

    linear_b, bn_w and bn_b may be None.
    """
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _check(name: str, layer: Any, bn: Any, outputs: int, fitting: tuple[int, ...]) -> None:
    kinds = f"{type(layer).__name__} and {type(bn).__name__}"
    if layer.training or bn.training:
        raise ValueError(f"{name}: {kinds} in training; call eval() on both first")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{name}: {type(bn).__name__} has no running statistics")
    if bn.num_features not in fitting:
        raise ValueError(f"{name}: {kinds} have {outputs} and {bn.num_features} channels; expected the same number")


def _fused(
    weight: Any, bias: Any, mean: Any, variance: Any, eps: float, scale: Any, shift: Any, axis: int
) -> tuple[Parameter, Parameter]:
    """The fused weight, whose outputs are along `axis`, and bias: computed as float64, each as its own was before."""
    w, mean, variance = (_numbers(a) for a in (weight, mean, variance))
    factor = 1 / np.sqrt(variance + eps)
    factor = factor if scale is None else factor * _numbers(scale)
    outputs = (1,) * axis + (-1,) + (1,) * (w.ndim - 1 - axis)
    b = ((0 if bias is None else _numbers(bias)) - mean) * factor
    b = b if shift is None else b + _numbers(shift)
    dtype = weight.dtype if bias is None else bias.dtype
    fused = (w * factor.reshape(outputs)).astype(weight.dtype), b.astype(dtype)
    wanted = (getattr(a, "requires_grad", False) for a in (weight, bias))
    made = (Parameter(a, requires_grad) for a, requires_grad in zip(fused, wanted, strict=True))
    return next(made), next(made)


def _numbers(a: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(a.detach() if isinstance(a, Tensor) else a, np.float64)
