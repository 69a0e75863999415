"""The package as a whole: what importing it loads, and what its face shows."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim, viz


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


ROOMS = (
    pb.autograd,
    pb.linalg,
    pb.fft,
    pb.special,
    pb.testing,
    nn,
    optim,
    viz,
    nn.functional,
    nn.data,
    nn.utils,
    nn.init,
)
PASSED_ON = {  # to a function that is given, into a file, or, by Identity, nowhere
    *("apply_along_axis", "fromfunction", "piecewise", "savez", "savez_compressed", "Identity", "pad", "Dataset"),
}


def public_names():
    for room in ROOMS:
        listed = getattr(room, "__all__", None)
        own = [n for n, v in vars(room).items() if n[0] != "_" and getattr(v, "__module__", "").startswith("pullback")]
        for name in listed or own:
            value = getattr(room, name)
            if callable(value) and not isinstance(value, (np.dtype, type(np.sin))):
                yield f"{room.__name__}.{name}", value


def tensor_members():
    for name in dir(pb.Tensor):
        if name[0] != "_":
            yield f"Tensor.{name}", inspect.getattr_static(pb.Tensor, name)


def faults(name, value):
    if not inspect.getdoc(value):
        yield f"{name} has no docstring"
    if isinstance(value, type) and issubclass(value, (Exception, np.generic)) or not callable(value):
        return
    parameters = inspect.signature(value).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters) and name.rpartition(".")[2] not in PASSED_ON:
        yield f"{name} does not say what it takes"
    if name.startswith("Tensor.") and [p.name for p in parameters if p.kind is p.VAR_POSITIONAL] == ["args"]:
        yield f"{name} does not say what it takes"


def test_all_public_names_say_what_they_do_and_take():
    found = [fault for name, value in [*public_names(), *tensor_members()] for fault in faults(name, value)]
    assert not found, "\n".join(found)


def test_the_walk_sees_faults():
    def nothing(*args, **kwargs):
        pass

    assert len(list(faults("nothing", nothing))) == 2 and len(list(faults("T", property(nothing)))) == 1
    assert len(list(public_names())) > 650 and len(list(tensor_members())) > 80


def test_tensor_properties_are_documented_as_such():
    assert pb.Tensor.shape.__doc__.startswith("The lengths") and "memory" in pb.Tensor.base.__doc__
    assert list(inspect.signature(pb.Tensor.sum).parameters)[-1] == "out"


def test_reprs_say_what_is_there():
    a, b = nn.Parameter([1.0, 2.0]), nn.Parameter([3.0])
    assert repr(optim.SGD([a, b], lr=0.5)).startswith("SGD(2 parameters, lr=0.5, momentum=0")
    groups = repr(optim.Adam([{"params": [a]}, {"params": b, "lr": 0.25}])).splitlines()
    assert groups[0] == "Adam(" and groups[1].startswith("  1 parameters, lr=0.001") and groups[-1] == ")"
    assert "lr=0.25" in groups[2]
    data = nn.data.TensorDataset(np.zeros((5, 2, 3)), np.arange(5))
    assert repr(data) == "TensorDataset(5 samples: (2, 3) float64, () int64)"
    assert repr(nn.data.Subset(data, [0, 1])) == f"Subset(2 of {data!r})"
    loader = repr(nn.data.DataLoader(data, 2, shuffle=True))
    assert loader == f"DataLoader({data!r}, batch_size=2, shuffle=True, drop_last=False, dtype=float32)"
