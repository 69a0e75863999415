"""Graphs as text for other programs: JSON (node-link, and as Model Explorer reads it) and Mermaid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import labels
from .drawing import BACKWARD, GREY, Box, Drawing, paint
from .form import FEW, Argument, Form, Group, Operation, Step, Value, enclosing

FORMAT, VERSION = "pullback.graph", 1
JSON = Mapping[str, Any]
_NONFINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # JSON has no numbers for them


def node_link(form: Form, entries: int | None = FEW) -> dict[str, Any]:
    """A form as nodes and edges of JSON; arrays of more than so many entries are left out, unless it is None."""

    def array(data: object) -> dict[str, Any] | None:
        return None if data is None else _encoded(np.asarray(data), entries)

    values: list[dict[str, Any]] = [
        {"id": v.id, "type": "value", "kind": v.kind, "names": list(v.names), "kept": v.kept}
        | {"shape": None if v.shape is None else list(v.shape), "dtype": None if v.dtype is None else str(v.dtype)}
        | {"data": array(v.data), "gradient": array(v.gradient)}
        for v in form.values
    ]
    operations: list[dict[str, Any]] = [
        {"id": o.id, "type": "operation", "name": o.name, "options": _options(o), "group": _id(o.group)}
        | {"place": o.place, "seconds": o.seconds, "back_seconds": o.back_seconds, "kept": o.kept, "error": o.error}
        for o in form.operations
    ]
    edges = []
    for o in form.operations:
        given = ((value.id, o.id, key, role) for key, (role, value) in enumerate(o.arguments))
        made = ((o.id, value.id, key, "result") for key, value in enumerate(o.results))
        edges += [dict(zip(("source", "target", "key", "role"), edge, strict=True)) for edge in (*given, *made)]
    groups = [
        {"id": g.id, "path": g.path, "name": g.name, "parent": _id(g.parent), "call": g.call, "error": g.error}
        | {"parameters": g.parameters, "extra": g.extra, "arguments": [value.id for value in g.arguments]}
        for g in form.groups
    ]
    steps = [{"value": value.id, "cotangent": array(cotangent)} for value, cotangent in form.steps]
    return {
        "format": FORMAT,
        "version": VERSION,
        "directed": True,
        "multigraph": True,
        "graph": {},
        "nodes": [*values, *operations],
        "edges": edges,
        "groups": groups,
        "outputs": [value.id for value in form.outputs],
        "steps": steps,
        "error": form.error,
    }


def of_node_link(read: JSON) -> Form:
    """The form that `node_link` made this of."""
    if not isinstance(read, Mapping) or read.get("format") != FORMAT:
        raise ValueError(f"from_json: this is no graph that to_json wrote: it has no format {FORMAT!r}")
    if read["version"] != VERSION:
        raise ValueError(f"from_json: the graph is of version {read['version']}, and this reads version {VERSION}")
    form, parts = Form(error=read["error"]), dict[str, Any]()
    for node in read["nodes"]:
        if node["type"] == "value":
            shape = None if node["shape"] is None else tuple(node["shape"])
            dtype = None if node["dtype"] is None else np.dtype(node["dtype"])
            data, gradient = _decoded(node["data"]), _decoded(node["gradient"])
            value = Value(node["id"], node["kind"], shape, dtype, tuple(node["names"]), data, gradient, node["kept"])
            form.values.append(parts.setdefault(value.id, value))
    for group in read["groups"]:
        of = {key: group[key] for key in ("id", "path", "name", "call", "parameters", "extra", "error")}
        given = [parts[value] for value in group["arguments"]]
        form.groups.append(Group(**of, parent=parts.get(group["parent"]), arguments=given))
        parts[group["id"]] = form.groups[-1]
    for node in read["nodes"]:
        if node["type"] == "operation":
            of = {key: node[key] for key in ("id", "name", "place", "seconds", "back_seconds", "kept", "error")}
            options = {key: _tuples(value) for key, value in node["options"].items()}
            form.operations.append(Operation(**of, options=options, group=parts.get(node["group"])))
            parts[node["id"]] = form.operations[-1]
    for edge in sorted(read["edges"], key=lambda edge: edge["key"]):
        source, target = parts[edge["source"]], parts[edge["target"]]
        if isinstance(target, Operation):
            target.arguments.append(Argument(edge["role"], source))
        else:
            source.results.append(target)
            target.maker = source
    form.outputs += [parts[value] for value in read["outputs"]]
    known = ((parts[step["value"]], _decoded(step["cotangent"])) for step in read["steps"])
    form.steps += [Step(value, cotangent) for value, cotangent in known if cotangent is not None]
    return form


def dumped(tree: JSON) -> str:
    """JSON with one node, edge, group or step to the line."""
    parts = []
    for key, value in tree.items():
        rows = value if isinstance(value, list) else []
        text = ",\n".join(map(_line, rows))
        parts.append(f"{_line(key)}: [\n{text}\n]" if rows else f"{_line(key)}: {_line(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _id(part: Group | None) -> str | None:
    return None if part is None else part.id


def _encoded(array: np.ndarray, entries: int | None) -> dict[str, Any] | None:
    """An array as its dtype, shape and entries: numbers, or words for what is not finite; real and imaginary parts in
    turns."""
    if array.dtype.kind not in "biufc" or (entries is not None and array.size > entries):
        return None
    flat = array.ravel()
    parts = flat.view(flat.real.dtype) if array.dtype.kind == "c" else flat
    numbers = parts.tolist()
    if array.dtype.kind in "fc":
        exact = parts.dtype.itemsize > 8  # more digits than a double has
        numbers = [
            str(x) if exact and y else float(x) if y else _NONFINITE[str(x)]
            for x, y in zip(parts if exact else numbers, np.isfinite(parts), strict=True)
        ]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "entries": numbers}


def _decoded(read: JSON | None) -> Any:
    if read is None:
        return None
    dtype = np.dtype(read["dtype"])
    part = np.empty(0, dtype).real.dtype
    entries = [part.type(x) if isinstance(x, str) else x for x in read["entries"]]
    return np.array(entries, part).view(dtype).reshape(read["shape"])[()]


def _options(operation: Operation) -> dict[str, Any]:
    """What JSON has no form for becomes text, the geometry of windows what it consists of."""
    found: dict[str, Any] = {}
    for key, value in operation.options.items():
        if hasattr(value, "kernel"):
            found |= labels.geometry(value)
        else:
            found[key] = _plain(value)
    return found


def _plain(value: object) -> object:
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    finite = value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and np.isfinite(value))
    return value if finite else labels.text(value)


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


# Model Explorer


def model_explorer(form: Form, title: str = "") -> dict[str, Any]:
    """A form as a collection of one graph: operations, and values that no operation made, in the namespaces of module
    calls."""
    form = form.behind()
    positions = {value: str(i) for operation in form.operations for i, value in enumerate(operation.results)}
    readers = form.readers()
    nodes: list[dict[str, Any]] = []
    for value in form.values:
        if value.maker is None:
            homes = {operation.group for operation, _ in readers[value]}
            home = homes.pop() if len(homes) == 1 and value.kind != "input" else None
            node = {"id": value.id, "label": labels.name(value.names) or value.kind, "namespace": _namespace(home)}
            nodes.append(node | {"attrs": _pairs({"kind": value.kind}), "outputsMetadata": [_metadata("0", value)]})
    for operation in form.operations:
        incoming = [
            {
                "sourceNodeId": value.id if value.maker is None else value.maker.id,
                "sourceNodeOutputId": positions.get(value, "0"),
                "targetNodeInputId": str(i),
            }
            for i, (_, value) in enumerate(operation.arguments)
        ]
        roles = [{"id": str(i), "attrs": _pairs({"__tensor_tag": a.role})} for i, a in enumerate(operation.arguments)]
        about = {key: labels.text(value) for key, value in _options(operation).items()}
        about |= {"source": operation.place, "error": operation.error}
        for key, seconds in (("forward", operation.seconds), ("backward", operation.back_seconds)):
            about[key] = "" if seconds is None else f"{1e6 * seconds:.3g} µs"
        nodes.append(
            {
                "id": operation.id,
                "label": operation.name,
                "namespace": _namespace(operation.group),
                "attrs": _pairs(about),
                "incomingEdges": incoming,
                "inputsMetadata": roles,
                "outputsMetadata": [_metadata(positions[value], value) for value in operation.results],
            }
        )
    attributes = {_namespace(group): _about(group) for group in form.groups}
    whole = {"id": title or "graph", "nodes": nodes, "groupNodeAttributes": attributes}
    return {"label": title or "pullback", "graphs": [whole]}


def _namespace(group: Group | None) -> str:
    """Where a module call is: its path, each part with the number of the call where it is not the first."""
    parts = []
    for g in enclosing(group):
        own = g.path.rpartition(".")[2] if g.parent is None or g.path.startswith(g.parent.path) else g.path
        call = f" call {g.call}" if g.call > 1 else ""
        parts.append((f"{own or g.name}{call}").replace("/", "∕"))
    return "/".join(reversed(parts))


def _about(group: Group) -> dict[str, str]:
    about = {"class": group.name, "options": group.extra, "parameters": f"{group.parameters:,}", "error": group.error}
    return {key: value for key, value in about.items() if value}


def _metadata(number: str, value: Value) -> dict[str, Any]:
    shape = "" if value.shape is None else f"{value.dtype}[{','.join(map(str, value.shape))}]"
    about = {"__tensor_tag": labels.name(value.names), "tensor_shape": shape, "kept for backward": "yes" * value.kept}
    return {"id": number, "attrs": _pairs(about)}


def _pairs(about: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in about.items() if value]


# Mermaid


def mermaid(drawing: Drawing) -> str:
    """A drawing in the language of Mermaid, as a flowchart."""
    lines = ["flowchart LR" if drawing.rightward else "flowchart TB"]
    if drawing.caption:
        lines = ["---", f"title: {json.dumps(' · '.join(drawing.caption.splitlines()))}", "---", *lines]
    lines += _nested(drawing)
    strokes: dict[str, list[str]] = {}
    for i, link in enumerate(drawing.links):
        arrow = {"forward": "-->", "backward": "-.->", "both": "<-->"}[link.kind]
        label = f'|"{_quoted(link.label)}"|' if link.label else ""
        lines.append(f"  n{link.tail} {arrow}{label} n{link.head}")
        stroke = f"{link.colour},stroke-width:3px" if link.colour else BACKWARD if link.kind == "backward" else ""
        strokes.setdefault(stroke, []).append(str(i))
    styles: dict[str, list[str]] = {}
    frames = [f"s{i}" for i in range(len(drawing.clusters))]
    if drawing.legend.boxes:
        lines += [f'  subgraph legend ["{_quoted(drawing.legend.title or "legend")}"]']
        lines += [_node(f"l{i}", box) for i, box in enumerate(drawing.legend.boxes)] + ["  end"]
        frames.append("legend")
    for letter, boxes in (("n", drawing.boxes), ("l", drawing.legend.boxes)):
        for i, box in enumerate(boxes):
            styles.setdefault(_style(box), []).append(f"{letter}{i}")
    if frames:
        styles[f"fill:transparent,stroke:{GREY}"] = frames
    for i, (style, names) in enumerate(styles.items()):
        lines += [f"  classDef c{i} {style}", f"  class {','.join(names)} c{i}"]
    lines += [f"  linkStyle {','.join(numbers)} stroke:{stroke}" for stroke, numbers in strokes.items() if stroke]
    return "\n".join([*lines, ""])


def _nested(drawing: Drawing) -> Iterator[str]:
    """The boxes, in subgraphs for clusters."""
    boxes: dict[int, list[int]] = {}
    for i, box in enumerate(drawing.boxes):
        boxes.setdefault(box.cluster, []).append(i)
    waiting: list[int | str] = [-1]
    while waiting:
        number = waiting.pop()
        if isinstance(number, str):
            yield number
            continue
        if number >= 0:
            yield f'  subgraph s{number} ["{_quoted(drawing.clusters[number].label)}"]'
            waiting.append("  end")
        for i in boxes.get(number, []):
            yield _node(f"n{i}", drawing.boxes[i])
        waiting += [i for i, c in reversed(list(enumerate(drawing.clusters))) if c.parent == number]


def _node(name: str, box: Box) -> str:
    text = "<br>".join(map(_quoted, box.cells)) or " "
    left, right = ("([", "])") if box.kind == "operation" else ("[", "]")
    return f'  {name}{left}"{text}"{right}'


def _style(box: Box) -> str:
    look = paint(box)
    width = ",stroke-width:3px" if look.bold else ""
    return f"fill:{look.fill},stroke:{look.line},color:{look.ink}{width}"


def _quoted(text: str) -> str:
    """Text with entities, as Mermaid writes them, in place of all ASCII that could have a meaning.

    It takes even `\\n` that is so written for a new line, but for a word joiner (8288) in between.
    """
    return re.sub("[^A-Za-z0-9 \u0080-\U0010ffff]", lambda c: f"#{ord(c[0])};", text).replace("#92;n", "#92;#8288;n")
