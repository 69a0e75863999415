"""Machine code beside the same operations by NumPy alone."""

import gc
import math
import os
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback import Tensor, enable_grad, nn, no_grad, optim
from pullback.autograd.core.primitive import registry
from pullback.autograd.kernels import box_windows, conv_native, conv_weight_native, max_pool_native
from pullback.autograd.kernels.conv_native import tile_of
from pullback.autograd.kernels.fused_elementwise import fused
from pullback.autograd.kernels.geometry import Geometry, geometry
from pullback.autograd.ops import elementwise
from pullback.autograd.ops.adaptive_pooling import adaptive_max_pool, box_sum
from pullback.autograd.ops.convolution import conv, conv_transpose, conv_weight
from pullback.autograd.ops.fused_conv import convolved
from pullback.autograd.ops.pooling import flat_take, max_pool, max_unpool, window_place, window_spread, window_sum
from pullback.autograd.runtime import code_cache, launch, llvm
from pullback.autograd.runtime.arguments import natural, reads, writes
from pullback.testing import check_primitive

pytestmark = pytest.mark.skipif(not llvm.available(np.ones(1)), reason="no machine code")
DTYPES = ("float32", "float64")
BY_MACHINE = (
    *("conv", "conv_transpose", "conv_weight", "max_pool", "window_place", "window_sum", "window_spread"),
    *("box_sum", "adaptive_max_pool", "max_unpool", "flat_take"),
)


@pytest.fixture
def by_numpy(monkeypatch):
    """A call without machine code."""

    def call(f: Any, *args: Any, **options: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(llvm, "_enabled", False)
            return f(*args, **options)

    return call


@st.composite
def geometries(draw: Any, pooling: bool = False) -> Geometry:
    axes = draw(st.integers(1, 3))
    most = {1: 80, 2: 24, 3: 7}[axes]
    kernel, stride, dilation = (tuple(draw(st.integers(1, n)) for _ in range(axes)) for n in (5, 3, 3))
    pads = []
    for k, d in zip(kernel, dilation, strict=True):
        limit = (d * (k - 1) + 1) // 2 if pooling else 4
        pads.append((draw(st.integers(0, limit)), draw(st.integers(0, limit))))
    spatial = tuple(
        max(1, d * (k - 1) + 1 - b - a) + draw(st.integers(0, most))
        for k, d, (b, a) in zip(kernel, dilation, pads, strict=True)
    )
    return geometry("test", spatial, kernel, stride, tuple(pads), dilation)


def close(a: Any, b: Any, terms: int) -> None:
    """Equal but for rounding in sums of so many terms, which are of size 1."""
    assert a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=4 * np.finfo(a.dtype).eps * max(4, terms))


def normal(seed: int, dtype: str, *shape: int) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def special(seed: int, dtype: str, *shape: int) -> Any:
    """Small integers, many of them equal, and here and there an infinity or NaN."""
    rng, often = np.random.default_rng(seed), [0, 1, 2] * 16
    return rng.choice(np.array([*often, np.inf, -np.inf, np.nan], dtype), shape)


NUMBERS = st.sampled_from([normal, special])


@given(
    geometries(), st.integers(1, 5), st.integers(1, 3), st.integers(1, 20), st.integers(1, 3), st.sampled_from(DTYPES)
)
@settings(max_examples=100, deadline=None)
def test_the_convolution_trio(geo, n, channels, outs, groups, dtype):
    x, w = normal(0, dtype, n, groups * channels, *geo.spatial), normal(1, dtype, groups * outs, channels, *geo.kernel)
    y, b = normal(2, dtype, n, groups * outs, *geo.out), normal(3, dtype, groups * outs)
    depth, windows = channels * math.prod(geo.kernel), math.prod(geo.out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llvm, "_enabled", False)
        expected = (
            conv.function(x, w, b, geo=geo, groups=groups),
            conv_transpose.function(y, w, geo=geo, groups=groups),
            conv_weight.function(x, y, geo=geo, groups=groups),
        )
    close(conv.function(x, w, b, geo=geo, groups=groups), expected[0], depth)
    close(conv_transpose.function(y, w, geo=geo, groups=groups), expected[1], outs * math.prod(geo.kernel))
    close(conv_weight.function(x, y, geo=geo, groups=groups), expected[2], n * windows)


