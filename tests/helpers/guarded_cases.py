"""Random cases of all that has machine code, beside NumPy: guarded_cases.py SEED COUNT, with PULLBACK_CHECK=1."""

import math
import sys
from typing import Any

import numpy as np

import pullback as pb
from pullback import Tensor, nn, optim
from pullback.autograd.kernels import fused_elementwise, gemm, normalization, rescaling, sums, weight_layouts
from pullback.autograd.kernels.geometry import Geometry, geometry
from pullback.autograd.ops import elementwise, fused_conv
from pullback.autograd.ops.convolution import conv_weight
from pullback.autograd.ops.pooling import window_place
from pullback.autograd.runtime import launch, llvm
from pullback.extend import rescale, standardize
from pullback.nn.utils.rnn import PackedSequence

launch.WORTH = 1e-9  # small work goes to all threads, and all of it to machine code
elementwise._MANY = fused_elementwise._LEAST = gemm._SIZE = gemm._ROWS = sums._LEAST = normalization._LEAST = 1
rescaling._LEAST = weight_layouts._LEAST = 1
sums._ROW = 2


class Cases:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype: Any = np.float32

    def one(self, *among: Any) -> Any:
        return among[self.rng.integers(len(among))]

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def array(self, *shape: int, kinds: Any = ("plain", "plain", "turned", "cut", "reversed", "read-only")) -> Any:
        """Small integers, which sum without rounding, in some layout."""
        values = self.rng.integers(-4, 5, shape).astype(self.dtype)
        kind = self.one(*kinds)
        if kind == "turned":
            return np.asarray(values, order="F")
        if kind == "cut":
            room = np.full((*shape[:-1], 2 * shape[-1] + 1), np.nan, self.dtype)
            room[..., 1::2] = values
            return room[..., 1::2]
        if kind == "reversed":
            return values[::-1].copy()[::-1]
        values.flags.writeable = kind != "read-only"
        return values

    def tensor(self, *shape: int) -> Tensor:
        return Tensor(self.array(*shape), requires_grad=True)

    def geometry(self, pooling: bool = False) -> Geometry:
        axes = self.one(1, 2, 2, 2, 3)
        most = {1: 70, 2: 14, 3: 5}[axes]
        kernel, dilation = (tuple(self.integer(1, m) for _ in range(axes)) for m in (4, 2))
        stride = (*(self.integer(1, 3) for _ in range(axes - 1)), self.one(1, 1, 2, 3))
        extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        pads = tuple(tuple(self.integer(0, e // 2 if pooling else 2) for _ in range(2)) for e in extents)
        spatial = tuple(max(1, e - b - a) + self.integer(0, most) for e, (b, a) in zip(extents, pads, strict=True))
        return geometry("case", spatial, kernel, stride, pads, dilation, pooling and self.one(False, True))

    def settings(self, geo: Geometry) -> dict[str, Any]:
        return {"stride": geo.stride, "padding": geo.padding, "dilation": geo.dilation}

    def convolution(self) -> Any:
        geo, groups = self.geometry(), self.one(1, 1, 2, 3)
        n, channels, outs = self.integer(1, 5), self.integer(1, 3), self.integer(1, 6)
        x, w = self.tensor(n, groups * channels, *geo.spatial), self.tensor(groups * outs, channels, *geo.kernel)
        bias = self.one(None, self.tensor(groups * outs))
        return geo, groups, x, w, bias

    def conv(self) -> Any:
        geo, groups, x, w, bias = self.convolution()
        y = self.array(len(x.data), len(w.data), *geo.out)

        def run() -> Any:
            out = pb.conv(x, w, **self.settings(geo), groups=groups, bias=bias)
            out.backward(Tensor(y))
            return out.data, x.grad.data, w.grad.data, conv_weight.function(x.data, y, geo=geo, groups=groups)

        return run, (x, w)

    def weights(self) -> Any:
        """Weights of many channels, and of many windows."""
        geo = self.one(self.geometry(), geometry("case", (24, 24), (3, 3)))
        x = self.array(self.integer(1, 4), self.integer(4, 20), *geo.spatial)
        y = self.array(len(x), self.integer(16, 70), *geo.out)
        return lambda: (conv_weight.function(x, y, geo=geo, groups=1),), ()

    def conv_transpose(self) -> Any:
        geo, groups, _, w, _ = self.convolution()
        y = self.tensor(self.integer(1, 3), len(w.data), *geo.out)

        def run() -> Any:
            out = pb.conv_transpose(y, w, **self.settings(geo), groups=groups)
            out.sum().backward()
            return out.data, y.grad.data, w.grad.data

        lengths = zip(geo.out, geo.stride, geo.extent, geo.padding, strict=True)
        left = all((n - 1) * s + e > b + a for n, s, e, (b, a) in lengths)
        return run if left else None, (y, w)

    def fused_conv(self) -> Any:
        geo, groups, x, w, bias = self.convolution()
        tile = self.one((), (2,) * len(geo.out), (2,) * len(geo.out), (*(1,) * (len(geo.out) - 1), 3))
        rectified, recorded = self.one(False, True), self.one(False, True)
        given = geo.stride, geo.padding, geo.dilation, groups

        def run() -> Any:
            with pb.enable_grad() if recorded else pb.no_grad():
                out = fused_conv.convolved(x, w, *given, bias=bias, rectified=rectified, pooling=(tile,) * bool(tile))
            if not recorded:
                return (out.data,)
            out.sum().backward()
            return out.data, x.grad.data, w.grad.data

        return run if all(t <= n for t, n in zip(tile, geo.out, strict=False)) else None, (x, w)

    def pool(self) -> Any:
        geo = self.geometry(pooling=True)
        x = self.tensor(self.integer(1, 4), self.integer(1, 4), *geo.spatial)
        given = geo.kernel, geo.stride, geo.padding
        ceil = geometry("case", geo.spatial, *given, geo.dilation).out != geo.out

        def largest() -> Any:
            out, places = pb.max_pool(x, *given, geo.dilation, ceil, return_indices=True)
            out.sum().backward()
            return out.data, places.data, x.grad.data

        def mean() -> Any:
            geometry("case", geo.spatial, *given)
            out = pb.avg_pool(x, *given)
            out.sum().backward()
            return out.data, x.grad.data

        short = all(2 * max(pair) <= k for pair, k in zip(geo.padding, geo.kernel, strict=True))
        return self.one(largest, mean) if short else largest, (x,)

    def adaptive(self) -> Any:
        spatial = tuple(self.integer(1, 12) for _ in range(self.integer(1, 3)))
        sizes = tuple(self.integer(1, 14) for _ in spatial)
        x = self.tensor(self.integer(1, 4), self.integer(1, 4), *spatial)

        def largest() -> Any:
            out, places = pb.adaptive_max_pool(x, sizes, return_indices=True)
            out.sum().backward()
            return out.data, places.data, x.grad.data

        def mean() -> Any:
            out = pb.adaptive_avg_pool(x, sizes)
            out.sum().backward()
            return out.data, x.grad.data

        return self.one(largest, mean), (x,)

    def unpool(self) -> Any:
        spatial = tuple(self.integer(1, 9) for _ in range(self.integer(1, 3)))
        y = self.tensor(self.integer(1, 3), self.integer(1, 3), *(self.integer(1, 7) for _ in spatial))
        indices = self.rng.integers(0, math.prod(spatial), y.shape)

        def run() -> Any:
            out = pb.max_unpool(y, indices, spatial)
            (out * out).sum().backward()
            return out.data, y.grad.data

        return run, (y,)

    def matmul(self) -> Any:
        shapes = (self.integer(1, 70), self.integer(1, 70)), (self.integer(1, 9), self.integer(900, 1200)), (530, 60)
        (m, k), n = self.one(*shapes), self.integer(16, 90)
        a, b, more = self.array(m, k), self.array(k, n), self.one(None, self.array(n))

        def run() -> Any:
            return (gemm.product(a, b, more) if llvm.available(a, b) else a @ b + (0 if more is None else more),)

        return run, ()

    def affine(self) -> Any:
        x, w, bias = self.tensor(self.integer(1, 40), 24), self.tensor(self.integer(16, 40), 24), self.one(True, False)
        b = self.tensor(len(w.data)) if bias else None

        def run() -> Any:
            out = nn.functional.linear(x, w, b)
            out.sum().backward()
            return out.data, x.grad.data, w.grad.data

        return run, (x, w)

    def sums(self) -> Any:
        shape = (self.integer(1, 6), self.integer(1, 5), self.one(self.integer(1, 300), self.integer(2000, 5000)))
        x, axis = self.array(*shape), self.one(None, (2,), (1, 2), (0, 2), (0,))
        return lambda: (sums.summed(x, axis),), ()

    def normalization(self) -> Any:
        shape = tuple(self.integer(2, 5) for _ in range(3)) + (self.integer(4, 40),)
        axes, weights = self.one(
            ((0, 2, 3), (shape[1], 1, 1)),
            ((3,), shape[3:]),
            ((2, 3), (*shape[1:3], 1)),
            ((0,), shape[1:]),
            ((1,), (1,)),
        )
        x, w, b = (Tensor(self.array(*s), requires_grad=True) for s in (shape, weights, weights))
        given, options = self.one(w, None), {"axes": axes, "eps": 0.1, "centered": self.one(True, False)}

        def run() -> Any:
            y = standardize.apply(x, given, b, **options)
            y.backward(np.cos(y.numpy()))
            return y.numpy(), x.grad.numpy(), b.grad.numpy()

        return run, (x, w, b)

    def rescaling(self) -> Any:
        shape = tuple(self.integer(1, 7) for _ in range(3)) + (self.integer(2, 70),)
        x, given = self.tensor(*shape), self.one((shape[1], 1, 1), (shape[2], 1), shape[3:])
        others = [self.array(*given) for _ in range(3)]
        return lambda: (rescale.apply(x, *others).data,), ()

    def many_columns(self) -> Any:
        """Normalization along columns, of more than a strip of them, and the statistics of many rows."""
        x, w = self.tensor(self.integer(2, 140), self.integer(60, 140)), self.tensor(1)

        def run() -> Any:
            y = standardize.apply(x, w, None, axes=(0,), eps=0.1, centered=True)
            y.backward(np.cos(y.numpy()))
            return y.numpy(), x.grad.numpy(), w.grad.numpy()

        return run, (x, w)

    def step(self) -> Any:
        size, momentum = self.one(self.integer(1, 99), self.integer(16000, 17000)), self.one(0, 0.5)
        start, grad = self.array(size, kinds=("plain",)), self.array(size, kinds=("plain", "read-only"))
        kind = self.one(
            lambda p: optim.SGD(p, lr=0.5, momentum=momentum, weight_decay=self.decay),
            lambda p: optim.Adam(p, lr=0.5, weight_decay=self.decay),
        )
        self.decay = self.one(0, 0.25)

        def run() -> Any:
            p = Tensor(start.copy(), requires_grad=True)
            optimizer = kind([p])
            for _ in range(2):
                p.grad = Tensor(grad)
                optimizer.step()
            return (p.data,)

        return run, ()

    def relu(self) -> Any:
        x = self.tensor(self.integer(1, 40), self.integer(1, 500))

        def run() -> Any:
            y = pb.sigmoid(pb.relu(x))
            y.backward(Tensor(np.ones(x.shape, self.dtype)))
            return y.data, x.grad.data

        return run, (x,)

    def recurrent(self) -> Any:
        kind, lengths = self.one("LSTM", "GRU"), sorted(self.integer(1, 4) for _ in range(self.integer(1, 9)))[::-1]
        layer = getattr(nn, kind)(self.integer(1, 5), self.integer(1, 40), bidirectional=self.one(True, False))
        x = self.tensor(sum(lengths), layer.input_size)
        layer.to(np.dtype(self.dtype))
        sizes = np.array([sum(n > t for n in lengths) for t in range(lengths[0])])

        def run() -> Any:
            y, last = layer(PackedSequence(x / 4, sizes))
            (y.data * y.data).sum().backward()
            return y.data.data, last[0].data, x.grad.data

        return run, (x,)

    def places(self) -> Any:
        """What comes back to windows, with a choice of the caller's."""
        geo = self.geometry(pooling=True)
        geo = geometry("case", geo.spatial, tuple(min(k, n) for k, n in zip(geo.kernel, geo.spatial, strict=True)))
        shape = (self.integer(1, 3), self.integer(1, 3), *geo.out)
        choice = self.rng.integers(0, math.prod(geo.kernel), shape).astype(self.one(np.uint8, np.int64))
        y = self.array(*shape)
        return lambda: (window_place.function(y, choice, geo=geo),), ()


def main(seed: int, count: int) -> None:
    cases, launches, done = Cases(seed), 0, 0
    plain = launch._launch

    def counted(*given: Any) -> None:
        nonlocal launches
        launches += 1
        plain(*given)

    launch._launch = counted
    names = [name for name in vars(Cases) if name not in ("one", "integer", "array", "tensor", "geometry", "settings")]
    names = [name for name in names if not name.startswith("_") and name != "convolution"]
    while done < count:
        name, cases.dtype = cases.one(*names), cases.one(np.float32, np.float64)
        pb.set_num_threads(cases.one(1, 1, 2, 3))
        run, leaves = getattr(cases, name)()
        if run is None:
            continue
        results = []
        for enabled in (True, False):
            llvm._enabled = enabled
            for leaf in leaves:
                leaf.grad = None
            results.append(run())
        llvm._enabled = True
        for mine, expected in zip(*results, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-4, err_msg=name)
        done += 1
    print(done, launches)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
