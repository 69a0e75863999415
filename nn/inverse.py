"""The deconvolution network of Zeiler and Fergus: a model's layers in reverse, each undone with the weights it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, matmul, reshape, vjp
from ..extend import Array, ArrayLike, TensorLike
from .containers import Sequential
from .convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .forward_pass import ForwardPass, Layer, Operation, forward_pass, name_of
from .module import Module
from .rectifiers import ReLU
from .utils import skip_init

__all__ = ["Inverse", "invert"]


def invert(model: Module, layer: Layer | None = None) -> Inverse:
    """Attach to a model the network that projects what `layer` gives (None: the model) back to the input.

    It goes through the model's operations in reverse: a convolution is undone by ConvTranspose with the same weight, a
    linear layer by the transposed product, ReLU by ReLU, max-pooling by unpooling, in which entries go back to where
    the largest were (where windows overlap they add), flattening by the old shape, and other linear maps (padding,
    means, BatchNorm in eval mode) by their transposes. Biases play no part. Which operations these are is seen when
    the model runs, so a Sequential, a hand-written `forward` and functions like `relu` are alike. `layer` is a
    module of the model, its name, or its index among the model's children; of a layer called several times the
    last call counts. ValueError for a layer that is not there, and, when it is called, for an operation that
    cannot be undone, such as a sigmoid or a sum of two branches.

    With all activations but one set to 0 this is the picture that `viz.deconvnet` gives. Source: Zeiler and Fergus,
    Visualizing and Understanding Convolutional Networks, 2014.

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    >>> x = np.ones((5, 1, 8, 8), np.float32)
    >>> inverse = nn.invert(model)
    >>> inverse.network(x)
    Sequential(
      (2): MaxUnpool(spatial_shape=(6, 6))
      (1): ReLU()
      (0): ConvTranspose2d(4, 1, kernel_size=(3, 3), stride=(1, 1), bias=False)
    )
    >>> inverse(x).shape
    (5, 1, 8, 8)
    """
    return Inverse(model, name_of(model, layer, "invert"))


class Inverse(Module):
    """A model with the network that undoes it up to a layer; made by `invert`."""

    def __init__(self, model: Module, layer: str) -> None:
        super().__init__()
        self.model, self.layer = model, layer

    def forward(self, x: ArrayLike, signal: TensorLike | None = None) -> Tensor:
        """Project `signal` (None: what the layer gives for x) back to the input, with the switches that x sets.

        x is a batch, `signal` has the shape of the layer's output, and the result that of x. ValueError for a signal of
        another shape.
        """
        passed = self._pass(x)
        signal = passed.output.detach() if signal is None else signal
        if np.shape(signal) != passed.output.shape:
            shape = f"a signal of shape {np.shape(signal)}"
            raise ValueError(f"invert: {shape} for an output of shape {passed.output.shape} of {self._named()}")
        return _network(passed)(signal)

    def network(self, x: ArrayLike) -> Sequential:
        """Return the layers through which a signal goes back, with the switches and shapes that the batch x sets.

        Their names are those of the modules that they undo, with _ for dots.
        """
        return _network(self._pass(x))

    def extra_repr(self) -> str:
        return f"layer={self.layer!r}" if self.layer else ""

    def _pass(self, x: ArrayLike) -> ForwardPass:
        return forward_pass(self.model, x, self.layer, "invert")

    def _named(self) -> str:
        return f"layer {self.layer!r}" if self.layer else "the model"


def _network(passed: ForwardPass) -> Sequential:
    """The layers that lead back from the end of a chain of operations to its start."""
    layers: dict[str, Module] = {}
    at = passed.end
    for operation in reversed(passed.operations):
        positions = [i for i, source in enumerate(operation.sources) if source is not None]
        if len(positions) > 1 or at not in operation.nodes or len(operation.nodes) > 1:
            raise ValueError(
                f"invert: {operation.place} cannot be undone: {operation.primitive.name!r} joins branches of the "
                "model, and only a chain of layers has an inverse; viz.deconvnet follows branches, too"
            )
        (position,) = positions
        at, before = operation.sources[position], operation.args[position]
        if operation.primitive.name == "add" and before.shape == operation.shape:
            continue  # a bias
        name = base = (operation.path or operation.primitive.name).replace(".", "_")
        number = 1
        while name in layers:
            number += 1
            name = f"{base}_{number}"
        layers[name] = _undoing(operation, position)
    return Sequential(layers)


def _undoing(operation: Operation, position: int) -> Module:
    primitive = operation.primitive
    make = _LAYERS.get(primitive.name) if position == 0 else None
    if make is not None:
        return make(operation)
    if primitive.kind(position) == "linear" or position in _AFFINE.get(primitive.name, ()):
        return Transposed(operation, position)
    raise ValueError(
        f"invert: {operation.place} cannot be undone: {primitive.name!r} is neither linear, nor ReLU, nor max-pooling"
    )


class MaxUnpool(Module):
    """Puts entries back to where max-pooling found them in the input it had; those of one place add."""

    def __init__(self, indices: Array, spatial_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.indices, self.spatial_shape = indices, spatial_shape

    def forward(self, input: TensorLike) -> Tensor:
        return autograd.max_unpool(input, self.indices, self.spatial_shape)

    def extra_repr(self) -> str:
        return f"spatial_shape={self.spatial_shape}"


class TransposedLinear(Module):
    """The transpose of a linear layer: (..., out_features) times the same `weight` (out_features, in_features)."""

    def __init__(self, weight: Any) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, input: TensorLike) -> Tensor:
        return matmul(input, self.weight)

    def extra_repr(self) -> str:
        return "in_features={}, out_features={}".format(*self.weight.shape)


class Reshape(Module):
    """Gives entries the shape again that they once had."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, input: TensorLike) -> Tensor:
        return reshape(input, self.shape)

    def extra_repr(self) -> str:
        return f"shape={self.shape}"


