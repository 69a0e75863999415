import html
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback import Tensor, exp, log_softmax, matmul, nn, relu, sin, viz
from pullback.viz import drawing

HAVE_DOT = shutil.which("dot") is not None


@pytest.fixture(params=["graphviz", "pygraphviz", "own"])
def renderer(request, monkeypatch):
    if request.param != "graphviz":
        monkeypatch.setattr(drawing.shutil, "which", lambda program: None)
    elif not HAVE_DOT:
        pytest.skip("dot is not installed")
    if request.param == "own":
        monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    elif request.param == "pygraphviz":
        pytest.importorskip("pygraphviz", "2.0")


def parts(svg, name):
    """The texts of each SVG group of the class `name`."""
    root = ElementTree.fromstring(svg)
    groups = [g for g in root.iter("{http://www.w3.org/2000/svg}g") if g.get("class") == name]
    texts = [[t.text or "" for t in g.iter("{http://www.w3.org/2000/svg}text")] for g in groups]
    return [[text.replace("\xa0", " ").strip() for text in own] for own in texts]


def scalars():
    a, b = Tensor(2.0, requires_grad=True), Tensor(-3.0, requires_grad=True)
    product = a * b
    return a, b, product, (product + 10 - a) ** 2


def test_scalars_with_values_and_gradients(renderer):
    # ((2 * -3) + 10 - 2)^2 = 4; d/da = 2 * 2 * (b - 1) = -16; d/db = 2 * 2 * a = 8
    a, b, product, out = scalars()
    svg = viz.graph(out, names={"a": a, "b": b, "product": product})._repr_svg_()
    nodes = parts(svg, "node")
    assert sorted(nodes) == sorted(
        [
            ["a", "data 2", "grad −16"],
            ["b", "data −3", "grad 8"],
            ["product", "data −6", "grad 4"],
            ["data 4", "grad 4"],
            ["data 2", "grad 4"],
            ["data 4", "grad 1"],
            ["×"],
            ["+ …"],  # of a Tensor's graph, what no rule saved is not known
            ["−"],
            ["** 2"],
        ]
    )
    edges = parts(svg, "edge")
    assert len(edges) == 10
    assert sorted(text for own in edges for text in own) == ["left", "right"]  # of what it is the power the text says
    assert a.grad is None and b.grad is None


def test_dot_source_names_every_node_and_edge():
    _, _, _, out = scalars()
    source = viz.graph(out).source
    assert source.startswith("digraph {") and 'rankdir="LR"' in source
    assert len(re.findall(r"^ *n\d+ \[", source, re.M)) == 10
    ends = [tuple(map(int, pair)) for pair in re.findall(r"^ *n(\d+) -> n(\d+)", source, re.M)]
    labels = {int(i): label for i, label in re.findall(r'^ *n(\d+) \[label="([^"]*)"', source, re.M)}
    assert len(ends) == 10
    for tail, head in ends:
        assert ("data" in labels[tail]) != ("data" in labels[head])  # values and operations alternate


@pytest.mark.parametrize("rightward", [True, False])
def test_ports_and_looks_in_dot(rightward):
    """Arrows leave at the side where they go on, and reach values where these begin, operations anywhere."""
    a, b = (Tensor(v if rightward else [v] * 2, requires_grad=True) for v in (2.0, -3.0))
    source = viz.graph((a * b).sum() - a.sum() if not rightward else a * b - a, names={"a": a, "b": b}).source
    looks = dict(re.findall(r"^ *n(\d+) \[(label=.*)\]", source, re.M))
    links = re.findall(r"^ *n(\d+) -> n(\d+)(:\w)?", source, re.M)
    operations = {i for i, look in looks.items() if 'shape="box"' in look}
    side, begin = ("e", ":w") if rightward else ("s", ":n")
    assert f'tailport="{side}"' in source and len(links) == len(re.findall("->", source)) >= 6
    assert all(port == ("" if head in operations else begin) for _, head, port in links)
    fills = {i: re.search('fillcolor="(.*?)"', look)[1] for i, look in looks.items()}
    leaves = {i for i in looks if re.search("label=.{ [ab] ", looks[i])}
    outputs = looks.keys() - {tail for tail, _, _ in links}
    kinds = [leaves, outputs, operations, looks.keys() - leaves - operations - outputs]
    assert [len(kind) for kind in kinds[:2]] == [2, 1]
    colours = [{fills[i] for i in kind} for kind in kinds]
    assert all(len(colour) == 1 for colour in colours) and len(set().union(*colours)) == 4


