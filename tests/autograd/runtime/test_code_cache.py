"""Machine code on disk: found again by later processes, and nothing that anybody else may have written is ever run."""

import contextlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import pullback
from pullback.autograd.kernels import max_pool_native, sums
from pullback.autograd.ops import elementwise
from pullback.autograd.runtime import arguments, code_cache, launch, llvm
from pullback.autograd.runtime.arguments import Door, in_place, natural, positive, reads, writes
from pullback.autograd.runtime.llvm import kernel
from pullback.optim import adam

ROOT = Path(pullback.__file__).parent
unix = pytest.mark.skipif(os.name == "nt", reason="owners and modes are Unix's")
as_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
by_llvm = pytest.mark.skipif(not llvm.available(np.ones(1)), reason="llvmlite is not installed")
OTHER = 12345  # the number of another user


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    path = tmp_path / "cache"
    at(path, monkeypatch)
    yield path
    code_cache._folder.cache_clear()


def at(path, monkeypatch):
    monkeypatch.setenv("PULLBACK_CACHE", str(path))
    code_cache._folder.cache_clear()


def files(folder):
    return sorted(Path(folder).iterdir())


def test_what_was_written_is_read(folder):
    assert code_cache.read(b"key") is None
    code_cache.write(b"key", b"code")
    code_cache.write(b"other", b"more")
    assert code_cache.read(b"key") == b"code" and code_cache.read(b"other") == b"more"
    code_cache.write(b"key", b"new")
    assert code_cache.read(b"key") == b"new" and len(files(folder)) == 2


@unix
def test_the_directory_and_its_files_are_private(folder):
    before = os.umask(0)
    try:
        code_cache.write(b"key", b"code")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(folder)] == [0o600]


def test_damage_anywhere_is_seen(folder):
    code_cache.write(b"key", b"some code")
    (path,) = files(folder)
    whole = path.read_bytes()
    damaged = [whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for i in range(len(whole)) for bit in (1, 128)]
    shorter, longer = [whole[:i] for i in range(len(whole))], [whole + b"\0", b"\0" + whole, whole + whole]
    for text in (*damaged, *shorter, *longer):
        path.write_bytes(text)
        assert code_cache.read(b"key") is None
    path.write_bytes(whole)
    assert code_cache.read(b"key") == b"some code"


def test_code_of_another_key_is_not_read(folder):
    code_cache.write(b"key", b"code")
    (mine,) = files(folder)
    code_cache.write(b"other", b"more")
    (other,) = set(files(folder)) - {mine}
    shutil.copy(other, mine)
    assert code_cache.read(b"key") is None and code_cache.read(b"other") == b"more"


@unix
def test_a_link_is_not_followed(folder, tmp_path):
    code_cache.write(b"key", b"code")
    (path,) = files(folder)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    whole = elsewhere.read_bytes()
    path.symlink_to(elsewhere)
    assert code_cache.read(b"key") is None
    code_cache.write(b"key", b"new")
    assert code_cache.read(b"key") == b"new" and not path.is_symlink() and elsewhere.read_bytes() == whole


@unix
def test_what_is_no_file_is_not_read(folder):
    code_cache.write(b"key", b"code")
    (path,) = files(folder)
    whole = path.read_bytes()
    for make in (os.mkfifo, os.mkdir):
        path.unlink()
        make(path)
        assert code_cache.read(b"key") is None  # and nobody waits
        if path.is_fifo():
            with open(path, "rb+", buffering=0) as pipe:
                assert code_cache.read(b"key") is None
                pipe.write(whole)
                assert code_cache.read(b"key") is None
    code_cache.write(b"key", b"code")  # which a directory prevents
    assert code_cache.read(b"key") is None and files(folder) == [path]


@unix
@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_a_file_that_others_may_write_is_not_read(folder, mode):
    code_cache.write(b"key", b"code")
    (path,) = files(folder)
    path.chmod(mode)
    assert code_cache.read(b"key") is None
    code_cache.write(b"key", b"code")
    assert code_cache.read(b"key") == b"code"


