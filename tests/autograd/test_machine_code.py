"""Machine code that is dropped, as when two threads have compiled the same, or a cache is full."""

import gc

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from pullback.autograd import machine


def doubled():
    code = machine.Code("doubled", "X Y count", np.float64)
    x, y, count = code.arguments

    def part(i):
        mask = code.first(count - i)
        code.store(y + i, code.load(x + i, mask) * 2.0, mask)

    code.loop(0, count, code.lanes, part)
    return code.compiled()


def test_dropped_code_leaves_the_rest_alone():
    kept = doubled()
    for _ in range(5):
        x, y = np.arange(11.0), np.empty(11)
        doubled()(machine.address(x), machine.address(y), 11)
        gc.collect()
        np.testing.assert_array_equal(y, 2 * np.arange(11.0))
    y = np.empty(11)
    kept(machine.address(x), machine.address(y), 11)
    np.testing.assert_array_equal(y, 2 * np.arange(11.0))