class Transposed(Module):
    """The transpose of any linear operation, as the engine knows it."""

    def __init__(self, operation: Operation, position: int) -> None:
        super().__init__()
        x = operation.args[position]
        self.primitive, self.options, self.shape, self.dtype = operation.primitive, operation.options, x.shape, x.dtype
        self.before, self.after = operation.args[:position], operation.args[position + 1 :]

    def forward(self, input: TensorLike) -> Tensor:
        _, pull_back = vjp(self._forwards, np.zeros(self.shape, self.dtype))
        pulled: Tensor = pull_back(input)[0]
        return pulled

    def _forwards(self, x: Any) -> Any:
        return self.primitive.apply(*self.before, x, *self.after, **self.options)

    def extra_repr(self) -> str:
        return f"{self.primitive.name}, shape={self.shape}"


def _of_convolution(operation: Operation, kinds: tuple[Callable[..., Any], ...]) -> Module:
    """The transpose of a convolution, or the convolution that one is the transpose of, with the same weight."""
    weight, geo, groups = operation.args[1], operation.options["geo"], operation.options["groups"]
    if len(geo.kernel) > len(kinds):
        return Transposed(operation, 0)
    even = all(before == after for before, after in geo.padding)
    padding = tuple(before for before, _ in geo.padding) if even else geo.padding
    settings = {"stride": geo.stride, "padding": padding, "dilation": geo.dilation, "groups": groups}
    channels = weight.shape[0], weight.shape[1] * groups
    if kinds is _TRANSPOSES:
        reached = [
            (count - 1) * s - sum(pads) + e
            for count, s, pads, e in zip(geo.out, geo.stride, geo.padding, geo.extent, strict=True)
        ]
        settings["output_padding"] = tuple(n - m for n, m in zip(geo.spatial, reached, strict=True))
    else:
        channels = channels[::-1]
    layer: Module = skip_init(kinds[len(geo.kernel) - 1], *channels, geo.kernel, bias=False, **settings)
    layer.weight = None
    layer.weight = weight
    return layer


def _of_pooling(operation: Operation) -> Module:
    x, geo = operation.args[0].detach(), operation.options["geo"]
    settings = geo.kernel, geo.stride, geo.padding, geo.dilation
    for ceil_mode in (False, True):
        out, indices = autograd.max_pool(x, *settings, ceil_mode, return_indices=True)
        if out.shape[2:] == geo.out:
            break
    return MaxUnpool(indices.numpy(), geo.spatial)


def _of_adaptive_pooling(operation: Operation) -> Module:
    x = operation.args[0].detach()
    _, indices = autograd.adaptive_max_pool(x, operation.options["sizes"], return_indices=True)
    return MaxUnpool(indices.numpy(), x.shape[2:])


_TRANSPOSES = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
_CONVOLUTIONS = (Conv1d, Conv2d, Conv3d)
_LAYERS: dict[str, Callable[[Operation], Module]] = {
    "adaptive_max_pool": _of_adaptive_pooling,
    "conv": lambda operation: _of_convolution(operation, _TRANSPOSES),
    "conv_transpose": lambda operation: _of_convolution(operation, _CONVOLUTIONS),
    "linear": lambda operation: TransposedLinear(operation.args[1]),
    "max_pool": _of_pooling,
    "relu": lambda operation: ReLU(),
    "reshape": lambda operation: Reshape(operation.args[0].shape),
}
_AFFINE = {"add": (0, 1), "divide": (0,), "multiply": (0, 1), "negative": (0,), "rescale": (0,), "subtract": (0, 1)}
