"""The package as a whole: what importing it loads, and what its face shows."""

import subprocess
import sys

import pytest

import pullback as pb


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_loads_numpy_and_nothing_else_of_weight():
    modules = loaded_by("import pullback")
    assert "numpy" in modules and "pullback.autograd" in modules
    assert not {m for m in modules if m.startswith(("pullback.nn", "pullback.optim", "pullback.viz"))}
    heavy = {"matplotlib", "graphviz", "hypothesis", "tqdm", "safetensors", "scipy", "torch"}
    assert not modules & heavy
    assert not loaded_by("from pullback import nn, optim, viz, testing") & heavy


def test_rooms_are_loaded_on_first_use():
    assert "pullback.nn" in loaded_by("import pullback; pullback.nn")
    assert {"nn", "optim", "testing", "viz", "Tensor"} <= set(dir(pb))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pb.nothing  # noqa: B018


def test_every_listed_name_is_there():
    assert all(hasattr(pb, name) for name in pb.autograd.__all__)


def test_numpys_linalg_takes_tensors_at_once():
    code = "import numpy, pullback; print(float(numpy.linalg.norm(pullback.Tensor([3.0, 4.0]))))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "5.0\n"


@pytest.mark.parametrize("room", ["fft", "linalg", "special", "testing"])
def test_faces_are_modules_with_listed_names(room):
    code = f"import pullback.{room} as face; from pullback import {room}; print(face is {room}, *face.__all__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    same, *names = run.stdout.split()
    module = getattr(pb, room)
    assert same == "True" and names == sorted(names) and all(hasattr(module, name) for name in names)
    assert module.__name__ == f"pullback.{room}"


def test_names_are_imported_from_the_faces():
    code = "from pullback.fft import rfft; from pullback.special import erf; from pullback.fft import *; rfft2"
    subprocess.run([sys.executable, "-c", code], check=True)