@as_root
def test_another_users_file_is_not_read(folder):
    code_cache.write(b"key", b"code")
    (path,) = files(folder)
    os.chown(path, OTHER, OTHER)
    assert code_cache.read(b"key") is None
    code_cache.write(b"key", b"code")
    assert code_cache.read(b"key") == b"code" and path.stat().st_uid == 0


def unused(path):
    """Whether nothing is read from a directory, or written to it."""
    code_cache._folder.cache_clear()
    before = files(path) if path.is_dir() else []
    code_cache.write(b"new", b"code")
    found = [code_cache.read(key) for key in (b"key", b"new")]
    return found == [None, None] and (files(path) if path.is_dir() else []) == before


@unix
@pytest.mark.parametrize("mode", [0o701, 0o710, 0o750, 0o702, 0o720, 0o777, 0o1777])
def test_a_directory_that_others_may_enter_is_not_used(folder, mode):
    code_cache.write(b"key", b"code")
    folder.chmod(mode)
    assert unused(folder)
    folder.chmod(0o700)
    assert not unused(folder)


@as_root
def test_another_users_directory_is_not_used(folder):
    code_cache.write(b"key", b"code")
    os.chown(folder, OTHER, OTHER)
    assert unused(folder)


@unix
@pytest.mark.parametrize(("mode", "safe"), [(0o755, True), (0o775, False), (0o757, False), (0o1777, True)])
def test_a_directory_that_others_could_replace_is_not_used(tmp_path, monkeypatch, mode, safe):
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(mode)
    (above / "between").mkdir(mode=0o755)
    at(above / "between/cache", monkeypatch)
    assert unused(above / "between/cache") is not safe


@as_root
def test_a_directory_that_another_user_could_replace_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "theirs/between").mkdir(parents=True)
    os.chown(tmp_path / "theirs", OTHER, OTHER)
    at(tmp_path / "theirs/between/cache", monkeypatch)
    assert unused(tmp_path / "theirs/between/cache")


@unix
def test_a_link_to_a_directory_is_not_used(folder, tmp_path, monkeypatch):
    code_cache.write(b"key", b"code")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert unused(folder)
    monkeypatch.setattr(code_cache, "_mine", lambda status, others: True)  # on some systems links have modes
    assert unused(folder)


@unix
def test_links_above_are_used_where_others_cannot_change_them(tmp_path, monkeypatch):
    (tmp_path / "far").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open/link").symlink_to("../far")
    (tmp_path / "near").symlink_to("open/link")
    at(tmp_path / "near/cache", monkeypatch)
    assert not unused(tmp_path / "far/cache")
    (tmp_path / "open").chmod(0o777)  # where the second link lies
    assert unused(tmp_path / "far/cache")


@as_root
def test_another_users_link_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    at(tmp_path / "link/cache", monkeypatch)
    assert not unused(tmp_path / "mine/cache")
    os.chown(tmp_path / "link", OTHER, OTHER, follow_symlinks=False)
    assert unused(tmp_path / "mine/cache")


@unix
def test_a_program_with_two_users_uses_none(folder, monkeypatch):
    code_cache.write(b"key", b"code")
    monkeypatch.setattr(os, "getuid", lambda: OTHER)
    assert code_cache.read(b"key") is None
    assert unused(folder)


@pytest.mark.parametrize("value", ["0", "cache", "./cache"])
def test_off(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    at(value, monkeypatch)
    assert unused(tmp_path / value) and not files(tmp_path)
    code_cache._folder.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is elsewhere")
@pytest.mark.parametrize(
    ("home", "chosen", "expected"), [("a", "", "a/.cache"), ("a", "relative", "a/.cache"), ("a", "{}/b", "b")]
)
def test_the_usual_place(tmp_path, monkeypatch, home, chosen, expected):
    (tmp_path / home).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / home))
    monkeypatch.setenv("XDG_CACHE_HOME", chosen.format(tmp_path))
    for change in (lambda: monkeypatch.delenv("PULLBACK_CACHE"), lambda: monkeypatch.setenv("PULLBACK_CACHE", "1")):
        change()
        code_cache._folder.cache_clear()
        assert code_cache._folder() == str(tmp_path / expected / "pullback")
    assert stat.S_IMODE((tmp_path / expected).stat().st_mode) == 0o700
    code_cache._folder.cache_clear()


