"""Machine code as images: they run without LLVM and wherever they lie, and what cannot do that is no image."""

import ctypes
import gc
import io
import os
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from pullback.autograd.runtime import images, launch, llvm
from pullback.autograd.runtime.arguments import natural, reads, writes

pytest.importorskip("llvmlite")
with_images = pytest.mark.skipif(not images._PLAIN, reason="LLVM loads object code here")
ABOUT = """\
processor\t: 0
model\t\t: 17
model name\t: some
stepping\t: 1
cpu MHz\t\t: 2000.5
flags\t\t: fpu {}
bugs\t: none

"""


def function(code: bytes) -> tuple[Any, Any]:
    """The function `f` from an integer to an integer, and what owns it."""
    owner, (at,) = images.loaded(code, ["f"])
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(at), owner


TABLE = (
    "define i64 @f(i64 %n) { switch i64 %n, label %other ["
    + " ".join(f"i64 {i}, label %case{i}" for i in range(9))
    + "]\n"
    + "\n".join(f"case{i}: call void @g{i % 3}(i64 %n)\n ret i64 {7 * i * i}" for i in range(9))
    + "\nother: ret i64 -1 }\n"
    + "\n".join(f"define private void @g{i}(i64 %n) noinline {{ ret void }}" for i in range(3))
)
CONSTANTS = """
@words = private constant [4 x i64] [i64 3, i64 1, i64 4, i64 1]
define i64 @f(i64 %n) {
  %at = getelementptr [4 x i64], ptr @words, i64 0, i64 %n
  %word = load i64, ptr %at
  ret i64 %word
}
"""
# What refers to others' functions or to addresses, or what is written
COUNTED = """
@count = private global i64 0
define i64 @f(i64 %n) {
  %old = load i64, ptr @count
  %new = add i64 %old, %n
  store i64 %new, ptr @count
  ret i64 %new
}
"""
OTHERS = """
declare i32 @toupper(i32)
define i64 @f(i64 %n) {
  %letter = trunc i64 %n to i32
  %large = call i32 @toupper(i32 %letter)
  %found = sext i32 %large to i64
  ret i64 %found
}
"""
ADDRESSES = """
@words = private constant [2 x ptr] [ptr @one, ptr @two]
define private i64 @one() { ret i64 1 }
define private i64 @two() { ret i64 2 }
define i64 @f(i64 %n) {
  %at = getelementptr [2 x ptr], ptr @words, i64 0, i64 %n
  %g = load ptr, ptr %at
  %found = call i64 %g()
  ret i64 %found
}
"""


@with_images
@pytest.mark.parametrize(("text", "values"), [(TABLE, [7 * i * i for i in range(9)] + [-1]), (CONSTANTS, [3, 1, 4, 1])])
def test_an_image_runs_wherever_it_lies(text, values):
    code = images.assembled(text, ["f"])
    assert code.startswith(images._MARK)
    kept = [function(code) for _ in range(5)]
    assert len({ctypes.cast(f, ctypes.c_void_p).value for f, _ in kept}) == 5
    for f, _ in kept:
        assert [f(n) for n in range(len(values))] == values


@with_images
@pytest.mark.parametrize(
    ("text", "given", "expected"), [(COUNTED, 5, [5, 10]), (OTHERS, ord("x"), [ord("X")] * 2), (ADDRESSES, 1, [2, 2])]
)
def test_what_refers_elsewhere_is_object_code(text, given, expected):
    code = images.assembled(text, ["f"])
    assert not code.startswith(images._MARK)
    f, _owner = function(code)
    assert [f(given), f(given)] == expected


def test_several_functions():
    text = "\n".join(f"define i64 @f{i}(i64 %n) {{ %a = add i64 %n, {i} ret i64 %a }}" for i in range(4))
    names = ["f2", "f0", "f3"]
    _owner, addresses = images.loaded(images.assembled(text, names), names)
    found = [ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(at)(40) for at in addresses]
    assert found == [42, 40, 43]


@llvm.kernel(x=reads("count"), y=writes("count"), count=natural)
def _scaled(code, factor):
    x, y, count = code.arguments

    def part(i):
        mask = code.first(count - i)
        code.store(y + i, code.load(x + i, mask) * factor, mask)

    code.loop(0, count, code.lanes, part)


