"""The same programs without mpiexec: one process is all there are. And what none may be given."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import pullback
from pullback import Tensor, nn, optim
from pullback.autograd.runtime import communicator
from pullback.nn.data import DataLoader, DistributedSampler, TensorDataset
from pullback.optim.distributed import (
    Communicator,
    DistributedDataParallel,
    ZeroRedundancyOptimizer,
    broadcast_optimizer_state,
    broadcast_parameters,
    world,
)
from pullback.optim.distributed.compression import Compressor, decode, encode

PAGE = Path(pullback.__file__).parent / "docs" / "distributed.md"


def test_the_programs_of_the_page():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)
    assert names["comm"].size == 1 and len(names["history"]["val_loss"]) == 3


def test_one_process():
    comm = world()
    x = np.arange(3.0)
    for found in (comm.allreduce(x), comm.broadcast(x), comm.iallreduce(x.copy()).wait()):
        assert np.array_equal(found, x) and found is not x
    assert comm.iexchange(x[None]).wait().shape == comm.iallgather(x).wait().shape == (1, 3)
    assert comm.allgather("a") == ["a"] and comm.broadcast_object("a") == "a" and comm.iallreduce(x).test()
    assert comm.duplicate() is comm and comm.barrier() is None
    assert repr(comm) == "Communicator(rank=0, size=1)"


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_several_processes_without_mpi4py(name, monkeypatch):
    """They would train alone, each all of it, and nobody would know."""
    monkeypatch.setenv(name, "2")
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    communicator.world.cache_clear()
    with pytest.raises(ImportError, match=r"mpiexec or srun started this process beside others.*pullback\[mpi\]"):
        world()
    alone = SimpleNamespace(COMM_WORLD=SimpleNamespace(Get_size=lambda: 1))
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", alone)
    assert world().size == 1
    communicator.world.cache_clear()


def test_a_model_is_as_it_was():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    run = DistributedDataParallel(model)
    broadcast_parameters(model)
    assert run.state_dict().keys() == model.state_dict().keys()
    x = Tensor(np.ones((4, 2), np.float32))
    assert np.array_equal(run(x).numpy(), model(x).numpy())
    run.load_state_dict({name: value * 0 for name, value in model.state_dict().items()})
    assert not model[0].weight.numpy().any()
    assert sum(len(p._node.hooks or ()) for p in model.parameters()) == 0


def test_zero_of_one_process_is_the_optimizer_itself():
    rng = np.random.default_rng(0)
    found = []
    for make in (optim.Adam, lambda p, **options: ZeroRedundancyOptimizer(p, optim.Adam, **options)):
        p = Tensor(np.ones(4), requires_grad=True)
        optimizer = make(iter([p]), lr=0.1)
        for _ in range(3):
            p.grad = np.arange(4.0) * (1 if not found else 1)
            optimizer.step()
        broadcast_optimizer_state(optimizer)
        found.append((p.numpy().tolist(), optimizer.state_dict()["state"][0]["exp_avg"].tolist()))
    assert found[0] == found[1] and rng is not None


@pytest.mark.parametrize("kind, type_", [("float16", np.float16), ("bfloat16", None)])
def test_sixteen_bits(kind, type_):
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.inf, -np.inf, 1 + 2**-8, 1 + 3 * 2**-8, 1.0 - 2**-9]
    values = np.array([*rng.normal(size=1000), *special], np.float32)
    found = decode(encode(values, kind), kind, np.float32)
    if type_ is not None:
        assert np.array_equal(found, values.astype(type_).astype(np.float32))
    else:  # the nearest of all numbers whose last 16 bits are 0, of two the one whose 17th is 0
        finite = np.isfinite(values)
        values, found = values[finite], found[finite]
        below = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
        above = ((values.view(np.uint32) & 0xFFFF0000) + 0x10000).view(np.float32)
        down, up = np.abs(values - below), np.abs(above - values)
        even = (below.view(np.uint32) >> 16) % 2 == 0
        expected = np.where((down < up) | ((down == up) & even), below, above)
        assert np.array_equal(found, expected) and finite.sum() == len(finite) - 2
        infinite = np.array([np.inf, -np.inf])
        assert np.array_equal(decode(encode(infinite, kind), kind, float), infinite)
    assert np.isnan(decode(encode(np.array([np.nan]), kind), kind, float)).all()


def test_what_rounding_takes_away_comes_later():
    compressor = Compressor("bfloat16", Communicator())
    exact = np.random.default_rng(0).normal(size=10)
    total = sum(compressor.begin(exact.copy()).wait() for _ in range(64))
    np.testing.assert_allclose(total / 64, exact, atol=2**-13)
    alone = decode(encode(exact, "bfloat16"), "bfloat16", float)
    assert np.abs(alone - exact).max() > 2**-11


def batches(sampler):
    return DataLoader(TensorDataset(np.arange(4.0)), 2, sampler=sampler)


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: DistributedDataParallel(nn.ReLU()), RuntimeError, "no parameters that require"),
        (lambda: DistributedDataParallel(nn.Linear(1, 1), bucket_cap_mb=0), ValueError, "bucket_cap_mb must be"),
        (lambda: Compressor("int8", world()), ValueError, "'float16', 'bfloat16' or None, not 'int8'"),
        (lambda: Compressor("float16", world()).begin(np.ones(2, complex)), TypeError, "complex128 cannot be sent"),
        (lambda: ZeroRedundancyOptimizer([Tensor(1.0, True)], optim.LBFGS), ValueError, "LBFGS looks at all"),
        (lambda: ZeroRedundancyOptimizer([], optim.SGD, lr=0.1), ValueError, "empty list"),
        (
            lambda: ZeroRedundancyOptimizer([Tensor(1.0, True)], optim.SGD, lr=0.1).add_param_group({"params": []}),
            ValueError,
            "all groups are given at first",
        ),
        (lambda: nn.SyncBatchNorm(2)(Tensor(np.ones(2, np.float32))), ValueError, r"expected \(N, C, \.\.\.\)"),
        (lambda: nn.SyncBatchNorm(2)(Tensor(np.ones((2, 3), np.float32))), ValueError, "expected 2 channels"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_conversion_keeps_parameters_buffers_and_options():
    inner = nn.BatchNorm2d(3, eps=0.1, momentum=None)
    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 3, 1), inner), nn.BatchNorm1d(3, affine=False).eval())
    keys = list(model.state_dict())
    found = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert found is model and list(model.state_dict()) == keys
    new = model[0][1]
    assert type(new) is nn.SyncBatchNorm and (new.eps, new.momentum, new.weight) == (0.1, None, inner.weight)
    assert new.running_mean is inner.running_mean and not model[1].training and model[1].weight is None
    x = Tensor(np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32))
    assert np.array_equal(new(x).numpy(), nn.BatchNorm2d(3, eps=0.1, momentum=None)(x).numpy())


def test_a_trainer_tells_the_sampler_its_epochs():
    seen = []
    sampler = DistributedSampler(np.arange(4), 1, 0)
    model = nn.Linear(1, 1)
    trainer = optim.Trainer(model, lambda y, t: (seen.append(t.numpy().tolist()), (y - t).mean())[1])
    trainer.optimizer = optim.SGD(model.parameters(), lr=0.0)
    x = np.arange(4.0)[:, None]
    trainer.fit(DataLoader(TensorDataset(x, x), 4, sampler=sampler), 2, progress=False)
    assert sampler.epoch == 2 and seen[0] != seen[1]
