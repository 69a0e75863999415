"""The planted faults have their places: each text stands in one file, and there are tests to catch it."""

import re
import subprocess
import sys
from pathlib import Path


def test_every_fault_has_its_place():
    assert int(_said("import run; print(len(run.located(run.FAULTS)))")) > 60


def test_every_kind_of_the_edges_has_a_fault():
    table = (Path(__file__).parents[2] / "docs" / "edges.md").read_text()
    kinds = sorted({int(number) for number in re.findall(r"^\| (\d+) ", table, re.MULTILINE)} - {27})  # of versions
    assert _said("import run; print(sorted(run.EDGES))") == f"{kinds}\n" and len(kinds) == 20


def _said(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout
