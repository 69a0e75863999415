"""The convolution trio against the article's example, naive loops, the matrix W*, the teaching form and PyTorch."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import pullback as pb
from pullback.autograd.kernels import conv_numpy as convolution
from pullback.autograd.kernels import geometry
from pullback.testing import gradcheck, gradgradcheck, numerical_grad

X = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
W = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
Y = np.array([[[[37.0, 47.0], [67.0, 77.0]]]])


def naive_conv(x, w, stride, padding, dilation, groups):
    """Y[n, k, o] = sum over c, i of W[k, c, i] X[n, c, o * stride + i * dilation], one product at a time."""
    x = np.pad(x, [(0, 0), (0, 0), *padding])
    axes, per_group, outs = x.ndim - 2, w.shape[1], w.shape[0] // groups
    size = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], w.shape[2:], stride, dilation, strict=True)
    ]
    y = np.zeros((len(x), len(w), *size))
    for n, k, c in np.ndindex(len(x), len(w), per_group):
        channel = k // outs * per_group + c
        for place, offset in itertools.product(np.ndindex(*size), np.ndindex(*w.shape[2:])):
            at = tuple(place[a] * stride[a] + offset[a] * dilation[a] for a in range(axes))
            y[(n, k, *place)] += w[(k, c, *offset)] * x[(n, channel, *at)]
    return y


@st.composite
def settings_(draw, axes=None):
    """Shapes of x and w with a stride, padding pairs, dilation and groups that fit them."""
    axes = axes or draw(st.integers(1, 3))
    small = {n: st.lists(st.integers(1, n), min_size=axes, max_size=axes) for n in (2, 3)}
    kernel, stride, dilation = draw(small[3]), draw(small[3]), draw(small[2])
    padding = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=axes, max_size=axes))
    extra = draw(st.lists(st.integers(0, 3), min_size=axes, max_size=axes))
    spatial = [
        max(1, d * (k - 1) + 1 - b - a) + e for k, d, (b, a), e in zip(kernel, dilation, padding, extra, strict=True)
    ]
    groups = draw(st.integers(1, 2))
    channels, outs = groups * draw(st.sampled_from([1, 2, 33])), groups * draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    x = rng.standard_normal((draw(st.integers(0, 2)), channels, *spatial))
    w = rng.standard_normal((outs, channels // groups, *kernel))
    return x, w, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def test_article_convolution_and_its_matrix():
    assert np.array_equal(pb.conv(X, W), Y)
    matrix = [
        [1, 2, 0, 3, 4, 0, 0, 0, 0],
        [0, 1, 2, 0, 3, 4, 0, 0, 0],
        [0, 0, 0, 1, 2, 0, 3, 4, 0],
        [0, 0, 0, 0, 1, 2, 0, 3, 4],
    ]
    assert np.array_equal(pb.conv_matrix(W[0, 0], (3, 3)), matrix)
    assert np.array_equal(np.array(matrix) @ X.ravel(), Y.ravel())


def test_article_deconvolution():
    expected = [[37, 121, 94], [178, 500, 342], [201, 499, 308]]
    assert np.array_equal(pb.conv_transpose(Y, W)[0, 0], expected)
    assert np.array_equal((pb.conv_matrix(W[0, 0], (3, 3)).T @ Y.ravel()).reshape(3, 3), expected)


def test_the_two_laws_on_random_matrices():
    rng = np.random.default_rng(0)
    a, b, g = rng.standard_normal((3, 4)), rng.standard_normal((4, 2)), rng.standard_normal((3, 2))
    ta, tb = pb.Tensor(a, requires_grad=True), pb.Tensor(b, requires_grad=True)
    (ta @ tb).backward(g)
    assert np.allclose(ta.grad.data, numerical_grad(lambda m: np.sum(g * (m @ b)), a), atol=1e-7)
    assert np.allclose(tb.grad.data, numerical_grad(lambda m: np.sum(g * (a @ m)), b), atol=1e-7)
    assert np.array_equal(ta.grad.data, g @ b.T)
    assert np.array_equal(tb.grad.data, a.T @ g)


@given(settings_())
def test_conv_is_the_naive_sum(case):
    x, w, options = case
    assert np.allclose(pb.conv(x, w, **options), naive_conv(x, w, **options))


@given(settings_(), st.sampled_from([1, 500, 1 << 20]))
def test_teaching_form_and_fast_path_agree_in_value_and_gradients(case, block):
    x, w, options = case
    groups = options.pop("groups")
    tensors = [pb.Tensor(a, requires_grad=True) for a in (x, w)]
    before, geometry.BLOCK, convolution.BLOCK = geometry.BLOCK, block, block
    try:
        fast = pb.conv(*tensors, **options, groups=groups)
        g = np.random.default_rng(1).standard_normal(fast.shape)
        fast.backward(g)
    finally:
        geometry.BLOCK = convolution.BLOCK = before
    grads = [t.grad.data for t in tensors]

    def teaching(x, w):
        """Y = W im2col(X), for each group."""
        parts = []
        for i in range(groups):
            channels, outs = w.shape[1], w.shape[0] // groups
            cols = pb.im2col(x[:, i * channels : (i + 1) * channels], w.shape[2:], **options)
            matrix = w[i * outs : (i + 1) * outs].reshape(outs, cols.shape[1])
            parts.append((matrix @ cols).reshape(len(x), outs, *fast.shape[2:]))
        return pb.concatenate(parts, axis=1)

    tensors = [pb.Tensor(a, requires_grad=True) for a in (x, w)]
    plain = teaching(*tensors)
    plain.backward(g)
    assert np.allclose(fast.data, plain.data)
    for t, grad in zip(tensors, grads, strict=True):
        assert np.allclose(t.grad.data, grad)


def in_groups(x, w, y, groups):
    """x, w and y of each group of channels: a convolution without groups, whose W* is a block of theirs."""
    return zip(np.split(x, groups, 1), np.split(w, groups), np.split(y, groups, 1), strict=True)


@given(settings_())
def test_conv_matrix_is_the_convolution(case):
    x, w, options = case
    y, groups = naive_conv(x, w, **options), options.pop("groups")
    for own, filters, out in in_groups(x, w, y, groups):
        matrix = pb.conv_matrix(filters, x.shape[2:], **options)
        assert np.allclose(own.reshape(len(x), matrix.shape[1]) @ matrix.T, out.reshape(len(x), len(matrix)))


@given(settings_(axes=2))
def test_conv_transpose_is_the_matrix_transposed(case):
    x, w, options = case
    y = np.random.default_rng(2).standard_normal((2, *naive_conv(x[:1], w, **options).shape[1:]))
    reach = [
        (n - 1) * s - b - a for n, s, (b, a) in zip(y.shape[2:], options["stride"], options["padding"], strict=True)
    ]
    spans = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], options["dilation"], strict=True)]
    assume(all(r + e > 0 for r, e in zip(reach, spans, strict=True)))
    whole, groups = pb.conv_transpose(y, w, **options), options.pop("groups")
    cut = (..., *(slice(0, min(n, m)) for n, m in zip(whole.shape[2:], x.shape[2:], strict=True)))
    parts = []
    for back, filters, out in in_groups(np.zeros((2, *x.shape[1:])), w, y, groups):
        parts.append((out.reshape(2, -1) @ pb.conv_matrix(filters, x.shape[2:], **options)).reshape(back.shape))
    assert np.allclose(whole[cut], np.concatenate(parts, 1)[cut])


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("stride,padding,dilation,groups", [(1, 0, 1, 1), (2, 1, 1, 2), (3, 2, 2, 1), (1, 1, 2, 3)])
def test_against_pytorch(torch, axes, stride, padding, dilation, groups):
    rng = np.random.default_rng(axes)
    x, w = rng.standard_normal((2, 6, *(9, 8, 7)[:axes])), rng.standard_normal((6, 6 // groups, *(3, 2, 3)[:axes]))
    b = rng.standard_normal(6)
    ours, theirs = ([f(a) for a in (x, w, b)] for f in (pb.Tensor, torch.tensor))
    for t in (*ours, *theirs):
        t.requires_grad = True
    y = pb.conv(ours[0], ours[1], stride, padding, dilation, groups, bias=ours[2])
    ty = getattr(torch.nn.functional, f"conv{axes}d")(*theirs, stride, padding, dilation, groups)
    z = pb.conv_transpose(y, ours[1], stride, padding, stride - 1, dilation, groups)
    tz = getattr(torch.nn.functional, f"conv_transpose{axes}d")(
        ty, theirs[1], None, stride, padding, stride - 1, groups, dilation
    )
    z.backward(z.detach())
    tz.backward(tz.detach())
    assert np.allclose(z.data, tz.detach())
    for mine, its in zip(ours, theirs, strict=True):
        assert np.allclose(mine.grad.data, its.grad)


@pytest.mark.parametrize(
    "n,k,s,d", [(5, 3, 1, 1), (6, 2, 1, 1), (7, 3, 2, 1), (8, 4, 3, 1), (9, 3, 2, 2), (3, 5, 4, 1)]
)
def test_same_padding_gives_ceil_n_over_stride_and_transposes_back(n, k, s, d):
    x, w = np.random.default_rng(0).standard_normal((1, 1, n)), np.ones((1, 1, k))
    y = pb.conv(x, w, s, "same", d)
    assert y.shape[2] == -(-n // s)
    assert pb.conv_transpose(y, w, s, "same", dilation=d).shape[2] == y.shape[2] * s


def test_same_padding_puts_the_odd_zero_after():
    assert np.array_equal(pb.conv(np.ones((1, 1, 3)), np.ones((1, 1, 2)), padding="same"), [[[2, 2, 1]]])


def test_derivatives_of_every_order_stay_in_the_trio():
    rng = np.random.default_rng(0)
    x, w = (pb.Tensor(rng.standard_normal(s), requires_grad=True) for s in ((1, 2, 4, 3), (2, 2, 2, 2)))
    assert gradcheck(lambda x, w: pb.conv(x, w, (2, 1), 1), (x, w))
    assert gradgradcheck(lambda x, w: pb.conv(x, w, (2, 1), 1), (x, w))
    y = pb.Tensor(rng.standard_normal((1, 2, 2, 3)), requires_grad=True)
    assert gradgradcheck(lambda y, w: pb.conv_transpose(y, w, (2, 1)), (y, w))


def test_third_derivative_of_a_cubed_convolution():
    w = pb.Tensor(np.array([[[2.0]]]), requires_grad=True)
    g = pb.conv(pb.Tensor([[[3.0]]]), w).sum() ** 3  # 27 w^3
    for expected in (27 * 3 * 4, 27 * 6 * 2, 27 * 6):
        w.grad = None
        g.backward(create_graph=True)
        g = w.grad.sum()
        assert g.item() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    x = pb.Tensor(X.astype(dtype), requires_grad=True)
    w = pb.Tensor(W.astype(dtype), requires_grad=True)
    y = pb.conv(x, w, bias=np.ones(1, dtype))
    y.sum().backward()
    assert y.dtype == x.grad.dtype == w.grad.dtype == dtype


def test_empty_batch():
    x = pb.Tensor(np.zeros((0, 1, 3, 3)), requires_grad=True)
    w = pb.Tensor(W, requires_grad=True)
    y = pb.conv(x, w)
    y.sum().backward()
    assert y.shape == (0, 1, 2, 2) and x.grad.shape == (0, 1, 3, 3) and not w.grad.data.any()


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda: pb.conv(X, np.ones((1, 2, 2, 2))), r"conv: x of shape \(1, 1, 3, 3\).*2 channels, not 1"),
        (lambda: pb.conv(X, np.ones((1, 1, 4, 4))), r"conv: windows of \(4, 4\).*spatial shape \(3, 3\)"),
        (lambda: pb.conv(X, np.ones((1, 1, 2))), "as many dimensions"),
        (lambda: pb.conv(X, W, stride=0), r"conv: stride 0 must be integers of at least 1"),
        (lambda: pb.conv(X, W, stride=(1, 1, 1)), "3 numbers for 2 spatial axes"),
        (lambda: pb.conv(X, W, padding="full"), "padding 'full'"),
        (lambda: pb.conv(X, W, padding=-1), "conv: padding -1 must be integers of at least 0"),
        (lambda: pb.conv(X, W, groups=2), "groups=2"),
        (lambda: pb.conv(X, W, bias=np.ones(3)), r"bias of shape \(3,\) for 1 output channels"),
        (lambda: pb.conv_transpose(X, np.ones((2, 1, 2, 2))), "2 channels, not 1"),
        (lambda: pb.conv_transpose(X, W, output_padding=1), "output_padding"),
        (lambda: pb.conv_transpose(Y, W, padding=2), "nothing is left"),
        (lambda: pb.conv_matrix(W, 3), "conv_matrix"),
    ],
)
def test_errors_name_operation_argument_and_shapes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("spatial, stride", [((60,), 1), ((9, 9), 1), ((11, 8), 2), ((5, 4, 6), 1)])
@pytest.mark.parametrize("n", [7, 8, 13])
def test_samples_taken_together_are_as_each_alone(spatial, stride, n):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(6, 2, *(3,) * len(spatial)))
    options = {"stride": stride, "padding": 1, "groups": 2}

    def run(f, x, g):
        a, b = pb.Tensor(x, requires_grad=True), pb.Tensor(w, requires_grad=True)
        y = f(a, b, **options)
        y.backward(g)
        return y.data, a.grad.data, b.grad.data

    for f, x in ((pb.conv, rng.normal(size=(n, 4, *spatial))), (pb.conv_transpose, rng.normal(size=(n, 6, *spatial)))):
        g = rng.normal(size=f(x, w, **options).shape)
        together = run(f, x, g)
        alone = [run(f, x[i : i + 1], g[i : i + 1]) for i in range(n)]
        for k in (0, 1):
            np.testing.assert_allclose(together[k], np.concatenate([each[k] for each in alone]), atol=1e-12)
        np.testing.assert_allclose(together[2], sum(each[2] for each in alone), atol=1e-12)