@pytest.mark.parametrize("rightward", [True, False])
def test_arrows_end_at_boxes_and_texts_lie_in_them(monkeypatch, rightward):
    """In the package's own drawing, by the coordinates of its SVG."""
    monkeypatch.setattr(drawing, "programs", lambda: ())
    a, b = (Tensor(v if rightward else [v] * 2, requires_grad=True) for v in (2.0, -3.0))
    out = a * b - a if rightward else (a * b - a).sum()
    root = ElementTree.fromstring(viz.graph(out, names={"first": a, "second": b})._repr_svg_())
    svg = "{http://www.w3.org/2000/svg}"
    numbers = lambda text: [float(n) for n in re.findall(r"-?[\d.]+", text)]  # noqa: E731
    page, boxes = numbers(root.get("viewBox")), []
    groups = [(g.get("class"), g) for g in root.iter(f"{svg}g")]
    for kind, g in groups:
        if kind == "node":
            x, y, w, h = (float(g.find(f"{svg}rect").get(name)) for name in ("x", "y", "width", "height"))
            assert 0 < x < x + w < page[2] and 0 < y < y + h < page[3]
            boxes.append((x, y, w, h))
            places = [(float(t.get("x")), float(t.get("y"))) for t in g.iter(f"{svg}text")]
            assert all(x < p < x + w and y < q < y + h for p, q in places)
            steps = np.diff(np.array(places)[:, 0 if rightward else 1])
            lines = len(places) - 1 if g.find(f"{svg}rect").get("rx") == "2" else 0  # of values, not of operations
            assert (steps > 0).all() and len(list(g.iter(f"{svg}path"))) == lines
    begins = [x for x, *_ in boxes] if rightward else [y for _, y, *_ in boxes]
    ends = [x + w for x, _, w, _ in boxes] if rightward else [y + h for _, y, _, h in boxes]
    tips = []
    for kind, g in groups:
        if kind == "edge":
            points = np.reshape(numbers(g.find(f"{svg}polygon").get("points")), (3, 2))
            path = np.reshape(numbers(g.find(f"{svg}path").get("d")), (-1, 2))
            along, across = (0, 1) if rightward else (1, 0)
            tip, feet = points[0], points[1:]
            assert min(abs(tip[along] - begin) for begin in begins) < 0.11
            np.testing.assert_allclose(feet[:, along], tip[along] - 7, atol=0.11)
            np.testing.assert_allclose(feet[:, across], tip[across] + [-3, 3], atol=0.11)
            np.testing.assert_allclose(path[-1], feet.mean(0), atol=0.11)
            assert min(abs(path[0, along] - end) for end in ends) < 0.11 and (np.diff(path[:-3, along]) > -0.11).all()
            tips.append(tuple(tip))
    assert len(tips) == len(set(tips)) == (6 if rightward else 8)


def test_an_input_used_twice_has_two_edges(renderer):
    x = Tensor(3.0, requires_grad=True)
    svg = viz.graph(x * x, names={"x": x})._repr_svg_()
    assert sorted(parts(svg, "node")) == [["data 9", "grad 1"], ["x", "data 3", "grad 6"], ["×"]]
    assert len(parts(svg, "edge")) == 3


def shown(value):
    return f"{value:.4g}".replace("-", "−")


@given(st.lists(st.tuples(st.sampled_from("+*s"), st.integers(0, 30), st.integers(0, 30)), max_size=20))
@settings(deadline=None)
def test_what_is_drawn_is_what_the_output_was_made_of(program):
    tensors = [Tensor(0.5, requires_grad=True), Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)]
    inputs = [[], [], []]  # of each tensor: the numbers of those that it was made of
    for operation, i, j in program:
        i, j = i % len(tensors), j % len(tensors)
        if operation == "s":
            tensors.append(sin(tensors[i]))
            inputs.append([i])
        else:
            tensors.append(tensors[i] + tensors[j] if operation == "+" else tensors[i] * tensors[j])
            inputs.append([i, j])
    last = len(tensors) - 1
    reached, todo = set(), [last]
    while todo:
        k = todo.pop()
        if k not in reached:
            reached.add(k)
            todo += inputs[k]
    operations = [k for k in reached if inputs[k]]
    tensors[last].backward(retain_graph=True)
    source = viz.graph(tensors[last], names={f"t{k}": tensor for k, tensor in enumerate(tensors)}).source
    source = source.replace("\xa0", " ")  # before what is not ASCII, where Graphviz would drop a space
    assert len(re.findall(r"^ *n\d+ \[", source, re.M)) == len(reached) + len(operations)
    assert source.count("->") == len(operations) + sum(len(inputs[k]) for k in operations)
    for k in reached:
        assert f" t{k} | data {shown(tensors[k].item())} |" in source
    for k in reached & {0, 1, 2}:
        assert f" t{k} | data {shown(tensors[k].item())} | grad {shown(tensors[k].grad.item())} " in source


