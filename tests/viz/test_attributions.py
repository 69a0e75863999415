"""Attributions beside their formulas: completeness, limits, naive loops, and gradients by hand."""

import itertools

import numpy as np
import pytest

from pullback import Tensor, nn, relu, viz

RNG = np.random.default_rng(0)
X, W1, W2 = (RNG.normal(size=shape) for shape in [(6, 5), (5, 8), (8, 3)])
ROWS = np.arange(len(X))


def mlp(x):
    return relu(x @ W1) @ W2


def gradients(x, target):
    """Those of `mlp`, by hand."""
    return ((x @ W1 > 0) * W2[:, target].T) @ W1.T


def convolutions():
    nn.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6, 5)
    ).double()


# Input times gradient


def test_products_of_a_network_without_biases_add_up_to_the_score():
    found = viz.input_x_gradient(mlp, X, 1)
    np.testing.assert_allclose(found, X * gradients(X, 1), rtol=1e-12)
    np.testing.assert_allclose(found.sum(1), mlp(Tensor(X)).numpy()[:, 1], rtol=1e-12)
    best = mlp(Tensor(X)).numpy().argmax(1)
    np.testing.assert_allclose(viz.input_x_gradient(mlp, X), X * gradients(X, best), rtol=1e-12)


# Integrated gradients


def test_integrals_of_a_polynomial_are_exact():
    x, start = np.array([[2.0, 3.0], [-1.0, 0.5]]), np.array([[0.0, 0.0], [1.0, 2.0]])

    def score(x):
        return x[:, 0] ** 2 * x[:, 1]

    found, error = viz.integrated_gradients(score, x, baseline=start, steps=2, return_error=True)
    (a, b), (c, d) = (x - start).T, start.T  # the integrals of 2 (c + a t) (d + b t) and (c + a t)**2 by hand
    expected = [a * (2 * c * d + c * b + a * d + 2 * a * b / 3), b * (c * c + a * c + a * a / 3)]
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-13)
    np.testing.assert_allclose(error, 0, atol=1e-13)


def test_the_error_is_what_is_missing_to_completeness():
    def score(x):
        return (x @ W1[:, :3]).exp()

    errors = []
    for steps in (1, 2, 4, 8):
        found, error = viz.integrated_gradients(score, X, 2, steps=steps, baseline=0.1, return_error=True)
        gained = np.exp(X @ W1[:, 2]) - np.exp(0.1 * W1[:, 2].sum())
        np.testing.assert_allclose(error, found.sum(1) - gained, atol=1e-12 * np.abs(gained).max())
        errors.append(np.abs(error).max())
    assert errors[0] > 1e-3 and all(b < a / 3 for a, b in itertools.pairwise(errors)) and errors[-1] < 1e-6


@pytest.mark.slow
def test_integrated_gradients_of_a_network_are_complete():
    model, x = convolutions(), 20 * RNG.normal(size=(3, 2, 8, 8))
    found, error = viz.integrated_gradients(model, x, 2, steps=100, return_error=True)
    gained = (model(x).numpy() - model(0 * x).numpy())[:, 2]
    np.testing.assert_allclose(found.sum((1, 2, 3)), gained, atol=3e-3)
    np.testing.assert_allclose(error, found.sum((1, 2, 3)) - gained, atol=1e-12)
    assert np.abs(gained).max() > 0.1
    few, _ = viz.integrated_gradients(model, x[:2], baseline=x[2:], steps=3, batch_size=1, return_error=True)
    np.testing.assert_allclose(few, viz.integrated_gradients(model, x[:2], baseline=x[2:], steps=3), atol=1e-12)


def test_the_target_is_the_largest_score_at_the_input():
    x = np.array([[1.0, 0.5]])  # at 0 both scores are equal, half-way the other is larger
    found = viz.integrated_gradients(lambda x: np.stack([x[:, 0] ** 3, x[:, 1] / 2], 1), x, steps=4)
    np.testing.assert_allclose(found, [[1, 0]], rtol=1e-12)


