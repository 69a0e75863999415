"""Depth, width, length and number: what must stay linear, flat, apart and whole, asserted without a clock."""

import gc
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import pullback as pb
from pullback import Tensor, nn, optim, registry
from pullback.autograd.core.graph import Node, RaisedNode, mode, modes
from pullback.autograd.core.observers import Observer
from pullback.testing import strategies


class Counting(Observer):
    """How many operations and rules have run."""

    def __init__(self):
        self.operations = self.rules = 0

    def ran(self, *_):
        self.operations += 1

    def pulled(self, *_):
        self.rules += 1


@contextmanager
def counted():
    counting = Counting()
    with mode(observers=(counting,)):
        yield counting


@contextmanager
def collections():
    """The objects that each run of the garbage collector finds in here."""
    found = []

    def on_collection(phase, info):
        if phase == "stop":
            found.append(info["collected"] + info["uncollectable"])

    gc.collect()
    gc.callbacks.append(on_collection)
    try:
        yield found
    finally:
        gc.callbacks.remove(on_collection)


def leaf(value):
    return Tensor(value, requires_grad=True)


def test_a_hundred_thousand_operations_deep_in_other_modes():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.backward(create_graph=True)
    assert x.grad.item() == 1.0

    def deep(x):
        for _ in range(100_000):
            x = x + 1.0
        return x

    assert pb.jvp(deep, (1.0,), (2.0,))[1].item() == 2.0
    assert pb.vmap(pb.grad(deep))(np.ones(2)).tolist() == [1, 1]


def test_many_consumers():
    beyond = []
    for n in (100, 10_000):
        with counted() as count:
            x = leaf(np.arange(3.0))
            pb.concatenate([x * float(i) for i in range(n)]).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.full(3, n * (n - 1) / 2))
        beyond.append((count.operations - n, count.rules - 2 * n))
    assert beyond[0] == beyond[1]  # an operation and two rules for each
    x = leaf(1.0)
    sum([x * 1.0 for _ in range(100_000)], 0.0).backward()
    assert x.grad.item() == 100_000


def test_doubling_runs_each_rule_once_for_each_argument():
    counts = []
    for n in (500, 1000):
        with counted() as count:
            x = leaf(1.0)
            y = x
            for _ in range(n):
                y = y + y
            y.backward()
        assert x.grad.item() == 2.0**n
        counts.append((count.operations, count.rules))
    assert counts == [(500, 1000), (1000, 2000)]


def trained(steps, seed=0, after=lambda step: None):
    """The parameters of a small network after some steps of training."""
    nn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    loss = nn.CrossEntropyLoss()
    for step in range(steps):
        x = rng.standard_normal((32, 2)).astype(np.float32)
        model.zero_grad()
        loss(model(Tensor(x)), (x[:, 0] * x[:, 1] > 0).astype(int)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        after(step)
    return [p.numpy() for p in model.parameters()]


@pytest.mark.parametrize("steps", [2_000, pytest.param(10_000, marks=pytest.mark.thorough)])
def test_thousands_of_steps_leave_nothing_behind(steps):
    """Memory is flat with the garbage collector off, and with it on it finds nothing."""
    sizes = []

    def after(step):
        if step in (100, steps - 1):
            sizes.append(sys.getallocatedblocks())

    with collections() as found:
        gc.disable()
        try:
            trained(steps, after=after)
        finally:
            gc.enable()
        assert found == []
        trained(300)
        gc.collect()
    assert sizes[1] - sizes[0] < 100  # blocks of memory; the graph of one step has as many
    assert sum(found) < 100  # none of the 300 steps leaves any (without the global lock a run leaves a few functions)


def test_eight_threads_train_as_if_alone_to_the_bit():
    alone = [trained(200, seed) for seed in range(8)]
    together = [None] * 8
    barrier = threading.Barrier(8)

    def run(seed):
        barrier.wait()
        together[seed] = trained(200, seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone, together, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))
    assert not np.array_equal(alone[0][0], alone[1][0])


class Planted(Exception):
    """Raised by a test in the place of what would have run."""


