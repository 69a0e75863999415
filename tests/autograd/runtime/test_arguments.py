"""The door to machine code: what it refuses, and guard pages around what kernels are given."""

import linecache
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, conv, max_pool, max_unpool, nn, optim, relu, set_num_threads
from pullback.autograd.core.primitive import registry
from pullback.autograd.kernels import (
    box_windows,
    conv_native,
    conv_weight_native,
    fused_elementwise,
    gemm,
    implicit_im2col,
    max_pool_native,
    sums,
    weight_layouts,
)
from pullback.autograd.kernels.geometry import Geometry, geometry
from pullback.autograd.ops.adaptive_pooling import adaptive_max_pool, box_sum
from pullback.autograd.ops.convolution import conv_transpose, conv_weight
from pullback.autograd.ops.im2col import col2im, im2col
from pullback.autograd.ops.pooling import flat_take, window_place, window_select, window_spread, window_sum
from pullback.autograd.runtime import launch, llvm
from pullback.autograd.runtime.arguments import (
    LaunchError,
    OverlapError,
    in_place,
    integer,
    natural,
    per_thread,
    positive,
    reads,
    strided,
    writes,
)
from pullback.autograd.runtime.threads import get_num_threads
from pullback.extend import rescale, standardize

needs_code = pytest.mark.skipif(not llvm.available(np.ones(1)), reason="llvmlite is not installed")
HELPERS = Path(__file__).parents[2] / "helpers"


@llvm.kernel(
    "size % step == 0 or not step",
    x=reads("size"),
    table=reads("size // 2", "int64"),
    m=strided("size", "2", "step", "1"),
    y=writes("size"),
    z=in_place("size"),
    own=per_thread("size"),
    room=natural,
    size=positive,
    step=integer,
)
def nothing(code):
    """Takes arguments of every kind."""


def arguments(**changed: Any) -> dict[str, Any]:
    room = 1024
    return {
        **{"x": np.ones(8, "f4"), "table": np.zeros(4, np.int64), "m": np.zeros((8, 4), "f4")[:, 1:3]},
        **{"y": np.zeros(8, "f4"), "z": np.zeros((2, 4), "f4"), "own": np.zeros(room * get_num_threads(), "f4")},
        **{"room": room, "size": 8, "step": 4},
        **changed,
    }


def taken(**changed: Any) -> None:
    launch.run(nothing(np.dtype("f4")), 1, **arguments(**changed))


MEMORY = np.zeros(64, "f4")
READ_ONLY = np.zeros(8, "f4")
READ_ONLY.flags.writeable = False


class Subclass(np.ndarray):
    pass


@needs_code
def test_what_fits_is_taken():
    taken()
    taken(x=READ_ONLY, m=np.zeros((8, 4), "f4")[::-1, 1:3], step=-4)
    z = np.zeros(8, "f4")
    taken(x=z, z=z)  # in place
    taken(x=np.ones(9, "f4"), own=np.zeros(5000, "f4"), size=np.int64(8))