@pytest.mark.parametrize("path", ["/dev/null/cache", "/proc/cache", "/nowhere/above/cache"])
def test_where_nothing_can_be_made(monkeypatch, path):
    monkeypatch.setattr(os, "environ", {"PULLBACK_CACHE": path})
    assert unused(Path("/nowhere")) and not Path("/nowhere").exists()
    code_cache._folder.cache_clear()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk that is always full")
def test_a_full_disk(folder, monkeypatch):
    code_cache.write(b"key", b"code")

    def full(suffix, dir):
        path = Path(dir, "beside" + suffix)
        path.touch()
        return os.open("/dev/full", os.O_WRONLY), str(path)

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", full)
        code_cache.write(b"key", b"new")
    assert code_cache.read(b"key") == b"code" and len(files(folder)) == 1


@pytest.mark.parametrize("function", ["replace", "utime", "scandir"])
def test_a_read_only_disk(folder, monkeypatch, function):
    def fail(*args, **options):
        raise PermissionError(30, "Read-only file system")

    code_cache.write(b"key", b"code")
    monkeypatch.setattr(os, function, fail)
    code_cache.write(b"key", b"new")
    assert code_cache.read(b"key") == (b"code" if function == "replace" else b"new")
    monkeypatch.undo()
    assert len(files(folder)) == 1


def test_its_size_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(code_cache, "_MOST", 10_000)
    code_cache.write(b"0", bytes(900))
    (oldest,) = before = files(folder)
    (folder / "mine.txt").write_bytes(bytes(50_000))
    for i in range(1, 30):
        os.utime(oldest, ns=(0, 0))
        assert code_cache.read(b"0")  # which keeps it
        code_cache.write(str(i).encode(), bytes(900))
        kept = [path for path in files(folder) if path.name != "mine.txt"]
        (new,) = set(kept) - set(before)
        os.utime(new, ns=(i, i))  # clocks are coarse
        assert sum(path.stat().st_size for path in kept) <= 10_000 and len(kept) == min(i + 1, 10)
        before = kept
    assert code_cache.read(b"29") and not code_cache.read(b"1")
    code_cache.write(b"large", bytes(10_000))
    assert code_cache.read(b"large") is None and code_cache.read(b"0") and (folder / "mine.txt").exists()


def together(program, folder, count=3):
    """What processes that run a program at once print."""
    command, environment = [sys.executable, "-c", textwrap.dedent(program)], dict(os.environ)
    environment["PULLBACK_CACHE"] = str(folder)
    running = [subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) for _ in range(count)]
    printed = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * count
    return printed


RACE = """
    import random, threading
    from pullback.autograd.runtime import code_cache
    code_cache._MOST = 200_000
    wrong = []

    def work():
        for _ in range(300):
            i = random.randrange(40)
            key, code = b"%d" % i, bytes([i]) * (1000 * i + 1)
            if random.random() < 0.5:
                code_cache.write(key, code)
            elif code_cache.read(key) not in (None, code):
                wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(len(wrong))
"""


def test_many_at_once(folder):
    assert together(RACE, folder) == ["0\n"] * 3
    assert all(len(path.stem) == 64 for path in files(folder))  # nothing half done
    assert sum(path.stat().st_size for path in files(folder)) <= 200_000


@unix
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_a_fork(folder):
    code_cache.write(b"key", b"code")
    child = os.fork()
    if not child:
        right = code_cache.read(b"key") == b"code"
        code_cache.write(b"child", b"more")
        os._exit(not right)
    assert os.waitpid(child, 0)[1] == 0 and code_cache.read(b"child") == b"more"


