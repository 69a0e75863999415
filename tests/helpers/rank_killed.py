"""A training of several processes that is killed and started again: `python -m mpi4py -m ... FOLDER`.

Each process writes the number of its process into the folder when it begins, and at the end the digest of all that came
out. With the folder "-" there are no checkpoints.
"""

import hashlib
import os
import random
import sys
import time
from pathlib import Path

import numpy as np

from pullback import nn
from pullback.optim import Adam, Trainer, callbacks, lr_scheduler
from pullback.optim.distributed import ZeroRedundancyOptimizer, world

_rng = np.random.default_rng(0)
IMAGES = _rng.normal(size=(60, 1, 6, 6)).astype(np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(np.int64)
EPOCHS = 4


def train(comm, folder):
    """Train from the newest checkpoint; the digest of all that comes out in this process, and the seconds it took.

    Only a training that begins has the seed, of which each process drops out others.
    """
    begins = comm.broadcast_object(folder is None or not any(folder.glob("checkpoint-*")))
    seed = comm.broadcast_object(0 if begins else random.SystemRandom().randrange(2**31))
    nn.manual_seed(seed + comm.rank)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(12, 4),
        nn.BatchNorm1d(4),
        nn.Linear(4, 2),
    )
    model[1] = nn.SyncBatchNorm.convert_sync_batchnorm(model[1])  # the other one is synchronized by its buffers alone
    optimizer = ZeroRedundancyOptimizer(model.parameters(), Adam, comm, lr=0.01)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=4)
    calls = [callbacks.Schedule(scheduler, "step"), callbacks.Metrics(matrix=callbacks.ConfusionMatrix())]
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, calls, communicator=comm)
    if folder is not None:
        trainer.callbacks.append(checkpointing := callbacks.Checkpointing(folder, batches=2, keep=2))
        checkpointing.resume(trainer)
    start = time.perf_counter()
    trainer.fit((IMAGES, LABELS), EPOCHS, (IMAGES[:17], LABELS[:17]), batch_size=4, progress=False)
    seconds = time.perf_counter() - start
    optimizer.consolidate_state_dict(None)
    states = optimizer.state_dict()["state"].values()
    history = {name: values for name, values in trainer.history.items() if name != "seconds"}
    arrays = [*model.state_dict().values(), *(value for state in states for _, value in sorted(state.items()))]
    told = repr((history, scheduler.last_epoch, nn.init.generator().random()))
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays) + told.encode()).hexdigest(), seconds


def main(folder):
    comm = world()
    folder.mkdir(exist_ok=True)
    begun = folder / f"begun{comm.rank}.tmp"
    begun.write_text(str(os.getpid()))
    begun.rename(folder / f"begun{comm.rank}")
    digest, seconds = train(comm, None if folder.name == "alone" else folder / "checkpoints")
    comm.barrier()
    (folder / f"outcome{comm.rank}").write_text(f"{digest} {seconds}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
