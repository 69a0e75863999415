from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import Tensor, nn
from pullback.nn.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    Transformed,
    default_collate,
    default_convert,
    random_split,
)


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


class Squares(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return index**2


class Letters(IterableDataset):
    def __init__(self, text):
        self.text = text

    def __iter__(self):
        return iter(self.text)


def test_datasets_one_after_the_other():
    both = Squares() + [10, 11]
    assert isinstance(both, ConcatDataset) and len(both) == 6
    assert [both[i] for i in range(6)] == [0, 1, 4, 9, 10, 11] == [both[i - 6] for i in range(6)]
    for index in (6, -7):
        with pytest.raises(IndexError, match=f"ConcatDataset: index {index} is out of range for 6 samples"):
            both[index]
    assert [ConcatDataset([[], [1], [], [2]])[i] for i in (0, 1)] == [1, 2]
    assert [x.tolist() for x in DataLoader(both, 4)] == [[0, 1, 4, 9], [10, 11]]
    with pytest.raises(ValueError, match="ConcatDataset: needs at least one dataset"):
        ConcatDataset([])
    with pytest.raises(TypeError, match="ConcatDataset: a stream, Letters.*has no indices; use ChainDataset"):
        ConcatDataset([Letters("ab")])


def test_streams_one_after_the_other():
    both = Letters("ab") + Letters("cd")
    assert isinstance(both, ChainDataset) and list(both) == ["a", "b", "c", "d"]
    assert list(DataLoader(both, 3)) == [["a", "b", "c"], ["d"]]
    assert len(ChainDataset([[1, 2], [3]])) == 3
    with pytest.raises(TypeError):
        len(both)


def test_datasets_side_by_side():
    assert StackDataset(Squares(), "abcd")[2] == (4, "c") and len(StackDataset(x="ab")) == 2
    (batch,) = DataLoader(StackDataset(x=Squares(), name="abcd"), 4)
    assert batch["x"].tolist() == [0, 1, 4, 9] and batch["name"] == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match=r"StackDataset: needs datasets of one length, not of \[4, 3\]"):
        StackDataset(Squares(), "abc")
    for wrong in (lambda: StackDataset(), lambda: StackDataset("a", x="b")):
        with pytest.raises(TypeError, match="StackDataset: needs datasets that are all positional, or all by keyword"):
            wrong()


@pytest.mark.parametrize("base, method", [(Dataset(), "__getitem__"), (IterableDataset(), "__iter__")])
def test_bases_say_what_is_missing(base, method):
    with pytest.raises(NotImplementedError, match=method):
        base[0] if method == "__getitem__" else iter(base)


@pytest.mark.parametrize(
    "inner", [Pairs(6), TensorDataset(np.arange(36.0).reshape(6, 2, 3), np.arange(6))], ids=["one", "all"]
)
def test_transformed_samples_and_batches(inner):
    calls = []

    def halved(x):
        assert type(x) is np.ndarray
        calls.append(x.shape)
        return x / 2

    dataset = Transformed(Subset(inner, [4, 1, 5]), halved)
    expected = np.asarray(inner[1][0]) / 2
    np.testing.assert_array_equal(dataset[1][0], expected)
    x, y = list(DataLoader(dataset, 2))[0]
    assert isinstance(x, Tensor) and y.tolist() == [4, 1] and len(dataset) == 3
    np.testing.assert_array_equal(x.data[1], expected.astype(np.float32))
    assert calls[-1] == ((1, 2, 3) if isinstance(inner, TensorDataset) else (2, 3))


def test_a_dataset_that_redefines_its_samples_is_asked_for_each():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            assert isinstance(index, int)
            return 2 * self.tensors[0][index]

    assert [x.tolist() for x in DataLoader(Subset(Doubled(np.arange(5)), [4, 2, 0]), 2)] == [[8, 4], [0]]


def test_getitems_gives_all_samples_at_once():
    class Table(Squares):
        def __getitems__(self, indices):
            return [-index for index in indices]

    assert [x.tolist() for x in DataLoader(Table(), 3)] == [[0, -1, -2], [-3]]


Point = namedtuple("Point", "x y")


