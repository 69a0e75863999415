import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grads, nn, viz


def leaves(*values):
    return [Tensor(value, requires_grad=True) for value in values]


def test_one_output_and_one_input():
    (x,) = leaves([1.0, 2.0])
    g = grads((x**3).sum(), x)
    assert isinstance(g, Tensor) and not g.requires_grad
    np.testing.assert_array_equal(g.data, [3.0, 12.0])
    assert x.grad is None


def test_nothing_is_accumulated():
    x, y = leaves(2.0, 5.0)
    middle = x * y
    middle.retain_grad()
    out = middle * x
    x.grad = 7.0
    assert [g.item() for g in grads(out, [x, y], retain_graph=True)] == [20.0, 4.0]
    assert x.grad.item() == 7.0 and y.grad is None and middle.grad is None
    viz.graph(out)
    assert middle.grad is None
    out.backward()
    assert x.grad.item() == 27.0 and y.grad.item() == 4.0 and middle.grad.item() == 2.0


def test_the_form_is_that_of_the_inputs():
    w, b = leaves([1.0, 2.0], 3.0)
    out = (w * b).sum()
    both = grads(out, {"w": w, "b": (b,)}, retain_graph=True)
    assert both["w"].tolist() == [3.0, 3.0] and both["b"][0].item() == 3.0 and isinstance(both["b"], tuple)
    model = nn.Linear(2, 1)
    weight, bias = grads(model(np.ones((1, 2))).sum(), model.parameters())
    assert weight.tolist() == [[1.0, 1.0]] and bias.tolist() == [1.0] and model.weight.grad is None


def test_several_outputs_and_cotangents():
    (x,) = leaves([1.0, 2.0])
    outputs = [x * 3, (x * x).sum()]
    g = grads(outputs, x, [[10.0, 100.0], None], retain_graph=True)
    np.testing.assert_array_equal(g.data, [30 + 2, 300 + 4])
    g = grads({"a": outputs[0]}, x, {"a": [1.0, 2.0]}, retain_graph=True)
    np.testing.assert_array_equal(g.data, [3.0, 6.0])
    np.testing.assert_array_equal(grads([outputs[1], outputs[1]], x).data, [4.0, 8.0])


def test_every_order():
    (x,) = leaves(2.0)
    g = x**4
    for expected in (32.0, 48.0, 48.0, 24.0):  # 4 x^3, 12 x^2, 24 x, 24
        g = grads(g, x, create_graph=True)
        assert g.item() == expected


def test_a_gradient_penalty_reaches_the_parameters():
    w, x = leaves(3.0, 2.0)
    penalty = grads(w * x**2, x, create_graph=True) ** 2  # (2 w x)^2
    penalty.backward()
    assert w.grad.item() == 8 * 3 * 4


def test_inputs_may_be_results_and_outputs():
    (x,) = leaves(2.0)
    middle = x * x
    out = middle**2
    of_middle, of_x, of_itself = grads(out, (middle, x, out))
    assert (of_middle.item(), of_x.item(), of_itself.item()) == (8.0, 32.0, 1.0)


def test_what_does_not_lead_to_the_outputs_has_gradient_zero():
    x, other = leaves(2.0, np.ones((2, 3), np.float32))
    g = grads(x * x, [x, other])[1]
    assert g.shape == (2, 3) and g.dtype == np.float32 and not g.data.any()


def test_hooks_run_and_the_graph_is_freed_unless_told():
    (x,) = leaves(2.0)
    x.register_hook(lambda g: g * 10)
    out = x * x
    assert grads(out, x, retain_graph=True).item() == 40.0
    assert grads(out, x).item() == 40.0
    with pytest.raises(RuntimeError, match="retain_graph"):
        grads(out, x)


def test_the_results_share_no_memory():
    a, b = leaves(np.ones(3), np.ones(3))
    weights = np.array([1.0, 2.0, 3.0])
    one, other = grads(a + b, (a, b), weights)
    one.data[0] = 100
    one += 1
    np.testing.assert_array_equal(other.data, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(weights, [1.0, 2.0, 3.0])
    (same,) = grads([a], [a], [weights])
    same.data[:] = 0
    np.testing.assert_array_equal(weights, [1.0, 2.0, 3.0])


def test_inside_transforms():
    def inner(x):
        y = x * 1.0
        return grads((y**3).sum(), y, create_graph=True).sum()  # 3 x^2

    np.testing.assert_array_equal(pb.grad(inner)([1.0, 2.0]).data, [6.0, 12.0])


def test_as_pytorch_gives_them(torch):
    rng = np.random.default_rng(0)
    a, b, g = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    theirs = [torch.tensor(v, requires_grad=True) for v in (a, b)]
    expected = torch.autograd.grad(torch.tanh(theirs[0] @ theirs[1]), theirs, torch.tensor(g))
    ours = leaves(a, b)
    for one, other in zip(grads(pb.tanh(ours[0] @ ours[1]), ours, g), expected, strict=True):
        np.testing.assert_allclose(one.data, other.numpy(), rtol=1e-12)


def test_errors():
    x, y = leaves([1.0, 2.0], 1.0)
    with pytest.raises(RuntimeError, match=r"grads: outputs\[0\], of shape \(\), does not require"):
        grads(Tensor(1.0), x)
    with pytest.raises(RuntimeError, match=r"grads: inputs\[1\], of shape \(2,\), does not require"):
        grads(x.sum(), [x, Tensor([1.0, 2.0])])
    with pytest.raises(TypeError, match=r"grads: inputs\[0\] is a ndarray"):
        grads(x.sum(), np.ones(2))
    with pytest.raises(ValueError, match="grads: inputs is empty"):
        grads(x.sum(), [])
    with pytest.raises(RuntimeError, match="shape \\(2,\\)"):
        grads(x * 2, x)
    with pytest.raises(ValueError, match="grads: cotangents"):
        grads([x * 2, y * 2], x, [np.ones(2)])


def test_a_cotangent_that_comes_through_is_copied_with_create_graph_too():
    (x,) = leaves(np.ones(3))
    weights = np.array([1.0, 2.0, 3.0])
    (g,) = grads([x], [x], [weights], create_graph=True)
    g.data[0] = 100
    x.backward(weights, create_graph=True)
    x.grad.data[0] = 100
    np.testing.assert_array_equal(weights, [1.0, 2.0, 3.0])
