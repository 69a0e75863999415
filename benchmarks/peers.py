"""The libraries that benchmarks/speed.py measures, each with the seed's networks in a form of its own.

`training(net, weights, x, t)` is a step of plain SGD on the mean cross entropy, `inference(net, weights, x)` a forward
pass without gradients; a step returns its loss, and both only when the work is done.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RATE = 1e-3


class Peer:
    """A library, whose layers are functions `conv(x, w, b, padding)`, `relu(x)` and `pool(x)` of its arrays."""

    package = ""
    warmups = 0  # calls after the first
    conv: Callable[..., Any]
    relu: Callable[..., Any]
    pool: Callable[..., Any]

    def about(self) -> str:
        return version(self.package)

    def forward(self, net: Any, weights: Any, x: Any) -> Any:
        left = iter(weights)
        for kind, *sizes in net.layers:
            if kind == "conv":
                x = self.conv(x, next(left), next(left), sizes[3])
            elif kind == "linear":
                w, b = next(left), next(left)
                x = x @ w.T + b
            elif kind == "flatten":
                x = x.reshape(x.shape[0], -1)
            else:
                x = getattr(self, kind)(x)
        return x


class PyTorch(Peer):
    """Eager, with modules."""

    package = "torch"
    warmups = 1

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.main = self.arrays = torch
        self.nn, self.F, self.optim, self.tensor = torch.nn, torch.nn.functional, torch.optim, torch.tensor

    def model(self, net: Any, weights: Any) -> Any:
        nn = self.nn
        modules = {
            "conv": lambda c, k, kernel, padding: nn.Conv2d(c, k, kernel, padding=padding),
            **{"linear": nn.Linear, "relu": nn.ReLU, "pool": lambda: nn.MaxPool2d(2), "flatten": nn.Flatten},
        }
        model = nn.Sequential(*(modules[kind](*sizes) for kind, *sizes in net.layers))
        for p, w in zip(model.parameters(), weights, strict=True):
            p.data = self.tensor(w)
        return model

    def compile(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return f

    def training(self, net: Any, weights: Any, x: Any, t: Any) -> Callable[[], Any]:
        model, loss = self.model(net, weights), self.nn.CrossEntropyLoss()
        optimizer = self.optim.SGD(model.parameters(), lr=RATE)
        data, target = self.tensor(x), self.tensor(t)
        forward = self.compile(lambda x, t: loss(model(x), t))

        def step() -> Any:
            optimizer.zero_grad()
            value = forward(data, target)
            value.backward()
            optimizer.step()
            return value.detach()

        return step

    def inference(self, net: Any, weights: Any, x: Any) -> Callable[[], Any]:
        model, data = self.compile(self.model(net, weights)), self.tensor(x)
        return self.main.no_grad()(lambda: model(data))


class Pullback(PyTorch):
    """The same code as PyTorch's."""

    def __init__(self) -> None:
        import pullback

        self.main, self.arrays = pullback, np
        self.nn, self.F, self.optim, self.tensor = pullback.nn, pullback.nn.functional, pullback.optim, pullback.Tensor

    def about(self) -> str:
        fast = self.main.autograd.runtime.llvm.available(np.ones(1, np.float32))
        return f"{self.main.__version__} ({'machine code' if fast else 'NumPy alone'})"


class PlainPullback(Pullback):
    """Without machine code."""

    def __init__(self) -> None:
        os.environ["PULLBACK_MACHINE_CODE"] = "0"
        super().__init__()


