"""The house's floors: each imports only from itself and from below, and no modules import one another in a circle."""

import ast
from functools import cache
from pathlib import Path

import pytest

import pullback

ROOT = Path(pullback.__file__).parent
FLOORS = (
    "autograd.runtime", "autograd.kernels", "autograd.core", "autograd.ops", "autograd.transforms",
    "autograd.programs", "autograd.numpy_api", "autograd.debug", "autograd.testing", "autograd", "extend", "nn",
    "optim", "viz", "cli",
)  # fmt: skip
ARRAYS_ALONE = ("autograd.runtime", "autograd.kernels")  # where nobody knows Tensors
MACHINE_CODE = "llvmlite"
ABOVE = ("nn", "optim", "viz", "cli")  # which have of the engine what is public, and what `extend` offers


def sources():
    """The files of the package by their dotted names below it."""
    files = [ROOT / "extend.py", *(f for room in ("autograd", *ABOVE) for f in (ROOT / room).rglob("*.py"))]
    return {".".join(f.relative_to(ROOT).with_suffix("").parts): f.read_text(encoding="utf-8") for f in files}


@cache
def imported(name, text, names):
    """The modules of the package, and those of others, that a module imports anywhere in its text."""
    package = name.split(".")[:-1]
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            outside.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            target = ".".join(part for part in base if part)
            for alias in node.names:
                found = [f"{target}.{alias.name}", f"{target}.{alias.name}.__init__", target, f"{target}.__init__"]
                inside |= {next((n for n in found if n.lstrip(".") in names), target)}
    return {n.lstrip(".") for n in inside}, outside


def floor(name):
    return max((f for f in FLOORS if f"{name}.".startswith(f"{f}.")), key=len)


def violations(texts):
    graph, found, names = {}, [], frozenset(texts)
    for name, text in texts.items():
        inside, outside = imported(name, text, names)
        graph[name] = inside & texts.keys()
        here = FLOORS.index(floor(name))
        for other in graph[name]:
            if FLOORS.index(floor(other)) > here:
                found.append(f"{name} imports {other}, which is above it")
            if floor(name) in ABOVE and other.startswith("autograd.") and other != "autograd.__init__":
                found.append(f"{name} imports {other}, which is deeper than `autograd` and `extend`")
        if MACHINE_CODE in outside and floor(name) not in ARRAYS_ALONE:
            found.append(f"{name} imports {MACHINE_CODE}")
    return found + [f"a circle: {' -> '.join(circle)}" for circle in circles(graph)]


def circles(graph):
    """A circle through each module that is in one and in none found before."""
    state, path, found = {}, [], []

    def visit(name):
        state[name] = "open"
        path.append(name)
        for other in sorted(graph[name]):
            if state.get(other) == "open":
                found.append([*path[path.index(other) :], other])
            elif other not in state:
                visit(other)
        state[name] = path.pop() and "done"

    for name in sorted(graph):
        if name not in state:
            visit(name)
    return found


def test_imports_go_down():
    assert violations(sources()) == []


@pytest.mark.parametrize(
    "module, line, expected",
    [
        ("autograd.core.graph", "from .tensor import Tensor", "a circle"),
        ("autograd.kernels.sums", "from ..core.tensor import Tensor", "above it"),
        ("autograd.ops.shape", "def f():\n    from ..transforms.derivatives import grad", "above it"),
        ("autograd.core.rule", "if TYPE_CHECKING:\n    from .primitive import Primitive", "a circle"),
        ("autograd.ops.convolution", "from llvmlite import ir", "imports llvmlite"),
        ("nn.linear", "from ..optim import SGD", "above it"),
        ("viz.report", "from ..cli import main", "above it"),
        ("cli.models", "from ..autograd.core.tensor import wrap", "deeper than"),
        ("nn.linear", "from ..autograd.core.tensor import wrap", "deeper than"),
        ("autograd.runtime.threads", "from .. import Tensor", "above it"),
    ],
)
def test_planted_imports_are_found(module, line, expected):
    texts = sources()
    texts[module] += f"\n{line}\n"
    assert any(expected in found for found in violations(texts))


HOT = {"autograd.core.backward": "backward_pass", "autograd.core.fast_apply": "compiled"}  # in one piece, for speed


def test_files_and_functions_are_short():
    """A file has at most 400 lines, in tests 600, a function 60 beside its docstring."""
    found = [name for name, text in sources().items() if text.count("\n") > 400]
    found += [f for f in (ROOT / "tests").rglob("*.py") if f.read_text(encoding="utf-8").count("\n") > 600]
    for name, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and HOT.get(name) != node.name:
                first = node.body[ast.get_docstring(node) is not None :] or node.body
                if node.end_lineno - first[0].lineno >= 60:
                    found.append(f"{name}.{node.name}")
    assert found == []


def test_the_map_has_every_file_or_its_folder():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    paths = [name.split(".") for name in sources() if not name.endswith("__init__")]
    assert [p for p in paths if f"{p[-1]}.py`" not in text and f"`{'/'.join(p[:-1])}/`" not in text] == []
