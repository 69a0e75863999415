import struct
import subprocess
import sys

import numpy as np
import pytest

from pullback import Tensor, nn, viz
from pullback.autograd.debug.profiling import Row

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)


def board(picture):
    return np.ma.filled(picture.figure.axes[0].images[0].get_array(), np.nan)


def tile(picture, row, column, rows, columns):
    """The middle of a tile of a mosaic, as one value for each of its parts of an eighth."""
    image = board(picture)
    height, width = image.shape[0] / rows, image.shape[1] / columns
    return image[round(row * height) : round((row + 1) * height), round(column * width) : round((column + 1) * width)]


def size(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_no_picture_touches_pyplot():
    code = """if True:
        import sys
        import numpy as np
        from pullback import viz
        assert "matplotlib" not in sys.modules
        viz.filters(np.ones((2, 1, 3, 3))).png()
        viz.curves({"loss": [1, 2]}).png()
        viz.confusion([0, 1], [0, 1]).png()
        viz.images(np.ones((2, 4, 4))).png()
        assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_names_the_extra():
    code = """if True:
        import sys
        sys.modules["matplotlib"] = None
        sys.modules["matplotlib.figure"] = None
        from pullback import viz
        try:
            viz.curves({"loss": [1, 2]})
        except ImportError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install pullback[viz]" in done.stdout


def test_picture_sizes_and_files(tmp_path):
    picture = viz.curves({"loss": [3.0, 2.0, 1.0]})
    width, height = size(picture.png(dpi=100))
    assert size(picture._repr_png_()) == size(picture.png())
    assert size(picture.png(dpi=200)) == (pytest.approx(2 * width, abs=3), pytest.approx(2 * height, abs=3))
    for form, magic in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        picture.save(tmp_path / f"picture.{form}")
        assert (tmp_path / f"picture.{form}").read_bytes().startswith(magic)


def test_gray_filters_are_scaled_each_around_zero():
    weights = RNG.normal(size=(6, 1, 4, 4))
    weights[4] = 0
    weights[5] *= 100
    layer = nn.Conv2d(1, 6, 4)
    layer.weight.data = weights
    for given in (weights, Tensor(weights), layer):
        picture = viz.filters(given)
        for i, kernel in enumerate(weights):
            shown = tile(picture, i // 3, i % 3, 2, 3)
            grays = np.unique(shown[np.isfinite(shown)])
            expected = 0.5 + 0.5 * kernel / (np.abs(kernel).max() or 1)
            np.testing.assert_allclose(grays, np.unique(expected), atol=1e-12)
    assert size(picture.png())[0] > size(picture.png())[1]


def test_filters_in_colour_and_by_channel():
    colours = board(viz.filters(RNG.normal(size=(4, 3, 5, 5))))
    assert colours.ndim == 3 and colours.shape[2] == 4  # with opacity
    weights = RNG.normal(size=(7, 2, 3, 3))
    picture = viz.filters(weights)
    axes = picture.figure.axes[0]
    assert axes.get_xlabel().startswith("filter") and axes.get_ylabel().endswith("channel")
    for filter in range(7):
        for channel in range(2):
            shown = tile(picture, channel, filter, 2, 7)
            expected = 0.5 + 0.5 * weights[filter, channel] / np.abs(weights[filter]).max()
            assert expected[1, 1] == pytest.approx(shown[shown.shape[0] // 2, shown.shape[1] // 2])


def test_filters_of_one_dimension_and_of_many_channels():
    assert board(viz.filters(RNG.normal(size=(4, 1, 9)))).ndim == 2
    assert max(board(viz.filters(np.ones((150, 50, 3, 3)))).shape) < 4000


@pytest.mark.parametrize("shape", [(3, 4), (3,), (0, 1, 3, 3), (2, 1, 3, 3, 3)])
def test_what_is_no_filter(shape):
    with pytest.raises(ValueError, match="filters: weights of shape"):
        viz.filters(np.ones(shape))


def test_feature_maps():
    conv = nn.Conv2d(1, 5, 3).double()
    model = nn.Sequential(conv, nn.Flatten())
    x = RNG.normal(size=(2, 1, 8, 8))
    maps = conv(x).numpy()
    one, both = viz.feature_maps(model, x[:1], 0), viz.feature_maps(model, x, conv)
    for picture, samples in ((one, 1), (both, 2)):
        shown = board(picture)
        np.testing.assert_allclose(np.unique(shown[np.isfinite(shown)]), np.unique(maps[:samples]))
        assert picture.figure.axes[0].images[0].get_clim() == (maps[:samples].min(), maps[:samples].max())
    assert both.figure.axes[0].get_ylabel().endswith("sample")
    with pytest.raises(ValueError, match=r"shape \(2, 180\)"):
        viz.feature_maps(model, x, 1)


def test_images_are_stretched_and_signed_ones_keep_zero_in_the_middle():
    plain, signed = np.array([[1.0, 3.0], [2.0, 5.0]]), np.array([[-4.0, 0.0], [0.0, 2.0]])
    colour = np.arange(12).reshape(3, 2, 2)
    picture = viz.images([plain, signed, colour, plain[None]], ["a", "$b", "c", ""])
    shown = [axes.images[0].get_array() for axes in picture.figure.axes]
    np.testing.assert_allclose(shown[0], [[0, 0.5], [0.25, 1]])
    np.testing.assert_allclose(shown[1], [[0, 0.5], [0.5, 0.75]])
    np.testing.assert_allclose(shown[2], colour.transpose(1, 2, 0) / 11)
    np.testing.assert_allclose(shown[3], shown[0])
    assert [axes.get_title() for axes in picture.figure.axes] == ["a", "$b", "c", ""]
    picture.png()
    viz.images(np.zeros((3, 4, 4)), columns=2).png()


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
    assert axes.get_xlabel() == "seconds" and axes.xaxis.get_major_formatter()(2.0, 0) == "2 s"
    axes = viz.profile(Profiled(), value="allocated").figure.axes[0]
    assert [b.get_width() for b in axes.containers[0]] == [30, 50, 10]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv", "relu", "sum"]


def test_frames_lie_around_the_tiles_and_a_bar_says_what_colours_mean():
    picture = viz.feature_maps(nn.Sequential(nn.Identity()), np.arange(2.0 * 3 * 4 * 4).reshape(2, 3, 4, 4), 0)
    axes = picture.figure.axes[0]
    image = board(picture)
    (frames,) = axes.collections
    corners = [path.vertices for path in frames.get_paths()]
    assert len(corners) == 6 and image.shape == (2 * 32 + 2, 3 * 32 + 2 * 2)  # tiles of 32 and lines of 2 between
    for i, points in enumerate(corners):
        left, top = points.min(0) + 0.5
        assert (left, top) == (i % 3 * 34, i // 3 * 34) and np.ptp(points, axis=0).tolist() == [32, 32]
        inside = image[int(top) : int(top) + 32, int(left) : int(left) + 32]
        assert inside[0, 0] == 16 * i and inside[-1, -1] == 16 * i + 15
    assert np.isnan(image[32:34]).all() and np.isnan(image[:, 32:34]).all()
    (bar,) = axes.child_axes
    assert bar.get_ylim() == (0, 95) and not viz.filters(np.ones((2, 1, 3, 3))).figure.axes[0].child_axes


def test_what_are_no_images():
    with pytest.raises(ValueError, match="none"):
        viz.images([])
    with pytest.raises(ValueError, match="1 titles given for 2"):
        viz.images(np.ones((2, 3, 3)), ["one"])
    with pytest.raises(ValueError, match=r"array 1 of shape \(2, 3, 4\)"):
        viz.images([np.ones((3, 3)), np.ones((2, 3, 4))])


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
    with pytest.raises(ValueError, match="empty"):
        viz.curves({"seconds": [1]})


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


def test_what_is_not_finite_does_not_blank_a_picture():
    from pullback.viz.pictures import _as_image, _range

    a = np.array([[0.0, 1.0], [np.nan, 3.0]])
    np.testing.assert_array_equal(_as_image(a, 0), [[0, 1 / 3], [np.nan, 1]])
    assert _range(np.array([np.nan, -1.0, np.inf, 2.0])) == (-1.0, 2.0) and _range(np.array([np.nan])) == (0.0, 0.0)
    np.testing.assert_array_equal(_as_image(np.stack([a, a, a]), 0)[1, 0], [0, 0, 0])