# SmoothGrad


def test_without_noise_it_is_the_gradient():
    np.testing.assert_allclose(viz.smoothgrad(mlp, X, 1, noise=0, samples=3), gradients(X, 1), rtol=1e-12)


@pytest.mark.slow
def test_the_limit_of_smoothgrad():
    x = np.array([[0.0, 1.0, 2.0], [-3.0, 3.0, 1.0]])
    found = viz.smoothgrad(lambda x: (x**3).sum(1), x, noise=0.1, samples=4000, rng=1)
    spread = 0.1 * np.array([[2.0], [6.0]])  # the mean of 3 (x + n)**2 is 3 x**2 + 3 spread**2
    deviation = np.sqrt(36 * x**2 * spread**2 + 18 * spread**4) / np.sqrt(4000)
    assert (np.abs(found - 3 * (x**2 + spread**2)) < 4.5 * deviation).all()
    assert (np.abs(found - 3 * x**2) > 4.5 * deviation)[0, 0]


def test_smoothgrad_draws_from_its_own_generator():
    first = viz.smoothgrad(np.tanh, X, 0, samples=2)
    np.testing.assert_array_equal(first, viz.smoothgrad(np.tanh, X, 0, samples=2))
    source = np.random.default_rng(0)
    np.testing.assert_array_equal(first, viz.smoothgrad(np.tanh, X, 0, samples=2, rng=source))
    assert not np.array_equal(first, viz.smoothgrad(np.tanh, X, 0, samples=2, rng=source))


# Grad-CAM


def test_grad_cam_by_its_formula():
    model, x = convolutions(), RNG.normal(size=(3, 2, 8, 8))
    maps = model[3](model[2](model[1](model[0](Tensor(x))))).numpy()
    weights = model[6].weight.numpy()  # of the mean of each map of 16 entries: 1/16 is each entry's share
    expected = np.maximum(np.einsum("k,nkij->nij", weights[2], maps) / 16, 0)
    assert 0 < np.count_nonzero(expected) < expected.size
    np.testing.assert_allclose(viz.grad_cam(model, x, 3, 2), expected, rtol=1e-12, atol=1e-15)
    best = model(x).numpy().argmax(1)
    expected = np.maximum(np.einsum("nk,nkij->nij", weights[best], maps) / 16, 0)
    np.testing.assert_allclose(viz.grad_cam(model, x, "3", batch_size=2), expected, rtol=1e-12, atol=1e-15)


def test_grad_cam_takes_means_of_gradients():
    model = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(8, 3)).double()
    x = RNG.normal(size=(2, 1, 5))
    maps = model[0](x).numpy()
    weights = model[2].weight.numpy()[1].reshape(2, 4).mean(1)
    expected = np.maximum(weights @ maps, 0)
    np.testing.assert_allclose(viz.grad_cam(model, x, 0, 1), expected, rtol=1e-12, atol=1e-15)
    larger = viz.grad_cam(model, x, 0, 1, upsample=True)
    centres = (np.arange(5) + 0.5) * 4 / 5 - 0.5
    np.testing.assert_allclose(larger, [np.interp(centres, range(4), row) for row in expected], rtol=1e-12, atol=1e-15)


def test_grad_cam_of_what_is_no_map_or_does_not_matter():
    model, x = convolutions(), RNG.normal(size=(3, 2, 8, 8))
    with pytest.raises(ValueError, match=r"grad_cam: the layer gives \(3, 6\)"):
        viz.grad_cam(model, x, 5)
    other = nn.Conv2d(2, 2, 3).double()
    with pytest.raises(RuntimeError, match="grad_cam: the score does not depend"):
        viz.grad_cam(lambda x: [model(x), other(x)], x, other)


# Occlusion


