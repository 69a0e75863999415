"""Memory that is used again: never while anything holds it, always afterwards, and not without bound."""

import os
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.autograd.runtime import memory

SHAPE = (memory.LARGE // 4,)


def address(array):
    return array.__array_interface__["data"][0]


def test_freed_memory_is_used_again():
    a = memory.empty(SHAPE, np.float32)
    where = address(a)
    del a
    assert address(memory.empty(SHAPE, np.float32)) == where


def test_memory_that_an_array_or_a_view_holds_is_not():
    a = memory.empty(SHAPE, np.float32)
    b = memory.empty(SHAPE, np.float32)
    assert not np.shares_memory(a, b)
    view = a.reshape(2, -1)[1, ::3]
    a[:] = 1
    del a
    c = memory.empty(SHAPE, np.float32)
    c[:] = 2
    assert not np.shares_memory(view, c) and (view == 1).all()


def test_small_arrays_are_numpys_own():
    assert memory.empty((3,), np.float32).base is None


def test_idle_memory_is_bounded(monkeypatch):
    """Three blocks of just over a quarter of the bound, and the new one."""
    monkeypatch.setattr(memory, "_IDLE", 4 * memory.LARGE)
    monkeypatch.setattr(memory, "_pool", memory._Pool())
    for i in range(1, 20):
        memory.empty((memory.LARGE + i,), np.uint8)
        assert sum(map(len, memory._pool.blocks.values())) == min(i, 4)


def test_threads_have_their_own():
    a = memory.empty(SHAPE, np.float32)
    where = address(a)
    del a
    seen = []
    thread = threading.Thread(target=lambda: seen.append(address(memory.empty(SHAPE, np.float32))))
    thread.start()
    thread.join()
    assert seen[0] != where


def test_parts_cover_the_first_axis():
    for shape in ((1,), (7, memory.LARGE), (1000, 999)):
        covered = np.concatenate([np.arange(shape[0])[part] for part in memory.parts(shape)])
        assert np.array_equal(covered, np.arange(shape[0]))


def test_large_relu_and_its_gradient():
    x = pb.Tensor(np.random.default_rng(0).standard_normal((300, 2000)).astype(np.float32), requires_grad=True)
    g = np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    first, second = pb.relu(x), pb.relu(x * 2.0)
    (first + second).backward(g)
    assert np.array_equal(first.data, np.maximum(x.data, 0)) and np.array_equal(second.data, np.maximum(2 * x.data, 0))
    assert np.array_equal(x.grad.data, np.where(x.data > 0, 3 * g, 0))


def test_large_gradients_are_not_copied_and_not_used_again():
    x, w = np.ones((4, 3000), "float32"), Tensor(np.ones((3000, 500), "float32"), requires_grad=True)
    kept = []
    for i in range(4):
        w.grad = None
        (Tensor(x * i) @ w).sum().backward()
        kept.append(w.grad._held)
        assert memory._pool.holds(kept[-1].base)
    for i, g in enumerate(kept):
        np.testing.assert_array_equal(g, 4.0 * i)
        assert not any(np.shares_memory(g, other) for other in kept[:i])


def test_what_is_owned():
    a = memory.empty((600, 600), "float64")
    assert memory.owned(a) and memory.owned(np.ones(3))
    assert not memory.owned(a[1:]) and not memory.owned(a[:, 1:]) and not memory.owned(a.T)
    view = a[:]
    assert not memory.owned(a) and not memory.owned(view)
    del a
    assert memory.owned(view)
    assert not memory.owned(np.broadcast_to(np.ones(3), (2, 3))) and not memory.owned(np.arange(6.0)[::2])


FAULTS = """
import resource
import numpy as np
import pullback

def step():
    held = [np.ones(50_000, np.float32) for _ in range(20)]  # 200 kB each, 4 MB together

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(5):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's malloc")
def test_small_arrays_that_are_freed_together_are_not_faulted_in_again():
    """Else that would be half of the 1,000 pages of each step, or all of them."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, env=own)
    assert int(ran.stdout) < 1000
