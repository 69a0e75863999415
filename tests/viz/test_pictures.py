import struct
import subprocess
import sys

import numpy as np
import pytest

from pullback import Tensor, nn, viz

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


@pytest.mark.slow
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
        largest = np.abs(maps[:samples]).max()
        assert picture.figure.axes[0].images[0].get_clim() == (-largest, largest)
    assert both.figure.axes[0].get_ylabel().endswith("sample")
    with pytest.raises(ValueError, match=r"shape \(2, 5, 1, 6, 6\)"):
        viz.feature_maps(nn.Sequential(conv, nn.Unflatten(1, (5, 1))), x, 1)


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


def red(picture, axes=0):
    """Where an image is laid over with red."""
    images = picture.figure.axes[axes].images
    return np.asarray(images[1].get_array())[..., 3] > 0 if len(images) > 1 else None


def gray(picture, axes=0):
    """The grays in which an image is drawn, from 0 to 1, by its colours."""
    shown = picture.figure.axes[axes].images[0]
    colours = shown.to_rgba(shown.get_array())
    np.testing.assert_array_equal(colours[..., 0], colours[..., 1])
    return colours[..., 0]


@pytest.mark.parametrize("low", [0.0, 0.5])
def test_zero_is_gray_also_where_nothing_is_negative(low):
    a = np.array([[low, 1.0], [2.0, 4.0]])
    expected = 0.5 + a / 8
    np.testing.assert_allclose(gray(viz.images([a], signed=True)), expected, atol=1 / 255)
    np.testing.assert_allclose(gray(viz.images([a, a], signed=[False, True]), 1), expected, atol=1 / 255)
    np.testing.assert_allclose(gray(viz.images([a])), (a - low) / (4 - low), atol=1 / 255)
    np.testing.assert_allclose(gray(viz.images([-a, a], shared=True), 1), expected, atol=1 / 255)
    with pytest.raises(ValueError, match="signed has 1 entries for 2"):
        viz.images([a, a], signed=[True])


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e30, 200])
@pytest.mark.parametrize("signed", [None, False])
def test_what_is_the_same_everywhere_is_gray_and_said_so(value, signed):
    """With a sign it has its own gray, white or black; without, none is called for."""
    picture = viz.images([np.full((2, 2), value)], signed=signed)
    expected = 0.0 if value < 0 and signed is None else 0.5
    np.testing.assert_allclose(gray(picture), expected, atol=1 / 255)
    assert f"Image 0 is {value:.4g} everywhere." in picture.caption


def test_what_is_not_finite_is_red_and_counted():
    a = np.array([[0.0, 1.0], [np.nan, 3.0], [np.inf, -np.inf]])
    bad = ~np.isfinite(a)
    picture = viz.images([a, a[:1]])
    np.testing.assert_array_equal(red(picture), bad)
    np.testing.assert_allclose(gray(picture)[~bad], [0, 1 / 3, 1], atol=1 / 255)
    assert red(picture, 1) is None and "3 values are NaN or infinite (red)." in picture.caption
    assert "NaN" not in viz.images([a[:1]]).caption and "1 value is NaN" in viz.images([a[:2]]).caption
    colour = viz.images([np.stack([a, np.zeros_like(a), np.zeros_like(a)])])
    np.testing.assert_array_equal(red(colour), bad)
    assert red(viz.images([np.full((2, 2), np.nan)])).all()


def test_what_is_not_finite_in_filters_and_maps():
    weights = RNG.normal(size=(2, 1, 2, 2))
    weights[1, 0, 0, 1] = np.nan
    picture = viz.filters(weights)
    shown = red(picture)
    tops = [shown[:32], shown[:32, 34:]]  # of both tiles, and of the second
    assert shown.sum() == 16 * 16 and tops[1][:16, 16:].all() and "1 value is NaN" in picture.caption
    picture = viz.filters(np.where(np.arange(3)[:, None, None] == 1, np.inf, np.ones((1, 3, 2, 2))))
    assert red(picture).all() and "4 values are" in picture.caption
    maps = np.zeros((1, 2, 2, 2))
    maps[0, 1] = np.nan
    picture = viz.feature_maps(nn.Sequential(nn.Identity()), maps, 0)
    assert red(picture).sum() == 32 * 32 and "4 values are" in picture.caption


