"""Augmentations beside loops over the images, by hand, and as they are seeded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
from pullback import Tensor, nn
from pullback.nn.data import DataLoader, TensorDataset, Transformed, default_collate
from pullback.nn.data.transforms import (
    CenterCrop,
    Compose,
    CutMix,
    Cutout,
    MixUp,
    Normalize,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)

IMAGES = np.arange(1, 1 + 40 * 2 * 6 * 5).reshape(40, 2, 6, 5)  # no two pixels alike, and none 0
RANDOM = {
    "RandomCrop": RandomCrop((4, 3), padding=(1, 2)),
    "RandomHorizontalFlip": RandomHorizontalFlip(),
    "RandomVerticalFlip": RandomVerticalFlip(),
    "RandomRotation": RandomRotation(30),
    "Cutout": Cutout(3),
    "RandomErasing": RandomErasing(p=0.8),
}
ALL = {**RANDOM, "CenterCrop": CenterCrop(3), "Normalize": Normalize([3, 4], [5, 6])}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_dtype_kind_and_input_are_kept(name, dtype):
    images = (IMAGES % 251).astype(dtype)
    if name == "Normalize" and dtype is np.uint8:
        return
    before = images.copy()
    nn.manual_seed(0)
    batch = ALL[name](images)
    assert type(batch) is np.ndarray and batch.dtype == dtype and len(batch) == 40
    assert not np.shares_memory(batch, images) and np.array_equal(images, before)
    nn.manual_seed(0)
    tensors = ALL[name](Tensor(images))
    assert isinstance(tensors, Tensor) and np.array_equal(tensors.numpy(), batch)
    one = ALL[name](images[0])
    assert one.shape == batch.shape[1:] and one.dtype == dtype and np.array_equal(images, before)
    assert ALL[name](images[:0]).shape == (0, *batch.shape[1:])
    assert type(ALL[name](np.asfortranarray(images)[::2, :, ::-1])) is np.ndarray


@pytest.mark.parametrize("name", RANDOM)
def test_each_image_has_a_draw_of_its_own_from_the_threads_generator(name):
    same = np.repeat(IMAGES[:1], 40, 0)
    nn.manual_seed(1)
    first, second = RANDOM[name](same), RANDOM[name](same)
    nn.manual_seed(1)
    assert np.array_equal(RANDOM[name](same), first) and not np.array_equal(first, second)
    assert len({image.tobytes() for image in first}) > 1


def places(batch, images, size):
    """Where in the padded image each crop comes from: the only place where it fits."""
    for image, whole in zip(batch, images, strict=True):
        found = [
            (i, j)
            for i in range(whole.shape[1] - size[0] + 1)
            for j in range(whole.shape[2] - size[1] + 1)
            if np.array_equal(whole[:, i : i + size[0], j : j + size[1]], image)
        ]
        assert len(found) == 1
        yield found[0]


def test_crops_are_pieces_and_come_from_everywhere():
    images = np.repeat(IMAGES[:1], 400, 0)
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (2, 2)], constant_values=-7)
    found = set(places(RandomCrop((4, 3), (1, 2), fill=-7)(images), padded, (4, 3)))
    assert found == {(i, j) for i in range(5) for j in range(7)}
    assert np.array_equal(RandomCrop((6, 5))(IMAGES), IMAGES)
    assert list(places(CenterCrop((3, 2))(IMAGES[:1]), IMAGES[:1], (3, 2))) == [(1, 1)]


@given(st.integers(1, 6), st.integers(1, 5))
def test_center_crop(height, width):
    image = CenterCrop((height, width))(IMAGES[0])
    top, left = (6 - height) // 2, (5 - width) // 2
    assert np.array_equal(image, IMAGES[0][:, top : top + height, left : left + width])


@pytest.mark.parametrize("flip, axis", [(RandomHorizontalFlip, 3), (RandomVerticalFlip, 2)])
def test_flips(flip, axis):
    assert np.array_equal(flip(1.0)(IMAGES), np.flip(IMAGES, axis)) and np.array_equal(flip(0.0)(IMAGES), IMAGES)
    many = np.repeat(IMAGES[:1], 2000, 0)
    nn.manual_seed(0)
    turned = np.array([np.array_equal(image, np.flip(many[0], axis - 1)) for image in flip(0.3)(many)])
    assert abs(turned.mean() - 0.3) < 6 * np.sqrt(0.3 * 0.7 / 2000)


def test_normalize_each_channel():
    images = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    expected = np.stack([(images[:, 0] - 1) / 2, (images[:, 1] + 3) / 4], 1)
    np.testing.assert_allclose(Normalize([1, -3], [2, 4])(images), expected, rtol=1e-15)
    np.testing.assert_allclose(Normalize(1, 2)(images[0]), (images[0] - 1) / 2, rtol=1e-15)


@pytest.mark.parametrize("turns", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 5, 5), (3, 4, 4)])
def test_quarter_turns(turns, shape):
    image = np.arange(np.prod(shape)).reshape(shape)
    assert np.array_equal(RandomRotation((90 * turns, 90 * turns))(image), np.rot90(image, turns, axes=(1, 2)))


def test_rotations_of_a_dot_and_of_the_edges():
    image = np.zeros((1, 41, 41))
    image[0, 20, 35] = 1  # 15 to the right of the middle
    for angle in (10, 37, 123, -60):
        disc = RandomRotation((angle, angle))(
            np.maximum(image, 0) + (np.hypot(*np.indices((41, 41)) - np.array([[[20]], [[35]]])) < 2.5)
        )
        rows, columns = np.nonzero(disc[0])
        expected = 20 - 15 * np.sin(np.deg2rad(angle)), 20 + 15 * np.cos(np.deg2rad(angle))
        np.testing.assert_allclose((rows.mean(), columns.mean()), expected, atol=0.5)
    turned = RandomRotation((45, 45), fill=9)(np.zeros((1, 41, 41)))
    assert turned[0, 0, 0] == 9 == turned[0, 40, 40] and turned[0, 20, 20] == 0


def box_of(mask):
    """The edges of the box that a mask is, (top, bottom, left, right)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    assert mask[top:bottom, left:right].all() and mask.sum() == (bottom - top) * (right - left)
    return top, bottom, left, right


