"""im2col and col2im against PyTorch's unfold and fold, and hand-written windows."""

import numpy as np
import pytest

import pullback as pb


def test_columns_of_a_small_image():
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    cols = [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    assert np.array_equal(pb.im2col(x, 2)[0], cols)
    counts = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert np.array_equal(pb.col2im(np.ones((1, 4, 4)), (3, 3), 2)[0, 0], counts)


@pytest.mark.parametrize("kernel,stride,padding,dilation", [((2, 3), 1, 0, 1), (3, (2, 1), 1, 2), (1, 3, 0, 1)])
def test_against_unfold_and_fold(torch, kernel, stride, padding, dilation):
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))
    cols = pb.im2col(x, kernel, stride, padding, dilation)
    theirs = torch.nn.functional.unfold(torch.tensor(x), kernel, dilation, padding, stride)
    assert np.array_equal(cols, theirs)
    back = torch.nn.functional.fold(theirs, (7, 8), kernel, dilation, padding, stride)
    assert np.allclose(pb.col2im(cols, (7, 8), kernel, stride, padding, dilation), back)


def test_asymmetric_padding():
    x = np.array([[[1.0, 2.0]]])
    assert np.array_equal(pb.im2col(x, 2, padding=[(1, 0)]), [[[0, 1], [1, 2]]])
    assert np.array_equal(pb.im2col(x, 2, padding=[(0, 1)]), [[[1, 2], [2, 0]]])


def test_col2im_refuses_columns_that_do_not_belong():
    with pytest.raises(ValueError, match=r"col2im: cols of shape \(1, 4, 5\); expected \(N, C \* 4, 4\)"):
        pb.col2im(np.ones((1, 4, 5)), (3, 3), 2)


def test_im2col_of_no_spatial_axis():
    with pytest.raises(ValueError, match="im2col"):
        pb.im2col(np.ones((1, 4)), 2)
