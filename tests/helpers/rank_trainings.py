"""What a Trainer of several processes must do: run by `ranks.cases`, each function in every process."""

import tempfile
from pathlib import Path

import numpy as np

from pullback import Tensor, nn
from pullback.nn.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset
from pullback.optim import LBFGS, SGD, Adam, Trainer, callbacks
from pullback.optim.callbacks import Callback
from pullback.optim.distributed import ZeroRedundancyOptimizer
from pullback.tests.helpers import ranks
from pullback.tests.helpers.rank_cases import same_everywhere

CLOSE = {"rtol": 1e-11, "atol": 1e-12}
_rng = np.random.default_rng(0)
X = _rng.normal(size=(46, 3))
Y = (X.sum(1) > 0).astype(np.int64)


def network(seed=0, normalized=True):
    nn.manual_seed(seed)
    layers = [nn.Linear(3, 5, bias=False), *[nn.BatchNorm1d(5)] * normalized, nn.Tanh(), nn.Linear(5, 2)]
    return nn.Sequential(*layers).to(np.float64)


class Loader(list):
    """Batches of all processes together, of sizes that cannot be shared out evenly."""

    def __init__(self, comm=None):
        bounds = [0, 9, 18, 31, 46]
        whole = [(X[i:j], Y[i:j]) for i, j in zip(bounds, bounds[1:], strict=False)]
        size, rank = (1, 0) if comm is None else (comm.size, comm.rank)
        super().__init__([tuple(Tensor(np.array_split(a, size)[rank]) for a in batch) for batch in whole])


def trained(comm, model, optimizer, extra=(), **options):
    metrics = callbacks.Metrics(matrix=callbacks.ConfusionMatrix(), top=callbacks.Accuracy(), worst=worst)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, [metrics, *extra], communicator=comm, **options)
    trainer.fit(Loader(comm), 5, (X[:17], Y[:17]), progress=False, batch_size=4)
    return trainer, metrics


def worst(output, target):
    return (output.numpy() ** 2).mean()


def as_one(comm):
    """Weights, history, metrics and evaluations are those of one process, for batches of different sizes, too."""
    makers = {
        "SGD": lambda p: SGD(p, lr=0.1, momentum=0.9),
        "Adam": lambda p: Adam(p, lr=0.02),
        "ZeRO": lambda p: ZeroRedundancyOptimizer(p, Adam, comm, lr=0.02),
        "LBFGS": lambda p: LBFGS(p, max_iter=3, line_search_fn="strong_wolfe"),
    }
    for name, make in makers.items():
        alone = network()
        one, expected = trained(None, alone, makers["Adam" if name == "ZeRO" else name](alone.parameters()))
        model = nn.SyncBatchNorm.convert_sync_batchnorm(network(seed=comm.rank))
        several, found = trained(comm, model, make(model.parameters()))
        same_everywhere(comm, model.state_dict())
        close = {"rtol": 1e-6} if name == "LBFGS" else CLOSE  # which divides differences of gradients
        for key, value in alone.state_dict().items():
            np.testing.assert_allclose(model.state_dict()[key].numpy(), value.numpy(), err_msg=f"{name} {key}", **close)
        assert one.history.keys() == several.history.keys()
        for key in one.history.keys() - {"seconds"}:
            np.testing.assert_allclose(several.history[key], one.history[key], err_msg=f"{name} {key}", **close)
        for scores in ("trained", "evaluated"):
            assert np.array_equal(getattr(found, scores)["matrix"], getattr(expected, scores)["matrix"])
        assert found.evaluated["matrix"].sum() == 17
        for data in ((X, Y), TensorDataset(X[:1], Y[:1]), DataLoader(TensorDataset(X, Y), 7, dtype=None)):
            for key, value in one.evaluate(data, batch_size=5).items():
                np.testing.assert_allclose(several.evaluate(data, batch_size=5)[key], value, err_msg=key, **close)
        np.testing.assert_allclose(several.predict(X), one.predict(X), **close)


