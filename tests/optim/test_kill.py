"""Trainings that are killed by SIGKILL, and started again, end as if nothing had happened, to the bit."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("safetensors")

thorough = pytest.mark.thorough


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
@pytest.mark.parametrize("count, step", [(8, 21), pytest.param(300, 1, marks=thorough)])
def test_a_killed_training_ends_as_one_left_alone(tmp_path, count, step):
    """At random moments of its life, and before calls of the file system (before each one if `step` is 1)."""
    command = [sys.executable, "-m", "pullback.tests.helpers.killed", tmp_path, str(count), str(step), "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # so that no threads are forked
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    print(child.stdout)
    report = json.loads(child.stdout)
    assert report["points"]["wrong"] == report["calls"]["wrong"] == []
    assert report["points"]["kills"] == count
    assert report["calls"]["kills"] == len(range(0, report["calls"]["calls"], step)) >= 5
