"""The convolution trio by NumPy: matrix products with columns, im2col(X), made in blocks that stay in the cache."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..runtime import memory
from ..runtime.threads import parallel
from .geometry import BLOCK, Geometry, padded, sample_blocks, taps, windows
from .sample_merging import merges_inputs, merges_pairs

__all__ = ["conv", "conv_weight"]

_WIDE = 256  # windows that a matrix product needs to run at full speed
_SUMS = 16  # into so many the terms of a weight's gradient are added, before these are


def _blocks(samples: int, width: int, geo: Geometry, itemsize: int) -> list[tuple[slice, list[slice]]]:
    """Ranges of samples, and of rows of windows, of which `width` numbers a window together fit a block.

    For the sake of matrix products a block has at least `_WIDE` windows, where there are so many.
    """
    count = math.prod(geo.out)
    sample_bytes = width * count * itemsize
    parts = max(1, min(geo.out[0], -(-sample_bytes // BLOCK), count // _WIDE))
    bounds = [geo.out[0] * part // parts for part in range(parts + 1)]
    rows = [slice(*ends) for ends in itertools.pairwise(bounds)]
    return [(block, rows) for block in sample_blocks(samples, sample_bytes)]


def _places(rows: slice, geo: Geometry) -> slice:
    """The positions, among all windows in row-major order, of whole rows."""
    inner = math.prod(geo.out[1:])
    return slice(rows.start * inner, rows.stop * inner)


def _by_group(w: Any, groups: int) -> Any:
    """Weights (K, C/groups, *kernel) as matrices (groups, K/groups, C/groups * prod(kernel))."""
    return w.reshape(groups, w.shape[0] // groups, math.prod(w.shape[1:]))


def _scratch() -> tuple[Any, Any]:
    """As `np.zeros` and `np.empty`, but each gives the same array again for the same shape."""
    return functools.cache(np.zeros), functools.cache(np.empty)


def _columns(
    blocks: Any, x: Any, geo: Geometry, groups: int, zeros: Any, empty: Any
) -> Iterator[tuple[slice, slice, Any]]:
    """im2col block by block: samples, positions, columns (n, groups, depth, l)."""
    depth = x.shape[1] // groups * math.prod(geo.kernel)
    for samples, ranges in blocks:
        block = padded(x[samples], geo.padding, zeros)
        for rows in ranges:
            cols, places = windows(block, geo, rows), _places(rows, geo)
            if set(geo.kernel + geo.stride) != {1}:
                copied = empty(cols.shape, x.dtype)
                copied[...] = cols
                cols = copied
            yield samples, places, cols.reshape(len(block), groups, depth, places.stop - places.start)


def _by_columns(x: Any, geo: Geometry, outs: int) -> list[tuple[slice, list[slice]]]:
    """The blocks for columns of x and `outs` results of each."""
    return _blocks(len(x), x.shape[1] * math.prod(geo.kernel) + outs, geo, x.itemsize)


def _by_rows(x: Any, w: Any, bias: Any, y: Any, geo: Geometry, groups: int) -> None:
    """Fill y (N, groups, K/groups, L) with a convolution of stride 1 along the first axis, as sum_i W_i cols_i.

    Here cols_i are the columns for the i-th row of the kernel. They are the same for all i but for a shift by whole
    rows, which lands them in other rows of the result: one copy of the input serves all, and so does one matrix
    product, with the W_i on top of one another, where W has few rows (which make a product slow).
    """
    count, outs, step = geo.kernel[0], w.shape[0] // groups, geo.dilation[0]
    before, inner = geo.padding[0][0], math.prod(geo.out[1:])
    parts = w.reshape(groups, outs, w.shape[1], count, -1).transpose(0, 3, 1, 2, 4).reshape(groups, count, outs, -1)
    row = geo._replace(
        kernel=(1, *geo.kernel[1:]), padding=((0, 0), *geo.padding[1:]), out=(geo.spatial[0], *geo.out[1:])
    )
    together = count if outs < 64 else 1

    def work(blocks: Any) -> None:
        zeros, empty = _scratch()
        for samples, ranges in blocks:
            y[samples] = bias
            for rows in ranges:
                n, length = samples.stop - samples.start, rows.stop - rows.start
                cols = zeros((n, x.shape[1], *row.kernel[1:], length, *geo.out[1:]), x.dtype)
                for offset, inside, met in taps(row, rows):
                    cols[:, :, *offset[1:]][met] = x[samples][inside]
                cols = cols.reshape(n, groups, parts.shape[3], length * inner)
                if outs < 64:
                    room = empty((n, groups, count * outs, length * inner), y.dtype)
                    products = np.matmul(parts.reshape(groups, count * outs, parts.shape[3]), cols, out=room)
                for i in range(count):
                    later = before - i * step
                    low, high = max(0, rows.start + later), min(geo.out[0], rows.stop + later)
                    if low < high:
                        at = slice((low - later - rows.start) * inner, (high - later - rows.start) * inner)
                        if outs < 64:
                            product = products[:, :, i * outs : (i + 1) * outs, at]
                        else:
                            room = empty((n, groups, outs, at.stop - at.start), y.dtype)
                            product = np.matmul(parts[:, i], cols[..., at], out=room)
                        y[samples, :, :, low * inner : high * inner] += product

    width = x.shape[1] * math.prod(row.kernel) + groups * outs * together
    parallel(work, _blocks(len(x), width, row, x.itemsize))


def conv(x: Any, w: Any, b: Any, geo: Geometry, groups: int) -> Any:
    """As `convolution.conv`."""
    return _conv(x, w, b, geo, groups)[0]


@merges_inputs(_WIDE)
def _conv(x: Any, w: Any, b: Any, geo: Geometry, groups: int) -> tuple[Any]:
    w = np.ascontiguousarray(w)  # BLAS takes no negative strides
    matrix = _by_group(w, groups)
    outs = matrix.shape[1]
    bias = 0 if b is None else b.reshape(groups, outs, 1)
    y = memory.empty((len(x), groups, outs, math.prod(geo.out)), np.result_type(x, w, 0 if b is None else b))
    if geo.stride[0] == 1 and geo.kernel[0] > 1 and w.shape[1] * math.prod(geo.kernel[1:]) >= 32:
        _by_rows(x, w, bias, y, geo, groups)
    else:

        def work(blocks: Any) -> None:
            for samples, places, cols in _columns(blocks, x, geo, groups, *_scratch()):
                block = np.matmul(matrix, cols, out=y[samples, :, :, places])
                block += bias

        parallel(work, _by_columns(x, geo, groups * outs))
    return (y.reshape(len(x), len(w), *geo.out),)


@merges_pairs(_WIDE)
def conv_weight(x: Any, y: Any, geo: Geometry, groups: int) -> Any:
    """As `convolution.conv_weight`."""
    channels, outs = x.shape[1] // groups, y.shape[1] // groups
    y = y.reshape(len(y), groups, outs, math.prod(geo.out))
    blocks = _by_columns(x, geo, groups * outs)
    shape = (groups, channels * math.prod(geo.kernel), outs)
    count = max(1, min(len(blocks), _SUMS, _SUMS * BLOCK // max(1, math.prod(shape) * x.itemsize)))
    sums = np.zeros((count, *shape), np.result_type(x, y))

    def work(numbers: Any) -> None:
        scratch = _scratch()
        for i in numbers:
            for samples, places, cols in _columns(blocks[i::count], x, geo, groups, *scratch):
                sums[i] += np.add.reduce(np.matmul(cols, y[samples, :, :, places].mT), axis=0)  # dW^T: faster than dW

    parallel(work, range(count))
    w = np.add.reduce(sums, axis=0)
    return np.ascontiguousarray(w.mT).reshape(groups * outs, channels, *geo.kernel)
