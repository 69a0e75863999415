"""A loader that goes on from a state gives the batches that it would have given."""

import copy
import json

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.nn.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from pullback.nn.init import generator
from pullback.tests.helpers import loader_samples as samples

EPOCHS = 3


def arrays(batch):
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    return [np.asarray(part).tolist() for part in parts]


class Alternating(Sampler):
    """A sampler of one's own: forth and back in turn, which only its state tells."""

    turn = 0

    def __iter__(self):
        self.turn += 1
        return iter(range(11) if self.turn % 2 else range(10, -1, -1))

    def __len__(self):
        return 11

    def state_dict(self):
        return {"turn": self.turn}

    def load_state_dict(self, state):
        self.turn = state["turn"]


def loader(case, seed, **options):
    """A loader for a case, with generators of a seed."""
    make = CASES[case]
    return DataLoader(**make(seed), **options)


CASES = {
    "shuffled": lambda seed: {"dataset": samples.Noisy(), "batch_size": 3, "shuffle": True, "generator": seed},
    "in order": lambda seed: {"dataset": samples.Noisy(), "batch_size": 3, "generator": seed},
    "arrays": lambda seed: {
        "dataset": TensorDataset(np.arange(11)),
        "batch_size": 3,
        "shuffle": True,
        "generator": seed,
    },
    "one by one": lambda seed: {"dataset": samples.Noisy(4), "batch_size": None, "shuffle": True, "generator": seed},
    "replacement": lambda seed: {
        "dataset": samples.Noisy(),
        "sampler": RandomSampler(range(11), True, 8, generator=seed),
        "batch_size": 3,
        "generator": seed,
    },
    "weighted": lambda seed: {
        "dataset": samples.Noisy(),
        "batch_sampler": BatchSampler(WeightedRandomSampler([*range(11)], 9, generator=seed), 2, False),
        "generator": seed,
    },
    "subset": lambda seed: {
        "dataset": samples.Noisy(),
        "sampler": SubsetRandomSampler([1, 5, 7, 8], np.random.Generator(np.random.MT19937(seed))),
        "generator": np.random.Generator(np.random.Philox(seed)),
    },
    "own sampler": lambda seed: {
        "dataset": samples.Noisy(),
        "sampler": Alternating(),
        "batch_size": 4,
        "generator": seed,
    },
    "stream": lambda seed: {"dataset": samples.Stream(), "batch_size": 3, "generator": seed},
    "stream with state": lambda seed: {"dataset": samples.Remembering(), "batch_size": 3, "generator": seed},
}
OPTIONS = {
    "here": {},
    "threads": {"num_workers": 2, "workers": "thread"},
    "processes": {"num_workers": 2},
    "persistent": {"num_workers": 2, "workers": "thread", "persistent_workers": True},
}


def plain(data):
    """Whether data are dicts, lists, numbers, texts and arrays."""
    if isinstance(data, dict):
        return all(type(key) is str and plain(value) for key, value in data.items())
    if isinstance(data, list):
        return all(map(plain, data))
    return data is None or type(data) in (int, float, str, bool, np.ndarray)


def run(loader, states=None):
    """All batches of some epochs, and what the states were after each, and before."""
    found = []
    for epoch in range(EPOCHS):
        if states is not None:
            states.append((epoch, 0, loader.state_dict()))
        found.append([])
        for batch in loader:
            found[-1].append(arrays(batch))
            if states is not None:
                states.append((epoch, len(found[-1]), loader.state_dict()))
    return found


PROCESSES = [("processes", case) for case in ("shuffled", "weighted", "stream", "stream with state")]


@pytest.mark.slow
@pytest.mark.parametrize("how, case", [*((how, case) for how in ("here", "threads") for case in CASES), *PROCESSES])
def test_it_goes_on_from_anywhere(how, case):
    states = []
    expected = run(loader(case, 1, **OPTIONS[how]), states)
    assert run(loader(case, 1)) == expected, "a look at the state changes something"
    assert all(plain(state) for *_, state in states)
    for epoch, position, state in states[:: 1 if how == "here" else 5]:
        if case != "subset":
            state = json.loads(json.dumps(state))
        other = loader(case, 2, **OPTIONS["threads" if how == "here" else how])
        list(other)  # a state is for one that has been used, too
        other.load_state_dict(state)
        assert other.state_dict()["position"] == position and other.state_dict()["epoch"] == epoch
        for number in range(epoch, EPOCHS):
            found = [arrays(batch) for batch in other]
            assert found == expected[number][position if number == epoch else 0 :], (epoch, position, number)