@pytest.mark.parametrize(
    ("n", "channels", "outs", "spatial", "kernel", "stride", "padding", "groups"),
    [
        (2, 40, 64, (60, 50), 3, 1, 1, 1),  # lines of more than a block: rows in parts
        (1, 8, 8, (224, 224), 3, 1, 1, 1),
        (1, 8, 8, (300, 301), 1, 1, 0, 1),  # parts that are not copied
        (3, 16, 200, (9, 11), (3, 5), (2, 1), (1, 2), 1),
        (2, 32, 32, (30, 30), 3, 2, 1, 32),
        (70, 3, 4, (2, 2), 2, 1, 0, 1),  # samples taken together
        (2, 4, 16, (5000,), 9, 4, 3, 1),
        (2, 3, 7, (12, 13, 14), (3, 2, 3), 1, 1, 1),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_convolutions(by_numpy, n, channels, outs, spatial, kernel, stride, padding, groups, dtype):
    geo = geometry("test", spatial, kernel if isinstance(kernel, tuple) else (kernel,) * len(spatial), stride, padding)
    x, w = normal(0, dtype, n, channels, *spatial), normal(1, dtype, outs, channels // groups, *geo.kernel)
    y = conv.function(x, w, None, geo=geo, groups=groups)
    close(y, by_numpy(conv.function, x, w, None, geo=geo, groups=groups), math.prod(w.shape[1:]))
    g = normal(2, dtype, *y.shape)
    back = conv_transpose.function(g, w, geo=geo, groups=groups)
    close(back, by_numpy(conv_transpose.function, g, w, geo=geo, groups=groups), outs * math.prod(geo.kernel))
    weight = conv_weight.function(x, g, geo=geo, groups=groups)
    close(weight, by_numpy(conv_weight.function, x, g, geo=geo, groups=groups), n * math.prod(geo.out))


@pytest.fixture
def lines_written(monkeypatch):
    """The lengths of what is compiled, none of which is found on disk, nor was made before."""
    lengths: list[int] = []
    assembled = llvm.assembled
    monkeypatch.setattr(code_cache, "read", lambda key: None)
    monkeypatch.setattr(
        llvm, "assembled", lambda text, names: lengths.append(text.count("\n")) or assembled(text, names)
    )
    forget()
    return lengths


def forget() -> None:
    """No kernel was made before, nor a plan that has one."""
    for module in (conv_native, conv_weight_native, max_pool_native, box_windows):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


@pytest.mark.parametrize("stride", [1, 8, 9, 20_000])
@pytest.mark.parametrize("axes", [1, 2])
def test_large_strides_need_no_more_code(by_numpy, lines_written, stride, axes):
    spatial, kernel = ((40 * stride + 2,), (4, 35 * stride + 2))[axes - 1], ((3,), (2, 3))[axes - 1]
    geo = geometry("test", spatial, kernel, (3, stride)[-axes:], (1, stride + 1)[-axes:], (1, stride // 3 + 1)[-axes:])
    x, w = normal(0, "float32", 1, 2, *geo.spatial), normal(1, "float32", 5, 2, *geo.kernel)
    y = normal(2, "float32", 1, 5, *geo.out)
    terms = 5 * math.prod(geo.kernel + geo.out)
    for function, *arrays in ((conv, x, w, None), (conv_weight, x, y), (conv_transpose, y, w)):
        close(*(run(function.function, *arrays, geo=geo, groups=1) for run in (called, by_numpy)), terms)
    edge = geometry("test", (1, 5 * stride), (2, 2), (2, stride), 1, (2, 1))  # some windows are padding
    x = special(3, "float32", 2, 3, *edge.spatial)
    for mine, expected in zip(*(run(max_pool.function, x, geo=edge) for run in (called, by_numpy)), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert len(lines_written) >= 3 and max(lines_written) < 4000


def called(f: Any, *args: Any, **options: Any) -> Any:
    return f(*args, **options)


@pytest.mark.parametrize("tile", [(8, 8), (64, 1), (1, 8), (1, 9), (1, 64), (64,), (2, 200), (200, 2), (4, 4, 4)])
@pytest.mark.parametrize("recorded", [True, False])
def test_large_tiles_need_no_more_code(by_numpy, lines_written, tile, recorded):
    spatial = tuple(2 * t + 1 for t in tile)
    x, w = normal(0, "float32", 2, 2, *spatial), normal(1, "float32", 3, 2, *(1,) * len(tile))
    found = []
    for run in (called, by_numpy):
        leaf = Tensor(x, requires_grad=recorded)
        with enable_grad() if recorded else no_grad():
            y = run(convolved, leaf, w, bias=None, rectified=True, pooling=(tile,))
        found.append((y.data, run((y * y).sum().backward) or leaf.grad.data) if recorded else (y.data,))
    for mine, expected in zip(*found, strict=True):
        close(mine, expected, 20)
    assert lines_written and max(lines_written) < 4000


@pytest.fixture(params=[(32, 16), (16, 32), (16, 16)], ids=str)
def narrower(request, monkeypatch):
    """The code for CPUs with shorter or fewer registers, which this one runs as well."""
    for module in (llvm, conv_native, conv_weight_native):
        monkeypatch.setattr(module, "registers", lambda: request.param)
    forget()
    yield
    forget()


@pytest.mark.parametrize("outs", [1, 5, 24])
@pytest.mark.parametrize("dtype", DTYPES)
def test_other_registers(by_numpy, narrower, outs, dtype):
    geo = geometry("test", (19, 23), (3, 4), (1, 2), (1, 2))
    x, w, b = normal(0, dtype, 3, 4, 19, 23), normal(1, dtype, outs, 4, 3, 4), normal(2, dtype, outs)
    y = conv.function(x, w, b, geo=geo, groups=1)
    close(y, by_numpy(conv.function, x, w, b, geo=geo, groups=1), 48)
    g, terms = normal(3, dtype, *y.shape), 3 * math.prod(geo.out)
    close(conv_weight.function(x, g, geo=geo, groups=1), by_numpy(conv_weight.function, x, g, geo=geo, groups=1), terms)
    out, choice = max_pool.function(x, geo=geo)
    for mine, expected in zip((out, choice), by_numpy(max_pool.function, x, geo=geo), strict=True):
        np.testing.assert_array_equal(mine, expected)
    close(window_place.function(out, choice, geo=geo), by_numpy(window_place.function, out, choice, geo=geo), 12)
    close(window_sum.function(x, geo=geo), by_numpy(window_sum.function, x, geo=geo), 12)
    close(window_spread.function(out, geo=geo), by_numpy(window_spread.function, out, geo=geo), 12)
    for sizes in ((5, 4), (30, 40)):
        close(box_sum.function(x, sizes=sizes), by_numpy(box_sum.function, x, sizes=sizes), 42)
        best, places = adaptive_max_pool.function(x, sizes=sizes)
        for mine, expected in zip((best, places), by_numpy(adaptive_max_pool.function, x, sizes=sizes), strict=True):
            np.testing.assert_array_equal(mine, expected)
        np.testing.assert_array_equal(flat_take.function(x, places), best)
        back = max_unpool.function(best, places, spatial_shape=(19, 23))
        np.testing.assert_array_equal(back, by_numpy(max_unpool.function, best, places, spatial_shape=(19, 23)))


def test_what_is_not_finite_stays_in_its_windows():
    x = np.ones((1, 2, 20, 40), "float32")
    x[0, 0, 5, 7], x[0, 1, 12, 30] = np.inf, np.nan
    y = conv.function(x, np.ones((16, 2, 3, 3), "float32"), None, geo=geometry("test", (20, 40), (3, 3)), groups=1)
    expected = np.full((18, 38), 18.0)
    expected[3:6, 5:8], expected[10:13, 28:31] = np.inf, np.nan
    np.testing.assert_array_equal(y[0], np.broadcast_to(expected, (16, 18, 38)))


@given(geometries(pooling=True), *[st.integers(1, 3)] * 2, st.sampled_from(DTYPES), NUMBERS, st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_pooling_to_the_bit(geo, n, channels, dtype, numbers, seed):
    x = numbers(seed, dtype, n, channels, *geo.spatial)
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(llvm, "_enabled", False)
        expected, places = max_pool.function(x, geo=geo)
        g = normal(5, dtype, *expected.shape)
        back = window_place.function(g, places, geo=geo)
    out, choice = max_pool.function(x, geo=geo)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(choice, places)
    close(window_place.function(g, choice, geo=geo), back, math.prod(geo.kernel))


def both(f: Any, *args: Any, **options: Any) -> tuple[Any, Any]:
    """A call with machine code and one without."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # for all threads, as np.errstate is not
        mine = f(*args, **options)
        patch.setattr(llvm, "_enabled", False)
        return mine, f(*args, **options)


@given(geometries(pooling=True), *[st.integers(1, 40)] * 2, st.sampled_from(DTYPES), NUMBERS)
@settings(max_examples=100, deadline=None)
def test_sums_of_windows(geo, n, channels, dtype, numbers):
    terms = 4 * math.prod(geo.kernel)
    close(*both(window_sum.function, numbers(0, dtype, n, channels, *geo.spatial), geo=geo), terms)
    close(*both(window_spread.function, numbers(1, dtype, n, channels, *geo.out), geo=geo), terms)


@given(
    *[st.lists(st.integers(1, 30), min_size=1, max_size=3)] * 2,
    *[st.integers(1, 20)] * 2,
    st.sampled_from(DTYPES),
    NUMBERS,
)
@settings(max_examples=100, deadline=None)
def test_adaptive_pooling(spatial, sizes, n, channels, dtype, numbers):
    axes = min(len(spatial), len(sizes))
    spatial, sizes = tuple(spatial[:axes]), tuple(sizes[:axes])
    x = numbers(0, dtype, n, channels, *spatial)
    close(*both(box_sum.function, x, sizes=sizes), 4 * math.prod(spatial))
    (best, places), expected = both(adaptive_max_pool.function, x, sizes=sizes)
    np.testing.assert_array_equal(best, expected[0])
    np.testing.assert_array_equal(places, expected[1])
    np.testing.assert_array_equal(*both(flat_take.function, x, places))
    np.testing.assert_array_equal(*both(max_unpool.function, best, places, spatial_shape=spatial))


@pytest.mark.parametrize(
    ("spatial", "kernel", "stride", "padding", "dilation"),
    [((40, 45), (7, 8), (5, 6), ((0, 3), (1, 2)), (1, 2)), ((50, 60), 17, 3, 8, 1), ((24,), 24, 24, 0, 1)],
)
@pytest.mark.parametrize("numbers", [normal, special])
def test_pooling_of_large_windows_to_the_bit(spatial, kernel, stride, padding, dilation, numbers):
    geo = geometry("test", spatial, kernel, stride, padding, dilation)
    x = numbers(0, "float32", 3, 5, *spatial)
    (out, choice), expected = both(max_pool.function, x, geo=geo)
    np.testing.assert_array_equal(out, expected[0])
    np.testing.assert_array_equal(choice, expected[1])
    assert choice.dtype == expected[1].dtype
    g = normal(1, "float32", *out.shape)
    close(*both(window_place.function, g, choice, geo=geo), math.prod(geo.kernel))


def test_what_a_window_of_padding_gets_goes_nowhere():
    geo = geometry("test", (1, 5), (2, 2), 1, (2, 1), 3)  # two windows along the first axis, both beside its only entry
    out, choice = max_pool.function(np.ones((1, 1, 1, 5), "float32"), geo=geo)
    assert geo.out == (2, 4) and (out == -np.inf).all()
    np.testing.assert_array_equal(window_place.function(np.ones_like(out), choice, geo=geo), np.zeros((1, 1, 1, 5)))


@pytest.mark.parametrize("place", [-4, 6])
def test_a_place_outside_is_not_read(place):
    indices = np.array([[[0, place]]])
    with pytest.raises(IndexError):
        flat_take.function(np.ones((1, 1, 3, 1)), indices)
    with pytest.raises(IndexError):
        max_unpool.function(np.ones((1, 1, 2)), indices, spatial_shape=(3,))


@pytest.mark.parametrize("shape", [(32, 64, 24, 24), (2, 3, 200, 210)])
def test_pooling_in_threads_to_the_bit(shape, set_threads):
    x, geo, sizes = normal(0, "float32", *shape), geometry("test", shape[2:], (3, 3), 2, 1), (7, 50)

    def run() -> Any:
        y = window_sum.function(x, geo=geo)
        best, places = adaptive_max_pool.function(x, sizes=sizes)
        averages = box_sum.function(x, sizes=sizes), window_spread.function(y, geo=geo)
        return y, best, places, *averages, max_unpool.function(best, places, spatial_shape=shape[2:])

    results = []
    for count in (1, 2, 3):
        set_threads(count)
        results.append(run())
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [3000, 100_003])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
        (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
        (optim.Adam, {"weight_decay": 0.1, "amsgrad": True}),
        (optim.AdamW, {"maximize": True}),
    ],
)
def test_optimizer_steps_to_the_bit(by_numpy, dtype, size, kind, options):
    def steps() -> Any:
        p = Tensor(normal(0, dtype, size), requires_grad=True)
        optimizer = kind([p], **options)
        for i in range(3):
            p.grad = Tensor(normal(i + 1, dtype, size))
            optimizer.step()
        return p.data

    np.testing.assert_array_equal(steps(), by_numpy(steps))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_formula_at_its_edges(by_numpy, dtype):
    special = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e-300, 7.0], dtype)
    a, b = np.repeat(special, 900), np.tile(special, 900)

    def formula(x: Any, y: Any, factor: Any, flag: bool) -> Any:
        z = np.maximum(x, y) * factor - np.sign(x) / 3 + (2 - np.sqrt(y)) * 5
        return (-z if flag else 1 / z), 0.5 - y

    def run(flag: bool) -> Any:
        targets = [a.copy(), b.copy()]
        with np.errstate(all="ignore"):
            fused(formula, targets, factor=0.3, flag=flag)
        return targets

    for flag in (False, True):
        for mine, expected in zip(run(flag), by_numpy(run, flag), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-15 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("name", BY_MACHINE)
def test_primitives_without_machine_code(by_numpy, name):
    assert by_numpy(check_primitive, registry[name], settings=settings(max_examples=10))


@pytest.mark.parametrize("name", ["gate", "relu"])
@pytest.mark.parametrize("machine_code", [True, False])
def test_small_arrays_as_if_they_were_large(monkeypatch, name, machine_code):
    """In one pass: by machine code, and in blocks of NumPy's."""
    runs, run = [], launch.run
    for module, least in ((sys.modules[fused.__module__], "_LEAST"), (elementwise, "_MANY")):
        monkeypatch.setattr(module, least, 2)
    monkeypatch.setattr(llvm, "_enabled", machine_code)
    monkeypatch.setattr(launch, "run", lambda *args, **arguments: runs.append(1) or run(*args, **arguments))
    assert check_primitive(registry[name], settings=settings(max_examples=25))
    assert bool(runs) == machine_code


def test_a_tile_is_as_high_as_there_are_rows():
    height, width = tile_of(1, 10_000, 16)
    assert height == 1 < width
    assert tile_of(64, 10_000, 16)[0] >= 4 > tile_of(3, 10_000, 16)[0]


def test_a_relu_waits_for_a_pooling():
    layers = [nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2, 1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()]
    x = Tensor(normal(0, "float32", 4, 2, 11, 9), requires_grad=True)

    def run() -> Any:
        x.grad = None
        y = nn.Sequential(*layers)(x)
        (y * y).sum().backward()
        return y.data, x.grad.data

    mine = run()
    handle = layers[1].register_forward_hook(lambda module, args, output: shapes.append(output.shape))
    shapes: list[Any] = []
    for a, b in zip(mine, run(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert shapes == [(4, 3, 9, 7)]  # seen where it stands
    handle.remove()


def test_llvmlite_is_imported_when_it_is_needed():
    program = (
        "import sys, numpy as np, pullback as pb; assert 'llvmlite' not in sys.modules; "
        "pb.conv(pb.ones((1, 1, 4, 4), dtype='float32'), pb.ones((1, 1, 3, 3), dtype='float32')); "
        "print('llvmlite' in sys.modules)"
    )
    for value, expected in (("1", "True"), ("0", "False")):
        environment = {**os.environ, "PULLBACK_MACHINE_CODE": value}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_dropped_code_leaves_the_rest_alone():
    """As when two threads have compiled the same, or a cache is full."""

    @llvm.kernel(x=reads("count"), y=writes("count"), count=natural)
    def doubled(code):
        x, y, count = code.arguments

        def part(i):
            mask = code.first(count - i)
            code.store(y + i, code.load(x + i, mask) * 2.0, mask)

        code.loop(0, count, code.lanes, part)

    x, kept = np.arange(11.0), doubled(np.float64)
    for _ in range(5):
        y = np.empty(11)
        doubled.cache_clear()
        launch.run(doubled(np.float64), 1, x=x, y=y, count=11)
        gc.collect()
        np.testing.assert_array_equal(y, 2 * np.arange(11.0))
    y = np.empty(11)
    launch.run(kept, 1, x=x, y=y, count=11)
    np.testing.assert_array_equal(y, 2 * np.arange(11.0))
