"""What data, samplers and transforms say of themselves: the options that they were made with."""

import numpy as np
import pytest

from pullback.nn.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    Dataset,
    DistributedSampler,
    RandomSampler,
    Sampler,
    StackDataset,
    SubsetRandomSampler,
    TensorDataset,
    Transformed,
    WeightedRandomSampler,
    transforms,
)
from pullback.nn.described import Described, described

TABLE = TensorDataset(np.ones((4, 1, 8, 8), np.float32), np.arange(4))
SHOWN = "TensorDataset(4 samples: (1, 8, 8) float32, () int64)"


class Squares(Dataset):
    def __init__(self, count, offset=None, *, power=2):
        self.count, self.offset, self._power = count, offset, power

    def __len__(self):
        return self.count


class Bare(Sampler):
    pass


@pytest.mark.parametrize(
    "made, expected",
    [
        (Squares(3), "Squares(3 samples, count=3, power=2)"),
        (Squares(3, 1, power=4), "Squares(3 samples, count=3, offset=1, power=4)"),
        (ConcatDataset([TABLE, TABLE]), f"ConcatDataset(8 samples, datasets=[{SHOWN}, {SHOWN}])"),
        (ChainDataset([[1], [2, 3]]), "ChainDataset(3 samples, datasets=[[1], [2, 3]])"),
        (ChainDataset([iter([])]), "ChainDataset(datasets=[<list_iterator"),
        (StackDataset(x=[1, 2], y=[3, 4]), "StackDataset(2 samples, x=[1, 2], y=[3, 4])"),
        (StackDataset([1, 2], [3, 4]), "StackDataset(2 samples, [1, 2], [3, 4])"),
        (
            Transformed(TABLE, transforms.CenterCrop(4)),
            f"Transformed(4 samples, dataset={SHOWN}, transform=CenterCrop(size=(4, 4)))",
        ),
        (Bare(), "Bare()"),
        (RandomSampler(TABLE), "RandomSampler(4 indices, replacement=False)"),
        (RandomSampler(TABLE, True, 9), "RandomSampler(9 indices, replacement=True, num_samples=9)"),
        (SubsetRandomSampler([5, 6], generator=0), "SubsetRandomSampler(2 indices)"),
        (WeightedRandomSampler([1, 2], 3), "WeightedRandomSampler(3 indices, num_samples=3, replacement=True)"),
        (BatchSampler([1, 2, 3], 2, True), "BatchSampler(1 indices, sampler=[1, 2, 3], batch_size=2, drop_last=True)"),
        (
            DistributedSampler(TABLE, 2, 1),
            "DistributedSampler(2 indices, num_replicas=2, rank=1, shuffle=True, seed=0, drop_last=False)",
        ),
        (
            transforms.Compose([transforms.RandomCrop(8, padding=1), transforms.Cutout(2), np.sort]),
            "Compose(transforms=[RandomCrop(size=(8, 8), padding=(1, 1), fill=0), Cutout(size=2, value=0), sort])",
        ),
        (transforms.MixUp(), "MixUp(alpha=1.0)"),
        (transforms.CutMix(0.5, 10), "CutMix(alpha=0.5, num_classes=10)"),
        (transforms.Normalize([0.5], [0.25]), "Normalize(mean=[0.5], std=[0.25])"),
    ],
)
def test_options(made, expected):
    assert repr(made) == expected or expected in repr(made)[: len(expected)]


class Held(Described):
    def __init__(self, x, *rest, lost=1, **named):
        self.x, self.rest, self.named = x, rest, named


def test_long_values_are_short():
    assert repr(Held(np.arange(1000))) == "Held(x=[  0,   1, ..., 998, 999])"
    assert repr(Held(list(range(1000)))) == "Held(x=[0, 1, 2, 3, 4, 5, ...])"
    assert len(repr(Held("long" * 1000))) < 250
    assert repr(Held(1, "a", test_options, key=2.5)) == "Held(x=1, 'a', test_options, key=2.5)"


def test_what_is_added_and_left_out():
    assert described(Held(1), "first", without=("x",), epoch=3) == "Held(first, epoch=3)"
