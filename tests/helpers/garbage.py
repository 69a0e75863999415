"""Calls of every primitive with arguments that make no sense, none of which may end it: garbage.py SEED COUNT."""

import sys
import warnings
from typing import Any

import numpy as np

import pullback as pb
from pullback import Tensor
from pullback.autograd.core.primitive import registry
from pullback.autograd.kernels import fused_elementwise, gemm, sums
from pullback.autograd.kernels.geometry import Geometry
from pullback.autograd.ops import elementwise
from pullback.autograd.runtime import launch
from pullback.autograd.runtime.arguments import LaunchError
from pullback.testing import strategies

launch.WORTH = 1e-9  # small work goes to all threads, and all of it to machine code
elementwise._MANY = fused_elementwise._LEAST = gemm._SIZE = gemm._ROWS = sums._LEAST = 1
WINDOWS = (
    *("conv", "conv_transpose", "conv_weight", "max_pool", "window_place", "window_select", "window_sum"),
    *("window_spread", "im2col", "col2im", "box_sum", "adaptive_max_pool", "max_unpool", "flat_take"),
)


class Plain(strategies.Draw):
    """Draws without Hypothesis, which would want to see all again that goes wrong."""

    def __init__(self, rng: Any) -> None:
        self.rng, self._complex = rng, False

    def one_of(self, choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def flag(self) -> bool:
        return self.one_of([False, True])

    def permutation(self, n: int) -> Any:
        return tuple(self.rng.permutation(n).tolist())

    def integers(self, shape: Any, low: int, high: int) -> Any:
        return self.rng.integers(low, high + 1, shape)

    def mask(self, shape: Any) -> Any:
        return self.rng.random(shape) < 0.5

    def index(self, shape: Any) -> Any:
        return tuple(self.integer(-n, n - 1) if n else slice(None) for n in shape)

    def _entries(self, choices: Any, shape: Any, dtype: Any, unique: bool = False) -> Any:
        return self.rng.choice(choices, shape, replace=not unique).astype(dtype)


class Garbage:
    def __init__(self, seed: int) -> None:
        self.rng, self.far = np.random.default_rng(seed), False

    def one(self, *among: Any) -> Any:
        return among[self.rng.integers(len(among))]

    def number(self) -> Any:
        few, far = (0, 1, 1, 2, 2, 3, 4, 5, 7, 9, -1, -3), (1 << 50, 1 << 61, -(1 << 62))
        return self.one(*few, *far * self.far, 1.5, None, True, np.int64(3))

    def small(self) -> int:
        return self.one(1, 1, 2, 2, 3, 4, 5)

    def shape(self) -> tuple[int, ...]:
        return tuple(self.one(0, 1, 1, 2, 3, 4, 5, 6, 9) for _ in range(self.one(0, 1, 2, 3, 4, 5)))

    def array(self, shape: Any = None) -> Any:
        shape = self.shape() if shape is None else shape
        dtype = self.one("f4", "f4", "f4", "f8", "f8", "u1", "i8", "i4", "u8", "?", "c8", ">f4", "f2", "O")
        a = self.rng.integers(-3, 9, shape).astype(dtype)
        if a.dtype.kind in "iu" and self.one(True, False):
            a = a % self.one(1, 2, 4, 9)
        kind = self.one("plain", "plain", "turned", "reversed", "broadcast", "read-only", "far", "Tensor", "unaligned")
        if kind == "turned":
            return a.T.copy().T
        if kind == "reversed" and a.ndim:
            return a[..., ::-1]
        if kind == "broadcast" and a.ndim:
            return np.broadcast_to(a[:1], a.shape)
        if kind == "unaligned" and a.dtype != object:
            room = np.zeros(a.nbytes + 1, "u1")[1:].view(a.dtype).reshape(a.shape)
            room[...] = a
            return room
        if kind == "far" and a.size and a.dtype.kind in "iu":
            a.reshape(-1)[-1] = self.one(250, np.iinfo(a.dtype).max, np.iinfo(a.dtype).min)
        if kind == "Tensor" and a.dtype.kind == "f" and a.dtype.isnative:
            return Tensor(a, requires_grad=True)
        a.flags.writeable = kind != "read-only"
        return a

    def geometry(self, nearly: Any = None) -> Any:
        """A geometry of any settings, or one with a setting changed."""
        if nearly is not None and self.one(True, True, False):
            setting, axes = self.one(*Geometry._fields), len(nearly.spatial)
            values = list(getattr(nearly, setting))
            if values:
                at = self.rng.integers(len(values))
                values[at] = (self.number(), self.number()) if setting == "padding" else self.number()
            return nearly._replace(**{setting: tuple(values)})
        axes = self.one(0, 1, 2, 2, 3)
        settings = [tuple(self.one(self.small(), self.small(), self.number()) for _ in range(axes)) for _ in range(6)]
        settings[3] = tuple((self.one(0, 1, self.number()), self.one(0, 1)) for _ in range(axes))
        return self.one(Geometry(*settings), Geometry(*settings), None, (2, 2), 3)

    def changed(self, value: Any, given: Any) -> Any:
        """Something else in place of an argument."""
        if isinstance(value, Geometry):
            return self.geometry(value)
        if isinstance(value, np.ndarray):
            how = self.one("shape", "shape", "entries", "cut", "dtype", "any", "other")
            if how == "shape" and value.ndim:
                shape = list(value.shape)
                shape[self.rng.integers(len(shape))] = self.one(0, 1, 2, 3, 5, 8)
                return np.ones(shape, value.dtype)
            if how == "entries" and value.size and value.dtype.kind in "iu":
                value = value.copy()
                limits = np.iinfo(value.dtype)
                value.reshape(-1)[self.rng.integers(value.size)] = self.one(limits.max, limits.min, limits.max // 2, 9)
                return value
            if how == "cut" and value.ndim:
                return value[: len(value) // 2]
            if how == "dtype":
                return value.astype(self.one("f4", "f8", "u1", "i8", "u8", ">f8"), copy=False)
            if how == "other":
                return self.one(*given)
            return self.array(self.one(value.shape, None))
        if isinstance(value, tuple):
            return tuple(self.number() for _ in value) if self.one(True, False) else self.one((), (2,), 3, (1 << 40, 2))
        return self.one(self.number(), self.array(), (), "x")


def main(seed: int, count: int) -> None:
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    garbage, computed = Garbage(seed), 0
    names = [*registry, *WINDOWS * (len(registry) // len(WINDOWS))]
    for _ in range(count):
        primitive = registry[garbage.one(*names)]
        pb.set_num_threads(garbage.one(1, 2))
        garbage.far = primitive.name in WINDOWS  # of a derivative's order so many would take so many steps
        call = garbage.one(primitive.apply, primitive.function, primitive.apply)
        try:
            if garbage.one(True, True, True, False) and primitive.samples:
                arrays, options = primitive.samples(Plain(garbage.rng))
            else:
                arrays = tuple(garbage.array() for _ in primitive.arrays)
                options = {o: garbage.one(garbage.geometry(), garbage.number()) for o in primitive.options}
            arrays, options = list(arrays), dict(options)
            for _ in range(garbage.one(1, 1, 2)):
                place = garbage.rng.integers(len(arrays) + len(options))
                if place < len(arrays):
                    arrays[place] = garbage.changed(arrays[place], arrays)
                else:
                    name = list(options)[place - len(arrays)]
                    options[name] = garbage.changed(options[name], arrays)
            call(*arrays, **options)
            computed += 1
        except LaunchError:
            raise
        except Exception:
            pass
    print(count, computed)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
