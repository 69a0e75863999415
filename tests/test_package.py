"""The package as a whole: what importing it loads, and what its face shows."""

import inspect
import subprocess
import sys
from types import BuiltinFunctionType, FunctionType

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


@pytest.mark.parametrize("room", ["fft", "linalg", "special", "stats", "testing"])
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
    pb.stats,
    pb.testing,
    nn,
    optim,
    optim.lr_scheduler,
    optim.swa_utils,
    viz,
    nn.functional,
    nn.data,
    nn.utils,
    nn.init,
)
PASSED_ON = {  # to a function that is given, into a file or a sample, or, by Identity, nowhere
    *("apply_along_axis", "fromfunction", "piecewise", "savez", "savez_compressed", "Identity", "pad", "StackDataset"),
    "skip_init",
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


def classes():
    for name, value in public_names():
        if isinstance(value, type) and not issubclass(value, (Exception, np.generic)):
            yield name, value


def class_members():
    """What `help` shows of the public classes that is their own: operators and the like, too."""
    for name, kind in classes():
        for member, value in vars(kind).items():
            function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            shown = member[0] != "_" or (member[:2] == "__" and member not in HIDDEN)
            if shown and isinstance(function, (FunctionType, property)) and not getattr(kind, "_is_protocol", False):
                yield f"{name}.{member}", getattr(kind, member)


def bare_reprs():
    for name, kind in classes():
        if kind.__repr__ is object.__repr__ and not getattr(kind, "_is_protocol", False):
            yield name


HIDDEN = {
    "__init__",
    "__init_subclass__",
    "__class_getitem__",
    "__getattr__",
    "__annotate_func__",
    "__replace__",
}  # what the class's own words are about


# What NumPy has in C says what it takes from 2.4 on.
UNSIGNED = (np.ufunc, BuiltinFunctionType) if np.lib.NumpyVersion(np.__version__) < "2.4.0" else ()


def faults(name, value):
    if not inspect.getdoc(value):
        yield f"{name} has no docstring"
    if isinstance(value, type) and issubclass(value, (Exception, np.generic)) or not callable(value):
        return
    if isinstance(inspect.unwrap(value), UNSIGNED):
        return
    parameters = inspect.signature(value).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters) and name.rpartition(".")[2] not in PASSED_ON:
        yield f"{name} does not say what it takes"
    if name.startswith("Tensor.") and [p.name for p in parameters if p.kind is p.VAR_POSITIONAL] == ["args"]:
        yield f"{name} does not say what it takes"


def test_all_public_names_say_what_they_do_and_take():
    found = [fault for name, value in [*public_names(), *tensor_members()] for fault in faults(name, value)]
    assert not found, "\n".join(found)


def test_all_members_of_public_classes_say_what_they_do():
    members = dict(class_members())
    assert {"pullback.autograd.Tensor.__radd__", "pullback.nn.Module.__call__"} <= members.keys() and len(members) > 300
    assert not [name for name, value in members.items() if not inspect.getdoc(value)]


def test_operators_have_their_names_and_numpys_words():
    for name in ("__add__", "__radd__", "__iadd__", "__and__", "__rxor__", "__lt__", "__matmul__", "__len__"):
        method = getattr(pb.Tensor, name)
        assert method.__doc__ and "lambda" not in method.__qualname__ and "<locals>" not in method.__qualname__
    assert pb.Tensor.__rsub__.__doc__ == np.ndarray.__rsub__.__doc__ == "Return value-self."
    assert pb.Tensor.__rsub__.__qualname__ == "Tensor.__rsub__"


def test_no_public_class_has_a_bare_repr():
    assert not list(bare_reprs())


def test_the_walk_sees_faults():
    def nothing(*args, **kwargs):
        pass

    assert len(list(faults("nothing", nothing))) == 2 and len(list(faults("T", property(nothing)))) == 1
    assert {"pullback.viz.Picture", "pullback.optim.Trainer", "pullback.nn.data.DataLoader"} <= dict(classes()).keys()
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


def test_reprs_of_trainers_and_pictures():
    model = nn.Sequential(nn.Linear(3, 400), nn.Linear(400, 1))
    trainer = optim.Trainer(model, nn.MSELoss(), optim.Adam(model.parameters()))
    assert repr(trainer) == "Trainer(Sequential of 2,001 parameters, MSELoss, Adam; 0 epochs trained)"
    line = nn.Linear(1, 1)
    callbacks = [optim.callbacks.LogEpochs()]
    trainer = optim.Trainer(line, nn.functional.l1_loss, optim.SGD(line.parameters(), lr=1.0), callbacks)
    trainer.fit((np.ones((1, 1)), np.ones((1, 1))), 2, progress=False)
    assert repr(trainer) == "Trainer(Linear of 2 parameters, l1_loss, SGD, 1 callbacks; 2 epochs trained)"
    x, y = pb.Tensor(1.0, requires_grad=True), pb.Tensor(2.0, requires_grad=True)
    assert repr(viz.graph(x * y + x)).startswith("<Graph of 2 leaves and 2 operations: render(path) draws it")
    assert repr(pb.__array_namespace_info__()) == "<what the array API's revision 2025.12 asks of pullback>"


def test_the_repr_of_a_picture():
    pytest.importorskip("matplotlib")
    picture = viz.curves({"loss": [2.0, 1.0]})
    width, height = picture.figure.get_size_inches()
    assert repr(picture).startswith(f"<Picture of {width:.3g} x {height:.3g} inches: save(path) writes it")