def test_sources(tmp_path, monkeypatch):
    def hashed(**texts):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        for name, text in texts.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        code_cache.sources.cache_clear()
        return code_cache.sources(str(tmp_path))

    with monkeypatch.context() as patch:
        patch.setattr(code_cache, "_BEGAN", code_cache._BEGAN + 1e6)
        cases = [{"a_py": "x"}, {"b_py": "x"}, {"a_py": "y"}, {"a_py": "x", "b_py": ""}, {"a_py": "", "b_py": "x"}]
        cases += [{"a_py": "xb.py 0 "}, {"a_py": "x1"}]
        assert len({hashed(**case) for case in cases}) == len(cases)
        assert hashed(a_py="x") == hashed(a_py="x", a_txt="y")
        with pytest.raises(OSError):
            hashed(a_pyc="x")
        assert hashed(a_py="x")
    for _ in range(2):
        code_cache.sources.cache_clear()
        with pytest.raises(OSError):  # what runs may be what was there before
            code_cache.sources(str(tmp_path))
        os.utime(tmp_path / "a.py", (0, 0))  # as when a package is unpacked
    code_cache.sources.cache_clear()


# The keys of machine code


@kernel()
def of_a_test(code):
    pass


def name(*key):
    return llvm._name(key or (elementwise._rectified, 1))


@by_llvm
def test_a_key_is_the_same_for_the_same_alone():
    kinds = [(1,), (True,), ("1",), (None,), ((1,),), (1, 1), ((1, 1),), ((1,), 1), (elementwise._rectified,)]
    kinds += [(elementwise._gated,), (adam.adapted,), (launch._CODE,)]
    assert all(name(*kind) == name(*kind) for kind in kinds)
    assert len({name(*kind) for kind in kinds} - {b""}) == len(kinds)


@by_llvm
def test_no_key_for_what_may_be_anything():
    def pretended(_, x):
        return (x,)

    pretended.__module__, pretended.__qualname__ = "pullback.autograd.ops.elementwise", "_rectified"
    for value in (lambda x: x, test_sources, pretended, of_a_test.__wrapped__, np.maximum, 1.5, [1], np.int64(1)):
        assert name(value) == name(1, (2, value)) == b""


@by_llvm
@pytest.mark.parametrize(
    ("owner", "attribute", "value"),
    [
        (pullback, "__version__", "0.0"),
        (sys, "platform", "other"),
        (platform, "machine", lambda: "other"),
        (llvm, "cpu", lambda: "other"),
        (llvm, "registers", lambda: (16, 16)),
        (code_cache, "sources", lambda folder: "other"),
    ],
)
def test_what_code_depends_on_is_in_its_key(monkeypatch, owner, attribute, value):
    before = name()
    monkeypatch.setattr(owner, attribute, value)
    assert name() not in (before, b"")


@by_llvm
def test_each_kernel_has_a_key_of_its_own(monkeypatch):
    keys = []
    monkeypatch.setattr(code_cache, "read", keys.append)
    monkeypatch.setattr(code_cache, "write", lambda key, code: None)
    for function, *parameters in (
        (sums._totals,),
        (max_pool_native._taken,),
        (max_pool_native._placed, True),
        (max_pool_native._placed, False),
    ):
        function.cache_clear()
        for dtype in (np.dtype("float32"), np.dtype("float64")):
            function(dtype, *parameters)
    assert len(set(keys) - {b""}) == len(keys) == 8


@by_llvm
def test_the_version_of_llvmlite_is_in_the_key(monkeypatch):
    before = name()
    monkeypatch.setattr("llvmlite.__version__", "0")
    assert name() not in (before, b"")


def test_what_compiled_checks_depend_on_is_in_their_key(monkeypatch):
    def made(name="name", x=None, requires="n > 0", dtype="f4", given=("x", "n"), n=natural):
        return Door(name, {"x": x or reads("n"), "n": n}, requires, dtype, {})._key(given)

    keys = [made(), made("other"), made(requires=""), made(dtype="f8"), made(given=("x",)), made(n=positive)]
    keys += [made(x=x) for x in (reads("n + 1"), reads("n", "uint8"), writes("n"), in_place("n"))]
    for owner, attribute, value in (
        (sys, "version", "0"),
        (arguments, "CHECK", 2),
        (code_cache, "sources", lambda _: ""),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, value)
            keys.append(made())
    assert len({*keys, b""}) == len(keys) + 1 and made() == keys[0]


@by_llvm
def test_changed_sources_give_no_key(monkeypatch):
    monkeypatch.setattr(code_cache, "_BEGAN", 0.0)
    code_cache.sources.cache_clear()
    assert name() == Door("name", {}, "", "f4", {})._key(()) == b""
    code_cache.sources.cache_clear()


