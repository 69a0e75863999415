"""Long sums: what adds up many terms, written with the names that Pullback and PyTorch share, beside exact values.

`errors(libraries, case, dtype, positive)` is how far libraries are off: for positive data the largest relative error of
an entry, for normal data the largest error as a share of the largest exact entry. Exact are sums in more digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

WIDER = {"float32": np.float64, "float64": np.longdouble}


class Case(NamedTuple):
    """A function of a library and its tensors, and the same of arrays."""

    shapes: tuple[tuple[int, ...], ...]
    run: Callable[..., Any]
    exact: Callable[..., Any]
    layout: Callable[[Any], Any] = np.asarray


class Library(NamedTuple):
    main: Any
    F: Any
    tensor: Callable[..., Any]


def pullback() -> Library:
    import pullback

    return Library(pullback, pullback.nn.functional, pullback.Tensor)


def pytorch() -> Library:
    import torch

    return Library(torch, torch.nn.functional, torch.from_numpy)


def errors(libraries: Sequence[Library], case: Case, dtype: Any, positive: bool) -> list[float]:
    rng = np.random.default_rng(sum(map(math.prod, case.shapes)))
    draw = rng.random if positive else rng.standard_normal
    arrays = [draw(shape, np.float64).astype(dtype) for shape in case.shapes]
    exact = case.exact(*(a.astype(WIDER[dtype]) for a in arrays))
    found = []
    for lib in libraries:
        y = case.run(lib, *(lib.tensor(case.layout(a)) for a in arrays)).detach().numpy()
        assert y.shape == exact.shape and y.dtype == dtype
        off = abs(y - exact)
        found.append(float(np.max(off / abs(exact)) if positive else np.max(off) / np.max(abs(exact))))
    return found


def gradient(f: Callable[..., Any], which: int) -> Callable[..., Any]:
    """The gradient of <f, g> by one of f's arguments, as a function of the library, these, and g."""

    def run(lib: Library, *tensors: Any) -> Any:
        *inputs, g = tensors
        inputs[which].requires_grad = True
        f(lib, *inputs).backward(g)
        return inputs[which].grad

    return run


def _windows(x: Any, kernel: tuple[int, ...]) -> Any:
    """(N, C, H, W) as a matrix of (windows, C * kernel)."""
    found = np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))
    n, c, *out, i, j = found.shape
    return found.transpose(0, 2, 3, 1, 4, 5).reshape(n * math.prod(out), c * i * j)


def _conv(lib: Library, x: Any, w: Any) -> Any:
    return lib.F.conv2d(x, w)


def convolution(n: int, c: int, k: int, size: int, kernel: int) -> Case:
    out = size - kernel + 1

    def exact(x: Any, w: Any) -> Any:
        y = _windows(x, (kernel, kernel)) @ w.reshape(k, -1).T
        return y.reshape(n, out, out, k).transpose(0, 3, 1, 2)

    return Case(((n, c, size, size), (k, c, kernel, kernel)), _conv, exact)


def input_gradient(n: int, c: int, k: int, size: int, kernel: int) -> Case:
    def exact(x: Any, w: Any, g: Any) -> Any:
        grad = np.zeros_like(x)
        for i, j in np.ndindex(kernel, kernel):
            grad[:, :, i : i + g.shape[2], j : j + g.shape[3]] += np.einsum("nkij,kc->ncij", g, w[:, :, i, j])
        return grad

    shapes = (n, c, size, size), (k, c, kernel, kernel), (n, k, *(size - kernel + 1,) * 2)
    return Case(shapes, gradient(_conv, 0), exact)


def weight_gradient(n: int, c: int, k: int, size: int, kernel: int) -> Case:
    def exact(x: Any, w: Any, g: Any) -> Any:
        return (g.transpose(1, 0, 2, 3).reshape(k, -1) @ _windows(x, (kernel, kernel))).reshape(w.shape)

    shapes = (n, c, size, size), (k, c, kernel, kernel), (n, k, *(size - kernel + 1,) * 2)
    return Case(shapes, gradient(_conv, 1), exact)


def bias_gradient(n: int, k: int, size: int) -> Case:
    shapes = (n, 1, size, size), (k, 1, 1, 1), (k,), (n, k, size, size)
    run = gradient(lambda lib, x, w, b: lib.F.conv2d(x, w, b), 2)
    return Case(shapes, run, lambda x, w, b, g: g.sum((0, 2, 3)))