@needs_code
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x", np.ones(7, "f4"), "x is ndarray of float32 .7,., C-contiguous; expected .* at least 8 entries"),
        ("x", np.ones(8), "x is ndarray of float64 .* expected ndarray of float32"),
        ("x", np.ones(8, ">f4"), "x is ndarray of >f4"),
        ("x", np.ones(16, "f4")[::2], r"x is .* strides \(8,\); expected .* C-contiguous"),
        ("x", np.ones((4, 2), "f4").T, "x is .* expected .* C-contiguous"),
        ("x", np.ones(8, "f4").view(Subclass), "x is Subclass"),
        ("x", [1.0] * 8, "x is list"),
        ("x", None, "x is NoneType"),
        ("x", Tensor(np.ones(8, "f4")), "x is Tensor"),
        ("x", np.zeros(40, np.uint8)[1:33].view("f4"), "x is at .*; expected a multiple of 4 bytes"),
        ("table", np.zeros(3, np.int64), "table .* at least 4 entries"),
        ("table", np.zeros(4, np.int32), "table .* expected ndarray of int64"),
        ("table", np.zeros(4, np.uint64), "table .* expected ndarray of int64"),
        ("m", np.zeros((8, 4), "f4"), "m is .* expected"),
        ("m", np.zeros((7, 4), "f4")[:, :2], "m is .* expected"),
        ("m", np.zeros((8, 5), "f4")[:, :2], r"m is .* strides \(20, 4\); expected .* strides \(16, 4\)"),
        ("m", np.zeros((8, 4))[:, :2], "m is .* expected ndarray of float32"),
        ("m", np.zeros(16, "f4"), "m is .* expected"),
        ("m", None, "m is NoneType"),
        ("y", np.ones(7, "f4"), "y .* at least 8 entries"),
        ("y", READ_ONLY, "y is .* read-only; expected .* writeable"),
        ("y", np.ones(16, "f4")[::2], "y is .* expected .* C-contiguous"),
        ("z", READ_ONLY, "z is .* read-only; expected .* writeable"),
        ("own", np.zeros(7, "f4"), "own .* expected"),
        ("own", np.zeros(4096), "own .* expected ndarray of float32"),
        ("room", 7, "expected _need_own <= room"),
        ("room", -1, "room is -1; expected an int of at least 0"),
        ("size", 0, "size is 0; expected an int of at least 1"),
        ("size", 8.0, "size is 8.0; expected an int"),
        ("step", 3, "expected size % step == 0 or not step; found size=8, step=3"),
        ("step", None, "step is None; expected an int"),
    ],
)
def test_what_does_not_fit_is_refused(name, value, message):
    with pytest.raises(LaunchError, match=f"^nothing: .*{message}"):
        taken(**{name: value})


@needs_code
@pytest.mark.parametrize(
    "changed",
    [
        {"x": MEMORY[:8], "y": MEMORY[:8]},
        {"x": MEMORY[:8], "y": MEMORY[7:15]},
        {"x": MEMORY[7:15], "y": MEMORY[:8]},
        {"x": MEMORY[7:15], "z": MEMORY[:8]},  # in place, but not the same
        {"y": MEMORY[:8], "z": MEMORY[7:15]},
        {"table": MEMORY.view(np.int64)[:4], "y": MEMORY[7:15]},
        {"m": MEMORY.reshape(16, 4)[:8, 1:3], "y": MEMORY[2:10]},
        {"m": MEMORY.reshape(16, 4)[7::-1, 1:3], "step": -4, "y": MEMORY[2:10]},
        {"own": MEMORY[:32], "room": 8, "y": MEMORY[:8]},
    ],
)
def test_what_meets_what_is_written_is_refused(changed):
    before = get_num_threads()
    set_num_threads(2)
    try:
        with pytest.raises(OverlapError, match="^nothing: . is written, and meets"):
            taken(**changed)
    finally:
        set_num_threads(before)


@needs_code
@pytest.mark.parametrize("fixed", [{}, {"room": 1024}])
def test_tracebacks_show_the_line_of_the_check(fixed):
    door = nothing(np.dtype("f4")).door
    for _ in range(2):  # at first it may be made; then it is on disk
        linecache.clearcache()
        enter = door.opened(**fixed)
        with pytest.raises(LaunchError) as raised:
            enter(1, 1, **{name: value for name, value in arguments(size=-1).items() if name not in fixed})
        lines = [
            f.line for f in traceback.extract_tb(raised.tb) if f.filename.startswith("<pullback nothing.arguments ")
        ]
        assert lines == ["size = size if size.__class__ is int and size >= 1 else _integer(size, 1, _where_size)"]


@needs_code
def test_names_that_are_not_declared_are_refused():
    given = arguments()
    with pytest.raises(TypeError, match="nothing.*further"):
        launch.run(nothing(np.dtype("f4")), 1, **given, further=1)
    del given["x"]
    with pytest.raises(TypeError, match="nothing.*x"):
        launch.run(nothing(np.dtype("f4")), 1, **given)