# From process to process

PROGRAM = """
    import numpy as np
    import pullback as pb
    from pullback import optim
    from pullback.autograd.runtime import llvm
    from pullback.autograd.runtime.arguments import Door

    built, assembled, made, checks = [], llvm.assembled, llvm.KernelBuilder.__init__, Door._text
    llvm.assembled = lambda *args: built.append(args) or assembled(*args)
    Door._text = lambda *args: built.append(args) or checks(*args)
    llvm.KernelBuilder.__init__ = lambda *args: built.append(args) or made(*args)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype("float32") for shape in ((2, 2, 20, 30), (8, 2, 3, 3)))
    y = pb.conv(pb.Tensor(x), w).data
    p = pb.Tensor(np.ones(5000), requires_grad=True)
    p.grad = pb.Tensor(np.linspace(-1, 1, 5000))
    optim.Adam([p]).step()
    numbers = [float(y.sum()), float(abs(y).sum()), float(p.data @ np.arange(5000))]
    print(len(built), *numbers)
"""
BUILT = (
    7  # the convolution and Adam's formula, each with its checks, and the threads' own, which is written down already
)


def run(folder, **environment):
    """How often a process writes code or checks down or assembles them, and what it computes."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    environment = {**os.environ, "PULLBACK_CACHE": str(folder), **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert not done.returncode and not done.stderr, done.stderr
    built, *numbers = done.stdout.split()
    return int(built), np.array(numbers, float)


@pytest.fixture(scope="module")
def expected():
    built, numbers = run("0", PULLBACK_MACHINE_CODE="0")
    assert not built
    return numbers


@by_llvm
def test_a_second_process_builds_nothing(folder, expected):
    for some in (True, False, False):
        built, numbers = run(folder)
        assert built == (BUILT if some else 0)
        np.testing.assert_allclose(numbers, expected, rtol=1e-5)
        if some:
            before = {path: path.read_bytes() for path in files(folder)}
    assert before == {path: path.read_bytes() for path in files(folder)}
    for path in files(folder)[::2]:
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    built, numbers = run(folder)
    assert 0 < built < BUILT and before == {path: path.read_bytes() for path in files(folder)}  # replaced
    np.testing.assert_allclose(numbers, expected, rtol=1e-5)


@by_llvm
def test_without_a_cache(tmp_path, expected):
    for value in ("0", str(tmp_path / "no/where/at/all")):
        built, numbers = run(value, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
        assert built == BUILT
        np.testing.assert_allclose(numbers, expected, rtol=1e-5)
    assert not files(tmp_path)


@by_llvm
def test_processes_that_build_at_once(folder):
    first, second = together(PROGRAM, folder, 2)
    assert first.split()[1:] == second.split()[1:]
    assert run(folder)[0] == 0 and all(len(path.stem) == 64 for path in files(folder))


@by_llvm
@pytest.mark.parametrize(("changed", "again"), [("autograd/kernels/implicit_im2col.py", BUILT), ("optim/adam.py", 2)])
def test_changed_sources_are_built_again(folder, tmp_path, changed, again):
    copy = tmp_path / "path/pullback"
    for part in ("autograd", "nn", "optim"):
        shutil.copytree(ROOT / part, copy / part)
    for face in ("__init__.py", "extend.py"):
        shutil.copy(ROOT / face, copy)
    place, text = {"PYTHONPATH": str(copy.parent)}, (copy / changed).read_text()
    assert run(folder, **place)[0] == BUILT
    (copy / changed).write_text(text + "\n# changed\n")
    assert run(folder, **place)[0] == again
    (copy / changed).write_text(text)
    assert run(folder, **place)[0] == 0


@by_llvm
def test_damaged_code_is_built_again_in_threads(folder):
    """A kernel whose file is damaged while several threads want it."""
    x = np.ones(1 << 17)
    sums._totals.cache_clear()
    assert sums.summed(x, None) == x.size
    wrong = []

    def use():
        for path in files(folder):
            with contextlib.suppress(OSError):
                path.write_bytes(path.read_bytes()[:-1])
        sums._totals.cache_clear()
        wrong.append(sums.summed(x, None) != x.size)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [False] * 4
