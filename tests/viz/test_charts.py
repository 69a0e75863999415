import numpy as np
import pytest

from pullback import Tensor, nn, viz
from pullback.autograd.debug.profiling import Row
from pullback.viz.figures import GREY, INK, inked, luminance

pytest.importorskip("matplotlib")


class Profiled:
    """What `pullback.profile` would have recorded: forward and backward bars of known lengths."""

    def by(self, *names):
        assert names == ("operation", "direction")
        figures = [
            ("conv", "forward", 3.0),
            ("relu", "forward", 5.0),
            ("conv", "backward", 4.0),
            ("sum", "forward", 1.0),
        ]
        return [Row("", name, direction, 1, seconds, 10 * seconds, 0) for name, direction, seconds in figures]


def test_bars_of_a_profile():
    """The longest above, forward from 0 on and backward behind it, each in its own colour."""
    axes = viz.profile(Profiled(), limit=2).figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv", "relu"] and axes.yaxis_inverted()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["forward", "backward"]
    forward, backward = axes.containers
    assert [(b.get_x(), b.get_width()) for b in forward] == [(0, 3), (0, 5)]
    assert [(b.get_x(), b.get_width()) for b in backward] == [(3, 4), (5, 0)]
    assert [b.get_y() + b.get_height() / 2 for b in (*forward, *backward)] == [0, 1, 0, 1]
    colours = [{b.get_facecolor() for b in bars} for bars in (forward, backward)]
    assert [len(own) for own in colours] == [1, 1] and colours[0] != colours[1]
    handles = [handle.get_facecolor() for handle in axes.get_legend().legend_handles]
    assert [{colour} for colour in handles] == colours
    assert axes.get_xlabel() == "time" and axes.xaxis.get_major_formatter()(2.0, 0) == "2 s"
    axes = viz.profile(Profiled(), value="allocated").figure.axes[0]
    assert [b.get_width() for b in axes.containers[0]] == [30, 50, 10]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv", "relu", "sum"]


def test_curves():
    history = {"loss": [3, 2, 1], "accuracy": [0.1, 0.2, 0.4], "val_loss": [4, 3, 3], "seconds": [1, 1, 1]}
    axes = viz.curves(history).figure.axes
    assert [a.get_title(loc="left") for a in axes] == ["loss", "accuracy"]
    drawn = [[(line.get_label(), list(line.get_xdata()), list(line.get_ydata())) for line in a.lines] for a in axes]
    assert drawn == [
        [("training", [1, 2, 3], [3, 2, 1]), ("validation", [1, 2, 3], [4, 3, 3])],
        [("training", [1, 2, 3], [0.1, 0.2, 0.4])],
    ]
    viz.curves({"val_loss": [1.0], "loss": [2.0]}).png()


def test_confusion():
    labels = np.array([0, 0, 1, 2, 2, 2])
    predictions = np.array([0, 1, 1, 2, 2, 0])
    expected = {(0, 0): 1, (0, 1): 1, (1, 1): 1, (2, 2): 2, (2, 0): 1}
    scores = np.eye(3)[predictions]
    for given in (predictions, scores, Tensor(scores)):
        axes = viz.confusion(labels, given, ["x", "y", "z"]).figure.axes[0]
        counts = {tuple(int(v) for v in text.get_position()[::-1]): int(text.get_text()) for text in axes.texts}
        assert counts == expected
        assert axes.get_title(loc="left") == "66.7% of 6 right"
        np.testing.assert_allclose(axes.images[0].get_array(), [[0.5, 0.5, 0], [0, 1, 0], [1 / 3, 0, 2 / 3]])
        assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y", "z"]
    viz.confusion(np.arange(100), np.arange(100)).png()


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 1], [0], "2 labels given for 1"),
        ([0.5], [0], "labels must be class numbers"),
        ([0], [-1], "least value of -1"),
        ([], [], "labels must be"),
        ([[0]], [0], "labels must be"),
    ],
)
def test_what_has_no_confusion(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        viz.confusion(labels, predictions)


def test_class_names_that_do_not_fit():
    with pytest.raises(ValueError, match="1 names given for 2 classes"):
        viz.confusion([0, 1], [0, 1], ["one"])


def contrast(a, b):
    """Of two sRGB colours, as WCAG 2.2 has it."""
    dark, light = sorted([luminance(a), luminance(b)])
    return (light + 0.05) / (dark + 0.05)


def test_luminance_and_contrast():
    # WCAG's own: white on black is 21, and #767676 on white is the lightest gray of 4.5 (4.54)
    assert contrast((1, 1, 1), (0, 0, 0)) == pytest.approx(21)
    assert contrast((1, 1, 1), (0x76 / 255,) * 3) == pytest.approx(4.54, abs=5e-3)
    assert luminance((1, 0, 0)) == pytest.approx(0.2126) and luminance((0, 1, 0)) == pytest.approx(0.7152)


def test_texts_are_readable():
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    assert min(contrast(to_rgb(colour), (1, 1, 1)) for colour in (INK, GREY)) >= 4.5
    for share in np.linspace(0, 1, 256):
        behind = colormaps["Blues"](share)[:3]
        assert contrast(to_rgb(inked(behind)), behind) >= 4.5


def test_names_of_many_classes_are_kept():
    names = [f"class {i}" for i in range(40)]
    axes = viz.confusion(np.arange(40), np.arange(40), names).figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert [label.get_text() for label in axes.get_xticklabels()] == names and not axes.texts
    axes.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(above.y0 >= below.y1 for above, below in zip(boxes, boxes[1:], strict=False))


def test_confusion_of_small_integers_and_what_it_says():
    labels = np.arange(200).astype(np.uint8)
    picture = viz.confusion(labels, labels)
    assert np.trace(picture.figure.axes[0].images[0].get_array()) == 200 and "None is wrong" in picture.caption
    caption = viz.confusion([0, 0, 1], [1, 1, 1], ["cat", "dog"]).caption
    assert "33.3% of 3" in caption and "cat taken for dog, 2 times" in caption


def test_curves_wrap():
    figure = viz.curves({name: [1, 2] for name in "abcdefg"}).figure
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols, len(figure.axes)) == (3, 3, 7)
    assert figure.get_figwidth() == viz.curves({name: [1, 2] for name in "abc"}).figure.get_figwidth()