@pytest.mark.parametrize("how", ["here", "processes", "persistent"])
def test_without_a_seed_beside_the_state_of_the_thread(how):
    def batches(loader, number):
        return [[arrays(batch) for batch in loader] for _ in range(number)]

    nn.manual_seed(0)
    first = DataLoader(samples.Noisy(), 3, shuffle=True, **OPTIONS[how])
    before, _ = batches(first, 1)[0], pb.random.random(3)
    running = iter(first)
    beginning = [arrays(next(running)), arrays(next(running))]
    pb.random.random(5)  # as dropout does
    state, thread = first.state_dict(), generator().bit_generator.state
    rest, after, drawn = [arrays(batch) for batch in running], batches(first, 2), float(pb.random.random())

    nn.manual_seed(123)
    second = DataLoader(samples.Noisy(), 3, shuffle=True)
    second.load_state_dict(state)
    generator().bit_generator.state = thread
    assert [arrays(batch) for batch in second] == rest
    assert batches(second, 2) == after and float(pb.random.random()) == drawn
    assert before != beginning + rest


def test_a_stream_with_a_state_is_not_read_again():
    states = []
    run(loader("stream with state", 1), states)
    dataset = samples.Remembering()
    other = DataLoader(dataset, 3, generator=1)
    other.load_state_dict(next(state for epoch, position, state in states if (epoch, position) == (1, 2)))
    assert len(list(other)) == 2 and dataset.read == 5


def test_the_epoch_of_a_distributed_sampler():
    def made():
        return DataLoader(range(9), 2, sampler=DistributedSampler(range(9), 2, 1, seed=4))

    first = made()
    first.sampler.set_epoch(6)
    running = iter(first)
    next(running)
    second = made()
    second.load_state_dict(first.state_dict())
    assert [x.tolist() for x in second] == [x.tolist() for x in running]
    assert second.sampler.epoch == 6
    list(running)
    second.load_state_dict(first.state_dict())  # between two epochs
    for loader in (first, second):
        loader.sampler.set_epoch(7)
    assert [x.tolist() for x in second] == [x.tolist() for x in first]
    assert second.sampler.epoch == 7


def test_states_are_copies():
    first = loader("shuffled", 1)
    running = iter(first)
    next(running)
    state = first.state_dict()
    kept = copy.deepcopy(state)
    next(running)
    assert state == kept and first.state_dict()["position"] == 2
    second = loader("shuffled", 2)
    second.load_state_dict(state)
    list(second)
    assert state == kept


def test_the_state_is_of_the_iteration_that_began_last():
    first = loader("in order", 1)
    one = iter(first)
    next(one), next(one)
    two = iter(first)
    next(two)
    next(one)
    assert (first.state_dict()["epoch"], first.state_dict()["position"]) == (1, 1)
    list(one)
    assert (first.state_dict()["epoch"], first.state_dict()["position"]) == (1, 1)


def test_states_of_other_loaders_are_refused():
    state = loader("shuffled", 1).state_dict()
    with pytest.raises(ValueError, match="load_state_dict of DataLoader: samples is 5 here, and 11 in the state"):
        DataLoader(range(5), 3).load_state_dict(state)
    with pytest.raises(ValueError, match="load_state_dict of DataLoader: batch_size is 4 here, and 3 in the state"):
        DataLoader(range(11), 4).load_state_dict(state)
    for wrong in ({"model": 1}, {**state, "more": 1}, {}):
        with pytest.raises(ValueError, match="load_state_dict of DataLoader: expected epoch, position, .* not "):
            DataLoader(range(11), 3).load_state_dict(wrong)


def test_a_copy_of_a_loader_has_no_workers():
    first = DataLoader(samples.Noisy(), 3, generator=1, num_workers=1, workers="thread", persistent_workers=True)
    next(iter(first))
    second = copy.deepcopy(first)
    assert [arrays(a) for a in first] == [arrays(a) for a in second]
