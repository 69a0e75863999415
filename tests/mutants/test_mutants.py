"""The planted faults have their places: each text stands in one file, and there are tests to catch it."""

import subprocess
import sys
from pathlib import Path


def test_every_fault_has_its_place():
    code = "import run; print(len(run.located(run.FAULTS)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert not done.returncode and int(done.stdout) > 60, done.stderr