def test_a_shared_scale_has_a_bar():
    weights = np.array([1.0, -4.0]).reshape(2, 1, 1, 1)
    for shared, expected in ((False, [1, 0]), (True, [0.625, 0])):
        picture = viz.filters(weights, shared=shared)
        shown = board(picture)
        assert [shown[0, 0], shown[0, -1]] == pytest.approx(expected)
        bars = picture.figure.axes[0].child_axes
        assert [bar.get_ylim() for bar in bars] == ([(-4, 4)] if shared else [])
    picture = viz.images([np.eye(2), 3 * np.eye(2)], shared=True)
    np.testing.assert_allclose(gray(picture), np.eye(2) / 3, atol=1 / 255)
    assert picture.figure.axes[2].get_ylim() == (0, 3) and len(viz.images([np.eye(2)]).figure.axes) == 1


def test_maps_of_both_signs_have_gray_zero_and_others_begin_at_zero():
    identity = nn.Sequential(nn.Identity())
    colours = {}
    for sign in (-1, 1):
        picture = viz.feature_maps(identity, np.array([0.0, 2.0, sign * 4.0]).reshape(1, 3, 1, 1), 0)
        shown = picture.figure.axes[0].images[0]
        colours[sign] = shown.to_rgba(np.array([0.0]))[0, :3]
        assert shown.get_clim() == ((-4, 4) if sign < 0 else (0, 4))
    np.testing.assert_allclose(colours[-1], 128 / 255, atol=2 / 255)
    picture = viz.feature_maps(identity, np.zeros((1, 3, 2, 2)), 0)
    assert picture.figure.axes[0].images[0].get_clim() == (0, 1) and "3 are 0 everywhere" in picture.caption


def test_flat_layers_are_rows_of_units():
    values = RNG.normal(size=(2, 30))
    picture = viz.feature_maps(nn.Sequential(nn.Identity()), values, 0)
    np.testing.assert_allclose(board(picture)[::34, ::34], values)
    axes = picture.figure.axes[0]
    assert axes.get_xlabel().startswith("unit") and axes.get_ylabel().endswith("sample")


def test_tiles_are_numbered():
    axes = viz.filters(np.ones((8, 1, 3, 3))).figure.axes[0]  # in rows of 4
    numbers = [[label.get_text() for label in labels] for labels in (axes.get_xticklabels(), axes.get_yticklabels())]
    assert numbers == [["0", "+1", "+2", "+3"], ["0", "4"]]
    width, height = board(viz.filters(np.ones((8, 1, 3, 3)))).shape[::-1]
    np.testing.assert_allclose(axes.get_xticks(), (np.arange(4) + 0.5) * (width + 2) / 4 - 1.5, atol=0.6)
    np.testing.assert_allclose(axes.get_yticks(), (np.arange(2) + 0.5) * (height + 2) / 2 - 1.5, atol=0.6)
    axes = viz.filters(np.ones((60, 2, 3, 3))).figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(i) for i in range(0, 60, 3)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1"]


def test_complex_numbers_are_refused():
    with pytest.raises(ValueError, match="complex128 holds no real numbers"):
        viz.images([np.ones((2, 2), complex)])


def test_small_types_are_not_lost():
    a = np.array([[0, 200], [255, 100]], np.uint8)
    np.testing.assert_allclose(gray(viz.images([a])), a / 255, atol=1 / 255)
    np.testing.assert_allclose(gray(viz.images([a.view(np.int8)]))[0, 0], 0.5, atol=1 / 255)