def shares(comm):
    """Arrays are shuffled anew in each epoch, the same number for all; a loader with a DistributedSampler, too."""
    seen = []

    class Seen(Callback):
        def on_output(self, trainer, output, target):
            if trainer.training:
                seen.append(target.numpy())

    numbers = np.arange(15.0)[:, None]
    sampler = DistributedSampler(numbers, comm.size, comm.rank)
    for data in ((numbers, numbers), DataLoader(TensorDataset(numbers, numbers), 2, sampler=sampler)):
        model = nn.Linear(1, 1)
        trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=1e-3), [Seen()], communicator=comm)
        seen.clear()
        trainer.fit(data, 2, batch_size=2, progress=False)
        half = len(seen) // 2
        epochs = [comm.allgather(np.concatenate(part).ravel()) for part in (seen[:half], seen[half:])]
        for epoch in epochs:
            assert {len(part) for part in epoch} == {-(-15 // comm.size)}
            assert set(np.concatenate(epoch)) == set(range(15))
        assert not np.array_equal(*map(np.concatenate, epochs))


def told_once(comm):
    """Files, bars and lines come from the first process alone."""
    folder = Path(comm.broadcast_object(tempfile.mkdtemp()))
    model = network()
    writers = [
        callbacks.HistoryFile(folder / f"history{comm.rank}.csv"),
        callbacks.KeepBest("val_loss", folder / f"best{comm.rank}.safetensors"),
        callbacks.Checkpointing(folder / f"checkpoints{comm.rank}"),
        callbacks.LogEpochs(),
    ]
    trained(comm, model, SGD(model.parameters(), lr=0.1), writers[:3])
    trainer = Trainer(model, nn.CrossEntropyLoss(), SGD(model.parameters(), lr=0.1), communicator=comm)
    trainer.fit(Loader(comm), 1, verbose=True, progress=True)
    comm.barrier()
    names = {path.name for path in folder.iterdir()}
    assert names == {"history0.csv", "best0.safetensors", "checkpoints0"}, names


def decided_together(comm):
    """One process's wish to stop, its Ctrl-C and its loss that is no number are everybody's."""

    class Once(Callback):
        def __init__(self, act):
            self.act = act

        def on_batch_end(self, trainer, loss):
            if trainer.batch == 2 and comm.rank == comm.size - 1:
                self.act(trainer)

    def stop(trainer):
        trainer.stop = True

    def interrupt(trainer):
        trainer._interrupt.noted = 1

    for act, key in ((stop, "stop"), (interrupt, "interrupted")):
        model = network()
        trainer, _ = trained(comm, model, SGD(model.parameters(), lr=0.1), [Once(act)])
        assert len(trainer.history["loss"]) == 1 and bool(getattr(trainer, key)), (key, trainer.history)
        same_everywhere(comm, model.state_dict())

    class Wrong(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * np.nan if self.calls == 3 and comm.rank == comm.size - 1 and self.training else x

    model = nn.Sequential(network(normalized=False), Wrong())
    trainer, _ = trained(comm, model, SGD(model.parameters(), lr=0.1), nonfinite="skip")
    same_everywhere(comm, model.state_dict())
    assert len(trainer.history["loss"]) == 5 and np.isfinite(trainer.history["loss"]).all()


def refused(comm):
    """What cannot be shared out, and loaders that do not end together, are errors in all processes."""
    model = network(normalized=False)
    trainer = Trainer(model, nn.CrossEntropyLoss(), SGD(model.parameters(), lr=0.1), communicator=comm)

    class Stream(IterableDataset):
        def __iter__(self):
            return iter([(X[0], Y[0])])

    padded = DistributedSampler(X[:5], comm.size * 3, comm.rank)
    cases = [
        (lambda: trainer.fit(Loader(comm)[: 3 + (comm.rank == 0)], 1, progress=False), "as many batches"),
        (lambda: trainer.fit(Stream(), 1, progress=False), "a stream of samples"),
        (lambda: trainer.evaluate(DataLoader(TensorDataset(X[:5], Y[:5]), 2, sampler=padded)), "twice"),
    ]
    for call, text in cases:
        try:
            call()
        except ValueError as error:
            assert text in str(error), error
        else:
            raise AssertionError(f"nothing was said of {text}")
        comm.barrier()


def other_size(comm):
    """A checkpoint of several processes is not for another number of them."""
    folder = Path(comm.broadcast_object(tempfile.mkdtemp()))
    model = network()
    trained(comm, model, Adam(model.parameters()), [callbacks.Checkpointing(folder)])
    if comm.rank == 0:
        checkpointing = callbacks.Checkpointing(folder)
        trainer = Trainer(model, nn.CrossEntropyLoss(), Adam(model.parameters()), [checkpointing])
        before = model[0].weight.numpy().copy()
        try:
            checkpointing.resume(trainer)
        except ValueError as error:
            assert f"a state of {comm.size} processes, given to 1" in str(error), error
        else:
            raise AssertionError("nothing was said")
        assert np.array_equal(before, model[0].weight.numpy())
    comm.barrier()


if __name__ == "__main__":
    ranks.main({name: value for name, value in globals().items() if callable(value)})