def fallen(score, x, covered, window, stride, place):
    """By how much a score falls in the mean over the windows that cover a place, one entry after the other."""
    falls = []
    for start in itertools.product(*(range(0, n + step, step) for n, step in zip(x.shape, stride, strict=True))):
        before = [s - step for s, step in zip(start, stride, strict=True)]
        if any(b + w >= n for b, w, n in zip(before, window, x.shape, strict=True) if b >= 0):
            continue  # the window before had reached the end
        if all(s <= p < s + w for s, p, w in zip(start, place, window, strict=True)):
            changed = x.copy()
            for at in np.ndindex(*x.shape):
                if all(s <= p < s + w for s, p, w in zip(start, at, window, strict=True)):
                    changed[at] = covered[at]
            falls.append(score(x) - score(changed))
    return np.mean(falls)


@pytest.mark.parametrize(
    ("window", "stride", "full", "steps"),
    [
        (2, None, (2, 2, 2), (1, 1, 1)),
        ((3, 2), (2, 2), (2, 3, 2), (1, 2, 2)),
        ((1, 2, 9), (1, 2, 4), (1, 2, 9), (1, 2, 4)),
        (3, 3, (2, 3, 3), (1, 3, 3)),
    ],
)
def test_occlusion_beside_a_naive_loop(window, stride, full, steps):
    weights = RNG.normal(size=(2, 5, 4))

    def score(x):
        return ((x * weights).sum((-3, -2, -1)) - 1) ** 2

    x, covered = RNG.normal(size=(2, 2, 2, 5, 4))
    found = viz.occlusion(score, x, window=window, stride=stride, baseline=covered)
    for n in range(2):
        expected = [fallen(score, x[n], covered[n], full, steps, place) for place in np.ndindex(2, 5, 4)]
        np.testing.assert_allclose(found[n], np.reshape(expected, (2, 5, 4)), rtol=1e-10, atol=1e-12)


def test_occlusion_of_tokens():
    table = RNG.normal(size=(9, 3))
    tokens = np.array([[1, 5, 8], [2, 0, 3]])
    found = viz.occlusion(lambda t: Tensor(table)[t].sum(1), tokens, 1, window=1)
    np.testing.assert_allclose(found, table[tokens, 1] - table[0, 1], rtol=1e-12)


def test_windows_that_do_not_fit():
    for settings, message in [
        ({"window": 0}, "window=0"),
        ({"window": 2, "stride": 3}, "stride of 3 leaves gaps between windows of 2"),
        ({"window": (1, 2, 3, 4)}, "expected a positive number, or one for each of 1 or 2 axes"),
        ({"window": 1, "baseline": np.zeros(7)}, r"baseline of shape \(7,\)"),
        ({"window": 1, "baseline": (0, 1)}, "2 baselines for 1 inputs"),
    ]:
        with pytest.raises(ValueError, match=f"occlusion: .*{message}"):
            viz.occlusion(lambda x: x.sum((1, 2)), np.ones((1, 2, 6)), **settings)


# What a unit likes best


def test_the_best_input_of_a_linear_unit():
    start = RNG.normal(size=(2, 5))
    found = viz.activation_maximization(lambda x: x @ W1, start, unit=3, decay=0.25, steps=600, lr=0.1)
    np.testing.assert_allclose(found, np.broadcast_to(W1[:, 3] / 0.5, (2, 5)), atol=1e-3)


def test_ascent_goes_up_and_leaves_the_start_alone():
    model, start = convolutions(), RNG.normal(size=(1, 2, 8, 8))
    before = start.copy()
    for settings in ({}, {"jitter": 2}, {"strongest": 1}):
        found = viz.activation_maximization(model, start, 3, 1, steps=20, decay=0, **settings)
        np.testing.assert_array_equal(start, before)
        assert found.shape == start.shape and found.dtype == start.dtype
        after, at_first = (model[:4](x).numpy()[0, 1] for x in (found, start))
        place = np.unravel_index(at_first.argmax(), at_first.shape) if settings.get("strongest") else ...
        assert after[place].sum() > 1.5 * at_first[place].sum() > 0.1
        again = viz.activation_maximization(model, start, 3, 1, steps=20, decay=0, **settings)
        np.testing.assert_array_equal(found, again)
    assert all(p.grad is None for p in model.parameters())


