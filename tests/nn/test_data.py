import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import Tensor, nn
from pullback.nn.data import DataLoader, Subset, TensorDataset, random_split


class Pairs:
    """A dataset that gives one sample at a time: an image and its number."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if not 0 <= index < self.length:
            raise IndexError(index)
        return np.full((2, 3), index, np.float32), index


def numbers(loader):
    return [x.tolist() for (x,) in loader]


def test_tensor_dataset_of_arrays_tensors_and_lists():
    images, labels = np.arange(12.0).reshape(4, 3), Tensor([0, 1, 0, 1])
    dataset = TensorDataset(images, labels, [5, 6, 7, 8])
    assert len(dataset) == 4
    x, y, z = dataset[2]
    assert x.tolist() == [6.0, 7.0, 8.0] and int(y) == 0 and int(z) == 7
    x, y, z = dataset[np.array([3, 0])]
    assert x.tolist() == [[9.0, 10.0, 11.0], [0.0, 1.0, 2.0]] and y.tolist() == [1, 0] and z.tolist() == [8, 5]
    assert np.shares_memory(dataset.tensors[0].data, images)


@pytest.mark.parametrize("arrays", [(), (np.zeros(3), np.zeros(4)), (np.zeros(3), np.float64(1.0))])
def test_tensor_dataset_needs_one_length(arrays):
    with pytest.raises(ValueError, match="TensorDataset: needs arrays of one length"):
        TensorDataset(*arrays)


@given(st.integers(0, 20), st.integers(1, 7), st.booleans(), st.booleans())
def test_every_sample_comes_once(total, batch_size, shuffle, drop_last):
    loader = DataLoader(TensorDataset(np.arange(total)), batch_size, shuffle, drop_last=drop_last, generator=1)
    sizes = [batch_size] * (total // batch_size)
    if total % batch_size and not drop_last:
        sizes.append(total % batch_size)
    for _ in range(2):
        batches = numbers(loader)
        assert [len(batch) for batch in batches] == sizes and len(loader) == len(sizes)
        seen = sum(batches, [])
        assert len(set(seen)) == len(seen) == sum(sizes)
        if not shuffle:
            assert seen == list(range(sum(sizes)))


def test_shuffling_is_new_each_time_and_the_same_for_a_seed():
    dataset = TensorDataset(np.arange(50))
    loader = DataLoader(dataset, 8, shuffle=True, generator=3)
    first, second = numbers(loader), numbers(loader)
    assert first != second
    again = DataLoader(dataset, 8, shuffle=True, generator=3)
    assert [numbers(again), numbers(again)] == [first, second]
    assert numbers(DataLoader(dataset, 8, shuffle=True, generator=4)) != first
    same = DataLoader(dataset, 8, shuffle=True, generator=np.random.default_rng(3))
    assert numbers(same) == first


def test_without_a_seed_shuffling_follows_manual_seed():
    loader = DataLoader(TensorDataset(np.arange(50)), 50, shuffle=True)
    nn.manual_seed(5)
    first = numbers(loader)
    nn.manual_seed(5)
    assert numbers(loader) == first
    assert numbers(loader) != first


def test_samples_stay_together():
    loader = DataLoader(TensorDataset(np.arange(40.0), np.arange(40)), 7, shuffle=True, generator=0)
    for x, y in loader:
        np.testing.assert_array_equal(x.data, y.data)


def test_dtypes():
    arrays = np.zeros((2, 1)), np.zeros(2, np.int32), np.zeros(2, bool), np.zeros(2, np.float32), np.zeros(2, np.uint8)
    (batch,) = DataLoader(TensorDataset(*arrays), 2)
    assert [str(x.dtype) for x in batch] == ["float32", "int32", "bool", "float32", "uint8"]
    (batch,) = DataLoader(TensorDataset(*arrays), 2, dtype=None)
    assert [x.dtype for x in batch] == [array.dtype for array in arrays]
    (batch,) = DataLoader(TensorDataset(*arrays), 2, dtype=np.float64)
    assert str(batch[3].dtype) == "float64"
    assert all(isinstance(x, Tensor) for x in batch)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_batch_is_a_copy(shuffle):
    images = np.ones((4, 2), np.float32)
    (batch,) = DataLoader(TensorDataset(images), 4, shuffle, generator=0)
    assert not np.shares_memory(batch[0].data, images)


def test_one_sample_at_a_time_is_collated():
    batches = list(DataLoader(Pairs(5), 2))
    assert [x.shape for x, _ in batches] == [(2, 2, 3), (2, 2, 3), (1, 2, 3)]
    assert batches[1][0].data[:, 0, 0].tolist() == [2.0, 3.0] and batches[1][1].tolist() == [2, 3]
    assert batches[0][0].dtype == np.float32 and batches[0][1].dtype.kind == "i"


def test_dicts_plain_numbers_and_sequences_are_datasets():
    (batch,) = DataLoader([{"x": 1.5, "y": [1, 2]}, {"x": 2.5, "y": [3, 4]}], 2)
    assert batch["x"].dtype == np.float32 and batch["x"].tolist() == [1.5, 2.5]
    assert [part.tolist() for part in batch["y"]] == [[1, 3], [2, 4]]
    (batch,) = DataLoader([1, 2, 3], 3)
    assert batch.tolist() == [1, 2, 3]


def test_samples_that_do_not_fit_together():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        list(DataLoader([np.zeros(2), np.zeros(3)], 2))


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "4"])
def test_batch_size_is_checked(batch_size):
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        DataLoader(TensorDataset(np.zeros(2)), batch_size)


def test_subset():
    subset = Subset(TensorDataset(np.arange(10.0), np.arange(10)), [7, 2, 5])
    assert len(subset) == 3 and float(subset[1][0]) == 2.0
    assert [y.tolist() for _, y in DataLoader(subset, 2)] == [[7, 2], [5]]
    assert [y.tolist() for _, y in DataLoader(Subset(subset, [2, 0]), 2)] == [[5, 7]]
    assert [y.tolist() for _, y in DataLoader(Subset(Pairs(9), [8, 3]), 2)] == [[8, 3]]


@given(st.integers(0, 30), st.integers(0, 10))
def test_random_split_is_a_partition(total, first):
    first = min(first, total)
    parts = random_split(TensorDataset(np.arange(total)), [first, total - first], generator=2)
    assert [len(part) for part in parts] == [first, total - first]
    assert sorted(np.concatenate([part.indices for part in parts])) == list(range(total))


def test_random_split_by_fractions_and_seed():
    dataset = TensorDataset(np.arange(10))
    assert [len(part) for part in random_split(dataset, [0.5, 0.3, 0.2])] == [5, 3, 2]
    assert [len(part) for part in random_split(TensorDataset(np.arange(11)), [1 / 3, 1 / 3, 1 / 3])] == [4, 4, 3]
    one, same, other = (random_split(dataset, [5, 5], generator=seed)[0].indices.tolist() for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("lengths", [[3, 3], [11, -1], [0.5, 0.6], [], [2.5, 7.5]])
def test_random_split_lengths_are_checked(lengths):
    with pytest.raises(ValueError, match="random_split: lengths"):
        random_split(TensorDataset(np.arange(10)), lengths)


@pytest.mark.parametrize(
    "indices, error",
    [
        ([True, False, True], TypeError),
        (np.array([True, False]), TypeError),
        ([0.0, 1.9], TypeError),
        (["0"], TypeError),
        ([[0, 1]], ValueError),
        (np.ma.array([0, 1], mask=[True, False]), TypeError),
    ],
)
def test_indices_of_a_subset_are_whole_numbers(indices, error):
    with pytest.raises(error, match="^(Subset|Tensor): "):
        Subset(TensorDataset(np.arange(3.0)), indices)


def test_a_subset_of_nothing():
    assert len(Subset(TensorDataset(np.arange(3.0)), [])) == 0
