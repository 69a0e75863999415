"""Makes docs/numpy.md: what each of NumPy's functions does on Tensors, found by asking the registry and by calling it.

    python tests/helpers/numpy_table.py

`test_numpy_table.py` keeps the page true.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

import pullback as pb
from pullback import Tensor
from pullback.autograd.core.conversion import find
from pullback.autograd.core.tensor import functions
from pullback.tests.helpers.calls import qualified
from pullback.tests.helpers.numpy_calls import CALLS

PAGE = Path(__file__).parents[2] / "docs" / "numpy.md"
SPACES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft, "numpy.emath": np.emath}
DTYPES = [np.float16, np.float32, np.float64, np.complex64, np.complex128]
HEAD = """# NumPy on Tensors

NumPy {version}.

Every function of NumPy's namespaces, called on Tensors as `np.f(t)`; most are also `pullback.f(t)`, and methods where
arrays have them. This page is made by `python tests/helpers/numpy_table.py` from the registry and from calls of each
function, and a test keeps it true. The samples, with the options they are tried with, are in
tests/helpers/numpy_calls.py. `out=`, `where=` and `dtype=` are taken wherever NumPy has them; an option that cannot
be taken is a TypeError that names it.

An entry that is infinite or NaN spoils no result and no derivative that does not depend on it. One thing is as in
PyTorch and JAX: backward, a gradient is a sum over all entries of the result of cotangent times derivative, and 0 times
a derivative that is not finite is NaN. So `np.exp(x)[1].backward()` leaves NaN at an infinite `x[0]`, and
`(x * w)[1].backward()` at `w[0]`. To leave such entries out, leave them out before: `np.where(ok, x, 0)` inside of `f`
and `np.where(ok, f(...), 0)` around it. Forward mode has no such sum.

## Differentiable

*In*: the arguments of the samples. *Orders*: derivatives that can be taken one of another ("any": three were).
*Dtypes*: those that arguments, results and gradients have (f: float, c: complex; integers and bools are computed,
without gradients). *Made of*: the primitives that the first sample records that records any, with the kinds of their
rules.
"""
CONSTANTS = """
## Constants of the graph

Comparisons, positions, counts, shapes, prints and files: there is no derivative, or it is 0. They take any Tensor.
"""
DIRECTED = {  # what Tensors do not come to, and where to go
    "makes an array of numbers and shapes; `pullback.{name}` makes a Tensor": (
        "arange bartlett blackman empty eye fromfunction full hamming hanning identity indices kaiser ones tri zeros "
        "fftfreq rfftfreq"
    ),
    "makes an array of anything; refuses a Tensor that requires a gradient, `pullback.asarray` and `stack` take it": (
        "array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix bmat fromiter "
        "from_dlpack require"
    ),
    "reads or makes an array from elsewhere; `pullback.asarray` makes a Tensor of it": (
        "frombuffer fromfile fromregex fromstring genfromtxt load loadtxt"
    ),
    "is about dtypes, shapes or layout; a Tensor has `.dtype`, `.shape` and `.flags`": (
        "broadcast_shapes isdtype isfortran issubdtype mintypecode promote_types typename"
    ),
    "is about dates, which no Tensor holds; TypeError": (
        "busday_count busday_offset datetime_as_string datetime_data is_busday isnat"
    ),
    "is about NumPy itself, its settings or printing": (
        "base_repr binary_repr format_float_positional format_float_scientific frompyfunc get_include get_printoptions "
        "getbufsize geterr geterrcall info nested_iters printoptions set_printoptions setbufsize seterr seterrcall "
        "show_config show_runtime test"
    ),
    "is another name of `vstack`": "row_stack",
}


def names(space):
    """The functions of a namespace, but those that NumPy 2.4 lacks."""
    module = SPACES[space]
    found = (
        name
        for name in dir(module)
        if not name.startswith("_") and name not in ("in1d", "trapz") and callable(getattr(module, name))
    )
    return sorted(name for name in found if not isinstance(getattr(module, name), type))


def handler(function):
    return find(function) if isinstance(function, np.ufunc) else functions.get(function)


def tensors(value):
    """The float and complex Tensors of a result or several."""
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors(part)]
    return [value] if isinstance(value, Tensor) and value.dtype.kind in "fc" else []


def number(function, call):
    """The call as a function of its arrays, with one number that all of its results go into."""

    def of_arrays(*arrays):
        results = tensors(call(function, **dict(zip(call.arrays, arrays, strict=True))))
        return sum(np.real(out * (0.7 + 0.3j if out.dtype.kind == "c" else 1.3)).sum() for out in results)

    return of_arrays


def leaves(call, dtype=None):
    return [Tensor(value, requires_grad=True, dtype=dtype or value.dtype) for value in call.arrays.values()]


def primitives_behind(function, call):
    """The primitives that a call records."""
    results = tensors(call(function, **dict(zip(call.arrays, leaves(call), strict=True))))
    nodes, seen = [out._node for out in results], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen and node.primitive is not None:
            seen.add(node)
            nodes += [parent for parent, _, _ in node.edges]
    return {node.primitive for node in seen if isinstance(node.primitive, pb.Primitive)}


def works(attempt):
    """Whether an attempt gives something true and no error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(attempt())
    except (TypeError, ValueError, RuntimeError, np.linalg.LinAlgError):
        return False


