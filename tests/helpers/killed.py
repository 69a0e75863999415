"""Kills trainings and starts them again until they are done, and compares how they end with one that was left alone.

    python -m pullback.tests.helpers.killed FOLDER COUNT STEP SEED

COUNT times at a random moment, and at each STEPth call of the file system; prints a report as JSON. Needs Linux.
Each life is a fork of this process, which has imported and compiled everything and has no other threads.
"""

import hashlib
import json
import math
import os
import random
import select
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from pullback import nn
from pullback.nn.data import DataLoader, TensorDataset
from pullback.optim import SGD, Adam, Trainer, callbacks, lr_scheduler
from pullback.tests.helpers.disk import Disk, killing

_rng = np.random.default_rng(0)
IMAGES = _rng.normal(size=(40, 1, 6, 6)).astype(np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(np.int64)
EPOCHS = 3


def train(folder, variant):
    """Train a network, from the newest checkpoint in the folder (None: without any); the digest of all that comes out.

    Only a training that begins has the seed; one that goes on has its random numbers from the checkpoint. The second
    variant makes a step for two batches, by momentum, of a loader with a generator of its own.
    """
    begins = folder is None or not any(folder.glob("checkpoint-*"))
    seed = 0 if begins else random.SystemRandom().randrange(2**32)
    nn.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(12, 2),
    )
    parameters = list(model.parameters())
    groups = [{"params": parameters[:2]}, {"params": parameters[2:], "weight_decay": 0.01}]
    optimizer = SGD(groups, lr=0.05, momentum=0.9) if variant else Adam(groups, lr=0.01)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=4)
    noise = np.random.default_rng(seed + 1)
    calls = [callbacks.Schedule(scheduler, "step"), Jitter(noise), *[callbacks.AccumulateGradients(2)] * variant]
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, calls)
    if folder is not None:
        checkpointing = callbacks.Checkpointing(folder, batches=2, keep=2, noise=noise)
        trainer.callbacks.append(checkpointing)
        checkpointing.resume(trainer)
    loader = DataLoader(TensorDataset(IMAGES, LABELS), 8, shuffle=True, generator=seed if variant else None)
    trainer.fit(loader, EPOCHS, (IMAGES[:16], LABELS[:16]), progress=False)
    return digest(trainer, noise)


def digest(trainer, noise):
    """Of weights, buffers, the optimizer's state, the history, the rate and the random numbers to come."""
    history = {name: values for name, values in trainer.history.items() if name != "seconds"}
    states = trainer.optimizer.state_dict()["state"].values()
    arrays = [*trainer.model.state_dict().values(), *(value for state in states for _, value in sorted(state.items()))]
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    told = repr((history, rates, noise.random(), nn.init.generator().random()))
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays) + told.encode()).hexdigest()


class Jitter(callbacks.Callback):
    """Moves a parameter by random numbers of another generator than the package's."""

    def __init__(self, rng):
        self.rng = rng

    def on_step_end(self, trainer):
        bias = trainer.model[-1].bias
        bias.data = bias.numpy() + np.float32(1e-3) * self.rng.normal(size=bias.shape).astype(np.float32)


def live(folder, variant, seconds=math.inf, disk=None):
    """One life of a training, killed after some time, or by its disk; what came out, or None if it was killed."""
    result = folder.with_suffix(".outcome")
    child = os.fork()
    if not child:
        code = 70
        try:
            if disk is not None:
                disk()
            result.write_text(train(folder, variant))
            code = 0
        finally:
            if code:
                sys.excepthook(*sys.exc_info())
            os._exit(code)
    watched = os.pidfd_open(child)
    if not select.select([watched], [], [], None if seconds == math.inf else seconds)[0]:
        os.kill(child, signal.SIGKILL)
    os.close(watched)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a life ended with status {status}")
    return result.read_text() if status == 0 else None


def at_points(folder, expected, count, seed):
    """Trainings one after another, killed at moments drawn evenly from the life of a whole one."""
    rng = random.Random(seed)
    start = time.perf_counter()
    assert live(folder / "whole", 0) == expected[0]
    whole = time.perf_counter() - start
    kills = trainings = halves = 0
    wrong = []
    while kills < count:
        run, variant = folder / f"run{trainings}", trainings % 2
        outcome = None
        while outcome is None:
            outcome = live(run, variant, rng.uniform(0, whole) if kills < count else math.inf)
            kills += outcome is None
            halves += outcome is None and any(run.glob(".*.tmp"))
        trainings += 1
        wrong += [str(run)] * (outcome != expected[variant])
        shutil.rmtree(run)
    return {"kills": kills, "while writing": halves, "trainings": trainings, "wrong": wrong}


def at_calls(folder, expected, step):
    """A training for each call, killed before it, and then left alone to the end."""
    counted = folder / "count"

    def counting(name):
        with open(counted, "ab") as file:
            file.write(b".")

    assert live(folder / "whole", 0, disk=lambda: Disk(pytest.MonkeyPatch(), counting)) == expected[0]
    calls = counted.stat().st_size
    wrong, kills = [], 0
    for at in range(0, calls, step):
        run, variant = folder / f"run{at}", at // step % 2
        kills += live(run, variant, disk=lambda at=at: Disk(pytest.MonkeyPatch(), killing(at))) is None
        wrong += [str(run)] * (live(run, variant) != expected[variant])
        shutil.rmtree(run)
    return {"kills": kills, "calls": calls, "wrong": wrong}


def main(folder, count, step, seed):
    warnings.simplefilter("error", RuntimeWarning)  # of a damaged checkpoint, which no death may leave
    alone = [train(None, variant) for variant in (0, 1)]  # which compiles, too
    assert [train(None, variant) for variant in (0, 1)] == alone
    report = {}
    for name, kill, *args in (("points", at_points, count, seed), ("calls", at_calls, step)):
        start = time.perf_counter()
        place = Path(folder, name)
        place.mkdir()
        report[name] = {**kill(place, alone, *args), "seconds": round(time.perf_counter() - start, 1)}
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
