"""Pictures of computation graphs: how long they take here, in torchviz, torchview, TorchLens and micrograd's way.

    OMP_NUM_THREADS=1 python benchmarks/pictures.py

Each picture is made in a process of its own: the graph is built, then a picture of it is made and written as SVG, and
that is measured, in seconds of the processor, those of Graphviz' `dot` included. A tool that is not installed is left
out; all but Pullback need `dot` on the path. Pages are measured in headless Chromium where it and the extra `browser`
are installed. It writes pictures.md beside itself.
"""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

REPORT = Path(__file__).with_suffix(".md")
TIMEOUT = 60
TOOLS = ("pullback", "pullback without dot", "torchviz", "torchview", "torchlens", "micrograd")
PNG = ("residual blocks, 1,000 nodes, all, as PNG", "blocks", 125)
CASES = {
    "chain of 500 sines (1,000 nodes)": ("chain", 500),
    "residual blocks, 1,000 nodes": ("blocks", 125),
    "residual blocks, 10,000 nodes": ("blocks", 1250),
    "RNN of 200 steps": ("rnn", 200),
    "chain of 100,000 sines": ("chain", 100_000),
    "30 doublings y = y + y": ("doublings", 30),
}
HEAD = """# Pictures of computation graphs

Seconds of the processor from the graph to the SVG file, `dot` included; {timeout} s of wall time are the limit. In
brackets the nodes in the file, as far as its classes tell. Each in a process of its own; torchview and TorchLens also
run the model once, since they see it as it runs; torchview saw no function outside a module with this PyTorch. `view`
is the default, `all` has everything in it; of a PNG both times are those of a second picture, Matplotlib being there.
micrograd has no `draw_dot` in its package: here its notebook's way, a
recursion and a set, is written anew for scalars.

- Machine: {machine}; NumPy {numpy}, Python {python}, {dot}
- {versions}
- Command: `OMP_NUM_THREADS=1 python benchmarks/pictures.py`

"""
PAGES = """
## Pages

Milliseconds in headless Chromium to unfold a part of the graph, or to fold it, until that is drawn: in the middle and
at most, of the first 20 parts. These are of the clock, not of the processor.

| page | size | times | middle | most |
| --- | --- | --- | --- | --- |
"""


def seconds() -> float:
    """The processor time of this process and of those that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def program(kind: str, count: int, xp: Any, leaf: Callable[..., Any]) -> Callable[[Any], Any]:
    """What is drawn, of one input, in a library with torch's names."""

    def chain(x: Any) -> Any:
        for _ in range(count):
            x = xp.sin(x)
        return x

    def blocks(x: Any) -> Any:
        for _ in range(count):
            x = x + xp.tanh(x @ leaf(np.eye(3)))
        return x.sum()

    def rnn(x: Any) -> Any:
        h, w, u = x[:, 0], leaf(np.eye(3)), leaf(np.eye(3))
        for t in range(count):
            h = xp.tanh(h @ w + x[:, t] @ u)
        return h.sum()

    def doublings(x: Any) -> Any:
        for _ in range(count):
            x = x + x
        return x

    return {"chain": chain, "blocks": blocks, "rnn": rnn, "doublings": doublings}[kind]


def start(kind: str, count: int) -> np.ndarray:
    """The input."""
    shapes = {"blocks": (2, 3), "rnn": (1, count, 3)}
    return np.full(shapes.get(kind, ()), 0.5)


def ours(kind: str, count: int) -> Any:
    """What is drawn, as a Tensor."""
    import pullback
    from pullback import Tensor

    leaf = lambda a: Tensor(a, requires_grad=True)  # noqa: E731
    return program(kind, count, pullback, leaf)(leaf(start(kind, count)))


def by_pullback(kind: str, count: int, everything: bool, form: str = "svg") -> Iterator[bytes]:
    """Draw a Tensor's graph."""
    from pullback import viz

    small, out = ours("chain", 1), ours(kind, count)
    options = {"limit": None, "roll": False, "values": True} if everything else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"graph.{form}"
        viz.graph(small).render(path)
        yield b""
        viz.graph(out, **options).render(path)
        yield path.read_bytes()


def by_torchviz(kind: str, count: int, everything: bool) -> Iterator[bytes]:
    """Draw the graph of the backward pass."""
    import torch
    from torchviz import make_dot

    leaf = lambda a: torch.tensor(a, requires_grad=True)  # noqa: E731
    out = program(kind, count, torch, leaf)(leaf(start(kind, count)))
    yield b""
    yield make_dot(out).pipe("svg")


def _module(kind: str, count: int) -> tuple[Any, Any]:
    import torch

    class Model(torch.nn.Module):
        forward = staticmethod(program(kind, count, torch, lambda a: torch.tensor(a, requires_grad=True)))

    return Model(), torch.tensor(start(kind, count), requires_grad=True)


def by_torchview(kind: str, count: int, everything: bool) -> Iterator[bytes]:
    """Draw what a module ran."""
    from torchview import draw_graph

    model, x = _module(kind, count)
    yield b""
    yield draw_graph(model, input_data=x, device="cpu").visual_graph.pipe("svg")


def by_torchlens(kind: str, count: int, everything: bool) -> Iterator[bytes]:
    """Draw what a module ran."""
    import torchlens

    model, x = _module(kind, count)
    yield b""
    with tempfile.TemporaryDirectory() as folder:
        trace = torchlens.trace(model, x)
        trace.draw(vis_outpath=f"{folder}/graph", vis_fileformat="svg", vis_save_only=True)
        yield next(Path(folder).glob("*.svg")).read_bytes()


