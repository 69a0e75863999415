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
from pathlib import Path

import numpy as np
import pytest

from pullback import nn
from pullback.nn.data import DataLoader, TensorDataset
from pullback.optim import Adam, Trainer
from pullback.optim.callbacks import Callback, Checkpointing
from pullback.tests.helpers.disk import Disk, killing

_rng = np.random.default_rng(0)
IMAGES = _rng.normal(size=(40, 1, 6, 6)).astype(np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(np.int64)
EPOCHS = 3


class Cosine(Callback):
    """A schedule with a state of its own."""

    def __init__(self, optimizer):
        self.optimizer, self.count, self.first = optimizer, 0, optimizer.param_groups[0]["lr"]

    def state_dict(self):
        return {"count": self.count, "first": self.first}

    def load_state_dict(self, state):
        self.count, self.first = state["count"], state["first"]

    def on_step_end(self, trainer):
        self.count += 1
        self.optimizer.param_groups[0]["lr"] = self.first * (1.1 + math.cos(self.count / 9))


def train(folder):
    """Train a network, from the newest checkpoint in the folder (None: without any); the digest of all that comes out.

    Only a training that begins has the seed; one that goes on has its random numbers from the checkpoint.
    """
    begins = folder is None or not folder.exists() or not any(folder.glob("checkpoint-*"))
    nn.manual_seed(0 if begins else random.SystemRandom().randrange(2**32))
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
    adam = Adam(groups, lr=0.01)
    noise = np.random.default_rng(1)  # as of augmentations
    callbacks = [Cosine(adam), Jitter(noise)]
    trainer = Trainer(model, nn.CrossEntropyLoss(), adam, callbacks)
    if folder is not None:
        checkpointing = Checkpointing(folder, batches=2, keep=2, noise=noise)
        trainer.callbacks.append(checkpointing)
        checkpointing.resume(trainer)
    loader = DataLoader(TensorDataset(IMAGES, LABELS), 8, shuffle=True)
    trainer.fit(loader, EPOCHS, (IMAGES[:16], LABELS[:16]), progress=False)
    history = {name: values for name, values in trainer.history.items() if name != "seconds"}
    outcome = hashlib.sha256(
        repr((history, adam.param_groups[0]["lr"], noise.random(), nn.init.generator().random())).encode()
    )
    for value in model.state_dict().values():
        outcome.update(value.numpy().tobytes())
    for state in adam.state_dict()["state"].values():
        outcome.update(b"".join(np.asarray(value).tobytes() for value in state.values()))
    return outcome.hexdigest()


class Jitter(Callback):
    """Moves a parameter at random, as a stand-in for random numbers that are not the package's."""

    def __init__(self, rng):
        self.rng = rng

    def on_step_end(self, trainer):
        bias = trainer.model[-1].bias
        bias.data = bias.numpy() + np.float32(1e-3) * self.rng.normal(size=bias.shape).astype(np.float32)


def live(folder, seconds=math.inf, disk=None):
    """One life of a training, killed after some time, or by its disk; what came out, or None if it was killed."""
    result = folder.with_suffix(".outcome")
    child = os.fork()
    if not child:
        code = 70
        try:
            if disk is not None:
                disk()
            result.write_text(train(folder))
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
    assert live(folder / "whole") == expected
    whole = time.perf_counter() - start
    kills = trainings = halves = 0
    wrong = []
    while kills < count:
        run = folder / f"run{trainings}"
        outcome = None
        while outcome is None:
            outcome = live(run, rng.uniform(0, whole) if kills < count else math.inf)
            kills += outcome is None
            halves += outcome is None and any(run.glob(".*.tmp"))
        trainings += 1
        wrong += [str(run)] * (outcome != expected)
        shutil.rmtree(run)
    return {"kills": kills, "while writing": halves, "trainings": trainings, "wrong": wrong}


def at_calls(folder, expected, step):
    """A training for each call, killed before it, and then left alone to the end."""
    counted = folder / "count"

    def counting(name):
        with open(counted, "ab") as file:
            file.write(b".")

    assert live(folder / "whole", disk=lambda: Disk(pytest.MonkeyPatch(), counting)) == expected
    calls = counted.stat().st_size
    wrong, kills = [], 0
    for at in range(0, calls, step):
        run = folder / f"run{at}"
        first = live(run, disk=lambda at=at: Disk(pytest.MonkeyPatch(), killing(at)))
        kills += first is None
        wrong += [str(run)] * (live(run) != expected)
        shutil.rmtree(run)
    return {"kills": kills, "calls": calls, "wrong": wrong}


def main(folder, count, step, seed):
    alone = train(None)  # which compiles, too
    assert train(None) == alone
    report = {}
    for name, kill, *args in (("points", at_points, count, seed), ("calls", at_calls, step)):
        start = time.perf_counter()
        place = Path(folder, name)
        place.mkdir()
        report[name] = {**kill(place, alone, *args), "seconds": round(time.perf_counter() - start, 1)}
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