def test_cutout_is_a_square_around_any_pixel():
    images = np.ones((600, 2, 6, 5))
    cut = Cutout(3, value=4)(images)
    assert set(np.unique(cut)) == {1, 4} and np.array_equal(cut[:, 0], cut[:, 1])
    boxes = {box_of(image[0] == 4) for image in cut}
    expected = {(max(i - 1, 0), min(i + 2, 6), max(j - 1, 0), min(j + 2, 5)) for i in range(6) for j in range(5)}
    assert boxes == expected


def test_erased_boxes_have_the_area_and_shape_asked_for():
    images = np.ones((500, 1, 40, 60))
    erased = RandomErasing(p=0.5, scale=(0.05, 0.2), ratio=(0.5, 2.0))(images)
    boxes = [box_of(image[0] == 0) for image in erased if image.min() == 0]
    assert abs(len(boxes) - 250) < 6 * np.sqrt(125)
    heights = np.array([bottom - top for top, bottom, _, _ in boxes])
    widths = np.array([right - left for _, _, left, right in boxes])
    assert min(top for top, *_ in boxes) == 0 == min(left for _, _, left, _ in boxes)
    assert max(bottom for _, bottom, _, _ in boxes) == 40 and max(right for *_, right in boxes) == 60
    share, ratio = heights * widths / 2400, heights / widths
    assert share.min() > 0.04 and share.max() < 0.22 and share.max() - share.min() > 0.12
    assert ratio.min() > 0.45 and ratio.max() < 2.2 and ratio.min() < 0.6 and ratio.max() > 1.7
    assert np.array_equal(RandomErasing(p=1.0, scale=(1, 1), ratio=(3, 3))(images), images)  # no such box fits


def test_mixup_is_a_mean_of_two():
    images = np.random.default_rng(0).normal(size=(50, 1, 2, 2))
    labels = np.arange(50)
    mixed, shares = MixUp(0.8, num_classes=50)((images, labels))
    np.testing.assert_allclose(shares.sum(1), 1)
    assert (np.count_nonzero(shares, axis=1) <= 2).all() and len(np.unique(shares[labels, labels])) > 40
    np.testing.assert_allclose(mixed, np.einsum("nk,kchw->nchw", shares, images), rtol=1e-12)


def test_mixup_draws_from_beta():
    _, shares = MixUp(0.4, 3)((np.zeros((4000, 1, 1, 1)), np.array([0, 1] * 2000)))
    kept = shares[::2, 0][shares[::2, 1] > 0]
    assert abs(kept.mean() - 0.5) < 0.05 and abs(kept.var() - 1 / (4 * 1.8)) < 0.01  # Var = 1 / (4 (2 a + 1))


def test_cutmix_is_a_box_of_another_and_labels_are_areas():
    images = np.repeat(np.arange(80.0), 2 * 8 * 6).reshape(80, 2, 8, 6)
    mixed, shares = CutMix(num_classes=80)((images, np.arange(80)))
    assert np.array_equal(mixed[:, 0], mixed[:, 1])
    for number, image in enumerate(mixed[:, 0]):
        assert np.allclose(np.bincount(image.astype(int).ravel(), minlength=80) / 48, shares[number])
        if (image != number).any():
            box_of(image != number)
    assert 0.25 < (shares.max(1) < 1).mean() <= 1


