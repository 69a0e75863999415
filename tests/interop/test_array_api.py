"""SciPy and scikit-learn on Tensors, in a process of their own: they must be told before SciPy is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("library", ["scipy", pytest.param("sklearn", marks=pytest.mark.thorough)])
def test_library(library):
    pytest.importorskip(library)
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        Path(__file__).parent / f"{library}_cases.py",
    ]
    run = subprocess.run(command, env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
