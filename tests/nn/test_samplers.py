import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback import nn
from pullback.nn.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

DRAWN = {
    "RandomSampler": lambda generator: RandomSampler(range(40), generator=generator),
    "replacement": lambda generator: RandomSampler(range(40), True, generator=generator),
    "SubsetRandomSampler": lambda generator: SubsetRandomSampler(range(3, 43), generator),
    "WeightedRandomSampler": lambda generator: WeightedRandomSampler(np.arange(40), 40, generator=generator),
    "no replacement": lambda generator: WeightedRandomSampler(np.arange(1, 41), 30, False, generator),
}


@pytest.mark.parametrize("make", DRAWN.values(), ids=DRAWN)
def test_draws_are_new_each_time_and_the_same_for_a_seed(make):
    one, same, other = make(3), make(np.random.default_rng(3)), make(4)
    first, second = list(one), list(one)
    assert len(first) == len(one) and first != second
    assert [list(same), list(same)] == [first, second] and list(other) != first
    assert all(type(index) is int for index in first)
    state, third = one.state_dict(), list(one)
    one.load_state_dict(state)
    assert list(one) == third
    nn.manual_seed(5)
    default, after = list(make(None)), list(make(None))
    nn.manual_seed(5)
    assert list(make(None)) == default != after
    assert make(None).state_dict() == {} and make(None).load_state_dict({}) is None


@given(st.integers(0, 12), st.integers(1, 40))
def test_random_sampler_beyond_the_dataset(total, wanted):
    sampler = RandomSampler(range(total), num_samples=wanted, generator=0)
    if not total:
        with pytest.raises(ValueError, match=f"RandomSampler: cannot draw {wanted} samples of an empty dataset"):
            list(sampler)
        return
    found = list(sampler)
    assert len(found) == wanted == len(sampler)
    for start in range(0, wanted, total):
        part = found[start : start + total]
        assert len(set(part)) == len(part) and set(part) <= set(range(total))


def test_with_replacement_all_come_about_as_often():
    counts = np.bincount(list(RandomSampler(range(10), True, 10_000, generator=0)), minlength=10)
    assert counts.sum() == 10_000 and np.all(np.abs(counts - 1000) < 6 * np.sqrt(900))


def test_weights_are_shares():
    weights = np.array([0, 1, 2, 0, 7.0])
    counts = np.bincount(list(WeightedRandomSampler(weights, 20_000, generator=0)), minlength=5)
    expected = 20_000 * weights / 10
    assert np.all(np.abs(counts - expected) <= 6 * np.sqrt(expected))
    assert sorted(WeightedRandomSampler(weights, 3, replacement=False, generator=0)) == [1, 2, 4]
    assert set(WeightedRandomSampler([1e308, 1e308], 50, generator=0)) == {0, 1}
    assert list(WeightedRandomSampler([0, 5e-324], 4, generator=0)) == [1] * 4


def test_a_dataset_that_grows_is_sampled_whole():
    data = [1, 2]
    samplers = SequentialSampler(data), RandomSampler(data, generator=0)
    data.append(3)
    assert all(sorted(sampler) == [0, 1, 2] for sampler in samplers)


@given(st.integers(0, 20), st.integers(1, 7), st.booleans())
def test_batches_are_pieces(total, size, drop_last):
    whole = [list(range(start, min(start + size, total))) for start in range(0, total, size)]
    if drop_last:
        whole = [batch for batch in whole if len(batch) == size]
    for indices in (range(total), SequentialSampler(range(total)), list(range(total))):
        sampler = BatchSampler(indices, size, drop_last)
        assert list(sampler) == whole and len(sampler) == len(whole)
        assert [list(batch) for batch in sampler.batches()] == whole


def test_a_sampler_that_redefines_the_order_is_asked_for_it():
    class Backwards(SequentialSampler):
        def __iter__(self):
            return iter(range(len(self) - 1, -1, -1))

    assert [list(batch) for batch in BatchSampler(Backwards(range(3)), 2, False).batches()] == [[2, 1], [0]]


