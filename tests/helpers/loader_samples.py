"""Datasets and functions that worker processes of loaders can import."""

import os
import signal
import sys
import time

import numpy as np

import pullback as pb
from pullback.nn.data import Dataset, IterableDataset, default_collate, get_worker_info


def noise(size=()):
    return pb.random.random(size).numpy() if size else float(pb.random.random())


class Noisy(Dataset):
    """Samples (index + noise, index)."""

    def __init__(self, length=11):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return index + noise((2,)), index


class Stream(IterableDataset):
    """Numbers with noise that adds up, in an order that is drawn at first."""

    def __init__(self, length=11):
        self.length = length

    def __iter__(self):
        return self.numbers(pb.random.permutation(self.length).numpy().tolist())

    def numbers(self, order):
        total = 0.0
        for number in order:
            total += noise()
            yield number + total


class Remembering(IterableDataset):
    """A stream that says where it is and cannot begin anywhere but there."""

    def __init__(self, length=11):
        self.length, self.place, self.read = length, 0, 0

    def __iter__(self):
        place, self.place = self.place, 0
        for number in range(place, self.length):
            self.read += 1
            self.seen = number + 1
            yield number + noise()

    def state_dict(self):
        return {"place": self.seen}

    def load_state_dict(self, state):
        self.place = state["place"]


class Failing(Noisy):
    """Raises an error, or does something worse, at one index."""

    def __init__(self, what, index=7, length=11):
        super().__init__(length)
        self.what, self.index = what, index

    def __getitem__(self, index):
        if index == self.index:
            self.what()
        return super().__getitem__(index)


class Odd(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_key_error():
    raise KeyError("seven")


def raise_odd():
    raise Odd(1, 2)


def lose_connection():
    raise ConnectionResetError("the server of the data is gone")


def stop_iteration():
    raise StopIteration


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    sys.exit(3)


def leave_at_once():
    os._exit(4)


def sleep():
    time.sleep(60)


def identity(samples):
    return samples


def with_noise(samples):
    x, *rest = default_collate(samples)
    return (x + noise(), *rest)


def worker_numbers(samples):
    info = get_worker_info()
    return None if info is None else (info.id, info.num_workers, type(info.dataset).__name__, samples[0][1])


def unpicklable(samples):
    return lambda: samples


def fail_to_start(number):
    raise FileNotFoundError(f"worker {number} finds no file")


class Large(Dataset):
    """Arrays of a megabyte, of several layouts."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return {
            "c": np.full((500, 500), index, np.float32),
            "f": np.asfortranarray(np.arange(300 * 200, dtype=np.float64).reshape(300, 200) + index),
            "small": np.arange(3) + index,
            "empty": np.zeros((0, 3), np.float32),
            "text": f"sample {index}",
        }


class Computing(Dataset):
    """Samples that take threads, where there are some: products of matrices, and a gradient."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        matrix = np.random.default_rng(index).integers(-3, 4, (300, 300)).astype(np.float64)
        x = pb.Tensor(matrix, requires_grad=True)
        pb.relu(x @ x).sum().backward()
        return (matrix @ matrix)[:2], x.grad.numpy()[:2]


class Ready:
    """Unpickled nowhere."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return index

    def __setstate__(self, state):
        raise RuntimeError("not here")

    def __getstate__(self):
        return {"a": 1}
