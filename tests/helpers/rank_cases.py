"""What several processes must find when they train together: run by `ranks.case`, each function in every process.

What is expected is what one process alone computes, of all samples at once.
"""

import itertools

import numpy as np

from pullback import Tensor, grads, nn
from pullback.optim import SGD, Adam
from pullback.optim.distributed import DistributedDataParallel, ZeroRedundancyOptimizer, broadcast_parameters
from pullback.tests.helpers import ranks

BATCH, STEPS = 3, 50
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def data(size, steps=STEPS, shape=(1, 4, 4)):
    rng = np.random.default_rng(7)
    return rng.normal(size=(steps, size * BATCH, *shape)), rng.normal(size=(steps, size * BATCH, 2))


def network(seed, normalized):
    """Without a bias that BatchNorm takes away again: its gradient is rounding, which Adam would magnify."""
    nn.manual_seed(seed)
    layers = [
        nn.Conv2d(1, 3, 3, bias=not normalized),
        *[nn.BatchNorm2d(3)] * normalized,
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12, 2),
    ]
    return nn.Sequential(*layers).to(np.float64)


def trained(model, optimizer, xs, ys, run=None):
    for x, y in zip(xs, ys, strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss((run or model)(Tensor(x)), Tensor(y)).backward()
        optimizer.step()
    return {name: value.numpy() for name, value in model.state_dict().items()}


def same_everywhere(comm, state):
    """To the bit."""
    told = comm.allgather({name: np.asarray(value).tobytes() for name, value in state.items()})
    assert all(other == told[0] for other in told), "the processes differ"


def shares(comm, *arrays):
    return [a[:, comm.rank * BATCH : (comm.rank + 1) * BATCH] for a in arrays]


OPTIMIZERS = {
    "SGD": lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "Adam": lambda p: Adam(p, lr=0.01),
}


def exact(comm):
    """n processes with batches of b are one with batches of n b, after 50 steps, with and without BatchNorm."""
    xs, ys = data(comm.size)
    for name, normalized in itertools.product(OPTIMIZERS, (False, True)):
        alone = network(0, normalized)
        expected = trained(alone, OPTIMIZERS[name](alone.parameters()), xs, ys)
        model = network(comm.rank, normalized)  # each begins with others
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        run = DistributedDataParallel(model, bucket_cap_mb=1e-4)
        found = trained(model, OPTIMIZERS[name](model.parameters()), *shares(comm, xs, ys), run)
        same_everywhere(comm, found)
        assert found.keys() == expected.keys() == run.state_dict().keys()
        for key in expected:
            np.testing.assert_allclose(found[key], expected[key], err_msg=f"{name} {key}", **CLOSE)
        assert len(run.reducer.buckets) > 1


def zero(comm):
    """A state that is shared out moves parameters as a whole one does, and comes back whole."""
    xs, ys = data(comm.size)
    for name, kind, options in (("SGD", SGD, {"lr": 0.05, "momentum": 0.9}), ("Adam", Adam, {"lr": 0.01})):
        states = []
        for make in (kind, lambda p, kind=kind, **o: ZeroRedundancyOptimizer(p, kind, **o)):
            model = network(0, False)
            groups = [{"params": model[0].parameters()}, {"params": model[3].parameters(), "weight_decay": 0.1}]
            optimizer = make(groups, **options)
            half = [part[:25] for part in shares(comm, xs, ys)], [part[25:] for part in shares(comm, xs, ys)]
            run = DistributedDataParallel(model)
            trained(model, optimizer, *half[0], run)
            for group in optimizer.param_groups:
                group["lr"] *= 0.5  # as schedulers do
            consolidated(optimizer)
            saved = optimizer.state_dict()
            optimizer = make(
                [{"params": model[0].parameters()}, {"params": model[3].parameters(), "weight_decay": 0.1}], **options
            )
            optimizer.load_state_dict(saved)
            found = trained(model, optimizer, *half[1], run)
            same_everywhere(comm, found)
            consolidated(optimizer)
            states.append((found, optimizer.state_dict()))
            if isinstance(optimizer, ZeroRedundancyOptimizer):
                own = sum(p.size for p in optimizer.optim.state)
                assert own < 40 and comm.allreduce(np.array(own)) == 56
        (whole, whole_state), (shared, shared_state) = states
        for key in whole:
            assert np.array_equal(whole[key], shared[key]), (name, key)
        assert whole_state["param_groups"] == shared_state["param_groups"]
        assert whole_state["state"].keys() == shared_state["state"].keys()
        for i, kept in whole_state["state"].items():
            assert kept.keys() == shared_state["state"][i].keys()
            assert all(np.array_equal(kept[k], shared_state["state"][i][k]) for k in kept)


def consolidated(optimizer):
    if isinstance(optimizer, ZeroRedundancyOptimizer):
        optimizer.consolidate_state_dict(to=None)


def unused(comm):
    """What some use is averaged over all, what none uses keeps its grad, whichever that is."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.both, self.first, self.none = (nn.Parameter(np.ones(3)) for _ in range(3))

        def forward(self, x):
            return x * self.both * self.first if comm.rank == 0 else x * self.both

    model = Branches()
    run = DistributedDataParallel(model)
    for _ in range(3):
        model.zero_grad()
        run(Tensor(np.full(3, comm.rank + 1.0))).sum().backward()
        total = comm.size * (comm.size + 1) / 2
        np.testing.assert_allclose(model.both.grad.numpy(), total / comm.size)
        np.testing.assert_allclose(model.first.grad.numpy(), 1 / comm.size)
        assert model.none.grad is None
    model.none.grad = np.full(3, 5.0)
    run(Tensor(np.ones(3))).sum().backward()
    np.testing.assert_allclose(model.none.grad.numpy(), 5.0)
    # no gradient at all in one process
    model.zero_grad()
    result = run(Tensor(np.ones(3)))
    (result.sum() if comm.rank else (result.detach() * 0 + run(Tensor(np.zeros(3))) * 0).sum()).backward()
    np.testing.assert_allclose(model.both.grad.numpy(), (comm.size - 1) / comm.size)


def accumulated(comm):
    """Gradients of several batches are averaged once, and those of a pass that is not to be kept stay alone."""
    xs, ys = data(comm.size, steps=4)
    alone = network(0, False)
    for x, y in zip(xs, ys, strict=True):
        nn.functional.mse_loss(alone(Tensor(x)), Tensor(y)).backward()
    model = network(0, False)
    run = DistributedDataParallel(model, bucket_cap_mb=1e-4)
    own = list(zip(*shares(comm, xs, ys), strict=True))
    with run.no_sync():
        for x, y in own[:3]:
            nn.functional.mse_loss(run(Tensor(x)), Tensor(y)).backward()
    before = model[0].weight.grad.numpy().copy()
    assert len(set(comm.allgather(before.tobytes()))) == comm.size
    grads(run(Tensor(own[0][0])).sum(), model[0].weight)  # fills no grad, and is nobody's business
    assert np.array_equal(before, model[0].weight.grad.numpy())
    x, y = own[3]
    nn.functional.mse_loss(run(Tensor(x)), Tensor(y)).backward()
    for p, q in zip(model.parameters(), alone.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), **CLOSE)


def buffers(comm):
    """Buffers of all dtypes, saved or not, are those of process 0, at first and before each call in training."""
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    model.register_buffer("count", Tensor(np.int64(comm.rank)), persistent=False)
    model[0].running_mean.data = np.full(2, comm.rank, np.float32)
    run = DistributedDataParallel(model)
    assert model.count.item() == 0 and model[0].running_mean.numpy().tolist() == [0, 0]
    rng = np.random.default_rng(comm.rank)
    for step in range(3):
        model.count.data = np.int64(10 * step + comm.rank)
        run(Tensor(rng.normal(size=(4, 2)), dtype=np.float32)).sum().backward()
        assert model.count.item() == 10 * step
    assert model[0].num_batches_tracked.item() == 3
    assert len(set(comm.allgather(model[0].running_mean.numpy().tobytes()))) == comm.size
    broadcast_parameters(model)
    same_everywhere(comm, model.state_dict())


def mismatch(comm):
    """Models that differ are told of, in all processes, by the first entry that does."""
    wide = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1 + (comm.rank == 1)))
    more = nn.Sequential(nn.Linear(2, 3), *[nn.Linear(3, 1)] * (comm.rank == 1))
    for model, text in ((wide, "'1.weight' of shape (1, 3)"), (more, "nothing more")):
        for call in (broadcast_parameters, DistributedDataParallel):
            try:
                call(model)
            except ValueError as error:
                assert text in str(error) and "rank 1" in str(error), error
            else:
                raise AssertionError("nothing was said")


def compressed(comm):
    """Sums that travel as 16 bits are nearly right, the same in all, and what is rounded away comes later."""
    for kind, error in (("float16", 2**-11), ("bfloat16", 2**-8)):
        model = nn.Linear(40, 3)
        broadcast_parameters(model)
        run = DistributedDataParallel(model, compression=kind, bucket_cap_mb=1e-4)
        rng = np.random.default_rng(comm.rank)
        x = rng.normal(size=(4, 40)).astype(np.float32)
        exact_grad = comm.allreduce(np.broadcast_to(x.sum(0, dtype=float), (3, 40))) / comm.size
        total = 0.0
        for _ in range(40):
            model.zero_grad()
            run(Tensor(x)).sum().backward()
            found = model.weight.grad.numpy()
            largest = np.abs(comm.allreduce(np.abs(x).sum(0), "max")).max()
            assert np.abs(found - exact_grad).max() <= 3 * error * largest
            total = total + found.astype(float)
        same_everywhere(comm, {"grad": found})
        mean_error = np.abs(total / 40 - exact_grad).max()
        assert mean_error < error * largest / 8, (kind, mean_error)
        assert np.abs(found - exact_grad).max() > 0


def statistics(comm):
    """SyncBatchNorm is BatchNorm of all batches, of different sizes, too: outputs, gradients of two orders, buffers."""
    sizes = [2 + 3 * r for r in range(comm.size)]
    rng = np.random.default_rng(3)
    for kind, shape in ((nn.BatchNorm1d, ()), (nn.BatchNorm1d, (5,)), (nn.BatchNorm2d, (2, 3))):
        whole, weights = (rng.normal(3.0, 2.0, size=(sum(sizes), 4, *shape)) for _ in range(2))
        start = sum(sizes[: comm.rank])
        mine = slice(start, start + sizes[comm.rank])
        for options in ({}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}):
            alone = kind(4, dtype=np.float64, **options)
            layer = nn.SyncBatchNorm.convert_sync_batchnorm(kind(4, dtype=np.float64, **options))
            assert type(layer) is nn.SyncBatchNorm
            for _ in range(2):
                found, expected = [], []
                for results, module, part in ((expected, alone, slice(None)), (found, layer, mine)):
                    x = Tensor(whole[part], requires_grad=True)
                    y = module(x)
                    (g,) = grads((y**3 * Tensor(weights[part])).sum(), [x], create_graph=True)
                    (h,) = grads((g**2).sum(), [x])
                    results += [a.numpy() for a in (y, g, h)]
                for a, b in zip(found, expected, strict=True):
                    np.testing.assert_allclose(a, b[mine], rtol=1e-9, atol=1e-9)
                for key, value in alone.state_dict().items():
                    np.testing.assert_allclose(layer.state_dict()[key].numpy(), value.numpy(), err_msg=key, **CLOSE)
            for module in (alone, layer):
                module.eval()
            np.testing.assert_allclose(
                layer(Tensor(whole[mine])).numpy(), alone(Tensor(whole)).numpy()[mine], rtol=1e-9, atol=1e-9
            ) if options.get("track_running_stats", True) else None


if __name__ == "__main__":
    ranks.main({name: value for name, value in globals().items() if callable(value)})
