"""What of a graph is drawn: boxes, repeats, limits, what is said of each."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pullback as pb
from pullback import Tensor, nn, viz
from pullback.viz import drawing, scene, shapes

from .test_recording import boxes


class Recurrent(nn.Module):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.W, self.U = nn.Parameter(np.eye(3)), nn.Parameter(np.ones((2, 3)))

    def forward(self, x):
        h = pb.zeros((1, 3))
        for t in range(self.steps):
            h = pb.tanh(h @ self.W + x[:, t] @ self.U)
        return h.sum()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return x + self.b(pb.relu(self.a(x)))


def frames(graph):
    return [cluster.label for cluster in graph._drawing.clusters]


def test_repeats_are_rolled_and_say_whether_parameters_are_the_same():
    steps = viz.graph(Recurrent(40), inputs=np.ones((1, 40, 2)))
    assert frames(steps) == ["×40, same parameters"]
    assert [cells[0] for cells in boxes(steps, "operation")] == ["@", "getitem", "@", "+", "tanh", "sum"]
    blocks = viz.graph(
        nn.Sequential(*[Block() for _ in range(20)], nn.Linear(4, 2)), inputs=np.ones((2, 4), np.float32)
    )
    assert frames(blocks)[0] == "×20, all parameters different"
    assert [cells[0] for cells in boxes(blocks, "module")] == ["0.a: Linear", "0.b: Linear", "20: Linear"]
    one = Block()
    same = viz.graph(nn.Sequential(*[one] * 20, nn.Linear(4, 2)), inputs=np.ones((2, 4), np.float32))
    assert frames(same)[0] == "×20, same parameters"
    shared = [Block() for _ in range(20)]
    for block in shared:
        block.b = shared[0].b
    some = viz.graph(nn.Sequential(*shared, nn.Linear(4, 2)), inputs=np.ones((2, 4), np.float32))
    assert frames(some)[0] == "×20, some parameters different"


def test_what_is_connected_otherwise_is_no_repeat():
    rng, values = np.random.default_rng(0), [Tensor(0.5, requires_grad=True), Tensor(0.1, requires_grad=True)]
    for k in range(60):
        values.append(pb.sin(values[rng.integers(k // 2 + 1)]) + values[-1])
    assert len(boxes(viz.graph(values[-1]), "operation")) > 90
    t, other = Tensor(0.5, requires_grad=True), Tensor(0.1, requires_grad=True)
    for k in range(60):
        t = pb.sin(t) * (0.5 if k < 40 else 0.25) + other
    assert sorted(frames(viz.graph(t))) == ["×20, same parameters", "×40, same parameters"]


def test_what_goes_into_the_first_repeat_and_out_of_the_last():
    graph = viz.graph(Recurrent(40), inputs=np.ones((1, 40, 2)), values=False)
    drawn, links = graph._drawing.boxes, [(link.tail, link.head) for link in graph._drawing.links]
    at = {box.cells[0]: i for i, box in enumerate(drawn)}
    assert (at["tanh"], at["sum"]) in links and (at["input"], at["getitem"]) in links
    assert len([head for tail, head in links if drawn[tail].kind == "constant"]) == 1  # the first state
    (out,) = [i for i, box in enumerate(drawn) if box.kind == "output"]
    assert (at["sum"], out) in links


@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.lists(st.sampled_from("sce"), min_size=1, max_size=4)), min_size=1, max_size=5
    )
)
@settings(deadline=None, max_examples=30)
def test_counts_times_what_is_drawn_is_all_that_ran(program):
    functions, t, total = {"s": pb.sin, "c": pb.cos, "e": pb.tanh}, Tensor(0.5, requires_grad=True), 0
    for times, body in [*program, (70, ["s", "c"])]:
        for name in body * times:
            t, total = functions[name](t), total + 1
    graph = viz.graph(t)
    counts = [int(re.match(r"×(\d+)", label)[1]) for label in frames(graph)]
    drawn = [box for box in graph._drawing.boxes if box.kind == "operation"]
    assert sum(1 if box.cluster < 0 else counts[box.cluster] for box in drawn) == total


def test_thirty_doublings_are_sixty_one_boxes():
    y = Tensor(1.0, requires_grad=True)
    for _ in range(30):
        y = y + y
    graph = viz.graph(y)
    assert len(graph._drawing.boxes) == 61 and len(graph._drawing.links) == 90
    assert f"data {2**30:.4g}" in boxes(graph, "output")[0]


def test_a_shared_tensor_has_a_small_box_at_each_use():
    x, w = Tensor(np.ones((2, 2)), requires_grad=True), Tensor(np.ones((2, 2)), requires_grad=True)
    y = x
    for k in range(70):
        y = (pb.sin, pb.cos, pb.tanh, pb.exp)[k % 3 if k % 7 else 3](y @ w)
    graph = viz.graph(y.sum(), names={"w": w}, roll=False)
    assert len(boxes(graph, "ghost")) == 69 and set(boxes(graph, "ghost")) == {("w",)}
    assert [cells[:2] for cells in boxes(graph, "leaf")].count(("w", "(2, 2) float64")) == 1


@pytest.mark.parametrize("limit", [1, 7, 40, 300])
def test_no_more_boxes_than_the_limit(limit):
    rng = np.random.default_rng(0)
    t = [Tensor(float(v), requires_grad=True) for v in rng.standard_normal(20)]
    for _ in range(600):
        i, j = rng.integers(len(t), size=2)
        t.append(pb.sin(t[i]) * t[j] + t[-1])
    drawn = viz.graph(t[-1], limit=limit)._drawing
    assert len(drawn.boxes) <= max(limit, 5) and "more are not drawn" in drawn.caption
    assert viz.graph(t[-1], limit=None)._drawing.caption == ""


def test_depth_opens_modules():
    model = nn.Sequential(Block(), nn.Sequential(Block(), nn.ReLU()))
    x = np.ones((2, 4), np.float32)
    first = [[cells[0] for cells in boxes(viz.graph(model, inputs=x, depth=depth), "module")] for depth in range(4)]
    assert first[0] == ["Sequential"] and first[1] == ["0: Block", "1: Sequential"]
    assert first[2] == ["0.a: Linear", "0.b: Linear", "1.0: Block", "1.1: ReLU"]
    assert first[3] == ["1.0.a: Linear", "1.0.b: Linear"]
    assert "1.0.a: Linear" in frames(viz.graph(model, inputs=x, depth=4))


def test_what_is_shown():
    x = Tensor(np.full((2, 3), 2.0, np.float32), requires_grad=True)
    with viz.record() as rec:
        out = pb.exp(x).sum()
        out.backward()
    texts = lambda *show: "\n".join("|".join(cells) for cells in boxes(rec.graph(show=show)))  # noqa: E731
    assert "24 B" in texts("bytes") and "(2, 3)" not in texts("bytes")
    assert "2 … 2, mean 2" in texts("statistics") and "test_views.py:" in texts("source")
    assert f"‖grad‖ {np.e**2 * 6**0.5:.4g}" in texts("gradients")
    assert "forward" in texts("time") and "backward" in texts("time") and "µs" in texts("time")
    assert "axis=(0, 1)" in texts("options") and "axis" not in texts("shapes")
    mask = viz.graph(nn.functional.max_pool2d(Tensor(np.ones((1, 1, 4, 4)), requires_grad=True), 2), show=["kept"])
    assert any("keeps" in cell for cells in boxes(mask) for cell in cells)
    assert "1 NaN, 1 Inf" in "".join(
        *boxes(viz.graph(Tensor([np.nan, np.inf, 1, 1, 1], requires_grad=True), show=["statistics"]))
    )


def test_what_a_rule_saved_is_orange_and_leaves_and_outputs_are_not():
    x = Tensor(np.ones(5), requires_grad=True)
    y = pb.exp(x)
    z = y + 1
    kinds = {box.cells[0]: box.kind for box in viz.graph(z.sum(), names={"x": x, "y": y, "z": z})._drawing.boxes}
    assert (kinds["x"], kinds["y"], kinds["z"]) == ("leaf", "kept", "value")  # the rule of exp needs its result


def test_a_legend_and_a_title():
    x = Tensor(2.0, requires_grad=True)
    graph = viz.graph(pb.exp(x) * 2, title="growth", legend=True)
    legend = {box.kind: box.cells for box in graph._drawing.legend.boxes}
    assert legend["kept"] == ("kept for backward",) and legend.keys() == {"leaf", "kept", "output", "operation"}
    assert "growth" in graph._repr_svg_() and "<td>growth</td>" in graph.source
    assert repr(graph).startswith("<Graph of 1 leaf and 2 operations")


def test_a_legend_stands_below_and_moves_nothing():
    x = Tensor(np.ones(5), requires_grad=True)
    drawings = (viz.graph(pb.exp(x).sum(), legend=legend)._drawing for legend in (False, True))
    plain, told = (scene.scene(drawing).groups for drawing in drawings)
    assert plain[:-1] == told[:-1]  # all but the caption
    drawn = [shape for _, own in plain for shape in own if isinstance(shape, shapes.Block)]
    lowest = max(block.at[1] + block.size[1] / 2 for block in drawn)
    legend = [shape for shape in told[-1][1] if isinstance(shape, shapes.Block)]
    assert len(legend) == 4 and all(block.at[1] - block.size[1] / 2 > lowest for block in legend)


def test_the_way_back_is_a_line_of_its_own():
    x = Tensor(np.ones(5), requires_grad=True)
    drawn = viz.graph(pb.exp(x).sum(), direction="both")._drawing
    edges = [own for name, own in scene.scene(drawn).groups if name == "edge"]
    assert len(edges) == len(drawn.links) == 4
    for there, tip, back, other in edges:
        assert (there.dashed, back.dashed, tip.fill, other.fill) == (False, True, drawing.GREY, drawing.BACKWARD)
        assert min(abs(a[0] - b[0]) for a, b in zip(there.points, back.points, strict=True)) > 3
        assert tip.points[0][1] > other.points[0][1]  # one points down, one up
    assert drawn.dot().count(f'color="{drawing.GREY}:{drawing.BACKWARD}", dir="both"') == 4


def test_numbers_have_minus_signs_and_names_their_tails():
    x = Tensor(-1.5e-7, requires_grad=True)
    (texts,) = boxes(viz.graph(x, names={"a" * 100 + ".weight": x}))
    assert texts[1] == "data −1.5e−07" and texts[0].endswith(".weight") and len(texts[0]) == 60


PROGRAM = """if True:
    import numpy as np
    from pullback import nn, viz
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    graph = viz.graph(model, inputs=np.ones((2, 4), np.float32))
    viz.drawing.programs = lambda: ()
    print(graph.source, graph._repr_svg_())
