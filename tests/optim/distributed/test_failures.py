"""A process that fails or dies ends all of them at once; started again, they end as if nothing had happened."""

import os
import random
import shutil
import signal
import time

import pytest

from pullback.tests.helpers import ranks

AT_ONCE = 30  # seconds, on a machine under load; the others would wait for ever

FAILURES = {
    "an error": ("raise ValueError('this went wrong')", "ValueError: this went wrong"),
    "Ctrl-C": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "an exit": ("sys.exit('given up')", "given up"),
    "a loss that is no number": ("weight.data[...] = float('nan')", "FloatingPointError: fit: the loss is nan"),
    "death": ("os.kill(os.getpid(), signal.SIGKILL)", ""),
}

PROGRAM = """\
import os, signal, sys, time
import numpy as np
from pullback import nn, optim
from pullback.optim.distributed import world

comm = world()
model = nn.Linear(2, 1)
weight = model.weight

class Fail(optim.callbacks.Callback):
    def on_batch_start(self, trainer):
        if trainer.batch == 3 and comm.rank == 1:
            print("it happens", time.time(), flush=True)
            {failure}

x = np.ones((40, 2), np.float32)
trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=1e-3), [Fail()], communicator=comm)
trainer.fit((x, x[:, :1]), 3, batch_size=2, progress=False)
print("the end", comm.rank, flush=True)
"""


QUICK = [("an error", False), ("death", False), ("Ctrl-C", True)]
OTHERS = [(failure, False) for failure in ("Ctrl-C", "an exit", "a loss that is no number")]
OTHERS += [(failure, True) for failure in ("an error", "a loss that is no number")]  # an exit would wait for the others


@pytest.mark.parametrize("failure, plain", [*QUICK, *(pytest.param(*o, marks=pytest.mark.thorough) for o in OTHERS)])
def test_the_failure_of_one_ends_all(tmp_path, failure, plain):
    """Without `-m mpi4py`, too, where it is an error; it stands in what the job writes."""
    what, text = FAILURES[failure]
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(failure=what))
    code, out, err = ranks.run(2, program, entry=() if plain else ("-m", "mpi4py"))
    assert code != 0 and text in err and "the end" not in out, f"{code}\n{out}\n{err}"
    assert time.time() - float(out.split()[2]) < AT_ONCE


def test_one_process_alone_needs_no_mpiexec(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(failure="pass"))
    code, out, err = ranks.finish(ranks.alone(program))
    assert code == 0 and out.split() == ["the", "end", "0"], err


@pytest.mark.parametrize("count, kills", [(2, 1), pytest.param(2, 20, marks=pytest.mark.thorough)])
def test_a_killed_training_ends_as_one_left_alone(tmp_path, count, kills):
    """Whichever process is killed, at whatever moment of the training."""
    module = ("-m", "pullback.tests.helpers.rank_killed")
    rng = random.Random(kills)
    code, out, err = ranks.run(count, *module, tmp_path / "alone")
    assert code == 0, f"{out}\n{err}"
    expected, seconds = outcomes(tmp_path / "alone", count)
    assert len(set(expected)) == count, "each process has random numbers of its own"
    killed = trainings = 0
    while killed < kills:
        folder = tmp_path / f"run{trainings}"
        trainings += 1
        while not outcomes(folder, count)[0]:
            for begun in folder.glob("begun*"):
                begun.unlink()
            job = ranks.start(count, *module, folder)
            if killed < kills:
                killed += kill_one(job, folder, rng, count, min(seconds))
            code, out, err = ranks.finish(job)
            assert code or outcomes(folder, count)[0], f"{out}\n{err}"
            assert "RuntimeWarning" not in err, err  # no checkpoint is damaged
        assert outcomes(folder, count)[0] == expected
        shutil.rmtree(folder)
    print(f"{killed} kills in {trainings} trainings")


def kill_one(job, folder, rng, count, longest):
    """Kill a process of the job at a moment of its training; whether that was not over, and ended the others."""
    rank = rng.randrange(count)
    while job.poll() is None and not (folder / f"begun{rank}").exists():
        time.sleep(0.005)
    time.sleep(rng.uniform(0, longest))
    try:
        os.kill(int((folder / f"begun{rank}").read_text()), signal.SIGKILL)
    except ProcessLookupError:
        return 0
    job.wait(AT_ONCE)
    return int(job.returncode != 0 and not outcomes(folder, count)[0])


def outcomes(folder, count):
    """What each process wrote at its end, and its seconds; nothing unless all did."""
    files = [folder / f"outcome{rank}" for rank in range(count)]
    if not all(file.exists() for file in files):
        return [], []
    told = [file.read_text().split() for file in files]
    return [digest for digest, _ in told], [float(seconds) for _, seconds in told]