def in_forward_mode(function, call):
    """Whether <J v, 1> is <v, J^T 1>."""
    inputs = leaves(call)
    number(function, call)(*inputs).backward()
    pulled = sum(np.real(x.grad.data).sum() for x in inputs)
    arrays = [x.data for x in inputs]
    pushed = pb.jvp(number(function, call), arrays, [np.ones_like(x) for x in arrays])[1].item()
    return np.allclose(pushed, pulled, rtol=1e-8, atol=1e-10)


def orders(function, call, most=3):
    """How many derivatives can be taken one of another, up to `most`."""

    def derivative(f):
        every = tuple(range(len(call.arrays)))
        return lambda *arrays: sum(np.real(g).sum() for g in pb.grad(f, every)(*arrays))

    f = number(function, call)
    for order in range(most):
        f = derivative(f)
        if not works(lambda f=f: isinstance(f(*call.arrays.values()), Tensor)):
            return order
    return most


def keeps(function, call, dtype):
    """Whether the call takes the dtype, and gives gradients in it."""

    def attempt():
        inputs = leaves(call, dtype)
        number(function, call)(*inputs).backward()
        return all(x.grad is not None and x.grad.dtype == dtype for x in inputs)

    return works(attempt)


def row(name):
    """The row of a function that is differentiable."""
    function, calls = qualified(name), CALLS[name]
    arguments = dict.fromkeys(key for call in calls for key in call.arrays if key != "out")
    made_of = next(filter(None, (primitives_behind(function, call) for call in calls)), ())
    forward = all(in_forward_mode(function, call) for call in calls)
    order = orders(function, calls[0])
    real = [dtype for dtype in DTYPES if any(keeps(function, call, dtype) for call in calls)]
    kinds = sorted(f"{p.name} ({', '.join(dict.fromkeys(p.kinds.values()))})" for p in made_of)
    cells = [
        f"`{name.removeprefix('numpy.')}`",
        ", ".join(arguments),
        "yes" if forward else "no",
        "any" if order == 3 else str(order),
        " ".join(np.dtype(dtype).name.replace("float", "f").replace("complex", "c") for dtype in real),
        "; ".join(kinds),
    ]
    return f"| {' | '.join(cells)} |"


def directed():
    """For each name that Tensors do not come to: what is said of it."""
    return {name: said for said, listed in DIRECTED.items() for name in listed.split()}


def page():
    """The page, as lines."""
    lines = HEAD.format(version=np.__version__).splitlines()
    for space in (*SPACES, "methods"):
        if space == "methods":
            listed = [name for name in CALLS if name.rpartition(".")[0] not in SPACES]
        else:
            listed = [f"{space}.{name}" for name in names(space) if f"{space}.{name}" in CALLS]
        title = "Methods of ufuncs and others" if space == "methods" else f"`{space}`"
        lines += ["", f"### {title}", "", "| Function | In | Forward | Orders | Dtypes | Made of |"]
        lines += ["|---|---|---|---|---|---|", *(row(name) for name in sorted(listed) if qualified(name))]
    lines += CONSTANTS.splitlines()
    for space in SPACES:
        listed = [n for n in names(space) if f"{space}.{n}" not in CALLS and handler(getattr(SPACES[space], n))]
        if listed:
            lines += ["", f"`{space}`: {', '.join(f'`{name}`' for name in listed)}."]
    lines += ["", "## Others", "", "| Function | |", "|---|---|"]
    said = directed()
    for space in SPACES:
        for name in names(space):
            if f"{space}.{name}" not in CALLS and not handler(getattr(SPACES[space], name)):
                lines.append(f"| `{f'{space}.{name}'.removeprefix('numpy.')}` | {said[name].format(name=name)} |")
    return lines


if __name__ == "__main__":
    PAGE.write_text("\n".join(page()) + "\n")