def test_curves_of_one_epoch():
    axes = viz.curves({"loss": [2.0], "seconds": [1.0]}).figure.axes[0]
    (line,) = axes.lines
    assert line.get_marker() == "o" and axes.get_xlim() == (0.5, 1.5)
    assert [tick for tick in axes.get_xticks() if 0.5 < tick < 1.5] == [1]


@pytest.mark.parametrize("history", [{}, {"seconds": [1]}, {"loss": [], "val_loss": []}])
def test_curves_of_nothing(history):
    with pytest.raises(ValueError, match="empty"):
        viz.curves(history)


def test_logarithmic_curves():
    history = {"loss": [100.0, 1.0, 0.0, 0.01], "accuracy": [0.1, 0.2, 0.3, 0.4]}
    picture = viz.curves(history, log=["loss"])
    loss, accuracy = picture.figure.axes
    assert (loss.get_yscale(), accuracy.get_yscale()) == ("log", "linear")
    assert [list(cross.get_xdata()) for cross in loss.lines[1:]] == [[3]] and len(accuracy.lines) == 1
    assert "1 that is not drawn" in picture.caption
    texts = [loss.yaxis.get_major_formatter()(value, 0) for value in (0.01, 50.0)]
    assert texts == ["0.01", "50"]
    assert [a.get_yscale() for a in viz.curves(history, log=True).figure.axes] == ["log", "log"]
    assert [a.get_yscale() for a in viz.curves(history).figure.axes] == ["linear", "linear"]
    with pytest.raises(ValueError, match=r"log=\['lost'\] given; the history has loss, accuracy"):
        viz.curves(history, log=["lost", "loss"])


def test_curves_through_nan_have_red_crosses():
    from matplotlib.colors import to_rgb

    picture = viz.curves({"loss": [1.0, np.nan, np.inf, 2.0]})
    line, crosses = picture.figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [1, np.nan, np.nan, 2])
    assert list(crosses.get_xdata()) == [2, 3] and "2 that are not drawn" in picture.caption
    red, green, blue = to_rgb(crosses.get_color())
    assert red > 0.8 > 0.3 > max(green, blue)


def heights(axes):
    """Of each filled curve, the places where it lies above its foot, and how high, the last record first."""
    filled = sorted(axes.collections, key=lambda own: -own.get_zorder())
    points = [own.get_paths()[0].vertices for own in filled]
    return [(p[:, 0].min(), p[:, 0].max(), p[:, 1].min(), np.ptp(p[:, 1])) for p in points]


