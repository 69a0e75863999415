"""What type checkers are told of Tensors, beside what is there."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import pullback
from pullback import Tensor
from pullback.autograd.core.declarations import Operations
from pullback.autograd.core.declared_in_place import InPlace
from pullback.autograd.core.declared_spellings import Spellings
from pullback.autograd.numpy_api.spellings import ABSENT

MEMBERS = {**vars(Spellings), **vars(InPlace), **vars(Operations)}
PROGRAM = Path(__file__).with_name("program.py")
DECLARED = {name: value for name, value in MEMBERS.items() if callable(value) or isinstance(value, property)}
OPERATIONS = sorted(name for name in DECLARED if name not in vars(object) or name in ("__eq__", "__ne__", "__lt__"))


def parameters(function):
    return [p.name for p in list(inspect.signature(function).parameters.values())[1:]]


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_declared_is_there(name):
    declared, real = DECLARED[name], inspect.getattr_static(Tensor, name)
    assert isinstance(declared, property) == isinstance(real, property)
    if isinstance(declared, property):
        assert (declared.fset is None) == (real.fset is None)
    elif not name.startswith("__"):
        assert parameters(declared) == parameters(real)


def test_what_is_there_is_declared():
    refused = {"base", "byteswap", "ctypes", "getfield", "resize", "setfield", "setflags", *ABSENT}
    own = {name for name, value in vars(Tensor).items() if getattr(value, "__module__", "").endswith(".core.tensor")}
    own |= {
        name
        for name, value in vars(Tensor).items()
        if isinstance(value, property)
        and value.fget is not None
        and "core.tensor" in getattr(value.fget, "__module__", "operator")
    }
    public = {name for name in vars(Tensor) if not name.startswith("_")} - refused - own
    assert public - DECLARED.keys() == set()


def checked(path):
    home = Path(pullback.__file__).parent
    run = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary"]
    run += ["--cache-dir", str(path.parent / ".mypy_cache"), str(path)]
    links = path.parent / "found"
    links.mkdir(exist_ok=True)
    if not (links / "pullback").exists():
        (links / "pullback").symlink_to(home)
    done = subprocess.run(
        run, capture_output=True, text=True, env={"MYPYPATH": str(links), "PATH": ""}, cwd=path.parent
    )
    return done.stdout + done.stderr


def test_a_program_passes_and_its_typos_do_not(tmp_path):
    pytest.importorskip("mypy")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.read_text() + "\nx.summ()\nx.mean(axs=0)\nx.shape = (3,)\n'a' + len(x)\n")
    lines = [line for line in checked(path).splitlines() if ": error:" in line]
    last = len(PROGRAM.read_text().splitlines())
    assert [int(line.split(":")[1]) - last for line in lines] == [2, 3, 4, 5], lines