def by_micrograd(kind: str, count: int, everything: bool) -> Iterator[bytes]:
    """Draw scalars as micrograd's notebook does: a recursion over what each was made of."""
    from graphviz import Digraph
    from micrograd.engine import Value

    if kind not in ("chain", "doublings"):
        raise ValueError("scalars only")
    x = Value(0.5)
    for _ in range(count):
        x = x.relu() if kind == "chain" else x + x
    yield b""
    nodes, edges = set(), set()

    def visit(value: Any) -> None:
        if value not in nodes:
            nodes.add(value)
            for part in value._prev:
                edges.add((part, value))
                visit(part)

    visit(x)
    picture = Digraph(graph_attr={"rankdir": "LR"})
    for value in nodes:
        picture.node(str(id(value)), f"{{ data {value.data:.4f} | grad {value.grad:.4f} }}", shape="record")
        if value._op:
            picture.node(f"{id(value)}{value._op}", value._op)
            picture.edge(f"{id(value)}{value._op}", str(id(value)))
    for part, value in edges:
        picture.edge(str(id(part)), f"{id(value)}{value._op}")
    yield picture.pipe("svg")


FOLDING = """async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  unfoldLevel();
  const times = [], folded = [...visible()].filter((node) => node.type === "part" && node.parent).slice(0, 20);
  for (const part of folded) {
    for (const open of [!part.open, part.open]) {
      await drawn();
      const before = performance.now();
      setOpen(part, open);
      svg.getBoundingClientRect();
      await drawn();
      times.push(performance.now() - before);
    }
  }
  return times.sort((a, b) => a - b);
}"""


def folding() -> str:
    """How long it takes on pages to unfold a part and to fold it again, until that is drawn; "" without Chromium."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        return ""
    from pullback import viz

    told = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        except Error:
            return ""
        for name, (kind, count) in CASES.items():
            if count > 1250 or kind == "doublings":
                continue
            viz.graph(ours(kind, count)).to_html(Path(folder) / "graph.html")
            page = browser.new_page()
            page.goto((Path(folder) / "graph.html").as_uri())
            times = page.evaluate(FOLDING)
            size = (Path(folder) / "graph.html").stat().st_size
            middle, most = times[len(times) // 2], times[-1]
            told.append(f"| {name} | {size / 1e3:,.0f} kB | {len(times)} | {middle:.0f} | {most:.0f} |\n")
            page.close()
        browser.close()
    return PAGES + "".join(told)


def measured(tool: str, kind: str, count: int, everything: bool, *form: str) -> dict[str, object]:
    """Seconds and the number of nodes of a picture, or what went wrong."""
    makers = {name: globals()[f"by_{name.split()[0]}"] for name in TOOLS}
    try:
        steps = makers[tool](kind, count, everything, *form)
        next(steps)
        before = seconds()
        picture = next(steps)
        return {"seconds": seconds() - before, "nodes": picture.count(b'class="node"')}
    except ModuleNotFoundError:
        return {"error": ""}
    except Exception as error:
        return {"error": str(error) if isinstance(error, ValueError) else type(error).__name__}


def asked(tool: str, kind: str, count: int, everything: bool, *form: str) -> str:
    """A cell of the table, from a process of its own."""
    environment = dict(os.environ)
    if tool == "pullback without dot":
        dot = Path(shutil.which("dot") or "/nowhere/dot").parent
        environment["PATH"] = os.pathsep.join(p for p in environment["PATH"].split(os.pathsep) if Path(p) != dot)
    command = [sys.executable, __file__, json.dumps([tool, kind, count, everything, *form])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"> {TIMEOUT} s"
    if done.returncode:
        return "crash" if done.returncode < 0 else "error"
    found = json.loads(done.stdout.splitlines()[-1])
    return found["error"] if "error" in found else f"{found['seconds']:.2f}" + f" ({found['nodes']:,})" * (not form)


def main() -> None:
    """Measure all and write the report."""
    table = []
    for name, (kind, count) in CASES.items():
        for everything in (False, True) if count <= 1250 and kind != "doublings" else (False,):
            cells = [asked(tool, kind, count, everything) for tool in TOOLS if not everything or "pullback" in tool]
            table.append([f"{name}, {'all' if everything else 'view'}", *cells, *[""] * (len(TOOLS) - len(cells))])
            print(table[-1], flush=True)
    name, *case = PNG
    table.append([name, *(asked(tool, *case, True, "png") for tool in TOOLS[:2]), *[""] * (len(TOOLS) - 2)])
    versions = []
    for package in ("pullback", "torch", "torchviz", "torchview", "torchlens", "micrograd", "graphviz"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    dot = shutil.which("dot")
    told = subprocess.run([dot, "-V"], capture_output=True, text=True).stderr.strip() if dot else "no dot"
    head = HEAD.format(
        timeout=TIMEOUT,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        numpy=np.__version__,
        python=platform.python_version(),
        dot=told,
        versions=", ".join(versions),
    )
    rows = [["picture", *TOOLS], ["---"] * (len(TOOLS) + 1), *table]
    REPORT.write_text(head + "".join(f"| {' | '.join(row)} |\n" for row in rows) + folding(), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(*json.loads(sys.argv[1]))))
    else:
        main()