def fail(*_, **__):
    raise Planted


def drawn(primitive):
    """Arguments for a primitive, with something to differentiate."""
    found = []

    @settings(max_examples=100, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategies.arguments(primitive))
    def draw(example):
        if any(np.asarray(x).dtype.kind in "fc" and np.size(x) for x in example[0]):
            found.append(example)

    draw()
    assert found, f"{primitive.name}: its strategy draws nothing that could be differentiated"
    return found[-1]


def as_they_were():
    defaults = type(modes)
    return not modes.dispatch and all(
        getattr(modes, name) == getattr(defaults, name) for name in ("recording", "depth", "batches", "observers")
    )


def total(out):
    return sum(
        (pb.real(o).sum() for o in (out if isinstance(out, tuple) else (out,)) if o.dtype.kind in "fc"), Tensor(0.0)
    )


@pytest.fixture
def frozen():
    """Leave what was there before to itself, so that a collection is quick."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


SOME = {"add", "matmul", "relu", "sum", "getitem", "conv", "max_pool", "svd", "where", "concatenate"}  # of each kind


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SOME else pytest.mark.thorough) for name in registry]
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("frozen")
def test_an_exception_from_a_primitive_leaves_nothing_behind(name, monkeypatch):
    """From its function, any rule or a hook, in any mode: no mode is set and no object is left to the collector."""
    assert registry.keys() >= SOME
    primitive = registry[name]
    arrays, options = drawn(primitive)
    asked = [i for i, x in enumerate(arrays) if np.asarray(x).dtype.kind in "fc"]

    def tensors():
        return [Tensor(x, requires_grad=True) if i in asked else x for i, x in enumerate(arrays)]

    def f(*inputs):
        given = list(arrays)
        for i, x in zip(asked, inputs, strict=True):
            given[i] = x * 1.0
        return total(primitive.apply(*given, **options))

    inputs = [np.asarray(arrays[i]) for i in asked]
    stacked = [np.stack([x, x]) for x in inputs]
    attempts = {
        "forward": lambda: primitive.apply(*tensors(), **options),
        "backward": lambda: total(primitive.apply(*tensors(), **options)).backward(),
        "create_graph": lambda: total(primitive.apply(*tensors(), **options)).backward(create_graph=True),
        "grad of grad": lambda: pb.grad(lambda *x: pb.grad(f)(*x).sum())(*inputs),
        "jvp of grad": lambda: pb.jvp(pb.grad(f), inputs, inputs),
        "vmap of grad": lambda: pb.vmap(pb.grad(f))(*stacked),
        "checkpoint": lambda: pb.grad(pb.checkpoint(f))(*inputs),
        "no_grad": lambda: pb.no_grad()(f)(*inputs),
    }
    for run in attempts.values():
        run()  # what is made once, is made now
    failures = 0
    for place in ("function", "rule", "hook"):
        with monkeypatch.context() as patch:
            if place == "function":
                patch.setattr(primitive, "function", fail)
                patch.delitem(primitive.__dict__, "apply", raising=False)
            elif place == "rule":
                for rule in {*primitive.rules.values(), *primitive.forward.values()}:
                    patch.setattr(rule, "function", fail)
            runs = attempts if place != "hook" else {"hook": lambda: hooked(tensors(), asked[0], primitive, options)}
            for way, run in runs.items():
                gc.collect()
                gc.disable()
                try:
                    try:
                        run()
                    except Planted:
                        failures += 1
                    assert as_they_were(), f"{name}: a mode stays set after {way} with a failing {place}"
                    left = gc.collect()
                finally:
                    gc.enable()
                held = [x for x in gc.get_objects() if type(x) in (Tensor, Node, RaisedNode)]
                assert not left and not held, f"{name}: {left + len(held)} objects stay after {way}, failing {place}"
        primitive.__dict__.pop("apply", None)
    assert failures >= 3
    out = total(primitive.apply(*tensors(), **options))
    assert out.requires_grad
    out.backward()


def hooked(inputs, position, primitive, options):
    inputs[position].register_hook(fail)
    total(primitive.apply(*inputs, **options)).backward()
