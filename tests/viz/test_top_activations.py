import weakref

import numpy as np
import pytest

from pullback import Tensor, nn, viz

RNG = np.random.default_rng(0)
KERNELS = np.array([[[[1.0, -1.0], [0.5, 2.0]]], [[[-3.0, 0.0], [0.0, -1.0]]]])


def detector():
    """A convolution with known kernels, and ReLU."""
    model = nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.ReLU()).double()
    model[0].weight.data = KERNELS.copy()
    return model


def responses(images, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(images[:, 0], kernel.shape, axis=(1, 2))
    return np.einsum("nijab,ab->nij", windows, kernel)


def test_the_strongest_by_hand():
    images = RNG.normal(size=(30, 1, 6, 5))
    found = viz.top_activations(detector(), images, 1, n=4, batch_size=7)
    assert list(found.maps) == [0, 1]
    for channel, kept in found.maps.items():
        kernel = KERNELS[channel, 0]
        values = responses(images, kernel)
        peaks = values.reshape(30, -1).max(1)
        order = np.argsort(-peaks)[:4]
        assert [top.image for top in kept] == order.tolist()
        np.testing.assert_allclose([top.value for top in kept], peaks[order], rtol=1e-12)
        for top in kept:
            row, column = np.unravel_index(values[top.image].argmax(), values.shape[1:])
            assert top.place == (row, column)
            assert top.field == (slice(0, 1), slice(row, row + 2), slice(column, column + 2))
            np.testing.assert_array_equal(top.patch, images[top.image][:, row : row + 2, column : column + 2])
            np.testing.assert_allclose(top.projection, top.value * kernel[None], rtol=1e-12)  # a filter, times that


def test_projections_lie_in_the_field_and_are_deconvnets():
    nn.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU()
    ).double()
    images = RNG.normal(size=(20, 3, 14, 14))
    found = viz.top_activations(model, images, 4, maps=[4, 1], n=6)
    assert list(found.maps) == [4, 1]
    sizes = set()
    for channel, kept in found.maps.items():
        assert sorted((top.value for top in kept), reverse=True) == [top.value for top in kept]
        for top in kept:
            whole = viz.deconvnet(model, images[top.image][None], 4, (channel, *top.place))[0]
            assert top.field == viz.receptive_field(model, images.shape, 4, (channel, *top.place))
            np.testing.assert_array_equal(whole[top.field], top.projection)
            assert np.count_nonzero(whole) == np.count_nonzero(top.projection) > 0
            sizes.add(top.patch.shape[1:])
    assert (8, 8) in sizes and len(sizes) > 1  # some are cut by the border


def test_arrays_datasets_and_batches_give_the_same():
    model, images = detector(), RNG.normal(size=(11, 1, 4, 4))
    labels = np.arange(11)
    expected = viz.top_activations(model, images, 1, n=3).maps
    dataset = nn.data.TensorDataset(images, labels)
    for data in (
        Tensor(images),
        dataset,
        nn.data.DataLoader(dataset, 4, dtype=None),
        [images[:5], images[5:]],
        ((images[i : i + 1], labels[i : i + 1]) for i in range(11)),
    ):
        found = viz.top_activations(model, data, 1, n=3, batch_size=4).maps
        for channel in expected:
            for one, other in zip(found[channel], expected[channel], strict=True):
                assert (one.image, one.place) == (other.image, other.place)
                np.testing.assert_allclose(one.value, other.value, rtol=1e-12)
                np.testing.assert_array_equal(one.patch, other.patch)


def test_batches_are_let_go():
    alive = []

    def stream():
        for i in range(12):
            batch = RNG.normal(size=(8, 1, 6, 6)) * (i + 1)  # stronger and stronger
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            assert sum(ref() is not None for ref in alive) <= 1

    viz.top_activations(detector(), stream(), 1, n=2)
    assert len(alive) == 12


def test_only_positive_activations_count():
    model = detector()
    model[0].weight.data[1] = 0
    images = np.zeros((5, 1, 3, 3))
    images[2, 0, 1, 1] = 1
    found = viz.top_activations(model, images, 1)
    assert [(top.image, top.value, top.place) for top in found.maps[0]] == [(2, 2.0, (0, 0))]
    assert found.maps[1] == []
    assert "2 maps, 1 in all" in repr(found)


def test_ties_go_to_the_first_image():
    images = np.repeat(RNG.normal(size=(1, 1, 4, 4)), 6, axis=0)
    assert [top.image for top in viz.top_activations(detector(), images, 1, 0, 3, batch_size=2).maps[0]] == [0, 1, 2]


def test_units_of_a_flat_layer_see_all():
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 2, bias=False)).double()
    images = RNG.normal(size=(8, 1, 3, 3))
    (top, *_), _ = viz.top_activations(model, images, 1, n=2).maps.values()
    assert top.place == () and top.patch.shape == (1, 3, 3)
    np.testing.assert_allclose(top.projection.ravel(), top.value * model[1].weight.numpy()[0], rtol=1e-12)


def test_picture():
    pytest.importorskip("matplotlib")
    images = RNG.uniform(size=(30, 1, 6, 5))
    found = viz.top_activations(detector(), images, 1, n=4)
    axes = found.picture.figure.axes
    assert len(axes) == 4
    top = found.maps[0]
    assert axes[0].get_title(loc="left") == f"map 0: {top[0].value:.2f} to {top[-1].value:.2f}"
    assert axes[2].get_title(loc="left") == "map 1: never active"
    left, right = (np.asarray(a.images[0].get_array()) for a in axes[:2])
    size = (left.shape[0] - 3) // 2
    for tile, of in ((left, top[0].projection), (right, top[0].patch)):
        shown = tile[:size, :size, 0].reshape(2, size // 2, 2, size // 2)
        assert (np.ptp(shown, axis=(1, 3)) == 0).all()
        middle = shown[:, 0, :, 0]
        np.testing.assert_array_equal(middle.ravel().argsort(), of[0].ravel().argsort())
    np.testing.assert_allclose(left[:size, :size, 0].mean(), 0.5 + 0.5 * KERNELS[0].mean() / KERNELS[0].max())
    assert (np.asarray(axes[2].images[0].get_array())[..., 3] == 0).all()  # nothing is drawn
    assert found._repr_png_()[:4] == b"\x89PNG"


def test_what_is_wrong_is_named():
    model, images = detector(), RNG.normal(size=(4, 1, 4, 4))
    with pytest.raises(ValueError, match="no map 2 among the layer's 2"):
        viz.top_activations(model, images, 1, [0, 2])
    with pytest.raises(ValueError, match="n=0"):
        viz.top_activations(model, images, 1, n=0)
    with pytest.raises(ValueError, match="no images"):
        viz.top_activations(model, images[:0], 1)
    images[3, 0, 2, 2] = np.nan
    with pytest.raises(ValueError, match="map 0 is NaN in image 3"):
        viz.top_activations(model, images, 1, batch_size=2)
    with pytest.raises(ValueError, match="2 channels|1 or 3 channels"):
        odd = nn.Sequential(nn.Conv2d(2, 1, 2)).double()
        viz.top_activations(odd, RNG.normal(size=(4, 2, 4, 4)), 0).picture  # noqa: B018