def test_a_leaf_alone():
    x = Tensor(3.0, requires_grad=True)
    assert "data 3" in viz.graph(x).source and "->" not in viz.graph(x).source


def test_tensors_show_shapes_and_norms_and_small_ones_their_values(renderer):
    w = Tensor(np.full((3, 4), 2.0, np.float32), requires_grad=True)
    c = Tensor([1.0, 0.5], requires_grad=True, dtype=np.float32)
    out = (w.sum() * c).sum()  # d/dw is 1.5 everywhere, of norm 1.5 sqrt(12); d/dc is 24
    nodes = parts(viz.graph(out, names={"w": w, "c": c})._repr_svg_(), "node")
    assert ["w", "(3, 4) float32", f"‖grad‖ {1.5 * 12**0.5:.4g}"] in nodes
    assert ["c", "(2,) float32", "data [1 0.5]", "grad [24 24]"] in nodes
    assert ["(2,) float32", "grad [1 1]"] in nodes
    assert ["data 36", "grad 1"] in nodes


def test_an_output_of_many_elements_has_no_gradients_but_those_of_leaves():
    x = Tensor(np.ones((2, 5)), requires_grad=True)
    y = exp(x)
    assert "grad" not in viz.graph(y).source
    y.sum().backward(retain_graph=True)
    assert viz.graph(y).source.count("grad") == 1
    assert f"‖grad‖ {np.e * 10**0.5:.4g}" in viz.graph(y).source


def test_parameter_names_come_from_the_model():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = np.ones((5, 4), np.float32)
    source = viz.graph(log_softmax(model(x), axis=1).sum(), model).source
    for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
        assert f" {name} |" in source
    assert 'rankdir="TB"' in source


def test_several_names_and_names_of_other_things():
    x = Tensor(1.0, requires_grad=True)
    y = x + 1
    source = viz.graph(y, names={"y": y, "z": y, "number": 3, "constant": Tensor(2.0), "none": None}).source
    assert " y = z |" in source and "number" not in source and "constant" not in source
    with pytest.raises(TypeError, match="names maps a name to a Tensor"):
        viz.graph(y, names={y: "y"})


def test_roles_of_arguments_that_are_not_alike():
    a, b = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones((3, 2)), requires_grad=True)
    assert re.findall(r'-> n\d+ \[label=" (\w+)"', viz.graph(matmul(a, b)).source) == ["left", "right"]
    assert re.findall(r'-> n\d+ \[label=" (\w+)"', viz.graph(relu(a + b.T)).source) == []