class Compiled(PyTorch):
    """torch.compile of model and loss; the backward pass is compiled with them, the optimizer is PyTorch's own."""

    warmups = 2

    def compile(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return self.main.compile(f)


class Jax(Peer):
    """jax.jit of the whole step, whose parameters are donated."""

    package = "jax"
    warmups = 2

    def __init__(self) -> None:
        import jax

        self.jax = jax

    def conv(self, x: Any, w: Any, b: Any, padding: int) -> Any:
        y = self.jax.lax.conv_general_dilated(x, w, (1, 1), [(padding, padding)] * 2)
        return y + b[:, None, None]

    def relu(self, x: Any) -> Any:
        return self.jax.nn.relu(x)

    def pool(self, x: Any) -> Any:
        lax = self.jax.lax
        return lax.reduce_window(x, -np.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def training(self, net: Any, weights: Any, x: Any, t: Any) -> Callable[[], Any]:
        jax, jnp = self.jax, self.jax.numpy

        def loss(weights: Any, x: Any, t: Any) -> Any:
            return -jnp.take_along_axis(jax.nn.log_softmax(self.forward(net, weights, x)), t[:, None], 1).mean()

        def update(weights: Any, x: Any, t: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(weights, x, t)
            return [w - RATE * g for w, g in zip(weights, gradients, strict=True)], value

        compiled = jax.jit(update, donate_argnums=0)
        data, target = jnp.asarray(x), jnp.asarray(t)
        state = [jnp.asarray(w) for w in weights]

        def step() -> Any:
            nonlocal state
            state, value = jax.block_until_ready(compiled(state, data, target))
            return value

        return step

    def inference(self, net: Any, weights: Any, x: Any) -> Callable[[], Any]:
        jnp = self.jax.numpy
        compiled = self.jax.jit(lambda weights, x: self.forward(net, weights, x))
        state, data = [jnp.asarray(w) for w in weights], jnp.asarray(x)
        return lambda: compiled(state, data).block_until_ready()


def clang() -> str:
    """A command that stands for clang, made of the compiler in the package ziglang."""
    import ziglang

    zig = shlex.quote(str(Path(ziglang.__file__).with_name("zig")))
    script = Path(tempfile.mkdtemp()) / "clang"
    script.write_text(
        f"""#!/bin/sh
out=$(mktemp --suffix=.o)
for argument do
    shift
    case $argument in
        --target=*) set -- "$@" -target native-freestanding-none ;;
        *) set -- "$@" "$argument" ;;
    esac
done
{zig} cc -g0 -fno-sanitize=all "$@" -o "$out" >&2 && cat "$out"
status=$?
rm -f "$out"
exit $status
"""
    )
    script.chmod(0o755)
    return str(script)


class Tinygrad(Peer):
    """The CPU device, which needs clang, with TinyJit of the whole step and its own choice of kernels (no search)."""

    package = "tinygrad"
    warmups = 2

    def __init__(self) -> None:
        import shutil

        os.environ["DEV"] = "CPU"
        if not shutil.which("clang"):
            os.environ["CC"] = clang()
        import tinygrad

        self.main = tinygrad

    def conv(self, x: Any, w: Any, b: Any, padding: int) -> Any:
        return x.conv2d(w, b, padding=padding)

    def relu(self, x: Any) -> Any:
        return x.relu()

    def pool(self, x: Any) -> Any:
        return x.max_pool2d(2)

    def tensors(self, weights: Any, x: Any) -> tuple[Any, Any]:
        tensor = self.main.Tensor
        return [tensor(w).contiguous().realize() for w in weights], tensor(x).realize()

    def jit(self, f: Callable[[], Any]) -> Callable[[], Any]:
        compiled, device = self.main.TinyJit(f), self.main.Device[self.main.Device.DEFAULT]

        def run() -> Any:
            result = compiled()
            device.synchronize()
            return result

        return run

    def training(self, net: Any, weights: Any, x: Any, t: Any) -> Callable[[], Any]:
        state, data = self.tensors(weights, x)
        optimizer, target = self.main.nn.optim.SGD(state, lr=RATE), self.main.Tensor(t).realize()

        def step() -> Any:
            with self.main.Context(TRAINING=1):
                optimizer.zero_grad()
                loss = self.forward(net, state, data).sparse_categorical_crossentropy(target).backward()
                return loss.realize(*optimizer.schedule_step())

        return self.jit(step)

    def inference(self, net: Any, weights: Any, x: Any) -> Callable[[], Any]:
        state, data = self.tensors(weights, x)
        return self.jit(lambda: self.forward(net, state, data).realize())


class MyGrad(Peer):
    package = "mygrad"

    def __init__(self) -> None:
        import mygrad
        from mygrad.nnet.activations import relu
        from mygrad.nnet.layers import conv_nd, max_pool
        from mygrad.nnet.losses import softmax_crossentropy

        self.main, self.loss = mygrad, softmax_crossentropy
        self.conv_nd, self.max_pool, self.relu = conv_nd, max_pool, relu

    def conv(self, x: Any, w: Any, b: Any, padding: int) -> Any:
        return self.conv_nd(x, w, stride=1, padding=padding) + b[:, None, None]

    def pool(self, x: Any) -> Any:
        return self.max_pool(x, (2, 2), 2)

    def training(self, net: Any, weights: Any, x: Any, t: Any) -> Callable[[], Any]:
        state = [self.main.tensor(w) for w in weights]

        def step() -> Any:
            loss = self.loss(self.forward(net, state, x), t)
            loss.backward()
            for w in state:
                w.data -= np.float32(RATE) * w.grad
                w.null_grad()
            return loss.data

        return step

    def inference(self, net: Any, weights: Any, x: Any) -> Callable[[], Any]:
        state = [self.main.tensor(w) for w in weights]
        return self.main.no_autodiff(lambda: self.forward(net, state, x).data)


class Autograd(Peer):
    """HIPS autograd. Convolution by columns is faster than by autograd.scipy.signal; pooling as in its own example."""

    package = "autograd"

    def __init__(self) -> None:
        import autograd.numpy

        self.main, self.np = autograd, autograd.numpy

    def conv(self, x: Any, w: Any, b: Any, padding: int) -> Any:
        xp, k = self.np, w.shape[2]
        if padding:
            x = xp.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), "constant")
        rows, columns = (size - k + 1 for size in x.shape[2:])
        windows = xp.stack([x[:, :, i : i + rows, j : j + columns] for i in range(k) for j in range(k)], axis=2)
        y = xp.tensordot(w.reshape(*w.shape[:2], -1), windows, axes=([1, 2], [1, 2]))
        return xp.transpose(y, (1, 0, 2, 3)) + b[:, None, None]

    def relu(self, x: Any) -> Any:
        return self.np.maximum(x, 0)

    def pool(self, x: Any) -> Any:
        n, c, h, w = x.shape
        return self.np.max(self.np.max(x.reshape(n, c, h // 2, 2, w // 2, 2), axis=3), axis=4)

    def training(self, net: Any, weights: Any, x: Any, t: Any) -> Callable[[], Any]:
        xp, state, rows = self.np, list(weights), np.arange(len(t))

        def loss(weights: Any) -> Any:
            logits = self.forward(net, weights, x)
            shifted = logits - xp.max(logits, axis=1, keepdims=True)
            return -xp.mean((shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True)))[rows, t])

        differentiated = self.main.value_and_grad(loss)

        def step() -> Any:
            value, gradients = differentiated(state)
            for w, g in zip(state, gradients, strict=True):
                w -= RATE * g
            return value

        return step

    def inference(self, net: Any, weights: Any, x: Any) -> Callable[[], Any]:
        return lambda: self.forward(net, weights, x)


class TinyML(Peer):
    """The seed: its layers, with their parameters in float32, and its loss without the lines that it prints."""

    package = "tinyml"

    def __init__(self) -> None:
        import tinyml.layers
        import tinyml.losses.cross_entropy
        import tinyml.net
        import tinyml.optims

        tinyml.losses.cross_entropy.print = lambda *_: None
        self.main, self.layers = tinyml, tinyml.layers

    def model(self, net: Any, weights: Any) -> Any:
        made: list[Any] = []
        shape, left = net.shape, iter(weights)
        for i, (kind, *sizes) in enumerate(net.layers):
            if kind == "conv":
                made.append(self.layers.Conv2D(f"{i}", shape, sizes[1], sizes[2], sizes[2], 1, sizes[3]))
            elif kind == "pool":
                made.append(self.layers.MaxPool2D(f"{i}", shape, (2, 2), 2))
            elif kind == "linear":
                made.append(self.layers.Linear(f"{i}", *sizes))
            else:
                made.append({"relu": self.layers.ReLu, "flatten": self.layers.Flatten}[kind](f"{i}"))
            if kind in ("conv", "pool"):
                shape = made[-1].out_dim
            for parameter in made[-1].parameters:
                parameter.tensor = next(left)
        model = self.main.net.Sequential(made)
        model.build_params()
        return model

    def training(self, net: Any, weights: Any, x: Any, t: Any) -> Callable[[], Any]:
        model = self.model(net, weights)
        optimizer, loss = self.main.optims.SGDOptimizer(RATE), self.main.losses.cross_entropy_with_softmax_loss

        def step() -> Any:
            value, gradient = loss(model.forward(x), t)
            model.backward(gradient)
            model.update(optimizer)
            return value

        return step

    def inference(self, net: Any, weights: Any, x: Any) -> Callable[[], Any]:
        model = self.model(net, weights)
        return lambda: model.forward(x)


PEERS: dict[str, type[Peer]] = {
    "Pullback": Pullback,
    "PyTorch": PyTorch,
    "Pullback on NumPy": PlainPullback,
    "torch.compile": Compiled,
    "JAX jit": Jax,
    "tinygrad": Tinygrad,
    "MyGrad": MyGrad,
    "autograd": Autograd,
    "tinyml": TinyML,
}