def reduction(shape: tuple[int, ...], axis: Any, name: str = "sum", layout: Any = np.asarray, **options: Any) -> Case:
    def run(lib: Library, x: Any) -> Any:
        return getattr(lib.main, name)(x, axis, **options)

    return Case((shape,), run, lambda x: getattr(np, name)(x, axis=axis, **options), layout)


def spread(shape: tuple[int, ...], given: tuple[int, ...]) -> Case:
    """What broadcasting spreads is added up again."""
    axes = tuple(range(len(shape) - len(given)))

    def exact(x: Any, b: Any, g: Any) -> Any:
        g = g.sum(axes)
        return g.sum(tuple(i for i, n in enumerate(given) if n == 1 != g.shape[i]), keepdims=True)

    return Case((shape, given, shape), gradient(lambda lib, x, b: x + b, 1), exact)


def product(m: int, k: int, n: int) -> Case:
    return Case(((m, k), (k, n)), lambda lib, a, b: lib.main.matmul(a, b), np.matmul)


def affine(m: int, k: int, n: int, which: int | None = None) -> Case:
    """A linear layer, or its gradient by the input, weight or bias."""
    if which is None:
        return Case(((m, k), (n, k), (n,)), lambda lib, x, w, b: lib.F.linear(x, w, b), lambda x, w, b: x @ w.T + b)
    run = gradient(lambda lib, x, w, b: lib.F.linear(x, w, b), which)
    exact = lambda x, w, b, g: (g @ w, g.T @ x, g.sum(0))[which]  # noqa: E731
    return Case(((m, k), (n, k), (n,), (m, n)), run, exact)