@needs_code
def test_what_is_fixed_is_checked_at_once_and_the_rest_at_each_call():
    given = arguments()
    fixed = {name: given.pop(name) for name in ("table", "size", "step")}
    with pytest.raises(LaunchError, match="table"):
        nothing(np.dtype("f4")).fixed(**{**fixed, "table": np.zeros(3, np.int64)})
    kernel = nothing(np.dtype("f4")).fixed(**fixed)
    launch.run(kernel, 1, **given)
    for name, value in {"x": np.ones(7, "f4"), "y": READ_ONLY, "room": 7}.items():
        with pytest.raises(LaunchError, match=name):
            launch.run(kernel, 1, **{**given, name: value})
    with pytest.raises(OverlapError):
        launch.run(kernel, 1, **{**given, "x": given["y"]})


def launches() -> dict[str, tuple[Any, int, dict[str, Any]]]:
    """A launch of each kernel that there is: (kernel, parts, arguments)."""
    found, run = {}, launch.run

    def seen(kernel: Any, parts: int, size: Any = 0, /, **given: Any) -> None:
        run(kernel, parts, size, **given)
        for name, a in given.items():
            given[name] = a.memory(get_num_threads()) if isinstance(a, launch.Scratch) else a
        found[f"{kernel.name} {sorted(given)}"] = kernel, parts, given

    rng = np.random.default_rng(0)
    x, geo = rng.normal(size=(2, 4, 12, 12)).astype("f4"), geometry("test", (12, 12), (3, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "run", seen)
        for outs in (1, 64):
            w = Tensor(rng.normal(size=(outs, 4, 3, 3)).astype("f4"), requires_grad=True)
            conv(Tensor(x), w).sum().backward()
        conv_native.convolved(x, w.data, None, geo, 1, True, (2, 2), True)
        out, places = max_pool(Tensor(x, requires_grad=True), 2, return_indices=True)
        out.sum().backward()
        flat_take.function(x, max_unpool(out, places, (12, 12)).data.astype(int) % 144)
        window_sum.function(x, geo=geo)
        box_sum.function(x, sizes=(20, 20))
        adaptive_max_pool.function(x, sizes=(5, 5))
        gemm.product(x.reshape(32, 36), x.reshape(36, 32))
        gemm.product(x.reshape(36, 32), x.reshape(36, 32).T)
        sums.summed(np.ones((256, 512), "f4"), (1,))
        sums.summed(np.ones((256, 512), "f4"), (0,))
        relu(np.ones(1 << 16, "f4"))
        weight_layouts.swapped(np.ones((64, 64, 3), "f4"), 1, (2, 1, 0))
        rows, columns = (Tensor(np.ones((32, 40), "f4"), requires_grad=True) for _ in range(2))
        for axis in (0, 1):
            y = standardize.apply(columns, rows[axis], rows[axis], axes=(axis,), eps=1.0, centered=True)
            y.sum().backward()
        rescale.apply(columns, *rows[:3])
        p = Tensor(np.ones(1 << 12, "f4"), requires_grad=True)
        p.grad = p
        optim.Adam([p]).step()
    return found


@needs_code
def test_every_kernel_refuses_each_array_that_is_too_small_or_of_another_kind():
    seen = launches()
    assert {kernel.name for kernel, *_ in seen.values()} == {
        *("products", "outer_products", "inner_products", "largest", "placed", "taken", "sums", "totals", "added"),
        *("compiled", "swapped", "turned", "normalized", "pulled", "rescaled"),
    }
    for kernel, parts, given in seen.values():
        for name, a in given.items():
            declared = kernel.door.arguments[name]
            if not isinstance(a, np.ndarray):
                continue
            wrong = [np.zeros(a.shape, np.int32), a.reshape(-1)[::2]]
            if not declared.apart:
                wrong.append(a.reshape(-1)[: a.size - 1])
            else:
                wrong.append(a[: given["room"] * (get_num_threads() - 1)])
            if declared.written:
                fixed = a.copy()
                fixed.flags.writeable = False
                wrong.append(fixed)
            for other in wrong:
                with pytest.raises(LaunchError, match=f"{kernel.name}: {name} is"):
                    kernel.enter(parts, get_num_threads(), **{**given, name: other})
        for name, a in given.items():
            for other, b in given.items():
                if isinstance(a, np.ndarray) and getattr(b, "dtype", None) != a.dtype:
                    with pytest.raises(LaunchError, match=kernel.name):
                        kernel.enter(parts, get_num_threads(), **{**given, name: b, other: a})


@needs_code
def test_no_kernel_is_kept_for_ever():
    kernels = [
        conv_native._products,
        conv_weight_native._outer_products,
        conv_weight_native._inner_products,
        max_pool_native._largest,
        max_pool_native._placed,
    ]
    kernels += [
        max_pool_native._taken,
        box_windows._sums,
        box_windows._largest,
        gemm._products,
        sums._totals,
        sums._added,
    ]
    kernels += [fused_elementwise._compiled]
    assert all(made.cache_info().maxsize < 1000 for made in kernels)


@needs_code
def test_lines_that_leave_their_arrays_are_refused():
    good = implicit_im2col.lines_of(geometry("test", (9, 8), (3, 2), 2, 1), 2, 0, 5)
    numbers, windows = 72, 5 * 5
    implicit_im2col._check(good, numbers, 2, windows)

    def changed(column: int, by: int) -> Any:
        runs = good.runs.copy()
        runs[-1, column] += by
        return good._replace(runs=runs)

    bad = [changed(column, by) for column, by in ((0, 1000), (0, -1000), (1, 1), (1, -1000), (2, 1000), (3, 1))]
    bad += [good._replace(offsets=good.offsets + 1 * good.size), good._replace(offsets=good.offsets - 1)]
    for one in bad:
        with pytest.raises(LaunchError, match="lines"):
            implicit_im2col._check(one, numbers, 2, windows)
    with pytest.raises(LaunchError):
        implicit_im2col._check(good, 60, 2, windows)


@needs_code
@pytest.mark.parametrize("rows_first", [False, True])
def test_tables_that_leave_their_arrays_are_refused(rows_first):
    good = box_windows.strided(geometry("test", (9, 8), (3, 2), 2, 1), rows_first=rows_first)
    wide = good.table.shape[1] // good.together
    last = max(good.rows)
    box_windows._check(good, last, wide)
    for name in ("begins", "rows", "table"):
        for by in (1000, -1000):
            a = getattr(good, name).copy()
            a.reshape(-1)[-1] += by
            with pytest.raises(LaunchError, match="tables of boxes"):
                box_windows._check(good._replace(**{name: a}), last, wide)
    entry = good.table.copy()
    entry[0, wide] += good.inner  # in the next row
    with pytest.raises(LaunchError, match="places"):
        box_windows._check(good._replace(table=entry), last, wide)


@needs_code
@pytest.mark.parametrize("shift", [1, 100])
def test_targets_that_lie_in_other_arrays_are_as_numpy_has_them(shift):
    size = 40_000
    memory = np.arange(size + shift, dtype="f4")
    expected = memory[:-shift] + memory[shift:]
    for enabled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(llvm, "_enabled", enabled and llvm._enabled)
            for target, other in ((slice(0, size), slice(shift, None)), (slice(shift, None), slice(0, size))):
                copy = memory.copy()
                fused_elementwise.fused(lambda a, b: (a + b,), [copy[target]], [copy[other]])
                np.testing.assert_array_equal(copy[target], expected)


def test_a_target_that_is_read_only_is_refused():
    a = np.ones(1 << 14, "f4")
    a.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fused_elementwise.fused(lambda x: (x + 1,), [a])


PLANTED = """
import sys
import numpy as np
from pullback.autograd.runtime import launch, llvm
from pullback.autograd.runtime.arguments import natural, reads, writes

@llvm.kernel(x=reads("size"), y=writes("size"), size=natural)
def planted(code, read, write):
    x, y, size = code.arguments
    code.loop(0, size, 1, lambda i: y.__setitem__(i, x[i]))
    y[size - 1 + write if write > 0 else write * code.one] = x[size - 1 + read if read > 0 else read * code.one]

read, write, size = map(int, sys.argv[1:])
for turn in range(2):  # arrays lie before a guard page, or after one
    y = np.zeros(size, "f4")
    launch.run(planted(np.dtype("f4"), read, write), 1, x=np.arange(1, size + 1, dtype="f4"), y=y, size=size)
    print(y.sum())
"""


@needs_code
@pytest.mark.skipif(os.name == "nt", reason="no guard pages")
@pytest.mark.parametrize("size", [7, pytest.param(1024, marks=pytest.mark.thorough), 5000])
@pytest.mark.parametrize(("read", "write"), [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)])
def test_guard_pages_end_a_process_that_goes_astray(read, write, size):
    command = [sys.executable, "-c", PLANTED, *map(str, (read, write, size))]
    environment = {**os.environ, "PULLBACK_CHECK": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    if read or write:
        assert done.returncode == -signal.SIGSEGV
        assert "planted" in done.stderr and "Segmentation fault" in done.stderr and "launch.py" in done.stderr
    else:
        assert done.returncode == 0 and len(done.stdout.split()) == 2


def ran(script: str, *numbers: int, **environment: str) -> list[int]:
    command = [sys.executable, str(HELPERS / script), *map(str, numbers)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(n) for n in done.stdout.split()]


@needs_code
@pytest.mark.skipif(os.name == "nt", reason="no guard pages")
@pytest.mark.parametrize("count", [100, pytest.param(20_000, marks=pytest.mark.thorough)])
def test_random_cases_between_guard_pages(count):
    cases, launches = ran("guarded_cases.py", 0, count, PULLBACK_CHECK="1")
    assert cases == count and launches > count


@pytest.mark.parametrize("count", [1500, pytest.param(20_000, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("code", ["1", "0"], ids=["machine code", "NumPy"])
def test_no_argument_ends_the_process(code, count):
    calls, computed = ran("garbage.py", 0, count, PULLBACK_MACHINE_CODE=code)
    assert calls == count and computed > count // 10


@pytest.fixture(params=[True, False], ids=["machine code", "NumPy"])
def either(request, monkeypatch):
    """With machine code, where there is any, and without."""
    monkeypatch.setattr(llvm, "_enabled", request.param and llvm._enabled)


GEO = geometry("test", (8, 9), (3, 2), 2, 1)
X, Y, W = np.ones((2, 3, *GEO.spatial)), np.ones((2, 4, *GEO.out)), np.ones((4, 3, 3, 2))
WRONG = [
    GEO._replace(out=(400, 5)),
    GEO._replace(kernel=(3, 200), out=(4, 6)),  # the last one begins outside
    GEO._replace(stride=(1 << 61, 2)),
    GEO._replace(dilation=(1, 1 << 60)),
    GEO._replace(padding=((-9, 1), (1, 1))),
    GEO._replace(padding=(1, 1)),
    GEO._replace(out=(4, 0)),
    GEO._replace(stride=(0, 2)),
    GEO._replace(kernel=(3.5, 2)),
    Geometry((8,), (3,), (2,), ((1, 1),), (1,), (4,)),
    tuple(GEO),
]


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("geo", WRONG, ids=str)
def test_geometries_that_do_not_fit_are_errors(geo):
    choice = np.zeros(Y.shape, np.uint8)
    for f in (
        lambda: registry["conv"].function(X, W, None, geo=geo, groups=1),
        lambda: conv_weight.function(X, Y, geo=geo, groups=1),
        lambda: conv_transpose.function(Y, W, geo=geo, groups=1),
        lambda: registry["max_pool"].function(X, geo=geo),
        lambda: window_sum.function(X, geo=geo),
        lambda: window_spread.function(Y, geo=geo),
        lambda: window_place.function(Y, choice, geo=geo),
        lambda: window_select.function(X, choice, geo=geo),
        lambda: im2col.function(X, geo=geo),
        lambda: col2im.function(np.ones((2, 18, 20)), geo=geo),
    ):
        with pytest.raises((ValueError, AttributeError)):
            f()


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize(
    "f",
    [
        lambda: registry["conv"].function(X[:, :2], W, None, geo=GEO, groups=1),
        lambda: registry["conv"].function(X, W[:, :, :2], None, geo=GEO, groups=1),
        lambda: registry["conv"].function(X[:, :, :5], W, None, geo=GEO, groups=1),
        lambda: registry["conv"].function(X, W, None, geo=GEO._replace(spatial=(80, 9)), groups=1),
        lambda: registry["conv"].function(X, W, np.ones(3), geo=GEO, groups=1),
        lambda: registry["conv"].function(X, W, None, geo=GEO, groups=3),
        lambda: registry["conv"].function(X, W, None, geo=GEO, groups=0),
        lambda: registry["conv"].function(X, W, None, geo=GEO, groups=-1),
        lambda: registry["conv"].function(X[0], W, None, geo=GEO, groups=1),
        lambda: conv_weight.function(X[:1], Y, geo=GEO, groups=1),
        lambda: conv_weight.function(X, Y[..., :2], geo=GEO, groups=1),
        lambda: conv_weight.function(X, Y, geo=GEO, groups=3),
        lambda: conv_transpose.function(Y[:, :3], W, geo=GEO, groups=1),
        lambda: conv_transpose.function(Y[..., :2], W, geo=GEO, groups=1),
        lambda: registry["max_pool"].function(X[..., :2], geo=GEO),
        lambda: window_sum.function(X[0], geo=GEO),
        lambda: window_spread.function(X, geo=GEO),
        lambda: window_place.function(Y, np.zeros(Y.shape[1:], np.uint8), geo=GEO),
        lambda: window_place.function(Y, np.zeros((2, 4, 100, 5), np.uint8), geo=GEO),
        lambda: box_sum.function(X, sizes=(3,)),
        lambda: box_sum.function(X, sizes=(3, 0)),
        lambda: box_sum.function(X[0, 0], sizes=(3, 3)),
        lambda: adaptive_max_pool.function(X, sizes=(3, -1)),
        lambda: flat_take.function(X, np.zeros((2, 4, 5), int)),
        lambda: flat_take.function(X, np.zeros((3, 3, 5), int)),
        lambda: registry["max_unpool"].function(Y, np.zeros((2, 4, 5), int), spatial_shape=(9,)),
        lambda: registry["max_unpool"].function(Y, np.zeros(Y.shape, int), spatial_shape=9),
    ],
)
def test_shapes_that_do_not_fit_are_errors(f):
    with pytest.raises(ValueError):
        f()


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize(
    ("at", "number"),
    [((1, 2, 2, 2), 6), ((1, 2, 2, 2), 250), ((0, 0, 0, 2), 0), ((0, 0, 2, 0), 2), ((1, 3, 3, 4), 0)],
    ids=["outside of the window", "far outside", "above", "to the left", "fits"],
)
def test_choices_beside_the_input_are_errors(at, number, dtype):
    # windows of (3, 2) at stride 2 begin one row and one column before the input of (8, 9)
    choice = np.full(Y.shape, 3, dtype)  # the second entry of the second row
    choice[at] = number
    for f in (window_place, window_select):
        if at == (1, 3, 3, 4):
            assert f.function(Y if f is window_place else np.ones((2, 4, 8, 9)), choice, geo=GEO) is not None
            continue
        with pytest.raises(IndexError):
            f.function(Y if f is window_place else np.ones((2, 4, 8, 9)), choice, geo=GEO)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("place", [-1, 5, 1 << 62, -(1 << 63)])
def test_indices_outside_are_errors(place):
    indices = np.array([[[0, place]]])
    with pytest.raises(IndexError):
        flat_take.function(np.ones((1, 1, 5)), indices)
    with pytest.raises(IndexError):
        registry["max_unpool"].function(np.ones((1, 1, 2)), indices, spatial_shape=(5,))
    with pytest.raises(TypeError):
        flat_take.function(np.ones((1, 1, 5)), np.array([[[0.0, 1.0]]]))


def test_numbers_that_are_not_aligned_are_left_to_numpy():
    x = np.zeros(4 * 72 + 1, np.uint8)[1:].view("f4").reshape(1, 1, 8, 9)
    x[...] = np.arange(72).reshape(8, 9)
    assert not llvm.available(x)
    np.testing.assert_array_equal(nn.functional.max_pool2d(x, 2)[0, 0], x[0, 0, 1::2, 1:8:2])
