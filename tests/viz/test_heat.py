"""Boxes coloured by numbers, and the first NaN or infinity."""

import re
from pathlib import Path

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, viz
from pullback.viz import heat, labels
from pullback.viz.form import Operation, Value


def luminance(colour):
    """WCAG 2.2's relative luminance."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)))[::-1]
    return (light + 0.05) / (dark + 0.05)


def chain(numbers):
    """A picture of as many sines as there are numbers, coloured by these, and its boxes in their order."""
    y = Tensor(0.5, requires_grad=True)
    for _ in numbers:
        y = pb.sin(y)
    graph = viz.graph(y, color_by=lambda part: numbers[int(part.id[1:])] if isinstance(part, Operation) else None)
    drawing = graph._drawing
    boxes = {box.id: box for box in drawing.boxes}
    return [boxes[f"o{i}"] for i in range(len(numbers))], drawing.legend.boxes, drawing.legend.title


def test_larger_is_lighter_and_the_legend_has_both_ends():
    boxes, legend, title = chain([3.0, -1.0, 0.0, 1.5, 2.9])
    shades = [luminance(box.paint.fill) for box in boxes]
    assert list(np.argsort(shades)) == [1, 2, 3, 4, 0]
    assert [box.cells[0] for box in legend] == ["−1", "0", "1", "2", "3"]
    assert legend[0].paint == boxes[1].paint and legend[-1].paint == boxes[0].paint
    assert title == "<lambda>"
    assert boxes[3].cells == ("sin", "1.5")


def test_two_decades_are_logarithmic():
    boxes, legend, title = chain([1.0, 10.0, 100.0, 1e4, 0.0])
    assert title == "<lambda>, log scale"
    assert [box.cells[0] for box in legend] == ["1", "10", "100", "1000", "1e+04"]
    assert [box.paint for box in boxes[:3]] == [box.paint for box in legend[:3]]
    assert boxes[4].paint == legend[0].paint and boxes[4].cells[-1] == "0"
    for plain in ([1.0, 99.0], [-1.0, 1.0, 1e6], [0.0, 0.0]):
        assert "log" not in chain(plain)[2]


def test_all_alike_and_extremes():
    boxes, legend, _ = chain([7.0, 7.0])
    assert boxes[0].paint == boxes[1].paint == legend[0].paint and len(legend) == 1
    boxes, legend, _ = chain([-1.7e308, 1.7e308])
    assert [luminance(box.paint.fill) for box in boxes] == [luminance(heat.PALETTE[0]), luminance(heat.PALETTE[-1])]
    assert [box.cells[0] for box in legend][::4] == ["−1.7e+308", "1.7e+308"]
    boxes, _, title = chain([5e-324, 1.7e308])
    assert boxes[0].paint != boxes[1].paint and "log" in title


def test_nan_and_infinities_are_red():
    boxes, legend, _ = chain([np.nan, 1.0, np.inf, -np.inf, 3.0])
    red = [box.paint == heat.RED for box in boxes]
    assert red == [True, False, True, True, False]
    assert [boxes[i].cells[-1] for i in (0, 2, 3)] == ["NaN", "Inf", "−Inf"]
    assert [box.cells[0] for box in legend] == ["1", "1.5", "2", "2.5", "3", "NaN or Inf"]
    boxes, legend, _ = chain([np.nan, np.nan])
    assert all(box.paint == heat.RED for box in boxes)
    assert [(box.cells, box.paint) for box in legend] == [(("NaN or Inf",), heat.RED)]


def test_text_is_readable_on_each_colour():
    scale = heat.Scale.of([0.0, 1.0])
    paints = [scale.paint(x) for x in np.linspace(0, 1, 257)] + [heat.RED, heat.PLAIN]
    paints += list(viz.difference.__globals__["PAINTS"].values())
    assert min(contrast(paint.fill, paint.ink) for paint in paints) >= 4.5
    shades = [luminance(paint.fill) for paint in paints[:257]]
    assert (np.diff(shades) >= 0).all() and shades[-1] > 10 * shades[0]


def test_bytes_add_up():
    x = Tensor(np.ones((10, 4), np.float32))
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))

    def boxes(**options):
        drawn = viz.graph(model, inputs=x, color_by="bytes", **options)._drawing
        return {box.cells[0]: box.cells[-1] for box in drawn.boxes}, drawn.legend.title

    apart, title = boxes()
    assert title == "bytes of results"
    assert (apart["0: Linear"], apart["1: Linear"], apart["input"]) == ("320 B", "80 B", "160 B")
    assert boxes(depth=0)[0]["Sequential"] == "400 B"


def test_repeats_have_the_sum():
    class Many(nn.Module):
        def forward(self, x):
            for _ in range(100):
                x = pb.sin(x)
            return x

    drawn = viz.graph(Many(), inputs=Tensor(np.ones(10)), color_by="bytes", depth=5)._drawing
    sines = [box for box in drawn.boxes if box.cells[0] == "sin"]
    assert [(len(box.also), box.cells[-1]) for box in sines] == [(99, "8 kB")]
    calls = viz.graph(Many(), inputs=Tensor(np.ones(10)), depth=5, color_by=lambda part: float(part.id[1:]))._drawing
    largest = [box.cells[-1] for box in calls.boxes if box.cells[0] == "sin"]
    assert largest == ["99"]  # of the operations o0 to o99


def test_gradients_and_times():
    x = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    drawn = viz.graph((x * 2).sum(), color_by="gradient", values=False)._drawing
    texts = {box.cells[0]: box.cells[-1] for box in drawn.boxes if box.kind == "operation"}
    assert texts["× 2"] == f"{np.sqrt(2):.4g}" and texts["sum"] == "1"
    timed = viz.graph(lambda x: pb.exp(x @ x.T).sum(), inputs=Tensor(np.ones((300, 300))), color_by="time")
    assert re.fullmatch("time, forward and backward(, log scale)?", timed._drawing.legend.title)
    (unit,) = {box.cells[0].split()[1] for box in timed._drawing.legend.boxes}
    assert re.fullmatch("(m|µ|n)?s", unit)
    matmul = next(box for box in timed._drawing.boxes if box.cells[0] == "@")
    assert matmul.cells[-1].endswith(f" {unit}")
    seconds = next(op.seconds for op in timed.form.operations if op.name == "matmul")
    assert float(matmul.cells[-1].split()[0]) == pytest.approx(
        seconds / {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit], rel=1e-3
    )


def test_heat_that_is_not_known():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="color_by is 'flops', not one of 'time', 'bytes', 'gradient' or a function"):
        viz.graph(x * x, color_by="flops")
    with pytest.raises(TypeError, match="color_by is a int"):
        viz.graph(x * x, color_by=3)
    with pytest.raises(ValueError, match=r"no number \(time, .*inputs= or viz.record"):
        viz.graph(x * x, color_by="time")


@pytest.mark.parametrize("form", ["svg", "png", "mmd", "dot"])
def test_heat_in_each_format(form, tmp_path):
    x = Tensor([1.0, 2.0], requires_grad=True)
    graph = viz.graph(pb.exp(x * x).sum(), color_by="bytes")
    graph.render(tmp_path / f"heat.{form}")
    if form != "png":
        text = (tmp_path / f"heat.{form}").read_text(encoding="utf-8")
        assert heat.PALETTE[0] in text and heat.PALETTE[-1] in text and "#ffffff" in text


def line_of(function, text):
    code = function.__code__
    lines = Path(code.co_filename).read_text(encoding="utf-8").splitlines()
    found = [n for n, line in enumerate(lines, 1) if text in line and n > code.co_firstlineno]
    return f"test_heat.py:{found[0]}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_nan_of_a_forward_pass():
    def loss(x):
        doubled = x * 2
        low = pb.log(doubled)
        return ((low - low) * x + doubled).sum()

    graph = viz.graph(loss, inputs=Tensor([1.0, 0.0, 2.0]))
    first = viz.first_nan(graph)
    place = line_of(loss, "low = pb.log")
    assert (first.what, first.origin.name, first.place, first.backward, first.certain) == (
        "Inf",
        "log",
        place,
        False,
        True,
    )
    assert [operation.name for operation in first.way] == ["log", "subtract", "multiply", "add", "sum"]
    assert str(first) == f"first Inf: log at {place}, then subtract → multiply → add → sum"
    drawing = graph._drawing
    assert drawing.caption == str(first)
    red = [box.cells for box in drawing.boxes if box.paint is not None]
    assert sorted(red) == sorted([("first Inf", "log"), ("−",), ("×",), ("+",), ("sum", "axis=(0,)")])
    strong = {(link.tail, link.head) for link in drawing.links if link.colour}
    assert len(strong) == 9  # from log by four results to the output, each a link to its box and one from it
    assert "first Inf" in graph._repr_svg_()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_nan_of_a_backward_pass():
    def loss(x):
        kept = pb.where(x > 0, pb.log(x), 0.0)
        return (kept * 3 + x).sum()

    graph = viz.graph(loss, inputs=Tensor([0.0, 1.0], requires_grad=True))
    first = viz.first_nan(graph)
    assert (first.what, first.origin.name, first.backward) == ("NaN", "log", True)
    assert first.place == line_of(loss, "kept = pb.where")
    assert [operation.name for operation in first.way] == ["log", "where", "multiply", "add", "sum"]
    assert ", in the backward pass, then where" in graph._drawing.caption


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_was_given_and_what_is_not_known():
    mask = Tensor([0.0, -np.inf])
    x = Tensor([1.0, 2.0], requires_grad=True)
    lost = viz.graph(lambda x: pb.exp(x + mask).sum(), inputs=x)
    assert viz.first_nan(lost) is None and lost._drawing.caption == ""
    given = viz.first_nan(viz.graph(lambda x: (x + mask).sum(), inputs=x, names={"mask": mask}))
    assert isinstance(given.origin, Value) and given.place == ""
    assert str(given) == "first Inf: the constant mask, then add → sum"
    unknown = viz.first_nan(viz.graph((pb.log(x - 1) * 0).sum()))
    assert str(unknown) == "first NaN that is known: sum" and not unknown.certain


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_way_goes_through_module_calls_and_repeats():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(*[nn.Tanh() for _ in range(80)])

        def forward(self, x):
            return self.body(pb.log(x)).sum() * np.inf * 0

    graph = viz.graph(Deep(), inputs=Tensor([1.0, -1.0]))
    first = viz.first_nan(graph)
    assert (first.what, first.origin.name, len(first.way)) == ("NaN", "log", 84)
    assert "tanh → tanh → tanh → tanh → … 75 more … →" in str(first)
    boxes = graph._drawing.boxes
    assert all(box.paint is not None for box in boxes if box.kind in ("operation", "module"))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (147_456, "147 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (5e9, "5 GB"),
    ],
)
def test_sizes_have_three_digits(count, text):
    assert labels.size(count) == text