def test_jitter_moves_back_what_it_moved():
    """The score is a weighted sum; moved by d, its gradient is the weights moved by -d."""
    weights, start = RNG.choice([-1.0, 1.0], (5, 4)), np.zeros((1, 1, 5, 4))
    found = viz.activation_maximization(lambda x: (x * weights).sum((1, 2, 3)), start, steps=1, lr=1, jitter=1, rng=3)
    (d, e) = np.random.default_rng(3).integers(-1, 1, 2, endpoint=True)
    np.testing.assert_allclose(found[0, 0], np.roll(weights, (-d, -e), (0, 1)), atol=1e-6)
    assert (d, e) != (0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.integrated_gradients(mlp, X, steps=0), "integrated_gradients: steps=0"),
        (lambda: viz.smoothgrad(mlp, X, samples=0), "smoothgrad: samples=0"),
        (lambda: viz.smoothgrad(mlp, X, noise=-1.0), "noise=-1.0"),
        (lambda: viz.activation_maximization(mlp, X, steps=-1), "steps=-1"),
        (
            lambda: viz.integrated_gradients(lambda x: mlp(x[:1]), X),
            "scores for 1 samples of a batch of 6",
        ),
    ],
)
def test_settings_that_make_no_sense(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Captum's outputs


@pytest.mark.filterwarnings("ignore")
def test_captums_outputs(torch):
    attr = pytest.importorskip("captum.attr", exc_type=ImportError)
    model, x = convolutions(), RNG.normal(size=(3, 2, 8, 8))
    layers = torch.nn
    other = layers.Sequential(
        layers.Conv2d(2, 4, 3), layers.ReLU(), layers.Conv2d(4, 6, 3), layers.ReLU(), layers.AvgPool2d(4),
        layers.Flatten(), layers.Linear(6, 5),
    ).double()  # fmt: skip
    other.load_state_dict({name: torch.from_numpy(p.numpy().copy()) for name, p in model.named_parameters()})
    given, start = torch.from_numpy(x), torch.from_numpy(np.full(x.shape, 0.5))

    def same(ours, theirs, atol=1e-12):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=atol)
        assert np.abs(ours).max() > 1e-3

    same(viz.saliency(model, x, 2), attr.Saliency(other).attribute(given, 2, abs=False))
    same(viz.input_x_gradient(model, x, 2), attr.InputXGradient(other).attribute(given, target=2))
    same(viz.deconvnet(model, x, unit=2, seed=1), attr.Deconvolution(other).attribute(given, target=2))
    same(viz.guided_backprop(model, x, unit=2, seed=1), attr.GuidedBackprop(other).attribute(given, target=2))
    neuron = attr.NeuronDeconvolution(other, other[2]).attribute(given, (1, 0, 2))
    same(viz.deconvnet(model, x, 2, (1, 0, 2), seed=1), neuron)
    integrated, delta = attr.IntegratedGradients(other).attribute(
        given, start, target=2, n_steps=20, method="gausslegendre", return_convergence_delta=True
    )
    found, error = viz.integrated_gradients(model, x, 2, baseline=0.5, steps=20, return_error=True)
    same(found, integrated, atol=1e-9)  # its steps and weights are rounded to float32
    np.testing.assert_allclose(error, delta.numpy(), atol=1e-9)
    cam = attr.LayerGradCam(other, other[3]).attribute(given, target=2, relu_attributions=True)
    same(viz.grad_cam(model, x, 3, 2), cam[:, 0])
    occluded = attr.Occlusion(other).attribute(given, (2, 3, 2), (2, 2, 2), baselines=0.5, target=2)
    same(viz.occlusion(model, x, 2, window=(3, 2), stride=2, baseline=0.5), occluded, atol=1e-9)  # its are float32
