"""Matplotlib draws Tensors as arrays; one that requires a gradient has to be detached first."""

import numpy as np
import pytest

from pullback import Tensor

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    figure.canvas.draw()
    plt.close(figure)


def test_lines(axes):
    (line,) = axes.plot(Tensor([0.0, 1.0, 2.0]), Tensor([3.0, 1.0, 2.0]))
    np.testing.assert_array_equal(line.get_xydata(), [[0, 3], [1, 1], [2, 2]])


def test_points_bars_and_histograms(axes):
    points = axes.scatter(Tensor([0.0, 1.0]), Tensor([2.0, 3.0]), c=Tensor([0.1, 0.9]))
    np.testing.assert_array_equal(points.get_offsets(), [[0, 2], [1, 3]])
    assert [bar.get_height() for bar in axes.bar(Tensor([0, 1]), Tensor([2.0, 3.0]))] == [2.0, 3.0]
    assert axes.hist(Tensor([0.0, 0.1, 0.9]), bins=2)[0].tolist() == [2.0, 1.0]


def test_images(axes):
    image = axes.imshow(Tensor(np.eye(3)))
    np.testing.assert_array_equal(image.get_array(), np.eye(3))


def test_a_gradient_is_not_lost_unseen(axes):
    with pytest.raises(TypeError, match="use .detach"):
        axes.plot(Tensor([1.0, 2.0], requires_grad=True))