@pytest.mark.parametrize("plain", [False, pytest.param(True, marks=with_images)])
def test_a_kernel_either_way(plain, monkeypatch):
    monkeypatch.setattr(images, "_PLAIN", plain)
    made, assembled = [], llvm.assembled
    monkeypatch.setattr(llvm, "assembled", lambda *args: made.append(assembled(*args)) or made[-1])
    x, y = np.arange(37, dtype="f4"), np.zeros(37, "f4")
    _scaled.cache_clear()
    launch.run(_scaled(np.dtype("f4"), 3), 1, x=x, y=y, count=37)
    np.testing.assert_array_equal(y, 3 * x)
    assert made[0].startswith(images._MARK) is plain
    _scaled.cache_clear()


def rights(at: int) -> str:
    """What may be done with the memory at an address; nothing if there is none."""
    with open("/proc/self/maps") as file:
        for line in file:
            span, found, *_ = line.split()
            begin, end = (int(one, 16) for one in span.split("-"))
            if begin <= at < end:
                return found
    return ""


@with_images
def test_memory_that_runs_is_not_written_and_goes_with_its_owner():
    _scaled.cache_clear()
    kernel = _scaled(np.dtype("f8"), 5)
    at = kernel.address
    assert rights(at) == "r-xp"
    _scaled.cache_clear()
    del kernel
    gc.collect()
    assert not rights(at)


@with_images
def test_what_may_not_run_is_an_error(monkeypatch):
    class Strict:
        mprotect = staticmethod(lambda *args: ctypes.set_errno(13) or -1)

    code = images.assembled(CONSTANTS, ["f"])
    monkeypatch.setattr(ctypes, "CDLL", lambda *args, **options: Strict)
    with pytest.raises(OSError, match="mprotect"):
        images.loaded(code, ["f"])


@pytest.fixture
def about(monkeypatch):
    """The CPU where /proc/cpuinfo has a text, or is not there."""

    def found(text: str | None) -> str:
        def opened(path: str) -> Any:
            assert path == "/proc/cpuinfo"
            if text is None:
                raise FileNotFoundError(path)
            return io.StringIO(text)

        monkeypatch.setattr(images, "open", opened, raising=False)
        images.cpu.cache_clear()
        images.registers.cache_clear()
        return images.cpu()

    yield found
    monkeypatch.undo()
    images.cpu.cache_clear()
    images.registers.cache_clear()


@with_images
def test_a_cpu_is_what_linux_says_of_it(about):
    text = ABOUT.format("avx")
    same = [text, text.replace("2000.5", "1999"), text + text.replace(": 0", ": 1"), text.replace("none", "many")]
    assert len({about(one) for one in same}) == 1
    others = [ABOUT.format(""), ABOUT.format("avx avx2"), text.replace("17", "18"), text.replace("some", "other")]
    others += [text.replace("stepping\t: 1", "stepping\t: 2")]
    assert len({about(one) for one in [text, *others]}) == 6
    for features, expected in (("avx512f avx", (64, 32)), ("avx", (32, 16)), ("sse2 avx2", (16, 16))):
        about(ABOUT.format(features))
        assert images.registers() == expected


@with_images
@pytest.mark.parametrize("text", [None, "", "model\t: 17\n\n"])
def test_a_cpu_is_what_llvm_says_of_it_where_linux_says_nothing(about, text):
    from llvmlite import binding

    before = images.registers()
    name, *features = about(text).split()
    there = binding.get_host_cpu_features()
    assert name == binding.get_host_cpu_name() and {*features} == {f for f in there if there[f]}
    assert images.registers() == before


PROGRAM = """
    import sys
    import numpy as np
    import pullback as pb

    x = pb.Tensor(np.ones((4, 2, 20, 20), "float32"), requires_grad=True)
    w = pb.Tensor(np.ones((8, 2, 3, 3), "float32"), requires_grad=True)
    pb.relu(pb.conv(x, w)).sum().backward()
    print("llvmlite.binding" in sys.modules, float(abs(w.grad.data).sum()), float(abs(x.grad.data).sum()))
"""


@with_images
def test_a_later_process_does_without_llvm(tmp_path):
    environment = {**os.environ, "PULLBACK_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    found = [
        subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout.split()
        for _ in range(2)
    ]
    assert [imported for imported, *_ in found] == ["True", "False"]
    # every entry of w meets 4 x 18 x 18 ones; every entry of x meets 8 for each window that it is in
    assert [numbers for _, *numbers in found] == [[str(144 * 1296.0), str(4 * 2 * 8 * 9 * 18.0 * 18)]] * 2
