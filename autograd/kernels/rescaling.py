"""(x - mean) * scale + bias, with a number of each for every index of one axis, in one pass through memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import positive, reads, writes
from ..runtime.llvm import IRValue, KernelBuilder, available, kernel

__all__ = ["rescaled"]

_LEAST, _PART = 1 << 9, 1 << 14  # entries for which machine code pays; those of a part, about


@kernel(
    "parts <= -(-rows // each) and (along or rows % channels == 0) and (not along or length == channels)",
    x=reads("rows * length"),
    y=writes("rows * length"),
    **dict.fromkeys(("mean", "scale", "bias"), reads("channels")),
    **dict.fromkeys(("rows", "length", "channels", "each"), positive),
)
def _rescaled(code: KernelBuilder, along: bool) -> None:
    """Rows of one channel, or `along` all channels in each."""
    x, y, *given, rows, length, channels, each = code.arguments
    first, end = code.part * each, code.part * each + each

    def row(r: IRValue) -> None:
        at, to, whole = x + r * length, y + r * length, length - length % code.lanes
        numbers = [] if along else [code.filled(a[r % channels]) for a in given]

        def vector(j: IRValue, mask: IRValue | None = None) -> None:
            mean, scale, bias = [code.load(a + j, mask) for a in given] if along else numbers
            code.store(to + j, code.fma(code.load(at + j, mask) - mean, scale, bias), mask)

        code.loop(0, whole, code.lanes, vector)
        code.loop(whole, length, code.lanes, lambda j: vector(j, code.first(length - j)))

    code.loop(first, end.if_less(rows, end, rows), 1, row)


def rescaled(x: Any, mean: Any, scale: Any, bias: Any) -> Any:
    """The result, broadcast; by machine code where there is one axis along which the others differ."""
    shape = np.shape(mean)
    differ = [i for i, n in enumerate(shape) if n > 1]
    if (
        x.size < _LEAST
        or len(differ) != 1
        or not shape == np.shape(scale) == np.shape(bias)
        or len(shape) > x.ndim
        or x.shape[differ[0] - len(shape)] != shape[differ[0]]
        or not available(x, mean, scale, bias)
    ):
        return (x - mean) * scale + bias
    channels, length = shape[differ[0]], math.prod(x.shape[x.ndim - len(shape) + differ[0] + 1 :])
    along = length == 1
    length = channels if along else length
    x, mean, scale, bias = map(np.ascontiguousarray, (x, mean, scale, bias))
    rows, each, y = x.size // length, -(-_PART // length), memory.empty(x.shape, x.dtype)
    sizes = {"rows": rows, "length": length, "channels": channels, "each": each}
    given = {"x": x, "y": y, "mean": mean, "scale": scale, "bias": bias}
    launch.run(_rescaled(x.dtype, along), -(-rows // each), 2 * x.size, **given, **sizes)
    return y