def test_collate_keeps_structures():
    batch = default_collate([Point([1, 2.5], {"a": "u", "b": b"v"}), Point([3, 4.5], {"a": "w", "b": b"x"})])
    assert type(batch) is Point and type(batch.x) is list
    assert [part.tolist() for part in batch.x] == [[1, 3], [2.5, 4.5]]
    assert batch.y == {"a": ["u", "w"], "b": [b"v", b"x"]}
    assert default_collate([True, False]).dtype == bool
    assert default_collate([np.float32(1), np.float32(2)]).dtype == np.float32
    assert default_collate([Tensor([1.0]), Tensor([2.0])]).tolist() == [[1.0], [2.0]]
    x = Tensor([1.0], requires_grad=True)
    default_collate([x, x]).sum().backward()
    assert x.grad.tolist() == [2.0]


def test_convert_makes_tensors_of_arrays_alone():
    made = default_convert({"a": np.ones(2), "b": [3, "c", None], "d": Point(np.int64(4), 5.0)})
    assert isinstance(made["a"], Tensor) and made["b"] == [3, "c", None]
    assert isinstance(made["d"], Point) and isinstance(made["d"].x, Tensor) and made["d"].y == 5.0


def test_collate_as_pytorch(torch):
    from torch.utils.data import default_collate as reference

    def lists(data):
        if isinstance(data, dict):
            return {key: lists(part) for key, part in data.items()}
        return (
            [lists(part) for part in data]
            if isinstance(data, (tuple, list))
            else getattr(data, "tolist", lambda: data)()
        )

    for samples in (
        [1, 2],
        [1.5, 2.5],
        ["a", "b"],
        [{"x": 1, "y": (2.0, "c")}] * 3,
        [np.ones((2, 3))] * 2,
        [[1, [2]]] * 2,
    ):
        assert lists(default_collate(samples)) == lists(reference(samples))


@pytest.mark.parametrize(
    "samples, error, said",
    [
        ([None, None], TypeError, "default_collate: a sample holds NoneType; expected arrays"),
        ([object()], TypeError, "default_collate: a sample holds"),
        ([np.array(["a"])], TypeError, "default_collate: a sample holds <U1; expected"),
        ([np.array([None])] * 2, TypeError, "default_collate: a sample holds object; expected"),
        ([{"a": 1}, {"b": 1}], ValueError, r"different keys, \['a'\] and \['b'\]"),
        ([(1, 2), (1,)], ValueError, r"different numbers of parts, \[1, 2\]"),
        ([np.zeros(2), np.zeros((2, 1))], ValueError, r"different shapes, \(2,\) and \(2, 1\)"),
        ([np.zeros(2), Tensor([1.0, 2.0, 3.0])], ValueError, r"\(2,\).*\(3,\)"),
    ],
)
def test_samples_that_are_no_batch(samples, error, said):
    with pytest.raises(error, match=said):
        default_collate(samples)


def test_one_by_one_and_by_own_samplers():
    singles = list(DataLoader(Pairs(3), None))
    assert [(x.shape, y) for x, y in singles] == [((2, 3), 0), ((2, 3), 1), ((2, 3), 2)]
    assert list(DataLoader(Letters("abc"), batch_size=None)) == ["a", "b", "c"]
    assert list(DataLoader({"k": 1, "l": 2}, None, sampler=["l", "k"])) == [2, 1]
    loader = DataLoader(Squares(), batch_sampler=[[3], [], [0, 1]][::2])
    assert [x.tolist() for x in loader] == [[9], [0, 1]] and len(loader) == 2
    assert [x.tolist() for x in DataLoader(Squares(), 2, sampler=iter([3, 2, 1]))] == [[9, 4], [1]]
    (batch,) = DataLoader(Squares(), 4, collate_fn=list)
    assert batch == [0, 1, 4, 9]
    ((x, y),) = DataLoader(TensorDataset(np.arange(2.0), np.arange(2)), 2, collate_fn=lambda samples: samples)
    assert [int(part) for part in (*x, *y)] == [0, 0, 1, 1] and x[0].dtype == np.float32