"""


def test_two_runs_give_the_same_bytes():
    runs = [subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1] and b"<svg" in runs[0]


def test_large_texts_and_no_shrinking():
    svg = viz.graph(Tensor(2.0, requires_grad=True) * 3)._repr_html_()
    assert "overflow: auto" in svg and "max-width: none" in svg
    assert scene.SIZE >= 11 and min(map(float, re.findall(r'font-size="([\d.]+)', svg))) * 96 / 72 >= 11


def contrast(one, other):
    def luminance(colour):
        parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)

    a, b = sorted((luminance(one), luminance(other)))
    return (b + 0.05) / (a + 0.05)


def test_texts_can_be_read_on_boxes_on_paper_and_in_the_dark():
    assert all(contrast(fill, "#000000") > 12 for fill, _ in drawing.COLOURS.values())
    assert all(contrast(drawing.GREY, page) >= 4.5 for page in ("#ffffff", "#000000"))
    assert all(contrast(line, page) >= 3 for line in (drawing.BACKWARD,) for page in ("#ffffff", "#000000"))


def wide(count):
    """A graph of about so many values and operations, with long and short links."""
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    for _ in range(count // 8):
        x = x + pb.relu(x @ Tensor(np.ones((3, 3)) / 9, requires_grad=True))
    return x.sum()


def test_dot_is_asked_only_where_it_is_quick(monkeypatch):
    asked = []
    monkeypatch.setattr(drawing, "programs", lambda: asked.append(1) or ())
    quick, hub = (
        viz.graph(wide(500), limit=None, roll=False),
        viz.graph(Recurrent(90), inputs=np.ones((1, 90, 2)), roll=False, limit=None, values=True),
    )
    for graph, times in ((quick, 1), (hub, 1)):
        graph._repr_svg_()
        assert len(asked) == times
    viz.graph(Recurrent(200), inputs=np.ones((1, 200, 2)))._repr_svg_()
    assert len(asked) == 2
