"""What type checkers are told of functions, beside what is there: stubs, forms, results; and how much is left Any."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import get_overloads

import numpy as np
import pytest

import pullback
from pullback import Tensor
from pullback.autograd.core import forms
from pullback.tests.helpers.numpy_calls import CALLS

ROOT = Path(pullback.__file__).parent
OPS = ROOT / "autograd" / "ops"
pytestmark = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="declared as in NumPy 2.4, whose builtins have signatures"
)
MOST = 165  # a tenth of what there was


def module_of(path):
    return importlib.import_module(".".join(("pullback", *path.relative_to(ROOT).with_suffix("").parts)))


def names_of(arguments):
    """The positional-only, the positional, the keyword-only parameters, and those with stars."""
    star = [a.arg for a in (arguments.vararg, arguments.kwarg) if a]
    return tuple(
        [a.arg for a in group] for group in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs)
    ), star


def real_names(function):
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple([p.name for p in parameters if p.kind is kind] for kind in kinds)


def stubs():
    for path in sorted(OPS.glob("*.pyi")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                yield pytest.param(path, node, id=f"{path.stem}.{node.name}.{node.lineno}")


@pytest.mark.parametrize("path, node", [*stubs()])
def test_stubs_have_the_parameters_that_are_there(path, node):
    function = getattr(module_of(path), node.name)
    declared, _ = names_of(node.args)
    real = real_names(function)
    declared = (*declared[:2], [name for name in declared[2] if name != "requires_grad"])  # of all that make Tensors
    flat, there = sum(declared, []), sum(real, [])
    if any(ast.unparse(d) == "overload" for d in node.decorator_list):
        assert set(flat) <= set(there) and declared[0] == real[0]
    else:
        assert flat == there and declared[0] == real[0]


@pytest.mark.parametrize("path", sorted(OPS.glob("*.pyi")), ids=lambda path: path.stem)
def test_stubs_have_all_names(path):
    tree = ast.parse(path.read_text()).body
    names = {node.name for node in tree if isinstance(node, ast.FunctionDef)}
    names |= {node.target.id for node in tree if isinstance(node, ast.AnnAssign)}
    assert set(module_of(path).__all__) - names == set()
    assert [name for name in names if not hasattr(module_of(path), name)] == []


def annotated():
    """What is said, by name, to have one of the forms."""
    for path in sorted((*OPS.rglob("*.py"), *OPS.rglob("*.pyi"))):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AnnAssign):
                form = ast.unparse(node.annotation).removeprefix("Primitive[").rstrip("]")
                if isinstance(getattr(forms, form, None), type) and form != "Tensor":
                    yield pytest.param(path, node.target.id, form, id=node.target.id)


@pytest.mark.parametrize("path, name, form", [*annotated()])
def test_forms_have_the_parameters_that_are_there(path, name, form):
    call = getattr(forms, form).__call__
    there = sum(real_names(getattr(module_of(path), name)), [])
    for declared in get_overloads(call) or [call]:
        positional, either, keywords = real_names(declared)
        assert set(either + keywords) - {"self"} <= set(there)
        assert len(positional) + len(either) - ("self" in positional + either) <= len(there)


def qualified(name):
    """Pullback's function of the qualified name that NumPy's has, or None."""
    found = pullback
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def fits(value, declared):
    """Whether a result is what is declared, in the words that are used here."""
    node = ast.parse(declared, mode="eval").body
    if isinstance(node, ast.Constant):
        return value is None
    if isinstance(node, ast.BinOp):
        return fits(value, ast.unparse(node.left)) or fits(value, ast.unparse(node.right))
    if isinstance(node, ast.Subscript):
        kind = {"tuple": tuple, "list": list, "Sequence": (list, tuple)}[node.value.id]
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        many = isinstance(parts[-1], ast.Constant)
        parts = parts[:1] * len(value) if many or len(parts) == 1 != len(value) else parts
        return isinstance(value, kind) and all(fits(v, ast.unparse(p)) for v, p in zip(value, parts, strict=True))
    if node.id.endswith("Result"):
        return isinstance(value, tuple) and all(isinstance(v, Tensor) for v in value)
    known = {"Tensor": Tensor, "bool": bool, "int": int, "str": str, "Any": object}
    return isinstance(value, known[node.id])


@pytest.mark.parametrize("name", [name for name in CALLS if qualified(name) is not None and name != "numpy.linspace"])
def test_results_are_what_is_declared_given_tensors(name):
    function = qualified(name)
    if isinstance(function, type(np.add)):
        return
    declared = inspect.signature(function).return_annotation
    declared = "Tensor" if declared is inspect.Parameter.empty else declared
    given = []

    def kept(*args, **options):
        given.append(function(*args, **options))
        return given[-1]

    for call in CALLS[name]:
        try:
            call(kept, **{key: Tensor(a) for key, a in call.arrays.items()})
        except TypeError as error:  # of an option that only NumPy's own function has
            assert re.search("unexpected keyword|positional argument", str(error))
    assert given and all(fits(value, declared) for value in given), (declared, given)


X, SORTED, BITS = Tensor([[1.0, 2.0], [4.0, 3.0]]), Tensor([1.0, 2.0, 3.0]), Tensor([1, 2, 3], dtype=np.uint8)
CONSTANTS = {
    "all": (X,), "any": (X, 0), "argmax": (X,), "argmin": (X, 1), "nanargmax": (X,), "nanargmin": (X,),
    "argpartition": (X, 1), "argwhere": (X,), "flatnonzero": (X,), "nonzero": (X,), "count_nonzero": (X, 0),
    "lexsort": (X,), "searchsorted": (SORTED, X), "digitize": (X, SORTED), "array_equal": (X, X),
    "array_equiv": (X, X), "allclose": (X, X), "isclose": (X, X), "isneginf": (X,), "isposinf": (X,),
    "iscomplex": (X,), "isreal": (X,), "iscomplexobj": (X,), "isrealobj": (X,), "isscalar": (X,), "iterable": (X,),
    "histogram": (X,), "histogram2d": (SORTED, SORTED), "histogramdd": (X,), "histogram_bin_edges": (X,),
    "isin": (X, X), "intersect1d": (X, X), "setdiff1d": (X, SORTED), "setxor1d": (X, SORTED), "union1d": (X, X),
    "unique": (X,), "unique_values": (X,), "shape": (X,), "ndim": (X,), "size": (X,), "unpackbits": (BITS,),
    "packbits": (BITS,), "unravel_index": (BITS, (2, 2)), "diag_indices_from": (X,), "tril_indices_from": (X,),
    "triu_indices_from": (X,), "shares_memory": (X, X), "may_share_memory": (X, X), "array2string": (X,),
    "array_repr": (X,), "array_str": (X,),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_what_is_declared_given_tensors(name):
    tree = ast.parse((OPS / "nondifferentiable.pyi").read_text()).body
    node = next(node for node in tree if isinstance(node, ast.FunctionDef) and node.name == name)
    value = getattr(pullback, name)(*CONSTANTS[name])
    assert fits(value, ast.unparse(node.returns)), (ast.unparse(node.returns), value)


def test_little_is_left_any(tmp_path):
    pytest.importorskip("mypy")
    from pullback.tests.helpers.counted_types import counted

    (tmp_path / "pullback").symlink_to(ROOT)
    places = counted([str(tmp_path)], str(tmp_path / "cache"))
    unknown = [f"{function}({parameter})" for function, parameter, is_any in places if is_any]
    assert len(places) > 3400
    assert len(unknown) <= MOST, unknown