def average(shape: tuple[int, ...], size: int) -> Case:
    def exact(x: Any) -> Any:
        n, c, h, w = x.shape
        return x.reshape(n, c, h // size, size, w // size, size).mean((3, 5))

    return Case((shape,), lambda lib, x: lib.F.avg_pool2d(x, size), exact)


def adaptive(shape: tuple[int, ...]) -> Case:
    return Case((shape,), lambda lib, x: lib.F.adaptive_avg_pool2d(x, 1), lambda x: x.mean((2, 3), keepdims=True))


def every_second(x: Any) -> Any:
    """An array's numbers with gaps along all axes."""
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


# Small ones, for every run of the tests, and large ones
SMALL: dict[str, Case] = {
    "convolution, depth 27": convolution(2, 3, 16, 24, 3),
    "convolution, depth 288": convolution(2, 32, 32, 12, 3),
    "convolution, depth 576": convolution(2, 64, 32, 12, 3),
    "convolution, depth 4,608": convolution(1, 512, 16, 10, 3),
    "input's gradient, depth 2,304": input_gradient(1, 8, 256, 10, 3),
    "weight's gradient, 10,000 windows, 1 to 4 channels": weight_gradient(4, 1, 4, 52, 3),
    "weight's gradient, 10,000 windows, 16 to 32 channels": weight_gradient(4, 16, 32, 50, 1),
    "bias's gradient, 40 x 8 x 40 x 40": bias_gradient(40, 8, 40),
    "bias's gradient, 4000 x 8 x 4 x 4": bias_gradient(4000, 8, 4),
    "sum over axis 0, 1000 x 10": reduction((1000, 10), 0),
    "sum over axis 0, 100,000 x 10": reduction((100_000, 10), 0),
    "sum over axis 0, 5000 x 100": reduction((5000, 100), 0),
    "sum over axis 0, 2000 x 30 x 10": reduction((2000, 30, 10), 0),
    "sum over axis 1, 20 x 5000 x 10": reduction((20, 5000, 10), 1),
    "sum over axis 1, 100 x 5000": reduction((100, 5000), 1),
    "sum over axes 0 and 2, 3000 x 8 x 9": reduction((3000, 8, 9), (0, 2)),
    "sum over axes 0, 2 and 3, 500 x 8 x 6 x 6": reduction((500, 8, 6, 6), (0, 2, 3)),
    "sum over axis 0, F-ordered, 50,000 x 10": reduction((50_000, 10), 0, layout=np.asfortranarray),
    "sum over axis 1, F-ordered, 10 x 50,000": reduction((10, 50_000), 1, layout=np.asfortranarray),
    "sum over axis 0, strided, 50,000 x 10": reduction((50_000, 10), 0, layout=every_second),
    "sum over axes 0 and 1, strided, 3000 x 30 x 8": reduction((3000, 30, 8), (0, 1), layout=every_second),
    "mean over axis 0, 100,000 x 10": reduction((100_000, 10), 0, "mean"),
    "variance over axis 0, 100,000 x 10": reduction((100_000, 10), 0, "var", correction=0),
    "un-broadcasting, 50,000 x 10 to 10": spread((50_000, 10), (10,)),
    "un-broadcasting, 100 x 500 x 10 to 1 x 10": spread((100, 500, 10), (1, 10)),
    "product, 8 x 100,000 x 8": product(8, 100_000, 8),
    "product, 40 x 20,000 x 40": product(40, 20_000, 40),
    "linear layer, 32 x 9216 x 32": affine(32, 9216, 32),
    "linear layer's gradient by its weight, 20,000 x 16 x 16": affine(20_000, 16, 16, 1),
    "linear layer's gradient by its bias, 50,000 x 4 x 10": affine(50_000, 4, 10, 2),
    "average pool, 16 x 16": average((2, 4, 64, 64), 16),
    "average pool, 100 x 100": average((2, 4, 200, 200), 100),
    "adaptive average pool, 200 x 200 to 1 x 1": adaptive((2, 4, 200, 200)),
}  # fmt: skip
LARGE: dict[str, Case] = {
    "convolution, depth 25,600": convolution(1, 1024, 8, 8, 5),
    "convolution, depth 102,400": convolution(1, 4096, 8, 8, 5),
    "input's gradient, depth 36,864": input_gradient(1, 4, 4096, 8, 3),
    "weight's gradient, 100,000 windows, 1 to 4 channels": weight_gradient(10, 1, 4, 102, 3),
    "weight's gradient, 1,000,000 windows, 1 to 4 channels": weight_gradient(1, 1, 4, 1002, 3),
    "weight's gradient, 1,000,000 windows, 3 to 8 channels": weight_gradient(16, 3, 8, 250, 1),
    "weight's gradient, 1,000,000 windows, 8 to 16 channels": weight_gradient(16, 8, 16, 250, 1),
    "weight's gradient, 12,544 windows, 64 to 256 channels": weight_gradient(16, 64, 256, 28, 1),
    "bias's gradient, 64 x 32 x 100 x 100": bias_gradient(64, 32, 100),
    "sum over axis 0, 1,000,000 x 10": reduction((1_000_000, 10), 0),
    "sum over axis 0, 10,000,000 x 1": reduction((10_000_000, 1), 0),
    "sum over axis 0, 1,000,000 x 10, F-ordered": reduction((1_000_000, 10), 0, layout=np.asfortranarray),
    "sum over axis 0, 1,000,000 x 10, strided": reduction((1_000_000, 10), 0, layout=every_second),
    "sum over axis 0, 30,000 x 300": reduction((30_000, 300), 0),
    "sum over axis 1, 10 x 1,000,000": reduction((10, 1_000_000), 1),
    "sum over axis 1, 3 x 300,000 x 10": reduction((3, 300_000, 10), 1),
    "sum over axes 0, 2 and 3, 10,000 x 8 x 10 x 10": reduction((10_000, 8, 10, 10), (0, 2, 3)),
    "sum over all, 10,000,000": reduction((10_000_000,), 0),
    "mean over axis 0, 1,000,000 x 10": reduction((1_000_000, 10), 0, "mean"),
    "variance over axis 0, 1,000,000 x 10": reduction((1_000_000, 10), 0, "var", correction=0),
    "un-broadcasting, 1,000,000 x 10 to 10": spread((1_000_000, 10), (10,)),
    "product, 4 x 1,000,000 x 4": product(4, 1_000_000, 4),
    "product, 16 x 1,000,000 x 16": product(16, 1_000_000, 16),
    "product, 200 x 100,000 x 16": product(200, 100_000, 16),
    "linear layer's gradient by its bias, 1,000,000 x 1 x 10": affine(1_000_000, 1, 10, 2),
    "average pool, 1000 x 1000": average((1, 2, 1000, 1000), 1000),
    "adaptive average pool, 1000 x 1000 to 1 x 1": adaptive((1, 2, 1000, 1000)),
}  # fmt: skip
