"""Graphs as JSON, Mermaid, Model Explorer's JSON and a tree of text."""

import html
import json
import re

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, viz
from pullback.viz import exports


def refuse(word):
    raise AssertionError(f"{word} is no JSON")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, (3, 5), padding=(1, 2))
        self.blocks = nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(4)])
        self.again = nn.Linear(8, 8, bias=False)

    def forward(self, x):
        h = pb.max(self.conv(x).relu(), axis=(2, 3))
        return self.again(self.again(self.blocks(h) + h))[:, 1:3, None]


def net_graph():
    x = Tensor(np.arange(384, dtype=np.float32).reshape(2, 3, 8, 8) / 384)
    return viz.graph(Net(), inputs=x)


def numbers_graph():
    x = Tensor([1.0, 0.0, -0.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = pb.log(x) / x
    z = Tensor(np.array([1 + 2j, 1 / 3]), requires_grad=True)
    single = Tensor(np.array([1 / 3, 1e-45], np.float32), requires_grad=True)
    return viz.graph([y, z * z, single * 2, x[::2], pb.where(x > 0, x, 1.0)], names={'α "β"\n': x, "z": z})


def failed_graph():
    with pytest.raises(ValueError), viz.record() as rec:
        Tensor([1.0, 2.0], requires_grad=True) @ Tensor([1.0, 2.0, 3.0])
    return rec.graph()


def rnn_graph():
    cell, h = nn.RNNCell(2, 3), Tensor(np.zeros((1, 3)))
    with viz.record(cell) as rec:
        for _ in range(80):
            h = cell(Tensor(np.ones((1, 2))), h)
        h.sum().backward()
    return rec.graph()


GRAPHS = [net_graph, numbers_graph, failed_graph, rnn_graph]


def same(a, b):
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("make", GRAPHS)
def test_json_there_and_back(make):
    graph = make()
    text = graph.to_json(None)
    json.loads(text, parse_constant=refuse)
    read = viz.Graph.from_json(text)
    assert read.source == graph.source
    assert read.to_json(None) == text
    assert read.to_text() == graph.to_text()
    assert not viz.difference(graph, read)
    for ours, its in zip(graph.form.values, read.form.values, strict=True):
        assert same(ours.data, its.data) and same(ours.gradient, its.gradient)
        assert (ours.shape, ours.dtype, ours.kind, ours.kept) == (its.shape, its.dtype, its.kind, its.kept)
        assert (ours.maker is None) == (its.maker is None)
    assert len(graph.form.steps) == len(read.form.steps)
    for ours, its in zip(graph.form.steps, read.form.steps, strict=True):
        assert ours.value.id == its.value.id and same(ours.cotangent, its.cotangent)


def test_json_is_what_is_written_of_it():
    x = Tensor([1.0, np.nan], requires_grad=True)
    written = json.loads(viz.graph(pb.sum(x * np.inf, axis=0), names={"x": x}).to_json())
    assert (written["format"], written["version"]) == ("pullback.graph", 1)
    node = next(node for node in written["nodes"] if node.get("names") == ["x"])
    assert node["data"] == {"dtype": "float64", "shape": [2], "entries": [1.0, "NaN"]}
    assert node["gradient"]["entries"] == ["Infinity", "Infinity"]
    assert (node["shape"], node["dtype"], node["kind"]) == ([2], "float64", "leaf")
    named = {node["id"]: node.get("name") for node in written["nodes"]}
    ends = [(named[edge["source"]], named[edge["target"]], edge["role"]) for edge in written["edges"]]
    assert sorted(ends, key=str) == sorted(
        [
            (None, "multiply", "a"), (None, "multiply", "b"), ("multiply", None, "result"),
            (None, "sum", "x"), ("sum", None, "result"),
        ],
        key=str,
    )  # fmt: skip
    large = viz.graph(pb.sin(Tensor(np.ones(17), requires_grad=True)))
    assert all(node.get("data") is None for node in json.loads(large.to_json())["nodes"])
    assert any(node.get("data") for node in json.loads(large.to_json(17))["nodes"])


def test_json_as_networkx_reads_it():
    networkx = pytest.importorskip("networkx")
    graph = net_graph()
    read = networkx.node_link_graph(json.loads(graph.to_json()), edges="edges")
    assert read.is_multigraph() and networkx.is_directed_acyclic_graph(read)
    arguments = sum(len(operation.arguments) + len(operation.results) for operation in graph.form.operations)
    assert read.number_of_edges() == arguments
    assert read.number_of_nodes() == len(graph.form.values) + len(graph.form.operations)


def test_json_that_is_no_graph():
    with pytest.raises(ValueError, match="no format 'pullback.graph'"):
        viz.Graph.from_json('{"nodes": []}')
    with pytest.raises(ValueError, match="no format"):
        viz.Graph.from_json("[]")
    text = net_graph().to_json()
    with pytest.raises(ValueError, match="version 2, and this reads version 1"):
        viz.Graph.from_json(text.replace('"version": 1', '"version": 2'))


def as_mermaid_reads(label):
    """Mermaid's own steps: entities, then `\\n` as a new line."""
    text = html.unescape(re.sub(r"#(\d+);", r"&#\1;", label))
    return text.replace("\\n", "<line>").replace("\u2060", "")


HOSTILE = [
    '"];end %%',
    "<script>alert(1)</script>",
    "`a`",
    "#35;",
    "1. list",
    "end",
    "- x",
    "\\new",
    "|{}<>&amp;",
    "语言 ∑",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_mermaid_labels(name):
    x = Tensor([1.0, 2.0], requires_grad=True)
    graph = viz.graph((x * x).sum(), names={name: x}, title=name)
    text = graph.to_mermaid()
    nodes = dict(re.findall(r'^  (n\d+)\(?\["([^"]*)"\]\)?$', text, re.M))
    nodes |= dict(re.findall(r'^  (n\d+)\(\["([^"]*)"\]\)$', text, re.M))
    assert len(nodes) == len(graph._drawing.boxes)
    for i, box in enumerate(graph._drawing.boxes):
        label = nodes[f"n{i}"]
        assert tuple(map(as_mermaid_reads, label.split("<br>"))) == box.cells
        assert not re.search(r"[^\w #;]", label.replace("<br>", "").encode("ascii", "ignore").decode())
    links = re.findall(r"^  (n\d+) -->(?:\|\"[^\"]*\"\|)? (n\d+)$", text, re.M)
    assert links == [(f"n{link.tail}", f"n{link.head}") for link in graph._drawing.links]
    assert json.loads(re.search("^title: (.*)$", text, re.M)[1]) == name


def test_mermaid_frames_and_colours():
    graph = viz.graph(Net(), inputs=Tensor(np.ones((1, 3, 4, 4), np.float32)), direction="both")
    text = graph.to_mermaid()
    frames = len(re.findall(r"^  subgraph s\d+ ", text, re.M)), len(re.findall("^  end$", text, re.M))
    assert frames == (len(graph._drawing.clusters),) * 2
    assert "classDef c0 fill:#" in text and "color:#000000" in text
    x = Tensor([1.0, 2.0], requires_grad=True)
    dashed = viz.graph((x * x).sum(), direction="backward").to_mermaid()
    assert "-.->" in dashed and "linkStyle 0,1,2,3,4 stroke:#7d84e8" in dashed


def test_model_explorer():
    x = Tensor(np.ones((2, 3), np.float32))
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU()))
    read = json.loads(viz.graph(model, inputs=x).to_model_explorer())
    (graph,) = read["graphs"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert len(nodes) == len(graph["nodes"]) == 5  # input, weight, bias, linear, relu
    spaces = {node["label"]: node["namespace"] for node in graph["nodes"]}
    assert spaces == {
        "input": "", "0.weight": "Sequential/0", "0.bias": "Sequential/0",
        "linear": "Sequential/0", "relu": "Sequential/1/0",
    }  # fmt: skip
    relu = next(node for node in graph["nodes"] if node["label"] == "relu")
    (edge,) = relu["incomingEdges"]
    assert nodes[edge["sourceNodeId"]]["label"] == "linear"
    assert (edge["sourceNodeOutputId"], edge["targetNodeInputId"]) == ("0", "0")
    assert {"key": "tensor_shape", "value": "float32[2,4]"} in relu["outputsMetadata"][0]["attrs"]
    about = graph["groupNodeAttributes"]["Sequential/0"]
    assert (about["class"], about["parameters"]) == ("Linear", "16")


def test_model_explorer_tells_results_apart():
    values, vectors = pb.linalg.eigh(Tensor(np.eye(2), requires_grad=True))
    (graph,) = json.loads(viz.graph(vectors * values).to_model_explorer())["graphs"]
    product = next(node for node in graph["nodes"] if node["label"] == "multiply")
    assert [edge["sourceNodeOutputId"] for edge in product["incomingEdges"]] == ["1", "0"]
    assert len({edge["sourceNodeId"] for edge in product["incomingEdges"]}) == 1


@pytest.mark.parametrize("make", GRAPHS)
def test_model_explorer_has_both_ends_of_each_edge(make):
    graph = json.loads(make().to_model_explorer(), parse_constant=refuse)["graphs"][0]
    outputs = {node["id"]: {item["id"] for item in node["outputsMetadata"]} for node in graph["nodes"]}
    for node in graph["nodes"]:
        assert set(node) <= {
            "id", "label", "namespace", "attrs", "incomingEdges", "inputsMetadata", "outputsMetadata"
        }  # fmt: skip
        for edge in node.get("incomingEdges", ()):
            assert edge["sourceNodeOutputId"] in outputs[edge["sourceNodeId"]]
        for item in node["attrs"]:
            assert set(item) == {"key", "value"} and all(isinstance(text, str) for text in item.values())


def test_tree():
    lines = net_graph().to_text().splitlines()
    assert [re.sub(" +", " ", line) for line in lines[:-3]] == [
        " input output parameters",
        "─" * len(lines[1]),
        "Net (2, 3, 8, 8) (2, 2, 1) 720",
        "├─ conv: Conv2d(3, 8, kernel_size=(3, 5), stride=(1, 1), padding=(1, 2)) (2, 3, 8, 8) (2, 8, 8, 8) 368",
        "├─ relu (2, 8, 8, 8) (2, 8, 8, 8)",
        "├─ max axis=(2, 3) (2, 8, 8, 8) (2, 8)",
        "├─ blocks: Sequential (2, 8) (2, 8) 288",
        "│ └─ 0 … 3: Sequential ×4 (2, 8) (2, 8) 72",
        "│ ├─ 0: Linear(in_features=8, out_features=8, bias=True) (2, 8) (2, 8) 72",
        "│ └─ 1: ReLU (2, 8) (2, 8)",
        "├─ add (2, 8), (2, 8) (2, 8)",
        "├─ again: Linear(in_features=8, out_features=8, bias=False) (2, 8) (2, 8) 64",
        "├─ again: Linear(in_features=8, out_features=8, bias=False), call 2 (2, 8) (2, 8) the same",
        "└─ getitem index=(:, 1:3, None) (2, 8) (2, 2, 1)",
        "─" * len(lines[1]),
    ]
    # 3 * 8 * 15 + 8 = 368 of the convolution, 4 * 72 of the blocks, 64 of the one that is used twice
    assert lines[-3] == "parameters: 720 in 11 arrays, those shared counted once"
    assert {line.index("(2, 8") for line in lines[4:5]} == {lines[2].index("(2, 3, 8, 8)")}
    assert lines[2].endswith("720") and len(lines[2]) == len(lines[3]) == len(lines[1])
    assert str(net_graph()) == net_graph().to_text()


def test_depth_and_limit_of_a_tree():
    shallow = net_graph().to_text(depth=0).splitlines()
    assert [line.split()[0] for line in shallow[2:3]] == ["Net"] and shallow[3].startswith("──")
    cut = net_graph().to_text(limit=3)
    assert "… 9 more lines" in cut and "blocks" not in cut


def test_a_tree_of_repeats_and_of_what_fails():
    text = rnn_graph().to_text()
    assert re.search(r"^RNNCell\(2, 3\) ×80 .* 21$", text, re.M)
    failed = failed_graph().to_text()
    assert "matmul" in failed and "failed: ValueError" in failed
    assert re.search(r"^matmul, failed +\(1, 2\), \(3, 1\)$", failed, re.M)
    assert re.search(r"^reshape shape=\(1, 2\) +\(2,\) +\(1, 2\)$", failed, re.M)


def test_render_by_suffix(tmp_path):
    graph = net_graph()
    for suffix, text in (("json", graph.to_json()), ("mmd", graph.to_mermaid()), ("TXT", graph.to_text())):
        graph.render(tmp_path / f"net.{suffix}")
        assert (tmp_path / f"net.{suffix}").read_text(encoding="utf-8") == text
    graph.render(tmp_path / "net.html")
    assert "<html" in (tmp_path / "net.html").read_text(encoding="utf-8")


def test_what_json_has_no_form_for():
    assert exports._plain((slice(1, None), ..., None, np.int64(3), 1.5, np.float32(np.inf), "a")) == [
        "1:", "...", None, 3, 1.5, "inf", "a",
    ]  # fmt: skip