@given(st.integers(0, 30), st.integers(1, 6), st.booleans(), st.booleans())
def test_distributed_shares_make_up_the_whole(total, replicas, shuffle, drop_last):
    def share(rank):
        sampler = DistributedSampler(range(total), replicas, rank, shuffle, 7, drop_last)
        sampler.set_epoch(2)
        found = list(sampler)
        assert len(sampler) == len(found)
        return found

    shares = [share(rank) for rank in range(replicas)]
    assert len({len(part) for part in shares}) == 1
    together = [index for step in zip(*shares, strict=True) for index in step]  # in the order that was shared out
    if drop_last:
        assert len(together) == total // replicas * replicas and len(set(together)) == len(together)
    else:
        assert (
            sorted(together[:total]) == list(range(total))
            and together[total:] == (together[:total] * 7)[: len(together) - total]
        )
    if not shuffle:
        assert together[:total] == list(range(total))[: len(together)]


def test_distributed_epochs_and_seeds():
    def order(seed, epoch):
        sampler = DistributedSampler(range(50), 1, 0, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_the_same_without_chance_as_pytorch(torch):
    from torch.utils import data

    for total in (0, 1, 5, 7, 12):
        for replicas in (1, 2, 5):
            for drop_last in (False, True):
                for rank in range(replicas):
                    arguments = range(total), replicas, rank, False, 0, drop_last
                    assert list(DistributedSampler(*arguments)) == list(data.DistributedSampler(*arguments))
    for size in (1, 3):
        for drop_last in (False, True):
            assert list(BatchSampler(range(7), size, drop_last)) == list(data.BatchSampler(range(7), size, drop_last))


class Bare(Sampler):
    pass


WRONG = {
    "no order": (lambda: list(Bare()), NotImplementedError, "Bare: a sampler defines __iter__"),
    "negative": (
        lambda: RandomSampler(range(3), num_samples=-1),
        ValueError,
        "num_samples must be a positive integer, not -1",
    ),
    "none": (
        lambda: RandomSampler(range(3), num_samples=0),
        ValueError,
        "num_samples must be a positive integer, not 0",
    ),
    "half": (lambda: RandomSampler(range(3), num_samples=1.5), ValueError, "num_samples must be a positive integer"),
    "replacement": (lambda: RandomSampler(range(3), 1), TypeError, "replacement is True or False, not 1"),
    "batch": (
        lambda: BatchSampler(range(3), True, False),
        ValueError,
        "batch_size must be a positive integer, not True",
    ),
    "drop": (lambda: BatchSampler(range(3), 2, 0), TypeError, "drop_last is True or False, not 0"),
    "zeros": (lambda: WeightedRandomSampler([0.0, 0.0], 2), ValueError, "all of the 2 weights are 0"),
    "no weights": (lambda: WeightedRandomSampler([], 2), ValueError, "all of the 0 weights are 0"),
    "negative weight": (
        lambda: WeightedRandomSampler([1, -1], 2),
        ValueError,
        "weights must be finite numbers, 0 or more",
    ),
    "nan": (lambda: WeightedRandomSampler([1, np.nan], 2), ValueError, "weights must be finite numbers"),
    "table": (
        lambda: WeightedRandomSampler([[1, 2]], 2),
        ValueError,
        r"along one axis, not \[\[1. 2.\]\] of shape \(1, 2\)",
    ),
    "too few": (
        lambda: WeightedRandomSampler([1, 0, 2], 3, False),
        ValueError,
        "2 positive weights cannot give 3 samples",
    ),
    "text": (lambda: WeightedRandomSampler([1, 2], 2, "yes"), TypeError, "replacement is True or False"),
    "bools": (lambda: SubsetRandomSampler([True, False]), TypeError, "indices must be integers, not bool"),
    "floats": (lambda: SubsetRandomSampler([1.5]), TypeError, "indices must be integers, not float64"),
    "rank": (lambda: DistributedSampler(range(3), 2, 2), ValueError, "rank must be an integer of 0 to 1, not 2"),
    "negative rank": (lambda: DistributedSampler(range(3), 2, -1), ValueError, "rank must be an integer of 0 to 1"),
    "replicas": (lambda: DistributedSampler(range(3), 0, 0), ValueError, "num_replicas must be a positive integer"),
}


@pytest.mark.parametrize("call, error, said", WRONG.values(), ids=WRONG)
def test_wrong_arguments(call, error, said):
    with pytest.raises(error, match=said):
        call()