def test_mixed_batches_of_a_loader():
    dataset = TensorDataset(np.arange(8.0).reshape(8, 1, 1, 1), np.arange(8) % 2)
    loader = DataLoader(dataset, 4, generator=0, collate_fn=Compose([default_collate, MixUp(num_classes=2)]))
    for x, y in loader:
        assert isinstance(x, Tensor) and isinstance(y, Tensor) and x.dtype == np.float32 == y.dtype
        assert nn.functional.cross_entropy(Tensor(np.zeros((4, 2), np.float32)), y).item() == pytest.approx(np.log(2))
    shares = MixUp()((np.zeros((2, 1, 1, 1)), np.array([[0.25, 0.75], [1.0, 0.0]])))[1]
    assert shares.shape == (2, 2) and np.allclose(shares.sum(1), 1)


def test_seeded_by_the_loader():
    images = np.arange(12 * 25.0).reshape(12, 1, 5, 5)
    make = lambda seed: DataLoader(Transformed(TensorDataset(images), RandomCrop(3)), 4, generator=seed)  # noqa: E731
    one, same, other = ([x.tolist() for (x,) in make(seed)] for seed in (1, 1, 2))
    assert one == same != other
    loader = make(1)
    assert [x.tolist() for (x,) in loader] != [x.tolist() for (x,) in loader]
    nn.manual_seed(0)
    list(make(1))
    drawn = float(pb.random.random())
    nn.manual_seed(0)
    assert drawn == float(pb.random.random())


WRONG = {
    "table": (lambda: RandomCrop(2)(np.ones((3, 3))), ValueError, r"RandomCrop: expected an image.*not shape \(3, 3\)"),
    "large": (lambda: RandomCrop(7)(IMAGES), ValueError, r"RandomCrop: images of \(6, 5\) have no piece of \(7, 7\)"),
    "center": (
        lambda: CenterCrop((6, 6))(IMAGES),
        ValueError,
        r"CenterCrop: images of \(6, 5\) have no piece of \(6, 6\)",
    ),
    "size": (lambda: RandomCrop(0), ValueError, "RandomCrop: size must be a positive integer, not 0"),
    "sizes": (lambda: RandomCrop((1, 2, 3)), ValueError, r"RandomCrop: size must be a number, or one each for height"),
    "padding": (lambda: RandomCrop(2, -1), ValueError, "RandomCrop: padding must be an integer, 0 or more, not -1"),
    "p": (lambda: RandomHorizontalFlip(1.5), ValueError, "RandomHorizontalFlip: p must be a probability, not 1.5"),
    "nan": (lambda: RandomErasing(np.nan), ValueError, "RandomErasing: p must be a probability"),
    "std": (lambda: Normalize(0, 0), ValueError, "Normalize: std must be positive, not 0"),
    "bytes": (
        lambda: Normalize(0, 1)(IMAGES),
        TypeError,
        r"Normalize: expected floats, not int64; write image / np.float32",
    ),
    "channels": (lambda: Normalize([1] * 3, 1)(IMAGES / 1), ValueError, r"Normalize: mean .* are not for 2 channels"),
    "degrees": (lambda: RandomRotation(-1), ValueError, "RandomRotation: degrees must be 0 or more, or a range of two"),
    "scale": (
        lambda: RandomErasing(scale=(0.5, 0.1)),
        ValueError,
        "RandomErasing: scale must be a range within 0 and 1",
    ),
    "ratio": (
        lambda: RandomErasing(ratio=(0, 1)),
        ValueError,
        "RandomErasing: ratio must be a range of positive numbers",
    ),
    "square": (lambda: Cutout(1.5), ValueError, "Cutout: size must be a positive integer, not 1.5"),
    "alpha": (lambda: MixUp(0), ValueError, "MixUp: alpha must be positive, not 0"),
    "classes": (
        lambda: CutMix()((IMAGES / 1, np.zeros(40, int))),
        ValueError,
        "CutMix: labels of dtype int64 and shape",
    ),
    "images": (
        lambda: MixUp(1, 2)((IMAGES, np.zeros(40, int))),
        ValueError,
        r"MixUp: expected a batch of floats \(N, C, H",
    ),
}


@pytest.mark.parametrize("call, error, said", WRONG.values(), ids=WRONG)
def test_wrong_arguments(call, error, said):
    with pytest.raises(error, match=said):
        call()
