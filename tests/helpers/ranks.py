"""Programs that mpiexec runs in several processes, for tests; skipped where mpi4py or mpiexec is missing."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest

MPIEXEC = Path(sys.executable).with_name("mpiexec")
TIMEOUT = 120  # seconds, of a machine under load; nothing waits for it unless something hangs


def start(ranks, *arguments, entry=("-m", "mpi4py")):
    """Start `python -m mpi4py arguments` in several processes."""
    pytest.importorskip("mpi4py")
    if not MPIEXEC.exists():
        pytest.skip("there is no mpiexec beside python")
    return _started(MPIEXEC, "-n", ranks, sys.executable, *entry, *arguments)


def alone(*arguments):
    """Start `python arguments`, without mpiexec."""
    return _started(sys.executable, *arguments)


def _started(*command):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("PYTHONSAFEPATH", None)  # with which mpi4py takes another path away
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, command)), env=environment, start_new_session=True, cwd=gettempdir(), **pipes)


def finish(job):
    """What a job wrote and how it ended, as `(returncode, stdout, stderr)`; an error if it hangs."""
    try:
        out, err = job.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGKILL)
        out, err = job.communicate()
        raise AssertionError(f"the job hangs\n{out}\n{err}") from None
    return job.returncode, out, err


def run(ranks, *arguments, **options):
    """Run a program to its end."""
    return finish(start(ranks, *arguments, **options))


def cases(ranks, module, *names):
    """Run functions of a module of tests/helpers in several processes, one after another; all must come to the end."""
    code, out, err = run(ranks, "-m", f"pullback.tests.helpers.{module}", *names)
    assert code == 0 and all(out.count(f"done {name}\n") == ranks for name in names), f"{out}\n{err}"
    return out


def main(functions):
    """Run the functions that the command line names, of those of a module, with all processes."""
    from pullback.optim.distributed import world

    for name in sys.argv[1:]:
        functions[name](world())
        sys.stdout.write(f"done {name}\n")
        sys.stdout.flush()
