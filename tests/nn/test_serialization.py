import fcntl
import os
import stat
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pullback import Tensor, nn

safetensors = pytest.importorskip("safetensors.numpy")

DTYPES = ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
DTYPES += ["float16", "float32", "float64", "complex64", ">f4", ">i8"]


def same(loaded, expected):
    """Equal to the last bit, with the dtype (in this machine's byte order) and the shape."""
    expected = np.asarray(expected)
    expected = expected.astype(expected.dtype.newbyteorder("="))
    assert loaded.dtype == expected.dtype and loaded.shape == expected.shape
    assert loaded.tobytes() == expected.tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def model(seed=0):
    nn.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def weights(module):
    return {name: np.array(p.data) for name, p in module.named_parameters()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_round_trip(path, dtype, shape):
    array = (np.arange(np.prod(shape, dtype=int)) - 3).reshape(shape).astype(dtype)
    nn.save({"a": array, "b.c": Tensor([1.0, np.nan, -0.0, np.inf])}, path)
    loaded = nn.load(path)
    assert set(loaded) == {"a", "b.c"}
    same(loaded["a"], array)
    same(loaded["b.c"], np.array([1.0, np.nan, -0.0, np.inf]))


@given(hnp.arrays(st.sampled_from(["f2", "f4", "f8", "i4", "?"]), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_any_bits_and_layouts_round_trip(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("any") / "w"
    spread = np.broadcast_to(array, (2, *array.shape))
    layouts = {"t": array.T, "fortran": np.asfortranarray(array), "flip": np.flip(array), "spread": spread}
    if array.ndim:
        layouts["strided"] = array[::2]
    nn.save(layouts, path)
    loaded = nn.load(path)
    for name, expected in layouts.items():
        same(loaded[name], expected)


def test_other_readers_agree(path):
    """What the library itself reads back, through its own file reader."""
    array = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    nn.save({"w": array.T}, path)
    np.testing.assert_array_equal(safetensors.load_file(path)["w"], array.T)


def test_a_module_is_saved_by_its_state_dict(path):
    one, other = model(0), model(1)
    nn.save(one, str(path))
    other.load_state_dict(nn.load(str(path)))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert one(Tensor(x)).numpy().tobytes() == other(Tensor(x)).numpy().tobytes()
    assert set(nn.load(path)) == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_loaded_arrays_are_ones_own(path):
    nn.save({"a": np.zeros(3)}, path)
    array = nn.load(path)["a"]
    array[0] = 1
    assert nn.load(path)["a"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("state", [{1: np.zeros(2)}, {"a": np.zeros(2, complex)}, {"a": "text"}, {"a": None}])
def test_what_cannot_be_saved(path, state):
    nn.save({"old": np.ones(1)}, path)
    with pytest.raises(TypeError, match="save: "):
        nn.save(state, path)
    assert list(nn.load(path)) == ["old"]


# Files that are not whole

STATE = {"0.weight": np.arange(12, dtype=np.float32).reshape(4, 3), "0.bias": np.ones(4, np.float32)}


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole safetensors file|which NumPy lacks") as error:
        nn.load(path)
    assert str(path) in str(error.value)


def test_every_truncation_and_any_appended_bytes(path):
    nn.save(STATE, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        refused(path, whole[:length])
    for extra in (b"\0", b"x" * 7, whole):
        refused(path, whole + extra)


def test_foreign_files(path, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(100.0))
    np.savez(tmp_path / "a.npz", a=np.arange(100.0))
    foreign = [(tmp_path / name).read_bytes() for name in ("a.npy", "a.npz")]
    foreign += [b"", b"\0" * 100, b"\xff" * 100, b"{}", struct.pack("<Q", 2**63), struct.pack("<Q", 4) + b"null"]
    for content in foreign:
        refused(path, content)


def test_a_header_that_lies(path):
    def file(header, body=b"\0" * 8):
        return struct.pack("<Q", len(header)) + header + body

    assert file(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}')
    refused(path, file(b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}'))
    refused(path, file(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}'))
    refused(path, file(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'))
    refused(path, file(b'{"a":{"dtype":"XYZ","shape":[2],"data_offsets":[0,8]}}'))
    refused(path, file(b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}'))
    refused(path, file(b'{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}'))
    refused(path, file(b'{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,8]}}'))
    refused(path, file(b'{"a":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}}'))
    refused(path, file(b'{"a":{"dtype":"F32","shape":[' + b"1," * 70 + b'2],"data_offsets":[0,8]}}'))
    refused(path, file(b'{"a":' + b"[" * 100_000))
    refused(path, struct.pack("<Q", 2**40) + b"{" * 1000)


@given(st.binary(max_size=200))
def test_random_bytes(tmp_path_factory, content):
    refused(tmp_path_factory.mktemp("random") / "w", content)


@given(st.data())
def test_a_changed_header_byte_is_refused_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("changed") / "w"
    nn.save(STATE, path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 65))
    content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        loaded = nn.load(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert sum(array.nbytes for array in loaded.values()) == 64


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        nn.load(tmp_path / "nowhere")
    with pytest.raises(OSError):
        nn.load(tmp_path)


def test_a_bad_file_leaves_the_model_as_it_was(path):
    net = model()
    before = weights(net)
    nn.save(net, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError):
        net.load_state_dict(nn.load(path))
    nn.save({**before, "2.bias": np.zeros(3, np.float32), "0.weight": before["0.weight"] + 1}, path)
    with pytest.raises(RuntimeError):
        net.load_state_dict(nn.load(path))
    nn.save({name: value + 1 for name, value in before.items() if name != "2.bias"}, path)
    with pytest.raises(RuntimeError):
        net.load_state_dict(nn.load(path))
    for name, p in net.named_parameters():
        same(np.asarray(p.data), before[name])


# A save that is cut short


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("exception", [OSError, KeyboardInterrupt])
def test_an_exception_keeps_the_old_file_and_leaves_no_other(path, monkeypatch, function, exception):
    nn.save({"a": np.zeros(3)}, path)

    def fail(*args):
        raise exception("cut short")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(exception, match="cut short"):
        nn.save({"a": np.ones(3)}, path)
    monkeypatch.undo()
    assert nn.load(path)["a"].tolist() == [0, 0, 0]
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.slow
def test_a_crash_keeps_the_old_file(path):
    """The process dies, with no chance to clean up, before the new file takes the old one's place."""
    nn.save({"a": np.zeros(3)}, path)
    crash = (
        "import os, sys; from pullback import nn; os.replace = lambda *_: os._exit(7); nn.save({'a': [1]}, sys.argv[1])"
    )
    assert subprocess.run([sys.executable, "-c", crash, path]).returncode == 7
    assert nn.load(path)["a"].tolist() == [0, 0, 0]


def test_the_new_file_is_on_disk_before_it_takes_the_old_ones_place(path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda f: (events.append("fsync"), fsync(f)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replace(a, b)))
    nn.save({"a": np.zeros(3)}, path)
    assert events == ["fsync", "replace", "fsync"]  # the last one of the folder


def test_mode_and_links_are_those_of_an_ordinary_file(path):
    nn.save({"a": np.zeros(3)}, path)
    plain = path.with_name("plain")
    plain.write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    link = path.with_name("link")
    link.symlink_to(path)
    nn.save({"a": np.ones(3)}, link)
    assert link.is_symlink() and nn.load(path)["a"].tolist() == [1, 1, 1]


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError):
        nn.save({"a": np.zeros(1)}, tmp_path / "none" / "w")


def test_links_and_the_mode_of_the_old_file_stay(path):
    nn.save({"a": np.zeros(3)}, path)
    path.chmod(0o604)
    first, second = path.with_name("first"), path.with_name("second")
    second.symlink_to(path.name)
    first.symlink_to(second.name)
    nn.save({"a": np.ones(3)}, first)
    assert first.is_symlink() and second.is_symlink() and not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o604 and nn.load(first)["a"].tolist() == [1, 1, 1]


def test_what_is_no_ordinary_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for place in (tmp_path / "fifo", "/dev/null"):
        with pytest.raises(ValueError, match="not an ordinary file"):
            nn.save({"a": np.zeros(3)}, place)
        with pytest.raises(ValueError, match="not an ordinary file"):
            nn.load(place)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        nn.save({"a": np.zeros(3)}, tmp_path)
    assert os.listdir(tmp_path) == ["fifo"]


@pytest.mark.slow
def test_what_dead_writers_left_goes_and_what_living_ones_write_stays(path, tmp_path):
    crash = (
        "import os, sys; from pullback import nn; os.replace = lambda *_: os._exit(7); nn.save({'a': [1]}, sys.argv[1])"
    )
    assert subprocess.run([sys.executable, "-c", crash, path]).returncode == 7
    (left,) = os.listdir(tmp_path)
    other = tmp_path / "other"
    nn.save({"a": np.zeros(3)}, path)
    nn.save({"a": np.zeros(3)}, other)
    assert left in os.listdir(tmp_path)  # it is too young to tell
    os.utime(tmp_path / left, (0, 0))
    with open(tmp_path / left, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        nn.save({"a": np.zeros(3)}, path)
        assert left in os.listdir(tmp_path)
    nn.save({"a": np.zeros(3)}, other)
    assert left in os.listdir(tmp_path)  # of another file
    nn.save({"a": np.zeros(3)}, path)
    assert sorted(os.listdir(tmp_path)) == ["other", path.name]


def test_a_writer_that_takes_long_keeps_its_file(path, monkeypatch):
    fsync, others = os.fsync, []

    def slow(number):
        fsync(number)
        if not others:
            (temporary,) = others[:] = os.listdir(path.parent)
            os.utime(path.parent / temporary, (0, 0))
            nn.save({"a": np.ones(3)}, path)

    monkeypatch.setattr(os, "fsync", slow)
    nn.save({"a": np.zeros(3)}, path)
    assert others and nn.load(path)["a"].tolist() == [0, 0, 0] and os.listdir(path.parent) == [path.name]


@pytest.mark.slow
def test_names(tmp_path):
    path = tmp_path / ("n" * 255)  # as long as a file's can be
    state = {"": np.zeros(1), 'ü\n\0"\\': np.ones(2), "n" * 1_000_000: np.ones((2, 0))}
    nn.save(state, path)
    loaded = nn.load(path)
    assert loaded.keys() == state.keys()
    for name, array in state.items():
        same(loaded[name], array)
    for name in ("__metadata__", "\ud800", "n" * 100_000_000):
        with pytest.raises(ValueError, match=r"^save: "):
            nn.save({name: np.zeros(1)}, path)
    assert nn.load(path).keys() == state.keys() and os.listdir(tmp_path) == [path.name]


def test_memory_for_one_array_and_not_for_the_whole_state_again(path):
    """While saving; and loading takes what the arrays take."""
    state = {name: np.ones((1000, 250), np.float32).T for name in "abcdefgh"}  # each 1 MB
    tracemalloc.start()
    nn.save(state, path)
    saving = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    loaded = nn.load(path)
    loading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert saving < 3e6 and sum(array.nbytes for array in loaded.values()) <= loading < 10e6