def test_lengths():
    assert len(DataLoader(Squares(), 3)) == 2 and len(DataLoader(Squares(), 3, drop_last=True)) == 1
    assert len(DataLoader(Squares(), None)) == 4 and len(DataLoader(Squares(), 3, sampler=[1, 2])) == 1
    assert len(DataLoader(ChainDataset([[1, 2, 3]]), 2)) == 2
    assert (
        len(DataLoader(ChainDataset([[1, 2, 3]]), 2, drop_last=True))
        == 1
        == len(list(DataLoader(ChainDataset([[1, 2, 3]]), 2, drop_last=True)))
    )
    with pytest.raises(TypeError, match="len"):
        len(DataLoader(Letters("ab")))


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": True}, {"num_workers": 1, "workers": "thread"}, {"drop_last": True}]
)
def test_a_loader_of_nothing(options):
    for dataset in ([], TensorDataset(np.zeros((0, 3)))):
        loader = DataLoader(dataset, 2, **options)
        assert len(loader) == 0 and list(loader) == []


WRONG = {
    "shuffle and sampler": ({"shuffle": True, "sampler": [0]}, ValueError, "sampler and shuffle exclude each other"),
    "batch_sampler": (
        {"batch_sampler": [[0]], "batch_size": 2, "drop_last": True},
        ValueError,
        "batch_sampler and batch_size and drop_last exclude each other",
    ),
    "both samplers": ({"batch_sampler": [[0]], "sampler": [0]}, ValueError, "batch_sampler and sampler exclude"),
    "no batches": ({"batch_size": None, "drop_last": True}, ValueError, "batch_size=None and drop_last exclude"),
    "stream": (
        {"dataset": Letters("ab"), "shuffle": True},
        ValueError,
        "an IterableDataset gives its own order, without shuffle",
    ),
    "generator": (
        {"dataset": (x for x in "ab")},
        TypeError,
        "generator lacks; a stream of samples derives from IterableD",
    ),
    "number": ({"dataset": 5}, TypeError, "a dataset has __getitem__ and __len__, which int lacks"),
    "workers": ({"num_workers": -1}, ValueError, "num_workers must be an integer, 0 or more, not -1"),
    "half": ({"num_workers": 0.5}, ValueError, "num_workers must be an integer, 0 or more, not 0.5"),
    "true": ({"num_workers": True}, ValueError, "num_workers must be an integer, 0 or more, not True"),
    "kind": ({"workers": "fibre"}, ValueError, 'workers must be "process" or "thread", not \'fibre\''),
    "prefetch": ({"prefetch_factor": 0}, ValueError, "prefetch_factor must be a positive integer, not 0"),
    "timeout": ({"timeout": -1}, ValueError, "timeout must be a number of seconds, 0 or more, not -1"),
    "nan": ({"timeout": np.nan}, ValueError, "timeout must be a number of seconds"),
    "shuffle": ({"shuffle": 3}, TypeError, "shuffle is True or False, not 3"),
    "drop_last": ({"drop_last": "no"}, TypeError, "drop_last is True or False, not 'no'"),
}


@pytest.mark.parametrize("options, error, said", WRONG.values(), ids=WRONG)
def test_arguments_that_do_not_fit(options, error, said):
    with pytest.raises(error, match=f"DataLoader: .*{said}"):
        DataLoader(**{"dataset": Squares(), **options})


@pytest.mark.parametrize(
    "sampler, error",
    [([4], IndexError), ([1.5], (TypeError, IndexError)), (["a"], (TypeError, IndexError, ValueError))],
)
def test_indices_that_are_none(sampler, error):
    with pytest.raises(error):
        list(DataLoader(TensorDataset(np.arange(4)), 2, sampler=sampler))


@pytest.mark.parametrize(
    "indices", [[True, False, True, False], np.array([True, False, True, False]), [1.0, 2.0], [[0, 1]]]
)
def test_masks_and_tables_are_no_indices(indices):
    with pytest.raises((TypeError, ValueError), match="DataLoader: indices must be"):
        list(DataLoader(TensorDataset(np.arange(4)), batch_sampler=[indices]))


def test_a_batch_of_none():
    (batch,) = DataLoader(TensorDataset(np.zeros((4, 2))), batch_sampler=[[]])
    assert batch[0].shape == (0, 2)
    with pytest.raises(ValueError, match="default_collate: an empty list of samples is no batch"):
        list(DataLoader(Squares(), batch_sampler=[[]]))


def test_a_repr_tells_of_workers():
    assert repr(DataLoader([1], num_workers=2, workers="thread")).endswith("dtype=float32, 2 thread workers)")
