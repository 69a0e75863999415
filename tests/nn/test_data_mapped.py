"""Samples in files that are mapped into memory: nothing reads them as a whole."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from pullback import Tensor, asarray, nn
from pullback.nn.data.mapped import MappingPickler


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "samples.npy"
    np.save(found, np.arange(60, dtype=np.float32).reshape(5, 4, 3))
    return found


PLACES = {
    "whole": lambda x: x,
    "part": lambda x: x[1:3, 1:],
    "turned": lambda x: x.T,
    "steps": lambda x: x[::2, ..., None],
    "entry": lambda x: x[3, 2:3, 0],
    "repeated": lambda x: np.broadcast_to(x[0], (6, 4, 3)),
    "tensor": asarray,
    "view": lambda x: asarray(x[2:]),
}
OTHERS = {
    "empty": lambda x: x[2:2],
    "backwards": lambda x: x[:, ::-1],
    "computed": lambda x: x + 1,
    "copied": Tensor,
}


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("place", [*PLACES, *OTHERS])
def test_pickled(path, place, mode):
    """The values come back: those of the file by their place, so that the file's change is seen; others as they are."""
    array = np.load(path, mmap_mode=mode)
    value = (PLACES | OTHERS)[place](array)
    expected = np.array(value)
    again = pickle.loads(MappingPickler.dumps(value))
    assert isinstance(again, Tensor) == isinstance(value, Tensor)
    np.testing.assert_array_equal(np.asarray(again), expected, strict=True)
    before = path.read_bytes()
    np.load(path, mmap_mode="r+")[:] = -1
    np.testing.assert_array_equal(np.asarray(again), expected * 0 - 1 if place in PLACES and mode != "c" else expected)
    path.write_bytes(before)


def test_of_another_offset(tmp_path):
    (tmp_path / "raw").write_bytes(bytes(range(200)) * 100)
    array = np.memmap(tmp_path / "raw", np.uint8, "r", offset=5003, shape=(7, 3))[2:]
    np.testing.assert_array_equal(pickle.loads(MappingPickler.dumps(array)), array)


def test_writes_stay_with_the_writer(path):
    array = np.load(path, mmap_mode="r+")
    pickle.loads(MappingPickler.dumps(array))[0] = -1
    assert array[0, 0, 1] == 1
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(MappingPickler.dumps(np.load(path, mmap_mode="r")))[0] = -1


def test_file_that_is_gone(path):
    array = np.load(path, mmap_mode="r")
    path.unlink()
    np.testing.assert_array_equal(pickle.loads(MappingPickler.dumps(array)), array)


def test_leaf_stays_a_leaf(path):
    tensor = asarray(np.load(path, mmap_mode="r"))
    tensor.requires_grad = True
    assert pickle.loads(MappingPickler.dumps(tensor)).requires_grad


def test_workers(path):
    dataset = nn.data.TensorDataset(np.load(path, mmap_mode="r"), np.arange(5))
    for i, (x, y) in enumerate(nn.data.DataLoader(dataset, 1, num_workers=1)):
        assert y == i
        np.testing.assert_array_equal(x.numpy()[0], np.arange(60).reshape(5, 4, 3)[i])


TRAINING = """
import resource
import sys
import numpy as np
from pullback import nn, optim

x, y = np.load(sys.argv[1], mmap_mode="r"), np.zeros(1 << 20, np.int64)
model = nn.Sequential(nn.Linear(128, 2))
trainer = optim.Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
trainer.fit((x[:64], y[:64]), epochs=1, batch_size=32, progress=False)  # what it needs beside the samples
held = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (held + (1 << 27), held + (1 << 27)))  # a quarter of the file
trainer.fit((x, y), epochs=1, batch_size=8192, progress=False)
trainer.evaluate((x, y), batch_size=8192)
try:
    np.array(x)
except MemoryError:
    print("trained")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of a process as Linux has them")
def test_a_trainer_does_not_read_the_whole(tmp_path):
    """In an eighth of a gigabyte, over half a gigabyte of samples (zeros: a file with holes)."""
    path = tmp_path / "many.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (1 << 20, 128)).flush()
    done = subprocess.run([sys.executable, "-c", TRAINING, path], capture_output=True, text=True, timeout=300)
    assert done.stdout == "trained\n", done.stderr