HOSTILE = [
    "<lambda>",
    "a:0",
    "trailing\\",
    'quo"te',
    '\\"',
    "{a|b}",
    "&amp;",
    "&",
    "\\N\\G\\l",
    "</svg><script>alert(1)</script>",
    "]]>",
    "日本語 ∂",
    "two  spaces",
    "$x$",
    "%s",
    "]; n0 [label=x",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_they_are(renderer, name):
    x = Tensor(3.0, requires_grad=True)
    svg = viz.graph(x, names={name: x})._repr_svg_()
    (texts,) = parts(svg, "node")
    assert [text for text in texts if text] == [text for text in (name, "data 3", "grad 1") if text]


@pytest.mark.parametrize(
    ("name", "shown"), [("a\nb", r"a\nb"), ("nul\0", r"nul\x00"), ("\ud800", r"\ud800"), ("\x1b", r"\x1b")]
)
def test_what_cannot_be_printed_is_escaped(renderer, name, shown):
    x = Tensor(3.0, requires_grad=True)
    (texts,) = parts(viz.graph(x, names={name: x})._repr_svg_(), "node")
    assert texts[0] == shown


def test_a_long_name_is_shortened():
    x = Tensor(3.0, requires_grad=True)
    assert "n" * 19 + "…" + "n" * 37 + "out" in viz.graph(x, names={"n" * 500 + "out": x}).source


def deep():
    x = t = Tensor(0.5, requires_grad=True)
    for _ in range(20_000):
        t = t + 5e-6
    return x, t


@pytest.mark.slow
def test_a_deep_graph_is_one_step_and_how_often_it_ran(renderer):
    x, t = deep()
    graph = viz.graph(t, names={"first": x, "last": t})
    svg = graph._repr_svg_()
    nodes = parts(svg, "node")
    assert ["last", "data 0.6", "grad 1"] in nodes and ["first", "data 0.5", "grad 1"] in nodes
    assert ["+ …"] in nodes and len(nodes) == 4
    assert any("×20000" in "".join(own) for own in parts(svg, "cluster"))


@pytest.mark.slow
def test_of_a_deep_graph_unrolled_the_part_nearest_to_the_output_is_drawn(renderer):
    x, t = deep()
    svg = viz.graph(t, names={"first": x, "last": t}, roll=False, limit=50, values=True)._repr_svg_()
    nodes = parts(svg, "node")
    assert ["last", "data 0.6", "grad 1"] in nodes and nodes.count(["⋯"]) == 1 and len(nodes) <= 50
    assert not any("first" in texts for texts in nodes)
    drawn = nodes.count(["+ …"])
    words = f"the {drawn} nearest to the output; {20_000 - drawn:,} more are not drawn"
    assert drawn > 20 and words in "".join(ElementTree.fromstring(svg).itertext())


def test_a_freed_graph_says_how_to_keep_it():
    _, _, _, out = scalars()
    out.backward(retain_graph=True)
    viz.graph(out)
    out.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        viz.graph(out)


def test_what_is_no_graph_is_refused():
    with pytest.raises(TypeError, match="ndarray"):
        viz.graph(np.ones(3))
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        viz.graph(Tensor(1.0))


@pytest.mark.parametrize(("form", "magic"), [("svg", b"<"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("gv", b"digraph")])
def test_render_to_files(renderer, tmp_path, form, magic):
    if form in ("png", "pdf"):
        pytest.importorskip("matplotlib")
    a, b, _, out = scalars()
    path = tmp_path / f"graph.{form}"
    viz.graph(sin(out), names={"a": a, "b": b}).render(path)
    assert path.read_bytes().startswith(magic)


def test_formats_that_cannot_be_written(renderer, tmp_path):
    _, _, _, out = scalars()
    with pytest.raises(ValueError, match="suffix"):
        viz.graph(out).render(tmp_path / "graph")
    with pytest.raises(ValueError, match="nonsense"):
        viz.graph(out).render(tmp_path / "graph.nonsense")
    assert not list(tmp_path.iterdir())


def test_without_graphviz_and_matplotlib_there_is_svg(tmp_path):
    code = """if True:
        import shutil, sys
        sys.modules["matplotlib"] = None
        shutil.which = lambda name: None
        from pullback import Tensor, viz
        viz.drawing.programs = lambda: ()
        graph = viz.graph(Tensor(1.0, requires_grad=True) * 2)
        graph.render(sys.argv[1] + "/graph.svg")
        try:
            graph.render(sys.argv[1] + "/graph.png")
        except ImportError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "pip install pullback[viz]" in done.stdout
    assert (tmp_path / "graph.svg").stat().st_size > 0


def test_a_norm_is_scaled_and_in_double_precision():
    x = Tensor(np.zeros(9, np.float32), requires_grad=True)
    for size, words in ((1e-25, "3e−25"), (1e30, "3e+30")):
        weights = np.full(9, size, np.float32)
        assert f"‖grad‖ {words}" in viz.graph((x * weights).sum(), names={"x": x}).source


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_title_below_a_legend_is_read_as_it_is(name):
    x = Tensor([1.0, 2.0], requires_grad=True)
    drawn = drawing.graphviz(viz.graph((x * x).sum(), title=name, legend=True)._drawing, "svg")
    texts = [html.unescape(text) for text in re.findall(">([^<>]*)</text>", drawn.decode())]
    assert name in " ".join(texts).replace("\u00a0", " ").replace("\u2060", "") and {"leaf", "output"} <= set(texts)


FAILING = {
    "fails": "#!/bin/sh\nexit 1\n",
    "prints nothing": "#!/bin/sh\nexit 0\n",
    "prints no picture": "#!/bin/sh\necho no layout\n",
    "hangs": "#!/bin/sh\nexec sleep 30\n",
    "cannot be run": "#!/nowhere/at/all\n",
}


@pytest.mark.parametrize("script", FAILING.values(), ids=FAILING)
def test_a_dot_that_is_no_use_breaks_no_picture(script, tmp_path, monkeypatch):
    (tmp_path / "dot").write_text(script)
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(drawing, "_TIMEOUT", 0.3)
    monkeypatch.setattr(drawing, "_useless", set())
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    _, _, _, out = scalars()
    asked = []
    run = subprocess.run
    monkeypatch.setattr(drawing.subprocess, "run", lambda *args, **kwargs: asked.append(1) or run(*args, **kwargs))
    for _ in range(2):
        svg = viz.graph(out)._repr_svg_()
        assert len(parts(svg, "node")) == 10 and "laid out by Pullback" in svg
    assert len(asked) == 1  # what failed is not asked again