def test_histograms_over_time():
    model = nn.Sequential(nn.Linear(2, 2).double(), nn.ReLU())
    weight = model[0].weight
    seen = viz.Histograms(model, np.array([[1.0, -1.0]]))
    weight.data = np.array([[1.0, 2.0], [3.0, 5.0]])
    model[0].bias.data = np.zeros(2)
    seen.record()
    (model[0](Tensor([[10.0, 20.0]])) ** 1).sum().backward()
    weight.data = np.array([[-4.0, 0.0], [np.nan, 4.0]])
    seen.on_epoch_end(None)
    assert repr(seen) == "<Histograms of Sequential: 2 records, draw(kind) shows them>" and model.training
    picture = seen.draw()
    assert [axes.get_title(loc="left") for axes in picture.figure.axes] == ["0.weight", "0.bias"]
    last, first = heights(picture.figure.axes[0])
    assert last[:2] == (-4, 4) and first[:2] == (1, 5) and last[2] == 0 < first[2] and last[3] == first[3] == 1
    assert "1 value is NaN" in picture.caption
    gradients = seen.draw("gradients").figure.axes[0]
    assert [own[:2] for own in heights(gradients)] == [(10, 20)]  # of the sum of Wx it is x, at the second record
    assert [label.get_text() for label in gradients.get_yticklabels()] == ["2", "1"]
    activations = seen.draw("activations")
    assert [axes.get_title(loc="left") for axes in activations.figure.axes] == ["0", "1"]
    assert heights(activations.figure.axes[0])[1][:2] == (-2, -1)  # 1 - 2 and 3 - 5
    assert "1 more of 2 are not drawn" in seen.draw(limit=1).caption
    with pytest.raises(ValueError, match="kind='weight' given; there are weights, gradients, activations"):
        seen.draw("weight")
    with pytest.raises(ValueError, match=r"no activations were recorded \(they need a batch"):
        viz.Histograms(model).draw("activations")


def test_heights_are_roots_of_counts():
    model = nn.Linear(100, 1, bias=False).double()
    model.weight.data = np.repeat([0.0, 1.0], [80, 20])[None]
    seen = viz.Histograms(model, bins=2)
    seen.record()
    (filled,) = seen.draw().figure.axes[0].collections
    right = [y for x, y in filled.get_paths()[0].vertices if 0.5 < x <= 1]
    assert max(right) == pytest.approx(0.5)  # the root of 20 / 80


class Sum(nn.Module):
    """A loss with a known landscape: the squared distance of the parameters from where they begin."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 2.0]]))
        self.bias = nn.Parameter(np.ones(3))
        self.center = self.weight.numpy().copy()

    def moved(self):
        assert not self.training
        return ((self.weight - self.center) ** 2).sum() + ((self.bias - 1) ** 2).sum() + 0.25


def test_landscape_is_filter_normalized():
    """A step along a direction is as long as the weight, filter by filter: at s along one the loss is s²·Σ‖w_i‖²."""
    model = Sum()
    shared = model.weight.detach()  # writing into the weight is seen here
    before = [p.numpy().tobytes() for p in model.parameters()]
    picture = viz.landscape(model, model.moved, span=2.0, steps=5)
    losses = np.asarray(picture.figure.axes[0].images[0].get_array())
    along = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(losses[2], 0.25 + along**2 * (25 + 4))
    np.testing.assert_allclose(losses[:, 2], 0.25 + along**2 * (25 + 4))
    assert losses[0, 0] != pytest.approx(losses[0, 4])  # the directions are not at right angles
    assert [p.numpy().tobytes() for p in model.parameters()] == before and model.training
    np.testing.assert_array_equal(shared.numpy(), model.center)
    assert picture.figure.axes[0].images[0].get_extent() == [-2.5, 2.5, -2.5, 2.5]
    assert "0.25" in picture.caption


def test_landscape_is_seeded_and_leaves_parameters_alone_after_an_error():
    model = Sum()
    surfaces = [
        np.asarray(viz.landscape(model, model.moved, steps=3, seed=seed).figure.axes[0].images[0].get_array())
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(surfaces[0], surfaces[1])
    assert (surfaces[0] != surfaces[2]).any()
    before, calls = [p.numpy().tobytes() for p in model.parameters()], []

    def fails():
        calls.append(None)
        if len(calls) == 4:
            raise RuntimeError("no loss")
        return model.moved()

    with pytest.raises(RuntimeError, match="no loss"):
        viz.landscape(model, fails, steps=3)
    assert [p.numpy().tobytes() for p in model.parameters()] == before and model.training
    for wrong in ({"steps": 2}, {"span": 0.0}, {"span": float("nan")}):
        with pytest.raises(ValueError, match="at least 3 steps and a positive span"):
            viz.landscape(model, model.moved, **wrong)


def test_landscape_with_losses_that_are_not_finite():
    model = Sum()
    picture = viz.landscape(model, lambda: (model.weight[0, 0] - 3).log(), steps=3)
    shown, over = picture.figure.axes[0].images
    bad = ~np.isfinite(np.asarray(np.ma.filled(shown.get_array(), np.nan)))
    np.testing.assert_array_equal(np.asarray(over.get_array())[..., 3] > 0, bad)
    assert bad.any() and f"{bad.sum()} values are NaN" in picture.caption
    assert over.get_extent() == shown.get_extent()
    viz.landscape(model, lambda: model.weight.sum() * 0 + 1, steps=3).png()  # a plain without a slope
